/* gen.c: the life of an inference request: its checks, its sequences, its
 * hand-offs, its end. What it says meanwhile is say.c's. */
#include "bench/sim/gen.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/sim/pull.h"

/* What 0.32 says for nearly every failure behind the API server. */
#define INTERNAL "Internal server error"
#define CORE_DIED "EngineCore encountered an issue. See stack trace (above) for the root cause."

static void free_gen(struct sl_sim_gen *gen)
{
	struct sl_sim_gen **at = &gen->engine->dirty;

	while (*at && *at != gen)
		at = &(*at)->next_dirty;
	if (*at)
		*at = gen->next_dirty;
	event_del(&gen->timer);
	sl_sim_request_fini(&gen->request);
	sl_sim_buf_fini(&gen->held);
	sl_sim_buf_fini(&gen->kv_params);
	free(gen->choices);
	free(gen);
}

static void mark_dirty(struct sl_sim_gen *gen)
{
	if (gen->dirty)
		return;
	gen->dirty = true;
	gen->next_dirty = gen->engine->dirty;
	gen->engine->dirty = gen;
}

/* ---- ends ---------------------------------------------------------------- */

/* Has not read the blocks that wait for it elsewhere, and never will. */
static bool is_unread(const struct sl_sim_choice *c)
{
	const struct sl_sim_seq *seq = c->seq;

	return c->pull || (seq && seq->remote &&
	                   (seq->state == SL_SIM_SEQ_WAITING || seq->state == SL_SIM_SEQ_NEW));
}

/* Lets go of what a choice still has of the engine. True: at once. */
static bool drop_choice(struct sl_sim_choice *c)
{
	struct sl_sim_engine *e = c->gen->engine;
	struct sl_sim_seq *seq = c->seq;

	if (is_unread(c)) {
		sl_sim_pull_cancel(c);
		sl_sim_pull_release(e, &c->gen->request.kv);
	}
	c->seq = NULL;
	if (!seq)
		return true;
	seq->owner = NULL;
	if (seq->state == SL_SIM_SEQ_ENDED || seq->state == SL_SIM_SEQ_NEW ||
	    sl_sim_batch_abort(&e->batch, seq)) {
		sl_sim_seq_free(seq);
		return true;
	}
	return false; /* it computes; the engine frees it when the step ends */
}

static bool drop_choices(struct sl_sim_gen *gen)
{
	bool at_once = true;

	for (uint32_t i = 0; i < gen->n_choices; i++)
		at_once &= drop_choice(&gen->choices[i]);
	return at_once;
}

void sl_sim_gen_detach(struct sl_sim_gen *gen)
{
	gen->conn->gen = NULL;
	drop_choices(gen);
	free_gen(gen);
}

void sl_sim_gen_abort(struct sl_sim_gen *gen)
{
	struct sl_sim_engine *e = gen->engine;

	e->tally.aborted++;
	e->abort_us = sl_sim_now_us();
	if (drop_choices(gen))
		e->tally.last_abort_us = 0;
	free_gen(gen);
	sl_sim_engine_kick(e);
}

void sl_sim_gen_fail(struct sl_sim_gen *gen, const char *message)
{
	struct sl_sim_conn *conn = gen->conn;
	struct sl_sim_engine *e = gen->engine;
	bool stream = gen->request.stream;
	struct sl_sim_buf event = { 0 };

	e->metrics.finished[SL_SIM_FAILED] += gen->n_choices;
	sl_sim_gen_detach(gen);
	if (stream) {
		sl_sim_render_error_event(&event, 500, "InternalServerError", message);
		sl_sim_conn_chunk(conn, sl_sim_buf_span(&event));
		sl_sim_conn_chunk(conn, SL_SIM_DONE);
		sl_sim_buf_fini(&event);
		sl_sim_conn_stream_end(conn);
	} else {
		sl_sim_conn_error(conn, 500, "InternalServerError", NULL, sl_span_str(message),
		                  NULL);
	}
	sl_sim_engine_kick(e);
}

void sl_sim_gen_cut(struct sl_sim_gen *gen)
{
	for (uint32_t i = 0; i < gen->n_choices; i++) {
		struct sl_sim_choice *c = &gen->choices[i];

		if (c->ended)
			continue;
		c->ended = c->cut = true;
		gen->n_open--;
	}
	sl_sim_gen_flush(gen);
}

/* ---- steps --------------------------------------------------------------- */

static double seconds(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e6 : 0;
}

static void count_tokens(struct sl_sim_metrics *m, const struct sl_sim_seq *seq)
{
	uint32_t computed = seq->n_prompt - seq->cached_tokens - seq->fetched_tokens;

	m->prompt_tokens += seq->n_prompt;
	m->cached_tokens += seq->cached_tokens;
	m->fetched_tokens += seq->fetched_tokens;
	m->local_tokens += computed;
	sl_sim_observe(m, SL_SIM_H_PROMPT, seq->n_prompt);
	sl_sim_observe(m, SL_SIM_H_GENERATION, seq->n_output);
	sl_sim_observe(m, SL_SIM_H_PREFILL_COMPUTED, seq->n_prompt - seq->cached_tokens);
}

