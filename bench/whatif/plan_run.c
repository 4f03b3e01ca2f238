/* plan_run.c: tries as simulated runs, on all cores. See plan.h. */
#include <stdlib.h>

#include "bench/whatif/jobs.h"
#include "bench/whatif/plan.h"
#include "bench/whatif/progress.h"

struct batch {
	const struct plan_setup *setup;
	struct progress *progress;
	struct plan_try *tries;
	double stop_below;
};

static void make_fleet(const struct plan_setup *setup, const struct plan_try *try,
                       struct fleet *out_fleet)
{
	struct fleet_engine engine = setup->engine;

	fleet_init(out_fleet);
	out_fleet->transfer_latency_ms = setup->transfer_latency_ms;
	out_fleet->transfer_bytes_per_ms = setup->transfer_bytes_per_ms;
	engine.role = SL_ROLE_PREFILL;
	if (try->prefill)
		fleet_add(out_fleet, engine, try->prefill);
	engine.role = try->prefill ? SL_ROLE_DECODE : SL_ROLE_BOTH;
	fleet_add(out_fleet, engine, try->engines - try->prefill);
}

static void note_result(const struct world_setup *setup, const struct tally *tally,
                        struct plan_try *try)
{
	uint8_t *roles = calloc(setup->fleet->n, 1);
	struct summary summary;

	if (!roles)
		abort();
	for (uint32_t i = 0; i < setup->fleet->n; i++)
		roles[i] = (uint8_t)setup->fleet->engines[i].role;
	tally_summarize(tally, &setup->slo, roles, &summary);
	free(roles);
	try->stopped = tally->abandoned;
	try->slo_ok = tally->abandoned ? tally_best_share(tally) : summary.slo_ok;
	try->ttft_p99_ms = summary.ttft_ms.p99;
	try->tpot_p99_ms = summary.tpot_ms.p99;
	try->hit_rate = summary.hit_rate;
}

static void run_try(void *ctx, uint32_t job)
{
	struct batch *b = ctx;
	struct world_setup world = b->setup->world;
	struct fleet fleet;
	struct tally tally;

	make_fleet(b->setup, &b->tries[job], &fleet);
	world.fleet = &fleet;
	world.stop_below = b->stop_below;
	world.progress = progress_requests;
	world.progress_ctx = b->progress;
	world_run(&world, &tally);
	progress_run_done(b->progress, world.workload->n);
	note_result(&world, &tally, &b->tries[job]);
	tally_fini(&tally);
	fleet_fini(&fleet);
}

struct planning {
	const struct plan_setup *setup;
	struct progress progress;
};

static void run_batch(void *ctx, struct plan_try *tries, uint32_t n, double stop_below)
{
	struct planning *p = ctx;
	struct batch batch = { p->setup, &p->progress, tries, stop_below };

	progress_more(&p->progress, n);
	jobs_run(p->setup->threads, n, run_try, &batch);
}

void plan_run(const struct plan_setup *setup, struct plan *out_plan)
{
	struct planning p = { .setup = setup };
	struct plan_search search = { .run = run_batch,
		                      .ctx = &p,
		                      .good_share = setup->good_share,
		                      .max_engines = setup->max_engines };

	progress_init(&p.progress, stderr, setup->quiet, 0, setup->world.workload->n);
	plan_find(&search, out_plan);
	progress_fini(&p.progress);
}
