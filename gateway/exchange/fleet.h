/* fleet.h: an immutable picture of who serves what, mailed to every worker.
 *
 * A worker reads its present fleet only within a callback; what an exchange
 * needs for longer it copies or references (endpoints, domains). */
#ifndef SLUICE_EXCHANGE_FLEET_H
#define SLUICE_EXCHANGE_FLEET_H

#include <stdatomic.h>

#include "gateway/exchange/domain.h"
#include "gateway/upstream/endpoint.h"
#include "sluice/config.h"

/* A model name that clients may use. */
struct sl_route {
	char *name;
	char *target;             /* what the engines call it; equal to name unless an alias */
	struct sl_domain *domain; /* borrowed; lives as long as the process */
	uint32_t model;           /* in the domain's router */
	bool alias;
	bool local; /* some engine of our own serves it, not only another gateway's */
};

struct sl_fleet {
	atomic_uint refs;
	struct sl_config *config;       /* ref */
	struct sl_endpoint **endpoints; /* refs */
	uint32_t n_endpoints;
	const struct sl_pool_conf **pool_of; /* by endpoint id, into config */
	uint32_t n_ids;
	struct sl_route *routes; /* sorted by name */
	uint32_t n_routes;
	const struct sl_route *only;  /* the one model, if there is just one */
	const struct sl_route *first; /* where a request without a model goes; may be NULL */
	bool learning; /* some engine has not said yet what it serves, or some source who it is */
};

struct sl_fleet *sl_fleet_ref(struct sl_fleet *fleet);
void sl_fleet_unref(struct sl_fleet *fleet);
/* What says to a gateway that a request, or a probe, comes from a gateway: it is
 * answered by engines of its own, so that nothing ever goes in circles. */
#define SL_HOPS_LINE "x-sluice-hops: 1\r\n"

/* It is well, or merely suspected by another gateway. */
bool sl_endpoint_ready(struct sl_endpoint *ep);
/* Some engine that answers clients is well. local: not counting gateways. */
bool sl_fleet_ready(const struct sl_fleet *fleet, bool local);
/* Borrowed from the fleet, or NULL. */
const struct sl_route *sl_fleet_find(const struct sl_fleet *fleet, struct sl_span name);
/* The settings of an endpoint's pool; NULL if the fleet does not know it. */
const struct sl_pool_conf *sl_fleet_pool(const struct sl_fleet *fleet,
                                         const struct sl_endpoint *ep);
bool sl_fleet_has(const struct sl_fleet *fleet, const struct sl_endpoint *ep);
/* Sorts and indexes what was filled in. */
void sl_fleet_seal(struct sl_fleet *fleet);

#endif
