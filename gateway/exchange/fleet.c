/* fleet.c: see fleet.h. */
#include "gateway/exchange/fleet.h"

#include <stdlib.h>

#include "gateway/config/config.h"

struct sl_fleet *sl_fleet_ref(struct sl_fleet *fleet)
{
	atomic_fetch_add(&fleet->refs, 1);
	return fleet;
}

void sl_fleet_unref(struct sl_fleet *fleet)
{
	if (!fleet || atomic_fetch_sub(&fleet->refs, 1) != 1)
		return;
	for (uint32_t i = 0; i < fleet->n_endpoints; i++)
		sl_endpoint_unref(fleet->endpoints[i]);
	for (uint32_t i = 0; i < fleet->n_routes; i++) {
		free(fleet->routes[i].name);
		free(fleet->routes[i].target);
	}
	free(fleet->endpoints);
	free(fleet->pool_of);
	free(fleet->routes);
	sl_config_unref(fleet->config);
	free(fleet);
}

static int compare(struct sl_span a, struct sl_span b)
{
	int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	if (order)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

static int by_name(const void *a, const void *b)
{
	const struct sl_route *x = a, *y = b;

	return compare(sl_span_str(x->name), sl_span_str(y->name));
}

void sl_fleet_seal(struct sl_fleet *fleet)
{
	uint32_t models = 0;

	if (fleet->n_routes)
		qsort(fleet->routes, fleet->n_routes, sizeof(*fleet->routes), by_name);
	for (uint32_t i = 0; i < fleet->n_routes; i++) {
		const struct sl_route *route = &fleet->routes[i];

		if (route->alias)
			continue;
		if (!fleet->first)
			fleet->first = route;
		models++;
	}
	fleet->only = models == 1 ? fleet->first : NULL;
}

const struct sl_route *sl_fleet_find(const struct sl_fleet *fleet, struct sl_span name)
{
	uint32_t low = 0, high = fleet->n_routes;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int order = compare(name, sl_span_str(fleet->routes[mid].name));

		if (order == 0)
			return &fleet->routes[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const struct sl_pool_conf *sl_fleet_pool(const struct sl_fleet *fleet, const struct sl_endpoint *ep)
{
	return ep->id < fleet->n_ids ? fleet->pool_of[ep->id] : NULL;
}

/* An id is not given again while anybody holds its endpoint, as the caller does. */
bool sl_fleet_has(const struct sl_fleet *fleet, const struct sl_endpoint *ep)
{
	return sl_fleet_pool(fleet, ep) != NULL;
}

bool sl_endpoint_ready(struct sl_endpoint *ep)
{
	bool ready;

	pthread_mutex_lock(&ep->judge_lock);
	ready = ep->judge.health == SL_HEALTH_HEALTHY || ep->judge.health == SL_HEALTH_DEGRADED ||
	        ep->judge.suspected;
	pthread_mutex_unlock(&ep->judge_lock);
	return ready && !sl_endpoint_drains(ep);
}

bool sl_fleet_ready(const struct sl_fleet *fleet, bool local)
{
	for (uint32_t i = 0; i < fleet->n_endpoints; i++) {
		struct sl_endpoint *ep = fleet->endpoints[i];
		const struct sl_pool_conf *pool = fleet->pool_of[ep->id];

		if (!atomic_load(&ep->prefills_only) && !(local && pool->gateway) &&
		    sl_endpoint_ready(ep))
			return true;
	}
	return false;
}
