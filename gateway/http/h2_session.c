/* h2_session.c: a session, its streams and the order of events.
 *
 * nghttp2 must not be entered again from its own callbacks. So what it reports
 * while it parses is noted at the stream, and delivered when it has returned;
 * what the caller submits meanwhile is only queued, and serialised then. Only
 * heads and data are handed over on the spot, because they are borrowed from
 * nghttp2's buffers.
 *
 * A stream's memory outlives nghttp2's idea of it until on_close has returned;
 * in between every call on it does nothing. */
#include <assert.h>
#include <stdlib.h>

#include "gateway/http/h2_session.h"

#define MAX_HEAD_OUT ((size_t)256 * 1024)
#define EARLY_BYTES ((size_t)64 * 1024) /* of a body whose answer is out */
#define MAX_QUEUED_FRAMES 4000u         /* that the peer does not read */

/* ---- streams ---- */

struct sl_h2_stream *h2_stream_add(struct sl_h2 *h2)
{
	struct sl_h2_stream *s = sl_spares_take(&h2->spares, sizeof(*s));

	*s = (struct sl_h2_stream){ .h2 = h2, .next = h2->streams };
	if (s->next)
		s->next->prev = s;
	h2->streams = s;
	h2->n_streams++;
	return s;
}

void h2_stream_release(struct sl_h2_stream *s)
{
	struct sl_h2 *h2 = s->h2;

	sl_outbuf_fini(&s->pending);
	if (s->next)
		s->next->prev = s->prev;
	if (s->prev)
		s->prev->next = s->next;
	else
		h2->streams = s->next;
	sl_spares_give(&h2->spares, s);
}

static struct sl_h2_stream *find(nghttp2_session *ng, int32_t id)
{
	return nghttp2_session_get_stream_user_data(ng, id);
}

void *sl_h2_stream_user(const struct sl_h2_stream *s)
{
	return s->user;
}

void sl_h2_stream_set_user(struct sl_h2_stream *s, void *user)
{
	s->user = user;
}

uint32_t sl_h2_stream_id(const struct sl_h2_stream *s)
{
	return (uint32_t)s->id;
}

/* ---- events ---- */

void h2_queue_event(struct sl_h2_stream *s, enum h2_event event)
{
	struct sl_h2 *h2 = s->h2;
	bool queued = s->events & H2_EV_QUEUED;

	s->events |= (uint8_t)(event | H2_EV_QUEUED);
	if (queued)
		return;
	s->next_event = NULL;
	if (h2->events)
		h2->events_tail->next_event = s;
	else
		h2->events = s;
	h2->events_tail = s;
}

static int close_error(const struct sl_h2_stream *s)
{
	if (s->h2->server)
		return s->closed && s->sent_end && s->code == H2_NO_ERROR ? 0 : SL_E_CLIENT_GONE;
	if (s->closed && s->recv_end && s->code == H2_NO_ERROR)
		return 0;
	return s->violated ? SL_E_UPSTREAM_PROTOCOL : SL_E_UPSTREAM_RESET;
}

static void tell_close(struct sl_h2_stream *s)
{
	if (!s->announced)
		return;
	s->h2->n_live--;
	s->h2->ev->on_close(s->h2->ctx, s->user, close_error(s), s->code);
}

static void deliver_one(struct sl_h2_stream *s)
{
	struct sl_h2 *h2 = s->h2;
	uint8_t events = s->events;

	s->events = 0;
	/* work for a client that has left already is not begun */
	if ((events & H2_EV_END) && h2->ev->on_end && !(s->closed && close_error(s)))
		h2->ev->on_end(h2->ctx, s->user);
	if ((events & H2_EV_DRAINED) && h2->ev->on_drained && !s->closed)
		h2->ev->on_drained(h2->ctx, s->user, sl_outbuf_size(&s->pending));
	if (events & H2_EV_CLOSE) {
		tell_close(s);
		h2_stream_release(s);
	}
}

void sl_h2_allow(struct sl_h2 *h2, uint32_t n)
{
	h2->allowed = n;
}

bool sl_h2_backlog(const struct sl_h2 *h2)
{
	return !h2->allowed && h2->events && (h2->events->events & H2_EV_END);
}

