/* adapters_test.c: what has to be loaded for a step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/sim/adapters.h"

/* Loads of a step with sequences of these adapters, up to the first negative. */
static uint32_t load(struct sl_sim_adapters *a, const int *adapters)
{
	struct sl_sim_seq seqs[8] = { 0 }, *step[8];
	struct sl_sim_batch b = { .step = step };

	for (; adapters[b.n_step] >= 0; b.n_step++) {
		seqs[b.n_step].adapter = (uint32_t)adapters[b.n_step];
		step[b.n_step] = &seqs[b.n_step];
	}
	return sl_sim_adapters_load(a, &b);
}

#define LOAD(a, ...) load(a, (const int[]){ __VA_ARGS__, -1 })

static void test_longest_unused_gives_way(void **state)
{
	struct sl_sim_adapters a;

	(void)state;
	sl_sim_adapters_init(&a, 2);
	assert_int_equal(LOAD(&a, 0, 0), 0);
	assert_int_equal(LOAD(&a, 1, 1, 0, 1), 1);
	assert_int_equal(LOAD(&a, 1, 2), 1);
	assert_int_equal(LOAD(&a, 2), 0);
	assert_int_equal(LOAD(&a, 1), 0);
	assert_int_equal(LOAD(&a, 3), 1); /* in place of 2 */
	assert_int_equal(LOAD(&a, 1), 0);
	assert_int_equal(LOAD(&a, 2), 1);
	/* what the step needs does not give way in it, whatever the order */
	assert_int_equal(LOAD(&a, 3, 1), 1);
	assert_int_equal(LOAD(&a, 2, 3), 1);
	assert_int_equal(LOAD(&a, 2, 3, 2), 0);
}

static void test_no_slots(void **state)
{
	struct sl_sim_adapters a;

	(void)state;
	sl_sim_adapters_init(&a, 0);
	assert_int_equal(LOAD(&a, 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_longest_unused_gives_way),
		cmocka_unit_test(test_no_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
