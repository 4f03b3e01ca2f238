/* world.c: see world.h.
 *
 * A request's way: it arrives at a replica, is placed, and its legs run on
 * engines; the steps of engines, hand-offs, scrapes, messages and outages are
 * events. Engines that got or lost work during an event plan their next step
 * when the event is over. */
#include "bench/whatif/world.h"

#include <assert.h>
#include <stdlib.h>

#include "bench/whatif/engine.h"
#include "bench/whatif/events.h"
#include "routing/chain.h"

#define MAX_ATTEMPTS 8u
#define RETRY_US 100000u     /* while no engine is to be had */
#define GIVE_UP_US 30000000u /* as the gateway's queue_timeout */
#define PROBE_US 1000000u    /* until a returned engine is seen */
#define PROGRESS_EVERY 64u

enum event_kind {
	EVENT_STEP,    /* subject: engine */
	EVENT_FETCHED, /* subject: request */
	EVENT_PLACE,   /* subject: request; again */
	EVENT_SCRAPE,
	EVENT_HEAR, /* subject: the replica that speaks; load: what it says */
	EVENT_DOWN, /* subject: engine */
	EVENT_BACK, /* it runs again */
	EVENT_SEEN, /* and is known to */
	EVENT_SLICE,
};

/* A request in progress. */
struct trip {
	struct leg first, decode; /* first: whole or prefill */
	struct balancer_choice choice;
	uint32_t replica;
	uint32_t attempt;
	uint32_t avoid[MAX_ATTEMPTS], n_avoid;
	uint32_t *pinned; /* owned: blocks on the prefill engine, until they are fetched */
	uint32_t n_pinned;
	bool placed, ended;
	uint64_t first_us; /* 0: no token yet */
	uint32_t cached_tokens;
};

struct world {
	const struct world_setup *setup;
	const struct workload *workload;
	struct engine *engines;      /* owned */
	struct engine **engine_list; /* owned; for balancers */
	struct balancer **replicas;  /* owned */
	struct trip *trips;          /* owned; by request */
	struct events events;
	struct sl_rng rng;
	uint32_t *kicks; /* owned; engines that may begin a step */
	bool *kicked;    /* owned; by engine */
	uint32_t *away;  /* owned; by engine: outages under way */
	uint32_t n_kicks;
	uint32_t n_ended, n_told;
	uint64_t now_us, scrape_us;
	double usage_sum;
	struct tally *tally;
};

/* ---- small ------------------------------------------------------------------ */

static void *calloc_or_die(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

static void at(struct world *w, uint64_t at_us, enum event_kind kind, uint32_t subject,
               uint32_t epoch)
{
	events_add(&w->events, (struct event_item){
	                               .at_us = at_us,
	                               .kind = kind,
	                               .subject = subject,
	                               .epoch = epoch,
	                       });
}

static uint64_t arrival_us(const struct world *w, uint32_t request)
{
	return (uint64_t)((double)w->workload->requests[request].at_us / w->setup->rate_factor);
}

static void kick(struct world *w, uint32_t engine)
{
	if (w->kicked[engine])
		return;
	w->kicked[engine] = true;
	w->kicks[w->n_kicks++] = engine;
}

static uint32_t request_of(const struct world *w, const struct trip *t)
{
	return (uint32_t)(t - w->trips);
}

static bool is_remote(const struct trip *t)
{
	return t->choice.prefill != t->choice.decode;
}

/* ---- gateways --------------------------------------------------------------- */

/* Tells the request's gateway, and in time the others. */
static void tell(struct world *w, struct trip *t, enum balancer_event event, uint32_t engine)
{
	const struct balancer_ops *ops = w->setup->policy->ops;
	struct balancer_news news = {
		.event = event,
		.request = request_of(w, t),
		.choice = t->choice,
		.engine = engine,
		.cached_tokens = t->cached_tokens,
	};
	void *message = ops->news(w->replicas[t->replica], &news, w->now_us);

	if (!message)
		return;
	if (w->setup->replicas == 1 || w->setup->replica_delay_us == WORLD_CUT_OFF) {
		free(message);
		return;
	}
	events_add(&w->events, (struct event_item){
	                               .at_us = w->now_us + w->setup->replica_delay_us,
	                               .kind = EVENT_HEAR,
	                               .subject = t->replica,
	                               .load = message,
	                       });
}

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
	at(w, w->now_us + w->scrape_us, EVENT_SCRAPE, 0, 0);
}

/* ---- the end of a request --------------------------------------------------- */

