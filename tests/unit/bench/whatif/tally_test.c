/* The summary of a run: quantiles, shares in SLO, hits, imbalance. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/whatif/tally.h"
#include "sluice/route.h"

static const struct slo slo = { 100, 10 };

static void near(double got, double expected)
{
	if (fabs(got - expected) > 1e-6 * fmax(1, fabs(expected)))
		fail_msg("%.9g is not %.9g", got, expected);
}

/* ---- quantiles ---------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static void check_quantiles(const float *values, size_t n)
{
	static const double q[] = { 0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 1 };
	float *sorted = malloc(n * sizeof(float)), *copy = malloc(n * sizeof(float));

	memcpy(sorted, values, n * sizeof(float));
	qsort(sorted, n, sizeof(float), ascending);
	for (size_t i = 0; i < SL_COUNT(q); i++) {
		size_t k = (size_t)floor(q[i] * (double)(n - 1) + 0.5);

		memcpy(copy, values, n * sizeof(float));
		assert_true(tally_quantile(copy, n, q[i]) == (double)sorted[k]);
		qsort(copy, n, sizeof(float), ascending);
		assert_memory_equal(copy, sorted, n * sizeof(float));
	}
	free(sorted);
	free(copy);
}

static void test_quantiles(void **state)
{
	float values[600];
	struct sl_rng rng = { 7 };

	(void)state;
	for (uint32_t round = 0; round < 300; round++) {
		size_t n = 1 + sl_rng_next(&rng) % SL_COUNT(values);
		uint64_t kinds = round % 3 == 0 ? 3 : round % 3 == 1 ? 50 : 1000000;

		for (size_t i = 0; i < n; i++)
			values[i] = (float)(sl_rng_next(&rng) % kinds);
		check_quantiles(values, n);
	}
	for (size_t i = 0; i < SL_COUNT(values); i++)
		values[i] = (float)i;
	check_quantiles(values, SL_COUNT(values));
	for (size_t i = 0; i < SL_COUNT(values); i++)
		values[i] = -(float)i;
	check_quantiles(values, SL_COUNT(values));
	assert_true(tally_quantile(values, 0, 0.5) == 0);
}

/* ---- summaries ---------------------------------------------------------------- */

static struct tally_request done(float ttft_ms, float tpot_ms, uint32_t output, uint32_t cached)
{
	return (struct tally_request){ .done = true,
		                       .ttft_ms = ttft_ms,
		                       .tpot_ms = tpot_ms,
		                       .e2e_ms = ttft_ms + tpot_ms * (float)(output - 1),
		                       .prompt_tokens = 1000,
		                       .output_tokens = output,
		                       .cached_tokens = cached };
}

static void test_shares(void **state)
{
	static const uint8_t roles[] = { SL_ROLE_BOTH };
	struct tally t;
	struct summary s;

	(void)state;
	tally_init(&t, 5, 1);
	t.arrivals_us = 2000000;
	tally_note(&t, 0, done(100, 10, 11, 500), &slo); /* both limits met, just so */
	tally_note(&t, 1, done(100.5f, 10, 11, 0), &slo);
	tally_note(&t, 2, done(100, 10.5f, 11, 250), &slo);
	tally_note(&t, 3, done(20, 0, 1, 0), &slo); /* one token: it has no TPOT */
	tally_note(&t, 4, (struct tally_request){ .prompt_tokens = 1000, .output_tokens = 9 },
	           &slo);
	assert_int_equal(t.n_bad, 3);
	tally_summarize(&t, &slo, roles, &s);
	assert_int_equal(s.failed, 1);
	near(s.slo_ok, 2.0 / 5);
	near(s.ttft_ok, 3.0 / 5);
	near(s.tpot_ok, 3.0 / 5);
	near(s.rate, 2.5);
	near(s.goodput, 1);
	near(s.hit_rate, 750.0 / 5000);
	near(s.ttft_ms.mean, (100 + 100.5 + 100 + 20) / 4);
	near(s.ttft_ms.p99, 100.5);
	near(s.tpot_ms.mean, 30.5 / 3);
	near(s.tpot_ms.p50, 10);
	near(s.e2e_ms.p99, 205);
	tally_fini(&t);
}

static void test_imbalance(void **state)
{
	static const uint8_t roles[] = { SL_ROLE_PREFILL, SL_ROLE_PREFILL, SL_ROLE_DECODE,
		                         SL_ROLE_DECODE,  SL_ROLE_DECODE,  SL_ROLE_BOTH };
	struct tally t;
	struct summary s;

	(void)state;
	tally_init(&t, 1, SL_COUNT(roles));
	tally_summarize(&t, &slo, roles, &s);
	near(s.imbalance, 0);               /* nobody computed */
	t.busy_ms[0] = t.busy_ms[1] = 1000; /* much, but alike */
	t.busy_ms[2] = 10, t.busy_ms[3] = 20, t.busy_ms[4] = 60;
	t.busy_ms[5] = 5;
	tally_summarize(&t, &slo, roles, &s);
	near(s.imbalance, 2); /* 60 of a mean of 30 */
	t.busy_ms[1] = 0;
	t.busy_ms[2] = t.busy_ms[3] = t.busy_ms[4];
	tally_summarize(&t, &slo, roles, &s);
	near(s.imbalance, 2); /* of two, one did all */
	tally_fini(&t);
}

static void test_nothing_done(void **state)
{
	static const uint8_t roles[] = { SL_ROLE_BOTH };
	struct tally t;
	struct summary s;

	(void)state;
	tally_init(&t, 2, 1);
	tally_note(&t, 0, (struct tally_request){ 0 }, &slo);
	tally_note(&t, 1, (struct tally_request){ 0 }, &slo);
	t.decisions = 12;
	t.retries = 3;
	tally_summarize(&t, &slo, roles, &s);
	assert_int_equal(s.failed, 2);
	near(s.slo_ok, 0);
	near(s.ttft_ms.mean, 0);
	near(s.ttft_ms.p99, 0);
	near(s.rate, 0); /* no time passed: none that could be told */
	near(s.hit_rate, 0);
	assert_int_equal(s.decisions, 12);
	assert_int_equal(s.retries, 3);
	tally_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_imbalance),
		cmocka_unit_test(test_nothing_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
