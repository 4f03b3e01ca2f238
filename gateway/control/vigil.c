/* vigil.c: see vigil.h. */
#include "gateway/control/vigil.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/telemetry/log.h"

/* ---- what happened --------------------------------------------------- */

struct sl_vigil {
	pthread_mutex_t lock;
	struct sl_fleet_event ring[SL_VIGIL_EVENTS]; /* guarded by lock */
	uint32_t n;                                  /* guarded by lock: so far */
	struct sl_fleet_event shown[SL_VIGIL_EVENTS];
};

struct sl_vigil *sl_vigil_new(void)
{
	struct sl_vigil *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	pthread_mutex_init(&v->lock, NULL);
	return v;
}

void sl_vigil_free(struct sl_vigil *v)
{
	if (!v)
		return;
	pthread_mutex_destroy(&v->lock);
	free(v);
}

static uint64_t wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void keep(struct sl_vigil *v, const struct sl_fleet_event *e)
{
	pthread_mutex_lock(&v->lock);
	v->ring[v->n++ % SL_VIGIL_EVENTS] = *e;
	pthread_mutex_unlock(&v->lock);
}

/* What is new of the endpoint, told once, whoever asks first; false if nothing. */
static bool take_news(struct sl_endpoint *ep, struct sl_fleet_event *out_event,
                      uint64_t *out_away_us)
{
	const struct sl_judge *j = &ep->judge;
	bool news;

	pthread_mutex_lock(&ep->judge_lock);
	news = j->changes != ep->told_changes;
	if (news) {
		*out_event = (struct sl_fleet_event){ .from = ep->told_health,
			                              .to = j->health,
			                              .cause = j->cause };
		snprintf(out_event->reason, sizeof(out_event->reason), "%s", j->reason);
		*out_away_us = j->ejected ? j->return_us - j->since_us : 0;
		ep->told_changes = j->changes;
		ep->told_health = j->health;
	}
	pthread_mutex_unlock(&ep->judge_lock);
	return news;
}

static void write_log(const struct sl_fleet_event *e, uint64_t away_us)
{
	enum sl_log_level level = e->to == SL_HEALTH_UNHEALTHY ? SL_LOG_WARN : SL_LOG_INFO;

	if (away_us)
		sl_log(level, "engine %s is %s (%s), ejected for %.1f s", e->endpoint,
		       sl_health_name(e->to), e->reason, (double)away_us / 1e6);
	else
		sl_log(level, "engine %s is %s (%s)", e->endpoint, sl_health_name(e->to),
		       e->reason);
}

static bool serves_badly(enum sl_reason cause)
{
	return cause == SL_REASON_FAILING || cause == SL_REASON_FAILURE_RATE ||
	       cause == SL_REASON_SLOW;
}

bool sl_vigil_tell(struct sl_vigil *v, struct sl_endpoint *ep, struct sl_metrics *metrics)
{
	struct sl_fleet_event e;
	uint64_t away_us;

	if (!take_news(ep, &e, &away_us))
		return false;
	e.wall_ms = wall_ms();
	snprintf(e.endpoint, sizeof(e.endpoint), "%s", ep->name);
	write_log(&e, away_us);
	sl_metric_add_at(metrics, SL_M_TRANSITIONS, e.cause, 1);
	keep(v, &e);
	return e.to == SL_HEALTH_UNHEALTHY && !serves_badly(e.cause);
}

uint32_t sl_vigil_events(struct sl_vigil *v, const struct sl_fleet_event **out_events)
{
	uint32_t n;

	pthread_mutex_lock(&v->lock);
	n = v->n < SL_VIGIL_EVENTS ? v->n : SL_VIGIL_EVENTS;
	for (uint32_t i = 0; i < n; i++)
		v->shown[i] = v->ring[(v->n - 1 - i) % SL_VIGIL_EVENTS];
	pthread_mutex_unlock(&v->lock);
	*out_events = v->shown;
	return n;
}

/* ---- who is slow ------------------------------------------------------ */

/* Samples of its times that it takes to call one slow, or to compare with it. */
#define EVIDENCE_MIN 4.0

struct pace {
	struct sl_endpoint *ep; /* borrowed */
	const struct sl_ward *ward;
	double slowness;
};

static int by_ward(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct pace *)a)->ward;
	uintptr_t y = (uintptr_t)((const struct pace *)b)->ward;

	return x < y ? -1 : x > y;
}

/* Only what is known well enough, and serves. */
static bool read_pace(struct sl_endpoint *ep, uint64_t now_us, struct pace *out_pace)
{
	struct sl_endpoint_view view;
	bool known;

	if (atomic_load(&ep->health) != SL_HEALTH_HEALTHY)
		return false;
	sl_domain_lock(ep->domain);
	known = sl_router_endpoint_view(ep->domain->router, ep->slot, now_us, &view);
	sl_domain_unlock(ep->domain);
	if (!known || view.slowness_evidence < EVIDENCE_MIN)
		return false;
	*out_pace = (struct pace){ ep, ep->judge.ward, view.slowness_seen };
	return true;
}

static bool judge_pace(const struct pace *p, double median, uint64_t now_us)
{
	struct sl_endpoint *ep = p->ep;
	bool changed;

	pthread_mutex_lock(&ep->judge_lock);
	changed = sl_judge_slow(&ep->judge, &ep->policy, p->slowness / median, now_us);
	atomic_store(&ep->health, (int)ep->judge.health);
	pthread_mutex_unlock(&ep->judge_lock);
	return changed;
}

static void look_at_pool(const struct pace *paces, uint32_t n, double *scratch, uint64_t now_us,
                         void (*on_change)(void *ctx, struct sl_endpoint *ep), void *ctx)
{
	double median;

	for (uint32_t i = 0; i < n; i++)
		scratch[i] = paces[i].slowness;
	median = sl_outlier_median(scratch, n);
	for (uint32_t i = 0; i < n && median > 0; i++)
		if (judge_pace(&paces[i], median, now_us))
			on_change(ctx, paces[i].ep);
}

void sl_vigil_look(struct sl_registry *registry, uint64_t now_us,
                   void (*on_change)(void *ctx, struct sl_endpoint *ep), void *ctx)
{
	uint32_t all = 0, n = 0;
	struct pace *paces;
	double *scratch;

	for (struct sl_engine *e = sl_registry_engines(registry); e; e = e->next)
		all++;
	paces = malloc((all + 1u) * sizeof(*paces));
	scratch = malloc((all + 1u) * sizeof(*scratch));
	if (!paces || !scratch)
		abort();
	for (struct sl_engine *e = sl_registry_engines(registry); e; e = e->next)
		n += read_pace(e->ep, now_us, &paces[n]);
	qsort(paces, n, sizeof(*paces), by_ward);
	for (uint32_t from = 0, to = 0; from < n; from = to) {
		while (to < n && paces[to].ward == paces[from].ward)
			to++;
		look_at_pool(paces + from, to - from, scratch, now_us, on_change, ctx);
	}
	free(paces);
	free(scratch);
}
