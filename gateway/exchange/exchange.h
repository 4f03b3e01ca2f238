/* exchange.h: the life of one request. Private to this folder.
 *
 *   BODY ──► WAITING ──► PREFILL ──► DECODE ──► RELAY ──► DONE
 *     │         ▲  └────────────────►  │
 *     └─────────┴──────────────────────┘  (retries go back to PREFILL or DECODE)
 *
 * intake.c   BODY: the head, the body, the scan, which model
 * conversation.c  which conversation it is a turn of
 * plan.c     decisions: where to, retries
 * queue.c    waiting for an engine with room
 * tenant.c   for whom it is
 * leg.c      what is sent to an engine (connectors) and starting it
 * relay.c    what comes back: holding the 200, relaying, breaking off
 * release.c  abandoned hand-offs
 * patience.c silence
 * witness.c  what all this says of the engines
 * exchange.c states, life, ends
 *
 * The client's status is held until the first real event (or, for an answer
 * that is no stream, until it is complete or larger than stream_buffer), so
 * that everything up to there can be tried again elsewhere. */
#ifndef SLUICE_EXCHANGE_EXCHANGE_H
#define SLUICE_EXCHANGE_EXCHANGE_H

#include "gateway/exchange/worker.h"
#include "gateway/http/sse.h"
#include "sluice/fair.h"
#include "sluice/scan.h"
#include "sluice/splice.h"

enum sl_xstate { SL_X_BODY, SL_X_WAITING, SL_X_PREFILL, SL_X_DECODE, SL_X_RELAY, SL_X_DONE };

enum sl_leg { SL_LEG_PREFILL, SL_LEG_DECODE };

#define SL_REQUEST_ID_MAX 128

#define SL_HELD_FIELDS 64
#define SL_ACCUSED 4

struct sl_exchange {
	/* Memory that outlives a request: an ended exchange is kept for the next. */
	struct sl_scan *scan; /* owned */
	char *body;           /* owned */
	size_t body_cap;
	struct sl_outbuf lines;      /* fields to forward */
	struct sl_outbuf target;     /* method, path, and the model as engines know it */
	struct sl_outbuf sent_body;  /* an edited body */
	struct sl_outbuf more_lines; /* the gateway's own fields */
	struct sl_outbuf sent_path;  /* the path with what its engine wants before it */
	struct sl_outbuf handoff;    /* the prefill engine's answer */
	struct sl_outbuf held_head;  /* the held answer's fields, and behind them their text */
	struct sl_outbuf names;      /* of engines, for the access log; unused without one */
	struct sl_outbuf held;       /* body bytes that wait; in RELAY: the unfinished event */

	/* Written before they are read; a new request does not clear them. */
	struct sl_facts facts;
	struct sl_query query;
	struct sl_decision decision;
	struct sl_ticket ticket;
	struct sl_sse sse;
	char request_id[SL_REQUEST_ID_MAX];

	/* All zero for a new request, from here to the end. */
	struct sl_worker *worker;        /* borrowed */
	struct sl_exchange *next, *prev; /* in worker->live */
	struct sl_grave grave;
	enum sl_xstate state;     /* written by set_state only */
	struct sl_stream *stream; /* borrowed until finish, abort or on_gone */
	struct sl_span client;    /* borrowed from the session, which outlives us */
	const char *protocol;
	struct sl_timer timer;   /* of the present state */
	uint64_t quiet_since_us; /* last sign of life of whom we wait for */

	/* the request */
	enum sl_api api;
	uint32_t method_len, path_len;
	uint32_t request_id_len;
	bool has_auth;
	bool from_gateway;  /* another gateway has sent it */
	bool is_probe;      /* of our health: neither counted nor logged */
	uint8_t tenant_by;  /* what `tenant` was made from; tenant.c's */
	uint8_t class_said; /* an operator's word: 1 + enum sl_fair_class; 0: none */
	uint64_t tenant;
	bool scanning;
	bool has_body;
	bool streams; /* the client asked for a stream */
	size_t body_len;
	struct sl_pace body_pace;
	size_t head_bytes;
	int64_t charged_bytes; /* to the budget: for the head, then for the body */

