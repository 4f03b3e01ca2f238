/* adapters.c: see adapters.h. */
#include "bench/sim/adapters.h"

#include <assert.h>

void sl_sim_adapters_init(struct sl_sim_adapters *a, uint32_t slots)
{
	assert(slots <= SL_SIM_MAX_ADAPTERS);
	*a = (struct sl_sim_adapters){ .slots = slots };
}

/* The slot that holds it, or the one that it takes. */
static uint32_t find_slot(const struct sl_sim_adapters *a, uint32_t adapter)
{
	uint32_t oldest = 0;

	for (uint32_t i = 0; i < a->slots; i++) {
		if (a->slot[i].adapter == adapter)
			return i;
		if (a->slot[i].used < a->slot[oldest].used)
			oldest = i;
	}
	return oldest;
}

/* True if it had to be loaded. */
static bool use(struct sl_sim_adapters *a, uint32_t adapter)
{
	uint32_t i = find_slot(a, adapter);
	bool loads = a->slot[i].adapter != adapter;

	assert(!loads || a->slot[i].used < a->steps); /* the batch keeps to the slots */
	a->slot[i].adapter = adapter;
	a->slot[i].used = a->steps;
	return loads;
}

uint32_t sl_sim_adapters_load(struct sl_sim_adapters *a, const struct sl_sim_batch *b)
{
	uint32_t n = 0;

	if (!a->slots)
		return 0;
	a->steps++;
	/* Those that are there first, so that none of them gives way. */
	for (uint32_t pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < b->n_step; i++) {
			uint32_t adapter = b->step[i]->adapter;
			bool there = adapter && a->slot[find_slot(a, adapter)].adapter == adapter;

			if (adapter && (pass || there))
				n += use(a, adapter);
		}
	}
	return n;
}
