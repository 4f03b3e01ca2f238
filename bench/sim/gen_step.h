/* gen_step.h: what an engine's steps do to generations: tokens counted,
 * blocks fetched and handed off, ends. A sequence's owner is its choice. */
#ifndef SLUICE_SIM_GEN_STEP_H
#define SLUICE_SIM_GEN_STEP_H

#include "bench/sim/gen.h"

extern const struct sl_sim_engine_ops sl_sim_gen_steps;

/* Gives its sequences to the engine, which is to be kicked then. A stream's
 * head goes out at once: 200 before any work is done, as vLLM. The client may
 * be gone by that, and the generation with it. */
void sl_sim_gen_submit(struct sl_sim_gen *gen);

#endif
