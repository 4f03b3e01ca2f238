/* Statistics against values computed with numpy. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/load/samples.h"

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static void add_all(struct sl_samples *s, const int64_t *us, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sl_samples_add(s, us[i]);
}

static void test_none_and_one(void **state)
{
	struct sl_samples s = { .us = NULL };
	struct sl_summary sum = sl_samples_summarise(&s);

	(void)state;
	assert_int_equal(sum.n, 0);
	assert_near(sum.p99_ms, 0);
	assert_near(sl_samples_recent_median(&s, 256), 0);
	sl_samples_add(&s, 1500);
	sum = sl_samples_summarise(&s);
	assert_near(sum.mean_ms, 1.5);
	assert_near(sum.median_ms, 1.5);
	assert_near(sum.p99_ms, 1.5);
	assert_near(sum.std_ms, 0);
	sl_samples_fini(&s);
}

/* numpy: a = [15, 20, 35, 40, 50]; mean 32, std 12.884098726725126, percentiles
 * 50: 35, 90: 46, 95: 48, 99: 49.6 */
static void test_small(void **state)
{
	static const int64_t us[] = { 40000, 15000, 50000, 35000, 20000 };
	struct sl_samples s = { .us = NULL };
	struct sl_summary sum;

	(void)state;
	add_all(&s, us, SL_COUNT(us));
	sum = sl_samples_summarise(&s);
	assert_near(sum.mean_ms, 32);
	assert_near(sum.std_ms, 12.884098726725126);
	assert_near(sum.median_ms, 35);
	assert_near(sum.p90_ms, 46);
	assert_near(sum.p95_ms, 48);
	assert_near(sum.p99_ms, 49.6);
	assert_near(sum.max_ms, 50);
	assert_near(sl_samples_percentile(&s, 0), 15000);
	assert_near(sl_samples_percentile(&s, 100), 50000);
	assert_near(sl_samples_percentile(&s, 40), 29000);
	sl_samples_fini(&s);
}

static void test_every_sample_counts(void **state)
{
	struct sl_samples s = { .us = NULL };
	struct sl_summary sum;

	(void)state;
	for (int64_t i = 0; i <= 100000; i++)
		sl_samples_add(&s, (i * 7919) % 100001);
	sum = sl_samples_summarise(&s);
	assert_int_equal(sum.n, 100001);
	assert_near(sum.median_ms, 50);
	assert_near(sum.p99_ms, 99);
	assert_near(sum.p95_ms, 95);
	assert_near(sum.mean_ms, 50);
	sl_samples_fini(&s);
}

static void test_range(void **state)
{
	struct sl_samples s = { .us = NULL };

	(void)state;
	sl_samples_add(&s, -5);
	sl_samples_add(&s, INT64_MAX);
	assert_int_equal(s.us[0], 0);
	assert_int_equal(s.us[1], UINT32_MAX);
	sl_samples_fini(&s);
}

static void test_recent_median(void **state)
{
	static const int64_t us[] = { 900, 900, 900, 30, 10, 20 };
	struct sl_samples s = { .us = NULL };

	(void)state;
	add_all(&s, us, SL_COUNT(us));
	assert_near(sl_samples_recent_median(&s, 3), 20);
	assert_int_equal(s.us[3], 30); /* left in order */
	sl_samples_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none_and_one),        cmocka_unit_test(test_small),
		cmocka_unit_test(test_every_sample_counts), cmocka_unit_test(test_range),
		cmocka_unit_test(test_recent_median),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
