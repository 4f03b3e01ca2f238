/* gen.c: an inference request. See gen.h. */
#include "bench/sim/gen.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/sim/pull.h"

/* A client that reads slowly holds its own stream back, not the engine. */
#define BACKLOG_MAX (4u * 1024u * 1024u)

static void free_gen(struct sl_sim_gen *gen)
{
	struct sl_sim_engine *e = gen->engine;
	struct sl_sim_gen **at = &e->dirty;

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

/* ---- sequences ------------------------------------------------------- */

/* Lets go of what a choice still has of the engine. True: at once. */
static bool drop_choice(struct sl_sim_choice *c)
{
	struct sl_sim_engine *e = c->gen->engine;
	struct sl_sim_seq *seq = c->seq;
	bool never_read = c->gen->request.kv.do_remote_prefill && seq &&
	                  (c->pull || seq->state == SL_SIM_SEQ_WAITING ||
	                   seq->state == SL_SIM_SEQ_NEW) &&
	                  seq->fetched_tokens == 0;

	if (c->pull) {
		sl_sim_pull_cancel(c);
		never_read = true;
	}
	if (never_read)
		sl_sim_pull_release(e, &c->gen->request.kv);
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

/* ---- saying ---------------------------------------------------------- */

static void die(struct sl_sim_gen *gen, bool reset)
{
	/* what was said arrives, what was not never will */
	sl_sim_conn_flush(gen->conn);
	sl_sim_conn_close(gen->conn, reset);
}

void sl_sim_gen_fail(struct sl_sim_gen *gen, const char *message)
{
	struct sl_sim_conn *conn = gen->conn;
	struct sl_sim_buf event = { 0 };

	gen->engine->metrics.finished[SL_SIM_FAILED]++;
	if (!gen->request.stream) {
		conn->gen = NULL;
		drop_choices(gen);
		free_gen(gen);
		sl_sim_conn_error(conn, 500, "InternalServerError", NULL, sl_span_str(message),
		                  NULL);
		return;
	}
	sl_sim_render_error_event(&event, 500, "InternalServerError", message);
	sl_sim_conn_chunk(conn, sl_sim_buf_span(&event));
	sl_sim_conn_chunk(conn, SL_SIM_DONE);
	sl_sim_buf_fini(&event);
	conn->gen = NULL;
	drop_choices(gen);
	free_gen(gen);
	sl_sim_conn_stream_end(conn);
}

static void token_bytes(struct sl_sim_buf *b, const struct sl_sim_seq *seq, uint32_t from,
                        uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		uint32_t id = seq->tokens[seq->n_prompt + i];
		char text[SL_SIM_TOKEN_BYTES] = { (char)id, (char)(id >> 8), (char)(id >> 16),
			                          (char)(id >> 24) };

		sl_sim_buf_add(b, sl_span(text, sizeof(text)));
	}
}

static struct sl_sim_usage usage_of(const struct sl_sim_gen *gen)
{
	struct sl_sim_usage u = { 0 };
	uint32_t block = gen->engine->sim->opt.block_tokens;

	for (uint32_t i = 0; i < gen->n_choices; i++) {
		const struct sl_sim_seq *seq = gen->choices[i].seq;

		if (!seq)
			continue;
		u.completion_tokens += seq->n_output;
		if (i % gen->request.n)
			continue;
		u.prompt_tokens += seq->n_prompt;
		u.cached_tokens += seq->cached_tokens;
		u.created_tokens += (seq->n_prompt / block - seq->cached_tokens / block) * block;
	}
	return u;
}

static const char *finish_reason(const struct sl_sim_choice *c)
{
	if (c->aborted_by_stop)
		return "abort";
	return c->gen->request.max_tokens ? "length" : "stop";
}

/* One event, in as many HTTP chunks as the faults want. */
static void say_event(struct sl_sim_gen *gen, struct sl_span event)
{
	struct sl_sim_conn *conn = gen->conn;

	if (gen->faults.split_bytes) {
		for (size_t i = 0; i < event.len; i++)
			sl_sim_conn_chunk(conn, sl_span(event.ptr + i, 1));
	} else if (gen->faults.split && event.len > 2) {
		sl_sim_conn_chunk(conn, sl_span(event.ptr, event.len / 2));
		sl_sim_conn_flush(conn);
		sl_sim_conn_chunk(conn,
		                  sl_span(event.ptr + event.len / 2, event.len - event.len / 2));
	} else if (gen->faults.coalesce && !gen->held.len) {
		sl_sim_buf_add(&gen->held, event);
	} else {
		sl_sim_buf_add(&gen->held, event);
		sl_sim_conn_chunk(conn, sl_sim_buf_span(&gen->held));
		gen->held.len = 0;
	}
}

static void say_held(struct sl_sim_gen *gen)
{
	sl_sim_conn_chunk(gen->conn, sl_sim_buf_span(&gen->held));
	gen->held.len = 0;
}

/* How many more tokens may be said before a fault strikes. */
static uint32_t until_fault(const struct sl_sim_gen *gen, uint32_t n)
{
	const int64_t limits[] = { gen->faults.die_after_tokens, gen->faults.stall_after_tokens,
		                   gen->faults.half_event };

	for (size_t i = 0; i < SL_COUNT(limits); i++)
		if (limits[i] >= 0 && (int64_t)gen->tokens_out + n > limits[i])
			n = limits[i] > (int64_t)gen->tokens_out
			            ? (uint32_t)(limits[i] - (int64_t)gen->tokens_out)
			            : 0;
	return n;
}

/* True if the stream came to its planned bad end. */
static bool strike(struct sl_sim_gen *gen, struct sl_sim_choice *c)
{
	const struct sl_sim_faults *f = &gen->faults;

	if (f->stall_after_tokens >= 0 && (int64_t)gen->tokens_out >= f->stall_after_tokens) {
		gen->silent = true;
		say_held(gen);
		sl_sim_conn_flush(gen->conn);
		return true;
	}
	if (f->half_event >= 0 && (int64_t)gen->tokens_out >= f->half_event) {
		struct sl_sim_buf event = { 0 };
		struct sl_sim_choice_text text = { c ? c->request_index : 0, SL_SPAN(" half"),
			                           NULL };

		sl_sim_render_delta(&event, &gen->answer, &text);
		sl_sim_conn_chunk(gen->conn, sl_span(event.ptr, event.len / 2));
		sl_sim_buf_fini(&event);
		die(gen, false);
		return true;
	}
	if (f->die_after_tokens >= 0 && (int64_t)gen->tokens_out >= f->die_after_tokens) {
		say_held(gen);
		die(gen, true);
		return true;
	}
	return false;
}

static void say_role(struct sl_sim_gen *gen)
{
	struct sl_sim_buf event = { 0 };

	if (gen->role_said || gen->request.api != SL_SIM_CHAT)
		return;
	gen->role_said = true;
	for (uint32_t i = 0; i < gen->n_choices; i++) {
		event.len = 0;
		sl_sim_render_role(&event, &gen->answer, i);
		say_event(gen, sl_sim_buf_span(&event));
	}
	sl_sim_buf_fini(&event);
}

static bool has_news(const struct sl_sim_choice *c)
{
	return c->seq && (c->seq->n_output > c->sent || (c->ended && !c->closed));
}

/* True if the stream is over or silent. */
static bool say_choice(struct sl_sim_gen *gen, struct sl_sim_choice *c, uint32_t index)
{
	struct sl_sim_buf event = { 0 }, text = { 0 };
	struct sl_sim_choice_text said = { .index = index };
	uint32_t n = until_fault(gen, c->seq->n_output - c->sent);
	bool last = c->ended && c->sent + n == c->seq->n_output;

	token_bytes(&text, c->seq, c->sent, c->sent + n);
	said.text = sl_sim_buf_span(&text);
	said.finish_reason = last ? finish_reason(c) : NULL;
	if (n || last) {
		gen->answer.usage = usage_of(gen);
		sl_sim_render_delta(&event, &gen->answer, &said);
		say_event(gen, sl_sim_buf_span(&event));
	}
	c->sent += n;
	c->closed = last;
	gen->n_unsaid -= last;
	gen->tokens_out += n;
	gen->engine->tally.tokens_sent += n;
	sl_sim_buf_fini(&event);
	sl_sim_buf_fini(&text);
	return strike(gen, c);
}

static void end_stream(struct sl_sim_gen *gen)
{
	struct sl_sim_conn *conn = gen->conn;
	struct sl_sim_buf event = { 0 };

	if (gen->request.include_usage) {
		gen->answer.usage = usage_of(gen);
		sl_sim_render_usage(&event, &gen->answer);
		say_event(gen, sl_sim_buf_span(&event));
	}
	sl_sim_buf_fini(&event);
	if (!gen->faults.drop_done)
		say_event(gen, SL_SIM_DONE);
	say_held(gen);
	conn->gen = NULL;
	drop_choices(gen);
	free_gen(gen);
	sl_sim_conn_stream_end(conn);
}

static void say_stream(struct sl_sim_gen *gen)
{
	bool news = false;

	for (uint32_t i = 0; i < gen->n_choices && !news; i++)
		news = has_news(&gen->choices[i]);
	if (!news || sl_sim_conn_backlog(gen->conn) > BACKLOG_MAX)
		return;
	say_role(gen);
	for (uint32_t i = 0; i < gen->n_choices; i++)
		if (has_news(&gen->choices[i]) && say_choice(gen, &gen->choices[i], i))
			return;
	if (gen->n_unsaid == 0)
		end_stream(gen);
	else
		sl_sim_conn_flush(gen->conn);
}

/* A finished prefill leg pins its blocks and says where they are. */
static void hand_off(struct sl_sim_gen *gen)
{
	struct sl_sim_engine *e = gen->engine;
	struct sl_sim_seq *seq = gen->choices[0].seq;
	struct sl_sim_handoff_place place = {
		.engine_id = e->id,
		.host = e->sim->opt.advertise ? e->sim->opt.advertise : e->sim->opt.listen.host,
		.port = e->port,
		.cached_tokens = seq->n_output > 1 ? -1 : (int64_t)seq->cached_tokens,
	};
	struct sl_sim_handoff *h;
	char name[340];
	uint32_t n;
	uint32_t *blocks = sl_sim_seq_take_blocks(seq, &n);

	snprintf(name, sizeof(name), "%s-0-%08x", gen->id, (unsigned)sl_rng_next(&e->sim->rng));
	h = sl_sim_handoff_add(&e->handoffs, name, blocks, n,
	                       sl_sim_now_us() + e->sim->opt.lease_us);
	h->tokens = seq->n_prompt;
	h->prompt_hash = sl_sim_prompt_hash(&gen->request.prompts[0]);
	sl_sim_handoff_render(&gen->kv_params, h, &place);
	if (e->faults.null_kv_params) {
		sl_sim_handoff_del(&e->handoffs, h, e->kv);
		gen->kv_params.len = 0;
	}
	sl_sim_engine_lease(e);
}

static void say_whole(struct sl_sim_gen *gen)
{
	struct sl_sim_conn *conn = gen->conn;
	struct sl_sim_choice_text *texts = calloc(gen->n_choices, sizeof(*texts));
	struct sl_sim_buf *words = calloc(gen->n_choices, sizeof(*words));
	struct sl_sim_buf body = { 0 };
	struct sl_span params;

	if (!texts || !words)
		abort();
	gen->answer.usage = usage_of(gen);
	for (uint32_t i = 0; i < gen->n_choices; i++) {
		const struct sl_sim_choice *c = &gen->choices[i];

		token_bytes(&words[i], c->seq, 0, c->seq->n_output);
		texts[i] = (struct sl_sim_choice_text){ i, sl_sim_buf_span(&words[i]),
			                                finish_reason(c) };
		gen->engine->tally.tokens_sent += c->seq->n_output;
	}
	params = gen->kv_params.len ? sl_sim_buf_span(&gen->kv_params) : SL_SPAN("null");
	if (gen->request.api == SL_SIM_EMBEDDING)
		sl_sim_render_embeddings(&body, &gen->answer, gen->request.prompts,
		                         gen->request.n_prompts);
	else
		sl_sim_render_answer(&body, &gen->answer, texts, gen->n_choices, params);
	for (uint32_t i = 0; i < gen->n_choices; i++)
		sl_sim_buf_fini(&words[i]);
	free(words);
	free(texts);
	conn->gen = NULL;
	drop_choices(gen);
	free_gen(gen);
	sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&body));
	sl_sim_buf_fini(&body);
}

