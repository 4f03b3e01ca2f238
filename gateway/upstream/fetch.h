/* fetch.h: one question of our own: a probe, a page of metrics, a list of an
 * API. Over the same transport that requests take, with a limit on time and
 * size, redirects followed as long as they stay on the same server. */
#ifndef SLUICE_UPSTREAM_FETCH_H
#define SLUICE_UPSTREAM_FETCH_H

#include "gateway/upstream/call.h"

struct sl_fetch;

/* Spans are borrowed until the fetch ends; the path is copied. */
struct sl_fetch_spec {
	struct sl_span path;
	struct sl_span lines; /* fields beside the usual ones, "name: value\r\n" each */
	struct sl_span body;  /* with one it is a POST, of JSON */
	uint64_t connect_timeout_us;
	uint64_t timeout_us;      /* for all of it; 0: no limit */
	uint64_t silence_us;      /* without a byte of it; 0: no limit */
	uint64_t max_bytes;       /* of the answer's body; 0: no limit */
	uint64_t idle_timeout_us; /* how long its connection is kept for the next one */
};

struct sl_fetch_events {
	/* The answer's status, before its body; NULL: nobody asks. */
	void (*on_status)(void *user, int status);
	/* Bytes of the body, whatever the status. */
	void (*on_data)(void *user, const char *data, size_t len);
	/* The only end of a fetch that is not cancelled; it is gone when this is
	 * entered. status: 0 if there was no whole answer. result: OK for any
	 * whole answer, whatever its status. */
	void (*on_end)(void *user, enum sl_probe_result result, int status);
};

/* Never fails at once. */
struct sl_fetch *sl_fetch_start(struct sl_loop *loop, struct sl_upstreams *upstreams,
                                struct sl_endpoint *ep, const struct sl_fetch_spec *spec,
                                const struct sl_fetch_events *events, void *user);
void sl_fetch_cancel(struct sl_fetch *f);

#endif
