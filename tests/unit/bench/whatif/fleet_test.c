/* The fleet's lists. */
#include "world_help.h"

static const struct fleet_engine engine = { SL_ROLE_BOTH, &round_profile, 2, 0.5 };

static void test_none_and_more(void **state)
{
	struct fleet f;

	(void)state;
	fleet_init(&f);
	fleet_add(&f, engine, 0);
	assert_int_equal(f.n, 0);
	fleet_add(&f, engine, 3);
	fleet_add(&f, engine, 0);
	fleet_add(&f, engine, 1);
	assert_int_equal(f.n, 4);
	for (uint32_t i = 0; i < f.n; i++)
		assert_true(f.engines[i].slow == 2);
	fleet_fini(&f);
	assert_int_equal(f.n, 0);
}

static void test_memory(void **state)
{
	(void)state;
	assert_true(fleet_kv_tokens(&engine) == 8192);
}

static void test_outages(void **state)
{
	struct fleet f;

	(void)state;
	fleet_init(&f);
	fleet_outage_add(&f, (struct fleet_outage){ 1, 2, 3 });
	fleet_outage_add(&f, (struct fleet_outage){ 4, 5, FLEET_NEVER });
	assert_int_equal(f.n_outages, 2);
	assert_int_equal(f.outages[0].until_us, 3);
	assert_int_equal(f.outages[1].engine, 4);
	fleet_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none_and_more),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_outages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
