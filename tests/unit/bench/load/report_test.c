/* The report: its layout as a golden text, its JSON by key. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "bench/load/progress.h"
#include "bench/load/report.h"

static const struct sl_options options = {
	.trace = "t.jsonl",
	.url = "http://h:1",
	.rate_factor = 2,
	.tokens_scale = 1,
	.bytes_per_token = 4,
	.seed = 18446744073709551615u,
	.stream = true,
	.verify = true,
	.slo_ttft_us = 100000,
};

/* Four sent, three completed (one mismatched), one refused with 503. */
static struct sl_result some_result(void)
{
	struct sl_result r = {
		.requests = 4,
		.sent = 4,
		.completed = 3,
		.failed = 1,
		.mismatches = 1,
		.good = 2,
		.input_tokens = 3000,
		.output_tokens = 300,
		.cached_tokens = 750,
		.connections = 2,
		.peak_live = 3,
		.offered_us = 2000000,
		.duration_us = 4000000,
		.engines_scraped = true,
		.prefix_hits = 256,
		.prefix_queries = 1024,
	};

	r.fails[SL_FAIL_STATUS] = 1;
	r.statuses[503] = 1;
	for (int i = 1; i <= 3; i++) {
		sl_samples_add(&r.ttft, i * 10000);
		sl_samples_add(&r.tpot, i * 1000);
		sl_samples_add(&r.itl, i * 1100);
		sl_samples_add(&r.e2e, i * 500000);
	}
	sl_samples_add(&r.lag, 120);
	sl_result_add_chunks(&r, 999999, 40);
	sl_result_add_chunks(&r, 1000000, 30);
	sl_result_add_chunks(&r, 1999999, 31);
	sl_result_add_chunks(&r, 100000000, 1);
	return r;
}

static const char golden[] = "============ Serving Benchmark Result ============\n"
                             "Successful requests:                     3\n"
                             "Failed requests:                         1\n"
                             "Mismatched answers:                      1\n"
                             "Request rate configured (RPS):           2.00\n"
                             "Benchmark duration (s):                  4.00\n"
                             "Total input tokens:                      3000\n"
                             "Total generated tokens:                  300\n"
                             "Request throughput (req/s):              0.75\n"
                             "Request goodput (req/s):                 0.50\n"
                             "Output token throughput (tok/s):         75.00\n"
                             "Peak output token throughput (tok/s):    61.00\n"
                             "Peak concurrent requests:                3.00\n"
                             "Total token throughput (tok/s):          825.00\n"
                             "---------------Time to First Token----------------\n"
                             "Mean TTFT (ms):                          20.00\n"
                             "Median TTFT (ms):                        20.00\n"
                             "P99 TTFT (ms):                           29.80\n"
                             "-----Time per Output Token (excl. 1st token)------\n"
                             "Mean TPOT (ms):                          2.00\n"
                             "Median TPOT (ms):                        2.00\n"
                             "P99 TPOT (ms):                           2.98\n"
                             "---------------Inter-token Latency----------------\n"
                             "Mean ITL (ms):                           2.20\n"
                             "Median ITL (ms):                         2.20\n"
                             "P99 ITL (ms):                            3.28\n"
                             "----------------End-to-end Latency----------------\n"
                             "Mean E2EL (ms):                          1000.00\n"
                             "Median E2EL (ms):                        1000.00\n"
                             "P99 E2EL (ms):                           1490.00\n"
                             "----------------------Replay----------------------\n"
                             "Prefix cache hit rate, engines (%):      25.00\n"
                             "Cached prompt tokens, usage (%):         25.00\n"
                             "P99 schedule lag (ms):                   0.12\n"
                             "Connections:                             2\n"
                             "Failed, status_503:                      1\n"
                             "==================================================\n";

static void test_layout(void **state)
{
	struct sl_result result = some_result();
	struct sl_report report = { &options, &result, "m", "20260102-030405" };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	sl_report_text(&report, out);
	fclose(out);
	assert_string_equal(text, golden);
	free(text);
	sl_result_fini(&result);
}

static double number(const cJSON *o, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);

	if (!cJSON_IsNumber(item))
		fail_msg("%s is no number", key);
	return item->valuedouble;
}

