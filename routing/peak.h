/* peak.h: the most that a count was during the last quarter to half second:
 * an engine's own count may still contain what has just ended. */
#ifndef SLUICE_ROUTING_PEAK_H
#define SLUICE_ROUTING_PEAK_H

#include "sluice/base.h"

#define PEAK_PERIOD_US 250000u

struct peak {
	uint32_t most[2]; /* last period and this one */
	uint64_t period;
};

/* The level held since the last change; also right after one. */
static inline void peak_note(struct peak *p, uint32_t level, uint64_t now_us)
{
	uint64_t period = now_us / PEAK_PERIOD_US;

	if (period > p->period) {
		p->most[0] = period == p->period + 1 ? p->most[1] : level;
		p->most[1] = level;
		p->period = period;
	} else if (level > p->most[1]) {
		p->most[1] = level;
	}
}

static inline uint32_t peak_recent(struct peak p, uint32_t level, uint64_t now_us)
{
	peak_note(&p, level, now_us);
	return p.most[0] > p.most[1] ? p.most[0] : p.most[1];
}

#endif
