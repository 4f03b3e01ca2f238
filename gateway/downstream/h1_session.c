/* h1_session.c: HTTP/1.1 on a session, one request at a time.
 *
 * What a client sends behind a request that is still being answered is kept
 * (bounded; then reading stops) and parsed when the answer is complete, so
 * that pipelining is safe. A client that closes its sending side while it is
 * owed an answer has left: that is how engines see it too, and an abandoned
 * generation must not go on. */
#include <assert.h>
#include <stdlib.h>

#include "gateway/downstream/answer.h"
#include "gateway/downstream/session.h"

enum h1_state {
	H1_HEAD,   /* waiting for, or inside, a request head */
	H1_BODY,   /* reading its body */
	H1_ANSWER, /* the request is complete, the answer is not */
	H1_LINGER, /* answered with an error; what still comes is thrown away */
};

struct sl_h1_session {
	struct sl_stream stream; /* first: the handler's view */
	struct sl_session *session;
	enum h1_state state;
	struct sl_outbuf in; /* bytes not parsed yet */
	size_t resume;       /* where the search for the head's end goes on */
	struct sl_h1_body body;
	struct sl_task parse_task;
	size_t held;  /* the largest `pending` reported since the last drain */
	bool chunked; /* of the answer */
	bool keep_alive;
	bool head_request;
	bool http10;
	bool expects_continue;
	bool answered;   /* finish or abort was called for the present request */
	bool head_begun; /* part of a head is here: header_timeout runs */
	bool draining;
};

#define LINGER_US 2000000u
#define PIPELINE_BYTES (64u * 1024u)

static void parse(struct sl_session *s, const char *data, size_t len);

static struct sl_h1_session *h1_of(struct sl_stream *stream)
{
	return (struct sl_h1_session *)stream;
}

static void arm_idle(struct sl_session *s, uint64_t after_us)
{
	sl_timer_arm(s->all->loop, &s->idle_timer, after_us);
}

/* ---- answering ------------------------------------------------------- */

static const char *reason_phrase(int status)
{
	static const struct {
		int status;
		const char *text;
	} table[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < SL_COUNT(table); i++)
		if (table[i].status == status)
			return table[i].text;
	return "";
}

static void put(struct sl_outbuf *out, struct sl_span text)
{
	sl_outbuf_add(out, text.ptr, text.len);
}

static void put_field(struct sl_outbuf *out, struct sl_span name, struct sl_span value)
{
	char *at = sl_outbuf_reserve(out, name.len + value.len + 4);

	memcpy(at, name.ptr, name.len);
	at += name.len;
	*at++ = ':';
	*at++ = ' ';
	if (value.len)
		memcpy(at, value.ptr, value.len);
	at += value.len;
	*at++ = '\r';
	*at++ = '\n';
	out->len += name.len + value.len + 4;
}

static bool has_no_body(const struct sl_h1_session *h, int status)
{
	return h->head_request || status == 204 || status == 304;
}

static void put_framing(struct sl_h1_session *h, int status, int64_t length)
{
	struct sl_outbuf *out = h->session->conn.out;
	char text[20];

	h->chunked = false;
	if (length >= 0 && status != 204) {
		char *end = sl_put_decimal(text, (uint64_t)length);

		put_field(out, SL_SPAN("content-length"), sl_span(text, (size_t)(end - text)));
	} else if (!has_no_body(h, status) && !h->http10) {
		h->chunked = true;
		put_field(out, SL_SPAN("transfer-encoding"), SL_SPAN("chunked"));
	} else if (!has_no_body(h, status)) {
		h->keep_alive = false; /* HTTP/1.0: the end of the connection ends it */
	}
	if (!h->keep_alive)
		put_field(out, SL_SPAN("connection"), SL_SPAN("close"));
	else if (h->http10)
		put_field(out, SL_SPAN("connection"), SL_SPAN("keep-alive"));
}