static void deliver(struct sl_h2 *h2)
{
	if (h2->delivering || h2->receiving)
		return;
	h2->delivering = true;
	if (h2->goaway_seen) {
		h2->goaway_seen = false;
		if (h2->ev->on_goaway)
			h2->ev->on_goaway(h2->ctx);
	}
	while (h2->events && !sl_h2_backlog(h2)) {
		struct sl_h2_stream *s = h2->events;

		h2->events = s->next_event;
		if (s->events & H2_EV_END)
			h2->allowed--;
		deliver_one(s);
	}
	h2->delivering = false;
}

/* ---- nghttp2's callbacks: reception ---- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	/* streams share the connection by turns, not one after the other */
	static const nghttp2_extpri by_turns = { .urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY,
		                                 .inc = 1 };
	struct sl_h2 *h2 = user;
	struct sl_h2_stream *s;

	h2_builder_reset(&h2->builder);
	if (!h2->server || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	s = h2_stream_add(h2);
	s->id = frame->hd.stream_id;
	nghttp2_session_set_stream_user_data(ng, s->id, s);
	nghttp2_session_change_extpri_stream_priority(ng, s->id, &by_turns, 0);
	return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
	struct sl_h2 *h2 = user;
	struct sl_h2_stream *s;

	(void)flags;
	if (h2_builder_add(&h2->builder, &h2->limits.head, sl_span((const char *)name, name_len),
	                   sl_span((const char *)value, value_len)))
		return 0;
	h2_spend(h2, 500);
	s = find(ng, frame->hd.stream_id);
	if (s) {
		s->violated = true;
		h2_reset_stream(s, H2_ENHANCE_YOUR_CALM);
	}
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* What still comes of a request whose answer is out. */
static void discard(struct sl_h2_stream *s, size_t len)
{
	nghttp2_session_consume(s->h2->ng, s->id, len);
	s->discarded += len;
	if (s->discarded > EARLY_BYTES)
		h2_reset_stream(s, H2_NO_ERROR);
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *user)
{
	struct sl_h2 *h2 = user;
	struct sl_h2_stream *s = find(ng, id);

	(void)flags;
	if (!s || s->discard || s->reset) {
		nghttp2_session_consume(ng, id, len);
		return 0;
	}
	if (s->sent_end && h2->server) {
		discard(s, len);
		return 0;
	}
	s->unconsumed += len;
	h2->ev->on_data(h2->ctx, s->user, (const char *)data, len);
	return 0;
}

static void take_head(struct sl_h2_stream *s, bool end)
{
	/* trailers were read for their grammar only */
	if (s->head_done || s->discard)
		return;
	if (s->h2->server)
		h2_server_head(s, end);
	else
		h2_client_head(s, end);
}

static void judge_frame(struct sl_h2 *h2, const nghttp2_frame *frame, bool end)
{
	if (frame->hd.type == NGHTTP2_HEADERS)
		h2_earn(h2);
	else if (frame->hd.type == NGHTTP2_GOAWAY)
		h2->goaway_seen = !h2->server;
	else if (frame->hd.type == NGHTTP2_DATA && frame->hd.length <= frame->data.padlen && !end)
		h2_spend(h2, 1); /* nothing in it */
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct sl_h2 *h2 = user;
	bool carries_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
	bool end = carries_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
	struct sl_h2_stream *s = carries_end ? find(ng, frame->hd.stream_id) : NULL;

	judge_frame(h2, frame, end);
	if (!s)
		return 0;
	s->recv_end = s->recv_end || end;
	if (frame->hd.type == NGHTTP2_HEADERS) {
		take_head(s, end);
		h2_builder_reset(&h2->builder); /* a large one is not kept */
	}
	if (end && s->announced && !s->reset)
		h2_queue_event(s, H2_EV_END);
	return 0;
}

static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *user)
{
	struct sl_h2 *h2 = user;
	bool race = error == NGHTTP2_ERR_REFUSED_STREAM; /* too many streams, a common one */

	(void)ng, (void)frame;
	h2->refused += race;
	h2_spend(h2, race ? 1 : 10);
	return 0;
}

/* ---- nghttp2's callbacks: sending ---- */

