/* exchange.c: states and ends. See exchange.h. */
#include "gateway/exchange/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/downstream/answer.h"

/* Ended exchanges are kept for the next requests, so that the data path does
 * not allocate: at most this much memory of them per worker. Fresh memory is
 * dear: at 64 KB bodies, page faults and munmap were half of the gateway's CPU. */
#define SPARE_BYTES (8u * 1024u * 1024u)
#define SPARE_FEW_BYTES (256u * 1024u) /* not worth freeing */
#define TIDY_US 1000000u

/* ---- states ---------------------------------------------------------- */

#define TO(state) (1u << (state))

static const unsigned allowed[] = {
	[SL_X_BODY] = TO(SL_X_WAITING) | TO(SL_X_PREFILL) | TO(SL_X_DECODE) | TO(SL_X_DONE),
	[SL_X_WAITING] = TO(SL_X_PREFILL) | TO(SL_X_DECODE) | TO(SL_X_DONE),
	[SL_X_PREFILL] = TO(SL_X_PREFILL) | TO(SL_X_DECODE) | TO(SL_X_WAITING) | TO(SL_X_RELAY) |
	                 TO(SL_X_DONE),
	[SL_X_DECODE] = TO(SL_X_PREFILL) | TO(SL_X_DECODE) | TO(SL_X_WAITING) | TO(SL_X_RELAY) |
	                TO(SL_X_DONE),
	[SL_X_RELAY] = TO(SL_X_DONE),
	[SL_X_DONE] = 0,
};

void sl_exchange_set_state(struct sl_exchange *x, enum sl_xstate to)
{
	assert(allowed[x->state] & TO(to));
	x->state = to;
}

void sl_exchange_arm(struct sl_exchange *x, uint64_t after_us)
{
	x->quiet_since_us = sl_exchange_now(x);
	/* One that fires too early finds out, and is armed again. */
	if (!sl_timer_armed(&x->timer) || x->timer.deadline_us > x->quiet_since_us + after_us)
		sl_timer_arm(&x->worker->loop, &x->timer, after_us);
}

/* ---- life ------------------------------------------------------------ */

static void empty(struct sl_outbuf *b)
{
	b->off = b->len = 0;
}

static void reset_exchange(struct sl_exchange *x)
{
	memset(&x->worker, 0, sizeof(*x) - offsetof(struct sl_exchange, worker));
	x->ticket.live = false;
	empty(&x->lines);
	empty(&x->target);
	empty(&x->sent_body);
	empty(&x->more_lines);
	empty(&x->sent_path);
	empty(&x->handoff);
	empty(&x->held);
}

static size_t memory_of(const struct sl_exchange *x)
{
	return sizeof(*x) + x->body_cap + x->sent_body.cap + x->handoff.cap + x->held.cap +
	       x->lines.cap + x->target.cap + x->more_lines.cap + x->sent_path.cap +
	       x->held_head.cap + x->names.cap;
}

static struct sl_exchange *take_spare(struct sl_worker *w)
{
	struct sl_exchange *x = w->spare;

	if (x) {
		w->spare = x->next;
		w->spare_bytes -= memory_of(x);
		if (w->spare_bytes < w->spare_least)
			w->spare_least = w->spare_bytes;
		return x;
	}
	x = calloc(1, sizeof(*x));
	if (!x)
		abort();
	x->scan = sl_scan_new();
	return x;
}

struct sl_exchange *sl_exchange_new(struct sl_worker *w, struct sl_stream *s)
{
	struct sl_exchange *x = take_spare(w);

	reset_exchange(x);
	x->worker = w;
	x->stream = s;
	x->client = s->client;
	x->protocol = s->protocol;
	x->head_us = w->loop.now_us;
	sl_usage_init(&x->usage);
	sl_usage_init(&x->prefill_usage);
	sl_sse_init(&x->sse);
	x->next = w->live;
	if (w->live)
		w->live->prev = x;
	w->live = x;
	s->user = x;
	atomic_fetch_add_explicit(&w->n_live, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&w->budget->live, 1, memory_order_relaxed);
	sl_metric_add(w->metrics, SL_M_REQUESTS_LIVE, 1);
	return x;
}

static void destroy(struct sl_exchange *x)
{
	sl_scan_free(x->scan);
	free(x->body);
	sl_outbuf_fini(&x->lines);
	sl_outbuf_fini(&x->target);
	sl_outbuf_fini(&x->sent_body);
	sl_outbuf_fini(&x->more_lines);
	sl_outbuf_fini(&x->sent_path);
	sl_outbuf_fini(&x->handoff);
	sl_outbuf_fini(&x->held_head);
	sl_outbuf_fini(&x->names);
	sl_outbuf_fini(&x->held);
	free(x);
}

