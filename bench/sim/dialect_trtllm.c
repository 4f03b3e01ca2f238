/* dialect_trtllm.c: TensorRT-LLM's trtllm-serve: numbers at
 * /prometheus/metrics; /metrics is JSON of the iterations since it was last
 * read, which are gone then. After its documents and source, not checked
 * against a running one. */
#include "bench/sim/series.h"

#define SL_SIM_SERIES_FILE "bench/sim/dialect_trtllm.def"
#define SL_SIM_SERIES_PREFIX "trtllm_"
#include "bench/sim/series_table.h"

#define ITERATIONS_MAX 16 /* kept for the reader */

static void put_metrics(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	static const struct sl_sim_label labels[] = { { "engine_type", "trtllm", NULL },
		                                      { "model_name", "", NULL } };
	static const struct sl_sim_series_style style = {
		.numbers = SL_SIM_NUMBERS_PYTHON,
		.labels = labels,
		.n_labels = SL_COUNT(labels),
		.help = true,
	};

	sl_sim_series_page(b, e, &style, series, SL_COUNT(series));
}

static void put_iteration(struct sl_sim_buf *b, const struct sl_sim_engine *e, uint64_t iteration)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	struct sl_sim_numbers_now n = sl_sim_numbers_now(e);
	uint32_t held = sl_sim_kv_held(e->kv);

	sl_sim_buf_printf(b,
	                  "{\"cpuMemUsage\":0,\"gpuMemUsage\":60000000000,"
	                  "\"inflightBatchingStats\":{\"numContextRequests\":0,"
	                  "\"numGenRequests\":%u,\"numPausedRequests\":0,"
	                  "\"numScheduledRequests\":%u},\"iter\":%llu,\"iterLatencyMS\":10.0,",
	                  n.running, n.running, (unsigned long long)iteration);
	sl_sim_buf_printf(b,
	                  "\"kvCacheStats\":{\"cacheHitRate\":%.6f,\"freeNumBlocks\":%u,"
	                  "\"maxNumBlocks\":%u,\"tokensPerBlock\":%u,\"usedNumBlocks\":%u},"
	                  "\"maxNumActiveRequests\":%u,\"numActiveRequests\":%u,"
	                  "\"numQueuedRequests\":%u}",
	                  n.hit_rate, opt->kv_blocks - 1 - held, opt->kv_blocks - 1,
	                  opt->block_tokens, held, opt->max_seqs, n.running, n.waiting);
}

static void put_iterations(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	uint64_t at = e->drained_steps;

	if (e->batch.steps > at + ITERATIONS_MAX)
		at = e->batch.steps - ITERATIONS_MAX;
	sl_sim_buf_str(b, "[");
	for (; at < e->batch.steps; at++) {
		if (b->len > 1)
			sl_sim_buf_str(b, ",");
		put_iteration(b, e, at);
	}
	sl_sim_buf_str(b, "]");
	e->drained_steps = e->batch.steps;
}

static void answer_models(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	sl_sim_answer_model_list(conn, e, "tensorrt_llm", "");
}

static void answer_health(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	e->tally.health_checks++;
	sl_sim_answer_health(conn, e);
}

#define JSON "application/json"

static const struct sl_sim_route routes[] = {
	{ "/v1/models", "GET", .is = SL_SIM_GUARDED | SL_SIM_HEALTH, .answer = answer_models },
	{ "/health", "GET", .is = SL_SIM_HEALTH, .answer = sl_sim_answer_health },
	{ "/health_generate", "GET", .is = SL_SIM_HEALTH | SL_SIM_GENERATION,
	  .answer = answer_health },
	{ "/version", "GET", .type = JSON, .body = "{\"version\":\"1.2.0\"}" },
	{ "/metrics", "GET", .is = SL_SIM_HEALTH | SL_SIM_PAGE, .type = JSON,
	  .page = put_iterations },
	{ "/prometheus/metrics", "GET", .is = SL_SIM_HEALTH | SL_SIM_PAGE,
	  .type = "text/plain; version=0.0.4; charset=utf-8", .page = put_metrics },
	{ "/server_info", "GET", .type = JSON, .body = "{\"disaggregated_params\":null}" },
	{ "/kv_cache_events", "POST", .type = JSON, .body = "[]" },
};

const struct sl_sim_dialect sl_sim_trtllm = {
	.prefix = "",
	.fields = "server: uvicorn\r\n",
	.routes = routes,
	.n_routes = SL_COUNT(routes),
	.says_405 = true,
	.nothing_type = JSON,
	.nothing = "{\"detail\":\"Not Found\"}",
};
