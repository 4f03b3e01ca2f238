/* get.c: GET, again and again, on one kept HTTP/1.1 connection to an engine.
 *
 * A round is what _start begins and on_done ends: a connection (a kept one, or
 * a new one), a request, an answer, perhaps the same again after a redirect or
 * because the kept connection turned out to be closed. Each round ends exactly
 * once, in finish(), which is the last thing any callback does: the owner may
 * free the object there. No result is given from within _start itself.
 *
 * Invariants: fd >= 0 between rounds means an idle connection with nothing
 * unread; its EV_READ stays on, so an engine's close is noticed before the
 * next round. The read buffer exists only during a round: there may be
 * thousands of idle getters. It refuses TLS, HTTP/2, content codings and
 * redirects to another host: a probe must not be sent elsewhere. */
#include "gateway/probing/get.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/http/h1.h"
#include "gateway/telemetry/log.h"

#define HEAD_MAX_BYTES 16384

static const struct sl_head_limits head_limits = {
	.bytes = HEAD_MAX_BYTES,
	.count = 128,
	.uri = HEAD_MAX_BYTES,
};

struct sl_get {
	struct event_base *base; /* borrowed */
	struct sockaddr_storage addr;
	socklen_t addr_len;
	char *host, *bearer; /* owned; bearer may be NULL */

	int fd;                            /* -1: not connected */
	struct event *readable, *writable; /* owned, with the connection */
	struct event *timer;               /* owned */

	/* the round */
	bool busy, connecting;
	bool reused; /* on a kept connection, which may have been closed meanwhile */
	bool heard;  /* a byte of the answer has come */
	bool redirected;
	bool unreachable; /* no connection could even be begun: the timer reports it */
	const struct sl_get_events *ev; /* borrowed until on_done */
	void *ctx;
	int ok_status;
	size_t max_body;
	char *path;    /* owned */
	char *request; /* owned */
	size_t n_request, sent;

	/* the answer */
	char *in; /* owned: HEAD_MAX_BYTES + 1 */
	size_t n_in, resume;
	bool in_body, keep;
	int status;
	struct sl_h1_body body;
	size_t body_bytes;
	char *location; /* owned: path of a redirect to follow, or NULL */
};

static void connect_or_send(struct sl_get *g);

static void disconnect(struct sl_get *g)
{
	if (g->fd < 0)
		return;
	event_free(g->readable);
	event_free(g->writable);
	close(g->fd);
	g->fd = -1;
}

static void forget_answer(struct sl_get *g)
{
	g->n_in = 0;
	g->resume = 0;
	g->in_body = false;
	g->heard = false;
	g->status = 0;
	g->body_bytes = 0;
	free(g->location);
	g->location = NULL;
}

static void release_round(struct sl_get *g)
{
	event_del(g->timer);
	free(g->path);
	free(g->request);
	free(g->in);
	g->path = g->request = g->in = NULL;
	forget_answer(g);
	g->busy = false;
}

/* The end of a round. Touch nothing of g afterwards. */
static void finish(struct sl_get *g, enum sl_probe_result result)
{
	const struct sl_get_events *ev = g->ev;
	void *ctx = g->ctx;
	int status = g->status;

	release_round(g);
	ev->on_done(ctx, result, status);
}

static void fail(struct sl_get *g, enum sl_probe_result result)
{
	disconnect(g);
	finish(g, result);
}

/* ---- the answer ------------------------------------------------------ */

/* The path of a Location on the same host (RFC 9110 §10.2.2), or an empty
 * span. */
static struct sl_span same_host_path(const struct sl_get *g, struct sl_span location)
{
	struct sl_span host = sl_span_str(g->host);
	struct sl_span none = { NULL, 0 };

	if (location.len > 7 && sl_span_ieq(sl_span(location.ptr, 7), SL_SPAN("http://"))) {
		location = sl_span(location.ptr + 7, location.len - 7);
		if (location.len <= host.len || !sl_span_ieq(sl_span(location.ptr, host.len), host))
			return none;
		location = sl_span(location.ptr + host.len, location.len - host.len);
	} else if (location.len > 1 && location.ptr[1] == '/') {
		return none; /* //another-host/ */
	}
	if (!location.len || location.ptr[0] != '/')
		return none;
	for (size_t i = 0; i < location.len; i++)
		if (location.ptr[i] <= ' ' || location.ptr[i] >= 0x7f)
			return none;
	return location;
}

