/* get.h: one asynchronous HTTP GET, for probes on the control thread. */
#ifndef SLUICE_PROBING_GET_H
#define SLUICE_PROBING_GET_H

#include "sluice/err.h"
#include "sluice/probe.h"

struct event_base;
struct sockaddr;

/* A kept connection to one engine, one GET at a time. Speaks HTTP/1.1,
 * understands Content-Length, chunked and until-close; reconnects when the
 * kept connection was closed; follows one redirect that stays on the host
 * (a 307 from /metrics to /metrics/). */
struct sl_get;
struct sl_get_events {
	/* Body bytes as they come; only for a 2xx answer. */
	void (*on_data)(void *ctx, const char *data, size_t len);
	/* Exactly once per _start. status: HTTP status, 0 if there was none. The
	 * owner may start the next one or free the object from here. */
	void (*on_done)(void *ctx, enum sl_probe_result result, int status);
};
struct sl_get *sl_get_new(struct event_base *base, const struct sockaddr *addr, unsigned addr_len,
                          const char *host_header, const char *bearer_or_null);
void sl_get_free(struct sl_get *g);
/* path with leading '/'. timeout covers everything; max_body stops a page that
 * never ends (BROKEN). ok_status: 0 accepts any 2xx. One at a time. */
void sl_get_start(struct sl_get *g, const char *path, uint64_t timeout_us, size_t max_body,
                  int ok_status, const struct sl_get_events *ev, void *ctx);
bool sl_get_busy(const struct sl_get *g);

#endif
