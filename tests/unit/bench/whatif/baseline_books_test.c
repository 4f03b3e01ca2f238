/* The books of every baseline: when all requests have ended, however they did,
 * no engine is charged with anything. */
#include "world_random.h"

/* For a look at the balancer's inside. */
#include "bench/whatif/baseline.c"

#define SEEDS 25u

/* What another replica has said last may be on its way still. */
static void check_books(struct balancer *b)
{
	for (uint32_t i = 0; i < b->view.n && b->alone; i++) {
		const struct view_engine *e = &b->view.engines[i];

		assert_int_equal(e->inflight, 0);
		assert_int_equal(e->prefilling, 0);
		assert_int_equal(e->decoding, 0);
		assert_true(fabs(e->pending_tokens) < 1e-6);
		assert_true(fabs(e->active_tokens) < 1e-6);
		assert_true(fabs(e->queue_ms) < 1e-6);
	}
}

static void test_nothing_is_left(void **state)
{
	(void)state;
	for (size_t k = 0; policy_at(k); k++)
		for (uint64_t seed = 1; seed <= SEEDS; seed++)
			if (policy_at(k)->ops == &baseline_balancer_ops)
				ledger_run(seed * 131 + k, policy_at(k), check_books);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
