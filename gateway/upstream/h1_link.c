/* h1_link.c: calls over HTTP/1.1, one at a time on a link.
 *
 * A request is written anew, never passed through: one Host, at most one
 * Content-Length that is the length of what follows, no transfer coding. A
 * link whose engine breaks the framing, or says more than its answer, carries
 * no second call. */
#include <stdlib.h>

#include "gateway/upstream/pool.h"

/* Up to here the body is copied behind its head and leaves in the same send;
 * above it is sent from where it lies. */
#define COPY_BYTES (16u * 1024u)
#define MAX_INTERIMS 16

static const struct sl_conn_ops h1_ops;

/* ---- sending --------------------------------------------------------- */

static char *put(char *at, struct sl_span text)
{
	if (text.len)
		memcpy(at, text.ptr, text.len);
	return at + text.len;
}

/* RFC 9110 §8.6: for these, no body is a length of 0, said aloud. */
static bool expects_body(struct sl_span method)
{
	return sl_span_eq(method, SL_SPAN("POST")) || sl_span_eq(method, SL_SPAN("PUT")) ||
	       sl_span_eq(method, SL_SPAN("PATCH"));
}

static void write_request(struct sl_link *link, const struct sl_call *call)
{
	const struct sl_call_request *r = &call->request;
	struct sl_span host = sl_span_str(call->pool->ep->name);
	bool copy = r->body.len <= COPY_BYTES;
	size_t room = r->method.len + r->path.len + host.len + r->lines.len + r->more_lines.len +
	              80 + (copy ? r->body.len : 0);
	char *start = sl_outbuf_reserve(link->conn.out, room);
	char *at = start;

	at = put(at, r->method);
	*at++ = ' ';
	at = put(at, r->path);
	at = put(at, SL_SPAN(" HTTP/1.1\r\nhost: "));
	at = put(at, host);
	at = put(at, SL_SPAN("\r\n"));
	at = put(at, r->lines);
	at = put(at, r->more_lines);
	if (r->has_body || expects_body(r->method)) {
		at = put(at, SL_SPAN("content-length: "));
		at = sl_put_decimal(at, r->body.len);
		at = put(at, SL_SPAN("\r\n"));
	}
	at = put(at, SL_SPAN("\r\n"));
	if (copy)
		at = put(at, r->body);
	else
		link->conn.ref = r->body;
	link->conn.out->len += (size_t)(at - start);
}

static void attach(struct sl_link *link, struct sl_call *call)
{
	call->link = link;
	link->call = call;
	link->in_body = false;
	link->interims = 0;
	link->resume = 0;
	link->conn.read_bytes = call->limits.read_bytes ? call->limits.read_bytes : SL_CALL_STEP;
	sl_link_move(link, &link->pool->busy);
	write_request(link, call);
	sl_conn_dirty(&link->conn);
	if (call->paused)
		sl_conn_pause(&link->conn);
}

void sl_h1_link_send(struct sl_pool *pool, struct sl_call *call, bool fresh)
{
	struct sl_link *link = fresh ? NULL : pool->idle;

	call->reused = link != NULL;
	if (link) {
		sl_metric_add(pool->all->metrics, SL_M_UPSTREAM_REUSES, 1);
	} else {
		link = sl_link_open(pool, &h1_ops, call->limits.connect_timeout_us);
	}
	if (link)
		attach(link, call);
	else
		sl_call_doom(call);
}

void sl_h1_link_cancel(struct sl_call *call)
{
	call->link->call = NULL;
	sl_link_close(call->link);
}

/* ---- receiving ------------------------------------------------------- */

static void on_idle_timeout(void *arg)
{
	struct sl_link *link = arg;
	struct sl_loop *loop = link->pool->all->loop;

	if (link->call)
		return;
	if (loop->now_us < link->idle_until_us)
		sl_timer_arm(loop, &link->timer, link->idle_until_us - loop->now_us);
	else
		sl_link_close(link);
}

/* The timer stays armed while the link is busy, because most are used again
 * long before it fires. */
static void watch_idle(struct sl_link *link, uint64_t limit_us)
{
	struct sl_loop *loop = link->pool->all->loop;

	link->idle_until_us = loop->now_us + limit_us;
	link->timer.fn = on_idle_timeout;
	if (!sl_timer_armed(&link->timer) || link->timer.deadline_us > link->idle_until_us)
		sl_timer_arm(loop, &link->timer, limit_us);
}

/* The answer is complete: the link goes back to its pool, or away. rest: bytes
 * behind its end; the framing is then not what it said. */
