/* queue.c: requests that wait for an engine of their domain to have room.
 *
 * A domain has one queue for all workers, under its lock, so that turns are
 * fair over all of them (sluice/fair.h). A request is served by its own worker:
 * who finds that the turn is another worker's wakes that one and stops. */
#include <stdlib.h>

#include "gateway/exchange/exchange.h"

/* Engines are freed by other gateways too: somebody has to look. */
#define LOOK_AGAIN_US 20000u

static struct sl_queue *queue_of(struct sl_worker *w, struct sl_domain *domain)
{
	if (domain->id >= w->n_queues) {
		uint32_t n = domain->id + 1;

		w->queues = realloc(w->queues, n * sizeof(*w->queues));
		if (!w->queues)
			abort();
		memset(w->queues + w->n_queues, 0, (n - w->n_queues) * sizeof(*w->queues));
		w->n_queues = n;
	}
	w->queues[domain->id].domain = domain;
	return &w->queues[domain->id];
}

static void count(struct sl_exchange *x, int more)
{
	struct sl_worker *w = x->worker;

	queue_of(w, x->domain)->n_waiting += (uint32_t)more;
	w->n_waiting += (uint32_t)more;
	sl_metric_add(w->metrics, SL_M_REQUESTS_WAITING, more);
}

/* With the domain's lock held, before it is given back. */
static void publish(struct sl_domain *d)
{
	atomic_store_explicit(&d->n_waiting, sl_fair_waiting(d->fair), memory_order_relaxed);
}

bool sl_queue_is_empty(const struct sl_domain *d)
{
	return atomic_load_explicit(&d->n_waiting, memory_order_relaxed) == 0;
}

/* ---- other workers --------------------------------------------------- */

static void wake(struct sl_worker *w, struct sl_worker *other)
{
	if (other == w)
		sl_loop_defer(&w->loop, &w->waiting_task);
	else if (!atomic_exchange(&other->has_turn, true))
		sl_loop_wake(&other->loop);
}

void sl_queue_on_wake(struct sl_worker *w)
{
	if (atomic_exchange(&w->has_turn, false))
		sl_plan_waiting_retry(w);
}

static struct sl_worker *worker_of(const struct sl_fair_claim *c)
{
	return ((const struct sl_exchange *)c->owner)->worker;
}

void sl_queue_freed(struct sl_worker *w, struct sl_domain *d)
{
	struct sl_worker *next = NULL;
	struct sl_fair_claim *first;

	if (sl_queue_is_empty(d))
		return;
	sl_domain_lock(d);
	first = sl_fair_first(d->fair);
	if (first)
		next = worker_of(first);
	sl_domain_unlock(d);
	if (next)
		wake(w, next);
}

struct sl_exchange *sl_queue_first(struct sl_worker *w, struct sl_domain *d)
{
	struct sl_exchange *x = NULL;
	struct sl_worker *other = NULL;
	struct sl_fair_claim *first;

	sl_domain_lock(d);
	first = sl_fair_first(d->fair);
	if (first && worker_of(first) == w)
		x = first->owner;
	else if (first)
		other = worker_of(first);
	sl_domain_unlock(d);
	if (other)
		wake(w, other);
	return x;
}

struct sl_exchange *sl_queue_displaced(struct sl_worker *w, struct sl_domain *d)
{
	struct sl_fair_claim *c;

	sl_domain_lock(d);
	c = sl_fair_displaced(d->fair);
	while (c && worker_of(c) != w)
		c = c->next;
	sl_domain_unlock(d);
	return c ? c->owner : NULL;
}

/* ---- in and out ------------------------------------------------------ */

bool sl_queue_join(struct sl_exchange *x)
{
	struct sl_worker *w = x->worker, *loser = NULL;
	const struct sl_config *config = w->fleet->config;
	uint64_t limit = (uint64_t)config->queue_limit * config->worker_threads;
	struct sl_domain *d = x->domain;
	struct sl_fair_claim *displaced;
	bool joined;

	sl_domain_lock(d);
	joined = sl_fair_join(d->fair, &x->claim, limit);
	displaced = sl_fair_displaced(d->fair);
	if (displaced)
		loser = worker_of(displaced);
	publish(d);
	sl_domain_unlock(d);
	if (loser)
		wake(w, loser);
	if (!joined)
		return false;
	x->waiting_us = sl_exchange_now(x);
	count(x, 1);
	sl_queue_watch(w);
	return true;
}

void sl_queue_leave(struct sl_exchange *x)
{
	struct sl_domain *d = x->domain;

	sl_domain_lock(d);
	sl_fair_leave(d->fair, &x->claim);
	publish(d);
	sl_domain_unlock(d);
	count(x, -1);
	x->waited_us += sl_exchange_now(x) - x->waiting_us;
}

void sl_queue_settle(struct sl_exchange *x, bool served)
{
	struct sl_domain *d = x->domain;

	if (!x->claim.tokens)
		return;
	sl_domain_lock(d);
	sl_fair_settle(d->fair, &x->claim, served ? x->claim.tokens : 0);
	sl_domain_unlock(d);
}

void sl_queue_watch(struct sl_worker *w)
{
	if (w->n_waiting && !sl_timer_armed(&w->waiting_timer))
		sl_timer_arm(&w->loop, &w->waiting_timer, LOOK_AGAIN_US);
}
