/* Schedules: de-quantised, sorted, scaled, and the same every time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/load/schedule.h"

#define QUANTUM_US 3000000

#define N 300

/* Bursts of ten every three seconds, as Mooncake's rounding makes them. */
static struct sl_trace bursts(struct sl_trace_row rows[N], size_t n)
{
	for (size_t i = 0; i < n; i++)
		rows[i] = (struct sl_trace_row){ (int64_t)(i / 10) * 3000000, 1, 1, 0, 1, 0 };
	return (struct sl_trace){ .rows = rows, .n_rows = n };
}

static void test_same_seed_same_schedule(void **state)
{
	struct sl_trace_row rows[N];
	struct sl_trace t = bursts(rows, N);
	struct sl_due *a = sl_schedule_new(&t, 5, QUANTUM_US, 1);
	struct sl_due *b = sl_schedule_new(&t, 5, QUANTUM_US, 1);
	struct sl_due *c = sl_schedule_new(&t, 6, QUANTUM_US, 1);

	(void)state;
	assert_memory_equal(a, b, N * sizeof(*a));
	assert_memory_not_equal(a, c, N * sizeof(*a));
	free(a);
	free(b);
	free(c);
}

static void test_dequantised(void **state)
{
	struct sl_trace_row rows[N];
	struct sl_trace t = bursts(rows, N);
	struct sl_due *due = sl_schedule_new(&t, 1, QUANTUM_US, 1);
	bool seen[N] = { false };
	int64_t base, moved = 0;
	size_t distinct = 1;

	(void)state;
	assert_int_equal(due[0].at_us, 0);
	/* row 0's own burst opens at base */
	base = -QUANTUM_US;
	for (size_t i = 0; i < N; i++) {
		int64_t slack = due[i].at_us - rows[due[i].row].at_us;

		assert_true(slack > base && slack < QUANTUM_US);
		moved += slack;
		seen[due[i].row] = true;
		if (i)
			assert_true(due[i].at_us >= due[i - 1].at_us);
		distinct += i && due[i].at_us != due[i - 1].at_us;
	}
	for (size_t i = 0; i < N; i++)
		assert_true(seen[i]);
	assert_true(distinct > N - 5);
	assert_true(moved / N > 1000000 && moved / N < 1900000); /* a mean of half the quantum,
	                                                          * less the first one's draw */
	free(due);
}

static void test_a_row_moves_the_same_under_any_limit(void **state)
{
	struct sl_trace_row rows[N];
	struct sl_trace all = bursts(rows, N), ten = { .rows = rows, .n_rows = 10 };
	struct sl_due *a = sl_schedule_new(&all, 1, QUANTUM_US, 1);
	struct sl_due *b = sl_schedule_new(&ten, 1, QUANTUM_US, 1);

	(void)state;
	assert_memory_equal(a, b, 10 * sizeof(*a)); /* the first burst ends before the second */
	free(a);
	free(b);
}

static void test_scaled_and_unspread(void **state)
{
	struct sl_trace_row rows[] = { { .at_us = 9000 }, { .at_us = 5000 }, { .at_us = 5000 } };
	struct sl_trace t = { .rows = rows, .n_rows = 3 };
	struct sl_due *due = sl_schedule_new(&t, 1, 0, 4);

	(void)state;
	assert_int_equal(due[0].row, 1);
	assert_int_equal(due[1].row, 2);
	assert_int_equal(due[2].row, 0);
	assert_int_equal(due[1].at_us, 0);
	assert_int_equal(due[2].at_us, 1000);
	free(due);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_seed_same_schedule),
		cmocka_unit_test(test_dequantised),
		cmocka_unit_test(test_a_row_moves_the_same_under_any_limit),
		cmocka_unit_test(test_scaled_and_unspread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
