/* power_of_two.c: the less loaded of two engines at random.
 *
 * Origin:  Mitzenmacher, "The Power of Two Choices" (2001); Envoy's default
 *          LEAST_REQUEST; `power_of_two` of SGLang's and vLLM's routers.
 * Formula: two different candidates, uniform; the one with fewer requests in
 *          flight, the first of them when equal. For each leg. */
#include "bench/whatif/baselines/power_of_two.h"

uint32_t baseline_pick_of_two(const struct baseline_ask *ask)
{
	uint32_t a = baseline_random(ask, ask->n), b;
	const struct view_engine *engines = ask->view->engines;

	if (ask->n == 1)
		return ask->among[0];
	b = (a + 1 + baseline_random(ask, ask->n - 1)) % ask->n;
	a = ask->among[a];
	b = ask->among[b];
	return engines[b].inflight < engines[a].inflight ? b : a;
}

const struct baseline baseline_power_of_two = { .pick = baseline_pick_of_two };
