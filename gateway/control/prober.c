/* prober.c: see prober.h. */
#include "gateway/control/prober.h"

#include <stdlib.h>

#include "gateway/control/generate.h"
#include "gateway/telemetry/log.h"

/* A model list is asked for again this often, and when an engine returns. */
#define MODELS_US 30000000u
#define MODELS_MAX (1u << 20)
#define PAGE_MAX (8u << 20)
#define MODEL_NAMES 256

enum step { STEP_IDLE, STEP_HEALTH, STEP_METRICS, STEP_MODELS, STEP_GENERATE };

struct sl_probe_run {
	struct sl_prober *prober;
	struct sl_engine *engine;
	struct sl_endpoint *ep; /* ref */
	struct sl_call *call;
	struct sl_timer next_timer;  /* to the next round */
	struct sl_timer limit_timer; /* of the present question */
	enum step step;
	int status;
	size_t bytes;
	struct sl_page_reader *page; /* owned */
	char *list;                  /* owned: a model list so far */
	size_t list_len;
	char *names[MODEL_NAMES];   /* owned while a list is read */
	bool adapters[MODEL_NAMES]; /* which of them are */
	uint32_t n_names;
	uint64_t models_us;  /* when the list was last read */
	double start_time_s; /* of the engine's process, from its page */
	struct sl_generate generate;
};

struct sl_prober {
	struct sl_loop *loop;
	struct sl_metrics *metrics;
	const struct sl_prober_events *events;
	void *ctx;
	struct sl_upstreams *upstreams; /* owned */
	struct sl_rng rng;
};

static void ask(struct sl_probe_run *r, enum step step);
static const struct sl_call_events call_events;

/* ---- what was learned ------------------------------------------------ */

void sl_prober_apply_health(struct sl_endpoint *ep, uint64_t now_us)
{
	sl_domain_lock(ep->domain);
	/* Under the lock, so that the last word is the last to arrive; a slot of
	 * one that was removed is another's. */
	if (!atomic_load(&ep->removed))
		sl_router_endpoint_health(ep->domain->router, ep->slot,
		                          (enum sl_health)atomic_load(&ep->health), now_us);
	sl_domain_unlock(ep->domain);
}

static void judge(struct sl_probe_run *r, enum sl_probe_result result)
{
	struct sl_endpoint *ep = r->ep;
	uint64_t now = r->prober->loop->now_us;
	bool changed;

	pthread_mutex_lock(&ep->judge_lock);
	changed = sl_judge_probe(&ep->judge, &ep->policy, result, now);
	changed |= sl_judge_tick(&ep->judge, &ep->policy, now);
	atomic_store(&ep->health, (int)ep->judge.health);
	pthread_mutex_unlock(&ep->judge_lock);
	if (result != SL_PROBE_OK)
		sl_metric_add(r->prober->metrics, SL_M_PROBE_FAILURES, 1);
	if (!changed)
		return;
	sl_prober_apply_health(ep, now);
	r->prober->events->on_health(r->prober->ctx, ep);
	/* One that was away may have come back as something else. */
	r->models_us = 0;
}

/* Under the domain's lock. */
static void learn_adapters(struct sl_probe_run *r, uint64_t now_us)
{
	struct sl_page_adapters lists = sl_page_reader_adapters(r->page);
	struct sl_adapter_sample sample = {
		.taken_us = now_us,
		.max_adapters = r->engine->page.max_adapters,
		.running = lists.running,
		.waiting = lists.waiting,
	};

	sl_router_endpoint_adapters(r->ep->domain->router, r->ep->slot, &sample);
}

static void learn_page(struct sl_probe_run *r)
{
	struct sl_engine *engine = r->engine;
	struct sl_endpoint *ep = r->ep;
	uint64_t now = r->prober->loop->now_us;
	struct sl_load_sample sample;
	bool restarted;

	if (sl_page_reader_finish(r->page, &engine->page) != 0)
		return;
	engine->page_us = now;
	sample = (struct sl_load_sample){
		.taken_us = now,
		.running = engine->page.running,
		.waiting = engine->page.waiting,
		.kv_usage = engine->page.kv_usage,
		.kv_capacity_tokens = engine->page.kv_capacity_tokens,
		.prefix_hit_tokens = engine->page.prefix_hits,
		.prefix_query_tokens = engine->page.prefix_queries,
	};
	/* Another process answers at the address: its cache is empty. */
	restarted = r->start_time_s > 0 && engine->page.start_time_s > r->start_time_s + 1;
	if (engine->page.start_time_s > 0)
		r->start_time_s = engine->page.start_time_s;
	pthread_mutex_lock(&ep->judge_lock);
	if (restarted)
		sl_judge_restarted(&ep->judge);
	sl_judge_page(&ep->judge, &engine->page, now);
	pthread_mutex_unlock(&ep->judge_lock);
	sl_domain_lock(ep->domain);
	if (restarted)
		sl_router_endpoint_restarted(ep->domain->router, ep->slot);
	sl_router_endpoint_sample(ep->domain->router, ep->slot, &sample, now);
	learn_adapters(r, now);
	sl_domain_unlock(ep->domain);
	if (restarted)
		sl_info("engine %s was restarted; its part of the prefix index is cleared",
		        ep->name);
}