void sl_sim_gen_flush(struct sl_sim_gen *gen)
{
	if (gen->silent)
		return;
	if (gen->request.stream)
		say_stream(gen);
	else if (gen->n_open == 0)
		say_whole(gen);
}

/* ---- steps ----------------------------------------------------------- */

static double seconds(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e6 : 0;
}

static void count_end(struct sl_sim_gen *gen, const struct sl_sim_seq *seq, uint64_t now)
{
	struct sl_sim_metrics *m = &gen->engine->metrics;

	m->finished[gen->request.max_tokens ? SL_SIM_LENGTH : SL_SIM_STOPPED]++;
	m->prompt_tokens += seq->n_prompt;
	m->cached_tokens += seq->cached_tokens;
	m->fetched_tokens += seq->fetched_tokens;
	m->local_tokens += seq->n_prompt - seq->cached_tokens - seq->fetched_tokens;
	sl_sim_observe(m, SL_SIM_H_PROMPT, seq->n_prompt);
	sl_sim_observe(m, SL_SIM_H_GENERATION, seq->n_output);
	sl_sim_observe(m, SL_SIM_H_MAX_GENERATION, seq->max_output);
	sl_sim_observe(m, SL_SIM_H_N, gen->request.n);
	sl_sim_observe(m, SL_SIM_H_PREEMPTIONS, seq->preemptions);
	sl_sim_observe(m, SL_SIM_H_PREFILL_COMPUTED, seq->n_prompt - seq->cached_tokens);
	sl_sim_observe(m, SL_SIM_H_E2E, seconds(seq->added_us, now));
	sl_sim_observe(m, SL_SIM_H_QUEUE, seconds(seq->added_us, seq->scheduled_us));
	sl_sim_observe(m, SL_SIM_H_INFERENCE, seconds(seq->scheduled_us, now));
	sl_sim_observe(m, SL_SIM_H_PREFILL, seconds(seq->scheduled_us, seq->first_token_us));
	sl_sim_observe(m, SL_SIM_H_DECODE, seconds(seq->first_token_us, now));
	if (seq->n_output > 1)
		sl_sim_observe(m, SL_SIM_H_TPOT,
		               seconds(seq->first_token_us, now) / (seq->n_output - 1));
}

