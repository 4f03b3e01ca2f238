/* chain_test.c: blocks end at fixed offsets, hash what they must, and do not
 * depend on how the stream was cut into segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* after the four that cmocka needs */
#include <cmocka.h>
#include <xxhash.h>

#include "routing/chain.h"

#define MIB (1024u * 1024u)

static char *random_bytes(size_t len, uint64_t seed)
{
	struct sl_rng rng = { seed };
	char *bytes = malloc(len);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(sl_rng_next(&rng) >> 24);
	return bytes;
}

/* The chain of a stream that is one segment. Ended by chain_fini. */
static void chain_of(struct chain *chain, const char *bytes, uint32_t len, uint64_t seed)
{
	chain_init(chain);
	chain_open(chain, 0);
	chain_close(chain, bytes, len);
	chain_seal(chain, seed);
}

static void expect_equal(const struct chain *a, const struct chain *b)
{
	assert_int_equal(chain_bytes(a), chain_bytes(b));
	assert_int_equal(a->n_blocks, b->n_blocks);
	for (uint32_t i = 0; i < a->n_blocks; i++) {
		assert_int_equal(a->blocks[i].end_bytes, b->blocks[i].end_bytes);
		assert_int_equal(a->blocks[i].hash, b->blocks[i].hash);
	}
}

static uint32_t step_at(uint32_t end)
{
	if (end <= 4096)
		return 256;
	if (end <= 32768)
		return 1024;
	return end <= MIB ? 4096 : 16384;
}

static void blocks_end_at_fixed_offsets(void **state)
{
	char *bytes = random_bytes(3 * MIB, 1);
	struct chain chain;
	uint32_t end = 0;

	(void)state;
	chain_of(&chain, bytes, 3 * MIB - 1, 0);
	for (uint32_t i = 0; i < chain.n_blocks; i++) {
		assert_int_equal(chain.blocks[i].end_bytes - end,
		                 step_at(chain.blocks[i].end_bytes));
		end = chain.blocks[i].end_bytes;
	}
	/* the last block lacks one byte */
	assert_int_equal(end, 3 * MIB - 16384);
	assert_int_equal(chain_bytes(&chain), 3 * MIB - 1);
	assert_int_equal(chain.n_blocks, 16 + 28 + 248 + 127);
	chain_fini(&chain);
	free(bytes);
}

static void hashes_follow_the_formula(void **state)
{
	char *bytes = random_bytes(40000, 2);
	const uint64_t seed = 0x1234567890abcdefu;
	uint64_t pair[2] = { seed, 0 };
	struct chain chain;
	uint32_t begin = 0;

	(void)state;
	chain_of(&chain, bytes, 40000, seed);
	assert_int_equal(chain.n_blocks, 16 + 28 + 1);
	for (uint32_t i = 0; i < chain.n_blocks; i++) {
		uint32_t end = chain.blocks[i].end_bytes;

		pair[1] = XXH3_64bits(bytes + begin, end - begin);
		pair[0] = XXH3_64bits(pair, sizeof(pair));
		assert_int_equal(chain.blocks[i].hash, pair[0]);
		begin = end;
	}
	chain_fini(&chain);
	free(bytes);
}

/* The stream of `bytes`, its segments scattered over a body with junk between
 * them, arriving in parts, with appended pieces here and there. */
static void feed_in_pieces(struct chain *chain, const char *bytes, uint32_t len, struct sl_rng *rng)
{
	uint32_t most = 1u << (sl_rng_next(rng) >> 32) % 18;
	uint32_t at = 0;

	while (at < len) {
		uint64_t random = sl_rng_next(rng) >> 20;
		uint32_t take = (uint32_t)(random % (most + 1));
		uint32_t upto;
		uint32_t junk = (random >> 30) % 8;
		char *body;

		take = take > len - at ? len - at : take;
		if ((random >> 33) % 4 == 0) {
			chain_append(chain, bytes + at, take);
			at += take;
			continue;
		}
		body = malloc(junk + take + 1);
		assert_non_null(body);
		memcpy(body + junk, bytes + at, take);
		chain_open(chain, junk);
		for (upto = junk; upto < junk + take; upto += 1 + take / 3)
			chain_extend(chain, body, upto);
		chain_close(chain, body, junk + take);
		free(body);
		at += take;
	}
}

static void segments_do_not_matter(void **state)
{
	uint32_t len = 2 * MIB + 12345;
	char *bytes = random_bytes(len, 3);
	struct sl_rng rng = { 4 };
	struct chain whole;
	struct chain parts;

	(void)state;
	chain_init(&parts);
	for (int round = 0; round < 45; round++) {
		uint32_t some = round < 40 ? (uint32_t)(sl_rng_next(&rng) % 50000) : len;

		chain_of(&whole, bytes, some, 9);
		chain_reset(&parts);
		feed_in_pieces(&parts, bytes, some, &rng);
		chain_seal(&parts, 9);
		expect_equal(&whole, &parts);
		chain_fini(&whole);
	}
	chain_fini(&parts);
	free(bytes);
}

