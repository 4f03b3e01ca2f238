/* Studies: the run at the asked rate, the knee, and that threads change nothing. */
#include "world_help.h"

#include "bench/whatif/study.h"

#define REQUESTS 400u

/* Prompts of 512 tokens every 20 ms: an engine serves one in 5 ms of prefill. */
static struct workload make_workload(void)
{
	struct row rows[REQUESTS];
	struct workload w;

	for (uint32_t i = 0; i < REQUESTS; i++)
		rows[i] = (struct row){ i * 20000, 512, 8, i % 7, 256 };
	rows_workload(rows, REQUESTS, &w);
	return w;
}

static struct study make_study(const struct workload *w, const struct fleet *f, bool knee,
                               uint32_t threads)
{
	static const char *const names[] = { POLICY_OURS, "round-robin", "random", "lmetric" };
	struct study s = { .good_share = 0.95,
		           .knee = knee,
		           .threads = threads,
		           .quiet = true,
		           .n_lines = SL_COUNT(names) };

	s.setup = (struct world_setup){ .workload = w,
		                        .fleet = f,
		                        .rate_factor = 1,
		                        .seed = 3,
		                        .replicas = 1,
		                        .slo = { 200, 30 } };
	s.lines = calloc(s.n_lines, sizeof(*s.lines));
	assert_non_null(s.lines);
	for (uint32_t i = 0; i < s.n_lines; i++)
		s.lines[i].policy = policy_find(names[i]);
	return s;
}

static double share_at(const struct study *s, const struct policy *policy, double rate_factor)
{
	struct world_setup setup = s->setup;
	struct tally t;
	double share;

	setup.policy = policy;
	setup.rate_factor = rate_factor;
	world_run(&setup, &t);
	share = 1 - (double)t.n_bad / t.n;
	tally_fini(&t);
	return share;
}

static void test_line_is_the_run(void **state)
{
	struct workload w = make_workload();
	struct fleet f;
	struct study s;

	(void)state;
	round_fleet(&f, 0, 0, 2);
	s = make_study(&w, &f, false, 2);
	study_run(&s);
	for (uint32_t i = 0; i < s.n_lines; i++) {
		struct world_setup setup = s.setup;
		struct tally t;

		setup.policy = s.lines[i].policy;
		world_run(&setup, &t);
		assert_true(s.lines[i].summary.decisions == t.decisions);
		assert_true(s.lines[i].tally.decisions == t.decisions);
		assert_true(s.lines[i].summary.slo_ok == 1 - (double)t.n_bad / t.n);
		assert_true(s.lines[i].knee_rps == 0);
		assert_int_equal(s.lines[i].n_points, 0);
		tally_fini(&t);
	}
	study_fini(&s);
	fleet_fini(&f);
	workload_fini(&w);
}

static void check_line(const struct study *s, const struct study_line *line)
{
	double rate = workload_rate(s->setup.workload), factor = line->knee_rps / rate;

	assert_true(share_at(s, line->policy, factor) >= s->good_share);
	assert_true(share_at(s, line->policy, factor * 1.0061) < s->good_share);
	assert_true(line->n_points > 3 && line->n_points <= STUDY_MAX_POINTS);
	for (uint32_t i = 0; i < line->n_points; i++) {
		double share = share_at(s, line->policy, line->points[i].rate / rate);

		assert_true(!i || line->points[i].rate > line->points[i - 1].rate);
		/* An upper bound, and exact where the picture shows it. */
		assert_true(line->points[i].slo_ok >= share - 0.01);
		if (line->points[i].slo_ok > s->good_share - STUDY_CURVE_DEPTH)
			assert_true(fabs(line->points[i].slo_ok - share) < 0.01);
	}
}

