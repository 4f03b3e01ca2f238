/* always_remote.c: every request through a prefill engine.
 *
 * Origin:  DistServe (OSDI'24); so do most disaggregated fleets by default.
 * Formula: prefill: the shortest queue, in prompt tokens; decode: the least
 *          loaded, in tokens of context. Nothing is known of caches.
 * P and D: that is all there is; on an engine that does both, the sum of the
 *          two.
 * Source:  DistServe, section 4.3 (FCFS, shortest queue, least loaded). */
#include "bench/whatif/baseline.h"

static double queued(const struct baseline_ask *ask, uint32_t engine)
{
	return ask->view->engines[engine].pending_tokens;
}

static double resident(const struct baseline_ask *ask, uint32_t engine)
{
	return ask->view->engines[engine].active_tokens;
}

static double both(const struct baseline_ask *ask, uint32_t engine)
{
	return queued(ask, engine) + resident(ask, engine);
}

static uint32_t pick(const struct baseline_ask *ask)
{
	static const baseline_score_fn scores[] = {
		[BASELINE_WHOLE] = both,
		[BASELINE_PREFILL] = queued,
		[BASELINE_DECODE] = resident,
	};

	return baseline_least(ask, scores[ask->part]);
}

const struct baseline baseline_always_remote = { .pick = pick };
