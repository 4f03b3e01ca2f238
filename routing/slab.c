/* slab.c: see slab.h. */
#include "routing/slab.h"

#include <assert.h>
#include <stdlib.h>

#include "routing/alloc.h"

void slab_init(struct slab *s, uint32_t item_bytes)
{
	assert(item_bytes >= sizeof(uint32_t) && item_bytes % sizeof(uint32_t) == 0);
	*s = (struct slab){ .item_bytes = item_bytes, .free = SLAB_NONE };
}

void slab_fini(struct slab *s)
{
	for (uint32_t i = 0; i < s->n_chunks; i++)
		free(s->chunks[i]);
	free(s->chunks);
	*s = (struct slab){ .item_bytes = s->item_bytes, .free = SLAB_NONE };
}

static void add_chunk(struct slab *s)
{
	if (s->n_chunks == s->cap_chunks) {
		s->cap_chunks = s->cap_chunks ? s->cap_chunks * 2 : 16;
		s->chunks = alloc_resize(s->chunks, s->cap_chunks, sizeof(*s->chunks));
	}
	s->chunks[s->n_chunks++] = alloc_resize(NULL, SLAB_CHUNK_ITEMS, s->item_bytes);
}

uint32_t slab_take(struct slab *s)
{
	uint32_t item = s->free;

	s->n_live++;
	if (item != SLAB_NONE) {
		memcpy(&s->free, slab_at(s, item), sizeof(s->free));
		return item;
	}
	if (s->n_fresh == s->n_chunks * SLAB_CHUNK_ITEMS)
		add_chunk(s);
	return s->n_fresh++;
}

void slab_give(struct slab *s, uint32_t item)
{
	assert(item < s->n_fresh && s->n_live > 0);
	memcpy(slab_at(s, item), &s->free, sizeof(s->free));
	s->free = item;
	s->n_live--;
}

uint64_t slab_bytes(const struct slab *s)
{
	return (uint64_t)s->n_chunks * SLAB_CHUNK_ITEMS * s->item_bytes +
	       s->cap_chunks * sizeof(*s->chunks);
}
