/* dialect_sglang.c: SGLang: its page, the two forms of its loads, and a health
 * check that generates a token. After its documents and source, not checked
 * against a running one. */
#include <time.h>

#include "bench/sim/series.h"

#define SL_SIM_SERIES_FILE "bench/sim/dialect_sglang.def"
#define SL_SIM_SERIES_PREFIX "sglang:"
#include "bench/sim/series_table.h"

static const char *mode_of(const struct sl_sim_engine *e, const char *both)
{
	switch (e->sim->opt.role) {
	case SL_ROLE_PREFILL:
		return "prefill";
	case SL_ROLE_DECODE:
		return "decode";
	default:
		return both;
	}
}

static const char *engine_type(const struct sl_sim_engine *e)
{
	return mode_of(e, "unified");
}

static void put_metrics(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	static const struct sl_sim_label labels[] = {
		{ "engine_type", "", engine_type }, { "model_name", "", NULL },
		{ "moe_ep_rank", "0", NULL },       { "pp_rank", "0", NULL },
		{ "tp_rank", "0", NULL },
	};
	static const struct sl_sim_series_style style = {
		.numbers = SL_SIM_NUMBERS_PYTHON,
		.labels = labels,
		.n_labels = SL_COUNT(labels),
		.help = true,
	};

	sl_sim_series_page(b, e, &style, series, SL_COUNT(series));
}

static void put_iso_time(struct sl_sim_buf *b)
{
	time_t now = (time_t)sl_sim_unix_s();
	struct tm tm;
	char text[48];

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S+00:00", &tm);
	sl_sim_buf_str(b, text);
}

/* /v1/loads: as it is without ?include=. */
static void put_loads(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	struct sl_sim_numbers_now n = sl_sim_numbers_now(e);

	sl_sim_buf_str(b, "{\"timestamp\":\"");
	put_iso_time(b);
	sl_sim_buf_str(b, "\",\"version\":\"0.5.14\",\"loads\":[{\"timestamp\":");
	sl_sim_buf_printf(b, "%.6f", (double)sl_sim_now_us() / 1e6);
	sl_sim_buf_printf(b,
	                  ",\"dp_rank\":0,\"num_running_reqs\":%u,\"num_waiting_reqs\":%u,"
	                  "\"num_waiting_uncached_tokens\":0,\"num_used_tokens\":%llu,"
	                  "\"num_total_tokens\":%llu,\"max_total_num_tokens\":%llu,"
	                  "\"max_running_requests\":%u,\"token_usage\":%.6f,"
	                  "\"gen_throughput\":0.0,\"cache_hit_rate\":%.6f,\"utilization\":%.6f,",
	                  n.running, n.waiting, (unsigned long long)n.kv_used_tokens,
	                  (unsigned long long)n.kv_used_tokens, (unsigned long long)n.kv_tokens,
	                  e->sim->opt.max_seqs, n.kv_usage, n.hit_rate,
	                  (double)n.running / e->sim->opt.max_seqs);
	sl_sim_buf_printf(b,
	                  "\"memory\":{\"weight_gb\":15.0,\"kv_cache_gb\":40.0,\"graph_gb\":1.5,"
	                  "\"token_capacity\":%llu},\"disaggregation\":{\"mode\":\"%s\","
	                  "\"prefill_bootstrap_queue_reqs\":0,"
	                  "\"prefill_inflight_queue_reqs\":%u,"
	                  "\"decode_prealloc_queue_reqs\":%u,\"decode_transfer_queue_reqs\":%u,"
	                  "\"decode_retracted_queue_reqs\":0},\"queues\":{\"waiting\":%u,"
	                  "\"grammar\":0,\"paused\":0,\"retracted\":0}}]}",
	                  (unsigned long long)n.kv_tokens, mode_of(e, "null"), e->handoffs.n,
	                  sl_sim_batch_unfetched(&e->batch), e->batch.fetching.n, n.waiting);
}

static void put_old_load(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	struct sl_sim_numbers_now n = sl_sim_numbers_now(e);

	sl_sim_buf_printf(b,
	                  "[{\"dp_rank\":0,\"num_reqs\":%u,\"num_waiting_reqs\":%u,"
	                  "\"num_tokens\":%llu,\"num_pending_tokens\":0,\"ts_tic\":%.6f}]",
	                  n.running + n.waiting, n.waiting, (unsigned long long)n.kv_used_tokens,
	                  (double)sl_sim_now_us() / 1e6);
}

