/* schedule.h: when each request of a trace is sent.
 *
 * Mooncake's time stamps are quantised to three seconds: replayed as they are,
 * ten requests arrive at once every three seconds and the result measures the
 * rounding. Each is therefore moved by U(0, spread), drawn in the trace's
 * order from the seed, before all are sorted and divided by the rate factor. */
#ifndef SLUICE_LOAD_SCHEDULE_H
#define SLUICE_LOAD_SCHEDULE_H

#include "bench/load/trace.h"

struct sl_due {
	int64_t at_us; /* after the first request's */
	uint32_t row;  /* of the trace */
};

/* One entry a row, in the order of sending; the caller frees it. The same
 * arguments give the same schedule, and the spread of a row does not depend
 * on how many rows follow it. */
struct sl_due *sl_schedule_new(const struct sl_trace *t, uint64_t seed, int64_t spread_us,
                               double rate_factor);

#endif
