/* peer.c: see peer.h. */
#include "bench/sim/peer.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

struct sl_sim_word {
	struct sl_sim_word *next, *prev; /* sim's */
	struct sl_sim *sim;
	struct sl_sim_ask ask;
};

struct sl_sim_engine *sl_sim_peer_find(struct sl_sim *sim, const char *host, int port)
{
	const struct sl_sim_options *opt = &sim->opt;
	int first = opt->listen.port;

	if (!host || port < first || port >= first + (int)opt->count)
		return NULL;
	if (strcmp(host, opt->advertise) != 0 && strcmp(host, opt->listen.host) != 0)
		return NULL;
	return &sim->engines[port - first];
}

/* ---- the prefill side ------------------------------------------------ */

enum sl_sim_verdict sl_sim_peer_answer(struct sl_sim_engine *e, const struct sl_sim_question *q)
{
	struct sl_sim_handoff *h;

	if (e->dead || (e->stopping && e->stop == SL_SIM_STOP_EXIT))
		return SL_SIM_VERDICT_DOWN;
	if (e->faults.hang)
		return SL_SIM_VERDICT_SILENT;
	if (strcmp(e->id, q->engine_id) != 0 ||
	    strcmp(e->sim->opt.kv_version, q->kv_version) != 0) {
		e->tally.pulls_refused++;
		return SL_SIM_VERDICT_STRANGER;
	}
	h = sl_sim_handoff_find(&e->handoffs, q->request_id);
	if (!h) {
		e->handoffs.late += q->op == SL_SIM_ASK_OPEN;
		return SL_SIM_VERDICT_STALE;
	}
	if (q->op == SL_SIM_ASK_BEAT) {
		h->until_us = sl_sim_now_us() + e->sim->opt.lease_us * 2 / 3;
	} else if (q->op == SL_SIM_ASK_RELEASE) {
		e->tally.released++;
		sl_sim_handoff_del(&e->handoffs, h, e->kv);
		sl_sim_engine_kick(e);
	} else if (h->prompt_hash != q->prompt_hash) {
		return SL_SIM_VERDICT_STALE;
	} else {
		e->tally.pulls_served++;
	}
	sl_sim_engine_lease(e);
	return SL_SIM_VERDICT_OK;
}

void sl_sim_peer_serve(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	cJSON *json = cJSON_ParseWithLength(conn->body.ptr ? conn->body.ptr : "", conn->body.len);
	struct sl_sim_question q = sl_sim_question_read(json);
	struct sl_sim_buf body = { 0 };

	sl_sim_verdict_render(&body, sl_sim_peer_answer(e, &q));
	conn->head.keep_alive = false;
	sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&body));
	sl_sim_buf_fini(&body);
	cJSON_Delete(json);
}

/* ---- the decode side -------------------------------------------------- */

struct sl_sim_question sl_sim_peer_question(const struct sl_sim_engine *e, enum sl_sim_ask_op op,
                                            const struct sl_sim_kv_params *params)
{
	return (struct sl_sim_question){
		.op = op,
		.engine_id = params->engine_id ? params->engine_id : "",
		.request_id = params->request_id ? params->request_id : "",
		.kv_version = e->sim->opt.kv_version,
	};
}

static void free_word(struct sl_sim_word *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		w->sim->words = w->next;
	if (w->next)
		w->next->prev = w->prev;
	sl_sim_ask_fini(&w->ask);
	free(w);
}

static void on_answer(void *arg, enum sl_sim_verdict verdict)
{
	(void)verdict;
	free_word(arg);
}

static void tell_other_process(struct sl_sim *sim, const struct sl_sim_kv_params *params,
                               const struct sl_sim_question *q)
{
	struct sl_sim_word *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->sim = sim;
	w->next = sim->words;
	if (sim->words)
		sim->words->prev = w;
	sim->words = w;
	sl_sim_ask_init(&w->ask, sim->net.base, on_answer, w);
	if (!sl_sim_ask_begin(&w->ask, params->host, params->port, q))
		free_word(w);
}

static void tell(struct sl_sim_engine *e, const struct sl_sim_kv_params *params,
                 enum sl_sim_ask_op op)
{
	struct sl_sim_engine *peer = sl_sim_peer_find(e->sim, params->host, params->port);
	struct sl_sim_question q = sl_sim_peer_question(e, op, params);

	if (peer)
		(void)sl_sim_peer_answer(peer, &q);
	else
		tell_other_process(e->sim, params, &q);
}

void sl_sim_peer_release(struct sl_sim_engine *e, const struct sl_sim_kv_params *params)
{
	tell(e, params, SL_SIM_ASK_RELEASE);
}

void sl_sim_peer_beat(struct sl_sim_engine *e, const struct sl_sim_kv_params *params)
{
	tell(e, params, SL_SIM_ASK_BEAT);
}

void sl_sim_peer_fini(struct sl_sim *sim)
{
	struct sl_sim_word *next;

	for (struct sl_sim_word *w = sim->words; w; w = next) {
		next = w->next;
		sl_sim_ask_fini(&w->ask);
		free(w);
	}
	sim->words = NULL;
}
