/* conn.c: see conn.h. */
#include "bench/sim/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_BYTES ((size_t)256 * 1024)
#define KEPT_BYTES ((size_t)32 * 1024)
#define BODY_MAX ((size_t)64 * 1024 * 1024)
#define PIPELINED_MAX ((size_t)1024 * 1024) /* while a request is being answered */

static void feed(struct sl_sim_conn *conn);

/* ---- life ------------------------------------------------------------ */

static void sweep(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim_net *net = arg;

	(void)fd;
	(void)what;
	while (net->graveyard) {
		struct sl_sim_conn *conn = net->graveyard;

		net->graveyard = conn->next;
		sl_sim_buf_fini(&conn->in);
		sl_sim_buf_fini(&conn->out);
		sl_sim_buf_fini(&conn->raw_head);
		sl_sim_buf_fini(&conn->body);
		free(conn);
	}
}

void sl_sim_net_init(struct sl_sim_net *net, struct event_base *base)
{
	memset(net, 0, sizeof(*net));
	net->base = base;
	event_assign(&net->sweep, base, -1, 0, sweep, net);
}

void sl_sim_net_fini(struct sl_sim_net *net)
{
	sweep(-1, 0, net);
	event_del(&net->sweep);
}

static void link_conn(struct sl_sim_conn *conn)
{
	struct sl_sim_conn_list *list = conn->list;

	conn->next = list->first;
	if (list->first)
		list->first->prev = conn;
	list->first = conn;
	list->n++;
}

static void unlink_conn(struct sl_sim_conn *conn)
{
	struct sl_sim_conn_list *list = conn->list;

	if (conn->prev)
		conn->prev->next = conn->next;
	else
		list->first = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	list->n--;
}

void sl_sim_conn_close(struct sl_sim_conn *conn, bool reset)
{
	struct sl_sim_net *net = conn->list->net;
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (conn->state == SL_SIM_CONN_DEAD)
		return;
	conn->state = SL_SIM_CONN_DEAD;
	if (conn->job)
		conn->list->ops->left(conn);
	conn->job = NULL;
	event_del(&conn->read_event);
	event_del(&conn->write_event);
	event_del(&conn->idle_timer);
	if (reset)
		(void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(conn->fd);
	unlink_conn(conn);
	conn->next = net->graveyard;
	net->graveyard = conn;
	event_active(&net->sweep, EV_TIMEOUT, 0);
}

/* Thousands of idle connections must not keep what one large prompt took. */
static void trim(struct sl_sim_buf *b)
{
	if (b->cap > KEPT_BYTES && !b->len)
		sl_sim_buf_fini(b);
}

static void wait_for_next(struct sl_sim_conn *conn)
{
	struct timeval idle = sl_sim_timeval(conn->list->net->keep_alive_us);

	conn->body.len = conn->raw_head.len = 0;
	trim(&conn->body);
	trim(&conn->raw_head);
	trim(&conn->in);
	conn->state = SL_SIM_CONN_HEAD;
	conn->resume = 0;
	event_add(&conn->idle_timer, &idle);
}

/* ---- output ---------------------------------------------------------- */

size_t sl_sim_conn_backlog(const struct sl_sim_conn *conn)
{
	return conn->out.len - conn->out_at + conn->tail.len;
}

/* What is said next comes behind it. */
static void fold_tail(struct sl_sim_conn *conn)
{
	sl_sim_buf_add(&conn->out, conn->tail);
	conn->tail = sl_span(NULL, 0);
}

static ssize_t send_some(struct sl_sim_conn *conn)
{
	struct iovec parts[2] = {
		{ conn->out.ptr + conn->out_at, conn->out.len - conn->out_at },
		{ (char *)(uintptr_t)conn->tail.ptr, conn->tail.len },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = conn->tail.len ? 2 : 1 };

	return sendmsg(conn->fd, &message, MSG_NOSIGNAL);
}

static void count_sent(struct sl_sim_conn *conn, size_t n)
{
	size_t first = conn->out.len - conn->out_at;

	first = n < first ? n : first;
	conn->out_at += first;
	if (n == first)
		return;
	conn->tail.ptr += n - first;
	conn->tail.len -= n - first;
}

void sl_sim_conn_flush(struct sl_sim_conn *conn)
{
	if (conn->state == SL_SIM_CONN_DEAD)
		return;
	while (sl_sim_conn_backlog(conn)) {
		ssize_t n = send_some(conn);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			event_add(&conn->write_event, NULL);
			return;
		}
		if (n < 0) {
			sl_sim_conn_close(conn, false);
			return;
		}
		count_sent(conn, (size_t)n);
	}
	conn->out.len = conn->out_at = 0;
	conn->tail = sl_span(NULL, 0);
	trim(&conn->out);
	if (event_pending(&conn->write_event, EV_WRITE, NULL))
		event_del(&conn->write_event);
	if (conn->state == SL_SIM_CONN_CLOSING)
		sl_sim_conn_close(conn, false);
}

