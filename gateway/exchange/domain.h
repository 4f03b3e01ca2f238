/* domain.h: the engines that can serve the same models, their router and its
 * one lock.
 *
 * Hashing and scanning happen before the lock is taken; a decision holds it
 * for microseconds, so that every worker decides on exact, present state. */
#ifndef SLUICE_EXCHANGE_DOMAIN_H
#define SLUICE_EXCHANGE_DOMAIN_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/upstream/endpoint.h"
#include "sluice/fair.h"
#include "sluice/route.h"

/* Made by the control thread, kept until the process ends. */
struct sl_domain {
	uint32_t id; /* dense */
	pthread_mutex_t lock;
	struct sl_router *router;     /* guarded by lock */
	struct sl_endpoint **by_slot; /* guarded by lock; borrowed: an endpoint leaves
	                               * its slot only when no ticket is live there */
	uint32_t n_slots;
	struct sl_fair *fair;  /* guarded by lock: who waits for engines, of all workers */
	atomic_uint n_waiting; /* of them, as a hint without the lock */
	char *name;
	/* Since when nothing is heard of other gateways that were there; 0: all
	 * are heard, or there are none. */
	atomic_uint_least64_t blind_since_us;
	struct sl_domain *next;
};

struct sl_domain *sl_domain_new(uint32_t id, const char *name,
                                const struct sl_router_options *options);
void sl_domain_free(struct sl_domain *d);
static inline void sl_domain_lock(struct sl_domain *d)
{
	pthread_mutex_lock(&d->lock);
}
static inline void sl_domain_unlock(struct sl_domain *d)
{
	pthread_mutex_unlock(&d->lock);
}
/* Gives the endpoint a slot; takes the lock. */
void sl_domain_add(struct sl_domain *d, struct sl_endpoint *ep,
                   const struct sl_endpoint_spec *spec);
void sl_domain_del(struct sl_domain *d, struct sl_endpoint *ep);

#endif
