/* dialects_test.c: the pages of all dialects: well formed, true, the same
 * however often they are made, and with the families, types and labels of the
 * real engines' pages where such a page was captured (tests/golden/sim). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "tests/unit/bench/sim/world.h"

/* A quarter of its 100 blocks are held, 7 tokens were said. */
static struct world *open_world(enum sl_sim_dialect_id id)
{
	struct world *w = world_new((struct sl_sim_options){
	        .models = { "m" },
	        .max_seqs = 8,
	        .role = SL_ROLE_BOTH,
	        .connector = true,
	        .dialect = id,
	});

	w->engine.metrics.generation_tokens = 7;
	w->engine.batch.steps = 5;
	for (int i = 0; i < 25; i++)
		(void)sl_sim_kv_alloc(w->engine.kv);
	sl_sim_count_http(&w->engine.metrics, 1, 200, 0.2, 1, 2);
	sl_sim_observe(&w->engine.metrics, SL_SIM_H_TTFT, 0.2);
	return w;
}

static const struct sl_sim_dialect *dialect(const struct world *w)
{
	return sl_sim_dialect(w->sim.opt.dialect);
}

/* The k-th page, or NULL. */
static const struct sl_sim_route *find_page(const struct world *w, unsigned k)
{
	for (size_t i = 0; i < dialect(w)->n_routes; i++)
		if ((dialect(w)->routes[i].is & SL_SIM_PAGE) && k-- == 0)
			return &dialect(w)->routes[i];
	return NULL;
}

static char *make(struct world *w, const struct sl_sim_route *route)
{
	struct sl_sim_buf b = { 0 };

	route->page(&b, &w->engine);
	sl_sim_buf_add(&b, sl_span("", 1));
	return b.ptr;
}

static bool is_text(const struct sl_sim_route *route)
{
	return strncmp(route->type, "text/", 5) == 0;
}

static const struct sl_sim_route *numbers_page(const struct world *w)
{
	for (unsigned k = 0;; k++) {
		const struct sl_sim_route *route = find_page(w, k);

		if (!route || is_text(route))
			return route;
	}
}

/* ---- form ------------------------------------------------------------- */

/* Every series belongs to the family whose TYPE line came last. */
static int assert_grouped(const char *page)
{
	char *text = strdup(page), *save = NULL, family[128] = "";
	int samples = 0;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *end;

		(void)sscanf(line, "# TYPE %127s", family);
		if (line[0] == '#')
			continue;
		samples++;
		assert_int_equal(strncmp(line, family, strlen(family)), 0);
		(void)strtod(strrchr(line, ' '), &end);
		assert_int_equal(*end, 0);
	}
	free(text);
	return samples;
}

static void assert_json(const char *page)
{
	cJSON *json = cJSON_Parse(page);

	assert_non_null(json);
	cJSON_Delete(json);
}

static void test_pages_are_well_formed(void **state)
{
	(void)state;
	for (int id = 0; id < SL_SIM_N_DIALECTS; id++) {
		struct world *w = open_world((enum sl_sim_dialect_id)id);
		const struct sl_sim_route *route;

		for (unsigned k = 0; (route = find_page(w, k)); k++) {
			char *page = make(w, route);

			assert_true(k < SL_SIM_MAX_PAGES);
			if (is_text(route))
				assert_true(assert_grouped(page) >= 12);
			else
				assert_json(page);
			free(page);
		}
		world_free(w);
	}
}

/* A line that says how many seconds the process has computed differs. */
static void assert_same_but_time(char *a, char *b)
{
	static const char *const moving[] = { "process_", "nv_trt_llm_general_metrics" };
	char *save_a = NULL, *save_b = NULL;
	char *line_a = strtok_r(a, "\n", &save_a), *line_b = strtok_r(b, "\n", &save_b);

	for (; line_a && line_b;
	     line_a = strtok_r(NULL, "\n", &save_a), line_b = strtok_r(NULL, "\n", &save_b)) {
		bool moves = false;

		for (size_t i = 0; i < SL_COUNT(moving); i++)
			moves |= strncmp(line_a, moving[i], strlen(moving[i])) == 0;
		if (!moves)
			assert_string_equal(line_a, line_b);
	}
	assert_true(!line_a && !line_b);
}

static void change(struct world *w)
{
	w->engine.metrics.generation_tokens = 1234567890;
	w->engine.metrics.prompt_tokens = 999999;
	sl_sim_observe(&w->engine.metrics, SL_SIM_H_TTFT, 1.0 / 3);
	sl_sim_count_http(&w->engine.metrics, 0, 500, 20, 1, 2);
}

