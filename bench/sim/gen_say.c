/* gen_say.c: see gen_say.h. */
#include "bench/sim/gen_say.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "bench/sim/error.h"

/* A client that reads slowly holds its own stream back, not the engine: its
 * next event is then a long one. */
#define BACKLOG_MAX ((size_t)256 * 1024)

static void add_tokens(struct sl_sim_buf *b, const struct sl_sim_seq *seq, uint32_t from,
                       uint32_t to)
{
	sl_sim_buf_add(b, sl_span((const char *)&seq->tokens[seq->n_prompt + from],
	                          (size_t)(to - from) * SL_SIM_TOKEN_BYTES));
}

static const char *finish_reason(const struct sl_sim_choice *c)
{
	if (c->cut)
		return "abort";
	return c->gen->request.max_tokens ? "length" : "stop";
}

/* ---- events -------------------------------------------------------------- */

static void say_held(struct sl_sim_gen *gen)
{
	sl_sim_conn_chunk(gen->conn, sl_sim_buf_span(&gen->held));
	gen->held.len = 0;
}

/* One event, in as many HTTP chunks as the faults want. */
static void say_event(struct sl_sim_gen *gen, struct sl_span event)
{
	struct sl_sim_conn *conn = gen->conn;
	size_t half = event.len / 2;

	if (gen->faults.split_bytes) {
		for (size_t i = 0; i < event.len; i++)
			sl_sim_conn_chunk(conn, sl_span(event.ptr + i, 1));
	} else if (gen->faults.split) {
		sl_sim_conn_chunk(conn, sl_span(event.ptr, half));
		sl_sim_conn_chunk(conn, sl_span(event.ptr + half, event.len - half));
	} else if (gen->faults.coalesce) {
		bool second = gen->held.len > 0;

		sl_sim_buf_add(&gen->held, event);
		if (second)
			say_held(gen);
	} else {
		sl_sim_conn_chunk(conn, event);
	}
}

static void say_role(struct sl_sim_gen *gen)
{
	struct sl_sim_buf event = { 0 };

	if (gen->role_said || gen->request.api != SL_SIM_CHAT)
		return;
	gen->role_said = true;
	gen->answer.usage = sl_sim_gen_usage(gen);
	for (uint32_t i = 0; i < gen->n_choices; i++) {
		event.len = 0;
		sl_sim_render_role(&event, &gen->answer, i);
		say_event(gen, sl_sim_buf_span(&event));
	}
	sl_sim_buf_fini(&event);
}

/* ---- faults in mid-stream -------------------------------------------------- */

/* Of n tokens, those that are said before a fault strikes. */
static uint32_t until_fault(const struct sl_sim_gen *gen, uint32_t n)
{
	const struct sl_sim_faults *f = &gen->faults;
	const int64_t limits[] = { f->die_after_tokens, f->stall_after_tokens, f->half_event };

	for (size_t i = 0; i < SL_COUNT(limits); i++) {
		int64_t left = limits[i] - (int64_t)gen->tokens_out;

		if (limits[i] >= 0 && left < (int64_t)n)
			n = left > 0 ? (uint32_t)left : 0;
	}
	return n;
}

static bool is_due(const struct sl_sim_gen *gen, int64_t after_tokens)
{
	return after_tokens >= 0 && (int64_t)gen->tokens_out >= after_tokens;
}

static void say_half(struct sl_sim_gen *gen, const struct sl_sim_choice *c)
{
	struct sl_sim_choice_text text = { c->index, SL_SPAN(" half"), NULL };
	struct sl_sim_buf event = { 0 };

	sl_sim_render_delta(&event, &gen->answer, &text);
	sl_sim_conn_chunk(gen->conn, sl_span(event.ptr, event.len / 2));
	sl_sim_buf_fini(&event);
}

/* True if the stream came to its planned bad end, and the generation with it. */
static bool strike(struct sl_sim_gen *gen, const struct sl_sim_choice *c)
{
	struct sl_sim_conn *conn = gen->conn;
	bool stall = is_due(gen, gen->faults.stall_after_tokens);
	bool half = is_due(gen, gen->faults.half_event);

	if (!stall && !half && !is_due(gen, gen->faults.die_after_tokens))
		return false;
	say_held(gen);
	if (stall) {
		gen->silent = true;
		sl_sim_conn_flush(conn);
		return true;
	}
	if (half)
		say_half(gen, c);
	sl_sim_gen_detach(gen);
	/* What was said arrives, what was not never will. */
	sl_sim_conn_flush(conn);
	sl_sim_conn_close(conn, !half);
	return true;
}

/* ---- streams ----------------------------------------------------------------- */

static bool has_news(const struct sl_sim_choice *c)
{
	return c->seq->n_output > c->sent || (c->ended && !c->closed);
}

static bool any_news(const struct sl_sim_gen *gen)
{
	for (uint32_t i = 0; i < gen->n_choices; i++)
		if (has_news(&gen->choices[i]))
			return true;
	return false;
}

