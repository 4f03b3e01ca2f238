/* world.c: see world.h.
 *
 * A request arrives at a replica, is placed, and its legs run on engines
 * (trip.h); the steps of engines, hand-offs, scrapes, messages and outages are
 * events. Engines that got or lost work during an event plan their next step
 * when the event is over. */
#include "bench/whatif/world.h"

#include <assert.h>
#include <stdlib.h>

#include "bench/whatif/trip.h"
#include "routing/chain.h"

#define PROBE_US 1000000u /* until a returned engine is seen */

static void *calloc_or_die(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

/* ---- gateways --------------------------------------------------------------- */

static void hear(struct world *w, const struct event_item *ev)
{
	for (uint32_t i = 0; i < w->setup->replicas; i++)
		if (i != ev->subject)
			w->setup->policy->ops->hear(w->replicas[i], ev->subject, ev->load,
			                            w->now_us);
	free(ev->load);
}

static void tell_health(struct world *w, uint32_t engine, bool up)
{
	for (uint32_t i = 0; i < w->setup->replicas; i++)
		w->setup->policy->ops->health(w->replicas[i], engine, up, w->now_us);
}

static void scrape(struct world *w)
{
	struct sl_load_sample sample;

	for (uint32_t e = 0; e < w->setup->fleet->n; e++) {
		if (!w->engines[e].up)
			continue;
		engine_sample(&w->engines[e], w->now_us, &sample);
		for (uint32_t i = 0; i < w->setup->replicas; i++)
			w->setup->policy->ops->scraped(w->replicas[i], e, &sample, w->now_us);
	}
	world_at(w, w->now_us + w->scrape_us, EVENT_SCRAPE, 0, 0);
}

/* ---- outages ---------------------------------------------------------------- */

static void lost_leg(void *ctx, struct leg *leg)
{
	struct world *w = ctx;

	trip_fail(w, &w->trips[leg->request], leg->engine);
}

/* Blocks that it held for others are lost, too. */
static void lose_pins(struct world *w, uint32_t engine)
{
	for (uint32_t i = 0; i < w->workload->n; i++) {
		struct trip *t = &w->trips[i];

		if (t->n_pinned && t->choice.prefill == engine)
			trip_fail(w, t, engine);
	}
}

/* Outages of one engine may overlap: it is away until the last one ends. */
static void go_down(struct world *w, uint32_t engine)
{
	if (w->away[engine]++)
		return;
	tell_health(w, engine, false);
	engine_kill(&w->engines[engine], w->now_us, lost_leg, w);
	lose_pins(w, engine);
}

static void come_back(struct world *w, uint32_t engine)
{
	assert(w->away[engine]);
	if (--w->away[engine])
		return;
	engine_restart(&w->engines[engine]);
	w->engines[engine].up = true;
	world_at(w, w->now_us + PROBE_US, EVENT_SEEN, engine, w->engines[engine].epoch);
}

static void plan_outages(struct world *w)
{
	const struct fleet *f = w->setup->fleet;

	for (uint32_t i = 0; i < f->n_outages; i++) {
		const struct fleet_outage *o = &f->outages[i];

		world_at(w, (uint64_t)o->from_us, EVENT_DOWN, o->engine, 0);
		if (o->until_us != FLEET_NEVER)
			world_at(w, (uint64_t)o->until_us, EVENT_BACK, o->engine, 0);
	}
}

/* ---- slices ----------------------------------------------------------------- */

static void take_slice(struct world *w)
{
	struct tally *t = w->tally;
	struct tally_slice s = { 0 };
	uint32_t n = w->setup->fleet->n;
	double running = 0, waiting = 0, usage = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct engine *e = &w->engines[i];

		running += e->batch.running.n;
		waiting += e->batch.waiting.n + e->batch.fetching.n;
		usage += sl_sim_kv_usage(e->kv);
		if ((float)e->batch.running.n > s.running_max)
			s.running_max = (float)e->batch.running.n;
	}
	s.running = (float)(running / n);
	s.waiting = (float)(waiting / n);
	s.kv_usage = (float)(usage / n);
	w->usage_sum += usage / n;
	t->slices[t->n_slices++] = s;
	if (t->n_slices < TALLY_SLICES)
		world_at(w, w->now_us + t->slice_us, EVENT_SLICE, 0, 0);
}

/* ---- the loop --------------------------------------------------------------- */

static void handle(struct world *w, const struct event_item *ev)
{
	switch ((enum world_event)ev->kind) {
	case EVENT_STEP:
		trip_end_step(w, ev);
		break;
	case EVENT_FETCHED:
		trip_fetched(w, ev);
		break;
	case EVENT_PLACE:
		trip_place(w, &w->trips[ev->subject]);
		break;
	case EVENT_SCRAPE:
		scrape(w);
		break;
	case EVENT_HEAR:
		hear(w, ev);
		break;
	case EVENT_DOWN:
		go_down(w, ev->subject);
		break;
	case EVENT_BACK:
		come_back(w, ev->subject);
		break;
	case EVENT_SEEN:
		if (ev->epoch == w->engines[ev->subject].epoch)
			tell_health(w, ev->subject, true);
		break;
	case EVENT_SLICE:
		take_slice(w);
		break;
	}
}