static void add_name(void *ctx, const struct sl_model_card *card)
{
	struct sl_probe_run *r = ctx;

	if (r->n_names == MODEL_NAMES)
		return;
	r->adapters[r->n_names] = card->parent.len > 0;
	r->names[r->n_names++] = strndup(card->id.ptr, card->id.len);
}

static void learn_models(struct sl_probe_run *r)
{
	r->n_names = 0;
	if (sl_models_parse(r->list, r->list_len, add_name, r) >= 0 && r->n_names > 0) {
		r->models_us = r->prober->loop->now_us;
		if (sl_engine_set_models(r->engine, r->names, r->adapters, r->n_names)) {
			sl_info("engine %s serves %s%s", r->ep->name, r->names[0],
			        r->n_names > 1 ? " and more" : "");
			r->prober->events->on_models(r->prober->ctx);
		}
	}
	for (uint32_t i = 0; i < r->n_names; i++)
		free(r->names[i]);
	r->n_names = 0;
}

/* ---- one round ------------------------------------------------------- */

static void rest(struct sl_probe_run *r)
{
	uint64_t interval = r->engine->pool->probe_interval_us;
	/* A tenth either way, so that a fleet is not asked in one breath. */
	uint64_t jitter = sl_rng_next(&r->prober->rng) % (interval / 5 + 1);

	r->step = STEP_IDLE;
	sl_timer_arm(r->prober->loop, &r->next_timer, interval - interval / 10 + jitter);
}

/* While nothing is known, after a return (models_us 0), and now and then. */
static bool wants_models(const struct sl_probe_run *r)
{
	return !r->engine->models_fixed &&
	       (r->models_us == 0 || r->prober->loop->now_us - r->models_us > MODELS_US);
}

static void next_step(struct sl_probe_run *r, bool ok)
{
	const struct sl_pool_conf *pool = r->engine->pool;

	if (r->step == STEP_HEALTH && ok && *pool->metrics_path && pool->engine == SL_ENGINE_VLLM)
		ask(r, STEP_METRICS);
	else if (ok && r->step != STEP_MODELS && wants_models(r))
		ask(r, STEP_MODELS);
	else if (ok && r->step != STEP_GENERATE &&
	         sl_generate_due(&r->generate, r->engine, r->prober->loop->now_us))
		ask(r, STEP_GENERATE);
	else
		rest(r);
}

static void answered(struct sl_probe_run *r)
{
	bool ok = r->step == STEP_HEALTH
	                  ? sl_status_set_has(&r->engine->pool->health_status, r->status)
	                  : r->status == 200;

	sl_timer_disarm(r->prober->loop, &r->limit_timer);
	r->call = NULL;
	if (r->step == STEP_GENERATE)
		judge(r, sl_generate_answered(&r->generate, r->status));
	else if (r->step == STEP_HEALTH && !(ok && r->generate.failed))
		judge(r, ok ? SL_PROBE_OK : SL_PROBE_STATUS);
	else if (r->step == STEP_METRICS && ok)
		learn_page(r);
	else if (r->step == STEP_MODELS && ok)
		learn_models(r);
	/* A page that is not there does not keep the model list from us. */
	next_step(r, ok || r->step == STEP_METRICS);
}

static void failed(struct sl_probe_run *r, enum sl_probe_result result)
{
	sl_timer_disarm(r->prober->loop, &r->limit_timer);
	r->call = NULL;
	if (r->step == STEP_GENERATE)
		r->generate.failed = true;
	/* An engine whose page hangs is not asked to be well by its health. */
	judge(r, result);
	rest(r);
}

static void on_limit(void *arg)
{
	struct sl_probe_run *r = arg;

	sl_call_cancel(r->call);
	failed(r, SL_PROBE_TIMEOUT);
}

static void on_next(void *arg)
{
	ask(arg, STEP_HEALTH);
}

static struct sl_span step_path(const struct sl_probe_run *r)
{
	const struct sl_pool_conf *pool = r->engine->pool;

	if (r->step == STEP_HEALTH)
		return sl_span_str(pool->health_path);
	return r->step == STEP_METRICS ? sl_span_str(pool->metrics_path) : SL_SPAN("/v1/models");
}

