/* page_test.c: pages that real engines wrote (tests/golden/pages), and the
 * rules for several engines, old names and nonsense on one page. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sluice/probe.h"

static char *read_page(const char *name, size_t *out_len)
{
	char path[512];
	char *page;
	long len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/golden/pages/%s.txt", SOURCE_DIR, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	len = ftell(f);
	rewind(f);
	page = malloc((size_t)len);
	assert_non_null(page);
	assert_int_equal(fread(page, 1, (size_t)len, f), len);
	fclose(f);
	*out_len = (size_t)len;
	return page;
}

static int read_in_pieces(struct sl_page_reader *r, const char *page, size_t len, size_t piece,
                          struct sl_engine_page *out)
{
	sl_page_reader_reset(r);
	for (size_t at = 0; at < len; at += piece)
		sl_page_reader_feed(r, page + at, len - at < piece ? len - at : piece);
	return sl_page_reader_finish(r, out);
}

static int read_text(const char *page, struct sl_engine_page *out)
{
	struct sl_page_reader *r = sl_page_reader_new(SL_ENGINE_VLLM);
	int err = read_in_pieces(r, page, strlen(page), strlen(page) + 1, out);

	sl_page_reader_free(r);
	return err;
}

static void assert_pages_equal(const struct sl_engine_page *a, const struct sl_engine_page *b)
{
#define SAME(field) assert_true(fabs(a->field - b->field) < 1e-9)
	SAME(running);
	SAME(waiting);
	SAME(kv_usage);
	SAME(block_size);
	SAME(num_blocks);
	SAME(kv_capacity_tokens);
	SAME(max_adapters);
	SAME(prefix_hits);
	SAME(prefix_queries);
	SAME(preemptions);
	SAME(kv_expired);
	SAME(start_time_s);
	SAME(generation_tokens);
	SAME(prompt_tokens);
#undef SAME
	assert_int_equal(a->families, b->families);
}

/* What a person (and grep) reads on the page. */
static const struct {
	const char *name;
	struct sl_engine_page page;
} golden[] = {
	{ "vllm-0.11.0-before",
	  { 0, 0, 0, 128, 16384, 2097152, 0, 0, 0, -1, 1.79522778593e9, 0, 0, -1, 9 } },
	{ "vllm-0.11.0-after_abort",
	  { 0, 0, 0, 128, 16384, 2097152, 0, 1007, 0, -1, 1.79522778593e9, 548, 1007, -1, 9 } },
	{ "vllm-0.19.1-after_abort",
	  { 0, 0, 0, 32, 65536, 2097152, 608, 1043, 0, -1, 1.79522729297e9, 562, 1043, -1, 9 } },
	{ "vllm-0.24.0-after_abort",
	  { 0, 0, 0, 32, 65536, 2097152, 608, 1043, 0, -1, 1.79522680658e9, 201, 1043, -1, 9 } },
	{ "vllm-0.32.0-after_abort",
	  { 0, 0, 0, 128, 16384, 2097152, 0, 1043, 0, -1, 1.79522502159e9, 222, 1043, -1, 9 } },
	{ "vllm-0.32.0-busy", /* several API servers: no process_* families */
	  { 2, 1, 6.103608758678547e-05, 32, 65536, 2097152, 0, 109, 0, -1, -1, 55, 109, -1, 9 } },
	{ "vllm-0.32.0-nixl-prefill-pinned", /* blocks held for a decode engine, nothing running */
	  { 0, 0, 0.0001373311970702673, 32, 65536, 2097152, 0, 265, 0, 0, 1.79522559293e9, 1, 265,
	    -1, 10 } },
	{ "vllm-0.32.0-nixl-prefill",
	  { 0, 0, 0, 32, 65536, 2097152, 1504, 3195, 0, 5, 1.79522559293e9, 30, 3195, -1, 10 } },
	{ "vllm-0.32.0-nixl-decode",
	  { 0, 0, 0, 32, 65536, 2097152, 0, 527, 0, 0, 1.79522581182e9, 16, 527, -1, 10 } },
	{ "aibrix-0.8.0", /* has vLLM 0.19's families, one of them twice */
	  { 0, 0, 0, 32, 65536, 2097152, 608, 1115, 0, -1, 1.79522729297e9, 570, 1115, -1, 10 } },
};

static void test_golden(void **state)
{
	static const size_t pieces[] = { 1, 7, 1460, 65536, SIZE_MAX / 2 };
	struct sl_page_reader *r = sl_page_reader_new(SL_ENGINE_VLLM);

	(void)state;
	for (size_t i = 0; i < SL_COUNT(golden); i++) {
		size_t len;
		char *page = read_page(golden[i].name, &len);

		for (size_t k = 0; k < SL_COUNT(pieces); k++) {
			struct sl_engine_page got;

			assert_int_equal(read_in_pieces(r, page, len, pieces[k], &got), 0);
			assert_pages_equal(&got, &golden[i].page);
		}
		free(page);
	}
	sl_page_reader_free(r);
}

