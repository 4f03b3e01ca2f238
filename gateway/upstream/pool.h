/* pool.h: what call.c, h1_link.c and h2_link.c share. Private to this folder.
 *
 * A link is a connection to an engine. An HTTP/1.1 link carries one call at a
 * time and is idle in its pool between calls; an HTTP/2 link carries many.
 * Nouns: upstreams (a worker's) -> pool (an endpoint's) -> link -> call. */
#ifndef SLUICE_UPSTREAM_POOL_H
#define SLUICE_UPSTREAM_POOL_H

#include "gateway/http/h1.h"
#include "gateway/http/h2.h"
#include "gateway/http/spares.h"
#include "gateway/net/conn.h"
#include "gateway/upstream/call.h"

struct sl_link;

struct sl_pool {
	struct sl_upstreams *all;
	struct sl_endpoint *ep; /* ref */
	struct sl_link *idle;   /* HTTP/1.1, most recent first */
	struct sl_link *shared; /* HTTP/2, open ones */
	struct sl_link *busy;   /* HTTP/1.1 with a call */
	uint32_t n_idle;
	uint32_t n_calls; /* that have not ended */
	bool retired;
};

struct sl_upstreams {
	struct sl_loop *loop;
	struct sl_metrics *metrics;
	sl_upstream_report_fn report;
	void *ctx;
	struct sl_spares spare_calls;
	struct sl_pool **pools; /* by endpoint id */
	uint32_t n_pools;
	/* Calls for which no socket could be made; they fail in a later turn,
	 * because starting a call never calls back. */
	struct sl_call *doomed;
	struct sl_task doom_task;
};

struct sl_call {
	struct sl_call *next_doomed;
	struct sl_pool *pool;
	struct sl_link *link; /* NULL: doomed */
	struct sl_call_request request;
	struct sl_call_limits limits;
	const struct sl_call_events *events;
	void *user;
	struct sl_h2_stream *stream; /* HTTP/2 */
	size_t unread;               /* HTTP/2: bytes not consumed while paused */
	bool reused;                 /* sent on a kept connection */
	bool started;                /* bytes of an answer came */
	bool head_seen;
	bool body_seen;
	bool paused;
};

struct sl_link {
	struct sl_link *next, *prev; /* in one of the pool's lists */
	struct sl_link **list;       /* which; NULL: none */
	struct sl_pool *pool;
	struct sl_conn conn;
	struct sl_timer timer;  /* connecting, or idle */
	uint64_t idle_until_us; /* HTTP/1.1 */
	struct sl_grave grave;
	bool closed;
	/* HTTP/1.1 */
	struct sl_call *call;
	struct sl_outbuf in; /* a head that is not complete */
	size_t resume;
	struct sl_h1_body body;
	bool keep_alive;
	bool in_body;
	uint8_t interims; /* 1xx heads of this answer */
	/* HTTP/2 */
	struct sl_h2 *h2; /* owned */
	bool going_away;
	bool receiving;
};

void sl_link_move(struct sl_link *link, struct sl_link **list);
/* Opens a connection; it is in no list yet. NULL if no socket can be made. */
struct sl_link *sl_link_open(struct sl_pool *pool, const struct sl_conn_ops *ops,
                             uint64_t connect_timeout_us);
/* Closes; its memory goes when the turn is over. */
void sl_link_close(struct sl_link *link);
/* A call or a link has ended: a retired pool goes with the last of both. */
void sl_pool_settle(struct sl_pool *pool);

/* No link could be opened. */
void sl_call_doom(struct sl_call *call);
/* Ends of a call: tell its owner and free it. */
void sl_call_succeed(struct sl_call *call);
void sl_call_fail(struct sl_call *call, int err, bool sent);

/* The two transports. */
void sl_h1_link_send(struct sl_pool *pool, struct sl_call *call, bool fresh);
void sl_h1_link_cancel(struct sl_call *call);
void sl_h2_link_send(struct sl_pool *pool, struct sl_call *call);
void sl_h2_link_cancel(struct sl_call *call);
void sl_h2_link_resume(struct sl_call *call);

#endif
