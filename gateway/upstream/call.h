/* call.h: one request to one engine, over a pooled connection.
 *
 * Cancelling is closing: on HTTP/1.1 the connection, on HTTP/2 the stream.
 * A reset on a reused connection before any byte of the answer is retried on a
 * fresh one, once, without anybody noticing: engines close idle connections
 * after 5 s and the close may cross the request. */
#ifndef SLUICE_UPSTREAM_CALL_H
#define SLUICE_UPSTREAM_CALL_H

#include "gateway/http/head.h"
#include "gateway/net/loop.h"
#include "gateway/telemetry/metrics.h"
#include "gateway/upstream/endpoint.h"

struct sl_call;
struct sl_upstreams; /* one worker's pools */

struct sl_call_events {
	/* The final head (1xx are skipped), borrowed until it returns. */
	void (*on_head)(void *user, const struct sl_head *head);
	void (*on_body)(void *user, const char *data, size_t len);
	/* Exactly one of these ends a call that is not cancelled; the call is
	 * gone when it is entered. started: bytes of an answer had come;
	 * sent: the engine may have read the request. */
	void (*on_end)(void *user);
	void (*on_fail)(void *user, int err, bool started, bool sent);
};

/* All spans are borrowed until the call ends. */
struct sl_call_request {
	struct sl_span method, path;
	/* Fields as "name: value\r\n" lines, lower-case names, without Host,
	 * framing and hop-by-hop ones. */
	struct sl_span lines;
	struct sl_span more_lines;
	struct sl_span body;
	bool has_body;
	/* Not to be sent a second time on a fresh connection when a kept one
	 * ends without an answer: the engine may have read it, and what it names
	 * can be used once. */
	bool once;
};

/* Pool settings that apply to this call; see sl_pool_conf. */
struct sl_call_limits {
	uint64_t connect_timeout_us;
	uint64_t idle_timeout_us;
	uint32_t max_idle;
	uint32_t read_bytes; /* at once, over HTTP/1.1; 0: SL_CALL_STEP */
};

/* A call failed by the endpoint's doing: refused, no connection could be made; else
 * its answer did not come, or broke off. From inside the pool: do not call back
 * into it. */
typedef void (*sl_upstream_report_fn)(void *ctx, struct sl_endpoint *ep, bool refused);

struct sl_upstreams *sl_upstreams_new(struct sl_loop *loop, struct sl_metrics *metrics,
                                      sl_upstream_report_fn report, void *ctx);
void sl_upstreams_free(struct sl_upstreams *u);
/* Frees what is kept for calls and nobody has needed since the last time. */
void sl_upstreams_tidy(struct sl_upstreams *u);
/* The endpoint is out of service: its idle connections are closed now, busy
 * ones when their call ends. */
void sl_upstreams_retire(struct sl_upstreams *u, const struct sl_endpoint *ep);

/* Bytes of an answer that are read at once: what a client does not take is kept,
 * so it is less than for a request. */
#define SL_CALL_STEP (64u * 1024u)

/* Never fails at once: failures arrive as on_fail in a later callback. */
struct sl_call *sl_call_start(struct sl_upstreams *u, struct sl_endpoint *ep,
                              const struct sl_call_limits *limits,
                              const struct sl_call_request *request,
                              const struct sl_call_events *events, void *user);
void sl_call_cancel(struct sl_call *call);
/* The whole request is on its way to the engine. */
bool sl_call_sent(const struct sl_call *call);
/* Back-pressure: no more on_body until resumed (what was read already may
 * still come once). */
void sl_call_pause(struct sl_call *call);
/* In steps of so many bytes from now on; over HTTP/2 a step is what the stream's
 * window lets the engine send. */
void sl_call_resume(struct sl_call *call, uint32_t step);

#endif
