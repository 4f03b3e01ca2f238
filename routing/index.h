/* index.h: the prefix index: what each endpoint probably has in its KV cache.
 *
 * Nouns
 *   node   one block of some prompt, named by its chained hash, with the set
 *          of endpoints that hold it, sorted by endpoint
 *   entry  one (endpoint, node); it is linked in that endpoint's LRU list
 *
 * Invariants
 *   - Contiguity: an endpoint that holds a block holds all blocks before it.
 *     A dispatch moves its whole path to the young end of the list, the last
 *     block first, so a block is always younger than those that follow it,
 *     and eviction from the old end takes the leaves of the endpoint's tree.
 *   - Therefore the sets along one prompt are nested, and two blocks with
 *     equally many holders have the same holders. A match bisects on the
 *     number of holders and reads a set only where that number changes.
 *   - Nodes live in a linear hash table, which grows by one bucket at a time:
 *     no insertion pays for a rehash.
 *   - Memory: 20 bytes per entry, 32 per node, 4 per bucket, 6 to 12 more per
 *     holder once a node is shared; nothing is kept of a block that nobody
 *     holds. Freed items are used again, so it never exceeds its high water.
 *
 * It refuses to know time, models or tokenisers: tokens are the caller's. */
#ifndef SLUICE_ROUTING_INDEX_H
#define SLUICE_ROUTING_INDEX_H

#include "routing/slab.h"
#include "sluice/facts.h"

struct index_lru {
	uint32_t young, old; /* entries, or SLAB_NONE */
	uint32_t n_entries;
	uint64_t tokens;
};

struct index_match {
	uint32_t round; /* of the match that wrote this */
	uint32_t bytes;
};

struct index {
	struct slab nodes;
	struct slab entries;
	struct slab buckets; /* heads of node chains; never given back */
	uint32_t level;      /* 2^level buckets, plus those split already */
	uint64_t seed;
	uint64_t set_bytes;       /* of all sets that left their node */
	struct index_lru *lru;    /* per slot, owned */
	struct index_match *hits; /* per slot, owned; result of index_match */
	uint32_t n_slots;
	uint32_t round;
	uint32_t stamp; /* of the last insertion */
};

/* How much one endpoint may hold. */
struct index_limit {
	uint64_t tokens;
	uint32_t entries;
};

/* What an insertion did, for index_take_back: new are the blocks
 * [first_new, first_new + n_new). */
struct index_put {
	uint32_t first_new;
	uint32_t n_new;
	uint32_t stamp;
};

/* seed: keeps peers from aiming their prompts at one bucket. */
void index_init(struct index *ix, uint64_t seed);
void index_fini(struct index *ix);
/* Room for endpoints 0 .. n_slots - 1. */
void index_reserve(struct index *ix, uint32_t n_slots);

/* Finds, for every endpoint, how far it holds this prompt. The result is
 * read with index_matched and valid until the next call. */
void index_match(struct index *ix, const struct sl_block *blocks, uint32_t n);

/* Bytes of the prompt of the last match that this endpoint holds. */
static inline uint32_t index_matched(const struct index *ix, uint32_t slot)
{
	const struct index_match *hit = &ix->hits[slot];

	return hit->round == ix->round ? hit->bytes : 0;
}

/* The endpoint holds more of that prompt than the index knows of. */
static inline void index_raise(struct index *ix, uint32_t slot, uint32_t bytes)
{
	if (bytes > index_matched(ix, slot))
		ix->hits[slot] = (struct index_match){ .round = ix->round, .bytes = bytes };
}

/* The endpoint holds this prompt from now on, as its youngest; what is over
 * the limit leaves, oldest first. */
struct index_put index_insert(struct index *ix, uint32_t slot, const struct sl_block *blocks,
                              uint32_t n, double tokens_per_byte, struct index_limit limit);
/* Removes what an insertion added, as far as no later one passed over it:
 * that request computes those blocks itself. */
void index_take_back(struct index *ix, uint32_t slot, const struct sl_block *blocks, uint32_t n,
                     struct index_put put);
/* The endpoint holds nothing. */
void index_clear(struct index *ix, uint32_t slot);

uint64_t index_bytes(const struct index *ix);
/* The share of one endpoint, shared nodes counted in full. */
uint64_t index_slot_bytes(const struct index *ix, uint32_t slot);

#endif
