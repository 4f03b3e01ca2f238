/* h2_session.c: HTTP/2 on a session: glue between the codec and streams.
 *
 * The codec delivers on_end and on_close after the received bytes are
 * consumed, so a handler may start upstream work from them.
 *
 * A connection that has failed is not closed at once: bytes that were not read
 * would make the kernel send a reset, and that can overtake the GOAWAY which
 * says why. Its streams end at once; what still comes is thrown away for a
 * while (LINGER_US, LINGER_BYTES).
 *
 * A connection may bring a hundred requests at once, and a client has many
 * connections. Each session begins its share of SHARED_BEGINS requests in a turn
 * and reads nothing more until the rest have begun, so that others wait for a
 * few of its requests and not for all.
 *
 * A header block or a control frame that is begun and not finished holds up all
 * that the client could send after it, on every stream, so header_timeout ends
 * the whole connection: no client that means well is inside one for seconds. */
#include <stdlib.h>

#include "gateway/downstream/answer.h"
#include "gateway/downstream/session.h"

#define LINGER_US 1000000u
#define LINGER_BYTES ((size_t)256 * 1024)
#define SHARED_BEGINS 32u /* about a millisecond's work */
#define EARLY_US 2000000u /* that a request may go on behind its answer */

struct h2_stream {
	struct sl_stream stream; /* first: the handler's view */
	struct sl_session *session;
	struct sl_h2_stream *codec; /* borrowed; NULL once closed */
	struct sl_timer stall_timer;
	struct sl_pace pace; /* of what waits for the client */
	uint32_t emptied;    /* when the pace began */
	uint64_t finished_us;
	bool head_request; /* its answer has no content */
};

struct sl_h2_session {
	struct sl_h2 *codec; /* owned */
	int end_err;         /* why the session was closed */
	bool receiving;
	bool ending;      /* the codec is at its end */
	bool lingering;   /* no codec any more */
	size_t discarded; /* bytes, while lingering */
	struct sl_timer head_timer;
	uint64_t unfinished; /* what head_timer is about */
	struct sl_task begin_task;
};

static struct h2_stream *h2_of(struct sl_stream *stream)
{
	return (struct h2_stream *)stream;
}

/* ---- taking turns ---------------------------------------------------- */

static void allow(struct sl_session *s)
{
	uint32_t share = SHARED_BEGINS / (s->all->n_backlogged + 1);

	sl_h2_allow(s->h2->codec, share ? share : 1);
}

/* Puts off what has not begun, if there is anything. */
static void put_off(struct sl_session *s)
{
	struct sl_h2_session *h = s->h2;

	if (s->closed || h->lingering || h->begin_task.queued || !sl_h2_backlog(h->codec))
		return;
	s->all->n_backlogged++;
	sl_conn_pause(&s->conn);
	sl_loop_later(s->all->loop, &h->begin_task);
}

/* Ends the session's part in it. */
static void forget_backlog(struct sl_session *s)
{
	if (!s->h2->begin_task.queued)
		return;
	sl_loop_undefer(s->all->loop, &s->h2->begin_task);
	s->all->n_backlogged--;
	sl_conn_resume(&s->conn);
}

/* ---- the codec and its output ----------------------------------------- */

/* Ends all streams, and with them the codec; its last output is kept. */
static void drop_codec(struct sl_session *s, int err)
{
	struct sl_h2_session *h = s->h2;
	struct sl_outbuf *out = sl_h2_out(h->codec);

	s->conn.own_out = *out;
	s->conn.out = &s->conn.own_out;
	*out = (struct sl_outbuf){ .data = NULL };
	h->end_err = err;
	forget_backlog(s);
	h->lingering = true;
	sl_timer_disarm(s->all->loop, &h->head_timer);
	sl_h2_free(h->codec);
	h->codec = NULL;
}

static void linger(struct sl_session *s, int err)
{
	drop_codec(s, err);
	sl_timer_arm(s->all->loop, &s->idle_timer, LINGER_US);
	sl_conn_flush(&s->conn);
	if (!s->closed && !sl_conn_unsent(&s->conn))
		sl_conn_shutdown(&s->conn);
}