static void end_trip(struct world *w, struct trip *t, bool done)
{
	uint32_t request = request_of(w, t);
	const struct workload_request *rq = &w->workload->requests[request];
	uint64_t from_us = arrival_us(w, request);
	struct tally_request end = {
		.done = done,
		.prompt_tokens = rq->input_tokens,
		.output_tokens = rq->output_tokens,
		.cached_tokens = t->cached_tokens,
		.prefill = t->choice.prefill,
		.decode = t->choice.decode,
	};

	if (done) {
		end.ttft_ms = (float)((double)(t->first_us - from_us) / 1000);
		end.e2e_ms = (float)((double)(w->now_us - from_us) / 1000);
		if (rq->output_tokens > 1)
			end.tpot_ms = (float)((double)(w->now_us - t->first_us) / 1000 /
			                      (rq->output_tokens - 1));
	}
	t->ended = true;
	tally_note(w->tally, request, end, &w->setup->slo);
	w->n_ended++;
	if (w->setup->progress && w->n_ended - w->n_told >= PROGRESS_EVERY) {
		w->setup->progress(w->setup->progress_ctx, w->n_ended - w->n_told);
		w->n_told = w->n_ended;
	}
}

/* ---- placing ---------------------------------------------------------------- */

static void drop_pins(struct world *w, struct trip *t)
{
	struct engine *e = &w->engines[t->choice.prefill];

	for (uint32_t i = t->n_pinned; i-- > 0;)
		sl_sim_kv_unref(e->kv, t->pinned[i]);
	if (t->n_pinned)
		kick(w, t->choice.prefill);
	free(t->pinned);
	t->pinned = NULL;
	t->n_pinned = 0;
}

static void start_leg(struct world *w, struct trip *t, struct leg *leg, enum leg_part part)
{
	uint32_t request = request_of(w, t);
	uint32_t engine = part == LEG_DECODE ? t->choice.decode : t->choice.prefill;
	uint32_t tokens = part == LEG_PREFILL ? 1 : w->workload->requests[request].output_tokens;

	*leg = (struct leg){ .request = request, .engine = engine, .part = part };
	engine_add(&w->engines[engine], leg, w->workload, tokens, w->now_us);
	kick(w, engine);
}

static void note_placement(struct world *w, struct trip *t)
{
	uint64_t where = (uint64_t)t->choice.prefill << 32 | t->choice.decode;
	struct tally *tally = w->tally;

	tally->decisions =
	        chain_mix(tally->decisions ^ w->now_us, where ^ (uint64_t)request_of(w, t) << 16);
	tally->dispatched[t->choice.prefill]++;
	tally->remote += is_remote(t) && t->attempt == 0;
	tally->retries += t->attempt > 0;
}

static bool fits(const struct world *w, const struct trip *t)
{
	const struct workload_request *rq = &w->workload->requests[request_of(w, t)];

	return engine_fits(&w->engines[t->choice.prefill], rq) &&
	       engine_fits(&w->engines[t->choice.decode], rq);
}

static void place(struct world *w, struct trip *t)
{
	uint32_t request = request_of(w, t);
	struct balancer *b = w->replicas[t->replica];

	if (!w->setup->policy->ops->place(b, request, t->avoid, t->n_avoid, w->now_us,
	                                  &t->choice)) {
		t->n_avoid = 0;
		if (w->now_us - arrival_us(w, request) > GIVE_UP_US)
			end_trip(w, t, false);
		else
			at(w, w->now_us + RETRY_US, EVENT_PLACE, request, t->attempt);
		return;
	}
	if (!fits(w, t)) {
		end_trip(w, t, false);
		return;
	}
	note_placement(w, t);
	t->placed = true;
	tell(w, t, BALANCER_DISPATCHED, 0);
	start_leg(w, t, &t->first, is_remote(t) ? LEG_PREFILL : LEG_WHOLE);
}

/* An engine broke it: everything of it is taken back, and it is placed anew. */
static void fail_trip(struct world *w, struct trip *t, uint32_t engine)
{
	if (t->ended || !t->placed)
		return;
	if (t->first.seq)
		engine_abort(&w->engines[t->first.engine], &t->first);
	if (t->decode.seq)
		engine_abort(&w->engines[t->decode.engine], &t->decode);
	kick(w, t->choice.prefill);
	kick(w, t->choice.decode);
	drop_pins(w, t);
	tell(w, t, BALANCER_FAILED, engine);
	t->placed = false;
	t->attempt++;
	if (t->attempt == MAX_ATTEMPTS) {
		end_trip(w, t, false);
		return;
	}
	t->avoid[t->n_avoid++] = engine;
	at(w, w->now_us, EVENT_PLACE, request_of(w, t), t->attempt);
}

/* ---- steps ------------------------------------------------------------------ */

static void first_token(struct world *w, struct trip *t, struct leg *leg)
{
	if (leg->part != LEG_DECODE)
		t->cached_tokens = leg->seq->cached_tokens;
	if (leg->part == LEG_PREFILL)
		return;
	if (!t->first_us)
		t->first_us = w->now_us;
	tell(w, t, BALANCER_FIRST_TOKEN, 0);
}

static void end_leg(struct world *w, struct trip *t, struct leg *leg)
{
	struct sl_sim_seq *seq = leg->seq;

	leg->seq = NULL;
	if (leg->part == LEG_PREFILL) {
		t->pinned = sl_sim_seq_take_blocks(seq, &t->n_pinned);
		sl_sim_seq_free(seq);
		tell(w, t, BALANCER_PREFILLED, 0);
		if (w->engines[t->choice.decode].up)
			start_leg(w, t, &t->decode, LEG_DECODE);
		else
			fail_trip(w, t, t->choice.decode);
		return;
	}
	sl_sim_seq_free(seq);
	tell(w, t, BALANCER_FINISHED, 0);
	end_trip(w, t, true);
}