void sl_sim_conn_finish(struct sl_sim_conn *conn)
{
	if (conn->state == SL_SIM_CONN_DEAD)
		return;
	conn->state = SL_SIM_CONN_CLOSING;
	sl_sim_conn_flush(conn);
}

void sl_sim_conn_end(struct sl_sim_conn *conn)
{
	const struct sl_sim_conn_list *list = conn->list;

	if (conn->state == SL_SIM_CONN_DEAD)
		return;
	if (list->ops->answered)
		list->ops->answered(conn);
	if (!conn->head.keep_alive || list->closing || conn->state == SL_SIM_CONN_CLOSING) {
		sl_sim_conn_finish(conn);
		return;
	}
	wait_for_next(conn);
	sl_sim_conn_flush(conn);
	if (conn->state == SL_SIM_CONN_HEAD && conn->in.len && !conn->feeding)
		feed(conn);
}

void sl_sim_conn_raw(struct sl_sim_conn *conn, struct sl_span data)
{
	fold_tail(conn);
	sl_sim_buf_add(&conn->out, data);
}

/* What follows the number: 503 was seen without a phrase, and without the
 * space before it. */
static const char *phrase(int status)
{
	static const struct {
		int status;
		const char *text;
	} table[] = {
		{ 200, " OK" },
		{ 400, " Bad Request" },
		{ 401, " Unauthorized" },
		{ 403, " Forbidden" },
		{ 404, " Not Found" },
		{ 405, " Method Not Allowed" },
		{ 422, " Unprocessable Entity" },
		{ 429, " Too Many Requests" },
		{ 500, " Internal Server Error" },
		{ 501, " Not Implemented" },
		{ 502, " Bad Gateway" },
		{ 504, " Gateway Timeout" },
	};

	for (size_t i = 0; i < SL_COUNT(table); i++)
		if (table[i].status == status)
			return table[i].text;
	return "";
}

static void put_status(struct sl_sim_conn *conn, int status, const char *extra)
{
	const char *fields = conn->list->fields;

	fold_tail(conn);
	conn->status = status;
	sl_sim_buf_printf(&conn->out, "HTTP/1.1 %d%s\r\ndate: %s\r\n", status, phrase(status),
	                  sl_sim_date_text(&conn->list->net->date));
	sl_sim_buf_str(&conn->out, fields ? fields : "server: uvicorn\r\n");
	if (extra)
		sl_sim_buf_str(&conn->out, extra);
}

static const char *closing(const struct sl_sim_conn *conn)
{
	return conn->head.keep_alive ? "" : "connection: close\r\n";
}

static void put_reply_head(struct sl_sim_conn *conn, const char *content_type, size_t body_bytes)
{
	sl_sim_buf_printf(&conn->out, "content-length: %zu\r\n", body_bytes);
	if (content_type)
		sl_sim_buf_printf(&conn->out, "content-type: %s\r\n", content_type);
	sl_sim_buf_printf(&conn->out, "%s%s\r\n", conn->list->fields ? "" : "vary: Origin\r\n",
	                  closing(conn));
	conn->answer_bytes = body_bytes;
}

void sl_sim_conn_reply(struct sl_sim_conn *conn, int status, const char *content_type,
                       const char *extra, struct sl_span body)
{
	put_status(conn, status, extra);
	put_reply_head(conn, content_type, body.len);
	if (!conn->head.head_request)
		sl_sim_buf_add(&conn->out, body);
	sl_sim_conn_end(conn);
}

void sl_sim_conn_reply_long(struct sl_sim_conn *conn, int status, const char *content_type,
                            struct sl_span body, struct sl_span tail)
{
	put_status(conn, status, NULL);
	put_reply_head(conn, content_type, body.len + tail.len);
	sl_sim_buf_reserve(&conn->out, body.len);
	sl_sim_buf_add(&conn->out, body);
	conn->tail = tail;
	sl_sim_conn_end(conn);
}

