/* relay.c: what engines answer: held back, passed on, or broken off. */
#include <cjson/cJSON.h>

#include "gateway/exchange/exchange.h"

/* An engine's own refusal is small; a hand-off with many block ids is not. */
#define HANDOFF_MAX (8u * 1024u * 1024u)
/* An unfinished event longer than this is passed on as it comes. */
#define TAIL_MAX (64u * 1024u)
/* So much may be kept of an answer without being charged. */
#define KEPT_FREE ((size_t)16 * 1024)

/* ---- holding the head ------------------------------------------------ */

static struct sl_span hold_text(char **at, struct sl_span text)
{
	char *start = *at;

	if (text.len)
		memcpy(start, text.ptr, text.len);
	*at += text.len;
	return sl_span(start, text.len);
}

static void hold_field(struct sl_exchange *x, char **at, struct sl_span name, struct sl_span value)
{
	struct sl_hfield *f = &x->held_field[x->n_held_fields++];

	f->name = sl_span(*at, name.len);
	*at = sl_put_lower(*at, name);
	f->value = hold_text(at, value);
	f->cls = SL_FC_PLAIN;
}

static bool is_passed_on(const struct sl_hfield *f)
{
	return f->cls != SL_FC_HOP && f->cls != SL_FC_FRAMING && f->cls != SL_FC_PRIVATE &&
	       f->cls != SL_FC_REQUEST_ID && f->cls != SL_FC_HOPS;
}

static void hold_head(struct sl_exchange *x, const struct sl_head *head)
{
	static const struct sl_span id_name = { "x-request-id", 12 };
	struct sl_span id = sl_exchange_request_id(x);
	uint32_t most = head->n_fields < SL_HELD_FIELDS ? head->n_fields + 1 : SL_HELD_FIELDS;
	size_t room = most * sizeof(*x->held_field) + id_name.len + id.len;
	char *at;

	x->status = head->status;
	x->answer_length = head->content_length;
	x->event_stream = head->event_stream && head->status == 200;
	x->until_close = head->until_close;
	x->n_held_fields = 0;
	for (uint32_t i = 0; i < head->n_fields; i++)
		room += head->fields[i].name.len + head->fields[i].value.len;
	at = sl_outbuf_reserve(&x->held_head, room);
	x->held_field = (struct sl_hfield *)(void *)at;
	at += most * sizeof(*x->held_field);
	for (uint32_t i = 0; i < head->n_fields && x->n_held_fields < most - 1; i++)
		if (is_passed_on(&head->fields[i]))
			hold_field(x, &at, head->fields[i].name, head->fields[i].value);
	hold_field(x, &at, id_name, id);
}

/* ---- release --------------------------------------------------------- */

static void first_event(struct sl_exchange *x)
{
	uint64_t now = sl_exchange_now(x);

	x->first_us = now;
	if (!x->passing)
		sl_witness_ok(x);
	if (x->end_of_body_us)
		sl_metric_observe(x->worker->metrics, SL_M_TTFT,
		                  (double)(now - x->end_of_body_us) / 1e6);
	if (!x->event_stream || !x->ticket.live)
		return;
	sl_domain_lock(x->domain);
	sl_router_first_token(x->domain->router, &x->ticket, now);
	sl_domain_unlock(x->domain);
}

/* What may wait for the client before its engine is stopped. */
static size_t patience_bytes(const struct sl_exchange *x)
{
	return sl_hold_pressed(&x->worker->sessions) ? 0 : x->worker->fleet->config->stream_buffer;
}

static void watch_pressure(struct sl_exchange *x, size_t pending)
{
	if (!x->call || pending <= patience_bytes(x))
		return;
	x->paused = true;
	sl_call_pause(x->call);
}

void sl_relay_drained(struct sl_stream *s, size_t pending)
{
	struct sl_exchange *x = s->user;

	if (!x->paused || !x->call || pending > patience_bytes(x) / 2)
		return;
	x->paused = false;
	x->quiet_since_us = sl_exchange_now(x);
	sl_call_resume(x->call,
	               sl_hold_pressed(&x->worker->sessions) ? SL_HOLD_STEP : SL_CALL_STEP);
}

/* The answer may be given up here: x is then done. */
static void pass(struct sl_exchange *x, const char *data, size_t len)
{
	size_t pending;

	if (!len || x->state != SL_X_RELAY)
		return;
	x->sent_bytes += (int64_t)len;
	pending = sl_stream_write(x->stream, data, len);
	if (x->stream->overdrawn)
		sl_exchange_broken(x, SL_E_ANSWER_MEMORY);
	else
		watch_pressure(x, pending);
}

/* From here on the client has its status and nothing can be tried again.
 * complete: the held bytes are the whole answer. */
