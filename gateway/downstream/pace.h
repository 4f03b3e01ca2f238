/* pace.h: whether a client moves what it must, over windows of time.
 *
 * A window is as long as the time-out of the direction. Who moves nothing for as
 * long is stuck; who moves less than the least rate is slow: one byte a minute
 * would otherwise hold a request for ever. Whatever is waited for being complete
 * for a moment begins a new window: an engine's slowness is not the client's.
 *
 * Nobody says when a client's kernel acknowledges, so it is looked at LOOKS times
 * in a window: who is stuck is found an eighth of a window late at most. */
#ifndef SLUICE_DOWNSTREAM_PACE_H
#define SLUICE_DOWNSTREAM_PACE_H

#include "sluice/base.h"

#define SL_PACE_LOOKS 8u

struct sl_pace {
	uint64_t from_us; /* the window's beginning */
	uint64_t from_bytes;
	uint64_t moved_us; /* when it was last seen that something had moved */
	uint64_t moved_bytes;
};

enum sl_pace_verdict {
	SL_PACE_EARLY, /* the window is not over */
	SL_PACE_GOOD,  /* a new one has begun */
	SL_PACE_STUCK,
	SL_PACE_SLOW,
};

static inline void sl_pace_begin(struct sl_pace *p, uint64_t now_us, uint64_t bytes)
{
	*p = (struct sl_pace){ now_us, bytes, now_us, bytes };
}

/* bytes: moved since the connection or the request began. */
static inline enum sl_pace_verdict sl_pace_judge(struct sl_pace *p, uint64_t now_us, uint64_t bytes,
                                                 uint64_t window_us, uint32_t min_rate)
{
	uint64_t moved = bytes > p->from_bytes ? bytes - p->from_bytes : 0;
	uint64_t elapsed_us = now_us - p->from_us;

	if (bytes != p->moved_bytes) {
		p->moved_us = now_us;
		p->moved_bytes = bytes;
	}
	if (now_us - p->moved_us >= window_us)
		return SL_PACE_STUCK;
	if (elapsed_us < window_us)
		return SL_PACE_EARLY;
	if (moved * 1000000 < (uint64_t)min_rate * elapsed_us)
		return SL_PACE_SLOW;
	p->from_us = now_us;
	p->from_bytes = bytes;
	return SL_PACE_GOOD;
}

/* Until it should be judged again. */
static inline uint64_t sl_pace_next_us(const struct sl_pace *p, uint64_t now_us, uint64_t window_us)
{
	uint64_t first = p->from_us < p->moved_us ? p->from_us : p->moved_us;
	uint64_t left_us = first + window_us > now_us ? first + window_us - now_us : 0;

	return left_us < window_us / SL_PACE_LOOKS ? left_us : window_us / SL_PACE_LOOKS;
}

#endif
