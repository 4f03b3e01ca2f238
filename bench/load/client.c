/* client.c: connections, their pool, and the call each one carries.
 *
 * A connection is in one list: busy (not linked, its call knows it), idle, or
 * closed (waiting for the end of the loop turn to be freed, since it may be
 * its own callback that closes it). Reading is always armed, so an idle
 * connection that the server closes is noticed at once; writing is armed only
 * while the socket is full. */
#include "bench/load/client.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#define READ_BYTES (256u * 1024u)
#define MAX_HEAD (64u * 1024u)
#define WRITE_BUDGET (256u * 1024u) /* a turn: big prompts must not delay everyone's clock */

struct sl_client_conn {
	LIST_ENTRY(sl_client_conn) link; /* idle or closed; idle: newest first */
	struct sl_client *client;        /* borrowed */
	struct sl_call *call;            /* borrowed; NULL when idle or closed */
	evutil_socket_t fd;
	struct event readable;
	struct event writable;
	struct sl_message out; /* base is NULL when all is sent */
	size_t sent;
	char *head; /* owned: a response head that came in pieces */
	size_t head_len, head_resume;
	struct sl_h1_body body;
	bool connected;
	bool reused;     /* carried a call before this one */
	bool got_bytes;  /* of this call's response */
	bool in_body;    /* the final head was seen */
	bool keep_alive; /* the final head said so */
	int send_errno;  /* the server takes no more of the request; its answer may still come */
};

LIST_HEAD(conn_list, sl_client_conn);

struct sl_client {
	struct event_base *base;
	const struct sl_target *target;
	const struct timeval *timeout; /* a common timeout of base: O(1) to arm */
	struct conn_list idle, closed;
	struct event sweep;
	uint64_t connections;
	char buf[READ_BYTES];
};

static const struct sl_head_limits head_limits = { MAX_HEAD, SL_MAX_HFIELDS, 16u * 1024u };

/* ---- ends ---- */

static void drop_message(struct sl_client_conn *conn)
{
	free(conn->out.base);
	conn->out.base = NULL;
	event_del(&conn->writable);
}

static void conn_close(struct sl_client_conn *conn)
{
	drop_message(conn);
	event_del(&conn->readable);
	close(conn->fd);
	conn->fd = -1;
	LIST_INSERT_HEAD(&conn->client->closed, conn, link);
	event_active(&conn->client->sweep, EV_TIMEOUT, 0);
}

static void sweep_closed(struct sl_client *c)
{
	struct sl_client_conn *conn;

	while ((conn = LIST_FIRST(&c->closed))) {
		LIST_REMOVE(conn, link);
		free(conn->head);
		free(conn);
	}
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sweep_closed(arg);
}

static struct sl_call *detach_call(struct sl_client_conn *conn)
{
	struct sl_call *call = conn->call;

	conn->call = NULL;
	call->conn = NULL;
	return call;
}

static void call_end(struct sl_call *call, enum sl_call_end end)
{
	event_del(&call->timer);
	call->handler->end(call->ctx, end);
}

/* The connection is done for, and its call with it. */
static void conn_fail(struct sl_client_conn *conn, enum sl_call_end end)
{
	struct sl_call *call = detach_call(conn);

	conn_close(conn);
	call_end(call, end);
}

static bool conn_open(struct sl_client *c, struct sl_call *call);

static void call_fail_at_once(struct sl_call *call)
{
	call->failed_at_once = true;
	event_active(&call->timer, EV_TIMEOUT, 0);
}

/* The peer is gone; error 0: it closed properly. */
static void conn_lost(struct sl_client_conn *conn, int error)
{
	struct sl_call *call = conn->call;

	if (!call) {
		LIST_REMOVE(conn, link);
		conn_close(conn);
	} else if (!conn->connected) {
		conn_fail(conn, SL_CALL_CONNECT);
	} else if (conn->reused && !conn->got_bytes) {
		detach_call(conn);
		conn_close(conn);
		if (!conn_open(conn->client, call))
			call_fail_at_once(call);
	} else if (error || conn->send_errno) {
		conn_fail(conn, SL_CALL_RESET);
	} else if (conn->in_body) {
		bool whole = sl_h1_body_closed(&conn->body);

		conn_fail(conn, whole ? SL_CALL_OK : SL_CALL_TRUNCATED);
	} else {
		conn_fail(conn, SL_CALL_CLOSED);
	}
}

