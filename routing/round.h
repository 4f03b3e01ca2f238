/* round.h: llround without its call. For what fits into 63 bits: the caller
 * knows that it does. A value within 1e-16 of a half may go either way. */
#ifndef SLUICE_ROUTING_ROUND_H
#define SLUICE_ROUTING_ROUND_H

#include <stdint.h>

static inline int64_t round_whole(double x)
{
	return (int64_t)(x < 0 ? x - 0.5 : x + 0.5);
}

#endif