static void head_left(struct sl_h2_stream *s)
{
	if (s->head_borrowed)
		s->h2->borrowed_heads--;
	s->head_borrowed = false;
}

static void judge_reset(struct sl_h2 *h2, const struct sl_h2_stream *s, uint32_t code)
{
	/* one that we did not ask for was provoked; the refused ones have paid */
	if ((!s || !s->reset) && code != H2_REFUSED_STREAM)
		h2_spend(h2, 10);
}

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct sl_h2 *h2 = user;
	struct sl_h2_stream *s;

	switch (frame->hd.type) {
	case NGHTTP2_GOAWAY:
		h2->failed = h2->failed || frame->goaway.error_code != H2_NO_ERROR;
		return 0;
	case NGHTTP2_RST_STREAM:
		judge_reset(h2, find(ng, frame->hd.stream_id), frame->rst_stream.error_code);
		return 0;
	case NGHTTP2_DATA:
	case NGHTTP2_HEADERS:
		break;
	default:
		return 0;
	}
	s = find(ng, frame->hd.stream_id);
	if (!s)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS)
		head_left(s);
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		s->sent_end = true;
	/* its owner does not know this stream, and so cannot wait for its end */
	if (s->sent_end && s->discard && h2->server && !s->recv_end)
		h2_reset_stream(s, H2_NO_ERROR);
	return 0;
}

static int on_frame_not_send(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *user)
{
	struct sl_h2 *h2 = user;
	struct sl_h2_stream *s;

	(void)error;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	s = find(ng, frame->hd.stream_id);
	if (!s)
		return 0;
	head_left(s);
	if (h2->server)
		h2_reset_stream(s, H2_INTERNAL_ERROR);
	else
		s->unsent = true;
	return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
	struct sl_h2 *h2 = user;
	struct sl_h2_stream *s = find(ng, id);

	if (!s)
		return 0;
	head_left(s);
	s->closed = true;
	s->code = s->unsent ? (uint32_t)H2_REFUSED_STREAM : code;
	h2->n_streams--;
	/* what the caller still keeps must not narrow the connection for ever */
	if (s->unconsumed)
		nghttp2_session_consume_connection(ng, s->unconsumed);
	s->unconsumed = 0;
	h2_queue_event(s, H2_EV_CLOSE);
	return 0;
}

/* ---- the session ---- */

static nghttp2_session_callbacks *make_callbacks(void)
{
	nghttp2_session_callbacks *c;

	if (nghttp2_session_callbacks_new(&c))
		abort();
	nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, on_invalid_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(c, on_frame_not_send);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
	nghttp2_session_callbacks_set_send_data_callback(c, h2_body_send);
	return c;
}

static nghttp2_option *make_options(void)
{
	nghttp2_option *o;

	if (nghttp2_option_new(&o))
		abort();
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_no_closed_streams(o, 1);
	nghttp2_option_set_peer_max_concurrent_streams(o, 100);
	nghttp2_option_set_max_send_header_block_length(o, MAX_HEAD_OUT);
	nghttp2_option_set_max_continuations(o, 8);
	/* h2_budget.c counts resets, and says why it ends a connection */
	nghttp2_option_set_stream_reset_rate_limit(o, UINT32_MAX, UINT32_MAX);
	return o;
}

struct sl_h2 *h2_new(bool server, const struct sl_h2_limits *limits, const struct sl_h2_events *ev,
                     void *ctx)
{
	struct sl_h2 *h2 = calloc(1, sizeof(*h2));
	nghttp2_session_callbacks *callbacks = make_callbacks();
	nghttp2_option *options = make_options();
	int rv;

	if (!h2)
		abort();
	h2->ev = ev;
	h2->ctx = ctx;
	h2->limits = *limits;
	h2->server = server;
	h2->allowed = UINT32_MAX;
	h2_budgets_init(h2);
	h2_guard_init(&h2->guard, server);
	rv = server ? nghttp2_session_server_new2(&h2->ng, callbacks, h2, options)
	            : nghttp2_session_client_new2(&h2->ng, callbacks, h2, options);
	if (rv)
		abort();
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(options);
	return h2;
}