static void finish(struct sl_link *link, size_t rest)
{
	struct sl_call *call = link->call;
	struct sl_pool *pool = link->pool;

	link->call = NULL;
	if (!link->keep_alive || rest || pool->retired || sl_conn_unsent(&link->conn) ||
	    pool->n_idle >= call->limits.max_idle) {
		sl_link_close(link);
	} else {
		sl_link_move(link, &pool->idle);
		watch_idle(link, call->limits.idle_timeout_us);
		sl_conn_resume(&link->conn);
	}
	sl_call_succeed(call);
}

static void fail(struct sl_link *link, int err)
{
	struct sl_call *call = link->call;
	bool sent = link->conn.ready;

	link->call = NULL;
	sl_link_close(link);
	if (!call)
		return;
	if (call->reused && !call->started && !call->request.once &&
	    err != SL_E_UPSTREAM_PROTOCOL) {
		sl_h1_link_send(call->pool, call, true);
		return;
	}
	if (call->started && err != SL_E_UPSTREAM_PROTOCOL)
		err = SL_E_UPSTREAM_TRUNCATED;
	sl_call_fail(call, err, sent);
}

/* We ask for no upgrade, so nobody may switch; and an engine that never comes
 * to its final answer is not waited for (RFC 9110 §15.2). */
static bool interim_ok(struct sl_link *link, int status)
{
	return status >= 200 || (status != 101 && ++link->interims <= MAX_INTERIMS);
}

/* Bytes of the head used, 0 if it is incomplete or the link is finished. */
static size_t read_head(struct sl_link *link, const char *data, size_t len)
{
	static _Thread_local struct sl_h1_head head;
	static const struct sl_head_limits limits = { 256 * 1024, SL_MAX_HFIELDS, 0 };
	struct sl_call *call = link->call;
	bool head_request = sl_span_eq(call->request.method, SL_SPAN("HEAD"));
	int n = sl_h1_response(data, len, &link->resume, &limits, head_request, &head);

	if (n < 0 || (n > 0 && !interim_ok(link, head.head.status))) {
		fail(link, SL_E_UPSTREAM_PROTOCOL);
		return 0;
	}
	if (n == 0)
		return 0;
	link->resume = 0;
	if (head.head.status < 200)
		return (size_t)n;
	link->keep_alive = head.head.keep_alive;
	sl_h1_response_body(&link->body, &head.head, head_request);
	link->in_body = true;
	call->head_seen = true;
	call->events->on_head(call->user, &head.head);
	if (link->call == call && link->body.done)
		finish(link, len - (size_t)n);
	return (size_t)n;
}

static size_t read_body(struct sl_link *link, const char *data, size_t len)
{
	struct sl_call *call = link->call;
	struct sl_span content;
	size_t used;

	if (sl_h1_body_feed(&link->body, data, len, &used, &content) < 0) {
		fail(link, SL_E_UPSTREAM_PROTOCOL);
		return 0;
	}
	if (content.len) {
		call->body_seen = true;
		call->events->on_body(call->user, content.ptr, content.len);
	}
	if (link->call == call && link->body.done)
		finish(link, len - used);
	return used;
}

static size_t consume(struct sl_link *link, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len && !link->closed) {
		size_t used = link->in_body ? read_body(link, data + at, len - at)
		                            : read_head(link, data + at, len - at);

		if (used == 0)
			break;
		at += used;
	}
	return at;
}

static void on_data(void *owner, const char *data, size_t len)
{
	struct sl_link *link = owner;
	struct sl_call *call = link->call;
	size_t used;

	if (!call) { /* an engine that talks unasked cannot be trusted */
		sl_link_close(link);
		return;
	}
	call->started = true;
	if (sl_outbuf_size(&link->in)) {
		sl_outbuf_add(&link->in, data, len);
		used = consume(link, link->in.data + link->in.off, sl_outbuf_size(&link->in));
		if (!link->closed)
			sl_outbuf_drain(&link->in, used);
	} else {
		used = consume(link, data, len);
		if (!link->closed && used < len)
			sl_outbuf_add(&link->in, data + used, len - used);
	}
}

static void on_ready(void *owner)
{
	struct sl_link *link = owner;

	sl_timer_disarm(link->pool->all->loop, &link->timer);
}

static void on_closed(void *owner, int err)
{
	struct sl_link *link = owner;

	if (link->call && link->in_body && err == 0 && sl_h1_body_closed(&link->body)) {
		link->keep_alive = false;
		finish(link, 0);
		return;
	}
	fail(link, link->conn.ready ? SL_E_UPSTREAM_RESET : SL_E_UPSTREAM_CONNECT);
}

static void on_flushed(void *owner)
{
	(void)owner;
}

static const struct sl_conn_ops h1_ops = { on_ready, on_data, on_closed, on_flushed, NULL };
