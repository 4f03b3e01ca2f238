/* session.h: one client connection: TLS, the choice of protocol, and the
 * limits that hold before there is a request. */
#ifndef SLUICE_DOWNSTREAM_SESSION_H
#define SLUICE_DOWNSTREAM_SESSION_H

#include <stdatomic.h>

#include "gateway/downstream/hold.h"
#include "gateway/downstream/pace.h"
#include "gateway/downstream/stream.h"
#include "gateway/http/h1.h"
#include "gateway/http/h2.h"
#include "gateway/http/spares.h"
#include "gateway/net/clients.h"
#include "gateway/net/conn.h"
#include "gateway/telemetry/limits.h"
#include "gateway/telemetry/metrics.h"
#include "sluice/config.h"

/* What every session of one worker shares. Owned by the worker. */
struct sl_sessions {
	struct sl_loop *loop;
	const struct sl_config *config; /* the newest; replaced on reload */
	const struct sl_stream_events *events;
	void *ctx; /* handed to on_head */
	struct sl_metrics *metrics;
	struct sl_clients *clients;     /* borrowed, all workers'; NULL: not counted */
	struct sl_hold_budget *hold;    /* borrowed, all workers'; NULL: not counted */
	struct sl_session *list;        /* open ones, newest first */
	struct sl_spares spare_streams; /* h2_session.c's */
	uint32_t n_backlogged;          /* HTTP/2 sessions with requests put off to the next turn */
	uint32_t count;
	/* Of them, without a request so far. Other threads read it: a connection
	 * that was just accepted will soon be a stream. */
	atomic_uint unspoken;
	bool draining;
};

/* What a listener says about its connections. */
struct sl_session_kind {
	struct sl_tls_context *tls; /* borrowed, NULL when plain */
	bool h2c_only, h1_only;
};

/* A protocol on a session. The session calls these; both may close it. */
struct sl_protocol {
	const char *name;
	void (*data)(struct sl_session *s, const char *data, size_t len);
	void (*flushed)(struct sl_session *s);
	/* The client is gone or is sent away: every stream gets on_gone(err). */
	void (*end)(struct sl_session *s, int err);
	/* Take no new requests; close when the present ones are answered.
	 * final: the second GOAWAY. */
	void (*drain)(struct sl_session *s, bool final);
	bool (*idle)(const struct sl_session *s);
	void (*free)(struct sl_session *s);
};

struct sl_h1_session;
struct sl_h2_session;

struct sl_session {
	struct sl_session *next, *prev;
	struct sl_sessions *all; /* borrowed */
	struct sl_conn conn;
	const struct sl_protocol *protocol; /* NULL until it is known */
	struct sl_h1_session *h1;           /* owned, one of the two */
	struct sl_h2_session *h2;
	struct sl_timer idle_timer; /* handshake, head, keep-alive */
	struct sl_timer write_timer;
	struct sl_pace write_pace;
	struct sl_hold hold;      /* what the connection has not taken */
	struct sl_client *client; /* its place among those of its address, or NULL */
	struct sl_grave grave;
	bool h2c_only, h1_only;
	bool closed;
	bool spoken; /* it has had a request */
	char peer[64];
	size_t peer_len;
	char sniffed[24]; /* plain text: the start, until it is known */
	size_t n_sniffed;
};

/* Takes the socket. */
void sl_session_open(struct sl_sessions *all, int fd, const struct sl_sockaddr *peer,
                     const struct sl_session_kind *kind);
/* Ends the connection at once (reset: the client sees a reset) and frees it
 * when the turn is over. Streams get on_gone(err). Safe to call twice. */
void sl_session_close(struct sl_session *s, int err, bool reset);
/* The client ran into this limit. */
void sl_session_limit(struct sl_session *s, enum sl_limit limit);
/* Graceful end of all: first notice, later final. */
void sl_sessions_drain(struct sl_sessions *all, bool final);
/* At the deadline: whatever is still open is closed. */
void sl_sessions_close(struct sl_sessions *all);
/* Their shared memory, when the loop has buried the last of them. */
void sl_sessions_fini(struct sl_sessions *all);
/* A request came. */
static inline void sl_session_spoke(struct sl_session *s)
{
	if (s->spoken)
		return;
	s->spoken = true;
	atomic_fetch_sub_explicit(&s->all->unspoken, 1, memory_order_relaxed);
}
/* Charges what the connection has not taken. False if there is no room for it. */
bool sl_session_hold(struct sl_session *s);
/* Output was added: flush at the end of the turn, watch for a stuck client. */
void sl_session_wrote(struct sl_session *s);

/* The two protocols' entry points. */
void sl_h1_session_start(struct sl_session *s);
void sl_h2_session_start(struct sl_session *s);

#endif
