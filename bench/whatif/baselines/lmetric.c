/* lmetric.c: new work times batch, without weights.
 *
 * Origin:  "LMetric: Simple is Better" (arXiv 2603.15202), SJTU and Alibaba;
 *          also `l-metric-local` of AIBrix.
 * Formula: min P_i * BS_i
 *          P_i  = prompt tokens queued there and not cached + those of this
 *                 request, not cached
 *          BS_i = requests there, this one included (else an idle engine
 *                 would be worth 0 however long the prompt)
 * P and D: the paper serves on one engine. Here prefill by the same product;
 *          decode by BS_i alone, as nothing is prefilled there.
 * Source:  the paper; AIBrix l_metric_local.go for the details. */
#include "bench/whatif/baseline.h"

static double product(const struct baseline_ask *ask, uint32_t engine)
{
	const struct view_engine *e = &ask->view->engines[engine];
	double uncached = ask->tokens - view_hit_tokens(ask->view, ask->request, engine);

	return (e->pending_tokens + uncached) * (e->inflight + 1.0);
}

static double batch(const struct baseline_ask *ask, uint32_t engine)
{
	return ask->view->engines[engine].inflight + 1.0;
}

static uint32_t pick(const struct baseline_ask *ask)
{
	return baseline_least(ask, ask->part == BASELINE_DECODE ? batch : product);
}

const struct baseline baseline_lmetric = { .pick = pick };
