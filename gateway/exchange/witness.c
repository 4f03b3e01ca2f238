/* witness.c: what requests say of the engines that served them, to their judges.
 *
 * All is well nearly always, and then a request costs its engines one relaxed
 * addition: the judge's lock is taken after failures only. An engine's own
 * word that it failed (5xx, an error event) is held against it once another
 * engine has answered the same request well: a request that no engine can
 * answer must not take a fleet out. Where requests are tried only once there is
 * no second opinion, and its word counts at once. Broken connections and time-outs
 * always do. Of a hand-off that fails it is not known which side broke it, so
 * both are told; what the bad side does to all its partners shows first.
 *
 * Nothing is said for an engine's word about load (429, 503), for a client's
 * mistake (4xx), or when the client left. */
#include "gateway/exchange/exchange.h"

/* Signs of life are kept this coarse, so that streams do not write to one place
 * all the time. */
#define LIFE_STEP_US 100000u
/* A request past its limit looks again this often. */
#define LOOK_US 250000u

static struct sl_endpoint *leg_endpoint(const struct sl_exchange *x)
{
	return x->leg == SL_LEG_PREFILL ? x->prefill_ep : x->decode_ep;
}

/* ---- telling --------------------------------------------------------- */

static void announce(struct sl_worker *w, struct sl_endpoint *ep)
{
	w->on_health(w->health_ctx, ep, w->metrics, w->loop.now_us);
}

static void tell(struct sl_worker *w, struct sl_endpoint *ep, enum sl_fate fate)
{
	bool ok = fate == SL_FATE_OK, changed;

	if (!ep)
		return;
	atomic_fetch_add_explicit(ok ? &ep->tally.ok : &ep->tally.bad, 1, memory_order_relaxed);
	if (ok && !atomic_load_explicit(&ep->troubled, memory_order_relaxed))
		return;
	pthread_mutex_lock(&ep->judge_lock);
	changed = sl_judge_traffic(&ep->judge, &ep->policy, fate, w->loop.now_us);
	atomic_store(&ep->health, (int)ep->judge.health);
	atomic_store(&ep->troubled, !ok);
	pthread_mutex_unlock(&ep->judge_lock);
	if (changed)
		announce(w, ep);
}

void sl_worker_report(void *ctx, struct sl_endpoint *ep, bool refused)
{
	tell(ctx, ep, refused ? SL_FATE_REFUSED : SL_FATE_FAILED);
}

static bool is_handoff(const struct sl_exchange *x)
{
	return x->state == SL_X_DECODE && x->prefill_ep;
}

void sl_witness_failed(struct sl_exchange *x)
{
	tell(x->worker, leg_endpoint(x), SL_FATE_FAILED);
	if (is_handoff(x))
		tell(x->worker, x->prefill_ep, SL_FATE_FAILED);
}

/* ---- second opinions -------------------------------------------------- */

static void accuse(struct sl_exchange *x, struct sl_endpoint *ep)
{
	if (x->n_accused < SL_ACCUSED)
		x->accused[x->n_accused++] = sl_endpoint_ref(ep);
}

void sl_witness_accuse(struct sl_exchange *x)
{
	if (x->worker->fleet->config->retry_attempts == 1) {
		sl_witness_failed(x);
		return;
	}
	accuse(x, leg_endpoint(x));
	if (is_handoff(x))
		accuse(x, x->prefill_ep);
}

void sl_witness_forget(struct sl_exchange *x)
{
	while (x->n_accused)
		sl_endpoint_unref(x->accused[--x->n_accused]);
}

void sl_witness_ok(struct sl_exchange *x)
{
	sl_witness_life(x);
	tell(x->worker, x->decode_ep, SL_FATE_OK);
	tell(x->worker, x->prefill_ep, SL_FATE_OK);
	for (uint32_t i = 0; i < x->n_accused; i++)
		if (x->accused[i] != x->decode_ep && x->accused[i] != x->prefill_ep)
			tell(x->worker, x->accused[i], SL_FATE_FAILED);
	sl_witness_forget(x);
}

/* ---- signs of life ---------------------------------------------------- */

