/* learn_test.c: what single answers may change, and what only many can. */
#include <math.h>

#include "routing/decay.h"
#include "routing/learn.h"
#include "routing/round.h"
#include "tests/unit/routing/route_help.h"

#define ENGINES 16

struct fleet {
	struct learn_engine engine[ENGINES];
	struct learn_scale prefill, decode;
	uint64_t now_us;
};

static void fleet_init(struct fleet *f)
{
	memset(f, 0, sizeof(*f));
	learn_scale_init(&f->prefill);
	learn_scale_init(&f->decode);
	f->now_us = 1000000;
}

static double slowness(struct fleet *f, int i)
{
	return learn_engine_slowness(&f->engine[i], &f->prefill, &f->decode, f->now_us);
}

/* Each engine answers `n` times, slow[i] times slower than the preset. */
static void answer(struct fleet *f, const double *slow, int n, struct sl_rng *rng)
{
	for (int k = 0; k < n * ENGINES; k++) {
		int i = k % ENGINES;
		double noise = 0.7 + 0.6 * help_unit(rng);

		f->now_us += 20000;
		learn_evidence_add(&f->engine[i].prefill, &f->prefill, 80 * slow[i] * noise, 80, 1,
		                   f->now_us);
		learn_evidence_add(&f->engine[i].decode, &f->decode, 9 * slow[i] * noise, 9, 1,
		                   f->now_us);
	}
}

static void an_error_common_to_all_is_scale(void **state)
{
	static const double factors[] = { 0.1, 0.3, 4, 20 };

	(void)state;
	for (size_t k = 0; k < SL_COUNT(factors); k++) {
		struct sl_rng rng = { 9 };
		double slow[ENGINES];
		struct fleet f;

		fleet_init(&f);
		for (int i = 0; i < ENGINES; i++)
			slow[i] = factors[k];
		answer(&f, slow, 50, &rng);
		for (int i = 0; i < ENGINES; i++)
			assert_near(slowness(&f, i), 1, 1e-6);
		assert_near(learn_scale_factor(&f.prefill) / factors[k], 1, 0.1);
		assert_near(learn_scale_factor(&f.decode) / factors[k], 1, 0.1);
	}
}

/* As long as nobody else has answered, it says nothing about that one engine:
 * were it taken for a fast one, an idle fleet would never ask another. */
static void what_the_first_engine_shows_is_scale(void **state)
{
	static const double factors[] = { 0.1, 0.5, 2, 10 };

	(void)state;
	for (size_t k = 0; k < SL_COUNT(factors); k++) {
		struct fleet f;

		fleet_init(&f);
		for (int n = 0; n < 200; n++) {
			learn_evidence_add(&f.engine[3].prefill, &f.prefill, 80 * factors[k], 80, 1,
			                   f.now_us);
			learn_evidence_add(&f.engine[3].decode, &f.decode, 9 * factors[k], 9, 1,
			                   f.now_us);
			assert_near(slowness(&f, 3), 1, 1e-6);
		}
	}
}

static void two_slow_engines_stand_out(void **state)
{
	static const double common[] = { 1, 0.1, 5 };

	(void)state;
	for (size_t k = 0; k < SL_COUNT(common); k++) {
		struct sl_rng rng = { 11 };
		double slow[ENGINES];
		struct fleet f;

		fleet_init(&f);
		for (int i = 0; i < ENGINES; i++)
			slow[i] = common[k] * (i < 2 ? 4 : 1);
		answer(&f, slow, 50, &rng);
		assert_in_range(slowness(&f, 0) / slowness(&f, 5) * 100, 300, 440);
		assert_in_range(slowness(&f, 1) / slowness(&f, 9) * 100, 300, 440);
		/* and do not make the others look fast */
		assert_near(slowness(&f, 5), 1, 0);
	}
}

static void one_sample_moves_little(void **state)
{
	struct sl_rng rng = { 12 };
	double slow[ENGINES];
	struct fleet f;

	(void)state;
	fleet_init(&f);
	/* the very first one of all */
	learn_evidence_add(&f.engine[0].prefill, &f.prefill, 1e6, 1, 1, f.now_us);
	assert_true(slowness(&f, 0) < 2.5);
	fleet_init(&f);
	for (int i = 0; i < ENGINES; i++)
		slow[i] = 1;
	answer(&f, slow, 50, &rng);
	learn_evidence_add(&f.engine[3].prefill, &f.prefill, 80 * 64, 80, 1, f.now_us);
	assert_true(slowness(&f, 3) < 1.15);
	assert_true(learn_scale_factor(&f.prefill) < 1.1);
}

static void stays_inside_its_bounds(void **state)
{
	struct sl_rng rng = { 13 };
	double slow[ENGINES];
	struct fleet f;

	(void)state;
	fleet_init(&f);
	for (int i = 0; i < ENGINES; i++)
		slow[i] = i == 0 ? 1000 : i == 1 ? 0.001 : 1;
	answer(&f, slow, 200, &rng);
	assert_near(slowness(&f, 0), 8, 1e-6);
	assert_near(slowness(&f, 1), 0.5, 1e-6);
}