static void test_other_engines(void **state)
{
	static const char *const names[] = { "kserve-0.21.0", "llama.cpp-b11434" };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(names); i++) {
		struct sl_page_reader *r = sl_page_reader_new(SL_ENGINE_VLLM);
		struct sl_engine_page got = { .running = 42 };
		size_t len;
		char *page = read_page(names[i], &len);

		assert_int_equal(read_in_pieces(r, page, len, len, &got), SL_E_BAD_HTTP);
		assert_true(got.running == 42); /* untouched */
		sl_page_reader_free(r);
		free(page);
	}
}

static void test_generic_knows_nothing(void **state)
{
	struct sl_page_reader *r = sl_page_reader_new(SL_ENGINE_GENERIC);
	struct sl_engine_page got;

	(void)state;
	assert_int_equal(read_in_pieces(r, "vllm:num_requests_running 1\n", 28, 28, &got),
	                 SL_E_BAD_HTTP);
	sl_page_reader_free(r);
}

static void test_absent_is_negative(void **state)
{
	struct sl_engine_page got;

	(void)state;
	assert_int_equal(read_text("vllm:num_requests_running 3\n", &got), 0);
	assert_true(got.running == 3);
	assert_int_equal(got.families, 1);
	assert_true(got.waiting < 0 && got.kv_usage < 0 && got.block_size < 0);
	assert_true(got.num_blocks < 0 && got.kv_capacity_tokens < 0 && got.prefix_hits < 0);
	assert_true(got.prefix_queries < 0 && got.preemptions < 0 && got.kv_expired < 0);
	assert_true(got.start_time_s < 0 && got.generation_tokens < 0 && got.prompt_tokens < 0);
}

static void test_several_engines(void **state)
{
	struct sl_engine_page got;

	(void)state;
	assert_int_equal(
	        read_text("vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 3\n"
	                  "vllm:num_requests_running{engine=\"1\",model_name=\"m\"} 4\n"
	                  "vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"m\"} 0.25\n"
	                  "vllm:kv_cache_usage_perc{engine=\"1\",model_name=\"m\"} 0.75\n"
	                  "vllm:prefix_cache_hits_total{engine=\"0\",model_name=\"m\"} 10\n"
	                  "vllm:prefix_cache_hits_total{engine=\"1\",model_name=\"m\"} 20\n"
	                  "vllm:cache_config_info{block_size=\"16\",engine=\"0\","
	                  "num_gpu_blocks=\"100\"} 1\n"
	                  "vllm:cache_config_info{block_size=\"16\",engine=\"1\","
	                  "num_gpu_blocks=\"50\"} 1\n"
	                  "process_start_time_seconds 5\n",
	                  &got),
	        0);
	assert_true(got.running == 7);
	assert_true(got.kv_usage == 0.5);
	assert_true(got.prefix_hits == 30);
	assert_true(got.block_size == 16);
	assert_true(got.num_blocks == 150);
	assert_true(got.kv_capacity_tokens == 2400);
	assert_true(got.start_time_s == 5);
	assert_int_equal(got.families, 8);
}

static void test_a_series_twice_counts_once(void **state)
{
	struct sl_engine_page got;

	(void)state;
	assert_int_equal(read_text("vllm:num_requests_running{engine=\"0\"} 3\n"
	                           "vllm:num_requests_running{engine=\"0\"} 4\n",
	                           &got),
	                 0);
	assert_true(got.running == 4);
}

static void test_old_names(void **state)
{
	struct sl_engine_page got;

	(void)state;
	assert_int_equal(read_text("vllm:gpu_cache_usage_perc 0.5\n"
	                           "vllm:gpu_prefix_cache_queries_total 100\n"
	                           "vllm:gpu_prefix_cache_hits_total 40\n",
	                           &got),
	                 0);
	assert_true(got.kv_usage == 0.5);
	assert_true(got.prefix_queries == 100 && got.prefix_hits == 40);
	/* both names of one thing, in either order: the new one */
	assert_int_equal(read_text("vllm:gpu_prefix_cache_hits_total 40\n"
	                           "vllm:prefix_cache_hits_total 41\n"
	                           "vllm:kv_cache_usage_perc 0.25\n"
	                           "vllm:gpu_cache_usage_perc 0.5\n",
	                           &got),
	                 0);
	assert_true(got.prefix_hits == 41);
	assert_true(got.kv_usage == 0.25);
}

