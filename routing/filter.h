/* filter.h: which endpoints may take part in a placement at all.
 *
 * Every endpoint that does not is counted under the first reason that holds:
 * model, cluster, role, excluded, health, draining, KV group, full, slow start.
 *
 * Health: an UNHEALTHY endpoint never passes. The others have a rank, HEALTHY
 * 0, UNKNOWN 1, DEGRADED 2, and a prefill goes only to the lowest rank with
 * which some placement is possible. The decode half of a remote placement may
 * be HEALTHY or DEGRADED, which are equal then, and UNKNOWN if there is
 * neither. */
#ifndef SLUICE_ROUTING_FILTER_H
#define SLUICE_ROUTING_FILTER_H

#include "routing/state.h"

#define FILTER_MAX_RANK 2

/* Fills r->passing and r->partners (how many decode engines of a group may
 * take a hand-off), and wakes the endpoints of the model. within: a bit per slot
 * that may be looked at, NULL for all. hurry: slow starts are not regarded. */
void filter_run(struct sl_router *r, const struct sl_query *q, const uint64_t *within,
                uint64_t now_us, bool hurry, uint32_t dropped[SL_FILTER_COUNT]);
/* Why nothing was placed although filter_run has looked: a code of err.h. */
int filter_error(const struct sl_router *r, const struct sl_query *q);

static inline uint32_t filter_prefill_rank(const struct endpoint *ep)
{
	static const uint8_t rank[] = {
		[SL_HEALTH_HEALTHY] = 0,
		[SL_HEALTH_UNKNOWN] = 1,
		[SL_HEALTH_DEGRADED] = 2,
		[SL_HEALTH_UNHEALTHY] = FILTER_MAX_RANK + 1,
	};

	return rank[ep->health];
}

static inline bool filter_takes_handoff(const struct endpoint *ep)
{
	return ep->spec.role == SL_ROLE_DECODE && ep->spec.remote_prefill;
}

/* Of those that take hand-offs, the better sort. */
static inline bool filter_decodes_well(const struct endpoint *ep)
{
	return ep->health == SL_HEALTH_HEALTHY || ep->health == SL_HEALTH_DEGRADED;
}

#endif