	/* where it goes */
	struct sl_domain *domain; /* borrowed */
	uint32_t model;
	bool rename_model;
	uint32_t conversation_rank; /* of the field that named it, counted from the last */
	uint64_t conversation_hash; /* of that name */
	struct sl_fair_claim claim; /* its place in the domain's queue; its tenant's service */
	struct sl_endpoint *prefill_ep, *decode_ep; /* refs, NULL when there is no leg */
	struct sl_fleet *fleet;                     /* ref, as of the decision; NULL before it */

	/* legs */
	struct sl_call *call; /* the one in flight, or NULL */
	enum sl_leg leg;
	bool paused;
	uint64_t leg_limit_us, idle_limit_us, answer_limit_us,
	        lease_us;  /* of the pool, at dispatch */
	uint64_t leg_us;   /* when the present leg was sent */
	uint64_t stuck_us; /* how long it may wait before its engine is looked at; 0: no limit */
	uint64_t predicted_us; /* that it would wait */
	/* Refs: engines that failed it by their own word; see witness.c. */
	struct sl_endpoint *accused[SL_ACCUSED];
	uint32_t n_accused;
	struct sl_span kv_params; /* within handoff, byte for byte */
	bool handoff_open;        /* blocks wait on the prefill engine */
	struct sl_usage prefill_usage;
	uint32_t attempts; /* legs sent */
	uint32_t failures; /* legs that failed */
	bool retrying;     /* counted in the retry budget */
	bool busy_tried;   /* an engine said 429 or 503 already */
	int last_err;

	/* the answer */
	int status;
	int64_t answer_length; /* -1: not known */
	bool event_stream;
	bool until_close;             /* the answer's end is the connection's */
	bool passing;                 /* the engine's own error, given to the client as it is */
	struct sl_hfield *held_field; /* within held_head */
	uint32_t n_held_fields;
	bool raw; /* part of an unfinished event was passed on */
	struct sl_usage usage;
	int64_t sent_bytes;
	struct sl_client *origin; /* counted as one of its requests, or NULL */
	struct sl_hold kept;      /* held and handoff, once they are many */

	/* for the log */
	/* Of the last decision and its runner-up, within names; NULL: none. */
	const char *prefill_name, *decode_name, *other_name;
	uint64_t head_us, end_of_body_us, prefilled_us, first_us, waiting_us, waited_us;
};

/* exchange.c */
struct sl_exchange *sl_exchange_new(struct sl_worker *w, struct sl_stream *s);
void sl_exchange_set_state(struct sl_exchange *x, enum sl_xstate to);
/* The answer is complete with the first n_held bytes of what is held. */
void sl_exchange_done(struct sl_exchange *x, size_t n_held);
/* The gateway has answered by itself; only the bookkeeping is left. */
void sl_exchange_answered(struct sl_exchange *x);
/* The gateway answers with an error of its own (or, after the first event,
 * breaks off). Ends the exchange. */
void sl_exchange_fail(struct sl_exchange *x, int err, const char *message, const char *param);
/* The answer broke off after its beginning. */
void sl_exchange_broken(struct sl_exchange *x, int err);
/* Drops the present leg: its call and its claim on the engines. */
void sl_exchange_drop_leg(struct sl_exchange *x, unsigned blame);
void sl_exchange_forget_endpoints(struct sl_exchange *x);
static inline struct sl_span sl_exchange_request_id(const struct sl_exchange *x)
{
	return sl_span(x->request_id, x->request_id_len);
}
static inline struct sl_span sl_exchange_method(const struct sl_exchange *x)
{
	return sl_span(x->target.data, x->method_len);
}
static inline struct sl_span sl_exchange_path(const struct sl_exchange *x)
{
	return sl_span(x->target.data + x->method_len, x->path_len);
}
/* As the engines know it; empty until it is chosen. */
static inline struct sl_span sl_exchange_model(const struct sl_exchange *x)
{
	uint32_t from = x->method_len + x->path_len;

	return sl_span(x->target.data + from, x->target.len - from);
}
static inline uint64_t sl_exchange_now(const struct sl_exchange *x)
{
	return x->worker->loop.now_us;
}
/* Someone has `after_us` to give a sign of life. */
void sl_exchange_arm(struct sl_exchange *x, uint64_t after_us);

