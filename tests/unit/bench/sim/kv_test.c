/* kv_test.c: the block pool: reference counts, LRU, contents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/sim/kv.h"

static void test_hands_out_all_but_the_null_block(void **state)
{
	struct sl_sim_kv *kv = sl_sim_kv_new(4);

	(void)state;
	assert_int_equal(sl_sim_kv_available(kv), 3);
	assert_int_equal(sl_sim_kv_alloc(kv), 1);
	assert_int_equal(sl_sim_kv_alloc(kv), 2);
	assert_int_equal(sl_sim_kv_alloc(kv), 3);
	assert_int_equal(sl_sim_kv_alloc(kv), SL_SIM_NO_BLOCK);
	assert_int_equal(sl_sim_kv_held(kv), 3);
	assert_true(sl_sim_kv_usage(kv) == 1.0);
	sl_sim_kv_free(kv);
}

static void test_longest_free_goes_first(void **state)
{
	struct sl_sim_kv *kv = sl_sim_kv_new(4);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_not_equal(sl_sim_kv_alloc(kv), SL_SIM_NO_BLOCK);
	sl_sim_kv_unref(kv, 2);
	sl_sim_kv_unref(kv, 3);
	sl_sim_kv_unref(kv, 1);
	assert_int_equal(sl_sim_kv_alloc(kv), 2);
	assert_int_equal(sl_sim_kv_alloc(kv), 3);
	assert_int_equal(sl_sim_kv_alloc(kv), 1);
	sl_sim_kv_free(kv);
}

static void test_free_block_keeps_contents_until_reused(void **state)
{
	struct sl_sim_kv *kv = sl_sim_kv_new(3);
	uint32_t a = sl_sim_kv_alloc(kv);

	(void)state;
	sl_sim_kv_publish(kv, a, 77);
	sl_sim_kv_unref(kv, a);
	assert_int_equal(sl_sim_kv_find(kv, 77), a);
	assert_true(sl_sim_kv_is_free(kv, a));
	assert_int_equal(sl_sim_kv_held(kv), 0);

	sl_sim_kv_ref(kv, a);
	assert_int_equal(sl_sim_kv_held(kv), 1);
	sl_sim_kv_unref(kv, a);

	assert_int_equal(sl_sim_kv_alloc(kv), 2); /* the never used one */
	assert_int_equal(sl_sim_kv_find(kv, 77), a);
	assert_int_equal(sl_sim_kv_alloc(kv), a);
	assert_int_equal(sl_sim_kv_find(kv, 77), SL_SIM_NO_BLOCK);
	sl_sim_kv_free(kv);
}

static void test_held_twice_is_freed_once(void **state)
{
	struct sl_sim_kv *kv = sl_sim_kv_new(2);
	uint32_t a = sl_sim_kv_alloc(kv);

	(void)state;
	sl_sim_kv_ref(kv, a);
	sl_sim_kv_unref(kv, a);
	assert_int_equal(sl_sim_kv_alloc(kv), SL_SIM_NO_BLOCK);
	sl_sim_kv_unref(kv, a);
	assert_int_equal(sl_sim_kv_alloc(kv), a);
	sl_sim_kv_free(kv);
}

static void test_first_of_equal_contents_is_found(void **state)
{
	struct sl_sim_kv *kv = sl_sim_kv_new(4);
	uint32_t a = sl_sim_kv_alloc(kv), b = sl_sim_kv_alloc(kv);

	(void)state;
	sl_sim_kv_publish(kv, a, 5);
	sl_sim_kv_publish(kv, b, 5);
	assert_int_equal(sl_sim_kv_find(kv, 5), a);
	sl_sim_kv_unref(kv, b);
	assert_int_equal(sl_sim_kv_find(kv, 5), a);
	sl_sim_kv_forget(kv);
	assert_int_equal(sl_sim_kv_find(kv, 5), SL_SIM_NO_BLOCK);
	assert_int_equal(sl_sim_kv_held(kv), 1);
	sl_sim_kv_free(kv);
}

static void test_chain_names_the_whole_prefix(void **state)
{
	uint32_t x[4] = { 1, 2, 3, 4 }, y[4] = { 1, 2, 3, 5 };
	uint64_t first = sl_sim_kv_chain(0, x, 4);

	(void)state;
	assert_true(first == sl_sim_kv_chain(0, x, 4));
	assert_true(first != sl_sim_kv_chain(0, y, 4));
	assert_true(first != sl_sim_kv_chain(9, x, 4));
	assert_true(sl_sim_kv_chain(first, x, 4) != first);
}

/* Many blocks through many hands; the index and the counts agree with a
 * plain model of the same thing. */
static void test_agrees_with_a_plain_model(void **state)
{
	enum { N = 65, HASHES = 200 };
	struct sl_sim_kv *kv = sl_sim_kv_new(N);
	struct sl_rng rng = { 42 };
	uint32_t refs[N] = { 0 }, held = 0;
	uint64_t contents[N] = { 0 };

	(void)state;
	for (int i = 0; i < 50000; i++) {
		uint32_t k = (uint32_t)(sl_rng_next(&rng) >> 33) % (N - 1) + 1;
		uint64_t h = sl_rng_next(&rng) % HASHES + 1;

		if (i % 3 == 0) {
			uint32_t got = sl_sim_kv_alloc(kv);

			assert_true((got == SL_SIM_NO_BLOCK) == (held == N - 1));
			if (got) {
				assert_int_equal(refs[got], 0);
				refs[got] = 1;
				contents[got] = 0;
				held++;
			}
		} else if (refs[k] && i % 3 == 1) {
			sl_sim_kv_unref(kv, k);
			held -= --refs[k] == 0;
		} else if (refs[k]) {
			bool known = sl_sim_kv_find(kv, h) != SL_SIM_NO_BLOCK;

			sl_sim_kv_publish(kv, k, h);
			if (!contents[k] && !known)
				contents[k] = h;
		}
		assert_int_equal(sl_sim_kv_held(kv), held);
		k = sl_sim_kv_find(kv, h);
		if (k)
			assert_true(contents[k] == h);
		for (uint32_t j = 1; j < N && !k; j++)
			assert_true(contents[j] != h);
	}
	sl_sim_kv_free(kv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hands_out_all_but_the_null_block),
		cmocka_unit_test(test_longest_free_goes_first),
		cmocka_unit_test(test_free_block_keeps_contents_until_reused),
		cmocka_unit_test(test_held_twice_is_freed_once),
		cmocka_unit_test(test_first_of_equal_contents_is_found),
		cmocka_unit_test(test_chain_names_the_whole_prefix),
		cmocka_unit_test(test_agrees_with_a_plain_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
