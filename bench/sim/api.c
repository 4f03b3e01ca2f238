/* api.c: see api.h. */
#include "bench/sim/api.h"

#include <stdio.h>

#include "bench/sim/admin.h"
#include "bench/sim/engine_life.h"
#include "bench/sim/error.h"
#include "bench/sim/gen_say.h"
#include "bench/sim/gen_start.h"
#include "bench/sim/pages.h"

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

/* Behind the dialect's prefix. */
static const struct sl_sim_route inference[] = {
	{ "/v1/chat/completions", "POST", .is = SL_SIM_GUARDED, .answer = answer_chat },
	{ "/v1/completions", "POST", .is = SL_SIM_GUARDED, .answer = answer_completion },
	{ "/v1/embeddings", "POST", .is = SL_SIM_GUARDED, .answer = answer_embedding },
};

/* HEAD is not GET here: FastAPI answers 405. */
static bool is_method(const struct sl_sim_conn *conn, const struct sl_sim_route *r)
{
	return !strcmp(conn->head.method, r->method) ||
	       (r->also && !strcmp(conn->head.method, r->also));
}

static const struct sl_sim_dialect *dialect_of(const struct sl_sim_engine *e)
{
	return sl_sim_dialect(e->sim->opt.dialect);
}

static void answer_nothing(struct sl_sim_conn *conn, const struct sl_sim_dialect *d)
{
	sl_sim_conn_reply(conn, 404, d->nothing_type, NULL, sl_span_str(d->nothing));
}

static void answer_wrong_method(struct sl_sim_conn *conn, const struct sl_sim_route *r,
                                const struct sl_sim_dialect *d)
{
	char allow[32];

	if (!d->says_405) {
		answer_nothing(conn, d);
		return;
	}
	snprintf(allow, sizeof(allow), "allow: %s\r\n", r->method);
	sl_sim_conn_reply(conn, 405, "application/json", allow,
	                  SL_SPAN("{\"detail\":\"Method Not Allowed\"}"));
}

/* A health check that generates a token: it polls for it once a second. */
static bool is_generated(struct sl_sim_conn *conn, struct sl_sim_engine *e,
                         const struct sl_sim_route *r)
{
	if (!(r->is & SL_SIM_GENERATION))
		return true;
	if (e->faults.hang)
		conn->held = true;
	else if (!conn->late)
		sl_sim_conn_delay(conn, 1000000);
	else
		return true;
	return false;
}

static void serve(struct sl_sim_conn *conn, struct sl_sim_engine *e, const struct sl_sim_route *r)
{
	if (!is_method(conn, r)) {
		answer_wrong_method(conn, r, dialect_of(e));
	} else if ((r->is & SL_SIM_GUARDED) && !conn->head.authorized) {
		sl_sim_conn_reply(conn, 401, "application/json", NULL,
		                  SL_SPAN("{\"error\":\"Unauthorized\"}"));
	} else if ((r->is & SL_SIM_HEALTH) && e->faults.hang_health) {
		conn->held = true;
	} else if (r->is & SL_SIM_PAGE) {
		sl_sim_pages_answer(conn, e, r);
	} else if (is_generated(conn, e, r)) {
		if (r->answer)
			r->answer(conn, e);
		else
			sl_sim_conn_reply(conn, 200, r->type, NULL, sl_span_str(r->body));
	}
}

static bool is_admin(const struct sl_sim_conn *conn)
{
	return !strncmp(conn->head.path, "/sim/", 5);
}

/* Of the inference routes or the dialect's. */
static const struct sl_sim_route *find_route(const struct sl_sim_conn *conn,
                                             const struct sl_sim_engine *e)
{
	const struct sl_sim_dialect *d = dialect_of(e);
	bool other_port = conn->list == &e->metrics_conns;
	const char *path = conn->head.path;
	size_t prefix = strlen(d->prefix);

	for (size_t i = 0; i < d->n_routes; i++)
		if (!strcmp(d->routes[i].path, path) &&
		    other_port == ((d->routes[i].is & SL_SIM_OTHER_PORT) != 0))
			return &d->routes[i];
	for (size_t i = 0; i < SL_COUNT(inference) && !other_port; i++)
		if (!strncmp(path, d->prefix, prefix) && !strcmp(inference[i].path, path + prefix))
			return &inference[i];
	return NULL;
}

/* Where metrics_redirect leads to: the page at its path and a slash. */
static const struct sl_sim_route *find_moved(struct sl_sim_conn *conn,
                                             const struct sl_sim_engine *e)
{
	size_t n = strlen(conn->head.path);
	const struct sl_sim_route *r;

	if (!e->faults.page.redirect || n < 2 || conn->head.path[n - 1] != '/')
		return NULL;
	conn->head.path[n - 1] = 0;
	r = find_route(conn, e);
	conn->head.path[n - 1] = '/';
	return r && (r->is & SL_SIM_PAGE) ? r : NULL;
}

static void on_request(struct sl_sim_conn *conn)
{
	struct sl_sim_engine *e = conn->list->owner;
	const struct sl_sim_route *r;

	if (is_admin(conn) && sl_sim_admin_at_engine(conn, e))
		return;
	r = find_route(conn, e);
	if (r) {
		serve(conn, e, r);
		return;
	}
	r = find_moved(conn, e);
	if (r)
		sl_sim_pages_answer_moved(conn, e, r);
	else
		answer_nothing(conn, dialect_of(e));
}

static void on_admin_request(struct sl_sim_conn *conn)
{
	if (!is_admin(conn) || !sl_sim_admin_at_port(conn, conn->list->owner))
		answer_nothing(conn, &sl_sim_vllm);
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
