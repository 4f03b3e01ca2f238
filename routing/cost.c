/* cost.c: see cost.h. */
#include "routing/cost.h"

#include <math.h>

static double at_least(double x, double low)
{
	return x > low ? x : low;
}

void cost_model_use(struct cost_model *m, const struct sl_profile *profile)
{
	m->profile = profile;
	m->max_seqs = profile->max_seqs;
	m->d1_ms_per_token = profile->d1_ms_per_token;
	for (size_t i = 0; i < COST_STEP_SEQS; i++)
		m->step_ms[i] = sl_profile_step_ms(profile, (double)i, 0);
}

void cost_request_init(struct cost_request *rq, const struct cost_model *m, double tokens,
                       double output, double seqs)
{
	rq->tokens = at_least(tokens, 1);
	rq->output = output;
	rq->seqs = seqs;
	rq->needed_tokens = rq->tokens + output * seqs;
	rq->context_ms = m->profile->d1_ms_per_token * (rq->tokens + output / 2);
	rq->least_context_ms = output * m->profile->d1_ms_per_token;
	rq->least_own_ms = rq->least_context_ms * rq->tokens;
	rq->least_others_ms = output / 2 * rq->context_ms;
}

double cost_prefill_base_ms(const struct cost_model *m, const struct cost_request *rq, double hit)
{
	return sl_profile_prefill_ms(m->profile, at_least(rq->tokens - hit, 1), hit);
}

/* As for seats, the ends of running requests are spread evenly over a decode.
 * An adapter has ended when its last request has, the share x of a decode after
 * now with the chance x^legs; the first of `slots` to do so, at about
 * (1 / (slots + 1))^(1 / legs). */
double cost_adapter_wait_ms(const struct cost_model *m, const struct cost_request *rq,
                            const struct cost_engine *e, double slots, double missing, double legs)
{
	double share = missing / (slots + 1);

	if (missing <= 0)
		return 0;
	if (share < 1 && legs > 1)
		share = pow(share, 1 / legs);
	return share * rq->output * cost_step_ms(m, e, e->seqs, e->context);
}

double cost_shared_base_ms(const struct cost_model *m, const struct cost_request *rq, double hit)
{
	double fresh = at_least(rq->tokens - hit, 1);

	return ceil(fresh / m->profile->chunk_tokens) * (m->profile->o_ms + m->profile->lin_ms[0]);
}

double cost_transfer_ms(const struct cost_model *m, const struct cost_request *rq, double hit)
{
	return m->transfer_latency_ms + at_least(rq->tokens - hit, 0) *
	                                        m->profile->kv_bytes_per_token /
	                                        m->transfer_bytes_per_ms;
}

/* Measured: see docs/routing.md, knowledge and its age. */
double cost_band_ms(uint64_t staleness_us)
{
	static const struct {
		double us, ms;
	} points[] = { { 20e3, 0 }, { 50e3, 100 }, { 200e3, 300 } };
	double us = (double)staleness_us;
	size_t i = 1;

	if (us <= points[0].us)
		return 0;
	if (us >= points[SL_COUNT(points) - 1].us)
		return points[SL_COUNT(points) - 1].ms;
	while (us > points[i].us)
		i++;
	return points[i - 1].ms + (us - points[i - 1].us) * (points[i].ms - points[i - 1].ms) /
	                                  (points[i].us - points[i - 1].us);
}
