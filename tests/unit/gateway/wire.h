/* wire.h: the far end of a connection of the code under test, played by the
 * test itself in the same thread, and the loop turned until something holds.
 *
 * Nothing here blocks and nothing here sleeps: a test says what must come to
 * be true and the loop is turned until it is. What does not come true within
 * PATIENCE_US fails the test with the text of the condition. */
#ifndef SLUICE_TEST_WIRE_H
#define SLUICE_TEST_WIRE_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/net/loop.h"
#include "gateway/net/socket.h"

#define PATIENCE_US (5u * 1000000u)

/* ---- the loop -------------------------------------------------------- */

static inline uint64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* One turn that does not wait. */
static inline void turn(struct sl_loop *loop)
{
	sl_loop_wake(loop);
	sl_loop_turn(loop);
}

/* Enough turns for everything that was set off to have happened: loopback
 * delivers within the send, so what is still absent now is not on its way. */
static inline void settle_down(struct sl_loop *loop)
{
	for (int i = 0; i < 16; i++)
		turn(loop);
}

#define TURN_UNTIL(loop, condition)                                                                \
	do {                                                                                       \
		uint64_t give_up_us = wall_us() + PATIENCE_US;                                     \
                                                                                                   \
		while (!(condition)) {                                                             \
			if (wall_us() > give_up_us)                                                \
				fail_msg("never came true: %s", #condition);                       \
			turn(loop);                                                                \
		}                                                                                  \
	} while (0)

/* ---- sockets --------------------------------------------------------- */

/* A listener on a free port of 127.0.0.1. */
static inline int listen_anywhere(struct sl_sockaddr *out_addr)
{
	int fd;

	assert_int_equal(sl_sockaddr_resolve("127.0.0.1", 0, out_addr), 0);
	fd = sl_socket_listen(out_addr, false);
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&out_addr->ss, &out_addr->len), 0);
	return fd;
}

/* One end, and all that came in at it. */
struct wire {
	int fd;
	char *data; /* owned, NUL behind its end */
	size_t len, cap;
	bool ended; /* the other side closed cleanly ... */
	bool reset; /* ... or did not */
};

static inline void wire_init(struct wire *w, int fd)
{
	assert_true(fd >= 0);
	*w = (struct wire){ .fd = fd, .data = calloc(1, 1) };
	assert_non_null(w->data);
}

/* A sent byte arrives, whatever was sent before it (no Nagle). */
static inline void wire_send_at_once(struct wire *w)
{
	int on = 1;

	assert_int_equal(setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
}

static inline void wire_fini(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->data);
	*w = (struct wire){ .fd = -1 };
}

static inline void wire_keep(struct wire *w, const char *data, size_t n)
{
	if (w->len + n + 1 > w->cap) {
		w->cap = 2 * (w->len + n + 1);
		w->data = realloc(w->data, w->cap);
		assert_non_null(w->data);
	}
	memcpy(w->data + w->len, data, n);
	w->len += n;
	w->data[w->len] = '\0';
}

/* Takes in what has arrived. */
static inline void wire_poll(struct wire *w)
{
	char buf[65536];
	ssize_t n;

	while (!w->ended && !w->reset && (n = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
		w->ended = n == 0;
		wire_keep(w, buf, (size_t)n);
	}
	if (!w->ended && !w->reset)
		w->reset = errno != EAGAIN && errno != EWOULDBLOCK;
}

static inline void wire_forget(struct wire *w)
{
	w->len = 0;
	w->data[0] = '\0';
}

static inline bool wire_is(struct wire *w, const char *text)
{
	wire_poll(w);
	return strcmp(w->data, text) == 0;
}

static inline bool wire_has(struct wire *w, const char *text)
{
	wire_poll(w);
	return strstr(w->data, text) != NULL;
}

static inline bool wire_holds(struct wire *w, size_t len)
{
	wire_poll(w);
	return w->len >= len;
}

static inline bool wire_ended(struct wire *w)
{
	wire_poll(w);
	return w->ended;
}

static inline bool wire_over(struct wire *w)
{
	wire_poll(w);
	return w->ended || w->reset;
}

static inline bool wire_quiet(struct wire *w)
{
	wire_poll(w);
	return w->len == 0 && !w->ended && !w->reset;
}

/* All of it must fit into the socket's buffers. */
static inline void wire_send_bytes(struct wire *w, const char *data, size_t len)
{
	assert_int_equal(send(w->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT), len);
}

static inline void wire_send(struct wire *w, const char *text)
{
	wire_send_bytes(w, text, strlen(text));
}

static inline void wire_shut(struct wire *w)
{
	shutdown(w->fd, SHUT_WR);
}

static inline void wire_close(struct wire *w)
{
	close(w->fd);
	w->fd = -1;
}

static inline void wire_reset(struct wire *w)
{
	sl_socket_set_reset(w->fd);
	wire_close(w);
}

/* Bytes that differ from their neighbours and from those a buffer further. */
static inline char *patterned(size_t len)
{
	char *data = malloc(len + 1);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)('a' + (i * 7 + i / 4096) % 26);
	data[len] = '\0';
	return data;
}

#endif
