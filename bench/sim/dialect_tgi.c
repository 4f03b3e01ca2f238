/* dialect_tgi.c: text-generation-inference 3. After its documents and source,
 * not checked against a running one. */
#include "bench/sim/series.h"

#define SL_SIM_SERIES_FILE "bench/sim/dialect_tgi.def"
#define SL_SIM_SERIES_PREFIX "tgi_"
#include "bench/sim/series_table.h"

static void put_metrics(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	static const struct sl_sim_series_style style = { .numbers = SL_SIM_NUMBERS_PLAIN };

	sl_sim_series_page(b, e, &style, series, SL_COUNT(series));
}

static void answer_info(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_str(&b, "{\"model_id\":");
	sl_sim_buf_json(&b, sl_span_str(opt->models[0]));
	sl_sim_buf_printf(&b,
	                  ",\"model_sha\":null,\"model_pipeline_tag\":\"text-generation\","
	                  "\"max_concurrent_requests\":%u,\"max_best_of\":2,"
	                  "\"max_stop_sequences\":4,\"max_input_tokens\":%u,"
	                  "\"max_total_tokens\":%u,\"validation_workers\":2,"
	                  "\"max_client_batch_size\":4,\"router\":\"text-generation-router\","
	                  "\"version\":\"3.3.6\",\"sha\":null,\"docker_label\":null}",
	                  opt->max_seqs, opt->max_model_len - 1, opt->max_model_len);
	sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&b));
	sl_sim_buf_fini(&b);
}

static void answer_models(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_add(&b, sl_span_str(e->sim->opt.models[0]));
	sl_sim_buf_add(&b, sl_span("", 1));
	sl_sim_answer_model_list(conn, e, b.ptr, "");
	sl_sim_buf_fini(&b);
}

static const struct sl_sim_route routes[] = {
	{ "/v1/models", "GET", .is = SL_SIM_GUARDED | SL_SIM_HEALTH, .answer = answer_models },
	{ "/health", "GET", .is = SL_SIM_HEALTH, .answer = sl_sim_answer_health },
	{ "/ping", "GET", .is = SL_SIM_HEALTH, .answer = sl_sim_answer_health },
	{ "/info", "GET", .is = SL_SIM_HEALTH, .answer = answer_info },
	{ "/metrics", "GET", .is = SL_SIM_HEALTH | SL_SIM_PAGE, .type = "text/plain; charset=utf-8",
	  .page = put_metrics },
};

const struct sl_sim_dialect sl_sim_tgi = {
	.prefix = "",
	.fields = "",
	.routes = routes,
	.n_routes = SL_COUNT(routes),
	.nothing = "",
};
