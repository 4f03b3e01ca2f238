/* index_test.c: the prefix index against a plain model of itself, its limits,
 * and its memory. */
#include "routing/index.h"
#include "tests/unit/routing/route_help.h"

static const struct index_limit unlimited = { UINT64_MAX, UINT32_MAX };

static struct index_put insert(struct index *ix, uint32_t slot, const struct prompt *p,
                               struct index_limit limit)
{
	return index_insert(ix, slot, p->facts.blocks, p->facts.n_blocks, 0.25, limit);
}

static uint32_t matched(struct index *ix, uint32_t slot, const struct prompt *p)
{
	index_match(ix, p->facts.blocks, p->facts.n_blocks);
	return index_matched(ix, slot);
}

static void finds_the_shared_prefix(void **state)
{
	struct index ix;
	struct prompt a, b, other;

	(void)state;
	index_init(&ix, 0);
	index_reserve(&ix, 4);
	prompt_init(&a, 1, 8192, 10, 20000);
	prompt_init(&b, 1, 8192, 11, 9000);
	prompt_init(&other, 2, 8192, 10, 20000);
	assert_int_equal(matched(&ix, 0, &a), 0);
	insert(&ix, 0, &a, unlimited);
	insert(&ix, 2, &b, unlimited);
	assert_int_equal(matched(&ix, 0, &a), 19456); /* whole blocks only */
	assert_int_equal(index_matched(&ix, 1), 0);
	assert_int_equal(index_matched(&ix, 2), 8192);
	assert_int_equal(matched(&ix, 0, &b), 8192);
	assert_int_equal(matched(&ix, 0, &other), 0);
	assert_int_equal(matched(&ix, 2, &other), 0);
	index_clear(&ix, 0);
	assert_int_equal(matched(&ix, 0, &a), 0);
	assert_int_equal(index_matched(&ix, 2), 8192);
	assert_int_equal(ix.lru[0].n_entries, 0);
	assert_int_equal(ix.lru[0].tokens, 0);
	index_fini(&ix);
	prompt_fini(&a);
	prompt_fini(&b);
	prompt_fini(&other);
}

static void prompts_without_blocks_match_nothing(void **state)
{
	struct index ix;
	struct prompt tiny;

	(void)state;
	index_init(&ix, 0);
	index_reserve(&ix, 1);
	prompt_init(&tiny, 1, 0, 1, 255);
	assert_int_equal(insert(&ix, 0, &tiny, unlimited).n_new, 0);
	assert_int_equal(matched(&ix, 0, &tiny), 0);
	index_fini(&ix);
	prompt_fini(&tiny);
}

/* The oldest prompt leaves from its end, so that what is left is a prefix. */
static void evicts_the_oldest_from_its_end(void **state)
{
	struct index_limit limit = { .tokens = 2048, .entries = UINT32_MAX };
	struct index ix;
	struct prompt a, b;

	(void)state;
	index_init(&ix, 0);
	index_reserve(&ix, 1);
	prompt_init(&a, 1, 0, 1, 4096); /* 1024 tokens in blocks of 64 */
	prompt_init(&b, 2, 0, 2, 5120);
	insert(&ix, 0, &a, limit);
	insert(&ix, 0, &b, limit);
	assert_int_equal(ix.lru[0].tokens, 2048);
	assert_int_equal(matched(&ix, 0, &a), 3072);
	assert_int_equal(matched(&ix, 0, &b), 5120);
	insert(&ix, 0, &a, limit); /* now b is the older one */
	assert_int_equal(matched(&ix, 0, &a), 4096);
	assert_int_equal(matched(&ix, 0, &b), 4096);
	index_fini(&ix);
	prompt_fini(&a);
	prompt_fini(&b);
}

static void a_prompt_over_the_limit_keeps_its_beginning(void **state)
{
	struct index_limit by_tokens = { .tokens = 130, .entries = UINT32_MAX };
	struct index_limit by_entries = { .tokens = UINT64_MAX, .entries = 3 };
	struct index ix;
	struct prompt a;

	(void)state;
	index_init(&ix, 0);
	index_reserve(&ix, 2);
	prompt_init(&a, 1, 0, 1, 100000);
	assert_int_equal(insert(&ix, 0, &a, by_tokens).n_new, 2);
	assert_int_equal(matched(&ix, 0, &a), 512);
	assert_int_equal(insert(&ix, 1, &a, by_entries).n_new, 3);
	assert_int_equal(matched(&ix, 1, &a), 768);
	index_fini(&ix);
	prompt_fini(&a);
}

