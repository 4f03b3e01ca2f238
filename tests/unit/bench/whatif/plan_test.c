/* The search for a fleet: against made-up worlds of which the answer is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/whatif/plan.h"

/* Good from so many engines on; with the right share of them for prefills,
 * from `split_from` on. */
struct made_world {
	uint32_t from, split_from;
	double ratio;
	uint32_t runs, biggest_batch;
};

static double share_of(const struct made_world *w, const struct plan_try *t)
{
	double size = t->prefill ? w->split_from : w->from, off = 0;

	if (t->prefill) {
		off = (double)t->prefill - w->ratio * t->engines;
		off = (off < 0 ? -off : off) / t->engines * 0.3;
		if (off * t->engines <= 0.15) /* as near as whole numbers come */
			off = 0;
	}
	return (t->engines >= size ? 0.96 : 0.9 * t->engines / size) - off / 3;
}

static void run_made(void *ctx, struct plan_try *tries, uint32_t n, double stop_below)
{
	struct made_world *w = ctx;

	w->runs += n;
	if (n > w->biggest_batch)
		w->biggest_batch = n;
	for (uint32_t i = 0; i < n; i++) {
		tries[i].slo_ok = share_of(w, &tries[i]);
		assert_true(tries[i].slo_ok >= 0);
		tries[i].stopped = tries[i].slo_ok < stop_below;
		tries[i].ttft_p99_ms = 1e5 / tries[i].engines;
	}
}

static struct plan find_in(struct made_world *w, uint32_t max_engines)
{
	struct plan_search search = {
		.run = run_made, .ctx = w, .good_share = 0.95, .max_engines = max_engines
	};
	struct plan p;

	plan_find(&search, &p);
	assert_int_equal(p.runs, w->runs);
	return p;
}

static void check_rows(const struct plan *p)
{
	bool aggregated = p->aggregated == 0, disaggregated = p->disaggregated == 0;

	assert_true(p->n_rows > 0 && p->n_rows <= PLAN_MAX_ROWS);
	for (uint32_t i = 0; i < p->n_rows; i++) {
		const struct plan_try *t = &p->rows[i];

		assert_false(t->stopped);
		assert_true(t->prefill < t->engines);
		aggregated |= !t->prefill && t->engines == p->aggregated;
		disaggregated |=
		        t->engines == p->disaggregated && t->prefill == p->prefill && t->prefill;
		if (i)
			assert_true(t->engines > t[-1].engines ||
			            (t->engines == t[-1].engines && t->prefill > t[-1].prefill));
	}
	assert_true(aggregated && disaggregated);
}

static void test_every_answer_is_found(void **state)
{
	(void)state;
	for (uint32_t from = 1; from <= 70; from++) {
		for (uint32_t split_from = 2; split_from <= 70; split_from += 3) {
			struct made_world w = { from, split_from, 0.3, 0, 0 };
			struct plan p = find_in(&w, 64);

			assert_int_equal(p.aggregated, from <= 64 ? from : 0);
			assert_int_equal(p.disaggregated, split_from <= 64 ? split_from : 0);
			check_rows(&p);
			assert_true(w.biggest_batch <= 4);
		}
	}
}

static void test_best_split(void **state)
{
	(void)state;
	for (int tenths = 1; tenths <= 9; tenths++) {
		struct made_world w = { 40, 40, tenths / 10.0, 0, 0 };
		struct plan p = find_in(&w, 200);

		assert_int_equal(p.disaggregated, 40);
		assert_int_equal(p.prefill, 4 * tenths);
		assert_true(w.runs < 60);
	}
}

/* Nothing will do: the largest fleet is shown for what it is. */
static void test_nothing_will_do(void **state)
{
	struct made_world w = { 1000, 1000, 0.5, 0, 0 };
	struct plan p = find_in(&w, 32);

	(void)state;
	assert_int_equal(p.aggregated, 0);
	assert_int_equal(p.disaggregated, 0);
	assert_int_equal(p.n_rows, 2);
	assert_int_equal(p.rows[0].engines, 32);
	check_rows(&p);
}

static void test_one_engine(void **state)
{
	struct made_world w = { 1, 2, 0.5, 0, 0 };
	struct plan p = find_in(&w, 1);

	(void)state;
	assert_int_equal(p.aggregated, 1);
	assert_int_equal(p.disaggregated, 0);
	assert_int_equal(p.n_rows, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_answer_is_found),
		cmocka_unit_test(test_best_split),
		cmocka_unit_test(test_nothing_will_do),
		cmocka_unit_test(test_one_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