void sl_sim_conn_reply_chunked(struct sl_sim_conn *conn, const char *content_type,
                               struct sl_span body)
{
	put_status(conn, 200, NULL);
	sl_sim_buf_printf(&conn->out, "content-type: %s\r\n%stransfer-encoding: chunked\r\n\r\n",
	                  content_type, closing(conn));
	sl_sim_conn_chunk(conn, body);
	conn->answer_bytes = body.len;
	sl_sim_conn_stream_end(conn);
}

void sl_sim_conn_delay(struct sl_sim_conn *conn, uint64_t us)
{
	struct timeval tv = sl_sim_timeval(us);

	event_add(&conn->idle_timer, &tv);
}

static void put_stream_head(struct sl_sim_conn *conn)
{
	put_status(conn, 200, NULL);
	sl_sim_buf_printf(&conn->out,
	                  "content-type: text/event-stream; charset=utf-8\r\n%s"
	                  "%stransfer-encoding: chunked\r\n\r\n",
	                  conn->list->fields ? "" : "vary: Origin\r\n", closing(conn));
	conn->answer_bytes = 0;
}

void sl_sim_conn_stream(struct sl_sim_conn *conn)
{
	put_stream_head(conn);
	sl_sim_conn_flush(conn);
}

void sl_sim_conn_stream_whole(struct sl_sim_conn *conn, struct sl_span chunks)
{
	put_stream_head(conn);
	sl_sim_buf_add(&conn->out, chunks);
	sl_sim_conn_stream_end(conn);
}

void sl_sim_conn_chunk(struct sl_sim_conn *conn, struct sl_span data)
{
	if (!data.len)
		return;
	sl_sim_buf_printf(&conn->out, "%zx\r\n", data.len);
	sl_sim_buf_add(&conn->out, data);
	sl_sim_buf_str(&conn->out, "\r\n");
}

void sl_sim_conn_stream_end(struct sl_sim_conn *conn)
{
	sl_sim_buf_str(&conn->out, "0\r\n\r\n");
	sl_sim_conn_end(conn);
}

/* ---- input ----------------------------------------------------------- */

static void refuse(struct sl_sim_conn *conn)
{
	put_status(conn, 400, NULL);
	sl_sim_buf_str(&conn->out, "content-type: text/plain; charset=utf-8\r\n"
	                           "content-length: 30\r\nconnection: close\r\n\r\n"
	                           "Invalid HTTP request received.");
	sl_sim_conn_finish(conn);
}

static void copy_text(char *out, size_t size, struct sl_span text)
{
	size_t n = text.len < size - 1 ? text.len : size - 1;

	if (n)
		memcpy(out, text.ptr, n);
	out[n] = 0;
}

static void copy_path(struct sl_sim_head *out, struct sl_span path)
{
	const char *mark = memchr(path.ptr, '?', path.len);
	size_t n = mark ? (size_t)(mark - path.ptr) : path.len;

	copy_text(out->path, sizeof(out->path), sl_span(path.ptr, n));
	copy_text(out->query, sizeof(out->query),
	          mark ? sl_span(mark + 1, path.len - n - 1) : sl_span("", 0));
}

static bool is_authorized(const struct sl_sim_conn *conn, const struct sl_head *head)
{
	const struct sl_hfield *f = sl_head_find(head, SL_SPAN("authorization"));
	const char *key = conn->list->net->api_key;

	if (!key)
		return true;
	return f && f->value.len == strlen(key) + 7 && !memcmp(f->value.ptr, "Bearer ", 7) &&
	       !memcmp(f->value.ptr + 7, key, strlen(key));
}

static void take_head(struct sl_sim_conn *conn, const struct sl_head *head)
{
	const struct sl_hfield *id = sl_head_find(head, SL_SPAN("x-request-id"));
	const struct sl_hfield *orca = sl_head_find(head, SL_SPAN("endpoint-load-metrics-format"));
	struct sl_sim_head *h = &conn->head;

	copy_text(h->method, sizeof(h->method), head->method);
	copy_path(h, head->path);
	copy_text(h->request_id, sizeof(h->request_id), id ? id->value : sl_span("", 0));
	copy_text(h->orca, sizeof(h->orca), orca ? orca->value : sl_span("", 0));
	h->authorized = is_authorized(conn, head);
	h->keep_alive = head->keep_alive && head->version == 11;
	h->content_json = head->content_json;
	h->head_request = sl_span_eq(head->method, SL_SPAN("HEAD"));
}