static void end_step(struct world *w, const struct event_item *ev)
{
	struct engine *e = &w->engines[ev->subject];

	if (ev->epoch != e->epoch)
		return;
	sl_sim_batch_end(&e->batch, w->now_us);
	for (uint32_t i = 0; i < e->batch.n_step; i++) {
		struct sl_sim_seq *seq = e->batch.step[i];
		struct leg *leg = seq->owner;
		struct trip *t;

		if (!leg) { /* it was aborted during the step */
			sl_sim_seq_free(seq);
			continue;
		}
		t = &w->trips[leg->request];
		if (seq->got_token && seq->n_output == 1)
			first_token(w, t, leg);
		if (seq->state == SL_SIM_SEQ_ENDED)
			end_leg(w, t, leg);
	}
	kick(w, ev->subject);
}

static void fetch(struct world *w, struct engine *e, struct sl_sim_seq *seq)
{
	struct leg *leg = seq->owner;
	struct trip *t = &w->trips[leg->request];
	struct engine *from = &w->engines[t->choice.prefill];

	at(w, engine_transfer(from, e, seq->fetched_tokens, w->now_us + ENGINE_ASK_US),
	   EVENT_FETCHED, leg->request, t->attempt);
}

static void fetched(struct world *w, const struct event_item *ev)
{
	struct trip *t = &w->trips[ev->subject];

	if (t->attempt != ev->epoch || t->ended)
		return;
	sl_sim_batch_fetched(&w->engines[t->choice.decode].batch, t->decode.seq);
	drop_pins(w, t);
	kick(w, t->choice.decode);
}

/* Engines go on with what the event has left them. */
static void run_kicks(struct world *w)
{
	for (uint32_t i = 0; i < w->n_kicks; i++) {
		uint32_t number = w->kicks[i];
		struct engine *e = &w->engines[number];
		struct sl_sim_seq *seq;
		uint64_t step_us;

		w->kicked[number] = false;
		if (!e->up || e->batch.stepping)
			continue;
		if (engine_begin_step(e, w->now_us, &step_us))
			at(w, w->now_us + step_us, EVENT_STEP, number, e->epoch);
		while ((seq = sl_sim_batch_next_fetch(&e->batch)))
			fetch(w, e, seq);
	}
	w->n_kicks = 0;
}

/* ---- outages ---------------------------------------------------------------- */

static void lost_leg(void *ctx, struct leg *leg)
{
	struct world *w = ctx;

	fail_trip(w, &w->trips[leg->request], leg->engine);
}

/* Blocks that it held for others are lost, too. */
static void lose_pins(struct world *w, uint32_t engine)
{
	for (uint32_t i = 0; i < w->workload->n; i++) {
		struct trip *t = &w->trips[i];

		if (t->n_pinned && t->choice.prefill == engine)
			fail_trip(w, t, engine);
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
	at(w, w->now_us + PROBE_US, EVENT_SEEN, engine, w->engines[engine].epoch);
}

static void plan_outages(struct world *w)
{
	const struct fleet *f = w->setup->fleet;

	for (uint32_t i = 0; i < f->n_outages; i++) {
		const struct fleet_outage *o = &f->outages[i];

		at(w, (uint64_t)o->from_us, EVENT_DOWN, o->engine, 0);
		if (o->until_us != FLEET_NEVER)
			at(w, (uint64_t)o->until_us, EVENT_BACK, o->engine, 0);
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
		at(w, w->now_us + t->slice_us, EVENT_SLICE, 0, 0);
}

/* ---- the loop --------------------------------------------------------------- */

static void handle(struct world *w, const struct event_item *ev)
{
	switch ((enum event_kind)ev->kind) {
	case EVENT_STEP:
		end_step(w, ev);
		break;
	case EVENT_FETCHED:
		fetched(w, ev);
		break;
	case EVENT_PLACE:
		place(w, &w->trips[ev->subject]);
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
	place(w, t);
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

		if (next < n && (!ev || arrival_us(w, next) < ev->at_us)) {
			w->now_us = arrival_us(w, next);
			arrive(w, next++);
		} else {
			struct event_item item;

			assert(ev); /* somebody still works */
			item = events_take(&w->events);
			w->now_us = item.at_us;
			handle(w, &item);
		}
		run_kicks(w);
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
		at(w, 0, EVENT_SCRAPE, 0, 0);
	while (w->tally->first < w->workload->n && arrival_us(w, w->tally->first) < s->warmup_us)
		w->tally->first++;
	w->tally->arrivals_us = arrival_us(w, w->workload->n - 1);
	w->tally->slice_us = w->tally->arrivals_us / (TALLY_SLICES - 40) + 1;
	at(w, w->tally->slice_us, EVENT_SLICE, 0, 0);
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
		drop_pins(w, &w->trips[i]);
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
