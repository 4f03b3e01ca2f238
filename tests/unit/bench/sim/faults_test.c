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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_types),
		cmocka_unit_test(test_count_limits),
		cmocka_unit_test(test_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
