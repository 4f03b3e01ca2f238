/* queue.c: requests that wait for an engine of their domain to have room, in
 * the order in which they came. See exchange.h. */
#include <stdlib.h>

#include "gateway/exchange/exchange.h"

/* Engines are freed by other workers too: somebody has to look. */
#define LOOK_AGAIN_US 20000u

static struct sl_queue *queue_of(struct sl_worker *w, const struct sl_domain *domain)
{
	if (domain->id >= w->n_queues) {
		uint32_t n = domain->id + 1;

		w->queues = realloc(w->queues, n * sizeof(*w->queues));
		if (!w->queues)
			abort();
		memset(w->queues + w->n_queues, 0, (n - w->n_queues) * sizeof(*w->queues));
		w->n_queues = n;
	}
	return &w->queues[domain->id];
}

bool sl_queue_is_empty(struct sl_worker *w, const struct sl_domain *domain)
{
	return w->n_waiting == 0 || queue_of(w, domain)->first == NULL;
}

bool sl_queue_join(struct sl_exchange *x)
{
	struct sl_worker *w = x->worker;
	struct sl_queue *q = queue_of(w, x->domain);

	if (w->n_waiting >= w->fleet->config->queue_limit)
		return false;
	x->waiting_us = sl_exchange_now(x);
	x->next_waiting = NULL;
	if (q->first)
		q->last->next_waiting = x;
	else
		q->first = x;
	q->last = x;
	w->n_waiting++;
	sl_metric_add(w->metrics, SL_M_REQUESTS_WAITING, 1);
	sl_queue_watch(w);
	return true;
}

void sl_queue_leave(struct sl_exchange *x)
{
	struct sl_worker *w = x->worker;
	struct sl_queue *q = queue_of(w, x->domain);
	struct sl_exchange *before = NULL;

	if (q->first == x) {
		q->first = x->next_waiting;
	} else {
		before = q->first;
		while (before->next_waiting != x)
			before = before->next_waiting;
		before->next_waiting = x->next_waiting;
	}
	if (q->last == x)
		q->last = before;
	w->n_waiting--;
	sl_metric_add(w->metrics, SL_M_REQUESTS_WAITING, -1);
	x->waited_us += sl_exchange_now(x) - x->waiting_us;
}

void sl_queue_watch(struct sl_worker *w)
{
	if (w->n_waiting && !sl_timer_armed(&w->waiting_timer))
		sl_timer_arm(&w->loop, &w->waiting_timer, LOOK_AGAIN_US);
}
