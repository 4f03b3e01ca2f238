/* Random fleets, workloads and outages under every policy: each request ends
 * exactly once, nobody is sent where nobody is, and equal setups decide alike. */
#include "world_random.h"

#define SEEDS 25u

static void test_all_policies(void **state)
{
	(void)state;
	for (size_t k = 0; policy_at(k); k++)
		for (uint64_t seed = 1; seed <= SEEDS; seed++)
			assert_true(ledger_run(seed * 97 + k, policy_at(k), NULL) ==
			            ledger_run(seed * 97 + k, policy_at(k), NULL));
}

/* The worlds are not all alike, or the test above would see little. */
static void test_worlds_differ(void **state)
{
	uint32_t disaggregated = 0, replicas = 0, outages = 0, failed = 0, preempted = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct random_world w;
		struct tally t;

		random_world_init(&w, seed);
		w.setup.policy = policy_find(POLICY_OURS);
		world_run(&w.setup, &t);
		disaggregated += t.remote > 0;
		replicas += w.setup.replicas > 1;
		outages += t.retries > 0;
		preempted += t.preemptions > 0;
		for (uint32_t i = 0; i < t.n; i++)
			failed += !t.requests[i].done;
		tally_fini(&t);
		random_world_fini(&w);
	}
	assert_true(disaggregated > 5 && replicas > 5 && outages > 5 && preempted > 5);
	assert_true(failed > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_policies),
		cmocka_unit_test(test_worlds_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
