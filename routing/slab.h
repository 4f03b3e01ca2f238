/* slab.h: numbered items of one size, in chunks.
 *
 * Items are named by a 32-bit number, half the size of a pointer, and never
 * move: growing adds a chunk and copies nothing, so that no call is slow
 * because a table doubled. Freed items are used again; memory is given back
 * by slab_fini only. An item's first four bytes are the slab's while it is
 * free. */
#ifndef SLUICE_ROUTING_SLAB_H
#define SLUICE_ROUTING_SLAB_H

#include "sluice/base.h"

#define SLAB_NONE UINT32_MAX
#define SLAB_CHUNK_BITS 12
#define SLAB_CHUNK_ITEMS (1u << SLAB_CHUNK_BITS)

struct slab {
	unsigned char **chunks; /* owned */
	uint32_t n_chunks;
	uint32_t cap_chunks;
	uint32_t item_bytes;
	uint32_t n_fresh; /* items that were ever handed out */
	uint32_t n_live;
	uint32_t free; /* head of the free list, or SLAB_NONE */
};

void slab_init(struct slab *s, uint32_t item_bytes);
void slab_fini(struct slab *s);
/* An item with undefined contents. */
uint32_t slab_take(struct slab *s);
void slab_give(struct slab *s, uint32_t item);
/* Memory held, chunks that are only partly used included. */
uint64_t slab_bytes(const struct slab *s);

static inline void *slab_at(const struct slab *s, uint32_t item)
{
	return s->chunks[item >> SLAB_CHUNK_BITS] +
	       (size_t)(item & (SLAB_CHUNK_ITEMS - 1)) * s->item_bytes;
}

#endif
