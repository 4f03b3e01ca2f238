/* plan.c: where a request goes, and where it goes when that failed. */
#include <assert.h>
#include <stdio.h>
#include <time.h>

#include "gateway/exchange/exchange.h"
#include "gateway/telemetry/log.h"

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static char *copy_name(char *at, const struct sl_endpoint *ep, const char **out_name)
{
	size_t len = strlen(ep->name);

	*out_name = at;
	memcpy(at, ep->name, len + 1);
	return at + len + 1;
}

/* For the access log, whose line is written when the endpoints may be gone. */
static void keep_names(struct sl_exchange *x)
{
	const struct sl_decision *d = &x->decision;
	struct sl_endpoint **by_slot = x->domain->by_slot;
	const struct sl_candidate *other = &d->kept[d->runner_up];
	size_t room = 4 * (size_t)SL_ENDPOINT_NAME_MAX + 8;
	char *at = sl_outbuf_reserve(&x->names, room), *end = at + room;

	x->prefill_name = x->other_name = NULL;
	at = copy_name(at, x->decode_ep, &x->decode_name);
	if (x->prefill_ep)
		at = copy_name(at, x->prefill_ep, &x->prefill_name);
	if (d->runner_up >= d->n_kept)
		return;
	x->other_name = at;
	if (other->placement == SL_PLACE_REMOTE)
		snprintf(at, (size_t)(end - at), "%s and %s", by_slot[other->prefill_ep]->name,
		         by_slot[other->decode_ep]->name);
	else
		copy_name(at, by_slot[other->decode_ep], &x->other_name);
}

/* Holds the engines of the decision, and the fleet that says how to treat
 * them, even when a reload takes them out while we are at it. The domain's
 * lock is held. */
static void bind_endpoints(struct sl_exchange *x)
{
	const struct sl_decision *d = &x->decision;
	struct sl_endpoint **by_slot = x->domain->by_slot;
	struct sl_endpoint *prefill = NULL;

	/* Whose blocks are waiting is not asked of a slot that may have a new owner. */
	if (d->chosen.placement == SL_PLACE_REMOTE)
		prefill = sl_endpoint_ref(x->query.decode_only ? x->prefill_ep
		                                               : by_slot[d->chosen.prefill_ep]);
	sl_exchange_forget_endpoints(x);
	x->prefill_ep = prefill;
	x->fleet = sl_fleet_ref(x->worker->fleet);
	x->decode_ep = sl_endpoint_ref(by_slot[d->chosen.decode_ep]);
	if (sl_access_log_on(x->worker->access))
		keep_names(x);
}

static void say_move(struct sl_exchange *x)
{
	const struct sl_pool_conf *pool = sl_fleet_pool(x->fleet, x->decode_ep);
	struct sl_span model = sl_exchange_model(x);

	sl_metric_add(x->worker->metrics, SL_M_CLUSTER_MOVES, 1);
	sl_warn("model %.*s: requests go to %s%s now", (int)model.len, model.ptr,
	        pool && *pool->cluster ? "cluster " : "engines outside any cluster",
	        pool ? pool->cluster : "");
}

/* How old what we know of other gateways' work is. */
static uint64_t staleness_us(const struct sl_domain *d, uint64_t now_us)
{
	uint64_t since = atomic_load_explicit(&d->blind_since_us, memory_order_relaxed);

	return since && now_us > since ? now_us - since : 0;
}

/* The service that its tenant is charged for, until the true figure is known. */
static uint64_t expected_tokens(const struct sl_exchange *x)
{
	const struct sl_decision *d = &x->decision;
	double output = x->query.no_decode ? 0 : d->output_tokens * SL_FAIR_OUTPUT_WEIGHT;
	double fresh = d->prompt_tokens - d->chosen.hit_tokens;

	return (uint64_t)((fresh > 0 ? fresh : 0) + output);
}

