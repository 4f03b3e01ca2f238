/* aibrix.c: prefix-cache, and its `pd` for disaggregated fleets.
 *
 * Origin:  vllm-project/aibrix, gateway plugin, August 2026.
 * Formula: prefix-cache: match% = whole percent of the prompt that a pod holds;
 *          if max running - min running > 8, only pods at the minimum match;
 *          of the pods that match, the highest match%, then the fewest running,
 *          among those with running <= mean + 1 sigma (sample) of all pods;
 *          none: fewest running.
 *          prefill: if the spread of outstanding prefills > 16, a pod at the
 *          minimum; else, without pods above mean + 1 sigma,
 *          min (100 - match%) * 0.1 + outstanding / max outstanding
 *          decode: if the spread of running >= 16, the fewest running; if the
 *          spread of throughput > 2048 tokens/s, the lowest throughput; else
 *          min (running / max + 1 - throughput / max) / (free KV% / max),
 *          free KV% in whole percent, at least 0.1
 * Values:  those of the code; its manifest for Kubernetes sets 16 and 2 sigma
 *          in place of 8 and 1, and blocks of 128 bytes.
 * P and D: as published. Both legs come from one roleset there; here the fleet
 *          is one roleset, so that its sum of two scores is the best of each.
 * Source:  pkg/plugins/gateway/algorithms: prefix_cache.go, pd_disaggregation.go,
 *          pd/prefill_scorer.go, pd/decode_scorer.go.
 * Simplified: throughput and KV usage of a decode pod are not scraped but
 *          follow from its own requests and the engine's step time, so they are
 *          never stale. The guard by drain rate needs Prometheus and is left
 *          out. */
#include "bench/whatif/baseline.h"

#include <math.h>

#define IMBALANCE 8u
#define SIGMAS 1.0
#define PREFILL_SPREAD 16u
#define DECODE_SPREAD 16u
#define THROUGHPUT_SPREAD 2048.0
#define PREFIX_WEIGHT 0.1
#define LEAST_FREE 0.1

/* Of the candidates of one ask, for the scores. */
struct crowd {
	double least, most;
	double limit; /* mean + SIGMAS * sigma */
	bool imbalanced;
	double most_throughput, most_free;
};

static double running(const struct baseline_ask *ask, uint32_t engine)
{
	return ask->view->engines[engine].inflight;
}

static double outstanding(const struct baseline_ask *ask, uint32_t engine)
{
	return ask->view->engines[engine].prefilling;
}

static double throughput(const struct baseline_ask *ask, uint32_t engine)
{
	const struct view_engine *e = &ask->view->engines[engine];

	if (e->decoding == 0)
		return 0;
	return 1000.0 * e->decoding / sl_profile_step_ms(e->profile, e->decoding, e->active_tokens);
}

static double free_percent(const struct baseline_ask *ask, uint32_t engine)
{
	const struct view_engine *e = &ask->view->engines[engine];
	double left = round(100 - 100 * e->active_tokens / e->kv_tokens);

	return left > LEAST_FREE ? left : LEAST_FREE;
}

static double match_percent(const struct baseline_ask *ask, uint32_t engine)
{
	return floor(100 * view_hit_tokens(ask->view, ask->request, engine) / ask->tokens);
}

static double spread(const struct baseline_ask *ask, baseline_score_fn value, double *out_most)
{
	double least = value(ask, ask->among[0]), most = least;

	for (uint32_t i = 1; i < ask->n; i++) {
		double x = value(ask, ask->among[i]);

		least = x < least ? x : least;
		most = x > most ? x : most;
	}
	*out_most = most;
	return most - least;
}

static struct crowd *survey(const struct baseline_ask *ask, baseline_score_fn count)
{
	struct crowd *c = ask->own;
	double sum = 0, squares = 0, mean, width;

	width = spread(ask, count, &c->most);
	c->least = c->most - width;
	for (uint32_t i = 0; i < ask->n; i++)
		sum += count(ask, ask->among[i]);
	mean = sum / ask->n;
	for (uint32_t i = 0; i < ask->n; i++) {
		double off = count(ask, ask->among[i]) - mean;

		squares += off * off;
	}
	c->limit = mean + (ask->n > 1 ? SIGMAS * sqrt(squares / (ask->n - 1)) : 0);
	c->imbalanced = width > IMBALANCE;
	return c;
}

/* ---- prefix-cache ----------------------------------------------------- */

static double prefix_rank(const struct baseline_ask *ask, uint32_t engine)
{
	const struct crowd *c = ask->own;
	double n = running(ask, engine);

	if (view_hit_tokens(ask->view, ask->request, engine) <= 0 || n > c->limit ||
	    (c->imbalanced && n > c->least))
		return INFINITY;
	return (100 - match_percent(ask, engine)) * 1e6 + n;
}

static uint32_t pick_whole(const struct baseline_ask *ask)
{
	uint32_t best;

	survey(ask, running);
	best = baseline_least(ask, prefix_rank);
	return isfinite(prefix_rank(ask, best)) ? best : baseline_least(ask, running);
}

/* ---- pd --------------------------------------------------------------- */

static double prefill_score(const struct baseline_ask *ask, uint32_t engine)
{
	const struct crowd *c = ask->own;
	double n = outstanding(ask, engine);

	if (n > c->limit)
		return INFINITY;
	return (100 - match_percent(ask, engine)) * PREFIX_WEIGHT + n / (c->most > 1 ? c->most : 1);
}

static uint32_t pick_prefill(const struct baseline_ask *ask)
{
	const struct crowd *c = survey(ask, outstanding);

	return baseline_least(ask,
	                      c->most - c->least > PREFILL_SPREAD ? outstanding : prefill_score);
}

static double decode_score(const struct baseline_ask *ask, uint32_t engine)
{
	const struct crowd *c = ask->own;
	double busy = running(ask, engine) / (c->most > 1 ? c->most : 1);
	double slack =
	        1 - throughput(ask, engine) / (c->most_throughput > 1 ? c->most_throughput : 1);

	return (busy + slack) / (free_percent(ask, engine) / c->most_free);
}

static uint32_t pick_decode(const struct baseline_ask *ask)
{
	struct crowd *c = survey(ask, running);

	if (c->most - c->least >= DECODE_SPREAD)
		return baseline_least(ask, running);
	if (spread(ask, throughput, &c->most_throughput) > THROUGHPUT_SPREAD)
		return baseline_least(ask, throughput);
	spread(ask, free_percent, &c->most_free);
	return baseline_least(ask, decode_score);
}

static uint32_t pick(const struct baseline_ask *ask)
{
	switch (ask->part) {
	case BASELINE_PREFILL:
		return pick_prefill(ask);
	case BASELINE_DECODE:
		return pick_decode(ask);
	case BASELINE_WHOLE:
		break;
	}
	return pick_whole(ask);
}

const struct baseline baseline_aibrix = { .pick = pick, .own_bytes = sizeof(struct crowd) };
