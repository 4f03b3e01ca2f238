/* h2_link.c: calls over HTTP/2, many on a link. */
#include <stdlib.h>

#include "gateway/upstream/pool.h"

#define MAX_LINES 200

static const struct sl_conn_ops h2_ops;
static const struct sl_h2_events h2_events;

/* Its calls may have ended before it: the pool can be waiting for it alone. */
static void close_link(struct sl_link *link)
{
	struct sl_pool *pool = link->pool;

	if (link->closed)
		return;
	sl_link_close(link);
	sl_pool_settle(pool);
}

static void settle(struct sl_link *link)
{
	if (link->closed || link->receiving)
		return;
	if (sl_outbuf_size(link->conn.out))
		sl_conn_dirty(&link->conn);
	if ((link->going_away && sl_h2_streams(link->h2) == 0) || !sl_h2_alive(link->h2))
		close_link(link);
}

/* ---- sending --------------------------------------------------------- */

/* Turns "name: value\r\n" lines, which the gateway wrote itself, into fields. */
static uint32_t split_lines(struct sl_span lines, struct sl_hfield *fields, uint32_t n)
{
	const char *at = lines.ptr;
	const char *end = lines.ptr + lines.len;

	while (at < end && n < MAX_LINES) {
		const char *colon = memchr(at, ':', (size_t)(end - at));
		const char *stop = memchr(at, '\r', (size_t)(end - at));

		if (!colon || !stop || colon > stop)
			break;
		fields[n++] = (struct sl_hfield){
			.name = sl_span(at, (size_t)(colon - at)),
			.value = sl_span(colon + 2, (size_t)(stop - colon - 2)),
		};
		at = stop + 2;
	}
	return n;
}

static bool submit(struct sl_link *link, struct sl_call *call)
{
	const struct sl_call_request *r = &call->request;
	struct sl_hfield fields[MAX_LINES];
	struct sl_head head = {
		.method = r->method,
		.path = r->path,
		.authority = sl_span_str(call->pool->ep->name),
		.fields = fields,
		.content_length = r->has_body ? (int64_t)r->body.len : -1,
	};
	bool end = !r->has_body || r->body.len == 0;
	struct sl_h2_stream *stream;

	head.n_fields = split_lines(r->lines, fields, 0);
	head.n_fields = split_lines(r->more_lines, fields, head.n_fields);
	stream = sl_h2_request(link->h2, &head, call->pool->ep->tls ? "https" : "http", call, end);
	if (!stream)
		return false;
	call->link = link;
	call->stream = stream;
	if (!end)
		sl_h2_write_borrowed(link->h2, stream, r->body.ptr, r->body.len);
	settle(link);
	return true;
}

static struct sl_link *open_shared(struct sl_pool *pool, const struct sl_call *call)
{
	struct sl_h2_limits limits = {
		.head = { 256 * 1024, SL_MAX_HFIELDS, 0 },
		.max_streams = 0,
		.stream_window = 256 * 1024,
		.connection_window = INT32_MAX,
	};
	struct sl_link *link = sl_link_open(pool, &h2_ops, call->limits.connect_timeout_us);

	if (!link)
		return NULL;
	link->h2 = sl_h2_client_new(&limits, &h2_events, link);
	link->conn.out = sl_h2_out(link->h2);
	sl_h2_pull(link->h2);
	sl_link_move(link, &pool->shared);
	return link;
}

void sl_h2_link_send(struct sl_pool *pool, struct sl_call *call)
{
	struct sl_link *link;

	for (link = pool->shared; link; link = link->next) {
		if (link->going_away || link->closed || !submit(link, call))
			continue;
		call->reused = link->conn.ready;
		sl_metric_add(pool->all->metrics, SL_M_UPSTREAM_REUSES, 1);
		return;
	}
	link = open_shared(pool, call);
	if (!link || !submit(link, call))
		sl_call_doom(call);
}

void sl_h2_link_cancel(struct sl_call *call)
{
	struct sl_link *link = call->link;
	struct sl_h2_stream *stream = call->stream;

	if (!stream || link->closed)
		return;
	call->stream = NULL;
	sl_h2_stream_set_user(stream, NULL);
	sl_h2_reset(link->h2, stream, 8 /* CANCEL */);
	settle(link);
}

void sl_h2_link_resume(struct sl_call *call)
{
	size_t unread = call->unread;

	call->unread = 0;
	if (call->stream && unread) {
		sl_h2_consume(call->link->h2, call->stream, unread);
		settle(call->link);
	}
}

/* ---- the codec's events ---------------------------------------------- */

static struct sl_call *call_of(void *user)
{
	return user;
}

static void *on_head(void *ctx, struct sl_h2_stream *stream, const struct sl_head *head, bool end)
{
	struct sl_call *call = call_of(sl_h2_stream_user(stream));

	(void)ctx;
	(void)end;
	if (call) {
		call->started = true;
		call->head_seen = true;
		call->events->on_head(call->user, head);
	}
	return call;
}

static void on_stream_data(void *ctx, void *user, const char *data, size_t len)
{
	struct sl_link *link = ctx;
	struct sl_call *call = call_of(user);
	struct sl_h2_stream *stream;

	if (!call)
		return;
	stream = call->stream;
	call->body_seen = true;
	call->events->on_body(call->user, data, len);
	if (sl_h2_stream_user(stream) != call)
		return; /* cancelled from inside */
	if (call->paused)
		call->unread += len;
	else
		sl_h2_consume(link->h2, stream, len);
}

static void on_stream_end(void *ctx, void *user)
{
	(void)ctx;
	(void)user;
}

static void on_stream_close(void *ctx, void *user, int err, uint32_t h2_code)
{
	struct sl_link *link = ctx;
	struct sl_call *call = call_of(user);

	if (!call)
		return;
	call->stream = NULL;
	if (err == 0 && call->head_seen)
		sl_call_succeed(call);
	else if (call->started)
		sl_call_fail(call, SL_E_UPSTREAM_TRUNCATED, true);
	else if (link->conn.ready)
		sl_call_fail(call, SL_E_UPSTREAM_RESET, h2_code != 7 /* REFUSED_STREAM */);
	else
		sl_call_fail(call, SL_E_UPSTREAM_CONNECT, false);
}

static void on_goaway(void *ctx)
{
	struct sl_link *link = ctx;

	link->going_away = true;
}

static const struct sl_h2_events h2_events = {
	.on_head = on_head,
	.on_data = on_stream_data,
	.on_end = on_stream_end,
	.on_close = on_stream_close,
	.on_goaway = on_goaway,
};

/* ---- the connection's events ----------------------------------------- */

static void on_ready(void *owner)
{
	struct sl_link *link = owner;

	sl_timer_disarm(link->pool->all->loop, &link->timer);
}

static void on_data(void *owner, const char *data, size_t len)
{
	struct sl_link *link = owner;
	int rc;

	link->receiving = true;
	rc = sl_h2_recv(link->h2, data, len);
	link->receiving = false;
	if (rc < 0)
		close_link(link);
	else
		settle(link);
}

static void on_closed(void *owner, int err)
{
	(void)err;
	close_link(owner); /* the codec tells the streams when it is freed */
}

static void on_flushed(void *owner)
{
	struct sl_link *link = owner;

	sl_h2_pull(link->h2);
	settle(link);
}

static const struct sl_conn_ops h2_ops = { on_ready, on_data, on_closed, on_flushed, NULL };
