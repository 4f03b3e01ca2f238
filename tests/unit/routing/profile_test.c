/* profile_test.c: the presets and their three times. */
#include "tests/unit/routing/route_help.h"

static void finds_by_name(void **state)
{
	static const char *const names[] = { "llama3-8b-h100", "llama3-70b-h100-tp2",
		                             "llama3-70b-h100-tp4", "llama3-70b-h100-tp8" };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(names); i++) {
		const struct sl_profile *p = sl_profile_find(names[i]);

		assert_non_null(p);
		assert_ptr_equal(p, sl_profile_at(i));
		assert_string_equal(p->name, names[i]);
	}
	assert_null(sl_profile_find("llama3-8b"));
	assert_null(sl_profile_find(""));
	assert_null(sl_profile_at(SL_COUNT(names)));
}

static void every_preset_makes_sense(void **state)
{
	const struct sl_profile *p;

	(void)state;
	for (size_t k = 0; (p = sl_profile_at(k)) != NULL; k++) {
		for (int i = 1; i < SL_LIN_POINTS; i++) {
			assert_true(p->lin_tokens[i] > p->lin_tokens[i - 1]);
			assert_true(p->lin_ms[i] >= p->lin_ms[i - 1]);
		}
		assert_true(p->o_ms > 0 && p->b_ms_per_token2 > 0 && p->d0_ms > 0);
		assert_true(p->d1_ms_per_token > 0 && p->kv_bytes_per_token > 0);
		assert_true(p->kv_capacity_tokens >= 32768);
		assert_int_equal(p->chunk_tokens, 2048);
		assert_int_equal(p->max_seqs, 256);
	}
}

static void lin_meets_its_points_and_is_straight_between(void **state)
{
	const struct sl_profile *p = sl_profile_at(0);

	(void)state;
	for (int i = 0; i < SL_LIN_POINTS; i++)
		assert_near(sl_profile_lin_ms(p, p->lin_tokens[i]), p->lin_ms[i], 1e-4);
	assert_near(sl_profile_lin_ms(p, 0), 0, 0);
	assert_near(sl_profile_lin_ms(p, -5), 0, 0);
	assert_near(sl_profile_lin_ms(p, 0.5), 5.03, 1e-4);
	assert_near(sl_profile_lin_ms(p, 1536), (19.8 + 37.6) / 2, 1e-4);
	/* beyond the last point with the last slope */
	assert_near(sl_profile_lin_ms(p, 24576), 337.9 + (337.9 - 171.5), 1e-3);
}

static void prefill_and_step_follow_the_equation(void **state)
{
	const struct sl_profile *p = sl_profile_at(0);
	double expected;

	(void)state;
	assert_near(sl_profile_prefill_ms(p, 0, 1000), 0, 0);
	/* one chunk behind 2,048 cached tokens */
	expected = 2 + 37.6 + 8.07e-7 * 2048 * (2048 + 1024);
	assert_near(sl_profile_prefill_ms(p, 2048, 2048), expected, 1e-3);
	/* one token more begins another chunk */
	assert_true(sl_profile_prefill_ms(p, 2049, 0) > sl_profile_prefill_ms(p, 2048, 0) + 2);
	expected = 2 * 4 + 171.5 + 8.07e-7 * 8192 * 4096;
	assert_near(sl_profile_prefill_ms(p, 8192, 0), expected, 1e-3);
	expected = 2 + 5.92 + 0.91 + 4.12e-5 * 100000;
	assert_near(sl_profile_step_ms(p, 64, 100000), expected, 1e-3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_name),
		cmocka_unit_test(every_preset_makes_sense),
		cmocka_unit_test(lin_meets_its_points_and_is_straight_between),
		cmocka_unit_test(prefill_and_step_follow_the_equation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
