/* limits.h: a client ran into one of its limits: counted, and said in the log.
 *
 * limits.def is the one table. A flood must not become a flood of log lines:
 * each kind is said once a second at most, with the number of those that were
 * not. Thread-safe. */
#ifndef SLUICE_TELEMETRY_LIMITS_H
#define SLUICE_TELEMETRY_LIMITS_H

#include "sluice/base.h"

enum sl_limit {
#define SL_LIMIT(NAME, level, label, directives, then) SL_LIMIT_##NAME,
#include "gateway/telemetry/limits.def"
#undef SL_LIMIT
	SL_LIMIT_COUNT
};

struct sl_metrics;

/* m: the calling thread's. client: its address. now_us: monotonic, the same
 * clock in all threads. */
void sl_limit_hit(struct sl_metrics *m, enum sl_limit limit, struct sl_span client,
                  uint64_t now_us);

#endif