static void arrive(struct world *w, uint32_t request)
{
	struct trip *t = &w->trips[request];

	if (w->setup->replicas > 1)
		t->replica = (uint32_t)((sl_rng_next(&w->rng) >> 32) % w->setup->replicas);
	trip_place(w, t);
}

static bool is_hopeless(const struct world *w)
{
	return w->setup->stop_below > 0 && tally_best_share(w->tally) < w->setup->stop_below;
}

static void run(struct world *w)
{
	uint32_t n = w->workload->n, next = 0;

	while (w->n_ended < n && !is_hopeless(w)) {
		const struct event_item *ev = events_next(&w->events);

		if (next < n && (!ev || world_arrival_us(w, next) < ev->at_us)) {
			w->now_us = world_arrival_us(w, next);
			arrive(w, next++);
		} else {
			struct event_item item;

			assert(ev); /* somebody still works */
			item = events_take(&w->events);
			w->now_us = item.at_us;
			handle(w, &item);
		}
		trip_run_kicks(w);
	}
	w->tally->abandoned = w->n_ended < n;
}

/* ---- beginning and end ------------------------------------------------------ */

static void make_replicas(struct world *w)
{
	const struct world_setup *s = w->setup;

	w->replicas = calloc_or_die(s->replicas, sizeof(struct balancer *));
	for (uint32_t i = 0; i < s->replicas; i++) {
		struct balancer_setup setup = {
			.workload = s->workload,
			.fleet = s->fleet,
			.engines = w->engine_list,
			.seed = chain_mix(s->seed, i) | 1,
			.replica = i,
			.replicas = s->replicas,
			.staleness_us = s->replicas > 1 ? s->replica_delay_us : 0,
		};

		w->replicas[i] = s->policy->ops->make(s->policy->kind, &setup);
	}
}

static void open_world(struct world *w)
{
	const struct world_setup *s = w->setup;
	uint32_t n_engines = s->fleet->n;

	w->rng.state = chain_mix(s->seed, 0x6465616cull) | 1;
	w->engines = calloc_or_die(n_engines, sizeof(*w->engines));
	w->engine_list = calloc_or_die(n_engines, sizeof(struct engine *));
	w->kicks = calloc_or_die(n_engines, sizeof(*w->kicks));
	w->kicked = calloc_or_die(n_engines, sizeof(*w->kicked));
	w->away = calloc_or_die(n_engines, sizeof(*w->away));
	w->trips = calloc_or_die(w->workload->n, sizeof(*w->trips));
	for (uint32_t i = 0; i < n_engines; i++) {
		engine_init(&w->engines[i], s->fleet, i);
		w->engine_list[i] = &w->engines[i];
	}
	make_replicas(w);
	plan_outages(w);
	w->scrape_us = s->scrape_us ? s->scrape_us : s->policy->scrape_us;
	if (w->scrape_us)
		world_at(w, 0, EVENT_SCRAPE, 0, 0);
	while (w->tally->first < w->workload->n &&
	       world_arrival_us(w, w->tally->first) < s->warmup_us)
		w->tally->first++;
	w->tally->arrivals_us = world_arrival_us(w, w->workload->n - 1);
	w->tally->slice_us = w->tally->arrivals_us / (TALLY_SLICES - 40) + 1;
	world_at(w, w->tally->slice_us, EVENT_SLICE, 0, 0);
}

static void count_engines(struct world *w)
{
	struct tally *t = w->tally;

	t->span_us = w->now_us;
	t->kv_usage = t->n_slices ? w->usage_sum / t->n_slices : 0;
	for (uint32_t i = 0; i < w->setup->fleet->n; i++) {
		t->busy_ms[i] = (double)w->engines[i].busy_us / 1000;
		t->preemptions += w->engines[i].batch.preemptions;
	}
}

static void forget_leg(void *ctx, struct leg *leg)
{
	(void)ctx;
	(void)leg;
}

static void close_world(struct world *w)
{
	for (uint32_t i = 0; i < w->setup->fleet->n; i++)
		engine_kill(&w->engines[i], w->now_us, forget_leg, NULL);
	for (uint32_t i = 0; i < w->workload->n; i++)
		trip_drop_pins(w, &w->trips[i]);
	for (uint32_t i = 0; i < w->setup->fleet->n; i++)
		engine_fini(&w->engines[i]);
	for (uint32_t i = 0; i < w->setup->replicas; i++)
		w->setup->policy->ops->free(w->replicas[i]);
	while (events_next(&w->events)) {
		struct event_item item = events_take(&w->events);

		free(item.load);
	}
	events_fini(&w->events);
	free(w->replicas);
	free(w->engines);
	free(w->engine_list);
	free(w->kicks);
	free(w->kicked);
	free(w->away);
	free(w->trips);
}

void world_run(const struct world_setup *setup, struct tally *out_tally)
{
	struct world w = { .setup = setup, .workload = setup->workload, .tally = out_tally };

	tally_init(out_tally, setup->workload->n, setup->fleet->n);
	open_world(&w);
	run(&w);
	count_engines(&w);
	if (setup->progress)
		setup->progress(setup->progress_ctx, setup->workload->n - w.n_told);
	close_world(&w);
}