static void h1_respond(struct sl_stream *stream, int status, const struct sl_hfield *fields,
                       uint32_t n, int64_t length)
{
	struct sl_h1_session *h = h1_of(stream);
	struct sl_outbuf *out = h->session->conn.out;
	char digits[20];

	assert(status >= 100);
	/* An answer before the request's end: the rest of it cannot be told
	 * from the next request for sure, so there is none. */
	if (h->state == H1_BODY || h->draining)
		h->keep_alive = false;
	put(out, SL_SPAN("HTTP/1.1 "));
	put(out, sl_span(digits, (size_t)(sl_put_decimal(digits, (uint64_t)status) - digits)));
	put(out, SL_SPAN(" "));
	put(out, sl_span_str(reason_phrase(status)));
	put(out, SL_SPAN("\r\n"));
	for (uint32_t i = 0; i < n; i++)
		put_field(out, fields[i].name, fields[i].value);
	put_framing(h, status, length);
	put(out, SL_SPAN("\r\n"));
	sl_session_wrote(h->session);
}

static size_t h1_write(struct sl_stream *stream, const char *data, size_t len)
{
	struct sl_h1_session *h = h1_of(stream);
	struct sl_outbuf *out = h->session->conn.out;
	char chunk[24];
	size_t pending;

	if (len && !h->head_request) {
		if (h->chunked)
			sl_outbuf_add(out, chunk, sl_h1_chunk_head(chunk, len));
		sl_outbuf_add(out, data, len);
		if (h->chunked)
			put(out, SL_SPAN("\r\n"));
		sl_session_wrote(h->session);
	}
	stream->overdrawn = !sl_session_hold(h->session);
	pending = h->session->hold.waits;
	if (pending > h->held)
		h->held = pending;
	return pending;
}

static void start_linger(struct sl_session *s)
{
	struct sl_h1_session *h = s->h1;

	h->state = H1_LINGER;
	h->in.off = h->in.len; /* kept: the head or body just handed out lies in it */
	sl_conn_resume(&s->conn);
	arm_idle(s, LINGER_US);
	if (!sl_conn_unsent(&s->conn))
		sl_conn_shutdown(&s->conn);
	else
		sl_session_wrote(s);
}

static void next_request(struct sl_h1_session *h)
{
	struct sl_session *s = h->session;

	h->state = H1_HEAD;
	h->resume = 0;
	h->head_begun = false;
	h->stream.user = NULL;
	h->stream.responded = false;
	arm_idle(s, s->all->config->keepalive_timeout_us);
	sl_conn_resume(&s->conn);
	if (sl_outbuf_size(&h->in))
		sl_loop_defer(s->all->loop, &h->parse_task);
}

static void h1_finish(struct sl_stream *stream, const char *data, size_t len)
{
	struct sl_h1_session *h = h1_of(stream);

	h1_write(stream, data, len);
	if (h->chunked)
		put(h->session->conn.out, SL_SPAN("0\r\n\r\n"));
	h->answered = true;
	stream->user = NULL;
	if (stream->overdrawn) {
		sl_session_limit(h->session, SL_LIMIT_ANSWER_MEMORY);
		sl_session_close(h->session, SL_E_ANSWER_MEMORY, true);
		return;
	}
	if (!h->session->hold.waits)
		sl_hold_end(h->session->all, &h->session->hold);
	sl_session_wrote(h->session);
	/* Inside on_body or on_end the parser goes on from what it finds here. */
	if (h->state == H1_ANSWER && h->keep_alive && !h->draining)
		next_request(h);
	else
		start_linger(h->session);
}

static void h1_abort(struct sl_stream *stream)
{
	struct sl_h1_session *h = h1_of(stream);

	h->answered = true;
	stream->user = NULL;
	/* What was already relayed should arrive; the missing last chunk (or
	 * the short body) tells the rest. */
	sl_conn_flush(&h->session->conn);
	sl_session_close(h->session, SL_E_UPSTREAM_TRUNCATED, !h->chunked);
}