static void ask(struct sl_probe_run *r, enum step step)
{
	const struct sl_pool_conf *pool = r->engine->pool;
	struct sl_call_limits limits = { pool->connect_timeout_us, pool->idle_timeout_us, 1 };
	static const char user_agent[] = "user-agent: sluice/" SLUICE_VERSION "\r\n";
	struct sl_call_request request = {
		.method = SL_SPAN("GET"),
		.lines = sl_span(user_agent, sizeof(user_agent) - 1),
	};

	r->step = step;
	r->status = 0;
	r->bytes = 0;
	r->list_len = 0;
	if (step == STEP_METRICS)
		sl_page_reader_reset(r->page);
	if (step == STEP_GENERATE)
		sl_generate_ask(&r->generate, r->engine, r->prober->loop->now_us, &request);
	else
		request.path = step_path(r);
	request.more_lines = sl_span_str(r->engine->probe_lines);
	sl_metric_add(r->prober->metrics, SL_M_PROBES, 1);
	sl_timer_arm(r->prober->loop, &r->limit_timer, pool->probe_timeout_us);
	r->call = sl_call_start(r->prober->upstreams, r->ep, &limits, &request, &call_events, r);
}

/* ---- the call's events ----------------------------------------------- */

static void on_head(void *user, const struct sl_head *head)
{
	struct sl_probe_run *r = user;

	r->status = head->status;
}

static void keep_list(struct sl_probe_run *r, const char *data, size_t len)
{
	r->list = realloc(r->list, r->list_len + len);
	if (!r->list)
		abort();
	memcpy(r->list + r->list_len, data, len);
	r->list_len += len;
}

static void on_body(void *user, const char *data, size_t len)
{
	struct sl_probe_run *r = user;

	r->bytes += len;
	if (r->bytes > (r->step == STEP_METRICS ? PAGE_MAX : MODELS_MAX)) {
		sl_call_cancel(r->call); /* a page without an end */
		failed(r, SL_PROBE_BROKEN);
	} else if (r->status == 200 && r->step == STEP_METRICS) {
		sl_page_reader_feed(r->page, data, len);
	} else if (r->status == 200 && r->step == STEP_MODELS) {
		keep_list(r, data, len);
	}
}

static void on_end(void *user)
{
	answered(user);
}

static void on_fail(void *user, int err, bool started, bool sent)
{
	(void)started;
	(void)sent;
	failed(user, err == SL_E_UPSTREAM_CONNECT ? SL_PROBE_REFUSED : SL_PROBE_BROKEN);
}

static const struct sl_call_events call_events = { on_head, on_body, on_end, on_fail };

/* ---- life ------------------------------------------------------------ */

static void ignore_report(void *ctx, struct sl_endpoint *ep, bool refused)
{
	/* The judge hears of probes directly. */
	(void)ctx;
	(void)ep;
	(void)refused;
}

struct sl_prober *sl_prober_new(struct sl_loop *loop, struct sl_metrics *metrics,
                                const struct sl_prober_events *events, void *ctx)
{
	struct sl_prober *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->loop = loop;
	p->metrics = metrics;
	p->events = events;
	p->ctx = ctx;
	p->rng.state = 88172645463325252ull;
	p->upstreams = sl_upstreams_new(loop, metrics, ignore_report, p);
	return p;
}

void sl_prober_free(struct sl_prober *p)
{
	sl_upstreams_free(p->upstreams);
	free(p);
}

void sl_prober_add(struct sl_prober *p, struct sl_engine *engine)
{
	struct sl_probe_run *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->prober = p;
	r->engine = engine;
	r->ep = sl_endpoint_ref(engine->ep);
	r->page = sl_page_reader_new(engine->pool->engine);
	r->next_timer = (struct sl_timer){ .fn = on_next, .arg = r };
	r->limit_timer = (struct sl_timer){ .fn = on_limit, .arg = r };
	engine->probe = r;
	ask(r, STEP_HEALTH);
}

void sl_prober_hurry(struct sl_prober *p, struct sl_engine *engine)
{
	struct sl_probe_run *r = engine->probe;

	if (!r)
		return;
	if (r->call)
		sl_call_cancel(r->call);
	r->call = NULL;
	sl_timer_disarm(p->loop, &r->next_timer);
	sl_timer_disarm(p->loop, &r->limit_timer);
	ask(r, STEP_HEALTH);
}

void sl_prober_del(struct sl_prober *p, struct sl_engine *engine)
{
	struct sl_probe_run *r = engine->probe;

	if (!r)
		return;
	engine->probe = NULL;
	if (r->call)
		sl_call_cancel(r->call);
	sl_timer_disarm(p->loop, &r->next_timer);
	sl_timer_disarm(p->loop, &r->limit_timer);
	sl_upstreams_retire(p->upstreams, r->ep);
	sl_endpoint_unref(r->ep);
	sl_page_reader_free(r->page);
	free(r->list);
	free(r);
}