static void takes_back_only_what_is_its_own(void **state)
{
	struct index ix;
	struct prompt a, longer, twin;
	struct index_put first, second;

	(void)state;
	index_init(&ix, 0);
	index_reserve(&ix, 1);
	prompt_init(&a, 1, 8192, 5, 8192);
	prompt_init(&longer, 1, 8192, 6, 16384);
	prompt_init(&twin, 1, 8192, 5, 8192);
	first = insert(&ix, 0, &a, unlimited);
	second = insert(&ix, 0, &longer, unlimited);
	assert_int_equal(first.first_new, 0);
	assert_int_equal(second.first_new, first.n_new);
	/* the longer one computes these blocks, too */
	index_take_back(&ix, 0, a.facts.blocks, a.facts.n_blocks, first);
	assert_int_equal(matched(&ix, 0, &longer), 16384);
	index_take_back(&ix, 0, longer.facts.blocks, longer.facts.n_blocks, second);
	assert_int_equal(matched(&ix, 0, &longer), 8192);
	index_clear(&ix, 0);
	first = insert(&ix, 0, &a, unlimited);
	index_take_back(&ix, 0, a.facts.blocks, a.facts.n_blocks, first);
	assert_int_equal(ix.lru[0].n_entries, 0);
	assert_int_equal(ix.nodes.n_live, 0);
	/* an equal request right behind keeps the blocks */
	first = insert(&ix, 0, &a, unlimited);
	insert(&ix, 0, &twin, unlimited);
	index_take_back(&ix, 0, a.facts.blocks, a.facts.n_blocks, first);
	assert_int_equal(matched(&ix, 0, &a), 8192);
	index_fini(&ix);
	prompt_fini(&a);
	prompt_fini(&longer);
	prompt_fini(&twin);
}

/* What is new may have left before it is taken back; older blocks, which
 * carry other prompts, must not go in its stead. */
static void takes_back_after_eviction(void **state)
{
	struct index_limit limit = { .tokens = UINT64_MAX, .entries = 40 };
	struct index ix;
	struct prompt base, fork, ours, filler;
	struct index_put put;

	(void)state;
	index_init(&ix, 0);
	index_reserve(&ix, 1);
	prompt_init(&base, 1, 2560, 1, 2560);
	prompt_init(&fork, 1, 2560, 2, 2816);
	prompt_init(&ours, 1, 2560, 3, 4096);
	prompt_init(&filler, 9, 8192, 9, 8192); /* 20 blocks */
	insert(&ix, 0, &base, limit);
	put = insert(&ix, 0, &ours, limit);
	assert_int_equal(put.n_new, 6);
	insert(&ix, 0, &fork, limit);
	insert(&ix, 0, &filler, limit);
	limit.entries = 33;
	insert(&ix, 0, &filler, limit); /* evicts the end of ours */
	assert_in_range(matched(&ix, 0, &ours), 2561, 4095);
	index_take_back(&ix, 0, ours.facts.blocks, ours.facts.n_blocks, put);
	assert_int_equal(matched(&ix, 0, &fork), 2816);
	index_fini(&ix);
	prompt_fini(&base);
	prompt_fini(&fork);
	prompt_fini(&ours);
	prompt_fini(&filler);
}

/* ---- against a plain model -------------------------------------------- */

#define SLOTS 40
#define PROMPTS 24
#define MAX_BLOCKS 64

/* Per slot and prompt, block by block: is its hash held? A list of hashes in
 * LRU order, youngest first, says so. */
struct plain {
	uint64_t hash[4096];
	uint32_t n;
};

static bool plain_has(const struct plain *m, uint64_t hash)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (m->hash[i] == hash)
			return true;
	return false;
}

static void plain_drop(struct plain *m, uint64_t hash)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n; i++)
		if (m->hash[i] != hash)
			m->hash[n++] = m->hash[i];
	m->n = n;
}

static void plain_insert(struct plain *m, const struct prompt *p, uint32_t limit)
{
	uint32_t fit = p->facts.n_blocks < limit ? p->facts.n_blocks : limit;

	for (uint32_t k = fit; k-- > 0;) {
		plain_drop(m, p->blocks[k].hash);
		memmove(m->hash + 1, m->hash, m->n * sizeof(*m->hash));
		m->hash[0] = p->blocks[k].hash;
		m->n++;
	}
	if (m->n > limit)
		m->n = limit;
}

static uint32_t plain_match(const struct plain *m, const struct prompt *p)
{
	uint32_t bytes = 0;

	for (uint32_t k = 0; k < p->facts.n_blocks && plain_has(m, p->blocks[k].hash); k++)
		bytes = p->blocks[k].end_bytes;
	return bytes;
}

