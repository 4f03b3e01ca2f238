/* heap.c: a binary heap. See heap.h. */
#include "routing/heap.h"

#include "routing/alloc.h"

void heap_init(struct heap *h, uint32_t room)
{
	*h = (struct heap){ .items = alloc_zero((size_t)room + 1, sizeof(struct heap_item *)) };
}

void heap_fini(struct heap *h)
{
	free(h->items);
	*h = (struct heap){ 0 };
}

static bool is_before(const struct heap_item *a, const struct heap_item *b)
{
	return a->major != b->major ? a->major < b->major : a->minor < b->minor;
}

static void set(struct heap *h, uint32_t at, struct heap_item *item)
{
	h->items[at] = item;
	item->place = at;
}

/* Into the hole at `at`, or as far up from there as its key says. */
static uint32_t rise(struct heap *h, uint32_t at, const struct heap_item *item)
{
	for (; at > 1 && is_before(item, h->items[at / 2]); at /= 2)
		set(h, at, h->items[at / 2]);
	return at;
}

static uint32_t sink(struct heap *h, uint32_t at, const struct heap_item *item)
{
	for (uint32_t child; (child = 2 * at) <= h->n; at = child) {
		if (child < h->n && is_before(h->items[child + 1], h->items[child]))
			child++;
		if (!is_before(h->items[child], item))
			break;
		set(h, at, h->items[child]);
	}
	return at;
}

static void settle(struct heap *h, uint32_t at, struct heap_item *item)
{
	set(h, sink(h, rise(h, at, item), item), item);
}

void heap_put(struct heap *h, struct heap_item *item, uint64_t major, uint64_t minor)
{
	item->major = major;
	item->minor = minor;
	settle(h, item->place ? item->place : ++h->n, item);
}

void heap_del(struct heap *h, struct heap_item *item)
{
	struct heap_item *last;

	if (!item->place)
		return;
	assert(h->items[item->place] == item);
	last = h->items[h->n--];
	if (last != item)
		settle(h, item->place, last);
	item->place = 0;
}
