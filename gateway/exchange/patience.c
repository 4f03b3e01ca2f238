/* patience.c: how long each state may last without a sign of life, and whom
 * nobody waits for any longer. */
#include "gateway/exchange/exchange.h"

/* The limit of silence in the present state; the timer is re-armed lazily. */
static uint64_t silence_limit(const struct sl_exchange *x)
{
	const struct sl_config *config = x->worker->fleet->config;

	switch (x->state) {
	case SL_X_BODY:
		return config->body_timeout_us;
	case SL_X_WAITING:
		return config->queue_timeout_us;
	case SL_X_RELAY:
		return x->event_stream ? x->idle_limit_us : x->answer_limit_us;
	default:
		return x->leg_limit_us;
	}
}

static void refuse_slow_body(struct sl_exchange *x, enum sl_limit limit)
{
	sl_limit_hit(x->worker->metrics, limit, x->client, sl_exchange_now(x));
	sl_exchange_fail(x, SL_E_CLIENT_TIMEOUT, NULL, NULL);
}

/* One byte now and then is not silence, but no upload either. True: ended. */
static bool too_slow(struct sl_exchange *x)
{
	const struct sl_config *config = x->worker->fleet->config;

	if (x->state != SL_X_BODY)
		return false;
	if (!x->body_pace.from_us)
		sl_pace_begin(&x->body_pace, x->head_us, 0);
	if (sl_pace_judge(&x->body_pace, sl_exchange_now(x), x->body_len, config->body_timeout_us,
	                  config->min_rate) != SL_PACE_SLOW)
		return false;
	refuse_slow_body(x, SL_LIMIT_BODY_RATE);
	return true;
}

static void on_silence(struct sl_exchange *x)
{
	switch (x->state) {
	case SL_X_BODY:
		refuse_slow_body(x, SL_LIMIT_BODY_TIMEOUT);
		break;
	case SL_X_WAITING:
		sl_exchange_fail(x, SL_E_SATURATED, NULL, NULL);
		break;
	case SL_X_PREFILL:
	case SL_X_DECODE:
		sl_witness_failed(x);
		if (!sl_plan_retry(x, SL_E_UPSTREAM_TIMEOUT, true))
			sl_exchange_fail(x, SL_E_UPSTREAM_TIMEOUT, NULL, NULL);
		break;
	case SL_X_RELAY:
		sl_witness_failed(x);
		sl_exchange_broken(x, SL_E_UPSTREAM_TIMEOUT);
		break;
	case SL_X_DONE:
		break;
	}
}

static bool is_leg(const struct sl_exchange *x)
{
	return x->state == SL_X_PREFILL || x->state == SL_X_DECODE;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void sl_patience_on_timer(void *arg)
{
	struct sl_exchange *x = arg;
	uint64_t limit = silence_limit(x);
	uint64_t quiet = sl_exchange_now(x) - x->quiet_since_us;
	uint64_t look;

	if (too_slow(x))
		return;
	look = is_leg(x) ? sl_witness_wait(x) : UINT64_MAX;
	/* A client that does not take what is there makes the engine's silence
	 * ours; how long it may, its session knows. */
	if (x->paused)
		sl_timer_arm(&x->worker->loop, &x->timer, limit);
	else if (quiet < limit)
		sl_timer_arm(&x->worker->loop, &x->timer, least(limit - quiet, look));
	else
		on_silence(x);
}

/* The engine it waits for, or the one whose blocks that engine waits for. */
static bool waits_for_the_dead(const struct sl_exchange *x)
{
	const struct sl_endpoint *other = x->state == SL_X_DECODE ? x->decode_ep : NULL;

	if (!is_leg(x))
		return false;
	return (x->prefill_ep && atomic_load(&x->prefill_ep->health) == SL_HEALTH_UNHEALTHY) ||
	       (other && atomic_load(&other->health) == SL_HEALTH_UNHEALTHY);
}

void sl_worker_rescue(struct sl_worker *w)
{
	struct sl_exchange *next;

	for (struct sl_exchange *x = w->live; x; x = next) {
		next = x->next;
		if (waits_for_the_dead(x) && !sl_plan_retry(x, SL_E_UPSTREAM_TIMEOUT, true))
			sl_exchange_fail(x, SL_E_UPSTREAM_TIMEOUT, NULL, NULL);
	}
}