void sl_sim_gen_stepped(struct sl_sim_choice *c, uint64_t now_us)
{
	struct sl_sim_gen *gen = c->gen;
	struct sl_sim_seq *seq = c->seq;
	struct sl_sim_metrics *m = &gen->engine->metrics;

	if (seq->got_token) {
		m->generation_tokens++;
		if (seq->n_output == 1)
			sl_sim_observe(m, SL_SIM_H_TTFT, seconds(seq->added_us, now_us));
		mark_dirty(gen);
	}
	if (seq->state != SL_SIM_SEQ_ENDED || c->ended)
		return;
	c->ended = true;
	gen->n_open--;
	count_end(gen, seq, now_us);
	if (seq->keep && gen->n_choices >= 1 && c == &gen->choices[0])
		hand_off(gen);
	mark_dirty(gen);
}

void sl_sim_gen_cut(struct sl_sim_gen *gen)
{
	for (uint32_t i = 0; i < gen->n_choices; i++) {
		struct sl_sim_choice *c = &gen->choices[i];

		if (c->ended)
			continue;
		c->ended = c->aborted_by_stop = true;
		gen->n_open--;
	}
	sl_sim_gen_flush(gen);
}

/* ---- beginning ------------------------------------------------------- */

static void on_error_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sl_sim_gen_fail(arg, "Internal server error");
}