/* The kept template and one that is new say the same. */
static void test_templates_do_not_show(void **state)
{
	(void)state;
	for (int id = 0; id < SL_SIM_N_DIALECTS; id++) {
		struct world *kept = open_world((enum sl_sim_dialect_id)id);
		struct world *fresh = open_world((enum sl_sim_dialect_id)id);
		const struct sl_sim_route *route = numbers_page(kept);
		char *a, *b;

		if (route) {
			free(make(kept, route));
			change(kept);
			change(fresh);
			a = make(kept, route);
			b = make(fresh, route);
			assert_same_but_time(a, b);
			free(a);
			free(b);
		}
		world_free(kept);
		world_free(fresh);
	}
}

/* ---- truth ------------------------------------------------------------ */

static void test_pages_tell_the_truth(void **state)
{
	static const struct {
		enum sl_sim_dialect_id id;
		const char *lines[4];
	} rows[] = {
		{ SL_SIM_VLLM_0_10,
		  { "\nvllm:gpu_cache_usage_perc{engine=\"0\",model_name=\"m\"} 0.25\n",
		    "\nvllm:kv_cache_usage_perc{engine=\"0\",model_name=\"m\"} 0.25\n",
		    "\nvllm:gpu_prefix_cache_queries_total{engine=\"0\",model_name=\"m\"} "
		    "0.0\n" } },
		{ SL_SIM_SGLANG,
		  { "\nsglang:token_usage{engine_type=\"unified\",model_name=\"m\",moe_ep_rank="
		    "\"0\","
		    "pp_rank=\"0\",tp_rank=\"0\"} 0.25\n",
		    "\nsglang:cached_tokens_total{cache_source=\"total\",engine_type=\"unified\",",
		    "\nsglang:time_to_first_token_seconds_bucket{engine_type=\"unified\",le=\"0."
		    "25\","
		    "model_name=\"m\"," } },
		{ SL_SIM_TRTLLM,
		  { "\ntrtllm_kv_cache_used_blocks{engine_type=\"trtllm\",model_name=\"m\"} 25.0\n",
		    "\ntrtllm_request_success_total{engine_type=\"trtllm\",finished_reason="
		    "\"length\"," } },
		{ SL_SIM_TGI,
		  { "\n# TYPE tgi_queue_size gauge\ntgi_queue_size 0\n",
		    "\ntgi_batch_current_max_tokens 400\n",
		    "\ntgi_request_queue_duration_bucket{le=\"0.3\"} 0\n" } },
		{ SL_SIM_LLAMACPP,
		  { "\nllamacpp:tokens_predicted_total 7\n",
		    "\nllamacpp:requests_processing 0\n" } },
		{ SL_SIM_TRITON,
		  { "\nnv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"fraction\","
		    "model=\"m\",version=\"1\"} 0.25\n",
		    "\nnv_trt_llm_request_metrics{model=\"m\",request_type=\"waiting\",version="
		    "\"1\"}"
		    " 0\n" } },
		{ SL_SIM_KSERVE,
		  { "\nrequest_predict_seconds_count{model_name=\"m\"} 0.0\n",
		    "\nrequest_predict_seconds_created{model_name=\"m\"} 1.795225995e+09\n" } },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct world *w = open_world(rows[i].id);
		char *page = make(w, numbers_page(w));

		for (size_t k = 0; k < SL_COUNT(rows[i].lines) && rows[i].lines[k]; k++)
			if (!strstr(page, rows[i].lines[k]))
				fail_msg("not on the page: %s\n%s", rows[i].lines[k], page);
		free(page);
		world_free(w);
	}
}

static double member(const cJSON *json, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

	assert_true(cJSON_IsNumber(item));
	return item->valuedouble;
}

static void test_loads(void **state)
{
	struct world *w = open_world(SL_SIM_SGLANG);
	cJSON *json;
	char *page;

	(void)state;
	page = make(w, find_page(w, 1));
	json = cJSON_Parse(page);
	free(page);
	assert_true(member(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "loads"), 0),
	                   "token_usage") == 0.25);
	assert_true(member(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "loads"), 0),
	                   "max_total_num_tokens") == 1600);
	cJSON_Delete(json);
	page = make(w, find_page(w, 2));
	json = cJSON_Parse(page);
	free(page);
	assert_true(member(cJSON_GetArrayItem(json, 0), "num_tokens") == 400);
	cJSON_Delete(json);
	world_free(w);
}

