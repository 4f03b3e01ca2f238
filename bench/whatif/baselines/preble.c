/* preble.c: E2, exploitation and exploration.
 *
 * Origin:  Preble (ICLR'25, arXiv 2407.00023), its own scheduler.
 * Formula: exploit: if the longest match on any engine is more than half of the
 *          prompt: of the engines that match as long, the one with least L;
 *          explore: min L_i + M_i + P_i, with
 *          L_i = prefill time sent there in the last 3 minutes
 *                + requests decoding * mean output tokens * TPOT of the engine
 *          M_i = prefill time of what it must evict * its share of hit tokens
 *          P_i = prefill time of this request there
 *          re-balance: if the exploited engine has the most L, and more than
 *          1.5 times the least, the engine with the least takes it
 * Values:  window 3 min, ratio 1.5, from the 50th request on; 45 output tokens
 *          until requests have ended.
 * P and D: the paper serves on one engine. Here E2 for prefill, the decode part
 *          of L for decode.
 * Source:  the paper, section 3.2; preble/global_scheduler_with_time.py.
 * Simplified: its radix tree's per-node loads are kept by engine; time of
 *          prefill is the simulated engines' own equation, not a fit; TPOT is an
 *          exponential mean of what was seen, not a median of 200; doubling a
 *          hot prefix on TTFT growth, which the code does for one node, is left
 *          to the re-balance. */
#include "bench/whatif/baseline.h"

#include "routing/alloc.h"

#define WINDOW_US (180ull * 1000000u)
#define REBALANCE_RATIO 1.5
#define REBALANCE_FROM 50u
#define FIRST_OUTPUT_TOKENS 45.0
#define TPOT_GAIN 0.05

struct sent {
	uint64_t at_us;
	uint32_t engine;
	double prefill_ms, hit_tokens, prompt_tokens;
};

struct load {
	uint32_t n;                                   /* sent within the window */
	double prefill_ms, hit_tokens, prompt_tokens; /* of them */
	double tpot_ms;                               /* 0: none seen yet */
};

struct e2 {
	struct sent *window; /* owned; in the order of time, from `old` on */
	size_t old, n_window, cap_window;
	struct load *loads;   /* owned; by engine */
	uint64_t *first_us;   /* owned; by request */
	double output_tokens; /* sum over n_ended */
	uint64_t n_ended;
	uint64_t n_sent; /* ever */
};

/* ---- costs ------------------------------------------------------------ */

static double hit_tokens(const struct baseline_ask *ask, uint32_t engine)
{
	return view_hit_tokens(ask->view, ask->request, engine);
}

static double mean_output(const struct e2 *e2)
{
	return e2->n_ended ? e2->output_tokens / (double)e2->n_ended : FIRST_OUTPUT_TOKENS;
}

static double decode_load_ms(const struct baseline_ask *ask, uint32_t engine)
{
	const struct e2 *e2 = ask->own;
	const struct view_engine *e = &ask->view->engines[engine];
	double tpot_ms = e2->loads ? e2->loads[engine].tpot_ms : 0;

	if (tpot_ms <= 0)
		tpot_ms = sl_profile_step_ms(e->profile, 1, 0);
	return e->decoding * mean_output(e2) * tpot_ms;
}

static double load_ms(const struct baseline_ask *ask, uint32_t engine)
{
	const struct e2 *e2 = ask->own;

	return (e2->loads ? e2->loads[engine].prefill_ms : 0) + decode_load_ms(ask, engine);
}

static double eviction_ms(const struct baseline_ask *ask, uint32_t engine)
{
	const struct e2 *e2 = ask->own;
	const struct view_engine *e = &ask->view->engines[engine];
	double held = (double)ask->view->index.lru[engine].tokens;
	double over = held + ask->tokens - hit_tokens(ask, engine) - e->kv_tokens;
	const struct load *load = e2->loads ? &e2->loads[engine] : NULL;

	if (!load || load->n == 0 || over <= 0)
		return 0;
	return load->hit_tokens / load->prompt_tokens * sl_profile_prefill_ms(e->profile, over, 0);
}

static double explore_ms(const struct baseline_ask *ask, uint32_t engine)
{
	double hit = hit_tokens(ask, engine);

	return load_ms(ask, engine) + eviction_ms(ask, engine) +
	       sl_profile_prefill_ms(ask->view->engines[engine].profile, ask->tokens - hit, hit);
}

/* ---- picking ---------------------------------------------------------- */

static void forget_old(struct e2 *e2, uint64_t now_us)
{
	while (e2->old < e2->n_window && e2->window[e2->old].at_us + WINDOW_US < now_us) {
		const struct sent *s = &e2->window[e2->old++];
		struct load *load = &e2->loads[s->engine];

		if (--load->n == 0) {
			*load = (struct load){ .tpot_ms = load->tpot_ms };
			continue;
		}
		load->prefill_ms -= s->prefill_ms;
		load->hit_tokens -= s->hit_tokens;
		load->prompt_tokens -= s->prompt_tokens;
	}
}