static void answer_refusal(struct sl_sim_conn *conn, struct sl_sim_gen *gen,
                           struct sl_sim_refusal *refusal)
{
	/* A refused request still lets go of the blocks it was to read. */
	if (gen->request.kv.do_remote_prefill)
		sl_sim_pull_release(conn->engine, &gen->request.kv);
	free_gen(gen);
	sl_sim_conn_error(conn, refusal->status, refusal->type, refusal->param,
	                  sl_sim_buf_span(&refusal->message), NULL);
}

/* An error that a fault asks for; true if it was given. */
static bool answer_fault(struct sl_sim_conn *conn, const struct sl_sim_faults *f)
{
	char retry[40] = "";

	if (f->reset) {
		sl_sim_conn_close(conn, true);
		return true;
	}
	if (f->garbage) {
		sl_sim_conn_raw(conn, SL_SPAN("\x01\x02 this is not HTTP\r\n\r\n"));
		conn->head.keep_alive = false;
		sl_sim_conn_finish(conn);
		return true;
	}
	if (!f->status)
		return false;
	if (f->retry_after_s)
		snprintf(retry, sizeof(retry), "retry-after: %u\r\n", f->retry_after_s);
	if (f->detail_errors)
		sl_sim_conn_reply(conn, (int)f->status, "application/json", *retry ? retry : NULL,
		                  SL_SPAN("{\"detail\":\"made to fail\"}"));
	else
		sl_sim_conn_error(conn, (int)f->status,
		                  f->status >= 500 ? "InternalServerError" : "BadRequestError",
		                  NULL, SL_SPAN("made to fail"), *retry ? retry : NULL);
	return true;
}

