/* prober_learn.c: what an engine's answers say, to its judge, its router and the
 * registry. */
#include <stdlib.h>

#include "gateway/control/prober_state.h"
#include "gateway/telemetry/log.h"

#define MODEL_NAMES 256
/* One alone may have been written before the last answer. */
#define STILL_PAGES 3
#define RESTART_REST_US 10000000u /* between two lines about the same engine */

/* ---- what it is ------------------------------------------------------ */

void prober_learn_kind(struct sl_probe_run *r, enum sl_engine_kind kind)
{
	if (r->engine->kind == kind)
		return;
	if (prober_configured_kind(r->engine) == SL_ENGINE_AUTO)
		sl_info("engine %s is %s", r->ep->name, sl_engine_kind_name(kind));
	r->engine->kind = kind;
	atomic_store(&r->ep->kind, (int)kind);
	memset(r->at, 0, sizeof(r->at));
	r->no_page_us = 0;
	sl_page_reader_free(r->page);
	r->page = NULL;
}

/* ---- health ---------------------------------------------------------- */

/* The worse of what its judge and what its GPUs say. */
static enum sl_health effective_health(struct sl_endpoint *ep)
{
	enum sl_health health = (enum sl_health)atomic_load(&ep->health);
	bool ill = atomic_load(&ep->gpus.state) != (int)SL_GPU_STATE_HEALTHY;

	return ill && health == SL_HEALTH_HEALTHY ? SL_HEALTH_DEGRADED : health;
}

/* It served badly but was never gone; a new process would have ended the ejection. */
static bool is_back_from_ejection(struct sl_endpoint *ep)
{
	bool back;

	pthread_mutex_lock(&ep->judge_lock);
	back = ep->judge.cause == SL_REASON_RETURNED || ep->judge.cause == SL_REASON_RECALLED;
	pthread_mutex_unlock(&ep->judge_lock);
	return back;
}

static void tell_router(struct sl_endpoint *ep, uint64_t now_us)
{
	struct sl_router *router = ep->domain->router;
	enum sl_health health = effective_health(ep);

	if (is_back_from_ejection(ep))
		sl_router_endpoint_return(router, ep->slot, health, now_us);
	else
		sl_router_endpoint_health(router, ep->slot, health, now_us);
	sl_router_endpoint_drain(router, ep->slot, sl_endpoint_drains(ep));
}

void sl_prober_apply_health(struct sl_endpoint *ep, uint64_t now_us)
{
	sl_domain_lock(ep->domain);
	/* Under the lock, so that the last word is the last to arrive; a slot of
	 * one that was removed is another's. */
	if (!atomic_load(&ep->removed))
		tell_router(ep, now_us);
	sl_domain_unlock(ep->domain);
}

void prober_judge(struct sl_probe_run *r, enum sl_probe_result result)
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
	r->no_page_us = 0;
}

/* ---- load ------------------------------------------------------------ */

/* Under the domain's lock. */
static void learn_adapters(struct sl_probe_run *r)
{
	struct sl_page_adapters lists = sl_page_reader_adapters(r->page);
	struct sl_adapter_sample sample = {
		.taken_us = r->arrived_us,
		.max_adapters = r->engine->page.max_adapters,
		.running = lists.running,
		.waiting = lists.waiting,
	};

	sl_router_endpoint_adapters(r->ep->domain->router, r->ep->slot, &sample);
}

static struct sl_load_sample sample_of(const struct sl_engine_page *page, uint64_t taken_us)
{
	return (struct sl_load_sample){
		.taken_us = taken_us,
		.running = page->running,
		.waiting = page->waiting,
		.kv_usage = page->kv_usage,
		.kv_capacity_tokens = page->kv_capacity_tokens,
		.prefix_hit_tokens = page->prefix_hits,
		.prefix_query_tokens = page->prefix_queries,
	};
}

static bool differs(const struct sl_engine_page *a, const struct sl_engine_page *b)
{
	return a->generation_tokens != b->generation_tokens ||
	       a->prompt_tokens != b->prompt_tokens || a->running != b->running ||
	       a->waiting != b->waiting || a->kv_usage != b->kv_usage;
}

/* Whether what live requests see of it shows on its page: who answers one more has
 * one more running, or has counted its tokens. */
static void note_movement(struct sl_probe_run *r, const struct sl_engine_page *before)
{
	uint64_t answers = atomic_load_explicit(&r->ep->tally.ok, memory_order_relaxed);

	if (r->engine->page.generation_tokens < 0 || differs(before, &r->engine->page)) {
		r->moved_us = r->arrived_us;
		r->still = 0;
	} else if (answers != r->answers && r->still < STILL_PAGES) {
		r->still++;
	}
	r->answers = answers;
}

