/* gen_step.h: what an engine's steps do to generations: tokens counted,
 * blocks fetched and handed off, ends. A sequence's owner is its choice. */
#ifndef SLUICE_SIM_GEN_STEP_H
#define SLUICE_SIM_GEN_STEP_H

#include "bench/sim/engine.h"

extern const struct sl_sim_engine_ops sl_sim_gen_steps;

#endif