static void destroy_spares(struct sl_worker *w, size_t down_to)
{
	while (w->spare_bytes > down_to) {
		struct sl_exchange *x = w->spare;

		w->spare = x->next;
		w->spare_bytes -= memory_of(x);
		destroy(x);
	}
}

/* What a storm left behind goes, half of it each second: kept here and there
 * among what is in use, it would keep the pages between them, too. */
static void on_tidy(void *arg)
{
	struct sl_worker *w = arg;

	if (w->spare_least > SPARE_FEW_BYTES)
		destroy_spares(w, w->spare_bytes - w->spare_least / 2);
	w->spare_least = w->spare_bytes;
	sl_spares_tidy(&w->sessions.spare_streams);
	sl_upstreams_tidy(w->upstreams);
	if (w->spare_bytes > SPARE_FEW_BYTES)
		sl_timer_arm(&w->loop, &w->tidy_timer, TIDY_US);
}

static void bury(void *arg)
{
	struct sl_exchange *x = arg;
	struct sl_worker *w = x->worker;
	size_t kept = memory_of(x);

	if (w->spare_bytes + kept > SPARE_BYTES) {
		destroy(x);
		return;
	}
	x->next = w->spare;
	w->spare = x;
	w->spare_bytes += kept;
	if (w->spare_bytes <= SPARE_FEW_BYTES || sl_timer_armed(&w->tidy_timer))
		return;
	w->tidy_timer.fn = on_tidy;
	w->tidy_timer.arg = w;
	sl_timer_arm(&w->loop, &w->tidy_timer, TIDY_US);
}

void sl_worker_trim(struct sl_worker *w)
{
	sl_timer_disarm(&w->loop, &w->tidy_timer);
	destroy_spares(w, 0);
	free(w->queues);
	w->queues = NULL;
	w->n_queues = 0;
}

static void unlink_live(struct sl_exchange *x)
{
	struct sl_worker *w = x->worker;

	if (x->prev)
		x->prev->next = x->next;
	else
		w->live = x->next;
	if (x->next)
		x->next->prev = x->prev;
	x->next = x->prev = NULL;
	atomic_fetch_sub_explicit(&w->n_live, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&w->budget->live, 1, memory_order_relaxed);
	sl_metric_add(w->metrics, SL_M_REQUESTS_LIVE, -1);
}

void sl_exchange_forget_endpoints(struct sl_exchange *x)
{
	sl_endpoint_unref(x->prefill_ep);
	sl_endpoint_unref(x->decode_ep);
	sl_fleet_unref(x->fleet);
	x->prefill_ep = x->decode_ep = NULL;
	x->fleet = NULL;
}

void sl_exchange_drop_leg(struct sl_exchange *x, unsigned blame)
{
	if (x->call)
		sl_call_cancel(x->call);
	x->call = NULL;
	x->paused = false;
	if (x->ticket.live) {
		sl_domain_lock(x->domain);
		sl_router_cancel(x->domain->router, &x->ticket, &x->facts, blame,
		                 sl_exchange_now(x));
		sl_domain_unlock(x->domain);
	}
}

static void count_end(struct sl_exchange *x, uint64_t now)
{
	struct sl_metrics *m = x->worker->metrics;
	unsigned class = x->status >= 500 ? 2 : x->status >= 400 ? 1 : 0;

	sl_metric_add_at(m, SL_M_REQUESTS, class, 1); /* 2xx 4xx 5xx */
	sl_metric_observe(m, SL_M_DURATION, (double)(now - x->head_us) / 1e6);
	if (x->usage.prompt_tokens > 0)
		sl_metric_add(m, SL_M_PROMPT_TOKENS, x->usage.prompt_tokens);
	if (x->usage.completion_tokens > 0)
		sl_metric_add(m, SL_M_COMPLETION_TOKENS, x->usage.completion_tokens);
	if (x->usage.cached_tokens > 0)
		sl_metric_add(m, SL_M_CACHED_TOKENS, x->usage.cached_tokens);
}

static double ms_between(uint64_t from_us, uint64_t to_us)
{
	return from_us && to_us >= from_us ? (double)(to_us - from_us) / 1000.0 : -1;
}

/* The time of day `ago_us` ago. */
static uint64_t wall_clock(uint64_t ago_us)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (uint64_t)wall.tv_sec * 1000000u + (uint64_t)wall.tv_nsec / 1000u - ago_us;
}

