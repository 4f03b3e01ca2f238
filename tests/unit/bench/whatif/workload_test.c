/* The requests of a what-if run: boundaries, names, times. */
#include "world_help.h"

#include "sluice/scan.h"

/* ---- boundaries ---------------------------------------------------------------- */

/* What the scanner makes of a body whose prompt has so many bytes. */
static void scan_prompt(struct sl_scan *scan, size_t prompt_bytes, struct sl_facts *out_facts)
{
	static const char head[] = "{\"prompt\":\"", tail[] = "\"}";
	size_t len = sizeof(head) - 1 + prompt_bytes + sizeof(tail) - 1;
	char *body = malloc(len + 1);

	assert_non_null(body);
	memcpy(body, head, sizeof(head) - 1);
	memset(body + sizeof(head) - 1, 'x', prompt_bytes);
	memcpy(body + sizeof(head) - 1 + prompt_bytes, tail, sizeof(tail));
	sl_scan_reset(scan, SL_API_COMPLETIONS);
	assert_int_equal(sl_scan_feed(scan, body, 0, len), 0);
	assert_int_equal(sl_scan_finish(scan, body, out_facts), 0);
	free(body);
}

static void test_boundaries_are_the_scanners(void **state)
{
	static const uint32_t tokens[] = { 1,    63,   64,     65,     511,    512,
		                           513,  1023, 1024,   1025,   8191,   8192,
		                           8193, 9000, 100000, 262144, 262145, 300000 };
	struct sl_scan *scan = sl_scan_new();

	(void)state;
	for (size_t k = 0; k < SL_COUNT(tokens); k++) {
		struct row row = { .input = tokens[k], .output = 1 };
		struct sl_facts real, ours;
		struct workload w;

		rows_workload(&row, 1, &w);
		workload_facts(&w, 0, &ours);
		scan_prompt(scan, (size_t)tokens[k] * WORKLOAD_BYTES_PER_TOKEN, &real);
		assert_int_equal(ours.prompt_bytes, real.prompt_bytes);
		assert_int_equal(ours.n_blocks, real.n_blocks);
		for (uint32_t i = 0; i < ours.n_blocks; i++)
			assert_int_equal(ours.blocks[i].end_bytes, real.blocks[i].end_bytes);
		workload_fini(&w);
	}
	sl_scan_free(scan);
}

/* How many leading boundaries, and KV names, two requests have in common; none
 * behind the first that differs may be equal. */
static uint32_t common_blocks(const struct workload *w, uint32_t a, uint32_t b)
{
	struct sl_facts x, y;
	uint32_t n = 0;

	workload_facts(w, a, &x);
	workload_facts(w, b, &y);
	while (n < x.n_blocks && n < y.n_blocks && x.blocks[n].hash == y.blocks[n].hash)
		n++;
	for (uint32_t i = n; i < x.n_blocks && i < y.n_blocks; i++)
		assert_true(x.blocks[i].hash != y.blocks[i].hash);
	return n;
}

static uint32_t common_names(const struct workload *w, uint32_t a, uint32_t b)
{
	const uint64_t *x = workload_names(w, a), *y = workload_names(w, b);
	uint32_t most = w->requests[a].n_names, n = 0;

	if (w->requests[b].n_names < most)
		most = w->requests[b].n_names;
	while (n < most && x[n] == y[n])
		n++;
	for (uint32_t i = n; i < most; i++)
		assert_true(x[i] != y[i]);
	return n;
}

static uint32_t bytes_of_blocks(const struct workload *w, uint32_t request, uint32_t n)
{
	return n ? w->blocks[w->requests[request].first_block + n - 1].end_bytes : 0;
}

