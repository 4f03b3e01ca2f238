/* admin.c: the operators' HTTP/1.1 server on the control thread.
 *
 * Nouns: a page is a row of the table the control thread gave; a client is a
 * connection. A client has one request in hand at a time: its head is parsed,
 * its body read and dropped, the page written into memory, the answer sent;
 * only then is the next (perhaps pipelined) request looked at.
 *
 * Invariants: nothing here blocks; a client holds at most one head and one
 * answer; at most CLIENTS_MAX of them, the next ones wait in the listen
 * backlog. A client is freed only by client_close, after which the caller
 * touches it no more. It refuses to know what a page means, to stream and to
 * speak TLS: bind it to localhost or put it behind something that does. */
#include "gateway/admin/admin.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/admin/json.h"
#include "gateway/http/h1.h"

#define CLIENTS_MAX 64
#define HEAD_MAX_BYTES 16384
#define BODY_MAX_BYTES 65536
#define REQUEST_TIMEOUT_S 10

static const struct sl_head_limits head_limits = {
	.bytes = HEAD_MAX_BYTES,
	.count = 64,
	.uri = 2048,
};

struct client {
	struct client *next, *prev;
	struct sl_admin *admin; /* borrowed, outlives it */
	int fd;
	struct event *readable, *writable, *timer; /* owned */
	char in[HEAD_MAX_BYTES + 1];
	size_t n_in, resume;
	bool in_body; /* a request was parsed, its body is being dropped */
	struct sl_h1_body body;
	size_t body_bytes;
	const struct sl_admin_page *page; /* to write when the body is over, or ... */
	int err;                          /* ... the failure to report */
	bool head_only, keep;
	char *out; /* owned: the answer being sent */
	size_t n_out, sent;
};

struct sl_admin {
	struct event_base *base;           /* borrowed */
	const struct sl_admin_page *pages; /* borrowed */
	void *ctx;                         /* borrowed, for the pages */
	int fd;
	struct event *acceptable, *retry; /* owned */
	struct client *clients;           /* owned */
	unsigned n_clients;
};

static void client_close(struct client *c)
{
	struct sl_admin *admin = c->admin;

	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		admin->clients = c->next;
	admin->n_clients--;
	event_free(c->readable);
	event_free(c->writable);
	event_free(c->timer);
	close(c->fd);
	free(c->out);
	free(c);
	event_add(admin->acceptable, NULL);
}

static void restart_timer(struct client *c)
{
	event_add(c->timer, &(struct timeval){ .tv_sec = REQUEST_TIMEOUT_S });
}

/* ---- answers --------------------------------------------------------- */

/* A failure's status comes from err.def; a page's from the page. */
static void start_answer(struct client *c, int status, const char *type, const char *allow,
                         const char *body, size_t len)
{
	size_t size = 512 + len;
	int n;

	c->out = malloc(size);
	if (!c->out)
		abort();
	n = snprintf(c->out, size,
	             "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	             "Cache-Control: no-store\r\n%s%s%s%s\r\n",
	             status, status < 400 ? "OK" : "Error", type, len, allow ? "Allow: " : "",
	             allow ? allow : "", allow ? "\r\n" : "",
	             c->keep ? "" : "Connection: close\r\n");
	assert(n > 0 && (size_t)n + len < size);
	if (!c->head_only)
		memcpy(c->out + n, body, len);
	c->n_out = (size_t)n + (c->head_only ? 0 : len);
	c->sent = 0;
}

/* The methods a path is served with, "" if it is not. */
static void allowed_methods(const struct sl_admin *admin, struct sl_span path, char *buf,
                            size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (const struct sl_admin_page *p = admin->pages; p->path; p++) {
		if (!sl_span_eq(sl_span_str(p->path), path) || n >= size)
			continue;
		n += (size_t)snprintf(buf + n, size - n, "%s%s%s", n ? ", " : "", p->method,
		                      strcmp(p->method, "GET") == 0 ? ", HEAD" : "");
	}
}

static void answer_failure(struct client *c, int err, const char *allow)
{
	const struct sl_err_info *info = sl_err_info(err);
	char *body = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&body, &len);

	if (!out)
		abort();
	fputs("{\"error\":{\"message\":", out);
	json_put_str(out, info->text);
	fputs(",\"type\":", out);
	json_put_str(out, info->type);
	fputs(",\"code\":", out);
	json_put_str(out, info->code);
	fputs("}}\n", out);
	if (fclose(out) != 0)
		abort();
	start_answer(c, info->status, "application/json", allow, body, len);
	free(body);
}

