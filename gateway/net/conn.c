/* conn.c: see conn.h. */
#include "gateway/net/conn.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sluice/err.h"

/* Longer ones are worked on while they are in the cache. */
#define SHORT_READ 16384

static void end_conn(struct sl_conn *c, int err)
{
	if (c->closed || c->ended)
		return;
	c->ended = true;
	c->ops->on_closed(c->owner, err);
}

static void want_write(struct sl_conn *c, bool on)
{
	if (c->closed || c->writing == on)
		return;
	c->writing = on;
	if (on)
		event_add(&c->ev_write, NULL);
	else
		event_del(&c->ev_write);
}

size_t sl_conn_unsent(const struct sl_conn *c)
{
	return sl_outbuf_size(c->out) + c->ref.len;
}

uint64_t sl_conn_taken(const struct sl_conn *c)
{
	size_t queued = sl_socket_unacknowledged(c->fd);

	return c->sent_bytes > queued ? c->sent_bytes - queued : 0;
}

/* ---- output ---------------------------------------------------------- */

static void advance(struct sl_conn *c, size_t n)
{
	size_t head = sl_outbuf_size(c->out);
	size_t from_out = n < head ? n : head;
	size_t sent = n;

	if (from_out)
		sl_outbuf_drain(c->out, from_out);
	n -= from_out;
	if (n) { /* without a reference there is no pointer to move */
		c->ref.ptr += n;
		c->ref.len -= n;
	}
	c->sent_bytes += sent;
}