static void test_json(void **state)
{
	static const struct {
		const char *key;
		double value;
	} numbers[] = {
		{ "num_prompts", 4 },
		{ "request_rate", 2 },
		{ "duration", 4 },
		{ "completed", 3 },
		{ "failed", 1 },
		{ "mismatches", 1 },
		{ "total_input_tokens", 3000 },
		{ "total_output_tokens", 300 },
		{ "request_throughput", 0.75 },
		{ "request_goodput", 0.5 },
		{ "output_throughput", 75 },
		{ "total_token_throughput", 825 },
		{ "max_output_tokens_per_s", 61 },
		{ "max_concurrent_requests", 3 },
		{ "hit_rate", 0.25 },
		{ "resent", 0 },
		{ "prefix_cache_hits", 256 },
		{ "prefix_cache_queries", 1024 },
		{ "total_cached_tokens", 750 },
		{ "mean_ttft_ms", 20 },
		{ "median_ttft_ms", 20 },
		{ "p99_ttft_ms", 29.8 },
		{ "mean_tpot_ms", 2 },
		{ "p99_itl_ms", 3.278 },
		{ "mean_e2el_ms", 1000 },
		{ "max_e2el_ms", 1500 },
		{ "std_tpot_ms", 0.816496580927726 },
		{ "p99_schedule_lag_ms", 0.12 },
	};
	struct sl_result result = some_result();
	struct sl_report report = { &options, &result, "m", "20260102-030405" };
	char *text = sl_report_json(&report);
	cJSON *o = cJSON_Parse(text);

	(void)state;
	assert_non_null(o);
	for (size_t i = 0; i < SL_COUNT(numbers); i++)
		if (fabs(number(o, numbers[i].key) - numbers[i].value) > 1e-9)
			fail_msg("%s is %g", numbers[i].key, number(o, numbers[i].key));
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "max_concurrency")));
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "burstiness")));
	assert_int_equal(number(cJSON_GetObjectItem(o, "failures"), "status_503"), 1);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(o, "failures")), 1);
	assert_string_equal(cJSON_GetObjectItem(o, "backend")->valuestring, "openai-chat");
	assert_non_null(strstr(text, "18446744073709551615"));
	cJSON_Delete(o);
	free(text);
	sl_result_fini(&result);
}

static void test_hit_rate_from_usage(void **state)
{
	struct sl_result result = { .requests = 1,
		                    .completed = 1,
		                    .input_tokens = 1000,
		                    .cached_tokens = 400,
		                    .cached_told = true };
	struct sl_report report = { &options, &result, "m", "d" };
	char *json = sl_report_json(&report);
	cJSON *o = cJSON_Parse(json);

	(void)state;
	assert_true(cJSON_GetObjectItem(o, "hit_rate")->valuedouble == 0.4);
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "prefix_cache_hits")));
	cJSON_Delete(o);
	free(json);
}

static void test_nothing_measured_is_null(void **state)
{
	struct sl_result result = { .requests = 1, .failed = 1 };
	struct sl_report report = { &options, &result, "m", "d" };
	char *text, *json = sl_report_json(&report);
	size_t len;
	FILE *out = open_memstream(&text, &len);
	cJSON *o = cJSON_Parse(json);

	(void)state;
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "hit_rate")));
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "p99_ttft_ms")));
	sl_report_text(&report, out);
	fclose(out);
	assert_null(strstr(text, "TTFT"));
	assert_null(strstr(text, "nan"));
	cJSON_Delete(o);
	free(json);
	free(text);
}

static void test_progress_line(void **state)
{
	struct sl_result result = some_result();
	char line[160];

	(void)state;
	sl_progress_format(line, sizeof(line), &result, 0, 65000000, 0);
	assert_string_equal(line,
	                    "sent 4/4  done 3  failed 1  live 0  ttft p50 20 ms  1:05  draining");
	result.sent = 2;
	sl_progress_format(line, sizeof(line), &result, 2, 1000000, 61000001);
	assert_string_equal(line,
	                    "sent 2/4  done 3  failed 1  live 2  ttft p50 20 ms  0:01  eta 1:02");
	sl_result_fini(&result);
}

static void test_no_progress_without_a_terminal(void **state)
{
	struct sl_result result = { .requests = 1 };
	struct sl_progress p;
	FILE *out = tmpfile();

	(void)state;
	sl_progress_init(&p, out);
	sl_progress_draw(&p, &result, 0, 0, 0);
	sl_progress_clear(&p);
	assert_int_equal(ftell(out), 0);
	sl_progress_note(&p, "a %s", "note");
	assert_int_equal(ftell(out), 7);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_hit_rate_from_usage),
		cmocka_unit_test(test_nothing_measured_is_null),
		cmocka_unit_test(test_progress_line),
		cmocka_unit_test(test_no_progress_without_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
