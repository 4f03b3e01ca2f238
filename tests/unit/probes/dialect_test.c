/* dialect_test.c: what each kind of engine says of its load, and where; pages of
 * those that were not captured (tests/golden/engines has the others). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sluice/probe.h"

static struct sl_engine_page read_mapped(enum sl_engine_kind kind, const struct sl_signal_map *maps,
                                         uint32_t n_maps, const char *text)
{
	struct sl_page_reader *r = sl_page_reader_new_mapped(kind, maps, n_maps);
	struct sl_engine_page page;

	sl_page_reader_feed(r, text, strlen(text));
	assert_int_equal(sl_page_reader_finish(r, &page), 0);
	sl_page_reader_free(r);
	return page;
}

static struct sl_engine_page read_page(enum sl_engine_kind kind, const char *text)
{
	return read_mapped(kind, NULL, 0, text);
}

static void assert_near(double got, double wanted)
{
	if (fabs(got - wanted) > 1e-9)
		fail_msg("%g instead of %g", got, wanted);
}

static void test_sglang(void **state)
{
	struct sl_engine_page page = read_page(
	        SL_ENGINE_SGLANG,
	        "# TYPE sglang:num_running_reqs gauge\n"
	        "sglang:num_running_reqs{dp_rank=\"0\",tp_rank=\"0\",priority=\"\"} 3.0\n"
	        "sglang:num_running_reqs{dp_rank=\"0\",tp_rank=\"1\",priority=\"\"} 3.0\n"
	        "sglang:num_running_reqs{dp_rank=\"0\",tp_rank=\"0\",priority=\"5\"} 2.0\n"
	        "sglang:num_running_reqs{dp_rank=\"1\",tp_rank=\"0\",priority=\"\"} 4.0\n"
	        "sglang:num_queue_reqs{dp_rank=\"0\",tp_rank=\"0\"} 1.0\n"
	        "sglang:token_usage{dp_rank=\"0\",tp_rank=\"0\"} 0.5\n"
	        "sglang:token_usage{dp_rank=\"1\",tp_rank=\"0\"} 0.25\n"
	        "sglang:cache_config_info{dp_rank=\"0\",page_size=\"64\",num_pages=\"100\"} 1.0\n"
	        "sglang:cache_config_info{dp_rank=\"1\",page_size=\"64\",num_pages=\"100\"} 1.0\n"
	        "sglang:prompt_tokens_total{tp_rank=\"0\"} 1000.0\n"
	        "sglang:cached_tokens_total{tp_rank=\"0\",cache_source=\"device\"} 200.0\n"
	        "sglang:cached_tokens_total{tp_rank=\"0\",cache_source=\"host\"} 50.0\n");

	(void)state;
	assert_near(page.running, 7); /* ranks of one group say the same, parts are in it */
	assert_near(page.waiting, 1);
	assert_near(page.kv_usage, 0.375);
	assert_near(page.kv_capacity_tokens, 12800);
	assert_near(page.prefix_hits, 250);
	assert_near(page.prefix_queries, 1000);
}

static void test_sglang_own_capacity_is_better(void **state)
{
	struct sl_engine_page page =
	        read_page(SL_ENGINE_SGLANG, "sglang:max_total_num_tokens 5000.0\n"
	                                    "sglang:page_size 64.0\n"
	                                    "sglang:num_pages 70.0\n");

	(void)state;
	assert_near(page.kv_capacity_tokens, 5000);
}

static void test_only_priorities(void **state)
{
	struct sl_engine_page page =
	        read_page(SL_ENGINE_SGLANG, "sglang:num_running_reqs{priority=\"0\"} 2.0\n"
	                                    "sglang:num_running_reqs{priority=\"5\"} 3.0\n");

	(void)state;
	assert_near(page.running, 5);
}

static void test_trtllm(void **state)
{
	struct sl_engine_page page = read_page(
	        SL_ENGINE_TRTLLM,
	        "trtllm_num_requests_running{engine_type=\"pytorch\",model_name=\"m\"} 4.0\n"
	        "trtllm_num_requests_waiting{engine_type=\"pytorch\",model_name=\"m\"} 2.0\n"
	        "trtllm_kv_cache_utilization{model_name=\"m\"} 0.75\n"
	        "trtllm_kv_cache_max_blocks{model_name=\"m\"} 10.0\n"
	        "trtllm_kv_cache_tokens_per_block{model_name=\"m\"} 32.0\n");

	(void)state;
	assert_near(page.running, 4);
	assert_near(page.waiting, 2);
	assert_near(page.kv_usage, 0.75);
	assert_near(page.kv_capacity_tokens, 320);
	assert_true(page.prefix_hits < 0);
}

static void test_tgi(void **state)
{
	struct sl_engine_page page = read_page(SL_ENGINE_TGI, "tgi_batch_current_size 2\n"
	                                                      "tgi_batch_current_max_tokens 9\n"
	                                                      "tgi_queue_size 3\n");

	(void)state;
	assert_near(page.running, 2);
	assert_near(page.waiting, 3);
}

