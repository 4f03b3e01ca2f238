/* plan.h: how many engines a workload needs, and how to divide them.
 *
 * A *try* is one fleet: so many engines, of which so many only prefill; with
 * none, every engine does both. A try is *good* if its share in SLO is at
 * least good_share. The search asks for tries in batches, so that all cores
 * work; which tries it asks for does not depend on how many cores there are.
 *
 * It takes the share to grow with the number of engines, and to have one peak
 * over the split. Where that does not hold, what it finds is good all the
 * same, but perhaps not the smallest. */
#ifndef SLUICE_WHATIF_PLAN_H
#define SLUICE_WHATIF_PLAN_H

#include <stdio.h>

#include "bench/whatif/world.h"

struct plan_try {
	uint32_t engines;
	uint32_t prefill; /* 0: aggregated */
	double slo_ok;    /* an upper bound if `stopped` */
	double ttft_p99_ms, tpot_p99_ms;
	double hit_rate;
	bool stopped; /* as soon as it could not be good any more */
};

/* Fills all but engines and prefill, of n tries. May stop a run early whose
 * share must end below stop_below. */
typedef void (*plan_run_fn)(void *ctx, struct plan_try *tries, uint32_t n, double stop_below);

struct plan_search {
	plan_run_fn run;
	void *ctx;
	double good_share;    /* 0.95 */
	uint32_t max_engines; /* where the search gives up */
};

#define PLAN_MAX_ROWS 16
struct plan {
	/* Fleets around the answers, by size, aggregated first; each a full run. */
	struct plan_try rows[PLAN_MAX_ROWS];
	uint32_t n_rows;
	uint32_t aggregated;    /* engines of the smallest good fleet; 0: none up to max_engines */
	uint32_t disaggregated; /* the same with the best split; 0: none */
	uint32_t prefill;       /* of them */
	uint32_t runs;          /* that it took */
};

void plan_find(const struct plan_search *search, struct plan *out_plan);

/* ---- with the simulation --------------------------------------------- */

struct plan_setup {
	struct world_setup world;   /* fleet is taken from the tries; policy is as asked */
	struct fleet_engine engine; /* what each engine is like; its role is not read */
	double transfer_latency_ms, transfer_bytes_per_ms;
	double good_share;
	uint32_t max_engines;
	uint32_t threads; /* 0: all cores */
	bool quiet;       /* no progress bar */
};
void plan_run(const struct plan_setup *setup, struct plan *out_plan);

/* ---- for people and programs ------------------------------------------ */

struct plan_report {
	const struct plan_setup *setup;
	const struct plan *plan;
	const char *trace, *command;
};
void plan_table(const struct plan_report *r, FILE *out);
/* The caller frees it. */
char *plan_json(const struct plan_report *r);

#endif
