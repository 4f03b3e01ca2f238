/* hold.h: bytes of answers that wait for clients which do not take them.
 *
 * How many, a client decides; so they are charged to one budget for all
 * workers (answer_memory). Past half of it an engine is stopped as soon as
 * anything of its answer waits; past all of it whoever adds to it is given up:
 * the newest pays, never the neighbour. */
#ifndef SLUICE_DOWNSTREAM_HOLD_H
#define SLUICE_DOWNSTREAM_HOLD_H

#include <stdatomic.h>

#include "sluice/base.h"

struct sl_sessions;

struct sl_hold_budget {
	atomic_llong bytes;
};

/* What waits here is `bytes` now, after *held before. False if it has grown
 * and there is no room for it. */
bool sl_hold_set(struct sl_sessions *all, size_t *held, size_t bytes);
/* Room gets scarce. */
bool sl_hold_pressed(const struct sl_sessions *all);

#endif
