/* api.c: see api.h. */
#include "bench/sim/api.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#include "bench/sim/admin.h"
#include "bench/sim/engine_life.h"
#include "bench/sim/error.h"
#include "bench/sim/gen_say.h"
#include "bench/sim/gen_start.h"
#include "bench/sim/metrics_page.h"

enum {
	GUARDED = 1, /* by --api-key */
	HEALTH = 2,  /* hang_health silences it */
};

struct path {
	const char *path, *method, *also;
	void (*answer)(struct sl_sim_conn *conn, struct sl_sim_engine *e);
	unsigned is;
};

static void answer_health(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	uint32_t status = e->faults.health_status;

	sl_sim_conn_reply(conn, status ? (int)status : 200, NULL, NULL, sl_span("", 0));
}

static void answer_version(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	(void)e;
	sl_sim_conn_reply(conn, 200, "application/json", NULL, SL_SPAN("{\"version\":\"0.32.0\"}"));
}

static void answer_metrics(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	struct sl_sim_buf page = { 0 };

	sl_sim_metrics_page(&page, e);
	sl_sim_conn_reply(conn, 200, "text/plain; version=1.0.0; charset=utf-8", NULL,
	                  sl_sim_buf_span(&page));
	sl_sim_buf_fini(&page);
}

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

static void answer_load(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	(void)e;
	/* Without --enable-server-load-tracking vLLM does not count either. */
	sl_sim_conn_reply(conn, 200, "application/json", NULL, SL_SPAN("{\"server_load\":0}"));
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

static void answer_fast(struct sl_sim_conn *conn, struct sl_sim_engine *e, enum sl_sim_api api)
{
	struct sl_sim_fast *fast = &e->sim->fast[api == SL_SIM_CHAT];
	enum sl_sim_fast_kind kind = sl_sim_fast_kind(sl_sim_buf_span(&conn->body));

	sl_sim_fast_make(fast, api, e->sim->fingerprint, e->sim->opt.fast_tokens);
	e->tally.requests++;
	e->tally.prefill_legs += kind == SL_SIM_FAST_PREFILL;
	if (kind == SL_SIM_FAST_STREAM)
		sl_sim_conn_stream_whole(conn, sl_sim_buf_span(&fast->stream));
	else
		sl_sim_conn_reply(conn, 200, "application/json", NULL,
		                  sl_sim_buf_span(kind == SL_SIM_FAST_PREFILL ? &fast->prefill
		                                                              : &fast->whole));
}

static void answer_inference(struct sl_sim_conn *conn, struct sl_sim_engine *e, enum sl_sim_api api)
{
	if (e->sim->opt.fast && api != SL_SIM_EMBEDDING) {
		answer_fast(conn, e, api);
		return;
	}
	conn->handler = (int)api;
	if (!sl_sim_gen_start(conn, e, api))
		sl_sim_engine_die(e);
}

static void answer_chat(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	answer_inference(conn, e, SL_SIM_CHAT);
}

static void answer_completion(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	answer_inference(conn, e, SL_SIM_COMPLETION);
}

static void answer_embedding(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	answer_inference(conn, e, SL_SIM_EMBEDDING);
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

static void serve(struct sl_sim_conn *conn, struct sl_sim_engine *e, const struct path *p)
{
	if (!is_method(conn, p)) {
		char allow[32];

		snprintf(allow, sizeof(allow), "allow: %s\r\n", p->method);
		sl_sim_conn_reply(conn, 405, "application/json", allow,
		                  SL_SPAN("{\"detail\":\"Method Not Allowed\"}"));
	} else if ((p->is & GUARDED) && !conn->head.authorized) {
		sl_sim_conn_reply(conn, 401, "application/json", NULL,
		                  SL_SPAN("{\"error\":\"Unauthorized\"}"));
	} else if ((p->is & HEALTH) && e->faults.hang_health) {
		conn->held = true;
	} else {
		p->answer(conn, e);
	}
}

static void answer_nothing(struct sl_sim_conn *conn)
{
	sl_sim_conn_reply(conn, 404, "application/json", NULL,
	                  SL_SPAN("{\"detail\":\"Not Found\"}"));
}

static bool is_admin(const struct sl_sim_conn *conn)
{
	return !strncmp(conn->head.path, "/sim/", 5);
}

static void on_request(struct sl_sim_conn *conn)
{
	struct sl_sim_engine *e = conn->list->owner;

	if (is_admin(conn) && sl_sim_admin_at_engine(conn, e))
		return;
	for (size_t i = 0; i < SL_COUNT(paths); i++) {
		if (!strcmp(paths[i].path, conn->head.path)) {
			serve(conn, e, &paths[i]);
			return;
		}
	}
	answer_nothing(conn);
}

static void on_admin_request(struct sl_sim_conn *conn)
{
	if (!is_admin(conn) || !sl_sim_admin_at_port(conn, conn->list->owner))
		answer_nothing(conn);
}

static void count_answer(struct sl_sim_conn *conn)
{
	struct sl_sim_engine *e = conn->list->owner;

	if (conn->handler < 0)
		return;
	sl_sim_count_http(&e->metrics, (unsigned)conn->handler, conn->status,
	                  (double)(sl_sim_now_us() - conn->started_us) / 1e6,
	                  (double)conn->body.len, (double)conn->answer_bytes);
	conn->handler = -1;
}

static void on_drained(struct sl_sim_conn *conn)
{
	sl_sim_gen_flush(conn->job);
}

static void on_left(struct sl_sim_conn *conn)
{
	sl_sim_gen_abort(conn->job);
}

const struct sl_sim_conn_ops sl_sim_api_ops = {
	.request = on_request,
	.answered = count_answer,
	.drained = on_drained,
	.left = on_left,
};

const struct sl_sim_conn_ops sl_sim_api_admin_ops = { .request = on_admin_request };
