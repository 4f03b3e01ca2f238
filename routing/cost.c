/* cost.c: see cost.h. */
#include "routing/cost.h"

/* Engines begin to preempt before the last block is taken. */
#define USABLE_MEMORY 0.92

static double at_least(double x, double low)
{
	return x > low ? x : low;
}

void cost_request_init(struct cost_request *rq, const struct cost_model *m, double tokens,
                       double output, double seqs)
{
	rq->tokens = at_least(tokens, 1);
	rq->output = output;
	rq->seqs = seqs;
	rq->least_decode_ms = 0;
	if (output > 0)
		rq->least_decode_ms = output * sl_profile_step_ms(m->profile, seqs, rq->tokens);
}

double cost_prefill_base_ms(const struct cost_model *m, const struct cost_request *rq, double hit)
{
	return sl_profile_prefill_ms(m->profile, at_least(rq->tokens - hit, 1), hit);
}

double cost_step_ms(const struct cost_model *m, const struct cost_engine *e, double seqs,
                    double context)
{
	return e->slow * m->decode_scale * sl_profile_step_ms(m->profile, seqs, context);
}

/* Running requests give back K tokens, or B seats, over the time of a decode. */
double cost_memory_ms(const struct cost_model *m, const struct cost_request *rq,
                      const struct cost_engine *e)
{
	double needed = rq->tokens + rq->output * rq->seqs;
	double missing = e->context + needed - USABLE_MEMORY * e->capacity;
	double seats = e->seqs + rq->seqs - m->profile->max_seqs;
	double share = 0;

	if (rq->output <= 0 || (missing <= 0 && seats <= 0))
		return 0;
	if (missing > 0)
		share = missing / (e->context + 1);
	if (seats > 0)
		share = at_least(share, seats / (e->seqs + 1));
	return share * rq->output * cost_step_ms(m, e, e->seqs, e->context);
}

double cost_decode_ms(const struct cost_model *m, const struct cost_request *rq,
                      const struct cost_engine *e)
{
	const struct sl_profile *p = m->profile;
	double with, without, own, others;

	if (rq->output <= 0)
		return 0;
	with = sl_profile_step_ms(p, e->seqs + rq->seqs, e->context + rq->tokens);
	without = sl_profile_step_ms(p, e->seqs, e->context + rq->tokens);
	own = rq->output * with / (1 - e->busy);
	others = e->seqs * rq->output / 2 *
	         (p->d1_ms_per_token * (rq->tokens + rq->output / 2) + with - without);
	return (own + others) * e->slow * m->decode_scale;
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
