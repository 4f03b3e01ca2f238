/* dialect_kserve.c: KServe's model server 0.21: the v1 and v2 protocols, and
 * OpenAI's routes behind /openai. Its page tells nothing of a queue. */
#include "bench/sim/series.h"

#define SL_SIM_SERIES_FILE "bench/sim/dialect_kserve.def"
#define SL_SIM_SERIES_PREFIX ""
#include "bench/sim/series_table.h"

#define JSON "application/json"

static void put_metrics(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	static const struct sl_sim_label labels[] = { { "model_name", "", NULL } };
	static const struct sl_sim_series_style style = {
		.numbers = SL_SIM_NUMBERS_PYTHON,
		.labels = labels,
		.n_labels = SL_COUNT(labels),
		.help = true,
		.created = true,
		.process = true,
	};

	sl_sim_series_page(b, e, &style, series, SL_COUNT(series));
}

/* Not OpenAI's list. */
static void answer_v1_models(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_str(&b, "{\"models\":");
	for (uint32_t i = 0; i < opt->n_models; i++) {
		sl_sim_buf_str(&b, i ? "," : "[");
		sl_sim_buf_json(&b, sl_span_str(opt->models[i]));
	}
	sl_sim_buf_str(&b, "]}");
	sl_sim_conn_reply(conn, 200, JSON, NULL, sl_sim_buf_span(&b));
	sl_sim_buf_fini(&b);
}

static void answer_openai_models(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	sl_sim_answer_model_list(conn, e, "",
	                         ",\"root\":null,\"parent\":null,\"max_model_len\":null,"
	                         "\"permission\":[]");
}

static void answer_ready(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	int status = sl_sim_health_status(e);

	sl_sim_conn_reply(conn, status, JSON, NULL,
	                  status == 200 ? SL_SPAN("{\"ready\":true}")
	                                : SL_SPAN("{\"ready\":false}"));
}

static const struct sl_sim_route routes[] = {
	{ "/", "GET", .is = SL_SIM_HEALTH, .type = JSON, .body = "{\"status\":\"alive\"}" },
	{ "/v1/models", "GET", .is = SL_SIM_HEALTH, .answer = answer_v1_models },
	{ "/v2/models", "GET", .is = SL_SIM_HEALTH, .answer = answer_v1_models },
	{ "/v2", "GET", .type = JSON,
	  .body = "{\"name\":\"kserve\",\"version\":\"0.21.0\",\"extensions\":"
	          "[\"model_repository_extension\"]}" },
	{ "/v2/health/ready", "GET", .is = SL_SIM_HEALTH, .answer = answer_ready },
	{ "/v2/health/live", "GET", .is = SL_SIM_HEALTH, .type = JSON, .body = "{\"live\":true}" },
	{ "/openai/v1/models", "GET", .is = SL_SIM_HEALTH, .answer = answer_openai_models },
	{ "/metrics", "GET", .is = SL_SIM_HEALTH | SL_SIM_PAGE,
	  .type = "text/plain; version=0.0.4; charset=utf-8", .page = put_metrics },
};

const struct sl_sim_dialect sl_sim_kserve = {
	.prefix = "/openai",
	.fields = "server: uvicorn\r\n",
	.routes = routes,
	.n_routes = SL_COUNT(routes),
	.says_405 = true,
	.nothing_type = JSON,
	.nothing = "{\"detail\":\"Not Found\"}",
};