static void answer_page(struct client *c)
{
	char *body = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&body, &len);
	int status;

	if (!out)
		abort();
	status = c->page->write(c->admin->ctx, out);
	if (fclose(out) != 0)
		abort();
	start_answer(c, status, c->page->content_type, NULL, body, len);
	free(body);
}

/* ---- requests -------------------------------------------------------- */

static const struct sl_admin_page *find_page(const struct sl_admin *admin, struct sl_span method,
                                             struct sl_span path)
{
	for (const struct sl_admin_page *p = admin->pages; p->path; p++)
		if (sl_span_eq(sl_span_str(p->path), path) &&
		    sl_span_eq(sl_span_str(p->method), method))
			return p;
	return NULL;
}

static struct sl_span without_query(struct sl_span target)
{
	const char *mark = memchr(target.ptr, '?', target.len);

	return mark ? sl_span(target.ptr, (size_t)(mark - target.ptr)) : target;
}

/* Decides the answer while the head's spans live: a page that is written when
 * the body is over, or a failure that is written at once. */
static void route(struct client *c, const struct sl_head *head)
{
	struct sl_span path = without_query(head->path), method = head->method;
	char allow[64];

	c->head_only = sl_span_eq(method, SL_SPAN("HEAD"));
	if (c->head_only)
		method = SL_SPAN("GET");
	/* 1.0 would need a Connection field to stay; nobody needs it to. A body
	 * that waits for a 100 is not needed either: the answer comes first. */
	c->keep = head->keep_alive && head->version >= 11 && !head->expect_continue;
	c->page = find_page(c->admin, method, path);
	sl_h1_request_body(&c->body, head);
	if (head->expect_continue)
		c->body.done = true;
	if (c->page)
		return;
	/* An answer before the body is over ends the connection. */
	c->keep = c->keep && c->body.done;
	allowed_methods(c->admin, path, allow, sizeof(allow));
	answer_failure(c, allow[0] ? SL_E_METHOD : SL_E_NO_ROUTE, allow[0] ? allow : NULL);
}

static void consume(struct client *c, size_t n)
{
	c->n_in -= n;
	memmove(c->in, c->in + n, c->n_in);
}

static void refuse(struct client *c, int err)
{
	c->keep = false;
	answer_failure(c, err, NULL);
}

/* True if something was done, and there may be more to do. */
static bool read_head(struct client *c)
{
	struct sl_h1_head h;
	int n = sl_h1_request(c->in, c->n_in, &c->resume, &head_limits, &h);

	if (n == 0 && c->n_in == sizeof(c->in))
		n = SL_E_HEADERS_TOO_LARGE;
	if (n == 0)
		return false;
	c->resume = 0;
	c->head_only = false;
	if (n < 0) {
		refuse(c, n);
		return true;
	}
	c->in_body = true;
	c->body_bytes = 0;
	route(c, &h.head);
	consume(c, (size_t)n);
	return true;
}

static bool drop_body(struct client *c)
{
	while (!c->body.done && c->n_in) {
		struct sl_span data;
		size_t used;
		int err = sl_h1_body_feed(&c->body, c->in, c->n_in, &used, &data);

		c->body_bytes += err ? 0 : data.len;
		if (!err && c->body_bytes > BODY_MAX_BYTES)
			err = SL_E_BODY_TOO_LARGE;
		if (err) {
			refuse(c, err);
			return true;
		}
		consume(c, used);
	}
	if (!c->body.done)
		return false;
	answer_page(c);
	return true;
}