/* After anything that may have produced output or ended the session. */
static void settle(struct sl_session *s)
{
	struct sl_h2_session *h = s->h2;

	if (s->closed || h->receiving || h->lingering)
		return;
	if (sl_outbuf_size(s->conn.out))
		sl_session_wrote(s);
	if (sl_outbuf_size(s->conn.out) || sl_h2_alive(h->codec))
		return;
	/* not on the spot: streams must not end inside their owner's call */
	h->ending = true;
	sl_timer_arm(s->all->loop, &s->idle_timer, 0);
}

/* From here on, unless it runs already; on_head stops it. */
static void watch_idle(struct sl_session *s)
{
	if (s->closed || s->h2->lingering || sl_h2_streams(s->h2->codec) > 0 ||
	    sl_timer_armed(&s->idle_timer))
		return;
	sl_timer_arm(s->all->loop, &s->idle_timer, s->all->config->keepalive_timeout_us);
}

/* ---- the handler's verbs --------------------------------------------- */

static void h2_respond(struct sl_stream *stream, int status, const struct sl_hfield *fields,
                       uint32_t n, int64_t length)
{
	struct h2_stream *x = h2_of(stream);
	struct sl_hfield with_length[SL_MAX_HFIELDS];
	char text[20];

	if (n >= SL_MAX_HFIELDS)
		n = SL_MAX_HFIELDS - 1;
	memcpy(with_length, fields, n * sizeof(*fields));
	if (length >= 0) {
		char *end = sl_put_decimal(text, (uint64_t)length);

		with_length[n++] = (struct sl_hfield){
			.name = SL_SPAN("content-length"),
			.value = sl_span(text, (size_t)(end - text)),
		};
	}
	if (x->codec)
		sl_h2_respond(x->session->h2->codec, x->codec, status, with_length, n, false);
	settle(x->session);
}

/* Watches that what waits for the client is taken. */
static void watch_stall(struct h2_stream *x)
{
	struct sl_session *s = x->session;
	struct sl_h2_progress p = sl_h2_stream_progress(x->codec);

	if (sl_timer_armed(&x->stall_timer))
		return;
	x->emptied = p.emptied;
	sl_pace_begin(&x->pace, s->all->loop->now_us, p.taken);
	sl_timer_arm(s->all->loop, &x->stall_timer,
	             s->all->config->write_timeout_us / SL_PACE_LOOKS);
}

static size_t h2_write(struct sl_stream *stream, const char *data, size_t len)
{
	struct h2_stream *x = h2_of(stream);
	size_t pending = 0;

	if (x->codec && !x->head_request)
		pending = sl_h2_write(x->session->h2->codec, x->codec, data, len);
	stream->overdrawn = !sl_hold_set(stream->all, &stream->hold, pending);
	if (pending)
		watch_stall(x);
	settle(x->session);
	return pending;
}

static void finish_codec(struct h2_stream *x, const char *data, size_t len)
{
	struct sl_session *s = x->session;
	size_t pending = sl_h2_write_last(s->h2->codec, x->codec, data, len);

	/* What flow control still holds must not be held for ever. */
	if (pending)
		watch_stall(x);
	else /* nor may the request go on for ever */
		sl_timer_arm(s->all->loop, &x->stall_timer, EARLY_US);
	x->stream.hold.last = true;
	if (sl_hold_set(s->all, &x->stream.hold, pending))
		return;
	sl_session_limit(s, SL_LIMIT_ANSWER_MEMORY);
	sl_h2_reset(s->h2->codec, x->codec, 2 /* INTERNAL_ERROR */);
}

static void h2_finish(struct sl_stream *stream, const char *data, size_t len)
{
	struct h2_stream *x = h2_of(stream);
	struct sl_session *s = x->session;

	stream->user = NULL;
	x->finished_us = s->all->loop->now_us;
	if (x->codec)
		finish_codec(x, data, x->head_request ? 0 : len);
	settle(s);
}

