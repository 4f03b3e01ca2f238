/* random.c: any engine, each as likely.
 *
 * Origin:  every proxy; vLLM, SGLang and Dynamo routers as `random`.
 * Formula: uniform among the candidates, for each leg. */
#include "bench/whatif/baseline.h"

static uint32_t pick(const struct baseline_ask *ask)
{
	return ask->among[baseline_random(ask, ask->n)];
}

const struct baseline baseline_random_pick = { .pick = pick };
