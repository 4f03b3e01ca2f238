/* pick.h: one engine out of those that may be used, by a policy that prices
 * nothing. */
#ifndef SLUICE_ROUTING_PICK_H
#define SLUICE_ROUTING_PICK_H

#include "routing/state.h"

/* Of the first n > 0 of r->picks. The cost policy comes here when it is cut off
 * from other gateways: by rendezvous. turn: the one before, for round robin. */
uint32_t pick_endpoint(struct sl_router *r, const struct sl_query *q, struct sl_rng *rng,
                       uint32_t n, uint32_t *turn);

#endif
