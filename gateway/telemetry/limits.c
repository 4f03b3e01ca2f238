/* limits.c: see limits.h. */
#include "gateway/telemetry/limits.h"

#include <stdatomic.h>
#include <stdio.h>

#include "gateway/telemetry/log.h"
#include "gateway/telemetry/metrics.h"

#define QUIET_US 1000000u /* between two lines of one kind */

static const struct {
	enum sl_log_level level;
	const char *label, *directives, *then;
} texts[] = {
#define SL_LIMIT(name, level, label, directives, then) { SL_LOG_##level, label, directives, then },
#include "gateway/telemetry/limits.def"
#undef SL_LIMIT
};

static struct {
	_Atomic uint64_t next_us; /* when it may be said again */
	_Atomic uint32_t unsaid;
} said[SL_LIMIT_COUNT];

void sl_limit_hit(struct sl_metrics *m, enum sl_limit limit, struct sl_span client, uint64_t now_us)
{
	uint64_t next_us = atomic_load_explicit(&said[limit].next_us, memory_order_relaxed);
	uint32_t unsaid;
	char more[48] = "";

	sl_metric_add_at(m, SL_M_CLIENT_LIMITS, limit, 1);
	/* one of the threads that come at the same time says it */
	if (now_us < next_us ||
	    !atomic_compare_exchange_strong(&said[limit].next_us, &next_us, now_us + QUIET_US)) {
		atomic_fetch_add_explicit(&said[limit].unsaid, 1, memory_order_relaxed);
		return;
	}
	unsaid = atomic_exchange_explicit(&said[limit].unsaid, 0, memory_order_relaxed);
	if (unsaid)
		snprintf(more, sizeof(more), "; %u more before it", unsaid);
	sl_log(texts[limit].level, "limit %s: client %.*s: %s (%s)%s", texts[limit].label,
	       (int)client.len, client.ptr, texts[limit].then, texts[limit].directives, more);
}
