/* dialect_llamacpp.c: llama-server b11434, with --metrics. While it loads its
 * model (the fault health_status 503) it says so. */
#include "bench/sim/series.h"

#define RATE(of, in) ((in) > 0 ? (double)(of) / (double)(in) : 0)
#define SL_SIM_SERIES_FILE "bench/sim/dialect_llamacpp.def"
#define SL_SIM_SERIES_PREFIX "llamacpp:"
#include "bench/sim/series_table.h"

#define JSON "application/json; charset=utf-8"

static void put_metrics(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	static const struct sl_sim_series_style style = { .numbers = SL_SIM_NUMBERS_PLAIN,
		                                          .help = true };

	sl_sim_series_page(b, e, &style, series, SL_COUNT(series));
}

/* As many slots as run at once, of which the first are busy. */
static void put_slots(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	const struct sl_sim_options *opt = &e->sim->opt;

	for (uint32_t i = 0; i < opt->max_seqs; i++)
		sl_sim_buf_printf(b,
		                  "%s{\"id\":%u,\"n_ctx\":%u,\"speculative\":false,"
		                  "\"is_processing\":%s}",
		                  i ? "," : "[", i, opt->max_model_len,
		                  i < e->batch.running.n ? "true" : "false");
	sl_sim_buf_str(b, "]");
}

static void answer_health(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	int status = sl_sim_health_status(e);

	sl_sim_conn_reply(conn, status, JSON, NULL,
	                  status == 200 ? SL_SPAN("{\"status\":\"ok\"}")
	                                : SL_SPAN("{\"error\":{\"message\":\"Loading model\","
	                                          "\"type\":\"unavailable_error\","
	                                          "\"code\":503}}"));
}

static void answer_props(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_printf(&b,
	                  "{\"default_generation_settings\":{\"n_ctx\":%u},\"total_slots\":%u,"
	                  "\"model_alias\":",
	                  opt->max_model_len, opt->max_seqs);
	sl_sim_buf_json(&b, sl_span_str(opt->models[0]));
	sl_sim_buf_str(&b, ",\"endpoint_slots\":true,\"endpoint_props\":false,"
	                   "\"endpoint_metrics\":true,\"build_info\":\"b11434-0\"}");
	sl_sim_conn_reply(conn, 200, JSON, NULL, sl_sim_buf_span(&b));
	sl_sim_buf_fini(&b);
}

static void answer_models(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	struct sl_span name = sl_span_str(opt->models[0]);
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_str(&b, "{\"models\":[{\"name\":");
	sl_sim_buf_json(&b, name);
	sl_sim_buf_str(&b, ",\"model\":");
	sl_sim_buf_json(&b, name);
	sl_sim_buf_str(&b, ",\"type\":\"model\",\"capabilities\":[\"completion\"]}],"
	                   "\"object\":\"list\",\"data\":[{\"id\":");
	sl_sim_buf_json(&b, name);
	sl_sim_buf_printf(&b,
	                  ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"llamacpp\","
	                  "\"meta\":{\"vocab_type\":2,\"n_ctx\":%u,\"n_ctx_train\":%u}}]}",
	                  (long long)sl_sim_unix_s(), opt->max_model_len, opt->max_model_len);
	sl_sim_conn_reply(conn, 200, JSON, NULL, sl_sim_buf_span(&b));
	sl_sim_buf_fini(&b);
}

static const struct sl_sim_route routes[] = {
	{ "/v1/models", "GET", .is = SL_SIM_HEALTH, .answer = answer_models },
	{ "/models", "GET", .is = SL_SIM_HEALTH, .answer = answer_models },
	{ "/health", "GET", .is = SL_SIM_HEALTH, .answer = answer_health },
	{ "/props", "GET", .is = SL_SIM_HEALTH, .answer = answer_props },
	{ "/metrics", "GET", .is = SL_SIM_HEALTH | SL_SIM_PAGE, .type = "text/plain; version=0.0.4",
	  .page = put_metrics },
	{ "/slots", "GET", .is = SL_SIM_HEALTH | SL_SIM_PAGE, .type = JSON, .page = put_slots },
};

const struct sl_sim_dialect sl_sim_llamacpp = {
	.prefix = "",
	.fields = "Server: llama.cpp\r\nAccess-Control-Allow-Origin: \r\n",
	.routes = routes,
	.n_routes = SL_COUNT(routes),
	.nothing_type = JSON,
	.nothing = "{\"error\":{\"message\":\"File Not Found\",\"type\":\"not_found_error\","
	           "\"code\":404}}",
};