static void h2_abort(struct sl_stream *stream)
{
	struct h2_stream *x = h2_of(stream);
	struct sl_session *s = x->session;

	stream->user = NULL;
	if (x->codec)
		sl_h2_reset(s->h2->codec, x->codec, 2 /* INTERNAL_ERROR */);
	settle(s);
}

static void h2_proceed(struct sl_stream *stream)
{
	/* HTTP/2 clients do not wait: flow control is enough. */
	(void)stream;
}

static const struct sl_stream_ops h2_ops = { h2_respond, h2_write, h2_finish, h2_abort,
	                                     h2_proceed };

/* The answer is out, the request is not at its end. */
static void end_early(struct h2_stream *x)
{
	struct sl_session *s = x->session;
	uint64_t waited_us = s->all->loop->now_us - x->finished_us;

	if (waited_us >= EARLY_US)
		sl_h2_reset(s->h2->codec, x->codec, 0 /* NO_ERROR */);
	else
		sl_timer_arm(s->all->loop, &x->stall_timer, EARLY_US - waited_us);
}

static void judge_stall(struct h2_stream *x, const struct sl_h2_progress *p)
{
	struct sl_session *s = x->session;
	const struct sl_config *config = s->all->config;
	uint64_t now_us = s->all->loop->now_us;
	enum sl_pace_verdict verdict;

	if (p->emptied != x->emptied) {
		watch_stall(x);
		return;
	}
	verdict = sl_pace_judge(&x->pace, now_us, p->taken, config->write_timeout_us,
	                        config->min_rate);
	if (verdict == SL_PACE_EARLY || verdict == SL_PACE_GOOD) {
		sl_timer_arm(s->all->loop, &x->stall_timer,
		             sl_pace_next_us(&x->pace, now_us, config->write_timeout_us));
		return;
	}
	sl_session_limit(s,
	                 verdict == SL_PACE_STUCK ? SL_LIMIT_WRITE_TIMEOUT : SL_LIMIT_WRITE_RATE);
	sl_h2_reset(s->h2->codec, x->codec, 8 /* CANCEL */);
}

static void on_stall(void *arg)
{
	struct h2_stream *x = arg;
	struct sl_session *s = x->session;
	struct sl_h2_progress p;

	if (!x->codec)
		return;
	p = sl_h2_stream_progress(x->codec);
	if (p.pending)
		judge_stall(x, &p);
	else if (x->finished_us)
		end_early(x);
	/* on_close is delivered by the codec's next turn */
	if (!s->closed)
		sl_session_wrote(s);
}

/* ---- the codec's events ---------------------------------------------- */

static void bind_stream(struct h2_stream *x, struct sl_session *s, struct sl_h2_stream *codec)
{
	*x = (struct h2_stream){
		.session = s,
		.codec = codec,
		.stream = { .all = s->all,
		            .ops = &h2_ops,
		            .protocol = "h2",
		            .client = sl_span(s->peer, s->peer_len),
		            .origin = s->client },
		.stall_timer = { .fn = on_stall, .arg = x },
	};
}

static void *on_head(void *ctx, struct sl_h2_stream *codec, const struct sl_head *head, bool end)
{
	struct sl_session *s = ctx;
	struct h2_stream *x;

	if (s->closed)
		return NULL;
	/* Idleness begins anew, even if the answer is out before we return. */
	sl_timer_disarm(s->all->loop, &s->idle_timer);
	sl_session_spoke(s);
	x = sl_spares_take(&s->all->spare_streams, sizeof(*x));
	bind_stream(x, s, codec);
	x->head_request = sl_span_eq(head->method, SL_SPAN("HEAD"));
	s->all->events->on_head(s->all->ctx, &x->stream, head, end);
	return x;
}