static void test_llamacpp_old_and_new(void **state)
{
	struct sl_engine_page old =
	        read_page(SL_ENGINE_LLAMACPP, "llamacpp:prompt_tokens_total 70\n"
	                                      "llamacpp:kv_cache_usage_ratio 0.5\n"
	                                      "llamacpp:requests_processing 1\n"
	                                      "llamacpp:requests_deferred 2\n");
	struct sl_engine_page now =
	        read_page(SL_ENGINE_LLAMACPP, "llamacpp:prompt_tokens_total 70\n"
	                                      "llamacpp:prompt_tokens_cached_total 30\n");

	(void)state;
	assert_near(old.running, 1);
	assert_near(old.waiting, 2);
	assert_near(old.kv_usage, 0.5);
	assert_true(old.prefix_hits < 0);
	assert_near(now.prefix_hits, 30);
	assert_near(now.prefix_queries, 100); /* the cached ones are not in the others */
	assert_near(now.prompt_tokens, 70);
}

static void test_triton(void **state)
{
	static const char own[] =
	        "nv_inference_pending_request_count{model=\"a\",version=\"1\"} 2\n"
	        "nv_inference_pending_request_count{model=\"b\",version=\"1\"} 3\n";
	static const char backend[] =
	        "nv_trt_llm_request_metrics{model=\"m\",request_type=\"waiting\",version=\"1\"} 4\n"
	        "nv_trt_llm_request_metrics{model=\"m\",request_type=\"scheduled\",version=\"1\"} "
	        "5\n"
	        "nv_trt_llm_request_metrics{model=\"m\",request_type=\"max\",version=\"1\"} 512\n"
	        "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"fraction\"} 0.25\n"
	        "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"max\"} 100\n"
	        "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"tokens_per\"} 64\n"
	        "nv_inference_pending_request_count{model=\"m\",version=\"1\"} 99\n";
	struct sl_engine_page page = read_page(SL_ENGINE_TRITON, own);

	(void)state;
	assert_near(page.waiting, 5);
	assert_true(page.running < 0);
	page = read_page(SL_ENGINE_TRITON, backend);
	assert_near(page.waiting, 4);
	assert_near(page.running, 5);
	assert_near(page.kv_usage, 0.25);
	assert_near(page.kv_capacity_tokens, 6400);
	assert_int_equal(sl_dialect_metrics_port(SL_ENGINE_TRITON), 8002);
}

static void test_kserve_with_vllm_inside(void **state)
{
	struct sl_engine_page page =
	        read_page(SL_ENGINE_KSERVE, "process_start_time_seconds 1.7e9\n"
	                                    "vllm:num_requests_running{engine=\"0\"} 2.0\n");

	(void)state;
	assert_near(page.running, 2);
	page = read_page(SL_ENGINE_KSERVE, "process_start_time_seconds 1.7e9\n");
	assert_near(page.start_time_s, 1.7e9);
	assert_true(page.running < 0);
	assert_string_equal(sl_dialect_prefix(SL_ENGINE_KSERVE), "/openai");
	assert_string_equal(sl_dialect_prefix(SL_ENGINE_VLLM), "");
}

static char requests[] = "my_requests", name_state[] = "state", is_running[] = "running",
            in_line[] = "in line", usage[] = "vllm:kv_cache_usage_perc", q[] = "q", none[] = "";

static void test_operators_signals(void **state)
{
	static const struct sl_signal_map maps[] = {
		{ SL_SIGNAL_RUNNING, requests, { name_state, is_running }, 1 },
		{ SL_SIGNAL_WAITING, requests, { name_state, in_line }, 1 },
		{ SL_SIGNAL_KV_USAGE, usage, { none, none }, 0.01 },
	};
	static const char text[] = "my_requests{state=\"running\"} 2\n"
	                           "my_requests{state=\"in line\"} 5\n"
	                           "my_requests{state=\"gone\"} 100\n"
	                           "vllm:num_requests_running 50\n"
	                           "vllm:kv_cache_usage_perc 50\n"
	                           "vllm:num_preemptions_total 3\n";
	struct sl_engine_page page = read_mapped(SL_ENGINE_VLLM, maps, 3, text);

	(void)state;
	assert_near(page.running, 2);
	assert_near(page.waiting, 5);
	assert_near(page.kv_usage, 0.5);
	assert_near(page.preemptions, 3); /* what is not mapped is the dialect's */
	page = read_mapped(SL_ENGINE_GENERIC, maps, 3, text);
	assert_near(page.running, 2);
	assert_true(page.preemptions < 0);
}

/* Names of less than eight bytes, and names that begin alike. */
static void test_short_names(void **state)
{
	static const struct sl_signal_map maps[] = {
		{ SL_SIGNAL_WAITING, q, { none, none }, 1 },
		{ SL_SIGNAL_RUNNING, requests, { none, none }, 1 },
	};
	struct sl_engine_page page = read_mapped(
	        SL_ENGINE_GENERIC, maps, 2,
	        "q 3\nqq 4\nq{a=\"b\"} 5\n q{a=\"c\"} 1\nmy_requests_sum 7\nmy_requests 6\n");

	(void)state;
	assert_near(page.waiting, 9);
	assert_near(page.running, 6);
}