static void figures_that_are_no_times_teach_nothing(void **state)
{
	struct fleet f;

	(void)state;
	fleet_init(&f);
	learn_evidence_add(&f.engine[0].prefill, &f.prefill, 0, 10, 1, f.now_us);
	learn_evidence_add(&f.engine[0].prefill, &f.prefill, 10, 0, 1, f.now_us);
	learn_evidence_add(&f.engine[0].prefill, &f.prefill, -1, 10, 1, f.now_us);
	learn_evidence_add(&f.engine[0].prefill, &f.prefill, NAN, 10, 1, f.now_us);
	learn_evidence_add(&f.engine[0].prefill, &f.prefill, 10, NAN, 1, f.now_us);
	learn_evidence_add(&f.engine[0].prefill, &f.prefill, 10, 10, 0, f.now_us);
	assert_near(f.engine[0].prefill.weight, 0, 0);
	assert_near(learn_scale_factor(&f.prefill), 1, 0);
	assert_near(slowness(&f, 0), 1, 0);
}

/* Nobody sends to a slow engine; without new evidence it gets another try. */
static void slowness_is_forgotten(void **state)
{
	struct sl_rng rng = { 14 };
	double slow[ENGINES], before;
	struct fleet f;

	(void)state;
	fleet_init(&f);
	for (int i = 0; i < ENGINES; i++)
		slow[i] = i == 0 ? 6 : 1;
	answer(&f, slow, 50, &rng);
	before = slowness(&f, 0);
	assert_true(before > 4);
	f.now_us += 120000000;
	assert_true(slowness(&f, 0) < before - 1);
	f.now_us += 600000000;
	assert_near(slowness(&f, 0), 1, 1e-6);
}

static void dropped_evidence_leaves_no_trace_in_the_scale(void **state)
{
	struct sl_rng rng = { 15 };
	double slow[ENGINES];
	struct fleet f;

	(void)state;
	fleet_init(&f);
	for (int i = 0; i < ENGINES; i++)
		slow[i] = 3 + i;
	answer(&f, slow, 30, &rng);
	for (int i = 0; i < ENGINES; i++) {
		learn_evidence_drop(&f.engine[i].prefill, &f.prefill);
		learn_evidence_drop(&f.engine[i].decode, &f.decode);
	}
	assert_int_equal(f.prefill.log_sum, 0);
	assert_int_equal(f.prefill.weight, 0);
	assert_int_equal(f.decode.log_sum, 0);
	assert_int_equal(f.decode.weight, 0);
	assert_near(learn_scale_factor(&f.prefill), 1, 0);
}

/* ---- hits ------------------------------------------------------------- */

static void gamma_follows_the_counters(void **state)
{
	struct learn_hits h;
	double hits = 5000;

	(void)state;
	learn_hits_reset(&h);
	assert_near(learn_hits_gamma(&h), 1, 0);
	learn_hits_predict(&h, 1e6); /* before the first sample: nothing to compare */
	assert_true(learn_hits_sample(&h, hits, 1e5, 1000000));
	assert_near(learn_hits_gamma(&h), 1, 0);
	for (uint64_t i = 2; i < 60; i++) {
		learn_hits_predict(&h, 1000);
		hits += 600;
		assert_true(learn_hits_sample(&h, hits, 1e5 + hits, i * 1000000));
	}
	assert_in_range(learn_hits_gamma(&h) * 1000, 600, 680);
	for (uint64_t i = 60; i < 400; i++) {
		learn_hits_predict(&h, 1000);
		assert_true(learn_hits_sample(&h, hits, 1e5 + 1000.0 * (double)i, i * 1000000));
	}
	assert_near(learn_hits_gamma(&h), 0.25, 1e-6);
	for (uint64_t i = 400; i < 800; i++) {
		hits += 5000; /* other traffic hits, too */
		assert_true(learn_hits_sample(&h, hits, 5e5 + hits, i * 1000000));
	}
	assert_near(learn_hits_gamma(&h), 1.25, 1e-6);
}

/* What was predicted meanwhile shows when it moves on. */
static void a_page_that_stands_still_says_nothing(void **state)
{
	struct learn_hits h;

	(void)state;
	learn_hits_reset(&h);
	assert_true(learn_hits_sample(&h, 5000, 1e5, 1000000));
	for (uint64_t i = 2; i < 400; i++) {
		learn_hits_predict(&h, 1000);
		assert_true(learn_hits_sample(&h, 5000, 1e5, i * 1000000));
		assert_near(learn_hits_gamma(&h), 1, 0);
	}
	assert_true(learn_hits_sample(&h, 5000 + 398 * 500, 5e5, 400000000));
	assert_in_range(learn_hits_gamma(&h) * 1000, 500, 510);
}