/* Bytes used; 0 if more are needed or the connection is at an end. */
static size_t read_head(struct sl_sim_conn *conn)
{
	static const struct sl_head_limits limits = { 4 * 1024 * 1024, SL_MAX_HFIELDS, 65536 };
	static struct sl_h1_head head;
	int n = sl_h1_request(conn->in.ptr, conn->in.len, &conn->resume, &limits, &head);

	if (n < 0) {
		refuse(conn);
		return 0;
	}
	if (n == 0)
		return 0;
	conn->resume = 0;
	event_del(&conn->idle_timer);
	take_head(conn, &head.head);
	conn->raw_head.len = 0;
	sl_sim_buf_add(&conn->raw_head, sl_span(conn->in.ptr, (size_t)n));
	conn->body.len = 0;
	sl_h1_request_body(&conn->framing, &head.head);
	conn->state = SL_SIM_CONN_BODY;
	if (head.head.expect_continue && !conn->framing.done) {
		sl_sim_conn_raw(conn, SL_SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
		sl_sim_conn_flush(conn);
	}
	return (size_t)n;
}

static size_t read_body(struct sl_sim_conn *conn)
{
	size_t at = 0;

	while (!conn->framing.done && at < conn->in.len) {
		struct sl_span content = { NULL, 0 };
		size_t used;

		if (sl_h1_body_feed(&conn->framing, conn->in.ptr + at, conn->in.len - at, &used,
		                    &content) < 0 ||
		    conn->body.len > BODY_MAX) {
			refuse(conn);
			return 0;
		}
		sl_sim_buf_add(&conn->body, content);
		at += used;
	}
	return at;
}

static void feed(struct sl_sim_conn *conn)
{
	conn->feeding = true;
	for (;;) {
		size_t used = 0;

		if (conn->state == SL_SIM_CONN_HEAD && conn->in.len)
			used = read_head(conn);
		else if (conn->state == SL_SIM_CONN_BODY)
			used = read_body(conn);
		if (conn->state == SL_SIM_CONN_DEAD)
			break;
		sl_sim_buf_drop(&conn->in, used);
		if (conn->state == SL_SIM_CONN_BODY && conn->framing.done) {
			conn->state = SL_SIM_CONN_BUSY;
			conn->handler = -1;
			conn->held = conn->released = conn->late = false;
			conn->started_us = sl_sim_now_us();
			conn->list->ops->request(conn);
		} else if (used == 0) {
			break;
		}
	}
	conn->feeding = false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	static char buf[READ_BYTES];
	struct sl_sim_conn *conn = arg;
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* uvicorn takes half a close for a whole one */
	if (n <= 0) {
		sl_sim_conn_close(conn, false);
		return;
	}
	if (conn->state == SL_SIM_CONN_CLOSING)
		return;
	sl_sim_buf_add(&conn->in, sl_span(buf, (size_t)n));
	if (conn->state != SL_SIM_CONN_BUSY)
		feed(conn);
	else if (conn->in.len > PIPELINED_MAX)
		sl_sim_conn_close(conn, true);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim_conn *conn = arg;

	(void)fd;
	(void)what;
	sl_sim_conn_flush(conn);
	if (conn->state != SL_SIM_CONN_DEAD && conn->job && !sl_sim_conn_backlog(conn))
		conn->list->ops->drained(conn);
}

/* Nobody has come for long; or a delay is over. */
static void on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim_conn *conn = arg;

	(void)fd;
	(void)what;
	if (conn->state != SL_SIM_CONN_BUSY) {
		sl_sim_conn_close(conn, false);
		return;
	}
	conn->late = true;
	conn->list->ops->request(conn);
}

struct sl_sim_conn *sl_sim_conn_new(struct sl_sim_conn_list *list, int fd)
{
	struct sl_sim_conn *conn = calloc(1, sizeof(*conn));
	struct event_base *base = list->net->base;

	if (!conn)
		abort();
	conn->list = list;
	conn->fd = fd;
	conn->head.keep_alive = true;
	conn->handler = -1;
	event_assign(&conn->read_event, base, fd, EV_READ | EV_PERSIST, on_readable, conn);
	event_assign(&conn->write_event, base, fd, EV_WRITE | EV_PERSIST, on_writable, conn);
	evtimer_assign(&conn->idle_timer, base, on_idle, conn);
	event_add(&conn->read_event, NULL);
	link_conn(conn);
	return conn;
}