static void release(struct sl_exchange *x, bool complete)
{
	int64_t length = x->answer_length;

	if (complete && length < 0)
		length = (int64_t)sl_outbuf_size(&x->held);
	if (x->event_stream)
		length = -1;
	x->handoff_open = false;
	sl_exchange_set_state(x, SL_X_RELAY);
	if (!complete)
		sl_exchange_arm(x, x->event_stream ? x->idle_limit_us : x->answer_limit_us);
	sl_stream_respond(x->stream, x->status, x->held_field, x->n_held_fields, length);
}

static size_t kept_bytes(const struct sl_exchange *x)
{
	return sl_outbuf_size(&x->held) + sl_outbuf_size(&x->handoff);
}

/* Passes on the first n held bytes. */
static void pass_held(struct sl_exchange *x, size_t n)
{
	if (!n)
		return;
	pass(x, x->held.data + x->held.off, n);
	sl_outbuf_drain(&x->held, n);
	if (x->kept.granted)
		(void)sl_hold_set(&x->worker->sessions, &x->kept, kept_bytes(x));
}

/* Keeps what an engine says before it can be passed on. How much that is, the
 * engine decides: it is charged like what waits for clients. False if the
 * answer was given up: x is done. */
static bool keep(struct sl_exchange *x, struct sl_outbuf *where, const char *data, size_t len)
{
	sl_outbuf_add(where, data, len);
	if (kept_bytes(x) <= KEPT_FREE ||
	    sl_hold_set(&x->worker->sessions, &x->kept, kept_bytes(x)))
		return true;
	sl_exchange_fail(x, SL_E_ANSWER_MEMORY, NULL, NULL);
	return false;
}

/* ---- the prefill leg's answer ---------------------------------------- */

static void leg_failed(struct sl_exchange *x, int err, bool sent)
{
	if (!sl_plan_retry(x, err, sent))
		sl_exchange_fail(x, err, NULL, NULL);
}

static void prefill_answered(struct sl_exchange *x)
{
	const char *json = x->handoff.data;
	size_t len = x->handoff.len;
	struct sl_span params = sl_json_member(json, len, SL_SPAN("kv_transfer_params"));
	int rc;

	sl_usage_read(json, len, &x->prefill_usage);
	sl_witness_life(x);
	x->prefilled_us = sl_exchange_now(x);
	if (params.len < 2 || params.ptr[0] != '{') {
		sl_metric_add(x->worker->metrics, SL_M_HANDOFFS_NULL, 1);
		leg_failed(x, SL_E_UPSTREAM_HANDOFF, true);
		return;
	}
	x->kv_params = params;
	x->handoff_open = true;
	sl_domain_lock(x->domain);
	sl_router_prefilled(x->domain->router, &x->ticket, x->prefilled_us);
	sl_domain_unlock(x->domain);
	rc = sl_leg_start(x, SL_LEG_DECODE);
	if (rc < 0)
		leg_failed(x, rc, false);
}

/* ---- refusals -------------------------------------------------------- */

/* The engine's word about load: 429 and 503 are worth one other engine. Other
 * 4xx would be said by any engine; 5xx is this engine's own trouble. */
static bool is_worth_another(struct sl_exchange *x)
{
	if (x->status == 429 || x->status == 503) {
		if (x->busy_tried)
			return false;
		x->busy_tried = true;
		return true;
	}
	return x->status >= 500;
}

static void pass_refusal(struct sl_exchange *x)
{
	/* A refusing decode engine has let go of the blocks; a refusing prefill
	 * engine has none. */
	x->passing = true;
	release(x, true);
	sl_exchange_done(x, sl_outbuf_size(&x->held));
}

/* Not the word about load, and not what no engine does. */
static bool is_ill(const struct sl_exchange *x)
{
	return x->status >= 500 && x->status != 501 && x->status != 503;
}

static void refused(struct sl_exchange *x)
{
	if (is_ill(x))
		sl_witness_accuse(x);
	/* A retry that finds no other engine leaves what is held in place. */
	if (!is_worth_another(x) || !sl_plan_retry(x, SL_E_UPSTREAM_STATUS, true))
		pass_refusal(x);
}

/* ---- the call's events ----------------------------------------------- */

static void on_head(void *user, const struct sl_head *head)
{
	struct sl_exchange *x = user;

	x->quiet_since_us = sl_exchange_now(x);
	hold_head(x, head);
}

static bool is_refusal(const struct sl_exchange *x)
{
	return x->status >= 400;
}

/* Nobody is left to ask: the error is the answer, as far as it has come. */
static void pass_error_event(struct sl_exchange *x, size_t complete)
{
	x->passing = true;
	release(x, true);
	sl_exchange_done(x, complete);
}

/* A stream whose first event is an error has failed before it began. */
static void begin_stream(struct sl_exchange *x, size_t complete)
{
	if (x->sse.first_is_error) {
		sl_witness_accuse(x);
		if (!sl_plan_retry(x, SL_E_UPSTREAM_STATUS, true))
			pass_error_event(x, complete);
		return;
	}
	release(x, false);
	first_event(x);
	pass_held(x, complete);
}