void sl_witness_life(struct sl_exchange *x)
{
	struct sl_endpoint *ep = leg_endpoint(x);
	uint64_t now = sl_exchange_now(x);

	if (now > atomic_load_explicit(&ep->life_us, memory_order_relaxed) + LIFE_STEP_US)
		atomic_store_explicit(&ep->life_us, now, memory_order_relaxed);
}

static bool first_event_is_all(const struct sl_exchange *x)
{
	return x->leg == SL_LEG_DECODE && !x->streams;
}

static uint64_t predicted_us(const struct sl_exchange *x)
{
	double ms = x->decision.predicted_ttft_ms;

	if (first_event_is_all(x) && x->ticket.live)
		ms += x->ticket.output_tokens * x->ticket.step_ms;
	return ms > 0 && ms < 1e9 ? (uint64_t)(ms * 1000) : 0;
}

static struct sl_waiting waiting_of(const struct sl_exchange *x, bool alone)
{
	return (struct sl_waiting){
		.sent_us = x->leg_us,
		.life_us = atomic_load_explicit(&leg_endpoint(x)->life_us, memory_order_relaxed),
		.predicted_us = x->predicted_us,
		.alone = alone,
		.streamed = !first_event_is_all(x),
	};
}

void sl_witness_begin(struct sl_exchange *x, const struct sl_pool_conf *pool)
{
	struct sl_waiting w;

	x->leg_us = sl_exchange_now(x);
	x->stuck_us = 0;
	if (!pool->health.stuck_us || pool->gateway)
		return;
	x->predicted_us = predicted_us(x);
	w = waiting_of(x, false);
	x->stuck_us = sl_stuck_limit_us(&pool->health, &w);
}

static bool waits_alone(const struct sl_exchange *x, const struct sl_endpoint *ep)
{
	struct sl_load load = { 0 };

	sl_domain_lock(x->domain);
	(void)sl_router_own_load(x->domain->router, ep->slot, sl_exchange_now(x), &load);
	sl_domain_unlock(x->domain);
	return load.inflight <= 1;
}

/* A decode engine that waits for blocks of an engine that is in doubt is not
 * in doubt itself. Nor is one whose only request waits for blocks: it computes
 * nothing meanwhile, and its page stands still. */
static bool waits_for_another(const struct sl_exchange *x)
{
	struct sl_endpoint *ep = x->prefill_ep;
	bool in_doubt;

	if (!is_handoff(x))
		return false;
	if (waits_alone(x, x->decode_ep))
		return true;
	pthread_mutex_lock(&ep->judge_lock);
	in_doubt = ep->judge.health != SL_HEALTH_HEALTHY || ep->judge.bad > 0 ||
	           ep->judge.last_ok_us < x->leg_us;
	pthread_mutex_unlock(&ep->judge_lock);
	return in_doubt;
}

static void judge_wait(struct sl_exchange *x, struct sl_endpoint *ep)
{
	struct sl_waiting w = waiting_of(x, waits_alone(x, ep));
	bool changed;

	pthread_mutex_lock(&ep->judge_lock);
	changed = sl_judge_waiting(&ep->judge, &ep->policy, &w, sl_exchange_now(x));
	atomic_store(&ep->health, (int)ep->judge.health);
	pthread_mutex_unlock(&ep->judge_lock);
	if (changed)
		announce(x->worker, ep);
}

uint64_t sl_witness_wait(struct sl_exchange *x)
{
	struct sl_endpoint *ep = leg_endpoint(x);
	uint64_t life_us, from_us, quiet_us, now = sl_exchange_now(x);

	if (!x->stuck_us)
		return UINT64_MAX;
	life_us = atomic_load_explicit(&ep->life_us, memory_order_relaxed);
	from_us = life_us > x->leg_us ? life_us : x->leg_us;
	quiet_us = now > from_us ? now - from_us : 0; /* another thread's now may be later */
	if (quiet_us < x->stuck_us)
		return x->stuck_us - quiet_us;
	if (!waits_for_another(x))
		judge_wait(x, ep);
	return LOOK_US;
}