/* The response is complete; `rest` bytes behind it belong to nobody. */
static void conn_complete(struct sl_client_conn *conn, size_t rest)
{
	struct sl_call *call = detach_call(conn);

	if (conn->keep_alive && rest == 0 && !conn->out.base && !conn->send_errno)
		LIST_INSERT_HEAD(&conn->client->idle, conn, link);
	else
		conn_close(conn);
	call_end(call, SL_CALL_OK);
}

/* ---- reading ---- */

static void conn_content(struct sl_client_conn *conn, const char *data, size_t len)
{
	const struct sl_call *call = conn->call;
	size_t at = 0;

	while (at < len && !conn->body.done) {
		struct sl_span content = { NULL, 0 };
		size_t used = 0;

		if (sl_h1_body_feed(&conn->body, data + at, len - at, &used, &content) < 0) {
			conn_fail(conn, SL_CALL_PROTOCOL);
			return;
		}
		at += used;
		if (content.len)
			call->handler->data(call->ctx, content);
	}
	if (conn->body.done)
		conn_complete(conn, len - at);
}

/* Takes one head from data. Its length, 0 if incomplete, or negative. */
static int conn_head(struct sl_client_conn *conn, const char *data, size_t len)
{
	struct sl_call *call = conn->call;
	struct sl_h1_head parsed;
	int n = sl_h1_response(data, len, &conn->head_resume, &head_limits, false, &parsed);

	if (n <= 0)
		return n;
	conn->head_resume = 0;
	if (parsed.head.status == 101)
		return SL_E_UPSTREAM_PROTOCOL;
	if (parsed.head.status < 200)
		return n;
	conn->in_body = true;
	conn->keep_alive = parsed.head.keep_alive;
	sl_h1_response_body(&conn->body, &parsed.head, false);
	if (call->handler->head)
		call->handler->head(call->ctx, &parsed.head);
	return n;
}

/* Heads from data (1xx ones are skipped); the bytes they took, or negative. */
static ssize_t conn_heads(struct sl_client_conn *conn, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len && !conn->in_body) {
		int n = conn_head(conn, data + at, len - at);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

static void keep_head(struct sl_client_conn *conn, const char *data, size_t len)
{
	char *head;

	if (len == 0)
		return;
	head = malloc(len);
	if (!head)
		abort();
	memcpy(head, data, len);
	conn->head = head;
	conn->head_len = len;
}

/* A head that began in earlier reads: the pieces are put together first. */
static char *join_head(struct sl_client_conn *conn, const char *data, size_t len)
{
	char *joined = malloc(conn->head_len + len);

	if (!joined)
		abort();
	memcpy(joined, conn->head, conn->head_len);
	memcpy(joined + conn->head_len, data, len);
	free(conn->head);
	conn->head = NULL;
	return joined;
}

static void conn_input(struct sl_client_conn *conn, const char *data, size_t len)
{
	char *joined = NULL;
	ssize_t used;

	conn->got_bytes = true;
	if (conn->in_body) {
		conn_content(conn, data, len);
		return;
	}
	if (conn->head) {
		joined = join_head(conn, data, len);
		len += conn->head_len;
		data = joined;
	}
	used = conn_heads(conn, data, len);
	if (used < 0)
		conn_fail(conn, SL_CALL_PROTOCOL);
	else if (!conn->in_body)
		keep_head(conn, data + used, len - (size_t)used);
	else if (conn->body.done || (size_t)used < len)
		conn_content(conn, data + used, len - (size_t)used);
	free(joined);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_client_conn *conn = arg;
	char *buf = conn->client->buf;
	ssize_t n = recv(fd, buf, READ_BYTES, 0);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && conn->call)
		conn_input(conn, buf, (size_t)n);
	else
		conn_lost(conn, n < 0 ? errno : 0);
}

/* ---- writing ---- */