static bool on_bad_head(void *ctx, struct sl_h2_stream *codec, int err)
{
	struct sl_session *s = ctx;
	struct sl_problem problem = { .err = err };
	struct h2_stream x;

	if (s->closed)
		return false;
	bind_stream(&x, s, codec);
	sl_metric_add_at(s->all->metrics, SL_M_ERRORS, (unsigned)(-1 - err), 1);
	sl_answer_problem(&x.stream, &problem);
	sl_timer_disarm(s->all->loop, &x.stall_timer);
	sl_hold_end(s->all, &x.stream.hold);
	return true;
}

static void on_data(void *ctx, void *user, const char *data, size_t len)
{
	struct sl_session *s = ctx;
	struct h2_stream *x = user;

	if (x && x->stream.user)
		s->all->events->on_body(&x->stream, data, len);
	/* Bodies are charged to a budget by the handler, not to the window. */
	if (x && x->codec)
		sl_h2_consume(s->h2->codec, x->codec, len);
}

static void on_end(void *ctx, void *user)
{
	struct sl_session *s = ctx;
	struct h2_stream *x = user;

	if (x && x->stream.user)
		s->all->events->on_end(&x->stream);
}

static void on_stream_close(void *ctx, void *user, int err, uint32_t h2_code)
{
	struct sl_session *s = ctx;
	struct h2_stream *x = user;

	(void)h2_code;
	if (!x)
		return;
	x->codec = NULL;
	sl_timer_disarm(s->all->loop, &x->stall_timer);
	sl_hold_end(s->all, &x->stream.hold);
	if (s->closed)
		err = s->h2->end_err;
	if (x->stream.user)
		s->all->events->on_gone(&x->stream, err ? err : SL_E_CLIENT_GONE);
	sl_spares_give(&s->all->spare_streams, x);
}

static void on_drained(void *ctx, void *user, size_t pending)
{
	struct sl_session *s = ctx;
	struct h2_stream *x = user;

	if (x)
		(void)sl_hold_set(s->all, &x->stream.hold, pending);
	if (x && x->stream.user)
		s->all->events->on_drained(&x->stream, pending);
}

static const struct sl_h2_events codec_events = {
	.on_head = on_head,
	.on_bad_head = on_bad_head,
	.on_data = on_data,
	.on_end = on_end,
	.on_close = on_stream_close,
	.on_drained = on_drained,
};

/* ---- the session's calls --------------------------------------------- */

static void linger_data(struct sl_session *s, size_t len)
{
	s->h2->discarded += len;
	if (s->h2->discarded > LINGER_BYTES)
		sl_session_close(s, s->h2->end_err, true);
}

static void note_cut(struct sl_session *s)
{
	enum sl_h2_cut cut = sl_h2_cut(s->h2->codec);

	if (cut)
		sl_session_limit(s, cut == SL_H2_CUT_RESETS ? SL_LIMIT_RESETS : SL_LIMIT_GLITCHES);
}

static void on_begin(void *arg)
{
	struct sl_session *s = arg;
	struct sl_h2_session *h = s->h2;

	s->all->n_backlogged--;
	allow(s);
	h->receiving = true;
	sl_h2_pull(h->codec);
	h->receiving = false;
	if (s->closed)
		return;
	if (!sl_h2_backlog(h->codec))
		sl_conn_resume(&s->conn);
	put_off(s);
	settle(s);
	watch_idle(s);
}

static void watch_head(struct sl_session *s)
{
	struct sl_h2_session *h = s->h2;
	uint64_t unfinished = sl_h2_unfinished(h->codec);

	if (unfinished == h->unfinished)
		return;
	h->unfinished = unfinished;
	if (unfinished)
		sl_timer_arm(s->all->loop, &h->head_timer, s->all->config->header_timeout_us);
	else
		sl_timer_disarm(s->all->loop, &h->head_timer);
}

static void h2_data(struct sl_session *s, const char *data, size_t len)
{
	struct sl_h2_session *h = s->h2;
	int rc;

	if (h->lingering) {
		linger_data(s, len);
		return;
	}
	sl_h2_tick(h->codec, s->all->loop->now_us);
	allow(s);
	h->receiving = true;
	rc = sl_h2_recv(h->codec, data, len);
	h->receiving = false;
	if (s->closed)
		return;
	for (uint32_t n = sl_h2_refused_take(h->codec); n; n--)
		sl_session_limit(s, SL_LIMIT_STREAMS);
	if (rc < 0) {
		note_cut(s);
		linger(s, SL_E_BAD_HTTP);
		return;
	}
	watch_head(s);
	put_off(s);
	settle(s);
	watch_idle(s);
}

