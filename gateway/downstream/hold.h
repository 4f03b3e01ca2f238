/* hold.h: bytes of answers that wait for clients which do not take them.
 *
 * How many, a client decides; so they are charged to one budget for all
 * workers (answer_memory). Past half of it an engine is stopped as soon as
 * anything of its answer waits, and what an answer was granted stays its own
 * until it ends: who reads on never loses its place to those who stopped. Past
 * all of it whoever asks for more is given up: the newest pays, never the
 * neighbour. */
#ifndef SLUICE_DOWNSTREAM_HOLD_H
#define SLUICE_DOWNSTREAM_HOLD_H

#include <stdatomic.h>

#include "sluice/base.h"

/* The least that is granted: room for one more step of an answer, which is
 * SL_HOLD_STEP bytes of its engine's while room is scarce, and for the event
 * that was not whole before them. */
#define SL_HOLD_LEAST ((size_t)32 * 1024)
#define SL_HOLD_STEP ((size_t)16 * 1024)

struct sl_sessions;

struct sl_hold_budget {
	atomic_llong bytes; /* granted, to all */
};

struct sl_hold {
	size_t waits;   /* bytes that wait now */
	size_t granted; /* charged for them, at least as many */
	bool last;      /* nothing more will come: no room is needed for it */
};

/* What waits here is `bytes` now. False if there is no room for so much. */
bool sl_hold_set(struct sl_sessions *all, struct sl_hold *hold, size_t bytes);
/* Nothing waits any more, or will. */
void sl_hold_end(struct sl_sessions *all, struct sl_hold *hold);
/* Room gets scarce. */
bool sl_hold_pressed(const struct sl_sessions *all);

#endif
