/* adapters.h: the adapters (LoRA) that an engine holds on its GPU.
 *
 * There are as many slots as adapters may run at once. A step needs those of
 * its sequences: one that is in no slot is loaded into the slot whose adapter
 * was used longest ago. Adapters are numbers from 1 on; 0 is the base model,
 * which needs none. Pure. */
#ifndef SLUICE_SIM_ADAPTERS_H
#define SLUICE_SIM_ADAPTERS_H

#include "bench/sim/batch.h"

struct sl_sim_adapters {
	uint32_t slots;
	struct {
		uint32_t adapter; /* 0: empty */
		uint64_t used;    /* the step that needed it last */
	} slot[SL_SIM_MAX_ADAPTERS];
	uint64_t steps;
};

/* slots: 1 to SL_SIM_MAX_ADAPTERS, or 0 where nobody asks for an adapter. */
void sl_sim_adapters_init(struct sl_sim_adapters *a, uint32_t slots);
/* For a step that was begun; returns how many have to be loaded for it. */
uint32_t sl_sim_adapters_load(struct sl_sim_adapters *a, const struct sl_sim_batch *b);

#endif
