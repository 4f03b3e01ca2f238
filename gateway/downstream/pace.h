/* pace.h: whether a client moves what it must, over windows of time.
 *
 * A window is as long as the time-out of the direction. Who moves nothing in one
 * is stuck; who moves less than the least rate is slow: one byte a minute would
 * otherwise hold a request for ever. Whatever is waited for being complete for a
 * moment begins a new window: an engine's slowness is not the client's. */
#ifndef SLUICE_DOWNSTREAM_PACE_H
#define SLUICE_DOWNSTREAM_PACE_H

#include "sluice/base.h"

struct sl_pace {
	uint64_t from_us;
	uint64_t from_bytes;
};

enum sl_pace_verdict {
	SL_PACE_EARLY, /* the window is not over */
	SL_PACE_GOOD,  /* a new one has begun */
	SL_PACE_STUCK,
	SL_PACE_SLOW,
};

static inline void sl_pace_begin(struct sl_pace *p, uint64_t now_us, uint64_t bytes)
{
	*p = (struct sl_pace){ .from_us = now_us, .from_bytes = bytes };
}

/* bytes: moved since the connection or the request began. */
static inline enum sl_pace_verdict sl_pace_judge(struct sl_pace *p, uint64_t now_us, uint64_t bytes,
                                                 uint64_t window_us, uint32_t min_rate)
{
	uint64_t moved = bytes > p->from_bytes ? bytes - p->from_bytes : 0;
	uint64_t elapsed_us = now_us - p->from_us;

	if (elapsed_us < window_us)
		return SL_PACE_EARLY;
	if (moved == 0)
		return SL_PACE_STUCK;
	if (moved * 1000000 < (uint64_t)min_rate * elapsed_us)
		return SL_PACE_SLOW;
	sl_pace_begin(p, now_us, bytes);
	return SL_PACE_GOOD;
}

/* When the window will be over. */
static inline uint64_t sl_pace_left_us(const struct sl_pace *p, uint64_t now_us, uint64_t window_us)
{
	uint64_t elapsed_us = now_us - p->from_us;

	return elapsed_us < window_us ? window_us - elapsed_us : 0;
}

#endif
