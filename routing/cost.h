/* cost.h: the cost model (docs/routing.md) as pure functions.
 *
 * Times are real milliseconds: the preset's times, multiplied by what was
 * learned of the whole fleet (prefill_scale, decode_scale) and of this engine
 * (slow, the F of the formulas). Nothing here knows endpoints or requests. */
#ifndef SLUICE_ROUTING_COST_H
#define SLUICE_ROUTING_COST_H

#include "sluice/route.h"

struct cost_model {
	const struct sl_profile *profile; /* borrowed */
	double weight_ttft, weight_stall, weight_decode;
	double transfer_latency_ms, transfer_bytes_per_ms;
	double prefill_scale, decode_scale;
};

struct cost_request {
	double tokens;          /* n, at least 1 */
	double output;          /* o^, per sequence; 0: nothing is decoded */
	double seqs;            /* sequences it decodes at once, usually 1 */
	double least_decode_ms; /* the profile's D on an idle engine */
};

/* What is known of an engine at the time of the decision. */
struct cost_engine {
	double slow;     /* F */
	double queue_ms; /* Q */
	double seqs;     /* B */
	double context;  /* K, tokens */
	double capacity; /* tokens of KV memory */
	double busy;     /* U, 0 .. 0.9 */
};

void cost_request_init(struct cost_request *rq, const struct cost_model *m, double tokens,
                       double output, double seqs);

/* Prefill of what is not cached, as the profile has it; and Tp, on an engine. */
double cost_prefill_base_ms(const struct cost_model *m, const struct cost_request *rq, double hit);
static inline double cost_prefill_ms(const struct cost_model *m, const struct cost_engine *e,
                                     double base_ms)
{
	return base_ms * e->slow * m->prefill_scale;
}
/* tau: one decode step. */
double cost_step_ms(const struct cost_model *m, const struct cost_engine *e, double seqs,
                    double context);
/* M: waiting until running requests give back memory, or a seat in the batch. */
double cost_memory_ms(const struct cost_model *m, const struct cost_request *rq,
                      const struct cost_engine *e);
/* D: this decode, and what it costs the others. */
double cost_decode_ms(const struct cost_model *m, const struct cost_request *rq,
                      const struct cost_engine *e);
/* X: moving the part of the prompt's KV that is not there yet. */
double cost_transfer_ms(const struct cost_model *m, const struct cost_request *rq, double hit);
/* What D is at least: lin never falls. */
static inline double cost_least_decode_ms(const struct cost_model *m, const struct cost_request *rq,
                                          const struct cost_engine *e)
{
	double context_ms = rq->output * m->profile->d1_ms_per_token * e->context;

	return (rq->least_decode_ms + context_ms) * e->slow * m->decode_scale;
}

/* S: decoders that wait for this prefill, times its length. */
static inline double cost_stall_ms(const struct cost_engine *e, double prefill_ms)
{
	return e->seqs * prefill_ms;
}

/* epsilon: candidates this close to the best are as good, knowledge being
 * that old. */
double cost_band_ms(uint64_t staleness_us);

#endif
