/* events.c: a binary heap. See events.h. */
#include "bench/whatif/events.h"

#include <assert.h>
#include <stdlib.h>

static bool before(const struct event_item *a, const struct event_item *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void events_fini(struct events *e)
{
	free(e->heap);
	*e = (struct events){ 0 };
}

void events_add(struct events *e, struct event_item item)
{
	size_t at = e->n++;

	if (e->n > e->cap) {
		e->cap = e->cap ? e->cap * 2 : 64;
		e->heap = reallocarray(e->heap, e->cap, sizeof(*e->heap));
		if (!e->heap)
			abort();
	}
	item.order = e->added++;
	for (; at && before(&item, &e->heap[(at - 1) / 2]); at = (at - 1) / 2)
		e->heap[at] = e->heap[(at - 1) / 2];
	e->heap[at] = item;
}

struct event_item events_take(struct events *e)
{
	struct event_item first, last;
	size_t at = 0, child;

	assert(e->n);
	first = e->heap[0];
	last = e->heap[--e->n];
	while ((child = at * 2 + 1) < e->n) {
		if (child + 1 < e->n && before(&e->heap[child + 1], &e->heap[child]))
			child++;
		if (!before(&e->heap[child], &last))
			break;
		e->heap[at] = e->heap[child];
		at = child;
	}
	e->heap[at] = last;
	return first;
}