/* Another process answers at the address: its cache is empty. */
static bool was_restarted(struct sl_probe_run *r)
{
	struct sl_engine_page before = r->last;

	note_movement(r, &before);
	r->last = r->engine->page;
	/* A page that now and then does not have it says nothing of its process. */
	if (r->last.start_time_s < 0)
		r->last.start_time_s = before.start_time_s;
	return before.families && sl_engine_page_restarted(&before, &r->engine->page);
}

/* Several engines behind one address look as if they restarted all the time. */
static void tell_restart(struct sl_probe_run *r, uint64_t now_us)
{
	if (r->restart_told_us && now_us - r->restart_told_us < RESTART_REST_US)
		return;
	r->restart_told_us = now_us;
	sl_info("engine %s was restarted; its part of the prefix index is cleared", r->ep->name);
}

static bool read_load(struct sl_probe_run *r, struct sl_engine_page *out_page)
{
	if (r->path.form == SL_ANSWER_LOADS)
		return sl_loads_parse(r->body, r->body_len, out_page) == 0;
	return r->page && sl_page_reader_finish(r->page, out_page) == 0;
}

/* Under the domain's lock. */
static void tell_load(struct sl_probe_run *r)
{
	struct sl_load_sample sample = sample_of(&r->engine->page, r->arrived_us);

	r->engine->page_us = r->arrived_us;
	r->forgotten = false;
	sl_router_endpoint_sample(r->ep->domain->router, r->ep->slot, &sample,
	                          r->prober->loop->now_us);
	if (r->path.form == SL_ANSWER_PAGE)
		learn_adapters(r);
}

bool prober_learn_load(struct sl_probe_run *r)
{
	struct sl_endpoint *ep = r->ep;
	uint64_t now = r->prober->loop->now_us;
	bool restarted;

	if (!read_load(r, &r->engine->page))
		return false;
	restarted = was_restarted(r);
	pthread_mutex_lock(&ep->judge_lock);
	if (restarted)
		sl_judge_restarted(&ep->judge);
	sl_judge_page(&ep->judge, &r->engine->page, now);
	pthread_mutex_unlock(&ep->judge_lock);
	sl_domain_lock(ep->domain);
	if (restarted)
		sl_router_endpoint_restarted(ep->domain->router, ep->slot);
	if (r->still == STILL_PAGES) /* an old page, of the time when it last moved */
		r->engine->page_us = r->moved_us;
	else
		tell_load(r);
	sl_domain_unlock(ep->domain);
	if (restarted)
		tell_restart(r, now);
	return true;
}

void prober_forget_stale(struct sl_probe_run *r)
{
	struct sl_endpoint *ep = r->ep;
	uint64_t now = r->prober->loop->now_us;
	struct sl_load_sample sample;

	if (r->forgotten || !r->engine->page_us || !ep->policy.stale_us ||
	    now - r->engine->page_us < ep->policy.stale_us)
		return;
	r->forgotten = true;
	sl_engine_page_clear(&r->engine->page);
	sample = sample_of(&r->engine->page, now);
	sl_domain_lock(ep->domain);
	sl_router_endpoint_sample(ep->domain->router, ep->slot, &sample, now);
	sl_domain_unlock(ep->domain);
	sl_warn("engine %s has not told its load for %.1f s; it is not known any more", ep->name,
	        (double)(now - r->engine->page_us) / 1e6);
}

/* ---- models ---------------------------------------------------------- */

struct names {
	char *name[MODEL_NAMES]; /* owned */
	bool adapter[MODEL_NAMES];
	uint32_t n;
};

static void add_name(void *ctx, const struct sl_model_card *card)
{
	struct names *names = ctx;

	if (names->n == MODEL_NAMES)
		return;
	names->adapter[names->n] = card->parent.len > 0;
	names->name[names->n++] = strndup(card->id.ptr, card->id.len);
}

static void apply_names(struct sl_probe_run *r, struct names *names)
{
	r->models_us = r->prober->loop->now_us;
	if (!sl_engine_set_models(r->engine, names->name, names->adapter, names->n))
		return;
	sl_info("engine %s serves %s%s", r->ep->name, names->name[0],
	        names->n > 1 ? " and more" : "");
	r->prober->events->on_models(r->prober->ctx);
}

void prober_learn_models(struct sl_probe_run *r)
{
	struct names names = { .n = 0 };

	if (sl_models_parse(r->body, r->body_len, add_name, &names) >= 0 && names.n > 0)
		apply_names(r, &names);
	for (uint32_t i = 0; i < names.n; i++)
		free(names.name[i]);
}
