/* fleet.c: see fleet.h. */
#include "bench/whatif/fleet.h"

#include <stdlib.h>

void fleet_init(struct fleet *f)
{
	*f = (struct fleet){ .transfer_latency_ms = 2, .transfer_bytes_per_ms = 20e6 };
}

void fleet_fini(struct fleet *f)
{
	free(f->engines);
	free(f->outages);
	*f = (struct fleet){ 0 };
}

void fleet_add(struct fleet *f, struct fleet_engine engine, uint32_t count)
{
	if (!count)
		return; /* reallocarray may say NULL to nothing */
	f->engines = reallocarray(f->engines, f->n + count, sizeof(*f->engines));
	if (!f->engines)
		abort();
	for (uint32_t i = 0; i < count; i++)
		f->engines[f->n++] = engine;
}

void fleet_outage_add(struct fleet *f, struct fleet_outage outage)
{
	f->outages = reallocarray(f->outages, f->n_outages + 1, sizeof(*f->outages));
	if (!f->outages)
		abort();
	f->outages[f->n_outages++] = outage;
}

double fleet_kv_tokens(const struct fleet_engine *e)
{
	return e->profile->kv_capacity_tokens * e->kv_factor;
}
