/* conn.h: a byte connection on a loop, plain or TLS, either end.
 *
 * Reading: EV_READ stays registered for the connection's life (it also
 * notices closes); bytes arrive in the loop's receive buffer, borrowed until
 * on_data returns, which short reads reach when the turn's reading is done.
 * Pausing is a verb, used for back-pressure only.
 *
 * Writing: the owner appends to `out` and marks the connection dirty; it is
 * flushed at the end of the turn, or at once by sl_conn_flush. After `out`, a
 * body that the owner keeps alive can be sent by reference. EV_WRITE is only
 * armed after EAGAIN. */
#ifndef SLUICE_NET_CONN_H
#define SLUICE_NET_CONN_H

#include "gateway/http/outbuf.h"
#include "gateway/net/loop.h"
#include "gateway/net/socket.h"
#include "gateway/net/tls.h"

struct sl_conn_ops {
	/* Connected, and the TLS handshake is done. */
	void (*on_ready)(void *owner);
	void (*on_data)(void *owner, const char *data, size_t len);
	/* The peer closed (err 0) or the connection failed (negative). Called
	 * once at most; the owner closes. */
	void (*on_closed)(void *owner, int err);
	/* A flush has sent everything there was. */
	void (*on_flushed)(void *owner);
	/* The peer does not take what was to be sent; the owner may close. NULL: no
	 * interest. */
	void (*on_blocked)(void *owner);
};

struct sl_conn {
	struct sl_loop *loop; /* borrowed, outlives it */
	const struct sl_conn_ops *ops;
	void *owner;
	struct sl_tls *tls;    /* owned, NULL when plain */
	struct sl_outbuf *out; /* borrowed: own_out or a session's */
	struct sl_outbuf own_out;
	struct sl_span ref; /* borrowed body after `out` */
	struct event ev_read, ev_write;
	struct sl_task flush_task, input_task;
	struct sl_span input; /* read, and kept by the loop for input_task */
	uint64_t sent_bytes;  /* handed to the kernel, before TLS */
	uint32_t read_bytes;  /* at once; SL_LOOP_READ_BYTES unless the owner says less */
	int fd;
	bool connecting, handshaking, ready;
	bool reading, writing; /* events armed */
	bool blocked;          /* output waits for the peer */
	bool closed, ended;    /* ended: on_closed was called */
	bool tls_read_wants_write;
};

/* A connection around an accepted socket. tls NULL: plain, ready at once
 * (on_ready is called from sl_conn_start). */
void sl_conn_init(struct sl_conn *c, struct sl_loop *loop, int fd, struct sl_tls *tls_take,
                  bool connecting, const struct sl_conn_ops *ops, void *owner);
void sl_conn_start(struct sl_conn *c);
/* Bytes not yet handed to the kernel, ref included. */
size_t sl_conn_unsent(const struct sl_conn *c);
/* Of what was sent, the bytes that are known to have arrived: the kernel can
 * hold megabytes, and be silent about them, for a client that is merely slow. */
uint64_t sl_conn_taken(const struct sl_conn *c);
void sl_conn_dirty(struct sl_conn *c);
void sl_conn_flush(struct sl_conn *c);
void sl_conn_pause(struct sl_conn *c);
void sl_conn_resume(struct sl_conn *c);
/* No events after this. The memory must stay until the turn is over. */
void sl_conn_close(struct sl_conn *c);
/* The same, but the peer sees a reset: what it got is not complete. */
void sl_conn_reset(struct sl_conn *c);
/* Half-close: no more output will come (plain; TLS says close_notify). */
void sl_conn_shutdown(struct sl_conn *c);

#endif
