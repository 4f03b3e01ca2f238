/* fetch.h: one GET, waited for: the model list before a replay, the engines'
 * counters before and after it. Needs a base on which nothing else runs. */
#ifndef SLUICE_LOAD_FETCH_H
#define SLUICE_LOAD_FETCH_H

#include "bench/load/client.h"

/* Calls fn with the content of a 200 answer, in pieces. 0, or negative with
 * one line in err. */
SL_MUST_CHECK int sl_fetch(struct event_base *base, const struct sl_target *target,
                           const char *path, const char *headers,
                           void (*fn)(void *ctx, struct sl_span content), void *ctx, char *err,
                           size_t err_size);

/* The first model that the server lists; the caller frees it. */
SL_MUST_CHECK int sl_fetch_model(struct event_base *base, const struct sl_target *target,
                                 const char *headers, char *err, size_t err_size, char **out_model);

/* vLLM's prefix cache counters of a /metrics page, in tokens. */
struct sl_prefix_counters {
	double hits, queries;
};
SL_MUST_CHECK int sl_fetch_counters(struct event_base *base, const struct sl_target *target,
                                    char *err, size_t err_size,
                                    struct sl_prefix_counters *out_counters);

#endif