static bool is_full(struct sl_sim_engine *e)
{
	uint32_t limit = e->sim->opt.max_queued;

	return limit && e->batch.waiting.n >= limit;
}

static void make_choices(struct sl_sim_gen *gen)
{
	struct sl_sim_request *r = &gen->request;
	uint32_t n = r->api == SL_SIM_EMBEDDING ? 1 : r->n;

	r->n = n;
	gen->n_choices = gen->n_open = gen->n_unsaid = r->n_prompts * n;
	gen->choices = calloc(gen->n_choices, sizeof(*gen->choices));
	if (!gen->choices)
		abort();
	for (uint32_t i = 0; i < gen->n_choices; i++) {
		const struct sl_sim_prompt *p = &r->prompts[i / n];
		struct sl_sim_text text = sl_sim_prompt_text(p, i % n);
		uint32_t out = r->max_tokens ? r->max_tokens : sl_sim_prompt_natural_tokens(p);
		struct sl_sim_choice *c = &gen->choices[i];

		c->gen = gen;
		c->request_index = i;
		c->seq = sl_sim_seq_new(p->tokens, p->n_tokens,
		                        r->api == SL_SIM_EMBEDDING ? 0 : out, &text);
		c->seq->owner = c;
		c->seq->salt = r->salt;
		c->seq->remote = r->kv.do_remote_prefill && gen->engine->sim->opt.connector;
		c->seq->keep =
		        r->kv.do_remote_decode && gen->engine->sim->opt.connector && !r->stream;
	}
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

static void remember(struct sl_sim_conn *conn)
{
	struct sl_sim_engine *e = conn->engine;

	e->tally.requests++;
	e->last_head.len = e->last_body.len = 0;
	sl_sim_buf_add(&e->last_head, sl_sim_buf_span(&conn->raw_head));
	sl_sim_buf_add(&e->last_body, sl_sim_buf_span(&conn->body));
}

static struct sl_sim_gen *new_gen(struct sl_sim_conn *conn, enum sl_sim_api api)
{
	static const char *const prefixes[] = { "chatcmpl", "cmpl", "embd" };
	struct sl_sim_gen *gen = calloc(1, sizeof(*gen));
	struct sl_sim *sim = conn->sim;

	if (!gen)
		abort();
	gen->conn = conn;
	gen->engine = conn->engine;
	gen->started_us = sl_sim_now_us();
	evtimer_assign(&gen->timer, sim->base, on_error_timer, gen);
	if (*conn->head.request_id)
		snprintf(gen->id, sizeof(gen->id), "%s-%s", prefixes[api], conn->head.request_id);
	else
		snprintf(gen->id, sizeof(gen->id), "%s-%016llx", prefixes[api],
		         (unsigned long long)sl_rng_next(&sim->rng));
	return gen;
}

#define FAST_START                                                                                 \
	"{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion\",\"created\":"        \
	"1755400000,"                                                                              \
	"\"model\":\"sim\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","         \
	"\"content\":\""                                                                           \
	" one two six ten red sea sky sun one two six ten red sea sky sun one two six ten\","      \
	"\"refusal\":null,\"annotations\":null,\"audio\":null,\"function_call\":null,"             \
	"\"reasoning\":null},\"logprobs\":null,\"finish_reason\":\"stop\",\"stop_reason\":null,"   \
	"\"token_ids\":null}],\"service_tier\":null,\"system_fingerprint\":\"vllm-0.32.0\","       \
	"\"usage\":{\"prompt_tokens\":250,\"total_tokens\":270,\"completion_tokens\":20,"          \
	"\"prompt_tokens_details\":null},\"prompt_logprobs\":null,\"kv_transfer_params\":"

/* --fast: no model, no accounting; a prefill leg gets parameters that no fast
 * decode engine looks at. */
static void fast_answer(struct sl_sim_conn *conn)
{
	static const char plain[] = FAST_START "null}";
	static const char prefill[] = FAST_START
	        "{\"do_remote_prefill\":true,\"do_remote_decode\":false,\"remote_block_ids\":[[1]],"
	        "\"remote_engine_id\":\"fast\"}}";
	static const struct sl_span mark = { "\"do_remote_decode\":true", 23 };
	bool leg = memmem(conn->body.ptr, conn->body.len, mark.ptr, mark.len) != NULL;

	conn->engine->tally.requests++;
	sl_sim_conn_reply(conn, 200, "application/json", NULL,
	                  leg ? sl_span(prefill, sizeof(prefill) - 1)
	                      : sl_span(plain, sizeof(plain) - 1));
}

static void begin(struct sl_sim_gen *gen)
{
	struct sl_sim_engine *e = gen->engine;
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
	gen->conn->gen = gen;
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
	/* 200 before any work is done, as vLLM */
	if (gen->request.stream)
		sl_sim_conn_stream(gen->conn);
	for (uint32_t i = 0; i < gen->n_choices; i++)
		sl_sim_batch_add(&e->batch, gen->choices[i].seq, now);
	sl_sim_engine_kick(e);
}

void sl_sim_gen_start(struct sl_sim_conn *conn, enum sl_sim_api api)
{
	struct sl_sim_engine *e = conn->engine;
	struct sl_sim_served served = { e->sim->opt.models, e->sim->opt.n_models,
		                        e->sim->opt.max_model_len };
	struct sl_sim_refusal refusal = { 0 };
	struct sl_sim_faults faults;
	struct sl_sim_gen *gen;
	bool ok;

	if (e->sim->opt.fast) {
		fast_answer(conn);
		return;
	}
	remember(conn);
	faults = sl_sim_faults_next(&e->faults);
	if (answer_fault(conn, &faults))
		return;
	gen = new_gen(conn, api);
	gen->faults = faults;
	ok = sl_sim_request_read(api, sl_sim_buf_span(&conn->body), conn->head.content_json,
	                         &served, &gen->request, &refusal);
	if (!ok) {
		answer_refusal(conn, gen, &refusal);
	} else if (e->stopping) {
		free_gen(gen);
		sl_sim_conn_error(conn, 500, "InternalServerError", NULL,
		                  SL_SPAN("cannot schedule new futures after shutdown"), NULL);
	} else if (is_full(e)) {
		free_gen(gen);
		sl_sim_conn_error(conn, 503, "Service Unavailable", NULL,
		                  SL_SPAN("The engine is currently busy and cannot accept new "
		                          "requests. Please try again later or on a different "
		                          "instance."),
		                  NULL);
		e->metrics.rejected++;
	} else {
		count_kind(e, &gen->request.kv);
		if (gen->request.kv.fatal && e->sim->opt.connector) {
			free_gen(gen);
			sl_sim_conn_error(conn, 500, "InternalServerError", NULL,
			                  SL_SPAN("Internal server error"), NULL);
			sl_sim_engine_die(e);
		} else {
			begin(gen);
		}
	}
	sl_sim_refusal_fini(&refusal);
}
