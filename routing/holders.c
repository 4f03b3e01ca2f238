/* holders.c: see holders.h. */
#include "routing/holders.h"

#include <assert.h>

#include "routing/alloc.h"

#define HOLDER_BYTES (sizeof(uint32_t) + sizeof(uint16_t))
#define FIRST_CAP 4u

static uint32_t *many_entries(const struct holders *h)
{
	return h->u.many;
}

static uint16_t *many_slots(const struct holders *h)
{
	return (uint16_t *)((uint32_t *)h->u.many + h->cap);
}

void holders_init(struct holders *h)
{
	h->count = 0;
	h->cap = 0;
}

void holders_fini(struct holders *h)
{
	if (h->cap)
		free(h->u.many);
	holders_init(h);
}

const uint16_t *holders_slots(const struct holders *h)
{
	return h->cap ? many_slots(h) : &h->u.one.slot;
}

/* How many slots are below this one. Where every endpoint is a holder, as of
 * the beginning that all prompts share, it is the slot itself. */
static uint32_t rank_of(const struct holders *h, uint16_t slot)
{
	const uint16_t *slots = holders_slots(h);
	uint32_t low = 0, high = h->count;

	if (slot < high && slots[slot] == slot)
		return slot;
	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (slots[mid] < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t holders_find(const struct holders *h, uint16_t slot)
{
	uint32_t at = rank_of(h, slot);

	if (at == h->count || holders_slots(h)[at] != slot)
		return HOLDERS_NONE;
	return h->cap ? many_entries(h)[at] : h->u.one.entry;
}

/* Moves the set to an array of cap holders. */
static void resize(struct holders *h, uint32_t cap)
{
	struct holders to = { .count = h->count, .cap = (uint16_t)cap };
	void *former = h->cap ? h->u.many : NULL;

	assert(cap >= h->count && cap <= UINT16_MAX);
	to.u.many = alloc_resize(NULL, cap, HOLDER_BYTES);
	if (h->cap) {
		memcpy(many_entries(&to), many_entries(h), h->count * sizeof(uint32_t));
		memcpy(many_slots(&to), many_slots(h), h->count * sizeof(uint16_t));
	} else {
		many_entries(&to)[0] = h->u.one.entry;
		many_slots(&to)[0] = h->u.one.slot;
	}
	h->cap = to.cap;
	h->u.many = to.u.many;
	free(former);
}

void holders_add(struct holders *h, uint16_t slot, uint32_t entry)
{
	uint32_t at = rank_of(h, slot), after = h->count - at;

	if (h->count == 0 && !h->cap) {
		h->u.one.entry = entry;
		h->u.one.slot = slot;
		h->count = 1;
		return;
	}
	if (!h->cap || h->count == h->cap)
		resize(h, h->cap ? h->cap * 2u : FIRST_CAP);
	assert(at == h->count || many_slots(h)[at] != slot);
	memmove(many_entries(h) + at + 1, many_entries(h) + at, after * sizeof(uint32_t));
	memmove(many_slots(h) + at + 1, many_slots(h) + at, after * sizeof(uint16_t));
	many_entries(h)[at] = entry;
	many_slots(h)[at] = slot;
	h->count++;
}

/* Back into the struct. */
static void make_single(struct holders *h)
{
	void *many = h->u.many;
	uint32_t entry = many_entries(h)[0];
	uint16_t slot = many_slots(h)[0];

	h->cap = 0;
	h->u.one.entry = entry;
	h->u.one.slot = slot;
	free(many);
}

void holders_del(struct holders *h, uint16_t slot)
{
	uint32_t at = rank_of(h, slot), after = h->count - at - 1u;

	assert(at < h->count && holders_slots(h)[at] == slot);
	h->count--;
	if (!h->cap)
		return;
	memmove(many_entries(h) + at, many_entries(h) + at + 1, after * sizeof(uint32_t));
	memmove(many_slots(h) + at, many_slots(h) + at + 1, after * sizeof(uint16_t));
	if (h->count == 1)
		make_single(h);
	else if (h->count <= h->cap / 4u)
		resize(h, h->cap / 2u);
}

uint64_t holders_bytes(const struct holders *h)
{
	return h->cap * (uint64_t)HOLDER_BYTES;
}
