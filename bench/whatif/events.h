/* events.h: what is going to happen in a what-if run, in order of time; equal
 * times in the order in which they were added, so that a run replays. */
#ifndef SLUICE_WHATIF_EVENTS_H
#define SLUICE_WHATIF_EVENTS_H

#include "sluice/base.h"

struct event_item {
	uint64_t at_us;
	uint64_t order; /* of adding */
	uint32_t kind;  /* the world's */
	uint32_t subject;
	uint32_t epoch; /* of the subject; a stale one is ignored */
	void *load;     /* the world's */
};

struct events {
	struct event_item *heap; /* owned */
	size_t n, cap;
	uint64_t added;
};

void events_fini(struct events *e);
void events_add(struct events *e, struct event_item item);
/* The next one; NULL if there is none. Valid until the next add or take. */
static inline const struct event_item *events_next(const struct events *e)
{
	return e->n ? &e->heap[0] : NULL;
}
/* There is one. */
struct event_item events_take(struct events *e);

#endif