static void log_end(struct sl_exchange *x, const char *end, int err, uint64_t now)
{
	char why[400];
	struct sl_access a = {
		.wall_us = wall_clock(now - x->head_us),
		.request_id = sl_exchange_request_id(x),
		.client = x->client,
		.protocol = x->protocol,
		.method = sl_exchange_method(x),
		.path = sl_exchange_path(x),
		.model = sl_exchange_model(x),
		.status = x->status,
		.err = err,
		.end = end,
		.attempts = x->attempts,
		.ttft_ms = ms_between(x->end_of_body_us, x->first_us),
		.duration_ms = ms_between(x->head_us, now),
		.prefill_ms = ms_between(x->end_of_body_us, x->prefilled_us),
		.predicted_ttft_ms = x->attempts ? x->decision.predicted_ttft_ms : -1,
		.waited_ms = x->waited_us ? (double)x->waited_us / 1000.0 : -1,
		.body_bytes = (int64_t)x->body_len,
		.sent_bytes = x->sent_bytes,
		.prompt_tokens = x->usage.prompt_tokens,
		.completion_tokens = x->usage.completion_tokens,
		.cached_tokens = x->usage.cached_tokens,
		.predicted_cached_tokens = x->attempts ? x->decision.chosen.hit_tokens : -1,
		.stream = x->streams,
		.blocks = x->facts.blocks,
		.n_blocks = x->facts.n_blocks,
		.prompt_bytes = x->facts.prompt_bytes,
	};

	if (x->attempts) {
		a.placement = sl_placement_name(x->decision.chosen.placement);
		a.prefill = x->prefill_name;
		a.decode = x->decode_name;
		sl_explain(x, why, sizeof(why));
		a.why = why;
	}
	sl_access_log_add(x->worker->access, &a);
	sl_loop_defer(&x->worker->loop, &x->worker->access_task);
}

/* Everything that every end has in common. The stream is not ours any more. */
static void end(struct sl_exchange *x, const char *how, int err)
{
	struct sl_worker *w = x->worker;
	uint64_t now = sl_exchange_now(x);
	/* On an engine, or in the queue. A request that found no place did not. */
	bool made_room = x->attempts || x->state == SL_X_WAITING;

	if (x->state == SL_X_WAITING)
		sl_queue_leave(x);
	sl_queue_settle(x, true); /* what broke off, or was left, was worked on */
	sl_exchange_set_state(x, SL_X_DONE);
	sl_timer_disarm(&w->loop, &x->timer);
	if (!x->is_probe)
		count_end(x, now);
	if (sl_access_log_on(w->access) && !x->is_probe)
		log_end(x, how, err, now);
	if (x->charged_bytes) {
		atomic_fetch_sub_explicit(&w->budget->request_bytes, x->charged_bytes,
		                          memory_order_relaxed);
		sl_metric_add(w->metrics, SL_M_REQUEST_BYTES_HELD, -x->charged_bytes);
	}
	if (x->origin)
		sl_clients_finish(w->sessions.clients, x->origin);
	sl_hold_end(&w->sessions, &x->kept);
	if (x->retrying)
		atomic_fetch_sub_explicit(&w->budget->retries, 1, memory_order_relaxed);
	sl_exchange_forget_endpoints(x);
	sl_witness_forget(x);
	sl_sse_fini(&x->sse);
	x->stream = NULL;
	unlink_live(x);
	x->grave.fn = bury;
	x->grave.arg = x;
	sl_loop_bury(&w->loop, &x->grave);
	if (made_room)
		sl_queue_freed(w, x->domain);
}

/* What its tenant has had of the engines. */
static uint64_t served_tokens(const struct sl_exchange *x, const struct sl_outcome *o)
{
	int64_t cached = o->cached_tokens > 0 ? o->cached_tokens : 0;
	int64_t output = o->completion_tokens > 0 ? o->completion_tokens : 0;

	if (o->prompt_tokens < 0 || (o->completion_tokens < 0 && !x->query.no_decode))
		return x->claim.tokens;
	if (o->cached_tokens < 0)
		cached = (int64_t)x->decision.chosen.hit_tokens;
	if (cached > o->prompt_tokens)
		cached = o->prompt_tokens;
	return (uint64_t)(o->prompt_tokens - cached) + SL_FAIR_OUTPUT_WEIGHT * (uint64_t)output;
}

