/* place.h: the search for the cheapest placement.
 *
 * Every engine that can do all of a request is one candidate. A remote
 * placement costs what its prefill engine adds plus what its decode engine
 * adds, so that inside a KV group the best pair is made of the best two, and
 * the SHORTLIST best of both sides, paired with each other, are enough to
 * choose from. Equal costs are told apart by a key that is drawn anew for
 * every decision: among equals everybody is as likely as the others, but for
 * the engine that the query's session prefers (r->home).
 *
 * Cut off from other gateways, a cold prompt has no such choice: the engines
 * are those that all of them agree on (rendezvous.h). */
#ifndef SLUICE_ROUTING_PLACE_H
#define SLUICE_ROUTING_PLACE_H

#include "routing/state.h"

/* After filter_run and index_match for the same query. Fills in everything
 * of the decision but `filtered`, of which it adds to HEALTH. False if there
 * is no placement. */
bool place_search(struct sl_router *r, const struct sl_query *q, uint64_t now_us,
                  struct sl_rng *rng, struct sl_decision *d);

#endif
