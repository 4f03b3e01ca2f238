/* learn.h: what answers teach: how slow an engine is, how long prompts and
 * answers are, how far the prefix index can be trusted.
 *
 * Nouns
 *   evidence  logarithms of observed / predicted times of one engine, each
 *             weighing less with every newer one and with time
 *   scale     what the evidence of all engines has in common: the preset is
 *             wrong, the simulator runs ten times as fast, everybody is busy.
 *             It says nothing about which engine to choose; it turns the
 *             preset's milliseconds into real ones
 *   F         what an engine differs from the others by
 *
 * All of it begins at 1 and returns to 1 as evidence gets old, so an engine
 * that was slow is tried again. */
#ifndef SLUICE_ROUTING_LEARN_H
#define SLUICE_ROUTING_LEARN_H

#include "sluice/route.h"

struct learn_evidence {
	double log_sum, weight;
	uint64_t at_us;
	/* Its share in the scale, fixed point: sums of integers do not drift. */
	int64_t share_log, share_weight;
};

/* One for prefill times, one for decode times. */
struct learn_scale {
	int64_t log_sum, weight;
	double log_factor;
};

struct learn_engine {
	struct learn_evidence prefill, decode;
};

void learn_scale_init(struct learn_scale *scale);
/* Real ms per ms of the preset. */
double learn_scale_factor(const struct learn_scale *scale);
/* predicted_ms is with F and scale at 1; weight 1 is a full sample. */
void learn_evidence_add(struct learn_evidence *ev, struct learn_scale *scale, double observed_ms,
                        double predicted_ms, double weight, uint64_t now_us);
/* Forgets; the scale forgets it, too. */
void learn_evidence_drop(struct learn_evidence *ev, struct learn_scale *scale);
/* F, 0.5 .. 8; evidence is aged first. */
double learn_engine_slowness(struct learn_engine *e, struct learn_scale *prefill,
                             struct learn_scale *decode, uint64_t now_us);

/* The same as it was seen, without belief in F = 1: for saying that one is slow,
 * not for prices. */
double learn_engine_seen(const struct learn_engine *e, const struct learn_scale *prefill,
                         const struct learn_scale *decode);

/* gamma: hit tokens that the engine counted over those that the index
 * predicted. */
struct learn_hits {
	double counted, predicted; /* aged sums */
	double predicted_since;    /* the last sample */
	double last_hits, last_queries;
	bool sampled; /* the engine exports counters */
	uint64_t at_us;
};

void learn_hits_reset(struct learn_hits *h);
/* At dispatch: what the index said, before gamma. */
void learn_hits_predict(struct learn_hits *h, double tokens);
/* From usage, for engines without counters. */
void learn_hits_usage(struct learn_hits *h, double cached, double predicted, uint64_t now_us);
/* Counters of a scrape, negative if absent. False: they went backwards, the
 * engine was restarted. */
bool learn_hits_sample(struct learn_hits *h, double hits, double queries, uint64_t now_us);
/* 0.25 .. 1.25 */
double learn_hits_gamma(const struct learn_hits *h);

struct learn_model {
	double bytes, tokens; /* aged sums */
	double output;        /* o^ */
	uint64_t requests;
};

void learn_model_init(struct learn_model *m);
/* prior: bytes per token before anything was learned. 0.5 .. 16 */
double learn_model_bytes_per_token(const struct learn_model *m, double prior);
void learn_model_prompt(struct learn_model *m, double bytes, double tokens);
/* Expected tokens of one sequence under a limit (-1: none), at least 1. */
double learn_model_output(const struct learn_model *m, int64_t limit);
/* tokens of one sequence. One that was cut off by its limit says only that
 * the limit was short. */
void learn_model_answer(struct learn_model *m, double tokens, int64_t limit);

#endif
