/* api.c: which path is what, and what vLLM says to the wrong ones. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/sim/gen.h"
#include "bench/sim/pull.h"

struct path {
	const char *path, *method;
	void (*answer)(struct sl_sim_conn *conn);
	bool guarded; /* by --api-key */
	bool health;  /* hang_health silences it */
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

static void answer_chat(struct sl_sim_conn *conn)
{
	sl_sim_gen_start(conn, SL_SIM_CHAT);
}

static void answer_completion(struct sl_sim_conn *conn)
{
	sl_sim_gen_start(conn, SL_SIM_COMPLETION);
}

static void answer_embedding(struct sl_sim_conn *conn)
{
	sl_sim_gen_start(conn, SL_SIM_EMBEDDING);
}

static const struct path paths[] = {
	{ "/v1/chat/completions", "POST", answer_chat, true, false },
	{ "/v1/completions", "POST", answer_completion, true, false },
	{ "/v1/embeddings", "POST", answer_embedding, true, false },
	{ "/v1/models", "GET", answer_models, true, true },
	{ "/metrics", "GET", answer_metrics, false, true },
	{ "/health", "GET", answer_health, false, true },
	{ "/ping", "GET", answer_health, false, true },
	{ "/version", "GET", answer_version, false, false },
};

static bool is_method(const struct sl_sim_conn *conn, const char *method)
{
	if (!strcmp(conn->head.method, method))
		return true;
	return conn->head.head_request && !strcmp(method, "GET");
}

static void serve(struct sl_sim_conn *conn, const struct path *p)
{
	if (!is_method(conn, p->method)) {
		char allow[32];

		snprintf(allow, sizeof(allow), "allow: %s\r\n", p->method);
		sl_sim_conn_reply(conn, 405, "application/json", allow,
		                  SL_SPAN("{\"detail\":\"Method Not Allowed\"}"));
	} else if (p->guarded && !conn->head.authorized) {
		sl_sim_conn_reply(conn, 401, "application/json", NULL,
		                  SL_SPAN("{\"error\":\"Unauthorized\"}"));
	} else if (!p->health || !conn->engine->faults.hang_health) {
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
