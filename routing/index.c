/* index.c: see index.h. */
#include "routing/index.h"

#include <assert.h>

#include "routing/alloc.h"
#include "routing/holders.h"

/* 4096 buckets to begin with. */
#define FIRST_LEVEL 12

_Static_assert(HOLDERS_NONE == SLAB_NONE, "no holder is no entry");

struct node {
	uint64_t hash;
	uint32_t next; /* in its bucket, or SLAB_NONE */
	struct holders holders;
};

struct entry {
	uint32_t node;
	uint32_t younger, older; /* entries of this endpoint, or SLAB_NONE */
	uint32_t stamp;          /* of the last insertion that passed here */
	uint32_t tokens;
};

static struct node *node_at(const struct index *ix, uint32_t n)
{
	return slab_at(&ix->nodes, n);
}

static struct entry *entry_at(const struct index *ix, uint32_t e)
{
	return slab_at(&ix->entries, e);
}

/* ---- the table of nodes: linear hashing ------------------------------ */

static uint64_t mix(const struct index *ix, uint64_t hash)
{
	uint64_t x = (hash ^ ix->seed) * 0x9e3779b97f4a7c15ull;

	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93ull;
	return x ^ (x >> 29);
}

/* Buckets below the split point use one bit more than the others. */
static uint32_t *bucket_of(const struct index *ix, uint64_t hash)
{
	uint64_t x = mix(ix, hash);
	uint32_t b = (uint32_t)(x & ((2ull << ix->level) - 1));

	if (b >= ix->buckets.n_live)
		b = (uint32_t)(x & ((1ull << ix->level) - 1));
	return slab_at(&ix->buckets, b);
}

static uint32_t add_bucket(struct index *ix)
{
	uint32_t b = slab_take(&ix->buckets);

	*(uint32_t *)slab_at(&ix->buckets, b) = SLAB_NONE;
	return b;
}

/* Adds a bucket and deals out the chain that it shares with an older one. */
static void split_bucket(struct index *ix)
{
	uint32_t fresh = add_bucket(ix);
	uint32_t *at = slab_at(&ix->buckets, fresh - (1u << ix->level));

	while (*at != SLAB_NONE) {
		struct node *n = node_at(ix, *at);
		uint32_t *to = bucket_of(ix, n->hash);
		uint32_t self = *at;

		if (to != slab_at(&ix->buckets, fresh)) {
			at = &n->next;
			continue;
		}
		*at = n->next;
		n->next = *to;
		*to = self;
	}
	if (ix->buckets.n_live == 2u << ix->level)
		ix->level++;
}

static uint32_t find_node(const struct index *ix, uint64_t hash)
{
	uint32_t n = *bucket_of(ix, hash);

	while (n != SLAB_NONE && node_at(ix, n)->hash != hash)
		n = node_at(ix, n)->next;
	return n;
}

static uint32_t add_node(struct index *ix, uint64_t hash)
{
	uint32_t n = slab_take(&ix->nodes);
	struct node *node = node_at(ix, n);
	uint32_t *bucket;

	if (ix->nodes.n_live > ix->buckets.n_live)
		split_bucket(ix);
	bucket = bucket_of(ix, hash);
	node->hash = hash;
	node->next = *bucket;
	holders_init(&node->holders);
	*bucket = n;
	return n;
}

static void drop_node(struct index *ix, uint32_t n)
{
	struct node *node = node_at(ix, n);
	uint32_t *at = bucket_of(ix, node->hash);

	while (*at != n)
		at = &node_at(ix, *at)->next;
	*at = node->next;
	holders_fini(&node->holders);
	slab_give(&ix->nodes, n);
}

/* ---- one endpoint's list --------------------------------------------- */

static void unlink_entry(struct index *ix, struct index_lru *lru, uint32_t e)
{
	const struct entry *entry = entry_at(ix, e);

	if (entry->younger != SLAB_NONE)
		entry_at(ix, entry->younger)->older = entry->older;
	else
		lru->young = entry->older;
	if (entry->older != SLAB_NONE)
		entry_at(ix, entry->older)->younger = entry->younger;
	else
		lru->old = entry->younger;
}