static void h1_proceed(struct sl_stream *stream)
{
	struct sl_h1_session *h = h1_of(stream);

	if (!h->expects_continue || h->state != H1_BODY || stream->responded)
		return;
	h->expects_continue = false;
	put(h->session->conn.out, SL_SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
	sl_session_wrote(h->session);
}

static const struct sl_stream_ops h1_ops = { h1_respond, h1_write, h1_finish, h1_abort,
	                                     h1_proceed };

/* ---- parsing --------------------------------------------------------- */

static void refuse(struct sl_session *s, int err)
{
	struct sl_h1_session *h = s->h1;
	struct sl_problem problem = { .err = err };

	h->keep_alive = false;
	h->http10 = false;
	h->state = H1_BODY;
	sl_metric_add_at(s->all->metrics, SL_M_ERRORS, (unsigned)(-1 - err), 1);
	sl_answer_problem(&h->stream, &problem);
}

static void end_of_request(struct sl_h1_session *h)
{
	struct sl_session *s = h->session;

	h->state = H1_ANSWER;
	sl_timer_disarm(s->all->loop, &s->idle_timer);
	if (h->stream.user)
		s->all->events->on_end(&h->stream);
}

/* Bytes used, 0 if the head is incomplete; the session may be closed after. */
static size_t parse_head(struct sl_session *s, const char *data, size_t len)
{
	/* Ten kilobytes that are only alive during the call: one per thread. */
	static _Thread_local struct sl_h1_head head;
	struct sl_h1_session *h = s->h1;
	const struct sl_config *config = s->all->config;
	struct sl_head_limits limits = { config->header_bytes, config->header_count, 16384 };
	int n = sl_h1_request(data, len, &h->resume, &limits, &head);

	if (n < 0) {
		h->head_request = len >= 5 && memcmp(data, "HEAD ", 5) == 0;
		refuse(s, n);
		return len;
	}
	if (n == 0)
		return 0;
	h->resume = 0;
	h->answered = false;
	h->held = 0;
	h->http10 = head.head.version == 10;
	h->keep_alive = head.head.keep_alive && !s->all->draining;
	h->head_request = sl_span_eq(head.head.method, SL_SPAN("HEAD"));
	h->expects_continue = head.head.expect_continue;
	sl_h1_request_body(&h->body, &head.head);
	/* Without a body the request is complete now: an answer given from inside
	 * on_head need not end the connection. */
	h->state = h->body.done ? H1_ANSWER : H1_BODY;
	sl_timer_disarm(s->all->loop, &s->idle_timer);
	sl_session_spoke(s);
	s->all->events->on_head(s->all->ctx, &h->stream, &head.head, h->body.done);
	if (h->state == H1_ANSWER && !h->answered && !s->closed)
		end_of_request(h);
	return (size_t)n;
}

static size_t parse_body(struct sl_session *s, const char *data, size_t len)
{
	struct sl_h1_session *h = s->h1;
	struct sl_span content;
	size_t used;
	int rc = sl_h1_body_feed(&h->body, data, len, &used, &content);

	if (rc < 0) {
		if (h->stream.user) {
			s->all->events->on_gone(&h->stream, rc);
			h->stream.user = NULL;
		}
		if (h->stream.responded) /* a second head would pass for content */
			h1_abort(&h->stream);
		else
			refuse(s, rc);
		return len;
	}
	if (content.len && h->stream.user)
		s->all->events->on_body(&h->stream, content.ptr, content.len);
	if (h->body.done && h->state == H1_BODY && !s->closed)
		end_of_request(h);
	return used;
}

/* Consumes what can be consumed now; returns how much. */
static size_t consume(struct sl_session *s, const char *data, size_t len)
{
	struct sl_h1_session *h = s->h1;
	size_t at = 0;

	while (at < len && !s->closed) {
		size_t used = 0;

		if (h->state == H1_HEAD)
			used = parse_head(s, data + at, len - at);
		else if (h->state == H1_BODY)
			used = parse_body(s, data + at, len - at);
		else if (h->state == H1_LINGER)
			used = len - at;
		if (used == 0)
			break;
		at += used;
	}
	return at;
}

static void keep_rest(struct sl_session *s, const char *data, size_t len)
{
	struct sl_h1_session *h = s->h1;

	if (len)
		sl_outbuf_add(&h->in, data, len);
	if (h->state == H1_ANSWER && sl_outbuf_size(&h->in) > PIPELINE_BYTES)
		sl_conn_pause(&s->conn);
	/* Once per head: a slow drip does not buy more time. */
	if (h->state == H1_HEAD && sl_outbuf_size(&h->in) && !h->head_begun) {
		h->head_begun = true;
		arm_idle(s, s->all->config->header_timeout_us);
	}
}

static void parse(struct sl_session *s, const char *data, size_t len)
{
	struct sl_h1_session *h = s->h1;
	size_t used;

	if (!sl_outbuf_size(&h->in)) {
		used = consume(s, data, len);
		if (!s->closed)
			keep_rest(s, data + used, len - used);
		return;
	}
	if (len)
		sl_outbuf_add(&h->in, data, len);
	used = consume(s, h->in.data + h->in.off, sl_outbuf_size(&h->in));
	if (s->closed)
		return;
	if (used && sl_outbuf_size(&h->in))
		sl_outbuf_drain(&h->in, used);
	keep_rest(s, "", 0);
}

static void parse_kept(void *arg)
{
	struct sl_h1_session *h = arg;

	if (!h->session->closed)
		parse(h->session, "", 0);
}

/* ---- the session's calls --------------------------------------------- */

static void h1_flushed(struct sl_session *s)
{
	struct sl_h1_session *h = s->h1;

	if (!h->stream.user)
		sl_hold_end(s->all, &s->hold);
	if (h->state == H1_LINGER)
		sl_conn_shutdown(&s->conn);
	else if (h->held && h->stream.user) {
		h->held = 0;
		s->all->events->on_drained(&h->stream, 0);
	}
}

static void h1_end(struct sl_session *s, int err)
{
	struct sl_h1_session *h = s->h1;

	sl_loop_undefer(s->all->loop, &h->parse_task);
	if (h->stream.user)
		s->all->events->on_gone(&h->stream, err);
	h->stream.user = NULL;
}

static bool h1_idle(const struct sl_session *s)
{
	return s->h1->state == H1_HEAD;
}

static void h1_drain(struct sl_session *s, bool final)
{
	struct sl_h1_session *h = s->h1;

	(void) final;
	h->draining = true;
	if (h->state == H1_HEAD && !sl_outbuf_size(&h->in))
		sl_session_close(s, SL_E_DRAINING, false);
}

static void h1_free(struct sl_session *s)
{
	sl_outbuf_fini(&s->h1->in);
	free(s->h1);
}

/* Between requests: a quiet end. Inside a head or a body: say why. */
static void on_idle(void *arg)
{
	struct sl_session *s = arg;
	struct sl_h1_session *h = s->h1;

	if (h->state == H1_HEAD && sl_outbuf_size(&h->in))
		refuse(s, SL_E_CLIENT_TIMEOUT);
	else {
		if (h->state == H1_HEAD)
			sl_session_limit(s, SL_LIMIT_KEEPALIVE);
		sl_session_close(s, SL_E_CLIENT_TIMEOUT, false);
	}
}

static const struct sl_protocol h1_protocol = {
	"http/1.1", parse, h1_flushed, h1_end, h1_drain, h1_idle, h1_free,
};

void sl_h1_session_start(struct sl_session *s)
{
	struct sl_h1_session *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	h->session = s;
	h->stream.all = s->all;
	h->stream.ops = &h1_ops;
	h->stream.protocol = "http/1.1";
	h->stream.client = sl_span(s->peer, s->peer_len);
	h->stream.origin = s->client;
	h->parse_task.fn = parse_kept;
	h->parse_task.arg = h;
	h->keep_alive = true;
	s->h1 = h;
	s->protocol = &h1_protocol;
	s->idle_timer.fn = on_idle;
	arm_idle(s, s->all->config->header_timeout_us);
}
