/* dialect_triton.c: Triton with the TensorRT-LLM backend and its OpenAI
 * front end: the v2 protocol's health, and the page on a port of its own.
 * After its documents, not checked against a running one. */
#include "bench/sim/series.h"

#define SL_SIM_SERIES_FILE "bench/sim/dialect_triton.def"
#define SL_SIM_SERIES_PREFIX "nv_"
#include "bench/sim/series_table.h"

static void put_metrics(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	static const struct sl_sim_label labels[] = { { "model", "", NULL },
		                                      { "version", "1", NULL } };
	static const struct sl_sim_series_style style = {
		.numbers = SL_SIM_NUMBERS_PLAIN,
		.labels = labels,
		.n_labels = SL_COUNT(labels),
		.help = true,
	};

	sl_sim_series_page(b, e, &style, series, SL_COUNT(series));
}

static void answer_models(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	sl_sim_answer_model_list(conn, e, "Triton Inference Server", "");
}

#define HEALTH_ROUTE .is = SL_SIM_HEALTH, .answer = sl_sim_answer_health

static const struct sl_sim_route routes[] = {
	{ "/v1/models", "GET", .is = SL_SIM_HEALTH, .answer = answer_models },
	{ "/v2/health/ready", "GET", HEALTH_ROUTE },
	{ "/v2/health/live", "GET", HEALTH_ROUTE },
	{ "/v2", "GET", .type = "application/json",
	  .body = "{\"name\":\"triton\",\"version\":\"2.62.0\",\"extensions\":"
	          "[\"classification\",\"sequence\",\"model_repository\",\"generate\"]}" },
	{ "/metrics", "GET", .is = SL_SIM_HEALTH | SL_SIM_PAGE | SL_SIM_OTHER_PORT,
	  .type = "text/plain; charset=utf-8", .page = put_metrics },
};

const struct sl_sim_dialect sl_sim_triton = {
	.prefix = "",
	.fields = "",
	.routes = routes,
	.n_routes = SL_COUNT(routes),
	.nothing_type = "application/json",
	.nothing = "{\"error\":\"Not Found\"}",
	.metrics_port = true,
};