static void link_youngest(struct index *ix, struct index_lru *lru, uint32_t e)
{
	struct entry *entry = entry_at(ix, e);

	entry->younger = SLAB_NONE;
	entry->older = lru->young;
	if (lru->young != SLAB_NONE)
		entry_at(ix, lru->young)->younger = e;
	else
		lru->old = e;
	lru->young = e;
}

/* Sets change only here and in drop_entry, where their memory is counted. */
static uint32_t add_entry(struct index *ix, uint32_t slot, uint32_t n, uint32_t tokens)
{
	struct holders *holders = &node_at(ix, n)->holders;
	struct index_lru *lru = &ix->lru[slot];
	uint32_t e = slab_take(&ix->entries);

	*entry_at(ix, e) = (struct entry){ .node = n, .tokens = tokens };
	ix->set_bytes -= holders_bytes(holders);
	holders_add(holders, (uint16_t)slot, e);
	ix->set_bytes += holders_bytes(holders);
	lru->n_entries++;
	lru->tokens += tokens;
	return e;
}

static void drop_entry(struct index *ix, uint32_t slot, uint32_t e)
{
	const struct entry *entry = entry_at(ix, e);
	struct holders *holders = &node_at(ix, entry->node)->holders;
	struct index_lru *lru = &ix->lru[slot];

	unlink_entry(ix, lru, e);
	lru->n_entries--;
	lru->tokens -= entry->tokens;
	ix->set_bytes -= holders_bytes(holders);
	holders_del(holders, (uint16_t)slot);
	ix->set_bytes += holders_bytes(holders);
	if (holders->count == 0)
		drop_node(ix, entry->node);
	slab_give(&ix->entries, e);
}

/* ---- life ------------------------------------------------------------ */

void index_init(struct index *ix, uint64_t seed)
{
	*ix = (struct index){ .level = FIRST_LEVEL, .seed = seed };
	slab_init(&ix->nodes, sizeof(struct node));
	slab_init(&ix->entries, sizeof(struct entry));
	slab_init(&ix->buckets, sizeof(uint32_t));
	for (uint32_t i = 0; i < 1u << FIRST_LEVEL; i++)
		add_bucket(ix);
}

void index_fini(struct index *ix)
{
	for (uint32_t i = 0; i < ix->n_slots; i++)
		index_clear(ix, i);
	slab_fini(&ix->nodes);
	slab_fini(&ix->entries);
	slab_fini(&ix->buckets);
	free(ix->lru);
	free(ix->hits);
}

void index_reserve(struct index *ix, uint32_t n_slots)
{
	if (n_slots <= ix->n_slots)
		return;
	ix->lru = alloc_resize(ix->lru, n_slots, sizeof(*ix->lru));
	ix->hits = alloc_extend(ix->hits, ix->n_slots, n_slots, sizeof(*ix->hits));
	for (uint32_t i = ix->n_slots; i < n_slots; i++)
		ix->lru[i] = (struct index_lru){ .young = SLAB_NONE, .old = SLAB_NONE };
	ix->n_slots = n_slots;
}

void index_clear(struct index *ix, uint32_t slot)
{
	while (ix->lru[slot].old != SLAB_NONE)
		drop_entry(ix, slot, ix->lru[slot].old);
}

/* ---- match ----------------------------------------------------------- */

static const struct node *node_of(const struct index *ix, const struct sl_block *block)
{
	uint32_t n = find_node(ix, block->hash);

	return n == SLAB_NONE ? NULL : node_at(ix, n);
}

/* Holders of this node that no longer prompt was found for. */
static void mark(struct index *ix, const struct node *node, uint32_t bytes)
{
	const struct index_match found = { .round = ix->round, .bytes = bytes };
	const uint16_t *slot = holders_slots(&node->holders);
	const uint16_t *end = slot + node->holders.count;
	struct index_match *hits = ix->hits;

	for (; slot < end; slot++)
		if (hits[*slot].round != found.round)
			hits[*slot] = found;
}

/* Everybody between blocks a and b, of which the nodes are known; `high` is
 * NULL behind the last block that anybody holds. The deeper half comes first.
 * The depth of recursion is log2 of the number of blocks. */
