/* kv.c: block pool with an LRU of free blocks and an index by contents.
 *
 * Arrays are calloc'd, and blocks beyond `fresh` have never been used, so a
 * thousand engines cost no more memory than they use. In both linked
 * structures 0, the null block, means none. */
#include "bench/sim/kv.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

struct block {
	uint64_t hash; /* 0: contents unknown to others */
	uint32_t refs;
	uint32_t prev, next; /* among the free */
	uint32_t bucket_next;
};

struct sl_sim_kv {
	struct block *blocks; /* owned */
	uint32_t *buckets;    /* owned */
	uint32_t bucket_mask;
	uint32_t n_blocks;
	uint32_t fresh;          /* first block that was never handed out */
	uint32_t oldest, newest; /* ends of the free list */
	uint32_t n_listed;       /* its length */
};

static void *calloc_or_die(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		abort();
	return p;
}

struct sl_sim_kv *sl_sim_kv_new(uint32_t n_blocks)
{
	struct sl_sim_kv *kv = calloc_or_die(1, sizeof(*kv));
	uint32_t n_buckets = 16;

	assert(n_blocks >= 2);
	while (n_buckets < n_blocks && n_buckets < (1u << 30))
		n_buckets *= 2;
	kv->blocks = calloc_or_die(n_blocks, sizeof(*kv->blocks));
	kv->buckets = calloc_or_die(n_buckets, sizeof(*kv->buckets));
	kv->bucket_mask = n_buckets - 1;
	kv->n_blocks = n_blocks;
	kv->fresh = 1;
	return kv;
}

void sl_sim_kv_free(struct sl_sim_kv *kv)
{
	if (!kv)
		return;
	free(kv->blocks);
	free(kv->buckets);
	free(kv);
}

uint32_t sl_sim_kv_available(const struct sl_sim_kv *kv)
{
	return kv->n_listed + (kv->n_blocks - kv->fresh);
}

uint32_t sl_sim_kv_held(const struct sl_sim_kv *kv)
{
	return kv->n_blocks - 1 - sl_sim_kv_available(kv);
}

uint32_t sl_sim_kv_unused(const struct sl_sim_kv *kv)
{
	return kv->n_blocks - kv->fresh;
}

double sl_sim_kv_usage(const struct sl_sim_kv *kv)
{
	return (double)sl_sim_kv_held(kv) / (double)(kv->n_blocks - 1);
}

uint64_t sl_sim_kv_chain(uint64_t parent, const uint32_t *tokens, uint32_t n)
{
	uint64_t hash = XXH3_64bits_withSeed(tokens, n * sizeof(*tokens), parent);

	return hash ? hash : 1;
}

static uint32_t *bucket_of(const struct sl_sim_kv *kv, uint64_t hash)
{
	return &kv->buckets[hash & kv->bucket_mask];
}

uint32_t sl_sim_kv_find(const struct sl_sim_kv *kv, uint64_t hash)
{
	uint32_t at = *bucket_of(kv, hash);

	while (at && kv->blocks[at].hash != hash)
		at = kv->blocks[at].bucket_next;
	return at;
}

bool sl_sim_kv_is_free(const struct sl_sim_kv *kv, uint32_t block)
{
	return kv->blocks[block].refs == 0;
}

static void unlist(struct sl_sim_kv *kv, uint32_t block)
{
	struct block *b = &kv->blocks[block];

	if (b->prev)
		kv->blocks[b->prev].next = b->next;
	else
		kv->oldest = b->next;
	if (b->next)
		kv->blocks[b->next].prev = b->prev;
	else
		kv->newest = b->prev;
	b->prev = b->next = 0;
	kv->n_listed--;
}

static void enlist(struct sl_sim_kv *kv, uint32_t block)
{
	struct block *b = &kv->blocks[block];

	b->prev = kv->newest;
	b->next = 0;
	if (kv->newest)
		kv->blocks[kv->newest].next = block;
	else
		kv->oldest = block;
	kv->newest = block;
	kv->n_listed++;
}

static void forget_block(struct sl_sim_kv *kv, uint32_t block)
{
	struct block *b = &kv->blocks[block];
	uint32_t *link;

	if (!b->hash)
		return;
	for (link = bucket_of(kv, b->hash); *link != block; link = &kv->blocks[*link].bucket_next)
		assert(*link);
	*link = b->bucket_next;
	b->bucket_next = 0;
	b->hash = 0;
}

void sl_sim_kv_ref(struct sl_sim_kv *kv, uint32_t block)
{
	assert(block && block < kv->fresh);
	if (kv->blocks[block].refs++ == 0)
		unlist(kv, block);
}

void sl_sim_kv_unref(struct sl_sim_kv *kv, uint32_t block)
{
	assert(block && block < kv->fresh && kv->blocks[block].refs);
	if (--kv->blocks[block].refs == 0)
		enlist(kv, block);
}

uint32_t sl_sim_kv_alloc(struct sl_sim_kv *kv)
{
	uint32_t block;

	if (kv->fresh < kv->n_blocks) {
		block = kv->fresh++;
	} else {
		block = kv->oldest;
		if (!block)
			return SL_SIM_NO_BLOCK;
		unlist(kv, block);
		forget_block(kv, block);
	}
	kv->blocks[block].refs = 1;
	return block;
}

void sl_sim_kv_publish(struct sl_sim_kv *kv, uint32_t block, uint64_t hash)
{
	struct block *b = &kv->blocks[block];
	uint32_t *bucket = bucket_of(kv, hash);

	assert(b->refs && hash);
	if (b->hash || sl_sim_kv_find(kv, hash))
		return;
	b->hash = hash;
	b->bucket_next = *bucket;
	*bucket = block;
}

void sl_sim_kv_forget(struct sl_sim_kv *kv)
{
	for (uint32_t block = 1; block < kv->fresh; block++)
		forget_block(kv, block);
}