static void test_restarts(void **state)
{
	struct sl_engine_page a, b;

	(void)state;
	sl_engine_page_clear(&a);
	sl_engine_page_clear(&b);
	assert_false(sl_engine_page_restarted(&a, &b));
	a.generation_tokens = 100;
	assert_false(sl_engine_page_restarted(&a, &b)); /* absent is not less */
	b.generation_tokens = 100;
	assert_false(sl_engine_page_restarted(&a, &b));
	b.generation_tokens = 99;
	assert_true(sl_engine_page_restarted(&a, &b));
	a.start_time_s = b.start_time_s = 1.7e9; /* which is better knowledge */
	assert_false(sl_engine_page_restarted(&a, &b));
	b.generation_tokens = 200;
	b.start_time_s += 60;
	assert_true(sl_engine_page_restarted(&a, &b));
}

static int parse_loads(const char *json, struct sl_engine_page *out)
{
	return sl_loads_parse(json, strlen(json), out);
}

static void test_loads(void **state)
{
	struct sl_engine_page page = { .running = 42 };

	(void)state;
	assert_int_equal(parse_loads("{\"timestamp\":\"x\",\"loads\":["
	                             "{\"dp_rank\":0,\"num_running_reqs\":3,\"num_waiting_reqs\":1,"
	                             "\"token_usage\":0.5,\"max_total_num_tokens\":1000},"
	                             "{\"dp_rank\":1,\"num_running_reqs\":1,\"num_waiting_reqs\":0,"
	                             "\"token_usage\":0.25,\"max_total_num_tokens\":1000}]}",
	                             &page),
	                 0);
	assert_near(page.running, 4);
	assert_near(page.waiting, 1);
	assert_near(page.kv_usage, 0.375);
	assert_near(page.kv_capacity_tokens, 2000);
	assert_true(page.start_time_s < 0);
	/* The older form counts those that wait among all. */
	assert_int_equal(parse_loads("[{\"dp_rank\":0,\"num_reqs\":5,\"num_waiting_reqs\":1},"
	                             "{\"dp_rank\":1,\"num_reqs\":2,\"num_waiting_reqs\":0}]",
	                             &page),
	                 0);
	assert_near(page.running, 6);
	assert_near(page.waiting, 1);
	assert_true(page.kv_usage < 0 && page.kv_capacity_tokens < 0);
}

static void test_no_loads(void **state)
{
	static const char *const texts[] = { "",
		                             "{}",
		                             "[]",
		                             "{\"loads\":[]}",
		                             "[3]",
		                             "{\"loads\":3}",
		                             "[{\"num_running_reqs\":\"3\"}]",
		                             "[{\"num_reqs\":-1}]" };
	struct sl_engine_page page = { .running = 42 };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(texts); i++)
		assert_int_equal(parse_loads(texts[i], &page), SL_E_BAD_JSON);
	assert_near(page.running, 42); /* untouched */
}

/* What must never be asked: it costs a token, or is gone for others. */
static void test_paths_are_harmless(void **state)
{
	const struct sl_probe_path *path;

	(void)state;
	for (int q2 = 0; q2 < SL_QUESTION_COUNT; q2++) {
		for (unsigned k = 0;
		     (path = sl_dialect_path(SL_ENGINE_SGLANG, (enum sl_probe_question)q2, k)); k++)
			assert_null(strstr(path->path, "health"));
		for (unsigned k = 0;
		     (path = sl_dialect_path(SL_ENGINE_TRTLLM, (enum sl_probe_question)q2, k)); k++)
			assert_string_not_equal(path->path, "/metrics");
	}
}

static void test_names(void **state)
{
	(void)state;
	for (int k = 0; k < SL_ENGINE_KIND_COUNT; k++) {
		const char *name = sl_engine_kind_name((enum sl_engine_kind)k);

		assert_int_equal(sl_engine_kind_find(sl_span_str(name)), k);
	}
	assert_int_equal(sl_engine_kind_find(SL_SPAN("vllm2")), SL_ENGINE_AUTO);
	assert_int_equal(sl_engine_kind_find(SL_SPAN("")), SL_ENGINE_AUTO);
	assert_string_equal(sl_engine_kind_name(SL_ENGINE_KIND_COUNT), "invalid");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sglang),
		cmocka_unit_test(test_sglang_own_capacity_is_better),
		cmocka_unit_test(test_only_priorities),
		cmocka_unit_test(test_trtllm),
		cmocka_unit_test(test_tgi),
		cmocka_unit_test(test_llamacpp_old_and_new),
		cmocka_unit_test(test_triton),
		cmocka_unit_test(test_kserve_with_vllm_inside),
		cmocka_unit_test(test_operators_signals),
		cmocka_unit_test(test_short_names),
		cmocka_unit_test(test_restarts),
		cmocka_unit_test(test_loads),
		cmocka_unit_test(test_no_loads),
		cmocka_unit_test(test_paths_are_harmless),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
