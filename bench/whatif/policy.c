/* policy.c: the table of all policies: ours, those of the field, the oracle. */
#include "bench/whatif/baseline.h"
#include "bench/whatif/oracle.h"
#include "bench/whatif/sluice.h"

/* As `probe_interval` of a pool: what the gateway does unless told otherwise. */
#define SCRAPE_US 1000000u

static const struct policy policies[] = {
	{ POLICY_OURS, "this project's router", &sluice_balancer_ops, NULL, SCRAPE_US },
#define BASELINE(name, variable, origin, scrape_us)                                                \
	{ name, origin, &baseline_balancer_ops, &(variable), scrape_us },
#include "bench/whatif/baselines.def"
#undef BASELINE
	{ "oracle", "knows every engine's true state and each output's length",
	  &oracle_balancer_ops, NULL, 0 },
};

const struct policy *policy_find(const char *name)
{
	for (size_t k = 0; k < SL_COUNT(policies); k++)
		if (!strcmp(policies[k].name, name))
			return &policies[k];
	return NULL;
}

const struct policy *policy_at(size_t k)
{
	return k < SL_COUNT(policies) ? &policies[k] : NULL;
}
