/* dialect_ollama.c: Ollama 0.17: it has no health path and no numbers. */
#include "bench/sim/dialect.h"

#define JSON "application/json; charset=utf-8"
#define DETAILS                                                                                    \
	"\"digest\":\"73e355a5b266616b3887189489f25ee0e4d3d60bdb72403dab60ce42a4305480\","         \
	"\"details\":{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"llama\","             \
	"\"families\":[\"llama\"],\"parameter_size\":\"8.0B\","                                    \
	"\"quantization_level\":\"Q4_0\"}"

/* "m" is shown as "m:latest". */
static void put_name(struct sl_sim_buf *b, const char *model)
{
	struct sl_sim_buf name = { 0 };

	sl_sim_buf_str(&name, model);
	if (!strchr(model, ':'))
		sl_sim_buf_str(&name, ":latest");
	sl_sim_buf_json(b, sl_sim_buf_span(&name));
	sl_sim_buf_fini(&name);
}

/* A list with an object for each model: the names, then the same for all. */
static void answer_list(struct sl_sim_conn *conn, const struct sl_sim_engine *e, const char *more)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_str(&b, "{\"models\":[");
	for (uint32_t i = 0; i < opt->n_models; i++) {
		sl_sim_buf_str(&b, i ? ",{\"name\":" : "{\"name\":");
		put_name(&b, opt->models[i]);
		sl_sim_buf_str(&b, ",\"model\":");
		put_name(&b, opt->models[i]);
		sl_sim_buf_printf(&b, ",%s}", more);
	}
	sl_sim_buf_str(&b, "]}");
	sl_sim_conn_reply(conn, 200, JSON, NULL, sl_sim_buf_span(&b));
	sl_sim_buf_fini(&b);
}

static void answer_tags(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	answer_list(conn, e,
	            "\"modified_at\":\"2026-11-21T02:38:41.5Z\",\"size\":4661224676," DETAILS);
}

static void answer_ps(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	answer_list(conn, e,
	            "\"size\":6654289920," DETAILS ",\"expires_at\":\"2026-11-21T02:43:41.8Z\","
	            "\"size_vram\":6654289920,\"context_length\":4096");
}

static void answer_models(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_str(&b, "{\"object\":\"list\",\"data\":[");
	for (uint32_t i = 0; i < opt->n_models; i++) {
		sl_sim_buf_str(&b, i ? ",{\"id\":" : "{\"id\":");
		put_name(&b, opt->models[i]);
		sl_sim_buf_printf(&b,
		                  ",\"object\":\"model\",\"created\":%lld,\"owned_by\":"
		                  "\"library\"}",
		                  (long long)e->metrics.created_s);
	}
	sl_sim_buf_str(&b, "]}\n");
	sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&b));
	sl_sim_buf_fini(&b);
}

static const struct sl_sim_route routes[] = {
	{ "/", "GET", "HEAD", .is = SL_SIM_HEALTH, .type = "text/plain; charset=utf-8",
	  .body = "Ollama is running" },
	{ "/v1/models", "GET", .is = SL_SIM_HEALTH, .answer = answer_models },
	{ "/api/version", "GET", .is = SL_SIM_HEALTH, .type = JSON,
	  .body = "{\"version\":\"0.17.4\"}" },
	{ "/api/tags", "GET", .is = SL_SIM_HEALTH, .answer = answer_tags },
	{ "/api/ps", "GET", .is = SL_SIM_HEALTH, .answer = answer_ps },
};

const struct sl_sim_dialect sl_sim_ollama = {
	.prefix = "",
	.fields = "",
	.routes = routes,
	.n_routes = SL_COUNT(routes),
	.nothing_type = "text/plain",
	.nothing = "404 page not found",
};