static void count_end(struct sl_sim_gen *gen, const struct sl_sim_seq *seq, uint64_t now)
{
	struct sl_sim_metrics *m = &gen->engine->metrics;

	m->finished[gen->request.max_tokens ? SL_SIM_LENGTH : SL_SIM_STOPPED]++;
	count_tokens(m, seq);
	sl_sim_observe(m, SL_SIM_H_MAX_GENERATION, seq->n_output);
	sl_sim_observe(m, SL_SIM_H_MAX_TOKENS,
	               gen->request.max_tokens
	                       ? gen->request.max_tokens
	                       : gen->engine->sim->opt.max_model_len - seq->n_prompt);
	sl_sim_observe(m, SL_SIM_H_N, gen->request.n);
	sl_sim_observe(m, SL_SIM_H_PREEMPTIONS, seq->preemptions);
	sl_sim_observe(m, SL_SIM_H_E2E, seconds(seq->added_us, now));
	sl_sim_observe(m, SL_SIM_H_QUEUE, seconds(seq->added_us, seq->scheduled_us));
	sl_sim_observe(m, SL_SIM_H_INFERENCE, seconds(seq->scheduled_us, now));
	if (!seq->n_output)
		return;
	sl_sim_observe(m, SL_SIM_H_PREFILL, seconds(seq->scheduled_us, seq->first_token_us));
	sl_sim_observe(m, SL_SIM_H_DECODE, seconds(seq->first_token_us, now));
	if (seq->n_output > 1)
		sl_sim_observe(m, SL_SIM_H_TPOT,
		               seconds(seq->first_token_us, now) / (seq->n_output - 1));
}

static void count_token(struct sl_sim_choice *c, uint64_t now_us)
{
	struct sl_sim_metrics *m = &c->gen->engine->metrics;

	m->generation_tokens++;
	if (c->seq->n_output == 1)
		sl_sim_observe(m, SL_SIM_H_TTFT, seconds(c->seq->added_us, now_us));
	else
		sl_sim_observe(m, SL_SIM_H_ITL, seconds(c->token_us, now_us));
	c->token_us = now_us;
}

/* A chat's only answer bears its id; others are numbered. */
static void name_hand_off(const struct sl_sim_choice *c, char *out, size_t size)
{
	const struct sl_sim_gen *gen = c->gen;
	unsigned suffix = (unsigned)sl_rng_next(&gen->engine->sim->rng);

	if (gen->request.api == SL_SIM_CHAT && gen->n_choices == 1)
		snprintf(out, size, "%s-%08x", gen->id, suffix);
	else
		snprintf(out, size, "%s-%u-%08x", gen->id, c->index, suffix);
}

/* A finished prefill leg pins its blocks. Only the first answer's place is
 * told, and none in a stream: the others stay pinned until their lease ends. */
static void hand_off(struct sl_sim_choice *c)
{
	struct sl_sim_gen *gen = c->gen;
	struct sl_sim_engine *e = gen->engine;
	struct sl_sim_seq *seq = c->seq;
	struct sl_sim_handoff_place place = {
		.engine_id = e->id,
		.host = e->sim->opt.advertise,
		.port = e->port,
		.cached_tokens = seq->n_output > 1 ? -1 : (int64_t)seq->cached_tokens,
	};
	struct sl_sim_handoff *h;
	uint32_t n, *blocks;
	char name[340];

	name_hand_off(c, name, sizeof(name));
	blocks = sl_sim_seq_take_blocks(seq, &n);
	h = sl_sim_handoff_add(&e->handoffs, name, blocks, n,
	                       sl_sim_now_us() + e->sim->opt.lease_us);
	h->tokens = seq->computed;
	h->prompt_hash = sl_sim_prompt_hash(&gen->request.prompts[c->index / gen->request.n]);
	if (e->faults.null_kv_params)
		sl_sim_handoff_del(&e->handoffs, h, e->kv);
	else if (c->index == 0)
		sl_sim_handoff_render(&gen->kv_params, h, &place);
	sl_sim_engine_lease(e);
}

void sl_sim_gen_stepped(struct sl_sim_choice *c, uint64_t now_us)
{
	struct sl_sim_gen *gen = c->gen;
	struct sl_sim_seq *seq = c->seq;

	if (seq->got_token) {
		count_token(c, now_us);
		mark_dirty(gen);
	}
	if (seq->state != SL_SIM_SEQ_ENDED)
		return;
	if (seq->keep)
		hand_off(c);
	if (c->ended)
		return; /* it was cut */
	c->ended = true;
	gen->n_open--;
	count_end(gen, seq, now_us);
	mark_dirty(gen);
}

