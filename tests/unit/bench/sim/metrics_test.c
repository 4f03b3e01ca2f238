/* metrics_test.c: numbers as Python prints them, histograms that add up, and
 * the page of an engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/sim/metrics_page.h"
#include "tests/unit/bench/sim/world.h"

static void test_floats(void **state)
{
	static const struct {
		double value;
		const char *text;
	} rows[] = {
		{ 0, "0.0" },
		{ 527, "527.0" },
		{ 999999, "999999.0" },
		{ 1e6, "1e+06" },
		{ 2097152, "2.097152e+06" },
		{ 33554432, "3.3554432e+07" },
		{ 8589934592, "8.589934592e+09" },
		{ 1795225995.755575, "1.795225995755575e+09" },
		{ 0.25, "0.25" },
		{ 0.284385, "0.284385" },
		{ 0.0001373311970702673, "0.0001373311970702673" },
		{ 1.2036004066467285, "1.2036004066467285" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_sim_buf b = { 0 };

		sl_sim_add_float(&b, rows[i].value);
		sl_sim_buf_add(&b, sl_span("", 1));
		assert_string_equal(b.ptr, rows[i].text);
		sl_sim_buf_fini(&b);
	}
}

static void test_observations(void **state)
{
	struct sl_sim_metrics m = { 0 };
	const struct sl_sim_histogram *h = &m.hists[SL_SIM_H_TTFT];

	(void)state;
	sl_sim_observe(&m, SL_SIM_H_TTFT, 0.001); /* le: the bound belongs to its bucket */
	sl_sim_observe(&m, SL_SIM_H_TTFT, 0.0011);
	sl_sim_observe(&m, SL_SIM_H_TTFT, 1e9);
	assert_int_equal(h->buckets[0], 1);
	assert_int_equal(h->buckets[1], 1);
	assert_int_equal(h->count, 3);
	sl_sim_count_http(&m, 1, 404, 0.05, 10, 20);
	assert_int_equal(m.http[1].by_class[4], 1);
	for (unsigned i = 0; i < SL_SIM_N_HISTS; i++) {
		const double *bounds = sl_sim_hist_info(i)->bounds;
		unsigned n = 0;

		for (; bounds[n] > 0; n++)
			assert_true(n == 0 || bounds[n] > bounds[n - 1]);
		assert_true(n > 0 && n <= SL_SIM_MAX_BUCKETS);
	}
}

static char *page(struct world *w)
{
	struct sl_sim_buf b = { 0 };

	sl_sim_metrics_page(&b, &w->engine);
	sl_sim_buf_add(&b, sl_span("", 1));
	return b.ptr;
}

static struct world *open_world(bool connector)
{
	return world_new((struct sl_sim_options){
	        .models = { "a\"b" },
	        .connector = connector,
	});
}

#define LABELS "{engine=\"0\",model_name=\"a\\\"b\"}"