/* 0 with the work charged, or negative. */
static int decide(struct sl_exchange *x)
{
	uint64_t start = clock_ns();
	uint64_t now = sl_exchange_now(x);
	struct sl_domain *d = x->domain;
	int rc;

	assert(!x->ticket.live);
	x->query.staleness_us = staleness_us(d, now);
	sl_domain_lock(d);
	rc = sl_router_decide(d->router, &x->query, now, &x->worker->rng, &x->decision);
	if (rc == 0) {
		sl_router_dispatch(d->router, &x->query, &x->decision, now, &x->ticket);
		bind_endpoints(x);
		sl_fair_charge(d->fair, &x->claim, expected_tokens(x));
	}
	sl_domain_unlock(d);
	sl_metric_observe(x->worker->metrics, SL_M_DECISION, (double)(clock_ns() - start) / 1e9);
	if (rc == 0 && x->decision.moved)
		say_move(x);
	if (rc == 0) {
		sl_metric_add_at(x->worker->metrics, SL_M_PLACEMENTS,
		                 (unsigned)x->decision.chosen.placement, 1);
		sl_metric_add(x->worker->metrics, SL_M_CACHED_TOKENS_PREDICTED,
		              (int64_t)x->decision.chosen.hit_tokens);
	}
	return rc;
}

static void start_legs(struct sl_exchange *x)
{
	bool remote = x->decision.chosen.placement == SL_PLACE_REMOTE;
	/* A hand-off that is still good needs no second prefill. */
	bool prefilled = x->handoff_open && x->query.decode_only;
	int rc = sl_leg_start(x, remote && !prefilled ? SL_LEG_PREFILL : SL_LEG_DECODE);

	if (rc < 0 && !sl_plan_retry(x, rc, false))
		sl_exchange_fail(x, rc, NULL, NULL);
}

/* ---- a hand-off's worth ----------------------------------------------- */

static bool is_unhealthy(const struct sl_endpoint *ep)
{
	return atomic_load(&ep->health) == SL_HEALTH_UNHEALTHY;
}

/* Whether a decode engine may still fetch the blocks. */
static bool handoff_is_fresh(struct sl_exchange *x)
{
	if (!x->handoff_open || is_unhealthy(x->prefill_ep) || atomic_load(&x->prefill_ep->removed))
		return false;
	if (sl_exchange_now(x) - x->prefilled_us < x->lease_us)
		return true;
	sl_metric_add(x->worker->metrics, SL_M_HANDOFFS_EXPIRED, 1);
	return false;
}

/* ---- waiting for a free engine --------------------------------------- */

static void wait_for_engine(struct sl_exchange *x)
{
	if (!sl_queue_join(x)) {
		sl_exchange_fail(x, SL_E_SATURATED, NULL, NULL);
		return;
	}
	sl_exchange_set_state(x, SL_X_WAITING);
	sl_exchange_arm(x, x->worker->fleet->config->queue_timeout_us);
}

/* Worth waiting for: room, or engines that are new and have not said yet what
 * they serve (a reload may have replaced all others). That the router knows nobody
 * for a model that the fleet has means that the next fleet is on its way. */
static bool is_worth_waiting(const struct sl_exchange *x, int rc)
{
	return rc == SL_E_SATURATED || rc == SL_E_MODEL_NOT_FOUND ||
	       (x->worker->fleet->learning && rc == SL_E_NO_ENDPOINT);
}

static void refuse_displaced(struct sl_worker *w, struct sl_domain *d)
{
	struct sl_exchange *x;

	while ((x = sl_queue_displaced(w, d))) {
		sl_limit_hit(w->metrics, SL_LIMIT_QUEUE_SHARE, x->client, w->loop.now_us);
		sl_exchange_fail(x, SL_E_SATURATED, NULL, NULL);
	}
}

/* By turns; stops at the first that still finds no engine free, so that nobody
 * overtakes, and where the turn is another worker's. */