static void h2_flushed(struct sl_session *s)
{
	struct sl_h2_session *h = s->h2;

	if (h->lingering) {
		sl_conn_shutdown(&s->conn);
		return;
	}
	/* May drain streams, whose handlers write more. */
	h->receiving = true;
	sl_h2_pull(h->codec);
	h->receiving = false;
	settle(s);
	watch_idle(s);
}

static void h2_end(struct sl_session *s, int err)
{
	/* The codec is freed with the session, when no callback is on the
	 * stack; its streams learn it there. Until then nothing may write. */
	s->h2->end_err = err;
	sl_timer_disarm(s->all->loop, &s->h2->head_timer);
	forget_backlog(s);
}

static void h2_drain(struct sl_session *s, bool final)
{
	struct sl_h2_session *h = s->h2;

	if (h->lingering)
		return;
	if (final)
		sl_h2_goaway(h->codec);
	else
		sl_h2_shutdown_notice(h->codec);
	settle(s);
	if (final && !s->closed && !h->lingering && sl_h2_streams(h->codec) == 0) {
		sl_conn_flush(&s->conn);
		sl_session_close(s, SL_E_DRAINING, false);
	}
}

static bool h2_idle(const struct sl_session *s)
{
	return s->h2->lingering || sl_h2_streams(s->h2->codec) == 0;
}

static void h2_free(struct sl_session *s)
{
	sl_h2_free(s->h2->codec);
	free(s->h2);
}

static void on_idle(void *arg)
{
	struct sl_session *s = arg;

	if (s->h2->lingering) {
		sl_session_close(s, s->h2->end_err, false);
		return;
	}
	if (s->h2->ending) {
		linger(s, SL_E_CLIENT_GONE);
		return;
	}
	if (sl_h2_streams(s->h2->codec) > 0)
		return;
	sl_session_limit(s, s->h2->unfinished ? SL_LIMIT_HEADER_TIMEOUT : SL_LIMIT_KEEPALIVE);
	sl_h2_goaway(s->h2->codec);
	sl_conn_flush(&s->conn);
	sl_session_close(s, SL_E_CLIENT_TIMEOUT, false);
}

static void on_head_timeout(void *arg)
{
	struct sl_session *s = arg;

	sl_session_limit(s, SL_LIMIT_HEADER_TIMEOUT);
	sl_h2_goaway(s->h2->codec);
	linger(s, SL_E_CLIENT_TIMEOUT);
}

static const struct sl_protocol h2_protocol = {
	"h2", h2_data, h2_flushed, h2_end, h2_drain, h2_idle, h2_free,
};

void sl_h2_session_start(struct sl_session *s)
{
	const struct sl_config *config = s->all->config;
	struct sl_h2_limits limits = {
		.head = { config->header_bytes, config->header_count, 16384 },
		.max_streams = config->max_streams,
		.stream_window = 256 * 1024,
		.connection_window = 1024 * 1024,
		.glitches = config->glitch_limit,
		.resets = config->reset_limit,
	};
	struct sl_h2_session *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	h->codec = sl_h2_server_new(&limits, &codec_events, s);
	s->h2 = h;
	s->protocol = &h2_protocol;
	s->conn.out = sl_h2_out(h->codec);
	s->idle_timer.fn = on_idle;
	h->head_timer = (struct sl_timer){ .fn = on_head_timeout, .arg = s };
	h->begin_task = (struct sl_task){ .fn = on_begin, .arg = s };
	sl_h2_pull(h->codec); /* SETTINGS */
	settle(s);
	sl_timer_arm(s->all->loop, &s->idle_timer, config->header_timeout_us);
	watch_head(s);
}
