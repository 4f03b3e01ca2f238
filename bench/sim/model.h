/* model.h: how long a step of the simulated engine takes.
 *
 *   T_step = o + lin(tokens) + sum_prefill b*c*(h + c/2) + [decode] d0 + d1*ctx
 *
 * with the constants of a profile (include/sluice/route.h), which are fitted
 * to measured kernels. Moving KV blocks between engines takes a latency plus
 * bytes over bandwidth. */
#ifndef SLUICE_SIM_MODEL_H
#define SLUICE_SIM_MODEL_H

#include "bench/sim/batch.h"
#include "sluice/route.h"

struct sl_sim_model {
	const struct sl_profile *profile; /* borrowed for good */
	double speed;                     /* > 1: faster than the real hardware */
	double slow;                      /* a fault: this engine is so many times slower */
	double transfer_latency_ms;
	double transfer_bytes_per_ms;
};

void sl_sim_model_init(struct sl_sim_model *m, const struct sl_profile *profile);
/* All at least 1 us. */
uint64_t sl_sim_model_step_us(const struct sl_sim_model *m, const struct sl_sim_work *work);
uint64_t sl_sim_model_load_us(const struct sl_sim_model *m, uint64_t real_us);
uint64_t sl_sim_model_transfer_us(const struct sl_sim_model *m, uint64_t bytes);
uint64_t sl_sim_model_kv_bytes(const struct sl_sim_model *m, uint32_t tokens);

#endif
