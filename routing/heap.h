/* heap.h: items in the order of a key, smallest first; an item knows its place,
 * so that it can be moved or taken out from anywhere in O(log n).
 *
 * Items are embedded in the caller's objects; the room is fixed. Equal keys are
 * the caller's mistake where order matters: major first, then minor. */
#ifndef SLUICE_ROUTING_HEAP_H
#define SLUICE_ROUTING_HEAP_H

#include "sluice/base.h"

struct heap_item {
	uint64_t major, minor;
	uint32_t place; /* from 1; 0: in no heap */
};

struct heap {
	struct heap_item **items; /* owned; [0] is not used */
	uint32_t n;
};

/* For at most `room` items. */
void heap_init(struct heap *h, uint32_t room);
void heap_fini(struct heap *h);
/* Puts it in with this key, or gives it this key. */
void heap_put(struct heap *h, struct heap_item *item, uint64_t major, uint64_t minor);
/* Nothing if it is not in. */
void heap_del(struct heap *h, struct heap_item *item);

/* The smallest, or NULL. */
static inline struct heap_item *heap_first(const struct heap *h)
{
	return h->n ? h->items[1] : NULL;
}

#endif
