/* gen_start.c: see gen_start.h. */
#include "bench/sim/gen_start.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/sim/error.h"
#include "bench/sim/gen_say.h"
#include "bench/sim/gen_step.h"
#include "bench/sim/peer.h"

#define CORE_DIED "EngineCore encountered an issue. See stack trace (above) for the root cause."

static void on_error_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sl_sim_gen_fail(arg, SL_SIM_INTERNAL_ERROR);
}

/* A refused request still lets go of the blocks that it was to read. */
static void answer_refusal(struct sl_sim_gen *gen, const struct sl_sim_refusal *refusal)
{
	struct sl_sim_conn *conn = gen->conn;

	if (gen->request.kv.do_remote_prefill && gen->engine->sim->opt.connector)
		sl_sim_peer_release(gen->engine, &gen->request.kv);
	sl_sim_gen_free(gen);
	sl_sim_error_reply(conn, refusal->status, refusal->type, refusal->param,
	                   sl_sim_buf_span(&refusal->message), NULL);
}

static void answer_status(struct sl_sim_conn *conn, const struct sl_sim_faults *f)
{
	char retry[40] = "";

	if (f->retry_after_s)
		snprintf(retry, sizeof(retry), "retry-after: %u\r\n", f->retry_after_s);
	if (f->detail_errors)
		sl_sim_conn_reply(conn, (int)f->status, "application/json", retry,
		                  SL_SPAN("{\"detail\":\"made to fail\"}"));
	else
		sl_sim_error_reply(conn, (int)f->status,
		                   f->status >= 500 ? "InternalServerError" : "BadRequestError",
		                   NULL, SL_SPAN("made to fail"), retry);
}

/* What a fault makes of a request before it is looked at; true if that is all. */
static bool answer_fault(struct sl_sim_conn *conn, const struct sl_sim_faults *f)
{
	if (f->reset) {
		sl_sim_conn_close(conn, true);
	} else if (f->garbage) {
		sl_sim_conn_raw(conn, SL_SPAN("\x01\x02 this is not HTTP\r\n\r\n"));
		sl_sim_conn_finish(conn);
	} else if (f->status) {
		answer_status(conn, f);
	} else {
		return false;
	}
	return true;
}

static void make_choice(struct sl_sim_gen *gen, uint32_t index)
{
	const struct sl_sim_request *r = &gen->request;
	const struct sl_sim_prompt *p = &r->prompts[index / r->n];
	struct sl_sim_text text = sl_sim_prompt_text(p, index % r->n);
	uint32_t room = gen->engine->sim->opt.max_model_len - p->n_tokens;
	uint32_t most = r->max_tokens ? r->max_tokens : sl_sim_prompt_natural_tokens(p);
	struct sl_sim_choice *c = &gen->choices[index];

	if (r->api == SL_SIM_EMBEDDING)
		most = 0;
	c->gen = gen;
	c->index = index;
	c->seq = sl_sim_seq_new(p->tokens, p->n_tokens, most < room ? most : room, &text);
	c->seq->owner = c;
	c->seq->salt = r->salt;
	c->seq->adapter = r->adapter;
	if (!gen->engine->sim->opt.connector)
		return;
	c->seq->remote = r->kv.do_remote_prefill;
	c->seq->keep = r->kv.do_remote_decode;
}

static void make_choices(struct sl_sim_gen *gen)
{
	struct sl_sim_request *r = &gen->request;

	if (r->api == SL_SIM_EMBEDDING)
		r->n = 1;
	gen->n_choices = gen->n_open = gen->n_unsaid = r->n_prompts * r->n;
	gen->choices = calloc(gen->n_choices, sizeof(*gen->choices));
	if (!gen->choices)
		abort();
	for (uint32_t i = 0; i < gen->n_choices; i++)
		make_choice(gen, i);
}

static void count_kind(struct sl_sim_engine *e, const struct sl_sim_kv_params *kv)
{
	if (kv->do_remote_decode)
		e->tally.prefill_legs++;
	else if (kv->do_remote_prefill)
		e->tally.decode_legs++;
	else
		e->tally.local++;
}

/* For GET /sim/last: byte for byte. */
static void remember(const struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	e->tally.requests++;
	e->last_head.len = e->last_body.len = 0;
	sl_sim_buf_add(&e->last_head, sl_sim_buf_span(&conn->raw_head));
	sl_sim_buf_add(&e->last_body, sl_sim_buf_span(&conn->body));
}