static void test_iterations_drain(void **state)
{
	struct world *w = open_world(SL_SIM_TRTLLM);
	char *page;

	(void)state;
	w->engine.batch.steps = 100;
	page = make(w, find_page(w, 0));
	assert_non_null(strstr(page, "\"iter\":99,"));
	assert_null(strstr(page, "\"iter\":83,"));
	free(page);
	page = make(w, find_page(w, 0));
	assert_string_equal(page, "[]");
	free(page);
	world_free(w);
}

/* ---- likeness: what captured pages have --------------------------------- */

static char *read_golden(const char *name)
{
	char path[512];
	struct sl_sim_buf b = { 0 };
	char line[4096];
	FILE *f;

	snprintf(path, sizeof(path), SOURCE_DIR "/tests/golden/sim/families-%s.txt", name);
	f = fopen(path, "r");
	assert_non_null(f);
	sl_sim_buf_str(&b, "\n");
	while (fgets(line, sizeof(line), f))
		sl_sim_buf_str(&b, line);
	fclose(f);
	sl_sim_buf_add(&b, sl_span("", 1));
	return b.ptr;
}

/* "{a="x",b="y"} 1" to "{a,b}". */
static void names_of_labels(const char *at, struct sl_sim_buf *out)
{
	sl_sim_buf_str(out, "{");
	for (bool first = true; *at == '{' || *at == ','; first = false) {
		size_t n = strcspn(++at, "=");

		if (!first)
			sl_sim_buf_str(out, ",");
		sl_sim_buf_add(out, sl_span(at, n));
		at = strchr(at + n + 2, '"') + 1;
	}
	sl_sim_buf_str(out, "}");
}

/* The family's line of the golden file names this suffix with these labels. */
static void assert_series_known(const char *golden_line, const char *family, const char *line)
{
	struct sl_sim_buf wanted = { 0 };
	const char *found, *end = strchr(golden_line, '\n');
	size_t n = strcspn(line, "{ ");

	sl_sim_buf_str(&wanted, " ");
	sl_sim_buf_add(&wanted, sl_span(line + strlen(family), n - strlen(family)));
	names_of_labels(line + n, &wanted);
	sl_sim_buf_add(&wanted, sl_span("", 1));
	found = strstr(golden_line, wanted.ptr);
	/* A captured page may have had nothing to show. */
	if (memchr(golden_line, '{', (size_t)(end - golden_line)) && (!found || found > end))
		fail_msg("labels differ from the real page's: %s", line);
	sl_sim_buf_fini(&wanted);
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; names && *names; names++)
		if (!strncmp(name, *names, strlen(*names)))
			return true;
	return false;
}

/* Every family of the page is on the captured one, with type and labels. */
static int assert_like(char *page, const char *golden, const char *const *but)
{
	char *save = NULL, family[128] = "", type[32], wanted[192];
	const char *known = NULL;
	int families = 0;

	for (char *line = strtok_r(page, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "# TYPE %127s %31s", family, type) == 2) {
			snprintf(wanted, sizeof(wanted), "\n%s %s", family, type);
			known = strstr(golden, wanted);
			families++;
			if (!known && !is_one_of(family, but))
				fail_msg("not on the real page: %s %s", family, type);
		} else if (line[0] != '#' && known && !strstr(line, "cache_config_info")) {
			assert_series_known(known + 1, family, line);
		}
	}
	return families;
}

static void test_pages_are_like_captured_ones(void **state)
{
	static const char *const old[] = { "vllm:gpu_", NULL };
	static const struct {
		enum sl_sim_dialect_id id;
		const char *golden;
		const char *const *but;
		int families;
	} rows[] = {
		{ SL_SIM_VLLM, "vllm-0.32.0", NULL, 90 },
		{ SL_SIM_VLLM_0_10, "vllm-0.11.0", old, 50 },
		{ SL_SIM_LLAMACPP, "llama.cpp-b11434", NULL, 15 },
		{ SL_SIM_KSERVE, "kserve-0.21.0", NULL, 12 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct world *w = open_world(rows[i].id);
		char *page = make(w, numbers_page(w)), *golden = read_golden(rows[i].golden);

		assert_true(assert_like(page, golden, rows[i].but) >= rows[i].families);
		free(page);
		free(golden);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_are_well_formed),
		cmocka_unit_test(test_templates_do_not_show),
		cmocka_unit_test(test_pages_tell_the_truth),
		cmocka_unit_test(test_loads),
		cmocka_unit_test(test_iterations_drain),
		cmocka_unit_test(test_pages_are_like_captured_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