static void note_redirect(struct sl_get *g, const struct sl_head *head)
{
	const struct sl_hfield *field = sl_head_find(head, SL_SPAN("location"));
	struct sl_span path = { NULL, 0 };

	if (g->redirected || !field)
		return;
	if (g->status == 301 || g->status == 302 || g->status == 307 || g->status == 308)
		path = same_host_path(g, field->value);
	if (!path.ptr)
		return;
	g->location = strndup(path.ptr, path.len);
	if (!g->location)
		abort();
}

/* Bytes taken, 0 if the head is not complete, or negative. */
static int read_head(struct sl_get *g)
{
	struct sl_h1_head h;
	int n = sl_h1_response(g->in, g->n_in, &g->resume, &head_limits, false, &h);

	if (n <= 0)
		return n == 0 && g->n_in > HEAD_MAX_BYTES ? SL_E_HEADERS_TOO_LARGE : n;
	g->resume = 0;
	if (h.head.status == 101)
		return SL_E_UPSTREAM_PROTOCOL; /* nobody asked for it */
	if (h.head.status < 200)
		return n;
	g->status = h.head.status;
	g->keep = h.head.keep_alive;
	g->in_body = true;
	sl_h1_response_body(&g->body, &h.head, false);
	note_redirect(g, &h.head);
	return n;
}

static int take_content(struct sl_get *g, struct sl_span data)
{
	if (data.len > g->max_body - g->body_bytes)
		return SL_E_BODY_TOO_LARGE;
	g->body_bytes += data.len;
	if (data.len && g->status / 100 == 2 && g->ev->on_data)
		g->ev->on_data(g->ctx, data.ptr, data.len);
	return 0;
}

/* Reads what is in the buffer. 0 or negative. */
static int read_answer(struct sl_get *g)
{
	size_t at = 0;
	int err = 0;

	while (!err && !g->in_body && at < g->n_in) {
		int n;

		memmove(g->in, g->in + at, g->n_in - at);
		g->n_in -= at;
		at = 0;
		n = read_head(g);
		if (n <= 0)
			return n;
		at = (size_t)n;
	}
	while (!err && g->in_body && !g->body.done && at < g->n_in) {
		struct sl_span data = { NULL, 0 };
		size_t used = 0;

		err = sl_h1_body_feed(&g->body, g->in + at, g->n_in - at, &used, &data);
		at += used;
		if (!err)
			err = take_content(g, data);
	}
	memmove(g->in, g->in + at, g->n_in - at);
	g->n_in -= at;
	return err;
}

static void set_request(struct sl_get *g)
{
	int n;

	free(g->request);
	n = asprintf(&g->request,
	             "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: sluice/%s\r\n"
	             "Accept: text/plain;version=0.0.4, */*;q=0.5\r\n%s%s%s\r\n",
	             g->path, g->host, SLUICE_VERSION, g->bearer ? "Authorization: Bearer " : "",
	             g->bearer ? g->bearer : "", g->bearer ? "\r\n" : "");
	if (n < 0)
		abort();
	g->n_request = (size_t)n;
}

static void follow(struct sl_get *g)
{
	free(g->path);
	g->path = g->location;
	g->location = NULL;
	g->redirected = true;
	set_request(g);
	connect_or_send(g);
}

/* The answer is complete. */
static void complete(struct sl_get *g)
{
	bool ok = g->ok_status ? g->status == g->ok_status : g->status / 100 == 2;

	/* Bytes after the answer belong to nothing; half a request spoils the next. */
	if (!g->keep || g->n_in || g->sent < g->n_request || g->body.framing == SL_H1_UNTIL_CLOSE)
		disconnect(g);
	if (g->location)
		follow(g);
	else
		finish(g, ok ? SL_PROBE_OK : SL_PROBE_STATUS);
}

/* ---- the connection -------------------------------------------------- */

static void on_closed(struct sl_get *g)
{
	if (g->reused && !g->heard) {
		/* The engine closed the idle connection as the request left. */
		disconnect(g);
		connect_or_send(g);
		return;
	}
	if (g->in_body && sl_h1_body_closed(&g->body))
		complete(g);
	else
		fail(g, SL_PROBE_BROKEN);
}

static void on_idle_readable(struct sl_get *g)
{
	char byte;

	/* A close, or an answer to no question: of no use either way. */
	if (recv(g->fd, &byte, 1, MSG_PEEK) >= 0 || (errno != EAGAIN && errno != EINTR))
		disconnect(g);
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	struct sl_get *g = arg;
	ssize_t n;

	(void)events;
	if (!g->busy) {
		on_idle_readable(g);
		return;
	}
	n = recv(fd, g->in + g->n_in, HEAD_MAX_BYTES + 1 - g->n_in, 0);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		on_closed(g);
		return;
	}
	g->heard = true;
	g->n_in += (size_t)n;
	if (read_answer(g) < 0)
		fail(g, SL_PROBE_BROKEN);
	else if (g->in_body && g->body.done)
		complete(g);
}