static void test_shared_as_far_as_the_ids(void **state)
{
	static const struct row rows[] = {
		{ 0, 4096, 1, 7, 1536 }, { 1, 5000, 1, 7, 1536 }, { 2, 5000, 1, 0, 0 },
		{ 3, 1536, 1, 7, 0 },    { 4, 700, 1, 7, 0 },     { 5, 4096, 1, 8, 0 },
	};
	struct workload w;

	(void)state;
	rows_workload(rows, SL_COUNT(rows), &w);
	assert_int_equal(common_names(&w, 0, 1), 1536 / 64);
	assert_int_equal(bytes_of_blocks(&w, 0, common_blocks(&w, 0, 1)), 1536 * 4);
	assert_int_equal(common_names(&w, 0, 2), 0);
	assert_int_equal(common_blocks(&w, 0, 2), 0);
	assert_int_equal(common_names(&w, 0, 3), 1536 / 64);
	assert_int_equal(common_names(&w, 0, 4), 700 / 64); /* whole blocks only */
	assert_int_equal(bytes_of_blocks(&w, 4, common_blocks(&w, 0, 4)), 700 * 4 / 256 * 256);
	assert_int_equal(common_names(&w, 0, 5), 0);
	workload_fini(&w);
}

/* A boundary that lies in a block of its own text is its own, however little. */
static void test_boundaries_across_ids(void **state)
{
	static const struct row rows[] = { { 0, 20000, 1, 7, 17 * 512 },
		                           { 1, 20000, 1, 7, 17 * 512 } };
	struct workload w;

	(void)state;
	rows_workload(rows, SL_COUNT(rows), &w);
	assert_int_equal(common_names(&w, 0, 1), 17 * 8);
	assert_int_equal(bytes_of_blocks(&w, 0, common_blocks(&w, 0, 1)), 32768); /* of 34816 */
	workload_fini(&w);
}

/* An id behind another beginning is another text: hashes chain. */
static void test_same_id_elsewhere_is_not_shared(void **state)
{
	static const uint64_t ids[2][3] = { { 1, 2, 3 }, { 9, 2, 3 } };
	struct sl_trace t = { .format = SL_TRACE_SYNTHETIC };
	struct workload_options opt = { .seed = 1 };
	struct workload w;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint64_t *at;

		sl_trace_add(&t, 1536, &at)->output_tokens = 1;
		memcpy(at, ids[i], sizeof(ids[i]));
	}
	workload_init(&w, &t, &opt);
	assert_int_equal(common_names(&w, 0, 1), 0);
	assert_int_equal(common_blocks(&w, 0, 1), 0);
	workload_fini(&w);
	sl_trace_fini(&t);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* One id repeated (a trace without prefixes) still gives each block a name. */
static void test_names_are_of_64_tokens_and_differ(void **state)
{
	static const uint32_t tokens[] = { 1, 63, 64, 127, 128, 6400 };
	uint64_t names[100];
	struct workload w;

	(void)state;
	for (size_t k = 0; k < SL_COUNT(tokens); k++) {
		struct row row = { .input = tokens[k], .output = 1, .family = 5 };

		rows_workload(&row, 1, &w);
		assert_int_equal(w.requests[0].n_names, tokens[k] / 64);
		if (tokens[k] == 6400)
			memcpy(names, workload_names(&w, 0), sizeof(names));
		workload_fini(&w);
	}
	qsort(names, SL_COUNT(names), sizeof(names[0]), by_value);
	for (size_t i = 1; i < SL_COUNT(names); i++)
		assert_true(names[i] != names[i - 1]);
}

/* ---- what else is known ---------------------------------------------------------- */

static void test_facts(void **state)
{
	static const struct row rows[] = { { 0, 3000, 17, 0, 0 }, { 5, 10, 3, 0, 0 } };
	struct sl_facts f;
	struct workload w;

	(void)state;
	rows_workload(rows, 2, &w);
	workload_facts(&w, 0, &f);
	assert_true(f.stream);
	assert_int_equal(f.prompts, 1);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.max_tokens, -1); /* the length of the answer is not known */
	assert_int_equal(f.prompt_bytes, 12000);
	assert_int_equal(f.prompt_tokens_exact, 0);
	assert_int_equal(w.tokens_in, 3010);
	assert_int_equal(w.tokens_out, 20);
	workload_fini(&w);
}

static void test_nothing_is_at_least_one_token(void **state)
{
	static const struct row row = { 0, 0, 0, 0, 0 };
	struct workload w;

	(void)state;
	rows_workload(&row, 1, &w);
	assert_int_equal(w.requests[0].input_tokens, 1);
	assert_int_equal(w.requests[0].output_tokens, 1);
	assert_int_equal(w.requests[0].n_names, 0);
	assert_int_equal(w.requests[0].n_blocks, 0);
	workload_fini(&w);
}

