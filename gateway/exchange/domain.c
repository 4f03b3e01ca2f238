/* domain.c: see domain.h. */
#include "gateway/exchange/domain.h"

#include <stdlib.h>

struct sl_domain *sl_domain_new(uint32_t id, const char *name,
                                const struct sl_router_options *options)
{
	struct sl_domain *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	d->id = id;
	pthread_mutex_init(&d->lock, NULL);
	d->router = sl_router_new(options);
	d->fair = sl_fair_new(SL_FAIR_TENANTS);
	d->name = strdup(name);
	return d;
}

void sl_domain_free(struct sl_domain *d)
{
	sl_router_free(d->router);
	sl_fair_free(d->fair);
	pthread_mutex_destroy(&d->lock);
	free(d->by_slot);
	free(d->name);
	free(d);
}

static void grow(struct sl_domain *d, uint32_t slot)
{
	uint32_t n = slot + 32;

	if (slot < d->n_slots)
		return;
	d->by_slot = realloc(d->by_slot, n * sizeof(*d->by_slot));
	if (!d->by_slot)
		abort();
	memset(d->by_slot + d->n_slots, 0, (n - d->n_slots) * sizeof(*d->by_slot));
	d->n_slots = n;
}

void sl_domain_add(struct sl_domain *d, struct sl_endpoint *ep, const struct sl_endpoint_spec *spec)
{
	sl_domain_lock(d);
	ep->domain = d;
	ep->slot = sl_router_endpoint_add(d->router, spec);
	grow(d, ep->slot);
	d->by_slot[ep->slot] = ep;
	sl_domain_unlock(d);
}

void sl_domain_del(struct sl_domain *d, struct sl_endpoint *ep)
{
	sl_domain_lock(d);
	sl_router_endpoint_del(d->router, ep->slot);
	sl_domain_unlock(d);
}