static void learn(struct sl_exchange *x)
{
	struct sl_outcome outcome = {
		.prompt_tokens = x->usage.prompt_tokens,
		.cached_tokens = x->usage.cached_tokens,
		.completion_tokens = x->usage.completion_tokens,
	};
	uint64_t now = sl_exchange_now(x);

	/* A pulled prompt is no cache hit of the decode engine: the true figure
	 * is in the prefill engine's answer. */
	if (x->decision.chosen.placement == SL_PLACE_REMOTE) {
		outcome.cached_tokens = x->prefill_usage.cached_tokens;
		x->usage.cached_tokens = x->prefill_usage.cached_tokens;
	}
	if (!x->ticket.live)
		return;
	sl_domain_lock(x->domain);
	if (x->ticket.first_us == 0)
		sl_router_first_token(x->domain->router, &x->ticket,
		                      x->first_us ? x->first_us : now);
	sl_router_finish(x->domain->router, &x->ticket, &outcome, now);
	sl_fair_settle(x->domain->fair, &x->claim, served_tokens(x, &outcome));
	sl_domain_unlock(x->domain);
}

void sl_exchange_done(struct sl_exchange *x, size_t n_held)
{
	struct sl_stream *s = x->stream;

	if (x->passing) { /* an engine's refusal: nothing was computed */
		sl_exchange_drop_leg(x, SL_BLAME_PREFILL | SL_BLAME_DECODE);
		sl_queue_settle(x, false);
	} else {
		learn(x);
	}
	x->sent_bytes += (int64_t)n_held;
	sl_stream_finish(s, sl_outbuf_span(&x->held).ptr, n_held);
	end(x, x->passing ? "engine_error" : "done", 0);
}

void sl_exchange_answered(struct sl_exchange *x)
{
	end(x, "done", 0);
}

void sl_exchange_fail(struct sl_exchange *x, int err, const char *message, const char *param)
{
	struct sl_problem problem = { .err = err,
		                      .message = message,
		                      .param = param,
		                      .allow = sl_intake_allowed(x),
		                      .request_id = sl_exchange_request_id(x) };
	struct sl_stream *s = x->stream;

	if (x->state == SL_X_RELAY) {
		sl_exchange_broken(x, err);
		return;
	}
	if (x->handoff_open)
		sl_release_handoff(x);
	sl_exchange_drop_leg(x, SL_BLAME_NONE);
	sl_queue_settle(x, false);
	x->status = sl_err_info(err)->status;
	sl_metric_add_at(x->worker->metrics, SL_M_ERRORS, (unsigned)(-1 - err), 1);
	sl_answer_problem(s, &problem);
	end(x, "refused", err);
}

void sl_exchange_broken(struct sl_exchange *x, int err)
{
	struct sl_stream *s = x->stream;
	struct sl_problem problem = { .err = err };
	char event[4200] = "data: ";
	size_t len = 6;

	if (err == SL_E_ANSWER_MEMORY)
		sl_limit_hit(x->worker->metrics, SL_LIMIT_ANSWER_MEMORY, x->client,
		             sl_exchange_now(x));
	sl_exchange_drop_leg(x, SL_BLAME_DECODE);
	sl_metric_add_at(x->worker->metrics, SL_M_STREAM_BREAKS, (unsigned)(-1 - err), 1);
	/* A client that reads events is told in its own terms; anything else
	 * must not look complete. Never a [DONE] that no engine said. */
	if (x->event_stream && !x->raw && !x->passing && err != SL_E_CLIENT_GONE &&
	    err != SL_E_ANSWER_MEMORY) {
		len += sl_problem_body(&problem, event + len, sizeof(event) - len - 2);
		event[len++] = '\n';
		event[len++] = '\n';
		sl_stream_finish(s, event, len);
	} else {
		sl_stream_abort(s);
	}
	end(x, "broken", err);
}

static void on_gone(struct sl_stream *s, int err)
{
	struct sl_exchange *x = s->user;

	s->user = NULL;
	if (x->handoff_open)
		sl_release_handoff(x);
	sl_exchange_drop_leg(x, SL_BLAME_NONE);
	sl_metric_add(x->worker->metrics, SL_M_CLIENT_ABORTS, 1);
	if (x->status == 0)
		x->status = sl_err_info(SL_E_CLIENT_GONE)->status;
	end(x, "client_gone", err);
}

const struct sl_stream_events sl_exchange_stream_events = {
	.on_head = sl_intake_head,
	.on_body = sl_intake_body,
	.on_end = sl_intake_end,
	.on_gone = on_gone,
	.on_drained = sl_relay_drained,
};
