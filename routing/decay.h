/* decay.h: exp(-age / tau) from a table, because a decision asks for it once
 * or twice per endpoint. The age is rounded down to a step, the power of two
 * between tau / 64 and tau / 32, and nothing is left after 256 of them. */
#ifndef SLUICE_ROUTING_DECAY_H
#define SLUICE_ROUTING_DECAY_H

#include <math.h>

#include "sluice/base.h"

#define DECAY_STEPS 256

struct decay {
	double tau_us;
	unsigned shift; /* a step is 1 << shift us */
	double keep[DECAY_STEPS];
};

static inline void decay_init(struct decay *d, double tau_us)
{
	d->tau_us = tau_us;
	d->shift = 0;
	while ((double)(2u << d->shift) <= tau_us / 32)
		d->shift++;
	for (int i = 0; i < DECAY_STEPS; i++)
		d->keep[i] = exp(-i * (double)(1u << d->shift) / tau_us);
}

/* exp(-x) for x >= 0, to the last bit or two. Between two requests to a busy
 * engine little time passes, and then a short series does. */
static inline double decay_exp(double x)
{
	if (x > 1.0 / 64)
		return exp(-x);
	return 1 - x * (1 - x / 2 * (1 - x / 3 * (1 - x / 4 * (1 - x / 5 * (1 - x / 6)))));
}

/* What is left at now_us of something that was 1 at since_us. */
static inline double decay_keep(const struct decay *d, uint64_t since_us, uint64_t now_us)
{
	uint64_t step = now_us > since_us ? (now_us - since_us) >> d->shift : 0;

	return step < DECAY_STEPS ? d->keep[step] : 0;
}

#endif