void sl_h2_free(struct sl_h2 *h2)
{
	if (!h2)
		return;
	assert(!h2->receiving && !h2->delivering);
	h2->failed = true;
	h2->delivering = true;
	for (struct sl_h2_stream *s = h2->streams, *next; s; s = next) {
		next = s->next;
		tell_close(s);
		h2_stream_release(s);
	}
	sl_spares_fini(&h2->spares);
	nghttp2_session_del(h2->ng);
	h2_builder_fini(&h2->builder);
	sl_outbuf_fini(&h2->out);
	free(h2);
}

void h2_pump(struct sl_h2 *h2)
{
	if (h2->receiving || h2->failed)
		return;
	while (sl_outbuf_size(&h2->out) < H2_OUT_LIMIT || h2->borrowed_heads) {
		const uint8_t *data;
		ssize_t n = nghttp2_session_mem_send(h2->ng, &data);

		if (n < 0)
			h2->failed = true;
		if (n <= 0)
			break;
		sl_outbuf_add(&h2->out, data, (size_t)n);
	}
	assert(h2->failed || h2->borrowed_heads == 0);
}

/* Answers to a peer that does not read them are a flood like others. */
static bool is_flood(const struct sl_h2 *h2, ssize_t n)
{
	return n == NGHTTP2_ERR_FLOODED || n == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS ||
	       nghttp2_session_get_outbound_queue_size(h2->ng) > MAX_QUEUED_FRAMES;
}

int sl_h2_recv(struct sl_h2 *h2, const char *data, size_t len)
{
	uint32_t code = H2_NO_ERROR;
	size_t sound;
	ssize_t n;

	if (h2->failed)
		return SL_E_BAD_HTTP;
	deliver(h2); /* what has ended makes room for what comes */
	sound = h2_guard_walk(h2, data, len, &code);
	h2->receiving = true;
	n = nghttp2_session_mem_recv(h2->ng, (const uint8_t *)data, sound);
	h2->receiving = false;
	if (is_flood(h2, n)) {
		h2->cut = h2->cut ? h2->cut : SL_H2_CUT_GLITCHES;
		code = H2_ENHANCE_YOUR_CALM;
	}
	h2_guard_refuse_stray(h2);
	if (code != H2_NO_ERROR)
		nghttp2_session_terminate_session(h2->ng, code);
	h2_pump(h2);
	h2->failed = h2->failed || n < 0 || h2->cut;
	deliver(h2);
	return h2->failed ? SL_E_BAD_HTTP : 0;
}

void sl_h2_pull(struct sl_h2 *h2)
{
	h2_pump(h2);
	deliver(h2);
}

struct sl_outbuf *sl_h2_out(struct sl_h2 *h2)
{
	return &h2->out;
}

bool sl_h2_alive(const struct sl_h2 *h2)
{
	if (sl_outbuf_size(&h2->out))
		return true;
	return !h2->failed &&
	       (nghttp2_session_want_read(h2->ng) || nghttp2_session_want_write(h2->ng));
}

uint32_t sl_h2_refused_take(struct sl_h2 *h2)
{
	uint32_t n = h2->refused;

	h2->refused = 0;
	return n;
}

uint32_t sl_h2_streams(const struct sl_h2 *h2)
{
	return h2->n_streams;
}

void h2_reset_stream(struct sl_h2_stream *s, uint32_t code)
{
	if (s->closed || s->reset)
		return;
	s->reset = true;
	nghttp2_submit_rst_stream(s->h2->ng, NGHTTP2_FLAG_NONE, s->id, code);
}

void sl_h2_reset(struct sl_h2 *h2, struct sl_h2_stream *s, uint32_t h2_code)
{
	assert(s->h2 == h2);
	h2_reset_stream(s, h2_code);
	sl_outbuf_fini(&s->pending);
	s->now = NULL;
	s->now_len = 0;
	h2_pump(h2);
}

void sl_h2_consume(struct sl_h2 *h2, struct sl_h2_stream *s, size_t len)
{
	assert(s->h2 == h2);
	if (len > s->unconsumed)
		len = s->unconsumed;
	if (s->closed || len == 0)
		return;
	s->unconsumed -= len;
	nghttp2_session_consume(h2->ng, s->id, len);
	h2_pump(h2);
}
