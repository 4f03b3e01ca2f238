/* llmd.c: llm-d's endpoint picker, formerly the Gateway API Inference Extension:
 * the weighted default, sticky until saturated, the P/D threshold.
 *
 * Origin:  llm-d-router, August 2026.
 * Formula: default: max 2 * queue + 2 * kv + 3 * prefix; ties at random
 *          queue  = (max waiting - waiting) / (max - min), 1 if all are equal
 *          kv     = 1 - KV usage
 *          prefix = matched / prompt, over at most 131,072 tokens
 *          sticky: engines with prefix >= 0.8 only, unless the least TTFT among
 *          them is more than 18,000 ms above the least of all; then
 *          max 1 - min(1, (prompt tokens in flight, uncached + those of this
 *          request) / 4,194,304), where TTFT = tokens in flight / 15.928 ms
 * Values:  chart defaults; metrics are scraped each 200 ms, and for llm-d-50ms as
 *          often as by its own default (`--refresh-metrics-interval`), which the
 *          cost of scraping speaks against. Sticky reads none.
 * P and D: decode first. Default, as KServe sets it up: prefill by the above,
 *          decode by max 2 * active + 3 * prefix with
 *          active = (max in flight - in flight) / max, 1 if idle; always handed
 *          off (always-disagg-pd-decider). Sticky: decode by fewest in flight.
 *          Threshold: handed off if the decode engine lacks at least
 *          nonCachedTokens, 512, of the prompt: prefix-based-pd-decider is off
 *          (0) by default, 512 is its documentation's example.
 * Source:  config/charts/routerlib/templates/_config.yaml; the READMEs of
 *          pkg/epp/framework/plugins; kserve PR 5662; the blog post "sticky
 *          until saturated".
 * Simplified: the index of what was sent where is that of view.h: as large as
 *          the engine's KV memory, which is what autoTune aims at. Flow control
 *          is off, as by default. peakPrefillThroughput is not calibrated. */
#include "bench/whatif/baseline.h"

#define WEIGHT_QUEUE 2.0
#define WEIGHT_KV 2.0
#define WEIGHT_PREFIX 3.0
#define WEIGHT_ACTIVE 2.0
#define MAX_PREFIX_TOKENS 131072.0
#define AFFINITY_THRESHOLD 0.8
#define MAX_PENALTY_MS 18000.0
#define PEAK_TOKENS_PER_MS 15.928
#define LOAD_THRESHOLD_TOKENS 4194304.0
#define NON_CACHED_TOKENS 512.0

/* Of the candidates of one ask, for the scores. */
struct range {
	double least_waiting, most_waiting;
	double most_inflight;
	bool sticky; /* only those with the prefix */
};

static double hit_tokens(const struct baseline_ask *ask, uint32_t engine)
{
	return view_hit_tokens(ask->view, ask->request, engine);
}

static double prefix(const struct baseline_ask *ask, uint32_t engine)
{
	double total = ask->tokens < MAX_PREFIX_TOKENS ? ask->tokens : MAX_PREFIX_TOKENS;
	double hit = hit_tokens(ask, engine);

	return hit < total ? hit / total : 1;
}

static double waiting(const struct baseline_ask *ask, uint32_t engine)
{
	double n = ask->view->engines[engine].scraped.waiting;

	return n > 0 ? n : 0;
}

static double kv_free(const struct baseline_ask *ask, uint32_t engine)
{
	double usage = ask->view->engines[engine].scraped.kv_usage;

	if (usage < 0)
		return 1;
	return usage < 1 ? 1 - usage : 0;
}

/* ---- weighted scorers -------------------------------------------------- */

static void survey(const struct baseline_ask *ask)
{
	struct range *r = ask->own;

	*r = (struct range){ .least_waiting = waiting(ask, ask->among[0]) };
	for (uint32_t i = 0; i < ask->n; i++) {
		double n = waiting(ask, ask->among[i]);
		double active = ask->view->engines[ask->among[i]].inflight;

		r->least_waiting = n < r->least_waiting ? n : r->least_waiting;
		r->most_waiting = n > r->most_waiting ? n : r->most_waiting;
		r->most_inflight = active > r->most_inflight ? active : r->most_inflight;
	}
}