static void retry_queue(struct sl_worker *w, struct sl_domain *d)
{
	struct sl_exchange *x;

	while ((x = sl_queue_first(w, d))) {
		int rc;

		if (x->query.decode_only && !handoff_is_fresh(x))
			x->query.decode_only = x->handoff_open = false;
		rc = decide(x);
		if (is_worth_waiting(x, rc))
			return;
		if (rc != 0) {
			sl_exchange_fail(x, rc, NULL, NULL);
			continue;
		}
		sl_queue_leave(x);
		start_legs(x);
	}
}

void sl_plan_waiting_retry(struct sl_worker *w)
{
	/* What happens in between may make room for more queues. */
	for (uint32_t i = 0; i < w->n_queues; i++) {
		struct sl_domain *d = w->queues[i].n_waiting ? w->queues[i].domain : NULL;

		if (d)
			refuse_displaced(w, d);
		if (d)
			retry_queue(w, d);
	}
	sl_queue_watch(w);
}

/* ---- the first decision ---------------------------------------------- */

void sl_plan_start(struct sl_exchange *x)
{
	int rc;

	sl_query_init(&x->query, x->model, &x->facts);
	/* One prefill answer carries one prompt's blocks. And what is not a
	 * completion has nothing to hand over. */
	x->query.single_engine =
	        x->facts.prompts > 1 || x->api == SL_API_OTHER || x->api == SL_API_EMBEDDINGS;
	x->query.no_decode = x->api == SL_API_EMBEDDINGS;
	x->query.no_gateways = x->from_gateway;
	x->query.session = sl_conversation_hash(x);
	sl_tenant_claim(x);
	/* Who waits goes first, or whose turn it is. */
	rc = sl_queue_is_empty(x->domain) ? decide(x) : SL_E_SATURATED;
	if (rc == 0)
		start_legs(x);
	else if (is_worth_waiting(x, rc))
		wait_for_engine(x);
	else
		sl_exchange_fail(x, rc, NULL, NULL);
}

/* ---- after a failure ------------------------------------------------- */

static void exclude(struct sl_exchange *x, const struct sl_endpoint *ep)
{
	if (ep && x->query.n_excluded < SL_MAX_EXCLUDED)
		x->query.excluded[x->query.n_excluded++] = ep->slot;
}

/* Retries may take up a share of what is live, so that a failing fleet is not
 * loaded twice over. */
static bool budget_allows(struct sl_exchange *x)
{
	struct sl_budget *b = x->worker->budget;
	const struct sl_config *config = x->worker->fleet->config;
	long long live, retries;

	if (x->retrying)
		return true;
	live = atomic_load_explicit(&b->live, memory_order_relaxed);
	retries = atomic_load_explicit(&b->retries, memory_order_relaxed);
	if (retries >= (long long)config->retry_budget_min &&
	    (double)retries >= config->retry_budget * (double)live) {
		sl_metric_add(x->worker->metrics, SL_M_RETRY_BUDGET_EMPTY, 1);
		return false;
	}
	x->retrying = true;
	atomic_fetch_add_explicit(&b->retries, 1, memory_order_relaxed);
	return true;
}

/* What is taken away from an engine that is gone loads nobody twice. */
static bool is_free(const struct sl_exchange *x, int err)
{
	bool prefill_gone = x->prefill_ep && is_unhealthy(x->prefill_ep);

	if (err == SL_E_UPSTREAM_CONNECT || prefill_gone)
		return true;
	return x->leg == SL_LEG_DECODE && is_unhealthy(x->decode_ep);
}

/* Another prefill engine for the same decode engine; then that engine itself,
 * which costs the failing prefill pool nothing and so needs no budget. */
static int replan_prefill(struct sl_exchange *x, const struct sl_endpoint *prefill,
                          const struct sl_endpoint *decode, bool again)
{
	int rc;

	exclude(x, prefill);
	if (again) {
		x->query.pinned_decode = decode->slot;
		rc = decide(x);
		x->query.pinned_decode = SL_NO_ENDPOINT;
		if (rc == 0)
			return 0;
	}
	x->query.single_engine = true;
	sl_metric_add(x->worker->metrics, SL_M_LOCAL_FALLBACKS, 1);
	return decide(x);
}