/* ---- beginnings ------------------------------------------------------------ */

static void on_error_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sl_sim_gen_fail(arg, INTERNAL);
}

/* A refused request still lets go of the blocks that it was to read. */
static void answer_refusal(struct sl_sim_conn *conn, struct sl_sim_gen *gen,
                           const struct sl_sim_refusal *refusal)
{
	if (gen->request.kv.do_remote_prefill && conn->sim->opt.connector)
		sl_sim_pull_release(conn->engine, &gen->request.kv);
	free_gen(gen);
	sl_sim_conn_error(conn, refusal->status, refusal->type, refusal->param,
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
		sl_sim_conn_error(conn, (int)f->status,
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
static void remember(struct sl_sim_conn *conn)
{
	struct sl_sim_engine *e = conn->engine;

	e->tally.requests++;
	e->last_head.len = e->last_body.len = 0;
	sl_sim_buf_add(&e->last_head, sl_sim_buf_span(&conn->raw_head));
	sl_sim_buf_add(&e->last_body, sl_sim_buf_span(&conn->body));
}

static struct sl_sim_gen *new_gen(struct sl_sim_conn *conn, enum sl_sim_api api,
                                  const struct sl_sim_faults *faults)
{
	static const char *const prefixes[] = { "chatcmpl", "cmpl", "embd" };
	struct sl_sim_gen *gen = calloc(1, sizeof(*gen));
	struct sl_sim *sim = conn->sim;

	if (!gen)
		abort();
	gen->conn = conn;
	gen->engine = conn->engine;
	gen->faults = *faults;
	evtimer_assign(&gen->timer, sim->base, on_error_timer, gen);
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
	struct sl_sim_conn *conn = gen->conn;
	uint64_t now = sl_sim_now_us();

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
	conn->gen = gen;
	if (gen->faults.error_after_ms >= 0) {
		struct timeval tv =
		        sl_sim_timeval((uint64_t)gen->faults.error_after_ms * 1000u + 1);

		evtimer_add(&gen->timer, &tv);
	}
	/* Taken, read, and never worked on; its client's leaving is still noticed. */
	if (e->faults.hang) {
		gen->silent = true;
		return;
	}
	for (uint32_t i = 0; i < gen->n_choices; i++)
		sl_sim_batch_add(&e->batch, gen->choices[i].seq, now);
	sl_sim_engine_heed_leases(e);
	/* 200 before any work is done, as vLLM. The client may be gone by now. */
	if (gen->request.stream)
		sl_sim_conn_stream(conn);
	sl_sim_engine_kick(e);
}

/* Why a good request is not taken now; true if it was said. */
static bool answer_not_now(struct sl_sim_conn *conn, struct sl_sim_gen *gen)
{
	struct sl_sim_engine *e = gen->engine;
	uint32_t limit = e->sim->opt.max_queued;

	if (e->stopping || e->dead) {
		free_gen(gen);
		sl_sim_conn_error(conn, 500, "InternalServerError", NULL,
		                  e->dead ? SL_SPAN(CORE_DIED)
		                          : SL_SPAN("cannot schedule new futures after shutdown"),
		                  NULL);
	} else if (limit && e->batch.waiting.n >= limit) {
		free_gen(gen);
		e->metrics.rejected++;
		sl_sim_conn_error(conn, 503, "Service Unavailable", NULL,
		                  SL_SPAN("The engine is currently busy and cannot accept new "
		                          "requests. Please try again later or on a different "
		                          "instance."),
		                  NULL);
	} else if (gen->request.kv.fatal && e->sim->opt.connector) {
		free_gen(gen);
		sl_sim_conn_error(conn, 500, "InternalServerError", NULL, SL_SPAN(CORE_DIED), NULL);
		sl_sim_engine_die(e);
	} else {
		return false;
	}
	return true;
}

void sl_sim_gen_start(struct sl_sim_conn *conn, enum sl_sim_api api)
{
	struct sl_sim_engine *e = conn->engine;
	const struct sl_sim_served served = { e->sim->opt.models, e->sim->opt.n_models,
		                              e->sim->opt.max_model_len };
	struct sl_sim_refusal refusal = { 0 };
	struct sl_sim_faults faults;
	struct sl_sim_gen *gen;

	remember(conn);
	faults = sl_sim_faults_next(&e->faults);
	if (answer_fault(conn, &faults))
		return;
	gen = new_gen(conn, api, &faults);
	if (!sl_sim_request_read(api, sl_sim_buf_span(&conn->body), conn->head.content_json,
	                         &served, &gen->request, &refusal)) {
		answer_refusal(conn, gen, &refusal);
	} else {
		count_kind(e, &gen->request.kv);
		if (!answer_not_now(conn, gen))
			begin(gen);
	}
	sl_sim_refusal_fini(&refusal);
}
