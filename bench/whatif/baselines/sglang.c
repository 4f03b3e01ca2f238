/* sglang.c: cache_aware of SGLang's router, which is now SMG; vLLM's router
 * has it too.
 *
 * Origin:  sgl-model-gateway 0.3.2 (sglang-router), SMG 1.9, vllm-router 0.1.
 * Formula: load_i = requests in flight.
 *          imbalanced = max load - min load > abs AND max load > rel * min load
 *          imbalanced:                        min load
 *          matched / prompt > threshold:      the engine that matches longest
 *          else (a miss):                     min load, or the smallest tree
 * Values:  two rows of the table, as the defaults changed with time.
 *          sglang-cache-aware: what its command line sets today: threshold 0.3,
 *          abs 64, rel 1.5, and a miss goes to the least loaded engine.
 *          sglang-smallest-tree: threshold 0.5, abs 32, rel 1.1, and a miss
 *          goes to the engine whose tree is smallest, as until late 2025.
 * P and D: prefill cache_aware, decode power_of_two, as its documentation
 *          sets up a disaggregated fleet.
 * Source:  model_gateway/src/policies/cache_aware.rs, src/main.rs; in-tree
 *          sgl-model-gateway/src/policies/mod.rs; sglang PRs 14305 and 14532.
 * Simplified: text is matched in the boundaries of view.h, not by character.
 *          Matches are bounded by the engine's KV memory instead of
 *          max_tree_size (67,108,864 characters, 42 times the KV memory of an
 *          8B model on one H100): what has left the engine earns no credit,
 *          which helps it. The *size* of a tree is the text that was new to it,
 *          up to the old max_tree_size of 2^24 characters. Equal loads are told
 *          apart at random, not by number. */
#include "bench/whatif/baselines/power_of_two.h"
#include "routing/alloc.h"

#define MAX_TREE_TOKENS ((double)(1u << 24) / WORKLOAD_BYTES_PER_TOKEN)

struct trees {
	double *tokens; /* owned; by engine */
};

struct rule {
	double threshold;
	uint32_t balance_abs;
	double balance_rel;
	baseline_score_fn on_miss;
};

static double load(const struct baseline_ask *ask, uint32_t engine)
{
	return ask->view->engines[engine].inflight;
}

static double tree_tokens(const struct baseline_ask *ask, uint32_t engine)
{
	const struct trees *trees = ask->own;

	return trees->tokens ? trees->tokens[engine] : 0;
}

static double miss_tokens(const struct baseline_ask *ask, uint32_t engine)
{
	return -view_hit_tokens(ask->view, ask->request, engine);
}

static bool is_imbalanced(const struct baseline_ask *ask, const struct rule *rule)
{
	uint32_t least = UINT32_MAX, most = 0;

	for (uint32_t i = 0; i < ask->n; i++) {
		uint32_t n = ask->view->engines[ask->among[i]].inflight;

		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	return most - least > rule->balance_abs && most > rule->balance_rel * least;
}

static uint32_t pick_cache_aware(const struct baseline_ask *ask, const struct rule *rule)
{
	uint32_t best;

	if (ask->part == BASELINE_DECODE)
		return baseline_pick_of_two(ask);
	if (is_imbalanced(ask, rule))
		return baseline_least(ask, load);
	best = baseline_least(ask, miss_tokens);
	if (view_hit_tokens(ask->view, ask->request, best) > rule->threshold * ask->tokens)
		return best;
	return baseline_least(ask, rule->on_miss);
}

static uint32_t pick_today(const struct baseline_ask *ask)
{
	static const struct rule today = { 0.3, 64, 1.5, load };

	return pick_cache_aware(ask, &today);
}

static uint32_t pick_smallest_tree(const struct baseline_ask *ask)
{
	static const struct rule once = { 0.5, 32, 1.1, tree_tokens };

	return pick_cache_aware(ask, &once);
}

static void grow_tree(void *own, struct view *view, const struct balancer_news *news)
{
	struct trees *trees = own;
	double *tokens;

	if (news->event != BALANCER_DISPATCHED)
		return;
	if (!trees->tokens)
		trees->tokens = alloc_zero(view->n, sizeof(*trees->tokens));
	tokens = &trees->tokens[news->choice.prefill];
	*tokens += view->charges[news->request].uncached_tokens;
	if (*tokens > MAX_TREE_TOKENS)
		*tokens = MAX_TREE_TOKENS;
}

static void fini(void *own)
{
	free(((struct trees *)own)->tokens);
}

const struct baseline baseline_sglang = { .pick = pick_today };
const struct baseline baseline_sglang_smallest_tree = { .pick = pick_smallest_tree,
	                                                .news = grow_tree,
	                                                .fini = fini,
	                                                .own_bytes = sizeof(struct trees) };