static void hold_stream(struct sl_exchange *x, const char *data, size_t len)
{
	size_t before = sl_outbuf_size(&x->held);
	size_t complete = sl_sse_feed(&x->sse, data, len);

	if (!keep(x, &x->held, data, len))
		return;
	if (x->sse.events > 0)
		begin_stream(x, complete ? before + complete : 0);
	else if (sl_outbuf_size(&x->held) > x->worker->fleet->config->stream_buffer)
		begin_stream(x, sl_outbuf_size(&x->held)); /* an endless first event */
}

/* Only whole events leave, so that a break never leaves half of one behind. */
static void relay_stream(struct sl_exchange *x, const char *data, size_t len)
{
	size_t complete = sl_sse_feed(&x->sse, data, len);

	if (x->raw) {
		pass(x, data, len);
		return;
	}
	if (complete) {
		pass_held(x, sl_outbuf_size(&x->held));
		pass(x, data, complete);
	}
	if (x->state != SL_X_RELAY ||
	    (complete < len && !keep(x, &x->held, data + complete, len - complete)))
		return;
	if (sl_outbuf_size(&x->held) > TAIL_MAX) {
		x->raw = true;
		pass_held(x, sl_outbuf_size(&x->held));
	}
}

static void on_body(void *user, const char *data, size_t len)
{
	struct sl_exchange *x = user;

	x->quiet_since_us = sl_exchange_now(x);
	if (x->state == SL_X_RELAY) {
		sl_witness_life(x);
		if (x->event_stream)
			relay_stream(x, data, len);
		else
			pass(x, data, len);
		return;
	}
	if (x->leg == SL_LEG_PREFILL && !is_refusal(x)) {
		if (x->handoff.len + len > HANDOFF_MAX)
			leg_failed(x, SL_E_UPSTREAM_PROTOCOL, true);
		else
			(void)!keep(x, &x->handoff, data, len);
		return;
	}
	if (x->event_stream) {
		hold_stream(x, data, len);
		return;
	}
	if (!keep(x, &x->held, data, len))
		return;
	if (sl_outbuf_size(&x->held) > x->worker->fleet->config->stream_buffer) {
		x->passing = is_refusal(x);
		release(x, false);
		first_event(x);
		pass_held(x, sl_outbuf_size(&x->held));
	}
}

static bool is_whole_json(struct sl_span text)
{
	cJSON *value = cJSON_ParseWithLength(text.ptr, text.len);
	bool whole = value != NULL;

	cJSON_Delete(value);
	return whole;
}

/* An answer that only the end of its connection ends looks the same when its
 * engine died: then its content must say that it is whole. */
static bool is_cut(const struct sl_exchange *x)
{
	struct sl_span held = sl_outbuf_span(&x->held);

	if (!x->until_close)
		return false;
	if (x->event_stream)
		return sl_sse_partial(&x->sse) ||
		       (!x->sse.done && !x->sse.error &&
		        (x->api == SL_API_CHAT || x->api == SL_API_COMPLETIONS));
	return x->state != SL_X_RELAY && held.len && *held.ptr == '{' && !is_whole_json(held);
}

static void answer_complete(struct sl_exchange *x)
{
	struct sl_span held = sl_outbuf_span(&x->held);

	sl_usage_read(held.ptr, held.len, &x->usage);
	release(x, true);
	first_event(x);
	sl_exchange_done(x, sl_outbuf_size(&x->held));
}

static void on_fail(void *user, int err, bool started, bool sent)
{
	struct sl_exchange *x = user;

	(void)started;
	x->call = NULL;
	if (x->state == SL_X_RELAY)
		sl_exchange_broken(x, err);
	else
		leg_failed(x, err, sent);
}

static void on_end(void *user)
{
	struct sl_exchange *x = user;

	if (is_cut(x)) {
		sl_witness_failed(x);
		on_fail(x, SL_E_UPSTREAM_TRUNCATED, true, true);
		return;
	}
	x->call = NULL;
	if (x->state == SL_X_RELAY) {
		if (x->event_stream)
			x->usage = x->sse.usage;
		sl_exchange_done(x, sl_outbuf_size(&x->held));
	} else if (is_refusal(x)) {
		refused(x);
	} else if (x->leg == SL_LEG_PREFILL) {
		prefill_answered(x);
	} else if (x->event_stream) {
		/* 200 and then nothing: it has failed politely. */
		sl_witness_failed(x);
		leg_failed(x, SL_E_UPSTREAM_TRUNCATED, true);
	} else {
		answer_complete(x);
	}
}

const struct sl_call_events sl_relay_call_events = { on_head, on_body, on_end, on_fail };
