/* model.c: the step-time equation. See model.h. */
#include "bench/sim/model.h"

void sl_sim_model_init(struct sl_sim_model *m, const struct sl_profile *profile)
{
	*m = (struct sl_sim_model){
		.profile = profile,
		.speed = 1,
		.slow = 1,
		.transfer_latency_ms = 2,
		.transfer_bytes_per_ms = 20e6,
	};
}

static uint64_t scaled_us(const struct sl_sim_model *m, double ms)
{
	double us = ms * 1000 / m->speed;

	return us < 1 ? 1 : (uint64_t)us;
}

uint64_t sl_sim_model_step_us(const struct sl_sim_model *m, const struct sl_sim_work *work)
{
	const struct sl_profile *p = m->profile;
	double ms = p->o_ms + sl_profile_lin_ms(p, work->tokens);

	ms += p->b_ms_per_token2 * work->prefill_square;
	if (work->decodes)
		ms += p->d0_ms + p->d1_ms_per_token * work->decode_context;
	return scaled_us(m, ms * m->slow);
}

uint64_t sl_sim_model_load_us(const struct sl_sim_model *m, uint64_t real_us)
{
	return scaled_us(m, (double)real_us / 1000);
}

uint64_t sl_sim_model_transfer_us(const struct sl_sim_model *m, uint64_t bytes)
{
	return scaled_us(m, m->transfer_latency_ms + (double)bytes / m->transfer_bytes_per_ms);
}

uint64_t sl_sim_model_kv_bytes(const struct sl_sim_model *m, uint32_t tokens)
{
	return (uint64_t)(m->profile->kv_bytes_per_token * tokens);
}