static void match_between(struct index *ix, const struct sl_block *blocks, uint32_t a,
                          const struct node *low, uint32_t b, const struct node *high)
{
	uint32_t mid = a + (b - a) / 2;
	const struct node *between;

	if (high && high->holders.count == low->holders.count)
		return;
	if (mid == a) {
		mark(ix, low, blocks[a].end_bytes);
		return;
	}
	between = node_of(ix, &blocks[mid]);
	if (between)
		match_between(ix, blocks, mid, between, b, high);
	match_between(ix, blocks, a, low, mid, between);
}

void index_match(struct index *ix, const struct sl_block *blocks, uint32_t n)
{
	const struct node *first = n ? node_of(ix, &blocks[0]) : NULL;

	if (++ix->round == 0) {
		memset(ix->hits, 0, ix->n_slots * sizeof(*ix->hits));
		ix->round = 1;
	}
	if (first)
		match_between(ix, blocks, 0, first, n, NULL);
}

/* ---- change ---------------------------------------------------------- */

static uint32_t find_entry(const struct index *ix, uint32_t slot, uint64_t hash)
{
	uint32_t n = find_node(ix, hash);

	return n == SLAB_NONE ? SLAB_NONE : holders_find(&node_at(ix, n)->holders, (uint16_t)slot);
}

static uint32_t block_tokens(const struct sl_block *blocks, uint32_t k, double tokens_per_byte)
{
	uint32_t from = k ? blocks[k - 1].end_bytes : 0;

	return (uint32_t)((double)(blocks[k].end_bytes - from) * tokens_per_byte + 0.5);
}

static void evict(struct index *ix, uint32_t slot, struct index_limit limit)
{
	struct index_lru *lru = &ix->lru[slot];

	while (lru->n_entries > limit.entries || lru->tokens > limit.tokens)
		drop_entry(ix, slot, lru->old);
}

/* Last block first, see the invariants. Blocks that do not fit at all are
 * left out beforehand, as the first ones would push them out again. */
struct index_put index_insert(struct index *ix, uint32_t slot, const struct sl_block *blocks,
                              uint32_t n, double tokens_per_byte, struct index_limit limit)
{
	struct index_put put = { .stamp = ++ix->stamp };
	uint64_t tokens = 0;
	uint32_t fit = 0;

	while (fit < n && fit < limit.entries &&
	       (tokens += block_tokens(blocks, fit, tokens_per_byte)) <= limit.tokens)
		fit++;
	for (uint32_t k = fit; k-- > 0;) {
		uint32_t node = find_node(ix, blocks[k].hash);
		uint32_t e;

		if (node == SLAB_NONE)
			node = add_node(ix, blocks[k].hash);
		e = holders_find(&node_at(ix, node)->holders, (uint16_t)slot);
		if (e == HOLDERS_NONE) {
			e = add_entry(ix, slot, node, block_tokens(blocks, k, tokens_per_byte));
			put.n_new++;
		} else {
			unlink_entry(ix, &ix->lru[slot], e);
		}
		link_youngest(ix, &ix->lru[slot], e);
		entry_at(ix, e)->stamp = put.stamp;
	}
	put.first_new = fit - put.n_new;
	evict(ix, slot, limit);
	return put;
}

/* Only what is new may go: older blocks may carry other prompts. */
void index_take_back(struct index *ix, uint32_t slot, const struct sl_block *blocks, uint32_t n,
                     struct index_put put)
{
	uint32_t end = put.first_new + put.n_new;

	for (uint32_t k = end < n ? end : n; k-- > put.first_new;) {
		uint32_t e = find_entry(ix, slot, blocks[k].hash);

		if (e == SLAB_NONE)
			continue; /* evicted since */
		if (entry_at(ix, e)->stamp != put.stamp)
			return;
		drop_entry(ix, slot, e);
	}
}

/* ---- size ------------------------------------------------------------ */

uint64_t index_bytes(const struct index *ix)
{
	return slab_bytes(&ix->nodes) + slab_bytes(&ix->entries) + slab_bytes(&ix->buckets) +
	       ix->set_bytes + ix->n_slots * (sizeof(*ix->lru) + sizeof(*ix->hits));
}

uint64_t index_slot_bytes(const struct index *ix, uint32_t slot)
{
	return ix->lru[slot].n_entries *
	       (uint64_t)(sizeof(struct entry) + sizeof(struct node) + sizeof(uint32_t));
}