static void equals_the_plain_model(void **state)
{
	static struct plain plain[SLOTS];
	struct prompt prompts[PROMPTS];
	struct sl_rng rng = { 7 };
	struct index ix;

	(void)state;
	memset(plain, 0, sizeof(plain));
	index_init(&ix, 99);
	index_reserve(&ix, SLOTS);
	for (uint32_t i = 0; i < PROMPTS; i++)
		prompt_init(&prompts[i], i % 3, 256 * (i % 7) * 4, i, 256 * (1 + i * 2));
	for (int round = 0; round < 20000; round++) {
		const struct prompt *p = &prompts[help_below(&rng, PROMPTS)];
		uint32_t slot = help_below(&rng, SLOTS);
		uint32_t limit = 10 + slot;

		if (help_below(&rng, 200) == 0) {
			index_clear(&ix, slot);
			plain[slot].n = 0;
		} else {
			insert(&ix, slot, p, (struct index_limit){ UINT64_MAX, limit });
			plain_insert(&plain[slot], p, limit);
		}
		assert_int_equal(ix.lru[slot].n_entries, plain[slot].n);
		p = &prompts[help_below(&rng, PROMPTS)];
		index_match(&ix, p->facts.blocks, p->facts.n_blocks);
		for (uint32_t s = 0; s < SLOTS; s++)
			assert_int_equal(index_matched(&ix, s), plain_match(&plain[s], p));
	}
	for (uint32_t s = 0; s < SLOTS; s++)
		index_clear(&ix, s);
	assert_int_equal(ix.nodes.n_live, 0);
	assert_int_equal(ix.entries.n_live, 0);
	assert_int_equal(ix.set_bytes, 0);
	index_fini(&ix);
	for (uint32_t i = 0; i < PROMPTS; i++)
		prompt_fini(&prompts[i]);
}

/* ---- memory ------------------------------------------------------------ */

static void memory_is_flat_over_unique_prompts(void **state)
{
	struct index_limit limit = { .tokens = UINT64_MAX, .entries = 16384 };
	const uint32_t slots = 8;
	uint64_t full = 0, blocks = 0;
	struct index ix;

	(void)state;
	index_init(&ix, 0);
	index_reserve(&ix, slots);
	for (uint32_t i = 0; blocks < 2000000; i++) {
		struct prompt p;

		prompt_init(&p, 0, 0, i + 1, 16384);
		blocks += insert(&ix, i % slots, &p, limit).n_new;
		prompt_fini(&p);
		if (!full && ix.entries.n_live == slots * limit.entries)
			full = index_bytes(&ix);
	}
	assert_true(full > 0);
	/* one chunk more for the prompt that is in before the oldest is out */
	assert_in_range(index_bytes(&ix), full, full + 3 * SLAB_CHUNK_ITEMS * 32);
	assert_true(index_bytes(&ix) <= 64ull * ix.entries.n_live);
	index_fini(&ix);
}

static void memory_of_shared_blocks_is_small_too(void **state)
{
	const uint32_t slots = 3000;
	struct index ix;
	struct prompt p;

	(void)state;
	index_init(&ix, 0);
	index_reserve(&ix, slots);
	prompt_init(&p, 1, 1 << 20, 1, 1 << 20);
	for (uint32_t i = 0; i < slots; i++)
		insert(&ix, (i * 1237) % slots, &p, unlimited);
	assert_int_equal(ix.entries.n_live, slots * p.facts.n_blocks);
	assert_true(index_bytes(&ix) <= 64ull * ix.entries.n_live);
	for (uint32_t i = 0; i < slots; i++)
		assert_int_equal(matched(&ix, i, &p), 1 << 20);
	index_fini(&ix);
	prompt_fini(&p);
}

/* Blocks whose hashes agree in the low bits do not share a bucket. */
static void hashes_alike_in_their_low_bits_are_spread(void **state)
{
	struct sl_block block = { .end_bytes = 256 };
	struct index ix;

	(void)state;
	index_init(&ix, 12345);
	index_reserve(&ix, 1);
	for (uint64_t i = 1; i <= 100000; i++) {
		block.hash = i << 32;
		index_insert(&ix, 0, &block, 1, 0.25, unlimited);
	}
	for (uint64_t i = 1; i <= 100000; i++) {
		block.hash = i << 32;
		index_match(&ix, &block, 1);
		assert_int_equal(index_matched(&ix, 0), 256);
	}
	assert_int_equal(ix.lru[0].n_entries, 100000);
	index_fini(&ix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_shared_prefix),
		cmocka_unit_test(prompts_without_blocks_match_nothing),
		cmocka_unit_test(evicts_the_oldest_from_its_end),
		cmocka_unit_test(a_prompt_over_the_limit_keeps_its_beginning),
		cmocka_unit_test(takes_back_only_what_is_its_own),
		cmocka_unit_test(takes_back_after_eviction),
		cmocka_unit_test(equals_the_plain_model),
		cmocka_unit_test(memory_is_flat_over_unique_prompts),
		cmocka_unit_test(memory_of_shared_blocks_is_small_too),
		cmocka_unit_test(hashes_alike_in_their_low_bits_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