static struct sl_sim_gen *new_gen(struct sl_sim_conn *conn, struct sl_sim_engine *e,
                                  enum sl_sim_api api, const struct sl_sim_faults *faults)
{
	static const char *const prefixes[] = { "chatcmpl", "cmpl", "embd" };
	struct sl_sim_gen *gen = calloc(1, sizeof(*gen));
	struct sl_sim *sim = e->sim;

	if (!gen)
		abort();
	gen->conn = conn;
	gen->engine = e;
	gen->faults = *faults;
	evtimer_assign(&gen->timer, sim->net.base, on_error_timer, gen);
	if (*conn->head.request_id)
		snprintf(gen->id, sizeof(gen->id), "%s-%s", prefixes[api], conn->head.request_id);
	else
		snprintf(gen->id, sizeof(gen->id), "%s-%016llx", prefixes[api],
		         (unsigned long long)sl_rng_next(&sim->rng));
	return gen;
}

static void begin(struct sl_sim_gen *gen)
{
	struct sl_sim_engine *e = gen->engine;

	make_choices(gen);
	gen->answer = (struct sl_sim_answer){
		.api = gen->request.api,
		.id = gen->id,
		.model = gen->request.model,
		.fingerprint = e->sim->fingerprint,
		.created = sl_sim_unix_s(),
		.include_usage = gen->request.include_usage,
		.continuous_usage = gen->request.continuous_usage,
	};
	gen->conn->job = gen;
	if (gen->faults.error_after_ms >= 0) {
		struct timeval tv =
		        sl_sim_timeval((uint64_t)gen->faults.error_after_ms * 1000u + 1);

		evtimer_add(&gen->timer, &tv);
	}
	/* Taken and read; its client's leaving is noticed as ever. */
	if (e->faults.hang) {
		sl_sim_gen_hang(gen);
		return;
	}
	sl_sim_gen_submit(gen);
	sl_sim_engine_kick(e);
}

/* Why a good request is not taken now; true if it was said. */
static bool answer_not_now(struct sl_sim_gen *gen)
{
	struct sl_sim_engine *e = gen->engine;
	struct sl_sim_conn *conn = gen->conn;
	uint32_t limit = e->sim->opt.max_queued;

	if (e->stopping || e->dead) {
		sl_sim_gen_free(gen);
		sl_sim_error_reply(conn, 500, "InternalServerError", NULL,
		                   e->dead ? SL_SPAN(CORE_DIED)
		                           : SL_SPAN("cannot schedule new futures after shutdown"),
		                   NULL);
	} else if (limit && e->batch.waiting.n >= limit) {
		sl_sim_gen_free(gen);
		e->metrics.rejected++;
		sl_sim_error_reply(conn, 503, "Service Unavailable", NULL,
		                   SL_SPAN("The engine is currently busy and cannot accept new "
		                           "requests. Please try again later or on a different "
		                           "instance."),
		                   NULL);
	} else {
		return false;
	}
	return true;
}

static void answer_last_words(struct sl_sim_gen *gen)
{
	struct sl_sim_conn *conn = gen->conn;

	sl_sim_gen_free(gen);
	sl_sim_error_reply(conn, 500, "InternalServerError", NULL, SL_SPAN(CORE_DIED), NULL);
}

/* A good request; false if it is fatal. */
static bool take(struct sl_sim_gen *gen)
{
	count_kind(gen->engine, &gen->request.kv);
	if (answer_not_now(gen))
		return true;
	if (gen->request.kv.fatal && gen->engine->sim->opt.connector) {
		answer_last_words(gen);
		return false;
	}
	begin(gen);
	return true;
}

bool sl_sim_gen_start(struct sl_sim_conn *conn, struct sl_sim_engine *e, enum sl_sim_api api)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	const struct sl_sim_served served = { opt->models, opt->n_models, opt->loras, opt->n_loras,
		                              opt->max_model_len };
	struct sl_sim_refusal refusal = { 0 };
	struct sl_sim_faults faults;
	struct sl_sim_gen *gen;
	bool lives = true;

	remember(conn, e);
	faults = sl_sim_faults_next(&e->faults);
	if (answer_fault(conn, &faults))
		return true;
	gen = new_gen(conn, e, api, &faults);
	if (sl_sim_request_read(api, sl_sim_buf_span(&conn->body), conn->head.content_json, &served,
	                        &gen->request, &refusal))
		lives = take(gen);
	else
		answer_refusal(gen, &refusal);
	sl_sim_refusal_fini(&refusal);
	return lives;
}