static void test_page_tells_the_truth(void **state)
{
	static const char *const lines[] = {
		"\nvllm:num_requests_running" LABELS " 0.0\n",
		"\nvllm:kv_cache_usage_perc" LABELS " 0.25\n",
		"\nvllm:generation_tokens_total" LABELS " 7.0\n",
		"\nvllm:generation_tokens_created" LABELS " 1.795225995e+09\n",
		"\nvllm:request_success_total{engine=\"0\",finished_reason=\"length\","
		"model_name=\"a\\\"b\"} 3.0\n",
		"\nvllm:num_requests_waiting_by_reason{engine=\"0\",model_name=\"a\\\"b\","
		"reason=\"deferred\"} 0.0\n",
		"\nvllm:admission_rejections_total{model_name=\"a\\\"b\","
		"reason=\"max_num_queued_reqs\"} 2.0\n",
		"\nvllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"0.25\","
		"model_name=\"a\\\"b\"} 1.0\n",
		"\nvllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"+Inf\","
		"model_name=\"a\\\"b\"} 2.0\n",
		"\nvllm:time_to_first_token_seconds_count" LABELS " 2.0\n",
		"\nvllm:nixl_num_kv_expired_reqs_total" LABELS " 4.0\n",
		"\nhttp_requests_total{handler=\"/v1/completions\",method=\"POST\",status=\"2xx\"} "
		"1.0\n",
		",num_gpu_blocks=\"101\",",
	};
	struct world *w = open_world(true);
	char *text;

	(void)state;
	for (int i = 0; i < 25; i++)
		(void)sl_sim_kv_alloc(w->engine.kv);
	w->engine.metrics.generation_tokens = 7;
	w->engine.metrics.finished[SL_SIM_LENGTH] = 3;
	w->engine.metrics.rejected = 2;
	w->engine.handoffs.expired = 4;
	sl_sim_observe(&w->engine.metrics, SL_SIM_H_TTFT, 0.2);
	sl_sim_observe(&w->engine.metrics, SL_SIM_H_TTFT, 20);
	sl_sim_count_http(&w->engine.metrics, 1, 200, 0.2, 1, 2);
	text = page(w);
	for (size_t i = 0; i < SL_COUNT(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("not on the page: %s", lines[i]);
	free(text);
	world_free(w);
}

/* Every sample line belongs to the family whose TYPE line came last. */
static void test_page_is_grouped(void **state)
{
	struct world *w = open_world(true);
	char *text = page(w), *save = NULL, family[128] = "";
	int samples = 0, families = 0;

	(void)state;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t n = strcspn(line, "{ ");

		if (sscanf(line, "# TYPE %127s", family) == 1)
			families++;
		if (line[0] == '#')
			continue;
		samples++;
		assert_true(n >= strlen(family));
		assert_memory_equal(line, family, strlen(family));
		assert_non_null(strrchr(line, ' '));
	}
	assert_true(families > 90);
	assert_true(samples > 400);
	free(text);
	world_free(w);
}

static void test_no_connector_no_nixl(void **state)
{
	struct world *w = open_world(false);
	char *text = page(w);

	(void)state;
	assert_null(strstr(text, "nixl"));
	assert_non_null(strstr(text, "vllm:iteration_tokens_total_bucket"));
	free(text);
	world_free(w);
}

static void test_adapters(void **state)
{
	static const uint32_t adapters[] = { 2, 1, 0, 2, 3 };
	struct world *w = open_world(false);
	struct sl_sim_seq *s[5];
	struct sl_sim_work work;
	struct sl_sim_text empty = { 0 };
	uint32_t token = 7;
	char *text;

	(void)state;
	w->sim.opt.loras[0] = SL_SPAN("sql");
	w->sim.opt.loras[1] = SL_SPAN("c\"d");
	w->sim.opt.loras[2] = SL_SPAN("law");
	w->sim.opt.n_loras = 3;
	w->sim.opt.max_loras = w->engine.batch.limits.max_adapters = 2;
	text = page(w);
	assert_non_null(strstr(text, "\nvllm:lora_requests_info{max_lora=\"2\","
	                             "running_lora_adapters=\"\",waiting_lora_adapters=\"\"} "));
	free(text);
	for (size_t i = 0; i < 5; i++) {
		s[i] = sl_sim_seq_new(&token, 1, 1, &empty);
		s[i]->adapter = adapters[i];
		sl_sim_batch_add(&w->engine.batch, s[i], 0);
	}
	assert_true(sl_sim_batch_begin(&w->engine.batch, 0, &work));
	text = page(w);
	assert_non_null(strstr(text, "\nvllm:lora_requests_info{max_lora=\"2\","
	                             "running_lora_adapters=\"sql,c\\\"d\","
	                             "waiting_lora_adapters=\"law\"} "));
	assert_non_null(strstr(text, ",reason=\"deferred\"} 1.0\n"));
	free(text);
	sl_sim_batch_end(&w->engine.batch, 0);
	assert_true(sl_sim_batch_begin(&w->engine.batch, 0, &work));
	sl_sim_batch_end(&w->engine.batch, 0);
	for (size_t i = 0; i < 5; i++)
		sl_sim_seq_free(s[i]);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_floats),
		cmocka_unit_test(test_observations),
		cmocka_unit_test(test_page_tells_the_truth),
		cmocka_unit_test(test_page_is_grouped),
		cmocka_unit_test(test_no_connector_no_nixl),
		cmocka_unit_test(test_adapters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