static double longest_match(const struct baseline_ask *ask)
{
	double most = 0;

	for (uint32_t i = 0; i < ask->n; i++) {
		double hit = hit_tokens(ask, ask->among[i]);

		most = hit > most ? hit : most;
	}
	return most;
}

static uint32_t least_loaded_holder(const struct baseline_ask *ask, double hit)
{
	uint32_t best = SL_NO_ENDPOINT;

	for (uint32_t i = 0; i < ask->n; i++) {
		uint32_t engine = ask->among[i];

		if (hit_tokens(ask, engine) < hit)
			continue;
		if (best == SL_NO_ENDPOINT || load_ms(ask, engine) < load_ms(ask, best))
			best = engine;
	}
	return best;
}

static bool is_heaviest(const struct baseline_ask *ask, uint32_t engine)
{
	for (uint32_t i = 0; i < ask->n; i++)
		if (load_ms(ask, ask->among[i]) > load_ms(ask, engine))
			return false;
	return true;
}

static uint32_t exploit(const struct baseline_ask *ask, double hit)
{
	const struct e2 *e2 = ask->own;
	uint32_t holder = least_loaded_holder(ask, hit);
	uint32_t lightest;

	if (e2->n_sent < REBALANCE_FROM || !is_heaviest(ask, holder))
		return holder;
	lightest = baseline_least(ask, load_ms);
	return load_ms(ask, holder) > REBALANCE_RATIO * load_ms(ask, lightest) ? lightest : holder;
}

static uint32_t pick(const struct baseline_ask *ask)
{
	double hit;

	forget_old(ask->own, ask->view->now_us);
	if (ask->part == BASELINE_DECODE)
		return baseline_least(ask, decode_load_ms);
	hit = longest_match(ask);
	return hit > ask->tokens - hit ? exploit(ask, hit) : baseline_least(ask, explore_ms);
}

/* ---- the window ------------------------------------------------------- */

static struct sent *add_sent(struct e2 *e2)
{
	if (e2->n_window == e2->cap_window && e2->old > e2->cap_window / 2) {
		memmove(e2->window, e2->window + e2->old,
		        (e2->n_window - e2->old) * sizeof(*e2->window));
		e2->n_window -= e2->old;
		e2->old = 0;
	} else if (e2->n_window == e2->cap_window) {
		e2->cap_window = e2->cap_window ? 2 * e2->cap_window : 1024;
		e2->window = alloc_resize(e2->window, e2->cap_window, sizeof(*e2->window));
	}
	return &e2->window[e2->n_window++];
}

static void note_sent(struct e2 *e2, const struct view *view, const struct balancer_news *news)
{
	const struct view_charge *c = &view->charges[news->request];
	struct load *load = &e2->loads[news->choice.prefill];
	struct sent s = { .at_us = view->now_us,
		          .engine = news->choice.prefill,
		          .prefill_ms = c->prefill_ms,
		          .prompt_tokens = view->workload->requests[news->request].input_tokens };

	s.hit_tokens = s.prompt_tokens - c->uncached_tokens;
	forget_old(e2, view->now_us);
	*add_sent(e2) = s;
	load->n++;
	load->prefill_ms += s.prefill_ms;
	load->hit_tokens += s.hit_tokens;
	load->prompt_tokens += s.prompt_tokens;
	e2->n_sent++;
	e2->first_us[news->request] = 0;
}

static void note_end(struct e2 *e2, const struct view *view, const struct balancer_news *news)
{
	uint32_t output = view->workload->requests[news->request].output_tokens;
	uint64_t first_us = e2->first_us[news->request];
	double *tpot_ms = &e2->loads[news->choice.decode].tpot_ms;
	double seen_ms;

	e2->output_tokens += output;
	e2->n_ended++;
	if (output < 2 || first_us == 0)
		return;
	seen_ms = (double)(view->now_us - first_us) / 1000 / (output - 1);
	*tpot_ms = *tpot_ms > 0 ? *tpot_ms + TPOT_GAIN * (seen_ms - *tpot_ms) : seen_ms;
}

static void learn(void *own, struct view *view, const struct balancer_news *news)
{
	struct e2 *e2 = own;

	if (!e2->loads) {
		e2->loads = alloc_zero(view->n, sizeof(*e2->loads));
		e2->first_us = alloc_zero(view->workload->n, sizeof(*e2->first_us));
	}
	if (news->event == BALANCER_DISPATCHED)
		note_sent(e2, view, news);
	else if (news->event == BALANCER_FIRST_TOKEN)
		e2->first_us[news->request] = view->now_us;
	else if (news->event == BALANCER_FINISHED)
		note_end(e2, view, news);
}

static void fini(void *own)
{
	struct e2 *e2 = own;

	free(e2->window);
	free(e2->loads);
	free(e2->first_us);
}

const struct baseline baseline_preble = {
	.pick = pick, .news = learn, .fini = fini, .own_bytes = sizeof(struct e2)
};