static void put_server_info(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	struct sl_sim_numbers_now n = sl_sim_numbers_now(e);

	sl_sim_buf_str(b, "{\"model_path\":");
	sl_sim_buf_json(b, sl_span_str(opt->models[0]));
	sl_sim_buf_str(b, ",\"served_model_name\":");
	sl_sim_buf_json(b, sl_span_str(opt->models[0]));
	sl_sim_buf_printf(b,
	                  ",\"host\":\"%s\",\"port\":%u,\"disaggregation_mode\":\"%s\","
	                  "\"disaggregation_bootstrap_port\":8998,\"dp_size\":1,\"tp_size\":1,"
	                  "\"page_size\":%u,\"max_running_requests\":%u,"
	                  "\"load_balance_method\":\"round_robin\",\"max_total_num_tokens\":%llu,"
	                  "\"max_req_input_len\":%u,\"internal_states\":[],"
	                  "\"version\":\"0.5.14\"}",
	                  opt->listen.host, e->port, mode_of(e, "null"), opt->block_tokens,
	                  opt->max_seqs, (unsigned long long)n.kv_tokens, opt->max_model_len);
}

static void answer_model_info(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_str(&b, "{\"model_path\":");
	sl_sim_buf_json(&b, sl_span_str(e->sim->opt.models[0]));
	sl_sim_buf_str(&b, ",\"tokenizer_path\":");
	sl_sim_buf_json(&b, sl_span_str(e->sim->opt.models[0]));
	sl_sim_buf_str(&b, ",\"is_generation\":true,\"preferred_sampling_params\":null,"
	                   "\"weight_version\":\"default\",\"has_image_understanding\":false,"
	                   "\"has_audio_understanding\":false,\"model_type\":\"llama\","
	                   "\"architectures\":[\"LlamaForCausalLM\"]}");
	sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&b));
	sl_sim_buf_fini(&b);
}

static void answer_models(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	char more[64];

	snprintf(more, sizeof(more), ",\"max_model_len\":%u", e->sim->opt.max_model_len);
	sl_sim_answer_model_list(conn, e, "sglang", more);
}

static void answer_health(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	e->tally.health_checks++;
	sl_sim_answer_health(conn, e);
}

#define JSON "application/json"
#define HEALTH_ROUTE .is = SL_SIM_HEALTH | SL_SIM_GENERATION, .answer = answer_health
#define PAGE_ROUTE .is = SL_SIM_HEALTH | SL_SIM_PAGE, .type = JSON

static const struct sl_sim_route routes[] = {
	{ "/v1/models", "GET", .is = SL_SIM_GUARDED | SL_SIM_HEALTH, .answer = answer_models },
	{ "/health", "GET", HEALTH_ROUTE },
	{ "/health_generate", "GET", HEALTH_ROUTE },
	{ "/ping", "GET", .is = SL_SIM_HEALTH, .answer = sl_sim_answer_health },
	{ "/metrics", "GET", .is = SL_SIM_HEALTH | SL_SIM_PAGE,
	  .type = "text/plain; version=0.0.4; charset=utf-8", .page = put_metrics },
	{ "/v1/loads", "GET", PAGE_ROUTE, .page = put_loads },
	{ "/get_load", "GET", PAGE_ROUTE, .page = put_old_load },
	{ "/server_info", "GET", PAGE_ROUTE, .page = put_server_info },
	{ "/get_server_info", "GET", PAGE_ROUTE, .page = put_server_info },
	{ "/model_info", "GET", .is = SL_SIM_HEALTH, .answer = answer_model_info },
	{ "/get_model_info", "GET", .is = SL_SIM_HEALTH, .answer = answer_model_info },
};

const struct sl_sim_dialect sl_sim_sglang = {
	.prefix = "",
	.fields = "server: uvicorn\r\n",
	.routes = routes,
	.n_routes = SL_COUNT(routes),
	.says_405 = true,
	.nothing_type = JSON,
	.nothing = "{\"detail\":\"Not Found\"}",
};