static void send_request(struct sl_get *g)
{
	while (g->sent < g->n_request) {
		ssize_t n = send(g->fd, g->request + g->sent, g->n_request - g->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			event_add(g->writable, NULL);
			return;
		}
		if (n < 0)
			return; /* reading will tell, with what it said before */
		g->sent += (size_t)n;
	}
}

static void on_writable(evutil_socket_t fd, short events, void *arg)
{
	struct sl_get *g = arg;
	int err = 0;
	socklen_t len = sizeof(err);

	(void)events;
	if (g->connecting) {
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
			err = errno;
		if (err) {
			fail(g, err == ETIMEDOUT ? SL_PROBE_TIMEOUT : SL_PROBE_REFUSED);
			return;
		}
		g->connecting = false;
		event_add(g->readable, NULL);
	}
	send_request(g);
}

/* The round ends by the timer at once: never from within _start. */
static void fail_soon(struct sl_get *g)
{
	g->unreachable = true;
	event_add(g->timer, &(struct timeval){ 0 });
}

static void begin_connect(struct sl_get *g)
{
	int one = 1;

	g->reused = false;
	g->fd = socket(g->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (g->fd < 0) {
		sl_error("probe of %s: socket: %s", g->host, strerror(errno));
		fail_soon(g);
		return;
	}
	setsockopt(g->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	g->readable = event_new(g->base, g->fd, EV_READ | EV_PERSIST, on_readable, g);
	g->writable = event_new(g->base, g->fd, EV_WRITE, on_writable, g);
	if (!g->readable || !g->writable)
		abort();
	if (connect(g->fd, (struct sockaddr *)&g->addr, g->addr_len) != 0 && errno != EINPROGRESS &&
	    errno != EINTR) {
		disconnect(g);
		fail_soon(g);
		return;
	}
	g->connecting = true;
	event_add(g->writable, NULL);
}

/* Sends the request from its start, on what connection there is. */
static void connect_or_send(struct sl_get *g)
{
	forget_answer(g);
	g->sent = 0;
	if (g->fd < 0) {
		begin_connect(g);
		return;
	}
	g->reused = true;
	send_request(g);
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct sl_get *g = arg;

	(void)fd;
	(void)events;
	fail(g, g->unreachable ? SL_PROBE_REFUSED : SL_PROBE_TIMEOUT);
}

/* ---- the owner's side ------------------------------------------------ */

struct sl_get *sl_get_new(struct event_base *base, const struct sockaddr *addr, unsigned addr_len,
                          const char *host_header, const char *bearer_or_null)
{
	struct sl_get *g = calloc(1, sizeof(*g));

	assert(addr_len <= sizeof(g->addr));
	if (!g)
		abort();
	g->base = base;
	memcpy(&g->addr, addr, addr_len);
	g->addr_len = addr_len;
	g->fd = -1;
	g->host = strdup(host_header);
	g->bearer = bearer_or_null && *bearer_or_null ? strdup(bearer_or_null) : NULL;
	g->timer = event_new(base, -1, 0, on_timer, g);
	if (!g->host || !g->timer)
		abort();
	return g;
}

void sl_get_free(struct sl_get *g)
{
	if (!g)
		return;
	release_round(g);
	disconnect(g);
	event_free(g->timer);
	free(g->host);
	free(g->bearer);
	free(g);
}

void sl_get_start(struct sl_get *g, const char *path, uint64_t timeout_us, size_t max_body,
                  int ok_status, const struct sl_get_events *ev, void *ctx)
{
	struct timeval timeout = { .tv_sec = (time_t)(timeout_us / 1000000),
		                   .tv_usec = (suseconds_t)(timeout_us % 1000000) };

	assert(!g->busy);
	g->busy = true;
	g->redirected = false;
	g->unreachable = false;
	g->ev = ev;
	g->ctx = ctx;
	g->ok_status = ok_status;
	g->max_body = max_body;
	g->path = strdup(path);
	g->in = malloc(HEAD_MAX_BYTES + 1);
	if (!g->path || !g->in)
		abort();
	set_request(g);
	event_add(g->timer, &timeout);
	connect_or_send(g);
}

bool sl_get_busy(const struct sl_get *g)
{
	return g->busy;
}