/* One attempt: bytes taken, 0 if the peer must be waited for, -1 if dead. */
static ssize_t send_plain(struct sl_conn *c)
{
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;

	if (sl_outbuf_size(c->out))
		iov[msg.msg_iovlen++] =
		        (struct iovec){ c->out->data + c->out->off, sl_outbuf_size(c->out) };
	if (c->ref.len)
		iov[msg.msg_iovlen++] = (struct iovec){ (void *)(uintptr_t)c->ref.ptr, c->ref.len };
	do {
		n = msg.msg_iovlen == 1 ? send(c->fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL)
		                        : sendmsg(c->fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
	return n;
}

static ssize_t send_tls(struct sl_conn *c)
{
	bool from_out = sl_outbuf_size(c->out) > 0;
	const char *data = from_out ? c->out->data + c->out->off : c->ref.ptr;
	size_t len = from_out ? sl_outbuf_size(c->out) : c->ref.len;
	size_t n = 0;

	switch (sl_tls_write(c->tls, data, len, &n)) {
	case SL_TLS_OK:
		return (ssize_t)n;
	case SL_TLS_WANT_READ:
	case SL_TLS_WANT_WRITE:
		return 0;
	default:
		return -1;
	}
}

void sl_conn_flush(struct sl_conn *c)
{
	bool sent = sl_conn_unsent(c) > 0;

	if (!c->ready || c->closed || c->ended)
		return;
	while (sl_conn_unsent(c)) {
		ssize_t n = c->tls ? send_tls(c) : send_plain(c);

		if (n < 0) {
			end_conn(c, SL_E_UPSTREAM_RESET);
			return;
		}
		if (n == 0) {
			c->blocked = true;
			want_write(c, true);
			if (c->ops->on_blocked)
				c->ops->on_blocked(c->owner);
			return;
		}
		advance(c, (size_t)n);
	}
	want_write(c, c->tls_read_wants_write);
	c->blocked = false;
	if (sent)
		c->ops->on_flushed(c->owner);
}

static void flush_task(void *arg)
{
	sl_conn_flush(arg);
}

void sl_conn_dirty(struct sl_conn *c)
{
	if (!c->closed)
		sl_loop_defer(c->loop, &c->flush_task);
}

/* ---- input ----------------------------------------------------------- */

static void give_input(void *arg)
{
	struct sl_conn *c = arg;
	struct sl_span input = c->input;

	c->input = sl_span("", 0);
	if (!c->closed && !c->ended)
		c->ops->on_data(c->owner, input.ptr, input.len);
}

static void read_plain(struct sl_conn *c)
{
	char *room;
	ssize_t n;
	int err;

	if (c->input.len) /* the rest comes after it */
		return;
	room = sl_loop_room(c->loop);
	if (c->closed || c->ended) /* by what others had read */
		return;
	do {
		n = recv(c->fd, room, c->read_bytes, 0);
		err = n < 0 ? errno : 0;
	} while (err == EINTR);
	if (n > 0 && n <= SHORT_READ) {
		c->input = sl_span(room, (size_t)n);
		sl_loop_keep(c->loop, (size_t)n, &c->input_task);
		return;
	}
	sl_loop_refresh(c->loop);
	if (n > 0)
		c->ops->on_data(c->owner, room, (size_t)n);
	else if (n == 0)
		end_conn(c, 0);
	else if (err != EAGAIN && err != EWOULDBLOCK)
		end_conn(c, SL_E_UPSTREAM_RESET);
}

/* Fills the room from as many records as are there. */
static enum sl_tls_result fill_tls(struct sl_conn *c, char *room, size_t *out_len)
{
	enum sl_tls_result result = SL_TLS_OK;
	size_t len = 0;

	while (len < c->read_bytes && result == SL_TLS_OK) {
		size_t n = 0;

		result = sl_tls_read(c->tls, room + len, c->read_bytes - len, &n);
		len += n;
	}
	*out_len = len;
	return result;
}

static void read_tls(struct sl_conn *c)
{
	enum sl_tls_result result;

	do {
		char *room = sl_loop_room(c->loop);
		size_t len;

		if (c->closed || c->ended)
			return;
		result = fill_tls(c, room, &len);
		if (len)
			c->ops->on_data(c->owner, room, len);
		/* A full buffer with more inside: nothing else would wake us. */
	} while (result == SL_TLS_OK && !c->closed && c->reading);
	if (c->closed)
		return;
	if (result == SL_TLS_OK) {
		return; /* paused; resume looks at what is pending */
	}
	c->tls_read_wants_write = result == SL_TLS_WANT_WRITE;
	if (c->tls_read_wants_write)
		want_write(c, true);
	else if (result == SL_TLS_EOF)
		end_conn(c, 0);
	else if (result == SL_TLS_ERROR)
		end_conn(c, SL_E_UPSTREAM_RESET);
}

/* ---- becoming ready -------------------------------------------------- */

static void become_ready(struct sl_conn *c)
{
	c->handshaking = false;
	c->ready = true;
	want_write(c, false);
	c->ops->on_ready(c->owner);
	if (!c->closed)
		sl_conn_flush(c);
}

static void shake_hands(struct sl_conn *c)
{
	enum sl_tls_result result = sl_tls_handshake(c->tls);

	if (result == SL_TLS_OK) {
		become_ready(c);
		if (!c->closed && c->reading)
			read_tls(c);
	} else if (result == SL_TLS_WANT_READ || result == SL_TLS_WANT_WRITE) {
		want_write(c, result == SL_TLS_WANT_WRITE);
	} else {
		end_conn(c, SL_E_UPSTREAM_CONNECT);
	}
}

static void finish_connect(struct sl_conn *c)
{
	if (sl_socket_error(c->fd) != 0) {
		end_conn(c, SL_E_UPSTREAM_CONNECT);
		return;
	}
	c->connecting = false;
	if (c->tls)
		shake_hands(c);
	else
		become_ready(c);
}

/* What an event means to a connection that is not open yet. False if there is
 * nothing to read or write, still or any more. */
static bool is_open(struct sl_conn *c)
{
	if (c->closed || c->ended)
		return false;
	if (!c->connecting && !c->handshaking)
		return true;
	sl_loop_refresh(c->loop);
	if (c->connecting)
		finish_connect(c);
	else
		shake_hands(c);
	return false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_conn *c = arg;

	(void)fd;
	(void)what;
	if (!is_open(c))
		return;
	if (!c->tls) {
		read_plain(c);
		return;
	}
	sl_loop_refresh(c->loop);
	read_tls(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_conn *c = arg;

	(void)fd;
	(void)what;
	if (!is_open(c))
		return;
	sl_loop_refresh(c->loop);
	if (c->tls_read_wants_write) {
		c->tls_read_wants_write = false;
		read_tls(c);
	}
	sl_conn_flush(c);
}

/* ---- life ------------------------------------------------------------ */

void sl_conn_init(struct sl_conn *c, struct sl_loop *loop, int fd, struct sl_tls *tls_take,
                  bool connecting, const struct sl_conn_ops *ops, void *owner)
{
	memset(c, 0, sizeof(*c));
	c->loop = loop;
	c->fd = fd;
	c->tls = tls_take;
	c->ops = ops;
	c->owner = owner;
	c->connecting = connecting;
	c->handshaking = tls_take != NULL;
	c->out = &c->own_out;
	c->read_bytes = SL_LOOP_READ_BYTES;
	c->flush_task.fn = flush_task;
	c->flush_task.arg = c;
	c->input_task.fn = give_input;
	c->input_task.arg = c;
	c->input = sl_span("", 0);
	event_assign(&c->ev_read, loop->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->ev_write, loop->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
}

void sl_conn_start(struct sl_conn *c)
{
	c->reading = true;
	event_add(&c->ev_read, NULL);
	if (c->connecting)
		want_write(c, true);
	else if (c->tls)
		shake_hands(c);
	else
		become_ready(c);
}

void sl_conn_pause(struct sl_conn *c)
{
	if (c->closed || !c->reading)
		return;
	c->reading = false;
	event_del(&c->ev_read);
}

void sl_conn_resume(struct sl_conn *c)
{
	if (c->closed || c->reading)
		return;
	c->reading = true;
	event_add(&c->ev_read, NULL);
	if (c->tls && c->ready && sl_tls_pending(c->tls))
		event_active(&c->ev_read, EV_READ, 0);
}

static void release(struct sl_conn *c)
{
	c->closed = true;
	event_del(&c->ev_read);
	event_del(&c->ev_write);
	sl_loop_undefer(c->loop, &c->flush_task);
	sl_loop_undefer(c->loop, &c->input_task);
	sl_tls_free(c->tls);
	c->tls = NULL;
	close(c->fd);
	sl_outbuf_fini(&c->own_out);
	c->ref = sl_span("", 0);
}

void sl_conn_close(struct sl_conn *c)
{
	if (c->closed)
		return;
	if (c->tls && c->ready && !c->ended)
		sl_tls_shutdown(c->tls);
	release(c);
}

void sl_conn_reset(struct sl_conn *c)
{
	if (c->closed)
		return;
	sl_socket_set_reset(c->fd);
	release(c);
}

void sl_conn_shutdown(struct sl_conn *c)
{
	if (c->closed || !c->ready)
		return;
	if (c->tls)
		sl_tls_shutdown(c->tls);
	shutdown(c->fd, SHUT_WR);
}