static double queue(const struct baseline_ask *ask, uint32_t engine)
{
	const struct range *r = ask->own;
	double width = r->most_waiting - r->least_waiting;

	return width > 0 ? (r->most_waiting - waiting(ask, engine)) / width : 1;
}

static double active(const struct baseline_ask *ask, uint32_t engine)
{
	const struct range *r = ask->own;
	double n = ask->view->engines[engine].inflight;

	return n > 0 ? (r->most_inflight - n) / r->most_inflight : 1;
}

static double minus_score(const struct baseline_ask *ask, uint32_t engine)
{
	return -(WEIGHT_QUEUE * queue(ask, engine) + WEIGHT_KV * kv_free(ask, engine) +
	         WEIGHT_PREFIX * prefix(ask, engine));
}

static double minus_decode_score(const struct baseline_ask *ask, uint32_t engine)
{
	return -(WEIGHT_ACTIVE * active(ask, engine) + WEIGHT_PREFIX * prefix(ask, engine));
}

static uint32_t pick_weighted(const struct baseline_ask *ask)
{
	survey(ask);
	return baseline_least(ask, ask->part == BASELINE_DECODE ? minus_decode_score : minus_score);
}

/* ---- sticky until saturated -------------------------------------------- */

static bool has_prefix(const struct baseline_ask *ask, uint32_t engine)
{
	return prefix(ask, engine) >= AFFINITY_THRESHOLD;
}

static double ttft_ms(const struct baseline_ask *ask, uint32_t engine)
{
	return ask->view->engines[engine].pending_tokens / PEAK_TOKENS_PER_MS;
}

static bool should_stick(const struct baseline_ask *ask)
{
	double least = ttft_ms(ask, ask->among[0]), least_sticky = 0;
	bool any = false;

	for (uint32_t i = 0; i < ask->n; i++) {
		double ms = ttft_ms(ask, ask->among[i]);

		least = ms < least ? ms : least;
		if (!has_prefix(ask, ask->among[i]))
			continue;
		least_sticky = !any || ms < least_sticky ? ms : least_sticky;
		any = true;
	}
	return any && least_sticky - least <= MAX_PENALTY_MS;
}

/* Worse than any load for those without the prefix. */
static double token_load(const struct baseline_ask *ask, uint32_t engine)
{
	const struct range *r = ask->own;
	double uncached = ask->tokens - hit_tokens(ask, engine);
	double load =
	        (ask->view->engines[engine].pending_tokens + uncached) / LOAD_THRESHOLD_TOKENS;

	if (r->sticky && !has_prefix(ask, engine))
		return 2;
	return load < 1 ? load : 1;
}

static double inflight(const struct baseline_ask *ask, uint32_t engine)
{
	return ask->view->engines[engine].inflight;
}

static uint32_t pick_sticky(const struct baseline_ask *ask)
{
	if (ask->part == BASELINE_DECODE)
		return baseline_least(ask, inflight);
	((struct range *)ask->own)->sticky = should_stick(ask);
	return baseline_least(ask, token_load);
}

/* ---- the P/D decider --------------------------------------------------- */

static bool is_above_threshold(const struct baseline_ask *ask, uint32_t decode)
{
	return ask->tokens - hit_tokens(ask, decode) >= NON_CACHED_TOKENS;
}

const struct baseline baseline_llmd = { .pick = pick_weighted, .own_bytes = sizeof(struct range) };
const struct baseline baseline_llmd_sticky = { .pick = pick_sticky,
	                                       .own_bytes = sizeof(struct range) };
const struct baseline baseline_llmd_threshold = { .pick = pick_weighted,
	                                          .remote = is_above_threshold,
	                                          .own_bytes = sizeof(struct range) };