/* One send a turn; what does not go now goes when the socket is writable. */
static void conn_write(struct sl_client_conn *conn)
{
	size_t left = conn->out.len - conn->sent;
	ssize_t n = send(conn->fd, conn->out.ptr + conn->sent,
	                 left < WRITE_BUDGET ? left : WRITE_BUDGET, MSG_NOSIGNAL);

	if (n > 0)
		conn->sent += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		/* what the server had to say before it closed may wait to be read;
		 * reading will also find the end */
		conn->send_errno = errno;
	if (conn->send_errno || conn->sent == conn->out.len)
		drop_message(conn);
	else
		event_add(&conn->writable, NULL);
}

/* The connection is there: say what the call is about. */
static void conn_send(struct sl_client_conn *conn)
{
	conn->call->handler->message(conn->call->ctx, &conn->out);
	conn->sent = 0;
	conn_write(conn);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_client_conn *conn = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	if (conn->connected) {
		conn_write(conn);
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		conn_lost(conn, error);
		return;
	}
	conn->connected = true;
	event_del(&conn->writable);
	event_add(&conn->readable, NULL);
	conn_send(conn);
}

/* ---- starting ---- */

static int open_socket(const struct sl_target *t)
{
	int fd = socket(t->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)&t->addr, t->addr_len) < 0 &&
	    errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool conn_open(struct sl_client *c, struct sl_call *call)
{
	struct sl_client_conn *conn;
	int fd = open_socket(c->target);

	if (fd < 0)
		return false;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		abort();
	conn->client = c;
	conn->fd = fd;
	conn->call = call;
	call->conn = conn;
	event_assign(&conn->readable, c->base, fd, EV_READ | EV_PERSIST, on_readable, conn);
	event_assign(&conn->writable, c->base, fd, EV_WRITE | EV_PERSIST, on_writable, conn);
	event_add(&conn->writable, NULL);
	c->connections++;
	return true;
}

static void conn_reuse(struct sl_client_conn *conn, struct sl_call *call)
{
	LIST_REMOVE(conn, link);
	conn->call = call;
	call->conn = conn;
	conn->reused = true;
	conn->got_bytes = false;
	conn->in_body = false;
	conn_send(conn);
}

static void on_call_timer(evutil_socket_t fd, short what, void *arg)
{
	struct sl_call *call = arg;

	(void)fd;
	(void)what;
	if (call->failed_at_once)
		call_end(call, SL_CALL_CONNECT);
	else
		conn_fail(call->conn, SL_CALL_TIMEOUT);
}

void sl_client_start(struct sl_client *c, struct sl_call *call)
{
	struct sl_client_conn *idle = LIST_FIRST(&c->idle);

	call->conn = NULL;
	call->failed_at_once = false;
	event_assign(&call->timer, c->base, -1, 0, on_call_timer, call);
	event_add(&call->timer, c->timeout);
	if (idle)
		conn_reuse(idle, call);
	else if (!conn_open(c, call))
		call_fail_at_once(call);
}

void sl_client_cancel(struct sl_client *c, struct sl_call *call)
{
	(void)c;
	if (call->conn)
		conn_fail(call->conn, SL_CALL_CANCELLED);
	else
		call_end(call, SL_CALL_CANCELLED);
}

struct sl_client *sl_client_new(struct event_base *base, const struct sl_target *target,
                                int64_t timeout_us)
{
	struct timeval tv = { timeout_us / 1000000, timeout_us % 1000000 };
	struct sl_client *c = malloc(sizeof(*c));

	if (!c)
		abort();
	c->base = base;
	c->target = target;
	c->timeout = event_base_init_common_timeout(base, &tv);
	c->connections = 0;
	LIST_INIT(&c->idle);
	LIST_INIT(&c->closed);
	event_assign(&c->sweep, base, -1, 0, on_sweep, c);
	return c;
}

void sl_client_free(struct sl_client *c)
{
	struct sl_client_conn *conn;

	while ((conn = LIST_FIRST(&c->idle))) {
		LIST_REMOVE(conn, link);
		conn_close(conn);
	}
	event_del(&c->sweep);
	sweep_closed(c);
	free(c);
}

uint64_t sl_client_connections(const struct sl_client *c)
{
	return c->connections;
}