/* intake.c fills these in for the table of stream events */
void sl_intake_head(void *ctx, struct sl_stream *s, const struct sl_head *head, bool end);
/* The methods of the request's path, as Allow lists them. */
const char *sl_intake_allowed(const struct sl_exchange *x);
void sl_intake_body(struct sl_stream *s, const char *data, size_t len);
void sl_intake_end(struct sl_stream *s);

/* conversation.c */
void sl_conversation_note(struct sl_exchange *x, const struct sl_hfield *field);
/* For sl_query; the model is chosen. 0: it names none. */
uint64_t sl_conversation_hash(const struct sl_exchange *x);

/* plan.c */
void sl_plan_start(struct sl_exchange *x);
/* A leg failed before the first event. sent: the engine may have read it.
 * Returns false if it will not be tried again; nothing was answered then. */
bool sl_plan_retry(struct sl_exchange *x, int err, bool sent);

/* tenant.c: what a field of the head says of the tenant, and what all says */
void sl_tenant_note(struct sl_exchange *x, const struct sl_hfield *f);
void sl_tenant_claim(struct sl_exchange *x);

/* queue.c: who waits for a free engine */
bool sl_queue_is_empty(const struct sl_domain *d);
/* False if there is no place left. */
bool sl_queue_join(struct sl_exchange *x);
void sl_queue_leave(struct sl_exchange *x);
/* Whose turn it is; NULL if nobody waits or it is another worker's, which is told. */
struct sl_exchange *sl_queue_first(struct sl_worker *w, struct sl_domain *d);
/* One that lost its place to another tenant's request, or NULL. */
struct sl_exchange *sl_queue_displaced(struct sl_worker *w, struct sl_domain *d);
/* An engine may have room now. */
void sl_queue_freed(struct sl_worker *w, struct sl_domain *d);
/* Ended without a usage: what its tenant was charged stays, or is given back. */
void sl_queue_settle(struct sl_exchange *x, bool served);
/* Has them tried again soon, as long as there are any. */
void sl_queue_watch(struct sl_worker *w);

/* patience.c: sl_exchange.timer's */
void sl_patience_on_timer(void *exchange);

/* witness.c */
/* A leg was sent: how long it may take to its first event. */
void sl_witness_begin(struct sl_exchange *x, const struct sl_pool_conf *pool);
/* The engines of the present placement have answered. */
void sl_witness_ok(struct sl_exchange *x);
/* The engines of the present leg have failed it. */
void sl_witness_failed(struct sl_exchange *x);
/* They say that they have, but it may be the request. */
void sl_witness_accuse(struct sl_exchange *x);
void sl_witness_forget(struct sl_exchange *x);
/* The engine of the present leg has said something. */
void sl_witness_life(struct sl_exchange *x);
/* Looks whether the engine that is waited for stands still. Returns when to look
 * again, from now; UINT64_MAX never. */
uint64_t sl_witness_wait(struct sl_exchange *x);

/* leg.c: what stands before the path of a request to this engine; "" nothing. */
const char *sl_leg_prefix(const struct sl_pool_conf *pool, const struct sl_endpoint *ep);
/* 0, or negative if the engine has just left the fleet. */
SL_MUST_CHECK int sl_leg_start(struct sl_exchange *x, enum sl_leg leg);
extern const struct sl_call_events sl_relay_call_events;

/* relay.c */
void sl_relay_drained(struct sl_stream *s, size_t pending);

/* release.c: gives the hand-off to its decode engine and closes. */
void sl_release_handoff(struct sl_exchange *x);

/* explain.c: one phrase about the decision, into buf. */
void sl_explain(const struct sl_exchange *x, char *buf, size_t size);

#endif
