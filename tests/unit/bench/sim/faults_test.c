/* faults_test.c: setting faults, and which requests they strike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "bench/sim/faults.h"

static const char *set(struct sl_sim_faults *f, const char *text)
{
	cJSON *json = cJSON_Parse(text);
	const char *wrong = sl_sim_faults_read(f, json);

	cJSON_Delete(json);
	return wrong;
}

static void test_names_and_types(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{\"refuse\":1}",
		"{\"status\":true}",
		"{\"status\":-1}",
		"{\"slow\":0}",
		"{\"slow\":-1}",
		"{\"no_such\":true}",
		"{\"die_after_tokens\":-2}",
		"{\"hang\":true,\"die_after_tokens\":\"3\"}",
	};
	struct sl_sim_faults f;

	(void)state;
	sl_sim_faults_init(&f);
	for (size_t i = 0; i < SL_COUNT(bad); i++)
		assert_non_null(set(&f, bad[i]));
	assert_false(f.hang); /* all or nothing */
	assert_null(set(&f, "{\"hang\":true,\"slow\":4,\"die_after_tokens\":0}"));
	assert_true(f.hang);
	assert_true(f.slow == 4.0);
	assert_int_equal(f.die_after_tokens, 0);
	assert_null(set(&f, "{\"hang\":false}"));
	assert_false(f.hang);
	assert_int_equal(f.die_after_tokens, 0);
	assert_null(set(&f, "{\"clear\":true,\"reset\":true}"));
	assert_int_equal(f.die_after_tokens, -1);
	assert_true(f.slow == 1.0);
	assert_true(f.reset);
}

static void test_count_limits(void **state)
{
	struct sl_sim_faults f, now;

	(void)state;
	sl_sim_faults_init(&f);
	assert_null(set(&f, "{\"reset\":true,\"slow\":3,\"count\":2}"));
	for (int i = 0; i < 4; i++) {
		now = sl_sim_faults_next(&f);
		assert_int_equal(now.reset, i < 2);
	}
	assert_false(f.reset);
	assert_true(f.slow == 3.0); /* of the engine, not of requests */
	assert_null(set(&f, "{\"reset\":true}"));
	assert_true(sl_sim_faults_next(&f).reset);
	assert_true(sl_sim_faults_next(&f).reset);
}

static void test_share(void **state)
{
	struct sl_sim_faults f;
	int struck = 0;

	(void)state;
	sl_sim_faults_init(&f);
	assert_null(set(&f, "{\"status\":503,\"share\":0.25}"));
	for (int i = 0; i < 100; i++)
		struck += sl_sim_faults_next(&f).status == 503;
	assert_int_equal(struck, 25);
	assert_null(set(&f, "{\"share\":1}"));
	assert_int_equal(sl_sim_faults_next(&f).status, 503);
}

static void test_one_in_three(void **state)
{
	struct sl_sim_faults f;
	int struck = 0;

	(void)state;
	sl_sim_faults_init(&f);
	assert_null(set(&f, "{\"status\":500,\"share\":0.3333333333333333}"));
	for (int i = 0; i < 300; i++)
		struck += sl_sim_faults_next(&f).status == 500;
	assert_true(struck >= 99 && struck <= 100);
}

/* They are the engine's: requests do not use them up. */
static void test_faults_of_pages_stay(void **state)
{
	struct sl_sim_faults f;

	(void)state;
	sl_sim_faults_init(&f);
	assert_null(set(&f, "{\"stale\":true,\"hang_metrics\":true,\"slow_metrics_ms\":5,"
	                    "\"metrics_status\":500,\"metrics_garbage\":true,"
	                    "\"metrics_redirect\":true,\"metrics_bytes\":150000,"
	                    "\"reset\":true,\"count\":1}"));
	assert_true(sl_sim_faults_next(&f).reset);
	assert_false(sl_sim_faults_next(&f).reset);
	assert_true(f.page.stale && f.page.hang && f.page.garbage && f.page.redirect);
	assert_int_equal(f.page.slow_ms, 5);
	assert_int_equal(f.page.status, 500);
	assert_int_equal(f.page.bytes, 150000);
	assert_non_null(set(&f, "{\"metrics_bytes\":3000000}"));
	assert_null(set(&f, "{\"clear\":true}"));
	assert_false(f.page.stale || f.page.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_types),
		cmocka_unit_test(test_count_limits),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_one_in_three),
		cmocka_unit_test(test_faults_of_pages_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