static void counters_that_fall_mean_a_restart(void **state)
{
	struct learn_hits h;

	(void)state;
	learn_hits_reset(&h);
	assert_true(learn_hits_sample(&h, 100, 1000, 1));
	assert_true(learn_hits_sample(&h, 100, 1000, 2));
	assert_true(learn_hits_sample(&h, -1, -1, 3)); /* a page without them */
	assert_true(learn_hits_sample(&h, 100, 1500, 4));
	assert_false(learn_hits_sample(&h, 100, 20, 5)); /* no hit yet, but fewer queries */
	assert_true(learn_hits_sample(&h, 100, 30, 6));
	assert_false(learn_hits_sample(&h, 3, 40, 7));
}

static void usage_counts_where_there_are_no_counters(void **state)
{
	struct learn_hits h;

	(void)state;
	learn_hits_reset(&h);
	for (int i = 0; i < 100; i++)
		learn_hits_usage(&h, 500, 1000, 1000000);
	assert_in_range(learn_hits_gamma(&h) * 1000, 500, 540);
	learn_hits_reset(&h);
	assert_true(learn_hits_sample(&h, 0, 0, 1));
	for (int i = 0; i < 100; i++)
		learn_hits_usage(&h, 500, 1000, 1000000);
	assert_near(learn_hits_gamma(&h), 1, 0);
}

/* ---- models ------------------------------------------------------------ */

static void bytes_per_token_is_learned_from_prompts(void **state)
{
	struct learn_model m;

	(void)state;
	learn_model_init(&m);
	assert_near(learn_model_bytes_per_token(&m, 4), 4, 0);
	learn_model_prompt(&m, 10, 10); /* a short one says little */
	assert_true(learn_model_bytes_per_token(&m, 4) > 3.8);
	for (int i = 0; i < 100; i++)
		learn_model_prompt(&m, 3000, 2000);
	assert_near(learn_model_bytes_per_token(&m, 4), 1.5, 0.02);
	for (int i = 0; i < 3000; i++)
		learn_model_prompt(&m, 100, 2000);
	assert_near(learn_model_bytes_per_token(&m, 4), 0.5, 0);
	for (int i = 0; i < 3000; i++)
		learn_model_prompt(&m, 200000, 2000);
	assert_near(learn_model_bytes_per_token(&m, 4), 16, 0);
}

static void output_is_capped_and_learned(void **state)
{
	struct learn_model m;

	(void)state;
	learn_model_init(&m);
	assert_near(learn_model_output(&m, -1), 256, 0);
	assert_near(learn_model_output(&m, 100), 100, 0);
	assert_near(learn_model_output(&m, 0), 1, 0);
	assert_near(learn_model_output(&m, INT64_MAX), 256, 0);
	for (int i = 0; i < 300; i++)
		learn_model_answer(&m, 40, -1);
	assert_near(learn_model_output(&m, -1), 40, 0.1);
	/* cut off at 5: it would have been longer */
	for (int i = 0; i < 300; i++)
		learn_model_answer(&m, 5, 5);
	assert_near(learn_model_output(&m, -1), 40, 0.1);
	/* ended by itself under a limit, and cut off above what is expected */
	for (int i = 0; i < 300; i++)
		learn_model_answer(&m, 20, 30);
	assert_near(learn_model_output(&m, -1), 20, 0.1);
	for (int i = 0; i < 300; i++)
		learn_model_answer(&m, 500, 500);
	assert_near(learn_model_output(&m, -1), 500, 1);
}

/* What stands in for libm on the request path agrees with it. */
static void short_cuts_are_exact(void **state)
{
	struct sl_rng rng = { 14 };

	(void)state;
	assert_true(decay_exp(0) == 1);
	for (int i = 0; i < 100000; i++) {
		double x = help_unit(&rng) / (1 << help_below(&rng, 20));
		double y = (help_unit(&rng) - 0.5) * (double)(1ull << help_below(&rng, 50));

		assert_true(fabs(decay_exp(x) - exp(-x)) < 3e-16);
		assert_true(round_whole(y) == llround(y));
	}
	assert_int_equal(round_whole(-2.5), -3);
	assert_int_equal(round_whole(2.5), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_common_to_all_is_scale),
		cmocka_unit_test(what_the_first_engine_shows_is_scale),
		cmocka_unit_test(two_slow_engines_stand_out),
		cmocka_unit_test(one_sample_moves_little),
		cmocka_unit_test(stays_inside_its_bounds),
		cmocka_unit_test(figures_that_are_no_times_teach_nothing),
		cmocka_unit_test(slowness_is_forgotten),
		cmocka_unit_test(dropped_evidence_leaves_no_trace_in_the_scale),
		cmocka_unit_test(gamma_follows_the_counters),
		cmocka_unit_test(a_page_that_stands_still_says_nothing),
		cmocka_unit_test(counters_that_fall_mean_a_restart),
		cmocka_unit_test(usage_counts_where_there_are_no_counters),
		cmocka_unit_test(bytes_per_token_is_learned_from_prompts),
		cmocka_unit_test(output_is_capped_and_learned),
		cmocka_unit_test(short_cuts_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