static void longer_streams_share_their_start(void **state)
{
	char *bytes = random_bytes(200000, 5);
	struct chain shorter;
	struct chain longer;

	(void)state;
	chain_of(&shorter, bytes, 70000, 1);
	chain_of(&longer, bytes, 200000, 1);
	assert_true(shorter.n_blocks > 50 && longer.n_blocks > shorter.n_blocks);
	for (uint32_t i = 0; i < shorter.n_blocks; i++)
		assert_int_equal(shorter.blocks[i].hash, longer.blocks[i].hash);
	chain_fini(&longer);

	/* one bit in block 20 changes that block and all behind it */
	bytes[4096 + 4 * 1024 + 7] ^= 1;
	chain_of(&longer, bytes, 70000, 1);
	for (uint32_t i = 0; i < shorter.n_blocks; i++) {
		bool same = shorter.blocks[i].hash == longer.blocks[i].hash;

		assert_int_equal(same, i < 20);
	}
	chain_fini(&longer);
	chain_fini(&shorter);
	free(bytes);
}

static void seeds_share_nothing(void **state)
{
	char *bytes = random_bytes(20000, 6);
	struct chain a;
	struct chain b;

	(void)state;
	chain_of(&a, bytes, 20000, 1);
	chain_of(&b, bytes, 20000, 2);
	assert_int_equal(a.n_blocks, b.n_blocks);
	for (uint32_t i = 0; i < a.n_blocks; i++)
		assert_int_not_equal(a.blocks[i].hash, b.blocks[i].hash);
	chain_fini(&a);
	chain_fini(&b);
	free(bytes);
}

/* A marker counts eight bytes, its fill as many as it says, and both decide
 * every block that they touch. */
static void marks_take_part(void **state)
{
	struct chain one;
	struct chain other;

	(void)state;
	chain_init(&one);
	chain_init(&other);
	for (size_t fill = 0; fill < 1000; fill += 37) {
		chain_reset(&one);
		chain_reset(&other);
		chain_mark(&one, 111, fill);
		chain_mark(&other, 222, fill);
		assert_int_equal(chain_bytes(&one), 8 + fill);
		assert_int_equal(one.n_blocks, (8 + fill) / 256);
		for (uint32_t i = 0; i < one.n_blocks; i++)
			assert_int_not_equal(one.blocks[i].hash, other.blocks[i].hash);
	}
	chain_fini(&one);
	chain_fini(&other);
}

static void memory_is_bounded(void **state)
{
	char *bytes = calloc(32, MIB);
	struct chain chain;

	(void)state;
	assert_non_null(bytes);
	chain_of(&chain, bytes, 32 * MIB, 1);
	assert_int_equal(chain.n_blocks, 16 + 28 + 248 + 1984);
	assert_true(chain.cap_stage <= 16384);
	chain_reset(&chain);
	assert_true(chain.cap_blocks <= 512);
	chain_open(&chain, 0);
	chain_close(&chain, bytes, 1000);
	assert_int_equal(chain.n_blocks, 3);
	chain_fini(&chain);
	free(bytes);
}

/* What no block holds counts in the whole, and so do the blocks and the seed. */
static void the_whole_has_a_hash_of_its_own(void **state)
{
	static const struct {
		uint32_t len, flip;
		uint64_t seed;
	} cases[] = {
		{ 700, 700, 1 }, { 700, 700, 2 }, { 700, 699, 1 }, { 700, 3, 1 },
		{ 699, 700, 1 }, { 512, 700, 1 }, { 20, 700, 1 },  { 0, 700, 1 },
	};
	uint64_t seen[SL_COUNT(cases)];
	char *bytes = random_bytes(701, 5);
	struct chain chain;

	(void)state;
	for (size_t k = 0; k < SL_COUNT(cases); k++) {
		bytes[cases[k].flip] ^= 1;
		chain_init(&chain);
		chain_open(&chain, 0);
		chain_close(&chain, bytes, cases[k].len);
		seen[k] = chain_seal(&chain, cases[k].seed);
		chain_fini(&chain);
		bytes[cases[k].flip] ^= 1;
		for (size_t i = 0; i < k; i++)
			assert_int_not_equal(seen[i], seen[k]);
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_end_at_fixed_offsets),
		cmocka_unit_test(hashes_follow_the_formula),
		cmocka_unit_test(segments_do_not_matter),
		cmocka_unit_test(longer_streams_share_their_start),
		cmocka_unit_test(the_whole_has_a_hash_of_its_own),
		cmocka_unit_test(seeds_share_nothing),
		cmocka_unit_test(marks_take_part),
		cmocka_unit_test(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
