/* mooncake.c: the engine with the least predicted TTFT.
 *
 * Origin:  Mooncake's Conductor, FAST'25, section 4, algorithm 1.
 * Formula: prefill: min TTFT_i = T_queue(i) + T_prefill(prompt, prefix_i)
 *          T_queue = sum of T_prefill of the requests that wait there
 *          decode:  min TBT_d, the next step with this request in the batch
 * Values:  T_prefill is fitted to the hardware offline; here it is the very
 *          equation that the simulated engines run by, so it does not err.
 * P and D: as published. On an engine that does both, TTFT decides alone.
 * Source:  Mooncake-FAST25.pdf, algorithm 1.
 * Simplified: the algorithm may also fetch the longest prefix from another
 *          engine when it is kvcache_balancing_threshold times longer. The
 *          simulated engines hand over KV from prefill to decode only, so that
 *          this is the load-balancing part. Its rejection of requests that
 *          would miss their SLO is off. */
#include "bench/whatif/baseline.h"

static double ttft_ms(const struct baseline_ask *ask, uint32_t engine)
{
	const struct view_engine *e = &ask->view->engines[engine];
	double hit = view_hit_tokens(ask->view, ask->request, engine);

	return e->queue_ms + sl_profile_prefill_ms(e->profile, ask->tokens - hit, hit);
}

static double tbt_ms(const struct baseline_ask *ask, uint32_t engine)
{
	const struct view_engine *e = &ask->view->engines[engine];

	return sl_profile_step_ms(e->profile, e->decoding + 1.0, e->active_tokens + ask->tokens);
}

static uint32_t pick(const struct baseline_ask *ask)
{
	return baseline_least(ask, ask->part == BASELINE_DECODE ? tbt_ms : ttft_ms);
}

const struct baseline baseline_mooncake = { .pick = pick };
