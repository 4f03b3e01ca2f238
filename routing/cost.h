/* cost.h: the cost model (docs/routing.md) as pure functions.
 *
 * Times are real milliseconds: the preset's times, multiplied by what was
 * learned of the whole fleet (prefill_scale, decode_scale) and of this engine
 * (slow, the F of the formulas). Nothing here knows endpoints or requests. */
#ifndef SLUICE_ROUTING_COST_H
#define SLUICE_ROUTING_COST_H

#include "sluice/route.h"

/* Sequences at once for which a step is looked up: more than most engines run. */
#define COST_STEP_SEQS 257

struct cost_model {
	const struct sl_profile *profile; /* borrowed; by cost_model_use */
	double weight_ttft, weight_stall, weight_decode, weight_cache;
	double transfer_latency_ms, transfer_bytes_per_ms;
	double prefill_scale, decode_scale;
	double max_seqs, d1_ms_per_token; /* the profile's */
	double step_ms[COST_STEP_SEQS];   /* its step without context, of 0, 1, 2 ... sequences */
};

struct cost_request {
	double tokens; /* n, at least 1 */
	double output; /* o^, per sequence; 0: nothing is decoded */
	double seqs;   /* sequences it decodes at once, usually 1 */
	/* Parts of M and D that no engine changes. */
	double needed_tokens; /* memory at the end of its decode */
	double context_ms;    /* what its context adds to a step, at half of its decode */
	/* Of D at least: with its own context, per token of K, per sequence of B. */
	double least_own_ms, least_context_ms, least_others_ms;
};

/* What is known of an engine at the time of the decision. */
struct cost_engine {
	double slow;      /* F */
	double queue_ms;  /* Q */
	double seqs;      /* B */
	double context;   /* K, tokens */
	double capacity;  /* tokens of KV memory */
	double busy;      /* U, 0 .. 0.9 */
	double displaces; /* 0 .. 1; cost_displaces */
};

/* Engines begin to preempt before the last block is taken. */
#define COST_USABLE_MEMORY 0.92

void cost_model_use(struct cost_model *m, const struct sl_profile *profile);
void cost_request_init(struct cost_request *rq, const struct cost_model *m, double tokens,
                       double output, double seqs);

/* Prefill of what is not cached, as the profile has it; and Tp, on an engine. */
double cost_prefill_base_ms(const struct cost_model *m, const struct cost_request *rq, double hit);
static inline double cost_prefill_ms(const struct cost_model *m, const struct cost_engine *e,
                                     double base_ms)
{
	return base_ms * e->slow * m->prefill_scale;
}
/* A, the wait: until as many adapters as are `missing` have no requests left on
 * an engine that computes `slots` at once; those in front have `legs` each. */
double cost_adapter_wait_ms(const struct cost_model *m, const struct cost_request *rq,
                            const struct cost_engine *e, double slots, double missing, double legs);
/* X: moving the part of the prompt's KV that is not there yet. */
double cost_transfer_ms(const struct cost_model *m, const struct cost_request *rq, double hit);
/* Of that prefill, what is spent anyway where others decode: its chunks are part
 * of their steps, which read the weights once. As the profile has it. */
double cost_shared_base_ms(const struct cost_model *m, const struct cost_request *rq, double hit);
/* S: decoders that wait, times for how long. */
static inline double cost_stall_ms(const struct cost_engine *e, double added_ms)
{
	return e->seqs * added_ms;
}

/* C: prefill time that this one costs requests to come. What it pushes out of a
 * full cache will be computed again: as much, as both are prompts of the same
 * fleet. Before the cache is full, whoever comes next waits, if it is busy; with
 * prefill engines beside, Q and M say that better (measured: docs/routing.md). */
static inline double cost_displaces(bool full, bool does_all, double busy)
{
	return full ? 1 : does_all ? busy : 0;
}
static inline double cost_cache_ms(const struct cost_engine *e, double prefill_ms)
{
	return e->displaces * prefill_ms;
}

/* ---- inline, because a decision asks for it engine by engine ------------ */

/* sl_profile_step_ms. Foreign work counts in fractions of a sequence. */
static inline double cost_profile_step_ms(const struct cost_model *m, double seqs, double context)
{
	int32_t whole = seqs < COST_STEP_SEQS ? (int32_t)seqs : 0;

	if (whole != seqs)
		return sl_profile_step_ms(m->profile, seqs, context);
	return m->step_ms[whole] + m->d1_ms_per_token * context;
}

/* tau: one decode step. */
static inline double cost_step_ms(const struct cost_model *m, const struct cost_engine *e,
                                  double seqs, double context)
{
	return e->slow * m->decode_scale * cost_profile_step_ms(m, seqs, context);
}

/* Sequences that compute at once; what is over waits. */
static inline double cost_seated(const struct cost_model *m, double seqs)
{
	return seqs < m->max_seqs ? seqs : m->max_seqs;
}

/* M where there is something to wait for: running requests give back K tokens,
 * or as many seats as are taken, over the time of a decode. */
static inline double cost_shortage_ms(const struct cost_model *m, const struct cost_request *rq,
                                      const struct cost_engine *e, double missing, double seats)
{
	double seated = cost_seated(m, e->seqs), share = 0, seats_share;

	if (missing > 0)
		share = missing / (e->context + 1);
	if (seats > 0) {
		seats_share = seats / (seated + 1);
		share = share > seats_share ? share : seats_share;
	}
	return share * rq->output * cost_step_ms(m, e, seated, e->context);
}
/* M: waiting until running requests give back memory, or a seat in the batch. */
static inline double cost_memory_ms(const struct cost_model *m, const struct cost_request *rq,
                                    const struct cost_engine *e)
{
	double missing = e->context + rq->needed_tokens - COST_USABLE_MEMORY * e->capacity;
	double seats = e->seqs + rq->seqs - m->max_seqs;

	if (rq->output <= 0 || (missing <= 0 && seats <= 0))
		return 0;
	return cost_shortage_ms(m, rq, e, missing, seats);
}

/* D: this decode, and what it costs the others. */
static inline double cost_decode_ms(const struct cost_model *m, const struct cost_request *rq,
                                    const struct cost_engine *e)
{
	double context = e->context + rq->tokens, with, without, own, others = 0;
	double seated = cost_seated(m, e->seqs);

	if (rq->output <= 0)
		return 0;
	with = cost_profile_step_ms(m, cost_seated(m, e->seqs + rq->seqs), context);
	own = rq->output * with / (1 - e->busy);
	if (seated > 0) {
		without = cost_profile_step_ms(m, seated, context);
		others = seated * rq->output / 2 * (rq->context_ms + with - without);
	}
	return (own + others) * e->slow * m->decode_scale;
}

/* What D is at least: lin never falls, so that others wait at least for what
 * this one's context adds to their steps; and 1 + U + U^2 for 1 / (1 - U). */
static inline double cost_least_decode_ms(const struct cost_model *m, const struct cost_request *rq,
                                          const struct cost_engine *e)
{
	double seqs = cost_seated(m, e->seqs + rq->seqs);
	int32_t whole = seqs < COST_STEP_SEQS ? (int32_t)seqs : COST_STEP_SEQS - 1;
	double own = rq->output * m->step_ms[whole] + rq->least_own_ms +
	             rq->least_context_ms * e->context;
	double least_ms =
	        own * (1 + e->busy * (1 + e->busy)) + rq->least_others_ms * cost_seated(m, e->seqs);

	return least_ms * e->slow * m->decode_scale;
}

/* epsilon: candidates this close to the best are as good, knowledge being
 * that old. */
double cost_band_ms(uint64_t staleness_us);

#endif
