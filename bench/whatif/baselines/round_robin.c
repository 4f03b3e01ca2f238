/* round_robin.c: one engine after the other.
 *
 * Origin:  every proxy's default (nginx, HAProxy, kube-proxy in IPVS mode).
 * Formula: the next candidate after the one picked last, by number; each leg
 *          of a disaggregated fleet has a turn of its own. */
#include "bench/whatif/baseline.h"

struct turns {
	uint32_t next[BASELINE_DECODE + 1]; /* by part: the lowest number to pick */
};

static uint32_t pick(const struct baseline_ask *ask)
{
	uint32_t *next = &((struct turns *)ask->own)->next[ask->part];
	uint32_t i = 0;

	while (i < ask->n && ask->among[i] < *next)
		i++;
	*next = ask->among[i < ask->n ? i : 0] + 1;
	return *next - 1;
}

const struct baseline baseline_round_robin = { .pick = pick, .own_bytes = sizeof(struct turns) };