/* Sends what is ready. False if the client is gone. */
static bool send_answer(struct client *c)
{
	while (c->sent < c->n_out) {
		ssize_t n = send(c->fd, c->out + c->sent, c->n_out - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			event_add(c->writable, NULL);
			return true;
		}
		if (n < 0) {
			client_close(c);
			return false;
		}
		c->sent += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->in_body = false;
	if (!c->keep) {
		/* Unread input would turn the close into a reset that overtakes the answer. */
		shutdown(c->fd, SHUT_WR);
		for (int i = 0; i < 8 && recv(c->fd, c->in, sizeof(c->in), MSG_DONTWAIT) > 0; i++)
			;
		client_close(c);
		return false;
	}
	restart_timer(c);
	return true;
}

/* Goes on until input or output has to be waited for. */
static void work(struct client *c)
{
	for (;;) {
		if (c->out) {
			if (!send_answer(c) || c->out)
				return;
		} else if (!(c->in_body ? drop_body(c) : read_head(c))) {
			return;
		}
	}
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	struct client *c = arg;
	ssize_t n;

	(void)events;
	if (c->n_in == sizeof(c->in)) {
		/* It sends on while it is being answered; it is heard afterwards. */
		event_del(c->readable);
		return;
	}
	n = recv(fd, c->in + c->n_in, sizeof(c->in) - c->n_in, 0);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0 && c->out && n == 0) {
		c->keep = false; /* it has said all it wants; it may still listen */
		event_del(c->readable);
		return;
	}
	if (n <= 0) {
		client_close(c);
		return;
	}
	c->n_in += (size_t)n;
	if (!c->out)
		work(c);
}

static void on_writable(evutil_socket_t fd, short events, void *arg)
{
	struct client *c = arg;

	(void)fd;
	(void)events;
	event_add(c->readable, NULL);
	work(c);
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct client *c = arg;

	(void)fd;
	(void)events;
	if (c->out || (!c->n_in && !c->in_body)) {
		client_close(c); /* takes nothing, or has said nothing */
		return;
	}
	refuse(c, SL_E_CLIENT_TIMEOUT);
	restart_timer(c);
	work(c);
}

/* ---- the listener ---------------------------------------------------- */

static void client_open(struct sl_admin *admin, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->admin = admin;
	c->fd = fd;
	c->readable = event_new(admin->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(admin->base, fd, EV_WRITE, on_writable, c);
	c->timer = event_new(admin->base, -1, 0, on_timer, c);
	if (!c->readable || !c->writable || !c->timer)
		abort();
	c->next = admin->clients;
	if (c->next)
		c->next->prev = c;
	admin->clients = c;
	admin->n_clients++;
	event_add(c->readable, NULL);
	restart_timer(c);
}

static void on_acceptable(evutil_socket_t fd, short events, void *arg)
{
	struct sl_admin *admin = arg;
	int client;

	(void)events;
	if (admin->n_clients == CLIENTS_MAX) {
		event_del(admin->acceptable); /* until one closes */
		return;
	}
	client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client >= 0) {
		client_open(admin, client);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		/* The connection stays readable in the backlog: do not spin on it. */
		event_del(admin->acceptable);
		event_add(admin->retry, &(struct timeval){ .tv_usec = 100000 });
	}
}

static void on_retry(evutil_socket_t fd, short events, void *arg)
{
	struct sl_admin *admin = arg;

	(void)fd;
	(void)events;
	event_add(admin->acceptable, NULL);
}

static int listen_on(const struct sockaddr *addr, socklen_t addr_len)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, saved;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, addr, addr_len) == 0 && listen(fd, CLIENTS_MAX) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

struct sl_admin *sl_admin_open(struct event_base *base, const struct sockaddr *addr,
                               unsigned addr_len, const struct sl_admin_page *pages, void *ctx)
{
	int fd = listen_on(addr, addr_len);
	struct sl_admin *admin;

	if (fd < 0)
		return NULL;
	admin = calloc(1, sizeof(*admin));
	if (!admin)
		abort();
	*admin = (struct sl_admin){ .base = base, .pages = pages, .ctx = ctx, .fd = fd };
	admin->acceptable = event_new(base, fd, EV_READ | EV_PERSIST, on_acceptable, admin);
	admin->retry = event_new(base, -1, 0, on_retry, admin);
	if (!admin->acceptable || !admin->retry)
		abort();
	event_add(admin->acceptable, NULL);
	return admin;
}

void sl_admin_close(struct sl_admin *admin)
{
	if (!admin)
		return;
	while (admin->clients)
		client_close(admin->clients);
	event_free(admin->acceptable);
	event_free(admin->retry);
	close(admin->fd);
	free(admin);
}

uint16_t sl_admin_port(const struct sl_admin *admin)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	if (getsockname(admin->fd, (struct sockaddr *)&addr, &len) != 0)
		return 0;
	if (addr.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&addr)->sin6_port);
	return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}