/* The decode engine never read the blocks: another may, now or when it has room. */
static int replan_decode_only(struct sl_exchange *x, const struct sl_endpoint *prefill,
                              const struct sl_endpoint *decode)
{
	int rc;

	exclude(x, decode);
	x->query.decode_only = true;
	x->query.prefill_ep = prefill->slot;
	rc = decide(x);
	if (rc != 0 && rc != SL_E_SATURATED)
		x->query.decode_only = false;
	return rc;
}

/* The failure of a transfer does not tell which side broke it, and an engine
 * whose prefill partner has gone waits without a limit. */
static bool prefill_is_suspect(const struct sl_endpoint *prefill, int err)
{
	return is_unhealthy(prefill) || err == SL_E_UPSTREAM_STATUS ||
	       err == SL_E_UPSTREAM_TRUNCATED;
}

/* The blocks may have been read, or be the reason: everything again. */
static int replan_all(struct sl_exchange *x, const struct sl_endpoint *prefill,
                      const struct sl_endpoint *decode, int err)
{
	uint32_t before = x->query.n_excluded;
	bool suspect = prefill && prefill_is_suspect(prefill, err);
	int rc;

	x->handoff_open = false;
	if (!suspect || !is_unhealthy(prefill))
		exclude(x, decode);
	if (suspect)
		exclude(x, prefill);
	rc = decide(x);
	if (rc == 0 || !suspect || rc == SL_E_SATURATED)
		return rc;
	/* With both out nobody is left. Without a transfer, this decode engine
	 * may be well. */
	x->query.n_excluded = before;
	exclude(x, prefill);
	x->query.single_engine = true;
	return decide(x);
}

static int replan(struct sl_exchange *x, enum sl_leg leg, int err, bool sent, bool again)
{
	struct sl_endpoint *prefill = x->prefill_ep ? sl_endpoint_ref(x->prefill_ep) : NULL;
	struct sl_endpoint *decode = sl_endpoint_ref(x->decode_ep);
	bool fresh = leg == SL_LEG_DECODE && handoff_is_fresh(x);
	int rc = SL_E_NO_ENDPOINT;

	x->query.decode_only = false;
	if (leg == SL_LEG_PREFILL)
		rc = replan_prefill(x, prefill, decode, again);
	else if (fresh && !sent)
		rc = replan_decode_only(x, prefill, decode);
	if (leg == SL_LEG_DECODE && rc != 0 && rc != SL_E_SATURATED)
		rc = replan_all(x, prefill, decode, err);
	sl_endpoint_unref(prefill);
	sl_endpoint_unref(decode);
	return rc;
}

bool sl_plan_retry(struct sl_exchange *x, int err, bool sent)
{
	struct sl_metrics *m = x->worker->metrics;
	enum sl_leg leg = x->leg;
	bool again;
	int rc;

	x->last_err = err;
	x->failures++;
	sl_metric_add_at(m, SL_M_LEG_FAILURES, (unsigned)leg, 1);
	again = x->failures < x->worker->fleet->config->retry_attempts &&
	        (is_free(x, err) || budget_allows(x));
	if (!again && leg != SL_LEG_PREFILL)
		return false;
	sl_exchange_drop_leg(x, leg == SL_LEG_PREFILL ? SL_BLAME_PREFILL : SL_BLAME_DECODE);
	rc = replan(x, leg, err, sent, again);
	if (rc != 0 && rc != SL_E_SATURATED)
		return false;
	sl_metric_add_at(m, SL_M_RETRIES, (unsigned)(-1 - err), 1);
	if (rc == 0)
		start_legs(x);
	else
		wait_for_engine(x);
	return true;
}
