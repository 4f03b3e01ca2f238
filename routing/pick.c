/* pick.c: see pick.h. */
#include "routing/pick.h"

#include "routing/rendezvous.h"

static uint32_t pick_turn(const uint32_t *slots, uint32_t n, uint32_t *turn)
{
	uint32_t i = 0;

	while (i < n && slots[i] <= *turn)
		i++;
	*turn = slots[i < n ? i : 0];
	return *turn;
}

static uint32_t pick_least(const struct sl_router *r, struct sl_rng *rng, const uint32_t *slots,
                           uint32_t n)
{
	uint32_t best = slots[0], ties = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t load = endpoint_inflight(&r->endpoints[slots[i]]);
		uint32_t least = endpoint_inflight(&r->endpoints[best]);

		ties = load < least ? 1 : ties + (load == least);
		if (load < least || (load == least && sl_rng_next(rng) % ties == 0))
			best = slots[i];
	}
	return best;
}

uint32_t pick_endpoint(struct sl_router *r, const struct sl_query *q, struct sl_rng *rng,
                       uint32_t n, uint32_t *turn)
{
	const uint32_t *slots = r->picks;

	switch (router_policy(r, q->model)) {
	case SL_POLICY_ROUND_ROBIN:
		return pick_turn(slots, n, turn);
	case SL_POLICY_LEAST_REQUEST:
		return pick_least(r, rng, slots, n);
	case SL_POLICY_COST: /* cut off from other gateways */
	case SL_POLICY_CONSISTENT_HASH:
		return rendezvous_pick(r, slots, n, rendezvous_key(r, q));
	case SL_POLICY_RANDOM:
		break;
	}
	return slots[sl_rng_next(rng) % n];
}