/* ---- times ------------------------------------------------------------------------ */

static void test_sorted_from_zero(void **state)
{
	static const struct row rows[] = { { 9000, 100, 1, 0, 0 },
		                           { 5000, 200, 1, 0, 0 },
		                           { 6000, 300, 1, 0, 0 } };
	struct workload w;

	(void)state;
	rows_workload(rows, 3, &w);
	assert_int_equal(w.requests[0].at_us, 0);
	assert_int_equal(w.requests[0].input_tokens, 200);
	assert_int_equal(w.requests[1].at_us, 1000);
	assert_int_equal(w.requests[2].at_us, 4000);
	assert_int_equal(w.requests[2].input_tokens, 100);
	workload_fini(&w);
}

static void test_rate(void **state)
{
	static const struct row rows[] = { { 0, 1, 1, 0, 0 },
		                           { 500000, 1, 1, 0, 0 },
		                           { 1500000, 1, 1, 0, 0 } };
	struct workload w;

	(void)state;
	rows_workload(rows, 3, &w);
	assert_true(workload_rate(&w) == 2);
	workload_fini(&w);
	rows_workload(rows, 1, &w);
	assert_true(workload_rate(&w) == 1); /* no span: something finite */
	workload_fini(&w);
}

/* From 10 s on, for 5 s, four times as fast: what was recorded in the next 20 s. */
static void test_burst(void **state)
{
	static const struct {
		int64_t recorded_us, at_us;
	} times[] = {
		{ 0, 0 },
		{ 9999999, 9999999 },
		{ 10000000, 10000000 },
		{ 14000000, 11000000 },
		{ 29999996, 14999999 },
		{ 30000000, 15000000 },
		{ 31000000, 16000000 },
	};
	struct workload_options opt = {
		.seed = 1, .burst = { .from_us = 10000000, .for_us = 5000000, .factor = 4 }
	};
	struct row rows[SL_COUNT(times)];
	struct sl_trace trace;
	struct workload w;

	(void)state;
	for (size_t i = 0; i < SL_COUNT(times); i++)
		rows[i] = (struct row){ .at_us = times[i].recorded_us, .input = 1, .output = 1 };
	rows_trace(rows, SL_COUNT(rows), &trace);
	workload_init(&w, &trace, &opt);
	for (size_t i = 0; i < SL_COUNT(times); i++)
		assert_int_equal(w.requests[i].at_us, times[i].at_us);
	workload_fini(&w);
	sl_trace_fini(&trace);
}

static void spread_times(int64_t spread_us, int64_t quantum_us, int64_t out_at_us[100])
{
	struct workload_options opt = { .seed = 3, .spread_us = spread_us };
	struct row rows[100];
	struct sl_trace trace;
	struct workload w;

	for (size_t i = 0; i < SL_COUNT(rows); i++)
		rows[i] = (struct row){ .input = 1, .output = 1 };
	rows_trace(rows, SL_COUNT(rows), &trace);
	trace.quantum_us = quantum_us;
	workload_init(&w, &trace, &opt);
	for (size_t i = 0; i < SL_COUNT(rows); i++)
		out_at_us[i] = w.requests[i].at_us;
	workload_fini(&w);
	sl_trace_fini(&trace);
}

static void test_spread(void **state)
{
	int64_t plain[100], asked[100], format[100];

	(void)state;
	spread_times(0, 3000000, plain);
	spread_times(3000000, 0, asked);
	spread_times(-1, 3000000, format);
	assert_int_equal(plain[99], 0);
	assert_true(asked[99] > 1500000 && asked[99] < 3000000);
	assert_memory_equal(asked, format, sizeof(asked));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boundaries_are_the_scanners),
		cmocka_unit_test(test_shared_as_far_as_the_ids),
		cmocka_unit_test(test_boundaries_across_ids),
		cmocka_unit_test(test_same_id_elsewhere_is_not_shared),
		cmocka_unit_test(test_names_are_of_64_tokens_and_differ),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_nothing_is_at_least_one_token),
		cmocka_unit_test(test_sorted_from_zero),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