static void test_cache_config(void **state)
{
	static const struct {
		const char *labels;
		double block_size, num_blocks, tokens;
	} configs[] = {
		{ "block_size=\"16\",num_gpu_blocks=\"10\"", 16, 10, 160 },
		{ "block_size=\"16\",num_gpu_blocks=\"None\"", 16, -1, -1 },
		{ "block_size=\"None\",num_gpu_blocks=\"None\"", -1, -1, -1 },
		{ "num_gpu_blocks=\"10\"", -1, 10, -1 },
		/* hybrid attention: less fits than the product says */
		{ "block_size=\"16\",kv_cache_size_tokens=\"120\",num_gpu_blocks=\"10\"", 16, 10,
		  120 },
		{ "block_size=\"16\",kv_cache_size_tokens=\"None\",num_gpu_blocks=\"10\"", 16, 10,
		  160 },
		{ "block_size=\"-16\",num_gpu_blocks=\"1e3\"", -1, -1, -1 },
		{ "block_size=\"16\",num_gpu_blocks=\"9999999999999999999\"", 16, -1, -1 },
	};
	struct sl_engine_page got;
	char page[512];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(configs); i++) {
		snprintf(page, sizeof(page), "vllm:cache_config_info{%s} 1.0\n", configs[i].labels);
		assert_int_equal(read_text(page, &got), 0);
		assert_true(got.block_size == configs[i].block_size);
		assert_true(got.num_blocks == configs[i].num_blocks);
		assert_true(got.kv_capacity_tokens == configs[i].tokens);
	}
}

static void test_nonsense_values_are_absent(void **state)
{
	struct sl_engine_page got;

	(void)state;
	assert_int_equal(read_text("vllm:num_requests_running NaN\n"
	                           "vllm:num_requests_waiting -4\n"
	                           "vllm:kv_cache_usage_perc +Inf\n",
	                           &got),
	                 0);
	assert_true(got.running < 0 && got.waiting < 0 && got.kv_usage < 0);
}

static void test_series_are_bounded(void **state)
{
	struct sl_page_reader *r = sl_page_reader_new(SL_ENGINE_VLLM);
	struct sl_engine_page got;
	char line[80];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		int n = sprintf(line, "vllm:num_requests_running{engine=\"%d\"} 1\n", i);

		sl_page_reader_feed(r, line, (size_t)n);
	}
	assert_int_equal(sl_page_reader_finish(r, &got), 0);
	assert_true(got.running == 1024);
	sl_page_reader_free(r);
}

/* ---- adapters ---------------------------------------------------------- */

#define LORA(max, running, waiting, value)                                                         \
	"vllm:lora_requests_info{max_lora=\"" max "\",running_lora_adapters=\"" running            \
	"\",waiting_lora_adapters=\"" waiting "\"} " value "\n"

static const struct {
	const char *page;
	double max;
	const char *running, *waiting;
} adapter_cases[] = {
	{ "vllm:num_requests_running 1\n", -1, "", "" },
	/* as vLLM writes them: a series for each state that there has been */
	{ "# HELP vllm:lora_requests_info Running stats on lora requests.\n"
	  "# TYPE vllm:lora_requests_info gauge\n" LORA("4", "", "", "1.755401230567e+09")
	          LORA("4", "sql-lora,chat-lora", "law-lora", "1.755401234567e+09")
	                  LORA("4", "sql-lora", "", "1.755401232567e+09"),
	  4, "sql-lora,chat-lora", "law-lora" },
	{ LORA("2", "a,b", "c", "1.7e+09") LORA("2", "", "", "1.8e+09"), 2, "", "" },
	{ LORA("2", "", "", "1.7e+09") LORA("2", "", "a", "1.8e+09"), 2, "", "a" },
	{ LORA("2", "\\\"q\\\\", "x", "5"), 2, "\"q\\", "x" },
	/* values that say nothing */
	{ LORA("2", "a", "", "5") LORA("3", "b", "", "NaN") LORA("4", "c", "", "+Inf")
	          LORA("5", "d", "", "-1"),
	  2, "a", "" },
	{ LORA("None", "a", "", "5"), -1, "a", "" },
	{ "vllm:lora_requests_info{running_lora_adapters=\"a\"} 5\n", -1, "a", "" },
	{ "vllm:lora_requests_info 5\n", -1, "", "" },
};

static void assert_span(struct sl_span seen, const char *wanted)
{
	assert_int_equal(seen.len, strlen(wanted));
	assert_memory_equal(seen.ptr, wanted, seen.len);
}

static void test_adapters(void **state)
{
	struct sl_page_reader *r = sl_page_reader_new(SL_ENGINE_VLLM);

	(void)state;
	assert_span(sl_page_reader_adapters(r).running, "");
	for (size_t i = 0; i < SL_COUNT(adapter_cases); i++) {
		const char *page = adapter_cases[i].page;

		for (size_t piece = 1; piece < 200; piece += 33) {
			struct sl_engine_page got;

			assert_int_equal(read_in_pieces(r, page, strlen(page), piece, &got), 0);
			assert_true(got.max_adapters == adapter_cases[i].max);
			assert_span(sl_page_reader_adapters(r).running, adapter_cases[i].running);
			assert_span(sl_page_reader_adapters(r).waiting, adapter_cases[i].waiting);
		}
	}
	sl_page_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_other_engines),
		cmocka_unit_test(test_generic_knows_nothing),
		cmocka_unit_test(test_absent_is_negative),
		cmocka_unit_test(test_several_engines),
		cmocka_unit_test(test_a_series_twice_counts_once),
		cmocka_unit_test(test_old_names),
		cmocka_unit_test(test_cache_config),
		cmocka_unit_test(test_nonsense_values_are_absent),
		cmocka_unit_test(test_series_are_bounded),
		cmocka_unit_test(test_adapters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