/* True if the stream is over or silent from now on. */
static bool say_choice(struct sl_sim_gen *gen, struct sl_sim_choice *c)
{
	struct sl_sim_buf event = { 0 }, text = { 0 };
	uint32_t n = until_fault(gen, c->seq->n_output - c->sent);
	bool last = c->ended && c->sent + n == c->seq->n_output;

	add_tokens(&text, c->seq, c->sent, c->sent + n);
	c->sent += n;
	c->closed = last;
	gen->n_unsaid -= last;
	gen->tokens_out += n;
	gen->engine->tally.tokens_sent += n;
	if (n || last) {
		struct sl_sim_choice_text said = { c->index, sl_sim_buf_span(&text),
			                           last ? finish_reason(c) : NULL };

		gen->answer.usage = sl_sim_gen_usage(gen);
		sl_sim_render_delta(&event, &gen->answer, &said);
		say_event(gen, sl_sim_buf_span(&event));
	}
	sl_sim_buf_fini(&event);
	sl_sim_buf_fini(&text);
	return strike(gen, c);
}

static void end_stream(struct sl_sim_gen *gen)
{
	struct sl_sim_conn *conn = gen->conn;
	struct sl_sim_buf event = { 0 };

	if (gen->request.include_usage) {
		gen->answer.usage = sl_sim_gen_usage(gen);
		sl_sim_render_usage(&event, &gen->answer);
		say_event(gen, sl_sim_buf_span(&event));
	}
	sl_sim_buf_fini(&event);
	if (!gen->faults.drop_done)
		say_event(gen, SL_SIM_DONE);
	say_held(gen);
	sl_sim_gen_detach(gen);
	sl_sim_conn_stream_end(conn);
}

static void say_stream(struct sl_sim_gen *gen)
{
	if (!any_news(gen) || sl_sim_conn_backlog(gen->conn) > BACKLOG_MAX)
		return;
	say_role(gen);
	for (uint32_t i = 0; i < gen->n_choices; i++)
		if (has_news(&gen->choices[i]) && say_choice(gen, &gen->choices[i]))
			return;
	if (gen->n_unsaid == 0)
		end_stream(gen);
	else
		sl_sim_conn_flush(gen->conn);
}

/* ---- whole answers ------------------------------------------------------------- */

static void render_choices(struct sl_sim_gen *gen, struct sl_sim_buf *body)
{
	struct sl_sim_choice_text *texts = calloc(gen->n_choices, sizeof(*texts));
	struct sl_sim_buf *words = calloc(gen->n_choices, sizeof(*words));

	if (!texts || !words)
		abort();
	for (uint32_t i = 0; i < gen->n_choices; i++) {
		const struct sl_sim_choice *c = &gen->choices[i];

		add_tokens(&words[i], c->seq, 0, c->seq->n_output);
		texts[i] = (struct sl_sim_choice_text){ i, sl_sim_buf_span(&words[i]),
			                                finish_reason(c) };
		gen->engine->tally.tokens_sent += c->seq->n_output;
	}
	sl_sim_render_answer(body, &gen->answer, texts, gen->n_choices,
	                     gen->kv_params.len ? sl_sim_buf_span(&gen->kv_params)
	                                        : SL_SPAN("null"));
	for (uint32_t i = 0; i < gen->n_choices; i++)
		sl_sim_buf_fini(&words[i]);
	free(words);
	free(texts);
}

/* The load report that a client may ask for in a header field (ORCA). */
static void render_load(struct sl_sim_gen *gen, char *out, size_t size)
{
	const struct sl_sim_engine *e = gen->engine;
	uint32_t waiting = e->batch.waiting.n + e->batch.fetching.n;
	double usage = sl_sim_kv_usage(e->kv);

	out[0] = 0;
	if (!strcasecmp(gen->conn->head.orca, "JSON"))
		snprintf(out, size,
		         "endpoint-load-metrics: JSON {\"named_metrics\": "
		         "{\"num_requests_waiting\": "
		         "%u.0, \"kv_cache_usage_perc\": %.16g%s}}\r\n",
		         waiting, usage, usage > 0 ? "" : ".0");
	else if (!strcasecmp(gen->conn->head.orca, "TEXT"))
		snprintf(out, size,
		         "endpoint-load-metrics: TEXT named_metrics.num_requests_waiting=%u.0, "
		         "named_metrics.kv_cache_usage_perc=%.16g%s\r\n",
		         waiting, usage, usage > 0 ? "" : ".0");
}

static void say_whole(struct sl_sim_gen *gen)
{
	struct sl_sim_conn *conn = gen->conn;
	struct sl_sim_buf body = { 0 };
	char load[160];

	gen->answer.usage = sl_sim_gen_usage(gen);
	if (gen->request.api == SL_SIM_EMBEDDING)
		sl_sim_render_embeddings(&body, &gen->answer, gen->request.prompts,
		                         gen->request.n_prompts);
	else
		render_choices(gen, &body);
	render_load(gen, load, sizeof(load));
	sl_sim_gen_detach(gen);
	sl_sim_conn_reply(conn, 200, "application/json", load, sl_sim_buf_span(&body));
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

/* ---- bad ends ----------------------------------------------------------------- */

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
		sl_sim_error_reply(conn, 500, "InternalServerError", NULL, sl_span_str(message),
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
