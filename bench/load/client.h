/* client.h: HTTP/1.1 calls to one address, many at once, on one event loop.
 *
 * Nouns: a *client* has connections, idle or busy; a *call* is one request and
 * its response, on one connection at a time.
 *
 * Invariants: a call that was started gets exactly one `end`, never from
 * within sl_client_start. A call is sent once; only when a reused connection
 * turns out to be closed before any byte of the response, which says that the
 * server had let go of it, the call is moved to a fresh one and its message
 * asked for again. No handler may start, cancel or free calls but `end`, in
 * which the call is already over and may be freed.
 *
 * Nothing is read ahead: content is handed over from one receive buffer. */
#ifndef SLUICE_LOAD_CLIENT_H
#define SLUICE_LOAD_CLIENT_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "bench/load/message.h"
#include "bench/load/target.h"
#include "gateway/http/h1.h"

/* How a call ended. OK: a whole response of any status. */
enum sl_call_end {
	SL_CALL_OK,
	SL_CALL_CONNECT,   /* no connection */
	SL_CALL_CLOSED,    /* closed before the whole response head */
	SL_CALL_RESET,     /* reset, at any point */
	SL_CALL_PROTOCOL,  /* the answer was not HTTP/1.1 */
	SL_CALL_TRUNCATED, /* closed in the middle of the content */
	SL_CALL_TIMEOUT,
	SL_CALL_CANCELLED,
};

struct sl_call_handler {
	/* A connection is there: what to send. Again on a second connection. */
	void (*message)(void *ctx, struct sl_message *out_message);
	/* The final response head; borrowed. May be NULL. */
	void (*head)(void *ctx, const struct sl_head *head);
	void (*data)(void *ctx, struct sl_span content);
	void (*end)(void *ctx, enum sl_call_end end);
};

struct sl_client_conn;

/* Owned by the caller, who sets the first two; not moved while it runs. */
struct sl_call {
	const struct sl_call_handler *handler;
	void *ctx;
	struct sl_client_conn *conn; /* borrowed while it runs, else NULL */
	struct event timer; /* the deadline; also brings the news of an immediate failure */
	bool failed_at_once;
};

struct sl_client;

/* timeout_us: of a whole call. base and target outlive the client. */
struct sl_client *sl_client_new(struct event_base *base, const struct sl_target *target,
                                int64_t timeout_us);
/* No call may be running. */
void sl_client_free(struct sl_client *c);
void sl_client_start(struct sl_client *c, struct sl_call *call);
/* Closes the call's connection; `end` comes from within, with CANCELLED. */
void sl_client_cancel(struct sl_client *c, struct sl_call *call);
/* Connections made so far. */
uint64_t sl_client_connections(const struct sl_client *c);

#endif
