/* Synthetic workloads: that they are what their name says, and repeatable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/whatif/generate.h"

static struct sl_trace made(const char *spec)
{
	struct sl_trace t;
	char err[200] = "";

	assert_true(generate_is_spec(spec));
	if (generate_trace(spec, err, sizeof(err), &t) < 0)
		fail_msg("%s", err);
	assert_int_equal(t.format, SL_TRACE_SYNTHETIC);
	assert_int_equal(t.quantum_us, 0);
	for (size_t i = 1; i < t.n_rows; i++)
		assert_true(t.rows[i].at_us >= t.rows[i - 1].at_us);
	return t;
}

static uint64_t id_of(const struct sl_trace *t, size_t row, uint32_t block)
{
	assert_true(block < t->rows[row].n_blocks);
	return t->blocks[t->rows[row].first_block + block];
}

/* Leading blocks that two rows have in common. */
static uint32_t shared_blocks(const struct sl_trace *t, size_t a, size_t b)
{
	uint32_t n = 0;

	while (n < t->rows[a].n_blocks && n < t->rows[b].n_blocks &&
	       id_of(t, a, n) == id_of(t, b, n))
		n++;
	return n;
}

static void test_rate_and_lengths(void **state)
{
	struct sl_trace t = made("synthetic:short,requests=20000,rate=50,input=800,output=90");
	double seconds = (double)t.rows[t.n_rows - 1].at_us / 1e6, in = 0, out = 0;

	(void)state;
	assert_int_equal(t.n_rows, 20000);
	assert_true(seconds > 390 && seconds < 410);
	for (size_t i = 0; i < t.n_rows; i++) {
		in += t.rows[i].input_tokens;
		out += t.rows[i].output_tokens;
		if (i)
			assert_int_equal(shared_blocks(&t, i, i - 1), 0);
	}
	assert_true(in / 20000 > 780 && in / 20000 < 820);
	assert_true(out / 20000 > 87 && out / 20000 < 93);
	sl_trace_fini(&t);
}

static void test_shared(void **state)
{
	struct sl_trace t = made("synthetic:shared,requests=300,input=2000");

	(void)state;
	for (size_t i = 1; i < t.n_rows; i++) {
		assert_true(t.rows[i].input_tokens > 2048);
		/* 8 KiB at four bytes a token, and not a block more */
		assert_int_equal(shared_blocks(&t, 0, i), 4);
	}
	sl_trace_fini(&t);
}

static void test_hot(void **state)
{
	struct sl_trace t = made("synthetic:hot,requests=4000,pool=10,zipf=1,shared=1024");
	uint64_t ids[10] = { 0 };
	size_t counts[10] = { 0 }, n = 0, most = 0;

	(void)state;
	for (size_t i = 0; i < t.n_rows; i++) {
		size_t k = 0;

		while (k < n && ids[k] != id_of(&t, i, 0))
			k++;
		if (k == n) {
			assert_true(n < 10);
			ids[n++] = id_of(&t, i, 0);
		}
		counts[k]++;
	}
	assert_int_equal(n, 10);
	for (size_t k = 0; k < n; k++)
		most = counts[k] > most ? counts[k] : most;
	/* 1 / (1 + 1/2 + ... + 1/10) = 0.341 of all */
	assert_true(most > 1290 && most < 1440);
	sl_trace_fini(&t);
}

static void test_chat(void **state)
{
	struct sl_trace t = made("synthetic:chat,requests=3000,turns=5,shared=1024");
	size_t sessions = 0, turns = 0;

	(void)state;
	for (size_t i = 0; i < t.n_rows; i++) {
		size_t before = i;

		assert_true(t.rows[i].session != 0);
		while (before-- > 0 && t.rows[before].session != t.rows[i].session)
			;
		if (before == SIZE_MAX) {
			sessions++;
			assert_true(i == 0 || shared_blocks(&t, 0, i) >= 2);
			continue;
		}
		/* all of the turn before, and its answer */
		turns++;
		assert_true(t.rows[i].input_tokens >
		            t.rows[before].input_tokens + t.rows[before].output_tokens);
		assert_int_equal(shared_blocks(&t, before, i), t.rows[before].n_blocks);
	}
	assert_true(sessions > 500 && sessions < 720);
	assert_int_equal(sessions + turns, 3000);
	sl_trace_fini(&t);
}

static void test_longest_prompt(void **state)
{
	struct sl_trace t = made("synthetic:long,requests=500,most=20000,spread=2");
	size_t cut = 0;

	(void)state;
	for (size_t i = 0; i < t.n_rows; i++) {
		assert_true(t.rows[i].input_tokens <= 20000);
		cut += t.rows[i].input_tokens == 20000;
	}
	assert_true(cut > 0 && cut < 500);
	sl_trace_fini(&t);
}

static void test_seed(void **state)
{
	struct sl_trace a = made("synthetic:hot,requests=50,seed=3");
	struct sl_trace b = made("synthetic:hot,requests=50,seed=3");
	struct sl_trace c = made("synthetic:hot,requests=50,seed=4");

	(void)state;
	assert_memory_equal(a.rows, b.rows, 50 * sizeof(*a.rows));
	assert_int_equal(a.n_blocks, b.n_blocks);
	assert_memory_equal(a.blocks, b.blocks, a.n_blocks * sizeof(*a.blocks));
	assert_memory_not_equal(a.rows, c.rows, 50 * sizeof(*a.rows));
	/* from one build to the next, too */
	assert_int_equal(a.rows[49].at_us, 3353230);
	sl_trace_fini(&a);
	sl_trace_fini(&b);
	sl_trace_fini(&c);
}

static void test_bad_specs(void **state)
{
	static const struct {
		const char *spec, *err;
	} cases[] = {
		{ "synthetic:", "no synthetic workload ''" },
		{ "synthetic:warm,rate=1", "no synthetic workload 'warm'" },
		{ "synthetic:hot,rate", "synthetic:hot: expected key=value, not 'rate'" },
		{ "synthetic:hot,", "synthetic:hot: expected key=value, not ''" },
		{ "synthetic:hot,speed=1", "synthetic:hot has no 'speed'" },
		{ "synthetic:short,pool=3", "synthetic:short has no 'pool'" },
		{ "synthetic:hot,think=3", "synthetic:hot has no 'think'" },
		{ "synthetic:hot,rate=0",
		  "synthetic:hot: rate must be a number from 0.001 to 1000000" },
		{ "synthetic:hot,rate=nan",
		  "synthetic:hot: rate must be a number from 0.001 to 1000000" },
		{ "synthetic:hot,rate=5x",
		  "synthetic:hot: rate must be a number from 0.001 to 1000000" },
		{ "synthetic:hot,pool=2.5",
		  "synthetic:hot: pool must be a whole number from 1 to 1000000" },
		{ "synthetic:hot,shared=4096,most=4096",
		  "synthetic:hot: shared must be less than most" },
	};
	struct sl_trace t;
	char err[200];

	(void)state;
	assert_false(generate_is_spec("synthetic.csv"));
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		assert_true(generate_trace(cases[i].spec, err, sizeof(err), &t) < 0);
		assert_string_equal(err, cases[i].err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate_and_lengths),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_hot),
		cmocka_unit_test(test_chat),
		cmocka_unit_test(test_longest_prompt),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_bad_specs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