/* From below and from above; a policy's curve may be uneven, this one's is not. */
static void test_knee(void **state)
{
	static const double start[] = { 0.2, 1, 40 };
	struct workload w = make_workload();
	double found[SL_COUNT(start)];
	struct fleet f;

	(void)state;
	round_fleet(&f, 0, 0, 1);
	for (size_t i = 0; i < SL_COUNT(start); i++) {
		struct study s = make_study(&w, &f, true, 2);

		s.setup.rate_factor = start[i];
		study_run(&s);
		check_line(&s, &s.lines[1]);
		found[i] = s.lines[1].knee_rps;
		assert_true(s.lines[0].knee_rps > 50); /* it is there at all */
		study_fini(&s);
	}
	assert_true(fabs(found[1] / found[0] - 1) < 0.02);
	assert_true(fabs(found[2] / found[0] - 1) < 0.02);
	fleet_fini(&f);
	workload_fini(&w);
}

static void check_same(const struct study_line *a, const struct study_line *b)
{
	assert_true(a->summary.decisions == b->summary.decisions);
	assert_true(a->knee_rps == b->knee_rps);
	assert_int_equal(a->n_points, b->n_points);
	assert_memory_equal(a->points, b->points, a->n_points * sizeof(a->points[0]));
	for (uint32_t i = 0; i < a->tally.n; i++) {
		const struct tally_request *x = &a->tally.requests[i], *y = &b->tally.requests[i];

		assert_true(x->ttft_ms == y->ttft_ms && x->e2e_ms == y->e2e_ms);
		assert_int_equal(x->decode, y->decode);
		assert_int_equal(x->cached_tokens, y->cached_tokens);
	}
}

static void test_threads_change_nothing(void **state)
{
	static const uint32_t threads[] = { 1, 2, 7 };
	struct workload w = make_workload();
	struct study s[SL_COUNT(threads)];
	struct fleet f;

	(void)state;
	round_fleet(&f, 0, 0, 2);
	for (size_t i = 0; i < SL_COUNT(threads); i++) {
		s[i] = make_study(&w, &f, true, threads[i]);
		study_run(&s[i]);
		for (uint32_t k = 0; k < s[i].n_lines; k++)
			check_same(&s[0].lines[k], &s[i].lines[k]);
	}
	for (size_t i = 0; i < SL_COUNT(threads); i++)
		study_fini(&s[i]);
	fleet_fini(&f);
	workload_fini(&w);
}

/* An SLO that one request alone misses, and one that all of them meet at once. */
static void test_no_knee(void **state)
{
	static const struct {
		double ttft_ms;
		bool open;
	} cases[] = { { 0.001, false }, { 1e9, true } };
	struct workload w = make_workload();
	struct fleet f;

	(void)state;
	round_fleet(&f, 0, 0, 1);
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct study s = make_study(&w, &f, true, 1);

		s.setup.slo.ttft_ms = s.setup.slo.tpot_ms = cases[i].ttft_ms;
		study_run(&s);
		assert_int_equal(s.lines[0].knee_open, cases[i].open);
		assert_true((s.lines[0].knee_rps > 0) == cases[i].open);
		study_fini(&s);
	}
	fleet_fini(&f);
	workload_fini(&w);
}

/* No span, so no rate of its own: figures stay numbers. */
static void test_one_request(void **state)
{
	static const struct row row = { 0, 512, 8, 0, 0 };
	struct workload w;
	struct fleet f;
	struct study s;

	(void)state;
	rows_workload(&row, 1, &w);
	round_fleet(&f, 0, 0, 1);
	s = make_study(&w, &f, true, 1);
	study_run(&s);
	for (uint32_t i = 0; i < s.lines[0].n_points; i++)
		assert_true(isfinite(s.lines[0].points[i].rate));
	assert_true(isfinite(s.lines[0].knee_rps));
	study_fini(&s);
	fleet_fini(&f);
	workload_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_is_the_run),
		cmocka_unit_test(test_knee),
		cmocka_unit_test(test_no_knee),
		cmocka_unit_test(test_threads_change_nothing),
		cmocka_unit_test(test_one_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
