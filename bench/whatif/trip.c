/* trip.c: see trip.h. */
#include "bench/whatif/trip.h"

#include <stdlib.h>

#include "routing/chain.h"

#define RETRY_US 100000u     /* while no engine is to be had */
#define GIVE_UP_US 30000000u /* as the gateway's queue_timeout */
#define PROGRESS_EVERY 64u

static uint32_t request_of(const struct world *w, const struct trip *t)
{
	return (uint32_t)(t - w->trips);
}

static bool is_remote(const struct trip *t)
{
	return t->choice.prefill != t->choice.decode;
}

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

/* ---- the end of a request --------------------------------------------------- */

static void end_trip(struct world *w, struct trip *t, bool done)
{
	uint32_t request = request_of(w, t);
	const struct workload_request *rq = &w->workload->requests[request];
	uint64_t from_us = world_arrival_us(w, request);
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

void trip_drop_pins(struct world *w, struct trip *t)
{
	struct engine *e = &w->engines[t->choice.prefill];

	for (uint32_t i = t->n_pinned; i-- > 0;)
		sl_sim_kv_unref(e->kv, t->pinned[i]);
	if (t->n_pinned)
		world_kick(w, t->choice.prefill);
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
	world_kick(w, engine);
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

void trip_place(struct world *w, struct trip *t)
{
	uint32_t request = request_of(w, t);
	struct balancer *b = w->replicas[t->replica];

	if (!w->setup->policy->ops->place(b, request, t->avoid, t->n_avoid, w->now_us,
	                                  &t->choice)) {
		t->n_avoid = 0;
		if (w->now_us - world_arrival_us(w, request) > GIVE_UP_US)
			end_trip(w, t, false);
		else
			world_at(w, w->now_us + RETRY_US, EVENT_PLACE, request, t->attempt);
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

void trip_fail(struct world *w, struct trip *t, uint32_t engine)
{
	if (t->ended || !t->placed)
		return;
	if (t->first.seq)
		engine_abort(&w->engines[t->first.engine], &t->first);
	if (t->decode.seq)
		engine_abort(&w->engines[t->decode.engine], &t->decode);
	world_kick(w, t->choice.prefill);
	world_kick(w, t->choice.decode);
	trip_drop_pins(w, t);
	tell(w, t, BALANCER_FAILED, engine);
	t->placed = false;
	t->attempt++;
	if (t->attempt == WORLD_MAX_ATTEMPTS) {
		end_trip(w, t, false);
		return;
	}
	t->avoid[t->n_avoid++] = engine;
	world_at(w, w->now_us, EVENT_PLACE, request_of(w, t), t->attempt);
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
			trip_fail(w, t, t->choice.decode);
		return;
	}
	sl_sim_seq_free(seq);
	tell(w, t, BALANCER_FINISHED, 0);
	end_trip(w, t, true);
}

void trip_end_step(struct world *w, const struct event_item *ev)
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
	world_kick(w, ev->subject);
}

static void fetch(struct world *w, struct engine *e, struct sl_sim_seq *seq)
{
	struct leg *leg = seq->owner;
	struct trip *t = &w->trips[leg->request];
	struct engine *from = &w->engines[t->choice.prefill];

	world_at(w, engine_transfer(from, e, seq->fetched_tokens, w->now_us + ENGINE_ASK_US),
	         EVENT_FETCHED, leg->request, t->attempt);
}

void trip_fetched(struct world *w, const struct event_item *ev)
{
	struct trip *t = &w->trips[ev->subject];

	if (t->attempt != ev->epoch || t->ended)
		return;
	sl_sim_batch_fetched(&w->engines[t->choice.decode].batch, t->decode.seq);
	trip_drop_pins(w, t);
	world_kick(w, t->choice.decode);
}

void trip_run_kicks(struct world *w)
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
			world_at(w, w->now_us + step_us, EVENT_STEP, number, e->epoch);
		while ((seq = sl_sim_batch_next_fetch(&e->batch)))
			fetch(w, e, seq);
	}
	w->n_kicks = 0;
}
