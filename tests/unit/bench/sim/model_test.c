/* model_test.c: step times are the profile's equation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/sim/model.h"

static struct sl_sim_model model(void)
{
	struct sl_sim_model m;
	const struct sl_profile *p = sl_profile_find("llama3-8b-h100");

	assert_non_null(p);
	sl_sim_model_init(&m, p);
	return m;
}

static uint64_t us(double ms)
{
	return (uint64_t)(ms * 1000);
}

/* One sequence's prefill and decode are the profile's own helpers. */
static void test_agrees_with_the_profile(void **state)
{
	struct sl_sim_model m = model();
	struct sl_sim_work prefill = { .tokens = 2048,
		                       .prefill_tokens = 2048,
		                       .prefill_square = 2048.0 * (512 + 1024) };
	struct sl_sim_work decode = { .tokens = 8, .decodes = 8, .decode_context = 8000 };

	(void)state;
	assert_in_range(sl_sim_model_step_us(&m, &prefill),
	                us(sl_profile_prefill_ms(m.profile, 2048, 512)) - 1,
	                us(sl_profile_prefill_ms(m.profile, 2048, 512)) + 1);
	assert_in_range(sl_sim_model_step_us(&m, &decode),
	                us(sl_profile_step_ms(m.profile, 8, 8000)) - 1,
	                us(sl_profile_step_ms(m.profile, 8, 8000)) + 1);
}

static void test_mixed_step_costs_more_than_its_parts(void **state)
{
	struct sl_sim_model m = model();
	struct sl_sim_work decode = { .tokens = 8, .decodes = 8, .decode_context = 8000 };
	struct sl_sim_work mixed = { 1032, 1024, 1024.0 * 512, 8, 8000 };

	(void)state;
	assert_true(sl_sim_model_step_us(&m, &mixed) > 2 * sl_sim_model_step_us(&m, &decode));
}

static void test_speed_and_slowness(void **state)
{
	struct sl_sim_model m = model();
	struct sl_sim_work work = { .tokens = 8, .decodes = 8, .decode_context = 8000 };
	uint64_t real = sl_sim_model_step_us(&m, &work);

	(void)state;
	m.speed = 10;
	assert_in_range(sl_sim_model_step_us(&m, &work), real / 10 - 1, real / 10 + 1);
	m.slow = 10;
	assert_in_range(sl_sim_model_step_us(&m, &work), real - 10, real + 10);
	m.slow = 1;
	m.speed = 1e9;
	assert_int_equal(sl_sim_model_step_us(&m, &work), 1);
}

static void test_transfer(void **state)
{
	struct sl_sim_model m = model();

	(void)state;
	assert_int_equal(sl_sim_model_kv_bytes(&m, 1000), 131072000);
	assert_int_equal(sl_sim_model_transfer_us(&m, 0), 2000);
	assert_int_equal(sl_sim_model_transfer_us(&m, 20000000), 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agrees_with_the_profile),
		cmocka_unit_test(test_mixed_step_costs_more_than_its_parts),
		cmocka_unit_test(test_speed_and_slowness),
		cmocka_unit_test(test_transfer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
