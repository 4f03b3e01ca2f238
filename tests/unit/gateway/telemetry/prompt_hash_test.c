/* Keyed hashes of prompts: the published SipHash, and what is logged of a chain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/telemetry/prompt_hash.h"

/* The test vectors of SipHash-2-4's reference implementation: key 00..0f,
 * message 00 01 02 .. of the given length. */
static void test_published_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} cases[] = {
		{ 0, 0x726fdb47dd0e0e31ull },
		{ 1, 0x74f839c593dc67fdull },
		{ 8, 0x93f5f5799a932462ull },
		{ 15, 0xa129ca6149be45e5ull },
	};
	struct prompt_key key = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };
	unsigned char text[16];

	(void)state;
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)i;
	for (size_t i = 0; i < SL_COUNT(cases); i++)
		assert_int_equal(prompt_key_hash(&key, text, cases[i].len), cases[i].hash);
}

static void test_boundaries(void **state)
{
	struct sl_block blocks[] = { { 5, 256 },  { 6, 2048 },  { 7, 3072 },
		                     { 8, 4096 }, { 9, 36864 }, { 10, 40960 } };
	struct prompt_key a = prompt_key_of(SL_SPAN("one key"));
	struct prompt_key b = prompt_key_of(SL_SPAN("another"));
	char x[PROMPT_HASH_MOST * PROMPT_HASH_DIGITS], y[sizeof(x)];

	(void)state;
	assert_int_equal(prompt_hash_write(&a, blocks, SL_COUNT(blocks), x), 4 * 8);
	for (int i = 0; i < 4 * 8; i++)
		assert_true((x[i] >= '0' && x[i] <= '9') || (x[i] >= 'a' && x[i] <= 'f'));
	/* the same beginning is the same text, another key another one */
	blocks[3].hash = 11;
	assert_int_equal(prompt_hash_write(&a, blocks, SL_COUNT(blocks), y), 4 * 8);
	assert_memory_equal(x, y, 8);
	assert_memory_not_equal(x + 8, y + 8, 8);
	assert_int_equal(prompt_hash_write(&b, blocks, SL_COUNT(blocks), y), 4 * 8);
	assert_memory_not_equal(x, y, 8);
}

static void test_longest(void **state)
{
	static struct sl_block blocks[PROMPT_HASH_MOST + 9];
	struct prompt_key key = { 1, 2 };
	char x[PROMPT_HASH_MOST * PROMPT_HASH_DIGITS + 1] = "";

	(void)state;
	for (uint32_t i = 0; i < SL_COUNT(blocks); i++)
		blocks[i] = (struct sl_block){ i, (i + 1) * 2048 };
	assert_int_equal(prompt_hash_write(&key, blocks, SL_COUNT(blocks), x), sizeof(x) - 1);
	assert_int_equal(x[sizeof(x) - 1], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_vectors),
		cmocka_unit_test(test_boundaries),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
