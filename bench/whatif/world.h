/* world.h: one what-if run: a workload through gateways to a fleet, as a
 * discrete-event simulation. Pure and single-threaded: the same setup gives
 * the same tally to the last bit, on every compiler. */
#ifndef SLUICE_WHATIF_WORLD_H
#define SLUICE_WHATIF_WORLD_H

#include "bench/whatif/balancer.h"
#include "bench/whatif/tally.h"

#define WORLD_CUT_OFF UINT64_MAX

struct world_setup {
	const struct workload *workload; /* borrowed, as the next two */
	const struct fleet *fleet;
	const struct policy *policy;
	double rate_factor;
	uint64_t seed;
	uint32_t replicas;         /* of the gateway; requests are dealt at random */
	uint64_t replica_delay_us; /* until one knows what another did; WORLD_CUT_OFF: never */
	uint64_t scrape_us;        /* 0: the policy's own period */
	uint64_t warmup_us;        /* requests that come before are not counted */
	struct slo slo;
	double stop_below; /* stop as soon as the share in SLO must end below; 0: never */
	/* Progress: requests that have ended since the last call; or NULL. */
	void (*progress)(void *ctx, uint32_t ended);
	void *progress_ctx;
};

/* out: tally_fini when done. */
void world_run(const struct world_setup *setup, struct tally *out_tally);

#endif
