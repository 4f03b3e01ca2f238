/* least_request.c: the engine with the fewest requests in flight.
 *
 * Origin:  HAProxy `leastconn`, nginx `least_conn`, AIBrix `least-request`,
 *          Dynamo `least-loaded`. (Envoy's LEAST_REQUEST with its default of
 *          two choices is power_of_two.c.)
 * Formula: min inflight_i; ties at random. For each leg among its engines. */
#include "bench/whatif/baseline.h"

static double inflight(const struct baseline_ask *ask, uint32_t engine)
{
	return ask->view->engines[engine].inflight;
}

static uint32_t pick(const struct baseline_ask *ask)
{
	return baseline_least(ask, inflight);
}

const struct baseline baseline_least_request = { .pick = pick };
