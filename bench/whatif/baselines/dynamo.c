/* dynamo.c: NVIDIA Dynamo's KV router: linear, lmetric, conditional.
 *
 * Origin:  ai-dynamo/dynamo 1.x, lib/kv-router.
 * Formula: raw_prefill = active prefill blocks + the prompt's blocks
 *          prefill     = max(raw_prefill - credit * overlap blocks, 0)
 *          decode      = active decode blocks + the prompt's blocks
 *          linear:  min prefill_load_scale * prefill + decode
 *          lmetric: min prefill * (decode + 1)
 * Values:  credit 1, prefill_load_scale 1, temperature 0 (the minimum wins),
 *          no queue threshold; blocks are the engines' KV blocks, 64 tokens.
 * P and D: prefill router: no tracking of active blocks, so `prefill` alone.
 *          Decode: credit 0 and no tracking of prefills, so `decode` alone.
 *          linear and lmetric hand off always. Conditional (isl_bounding):
 *          on the decode engine picked,
 *          local if uncached < 2048 AND uncached < 0.7 * prompt.
 * Source:  docs/components/router (router-concepts, router-configuration,
 *          router-disaggregated-serving), src/conditional_disagg.rs.
 * Simplified: blocks that several active requests share are counted once per
 *          request. The charge of a prefill stays until its first token, which
 *          is the default (`--router-prefill-load-model` unset). */
#include "bench/whatif/baseline.h"

#define BLOCK_TOKENS ((double)WORKLOAD_KV_TOKENS)
#define OVERLAP_CREDIT 1.0
#define PREFILL_LOAD_SCALE 1.0
#define BYPASS_TOKENS 2048.0
#define BYPASS_SHARE 0.7

static double prefill_blocks(const struct baseline_ask *ask, uint32_t engine)
{
	double overlap = view_hit_tokens(ask->view, ask->request, engine) / BLOCK_TOKENS;
	double raw = (ask->view->engines[engine].pending_tokens + ask->tokens) / BLOCK_TOKENS;
	double left = raw - OVERLAP_CREDIT * overlap;

	return left > 0 ? left : 0;
}

static double decode_blocks(const struct baseline_ask *ask, uint32_t engine)
{
	return (ask->view->engines[engine].active_tokens + ask->tokens) / BLOCK_TOKENS;
}

static double linear(const struct baseline_ask *ask, uint32_t engine)
{
	return PREFILL_LOAD_SCALE * prefill_blocks(ask, engine) + decode_blocks(ask, engine);
}

static double product(const struct baseline_ask *ask, uint32_t engine)
{
	return prefill_blocks(ask, engine) * (decode_blocks(ask, engine) + 1);
}

static uint32_t pick_by(const struct baseline_ask *ask, baseline_score_fn whole)
{
	if (ask->part == BASELINE_PREFILL)
		return baseline_least(ask, prefill_blocks);
	return baseline_least(ask, ask->part == BASELINE_DECODE ? decode_blocks : whole);
}

static uint32_t pick_linear(const struct baseline_ask *ask)
{
	return pick_by(ask, linear);
}

static uint32_t pick_lmetric(const struct baseline_ask *ask)
{
	return pick_by(ask, product);
}

static bool is_remote_worth_it(const struct baseline_ask *ask, uint32_t decode)
{
	double uncached = ask->tokens - view_hit_tokens(ask->view, ask->request, decode);

	return uncached >= BYPASS_TOKENS || uncached >= BYPASS_SHARE * ask->tokens;
}

const struct baseline baseline_dynamo_linear = { .pick = pick_linear };
const struct baseline baseline_dynamo_lmetric = { .pick = pick_lmetric };
const struct baseline baseline_dynamo_conditional = { .pick = pick_linear,
	                                              .remote = is_remote_worth_it };
