/* dialect_vllm.c: vLLM 0.32, and the pages of 0.10. */
#include <cjson/cJSON.h>

#include "bench/sim/dialect.h"
#include "bench/sim/error.h"
#include "bench/sim/metrics_page.h"
#include "bench/sim/render.h"

static void answer_models(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	struct sl_sim_card cards[SL_SIM_MAX_MODELS + SL_SIM_MAX_ADAPTERS];
	struct sl_span base = sl_span_str(opt->models[0]);
	uint32_t n = 0;
	struct sl_sim_buf body = { 0 };

	for (uint32_t i = 0; i < opt->n_models; i++)
		cards[n++] = (struct sl_sim_card){ .model = sl_span_str(opt->models[i]),
			                           .root = base,
			                           .max_model_len = opt->max_model_len };
	for (uint32_t i = 0; i < opt->n_loras; i++)
		cards[n++] = (struct sl_sim_card){ .model = opt->loras[i],
			                           .root = opt->loras[i],
			                           .parent = base };
	for (uint32_t i = 0; i < n; i++)
		cards[i].permission = sl_rng_next(&e->sim->rng);
	sl_sim_render_models(&body, cards, n, sl_sim_unix_s());
	sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&body));
	sl_sim_buf_fini(&body);
}

/* Messages or a prompt to token ids, as prompt.h cuts them. */
static bool read_tokens(const cJSON *body, struct sl_sim_prompt *out)
{
	const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(body, "prompt");

	return prompt ? sl_sim_prompt_completion(out, prompt) : sl_sim_prompt_chat(out, body);
}

static void answer_tokenize(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	cJSON *json = cJSON_ParseWithLength(conn->body.ptr ? conn->body.ptr : "", conn->body.len);
	struct sl_sim_prompt prompt = { 0 };
	struct sl_sim_buf body = { 0 };

	if (read_tokens(json, &prompt)) {
		sl_sim_buf_printf(&body, "{\"count\":%u,\"max_model_len\":%u,\"tokens\":[",
		                  prompt.n_tokens, e->sim->opt.max_model_len);
		for (uint32_t i = 0; i < prompt.n_tokens; i++)
			sl_sim_buf_printf(&body, "%s%u", i ? "," : "", prompt.tokens[i]);
		sl_sim_buf_str(&body, "],\"token_strs\":null}");
		sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&body));
	} else {
		sl_sim_error_reply(conn, 400, "Bad Request", "body", SL_SPAN("1 validation error"),
		                   NULL);
	}
	sl_sim_buf_fini(&body);
	sl_sim_prompt_fini(&prompt);
	cJSON_Delete(json);
}

#define COMMON_ROUTES                                                                              \
	{ "/v1/models", "GET", .is = SL_SIM_GUARDED | SL_SIM_HEALTH, .answer = answer_models },    \
	        { "/metrics", "GET", .is = SL_SIM_HEALTH | SL_SIM_PAGE,                            \
		  .type = "text/plain; version=1.0.0; charset=utf-8",                              \
		  .page = sl_sim_metrics_page },                                                   \
	        { "/health", "GET", .is = SL_SIM_HEALTH, .answer = sl_sim_answer_health },         \
	        { "/ping", "GET", "POST", .is = SL_SIM_HEALTH,                                     \
		  .answer = sl_sim_answer_health }, /* Without --enable-server-load-tracking vLLM  \
	                                               does not count either. */                   \
	        { "/load", "GET", .is = SL_SIM_HEALTH, .type = "application/json",                 \
		  .body = "{\"server_load\":0}" },                                                 \
	{                                                                                          \
		"/tokenize", "POST", .answer = answer_tokenize                                     \
	}

static const struct sl_sim_route routes[] = {
	COMMON_ROUTES,
	{ "/version", "GET", .type = "application/json", .body = "{\"version\":\"0.32.0\"}" },
};

static const struct sl_sim_route routes_0_10[] = {
	COMMON_ROUTES,
	{ "/version", "GET", .type = "application/json", .body = "{\"version\":\"0.10.2\"}" },
};

#define NOTHING .nothing_type = "application/json", .nothing = "{\"detail\":\"Not Found\"}"

const struct sl_sim_dialect sl_sim_vllm = {
	.prefix = "",
	.routes = routes,
	.n_routes = SL_COUNT(routes),
	.says_405 = true,
	NOTHING,
};

const struct sl_sim_dialect sl_sim_vllm_0_10 = {
	.prefix = "",
	.routes = routes_0_10,
	.n_routes = SL_COUNT(routes_0_10),
	.says_405 = true,
	NOTHING,
};
