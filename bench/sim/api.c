/* api.c: which path is what, and what vLLM says to the wrong ones. */
#include <cjson/cJSON.h>
#include <stdio.h>

#include "bench/sim/gen.h"
#include "bench/sim/pull.h"

enum {
	GUARDED = 1, /* by --api-key */
	HEALTH = 2,  /* hang_health silences it */
};

struct path {
	const char *path, *method, *also;
	void (*answer)(struct sl_sim_conn *conn);
	unsigned is;
};

static void answer_health(struct sl_sim_conn *conn)
{
	uint32_t status = conn->engine->faults.health_status;

	sl_sim_conn_reply(conn, status ? (int)status : 200, NULL, NULL, sl_span("", 0));
}

static void answer_version(struct sl_sim_conn *conn)
{
	sl_sim_conn_reply(conn, 200, "application/json", NULL, SL_SPAN("{\"version\":\"0.32.0\"}"));
}

static void answer_metrics(struct sl_sim_conn *conn)
{
	struct sl_sim_buf page = { 0 };

	sl_sim_metrics_page(&page, conn->engine);
	sl_sim_conn_reply(conn, 200, "text/plain; version=1.0.0; charset=utf-8", NULL,
	                  sl_sim_buf_span(&page));
	sl_sim_buf_fini(&page);
}

static void answer_models(struct sl_sim_conn *conn)
{
	const struct sl_sim_options *opt = &conn->sim->opt;
	struct sl_sim_card cards[SL_SIM_MAX_MODELS];
	struct sl_sim_buf body = { 0 };

	for (uint32_t i = 0; i < opt->n_models; i++)
		cards[i] = (struct sl_sim_card){ opt->models[i], opt->models[0], opt->max_model_len,
			                         sl_rng_next(&conn->sim->rng) };
	sl_sim_render_models(&body, cards, opt->n_models, sl_sim_unix_s());
	sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&body));
	sl_sim_buf_fini(&body);
}

static void answer_load(struct sl_sim_conn *conn)
{
	/* Without --enable-server-load-tracking vLLM does not count either. */
	sl_sim_conn_reply(conn, 200, "application/json", NULL, SL_SPAN("{\"server_load\":0}"));
}

/* Messages or a prompt to token ids, as prompt.h cuts them. */
static bool read_tokens(const cJSON *body, struct sl_sim_prompt *out)
{
	const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(body, "prompt");

	return prompt ? sl_sim_prompt_completion(out, prompt) : sl_sim_prompt_chat(out, body);
}

static void answer_tokenize(struct sl_sim_conn *conn)
{
	cJSON *json = cJSON_ParseWithLength(conn->body.ptr ? conn->body.ptr : "", conn->body.len);
	struct sl_sim_prompt prompt = { 0 };
	struct sl_sim_buf body = { 0 };

	if (read_tokens(json, &prompt)) {
		sl_sim_buf_printf(&body, "{\"count\":%u,\"max_model_len\":%u,\"tokens\":[",
		                  prompt.n_tokens, conn->sim->opt.max_model_len);
		for (uint32_t i = 0; i < prompt.n_tokens; i++)
			sl_sim_buf_printf(&body, "%s%u", i ? "," : "", prompt.tokens[i]);
		sl_sim_buf_str(&body, "],\"token_strs\":null}");
		sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&body));
	} else {
		sl_sim_conn_error(conn, 400, "Bad Request", "body", SL_SPAN("1 validation error"),
		                  NULL);
	}
	sl_sim_buf_fini(&body);
	sl_sim_prompt_fini(&prompt);
	cJSON_Delete(json);
}

static void answer_inference(struct sl_sim_conn *conn, enum sl_sim_api api)
{
	if (conn->sim->opt.fast && api != SL_SIM_EMBEDDING) {
		sl_sim_fast_answer(conn, api);
		return;
	}
	conn->handler = (int)api;
	sl_sim_gen_start(conn, api);
}

static void answer_chat(struct sl_sim_conn *conn)
{
	answer_inference(conn, SL_SIM_CHAT);
}

static void answer_completion(struct sl_sim_conn *conn)
{
	answer_inference(conn, SL_SIM_COMPLETION);
}

static void answer_embedding(struct sl_sim_conn *conn)
{
	answer_inference(conn, SL_SIM_EMBEDDING);
}

static const struct path paths[] = {
	{ "/v1/chat/completions", "POST", NULL, answer_chat, GUARDED },
	{ "/v1/completions", "POST", NULL, answer_completion, GUARDED },
	{ "/v1/embeddings", "POST", NULL, answer_embedding, GUARDED },
	{ "/v1/models", "GET", NULL, answer_models, GUARDED | HEALTH },
	{ "/metrics", "GET", NULL, answer_metrics, HEALTH },
	{ "/health", "GET", NULL, answer_health, HEALTH },
	{ "/ping", "GET", "POST", answer_health, HEALTH },
	{ "/load", "GET", NULL, answer_load, HEALTH },
	{ "/version", "GET", NULL, answer_version, 0 },
	{ "/tokenize", "POST", NULL, answer_tokenize, 0 },
};

/* HEAD is not GET here: FastAPI answers 405. */
static bool is_method(const struct sl_sim_conn *conn, const struct path *p)
{
	return !strcmp(conn->head.method, p->method) ||
	       (p->also && !strcmp(conn->head.method, p->also));
}

static void serve(struct sl_sim_conn *conn, const struct path *p)
{
	if (!is_method(conn, p)) {
		char allow[32];

		snprintf(allow, sizeof(allow), "allow: %s\r\n", p->method);
		sl_sim_conn_reply(conn, 405, "application/json", allow,
		                  SL_SPAN("{\"detail\":\"Method Not Allowed\"}"));
	} else if ((p->is & GUARDED) && !conn->head.authorized) {
		sl_sim_conn_reply(conn, 401, "application/json", NULL,
		                  SL_SPAN("{\"error\":\"Unauthorized\"}"));
	} else if (!(p->is & HEALTH) || !conn->engine->faults.hang_health) {
		p->answer(conn);
	}
}

void sl_sim_api_handle(struct sl_sim_conn *conn)
{
	if (!strncmp(conn->head.path, "/sim/", 5) && sl_sim_admin_handle(conn))
		return;
	for (size_t i = 0; conn->engine && i < SL_COUNT(paths); i++) {
		if (!strcmp(paths[i].path, conn->head.path)) {
			serve(conn, &paths[i]);
			return;
		}
	}
	sl_sim_conn_reply(conn, 404, "application/json", NULL,
	                  SL_SPAN("{\"detail\":\"Not Found\"}"));
}
