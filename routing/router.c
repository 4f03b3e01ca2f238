/* router.c: the router object and its endpoints; see state.h.
 *
 * What is known of an endpoint is forgotten when it is deleted, when it was
 * restarted and when it comes back from UNHEALTHY: it then starts like a new
 * one, with an empty index and F = 1. One that was only ejected keeps its index,
 * since its cache is what it was. Draining forgets nothing. */
#include <assert.h>

#include "routing/alloc.h"
#include "routing/state.h"

#define BUSY_TAU_US 10e6
#define FOREIGN_TAU_US 2e6
#define RELEARN_US 5000000u

/* ---- life ------------------------------------------------------------ */

void sl_router_options_default(struct sl_router_options *opt)
{
	*opt = (struct sl_router_options){
		.profile = sl_profile_at(0),
		.policy = SL_POLICY_COST,
		.weight_ttft = 1,
		.weight_stall = 0.12,
		.weight_decode = 0.15,
		.weight_cache = 1,
		.transfer_latency_ms = 2,
		.transfer_bytes_per_ms = 20e6,
		.bytes_per_token = 4,
		.adapter_load_ms = 100,
		.index_max_entries_per_endpoint = 65536,
	};
}

static void set_capacity(struct sl_router *r, struct endpoint *ep)
{
	ep->capacity = ep->past->scraped_capacity > 0 ? ep->past->scraped_capacity
	                                              : r->opt.profile->kv_capacity_tokens;
}

void sl_router_set_options(struct sl_router *r, const struct sl_router_options *opt)
{
	r->opt = *opt;
	r->cost = (struct cost_model){
		.weight_ttft = opt->weight_ttft,
		.weight_stall = opt->weight_stall,
		.weight_decode = opt->weight_decode,
		.weight_cache = opt->weight_cache,
		.transfer_latency_ms = opt->transfer_latency_ms,
		.transfer_bytes_per_ms = opt->transfer_bytes_per_ms,
		.prefill_scale = learn_scale_factor(&r->prefill_scale),
		.decode_scale = learn_scale_factor(&r->decode_scale),
	};
	cost_model_use(&r->cost, opt->profile);
	for (uint32_t i = 0; i < r->n_slots; i++)
		set_capacity(r, &r->endpoints[i]);
}

struct sl_router *sl_router_new(const struct sl_router_options *opt)
{
	struct sl_router *r = alloc_zero(1, sizeof(*r));

	learn_scale_init(&r->prefill_scale);
	learn_scale_init(&r->decode_scale);
	decay_init(&r->busy_decay, BUSY_TAU_US);
	decay_init(&r->foreign_decay, FOREIGN_TAU_US);
	models_init(&r->models);
	clusters_init(&r->clusters);
	index_init(&r->index, opt->index_seed);
	sessions_init(&r->sessions, opt->index_seed);
	r->turn_serve = r->turn_prefill = UINT32_MAX;
	sl_router_set_options(r, opt);
	return r;
}

void sl_router_free(struct sl_router *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->n_slots; i++) {
		free(r->endpoints[i].past->models);
		free(r->endpoints[i].past);
		peers_free(r->endpoints[i].peers);
		adapters_free(r->endpoints[i].adapters);
	}
	sl_block_log_free(r->block_log);
	free(r->peer_chain);
	index_fini(&r->index);
	sessions_fini(&r->sessions);
	models_fini(&r->models);
	clusters_fini(&r->clusters);
	free(r->endpoints);
	free(r->free_slots);
	free(r->groups);
	free(r->passing.serve);
	free(r->passing.prefill);
	free(r->partners);
	free(r->prefill_best);
	free(r->decode_best);
	free(r->single_floor_ms);
	free(r->band);
	free(r->picks);
	free(r);
}

/* ---- room ------------------------------------------------------------ */

/* So that no decision allocates. */
static void size_slot_scratch(struct sl_router *r)
{
	struct passing *p = &r->passing;
	uint32_t n = r->cap_slots;

	p->serve = alloc_resize(p->serve, n, sizeof(*p->serve));
	p->prefill = alloc_resize(p->prefill, n, sizeof(*p->prefill));
	r->picks = alloc_resize(r->picks, n, sizeof(*r->picks));
	r->single_floor_ms = alloc_resize(r->single_floor_ms, n, sizeof(*r->single_floor_ms));
	r->band = alloc_resize(r->band, (size_t)n * CANDIDATES_PER_SLOT, sizeof(*r->band));
}

static void size_group_scratch(struct sl_router *r)
{
	uint32_t n = r->n_groups;

	r->partners = alloc_resize(r->partners, n, sizeof(*r->partners));
	r->prefill_best = alloc_extend(r->prefill_best, n - 1, n, sizeof(*r->prefill_best));
	r->decode_best = alloc_extend(r->decode_best, n - 1, n, sizeof(*r->decode_best));
}

static void grow(struct sl_router *r)
{
	uint32_t cap = r->cap_slots ? r->cap_slots * 2 : 16; /* meets SL_MAX_ENDPOINTS */

	r->endpoints = alloc_extend(r->endpoints, r->cap_slots, cap, sizeof(*r->endpoints));
	r->free_slots = alloc_resize(r->free_slots, cap, sizeof(*r->free_slots));
	r->cap_slots = cap;
	index_reserve(&r->index, cap);
	models_reserve(&r->models, cap);
	clusters_reserve(&r->clusters, cap);
	size_slot_scratch(r);
}

/* The dense number of a KV group, one endpoint more in it. */
static uint32_t join_group(struct sl_router *r, uint32_t id)
{
	uint32_t g = 0, vacant = r->n_groups;

	for (; g < r->n_groups; g++) {
		if (r->groups[g].n_endpoints && r->groups[g].id == id)
			break;
		if (!r->groups[g].n_endpoints && vacant == r->n_groups)
			vacant = g;
	}
	if (g == r->n_groups)
		g = vacant;
	if (g == r->n_groups) {
		r->groups = alloc_extend(r->groups, g, ++r->n_groups, sizeof(*r->groups));
		size_group_scratch(r);
	}
	r->groups[g].id = id;
	r->groups[g].n_endpoints++;
	return g;
}

static void leave_group(struct sl_router *r, struct endpoint *ep)
{
	r->groups[ep->group].n_endpoints--;
}

/* ---- what is known of one endpoint ------------------------------------ */

static struct endpoint *endpoint_at(struct sl_router *r, uint32_t slot)
{
	assert(slot < r->n_slots && r->endpoints[slot].alive);
	return &r->endpoints[slot];
}

static void forget_load(struct endpoint *ep)
{
	ep->foreign_seqs = ep->foreign_waiting = 0;
	ep->foreign_us = 0;
}

/* The engine's cache is empty, or might as well be. */
static void forget_cache(struct sl_router *r, uint32_t slot)
{
	struct endpoint *ep = &r->endpoints[slot];

	index_clear(&r->index, slot);
	endpoint_note_cache(r, slot);
	ep->past->cache = ++r->caches;
	learn_hits_reset(&ep->past->hits);
	ep->gamma = 1;
	if (ep->adapters)
		adapters_forget(ep->adapters);
}

/* F, of which `learned` is what answers have taught. */
static double derated(const struct endpoint *ep, double learned)
{
	double slow = learned * ep->past->derate;

	return slow < SL_DERATE_MAX ? slow : SL_DERATE_MAX;
}

/* How fast it was, and what others had it do. */
static void forget_service(struct sl_router *r, struct endpoint *ep)
{
	forget_load(ep);
	learn_evidence_drop(&ep->past->evidence.prefill, &r->prefill_scale);
	learn_evidence_drop(&ep->past->evidence.decode, &r->decode_scale);
	ep->slow = derated(ep, 1);
	ep->busy = 0;
}

static void forget_all(struct sl_router *r, uint32_t slot)
{
	forget_service(r, &r->endpoints[slot]);
	forget_cache(r, slot);
}

static void start_ramp(struct endpoint *ep, uint64_t from_us)
{
	ep->ramping = ep->spec.slow_start_us > 0;
	ep->past->ramp_us = from_us;
}

static uint64_t ramp_due_us(const struct endpoint *ep)
{
	return ep->past->ramp_us ? ep->past->ramp_us + ep->spec.slow_start_us : 0;
}

static void wake_ramp(struct endpoint *ep, uint64_t now_us)
{
	if (!ep->past->ramp_us)
		ep->past->ramp_us = now_us;
	if (now_us >= ramp_due_us(ep))
		ep->ramping = false;
	endpoint_set_plain(ep);
}

void endpoint_set_wake(struct endpoint *ep)
{
	uint64_t due_us = ledger_due_us(&ep->ledger);

	if (ep->past->relearn_us < due_us)
		due_us = ep->past->relearn_us;
	if (ep->peers && ep->peers->until_us < due_us)
		due_us = ep->peers->until_us;
	if (ep->ramping && ramp_due_us(ep) < due_us)
		due_us = ramp_due_us(ep);
	ep->wake_us = due_us;
}

void endpoint_wake(struct sl_router *r, struct endpoint *ep, uint64_t now_us)
{
	struct sl_ticket *t;

	while ((t = ledger_due(&ep->ledger, now_us)) != NULL)
		ledger_close_prefill(&ep->ledger, t, ledger_due_us(&ep->ledger));
	if (ep->peers && now_us >= ep->peers->until_us)
		peers_expire(ep->peers, now_us);
	if (now_us >= ep->past->relearn_us) {
		ep->slow = derated(ep, learn_engine_slowness(&ep->past->evidence, &r->prefill_scale,
		                                             &r->decode_scale, now_us));
		ep->past->relearn_us = now_us + RELEARN_US;
	}
	if (ep->ramping)
		wake_ramp(ep, now_us);
	endpoint_set_wake(ep);
}

void endpoint_release(struct sl_router *r, uint32_t slot)
{
	struct endpoint *ep = &r->endpoints[slot];

	if (ep->alive || ep->ledger.inflight)
		return;
	adapters_free(ep->adapters);
	ep->adapters = NULL;
	r->free_slots[r->n_free++] = slot;
}

/* ---- endpoints -------------------------------------------------------- */

uint32_t sl_router_endpoint_add(struct sl_router *r, const struct sl_endpoint_spec *spec)
{
	struct endpoint *ep;
	struct past *past;
	uint32_t slot;

	if (!r->n_free && r->n_slots == SL_MAX_ENDPOINTS)
		return SL_NO_ENDPOINT;
	if (!r->n_free && r->n_slots == r->cap_slots)
		grow(r);
	slot = r->n_free ? r->free_slots[--r->n_free] : r->n_slots++;
	ep = &r->endpoints[slot];
	past = ep->past ? ep->past : alloc_zero(1, sizeof(*past));
	*past = (struct past){
		.kv_usage = -1, .scraped_capacity = -1, .relearn_us = RELEARN_US, .derate = 1
	};
	*ep = (struct endpoint){ .spec = *spec, .alive = true, .past = past };
	ep->group = join_group(r, spec->kv_group);
	clusters_join(&r->clusters, spec->cluster, slot);
	set_capacity(r, ep);
	forget_all(r, slot);
	endpoint_set_wake(ep);
	r->n_alive++;
	return slot;
}

void sl_router_endpoint_update(struct sl_router *r, uint32_t slot,
                               const struct sl_endpoint_spec *spec)
{
	struct endpoint *ep = endpoint_at(r, slot);

	leave_group(r, ep);
	clusters_leave(&r->clusters, ep->spec.cluster, slot);
	ep->spec = *spec;
	ep->ramping = ep->ramping && spec->slow_start_us > 0;
	ep->group = join_group(r, spec->kv_group);
	clusters_join(&r->clusters, spec->cluster, slot);
	endpoint_set_plain(ep);
}

void sl_router_endpoint_del(struct sl_router *r, uint32_t slot)
{
	struct endpoint *ep = endpoint_at(r, slot);

	sl_router_endpoint_models(r, slot, NULL, 0);
	free(ep->past->models);
	ep->past->models = NULL;
	forget_all(r, slot);
	leave_group(r, ep);
	clusters_leave(&r->clusters, ep->spec.cluster, slot);
	peers_free(ep->peers);
	ep->peers = NULL;
	ep->alive = false;
	r->n_alive--;
	endpoint_release(r, slot);
}

static void set_health(struct sl_router *r, struct endpoint *ep, enum sl_health health,
                       uint64_t now_us)
{
	if (ep->health == SL_HEALTH_UNHEALTHY && health != SL_HEALTH_UNHEALTHY) {
		forget_service(r, ep);
		start_ramp(ep, now_us);
	}
	ep->health = health;
	r->clusters.changes++;
	endpoint_set_plain(ep);
	endpoint_set_wake(ep);
}

void sl_router_endpoint_health(struct sl_router *r, uint32_t slot, enum sl_health health,
                               uint64_t now_us)
{
	struct endpoint *ep = endpoint_at(r, slot);

	if (ep->health == SL_HEALTH_UNHEALTHY && health != SL_HEALTH_UNHEALTHY)
		forget_cache(r, slot);
	set_health(r, ep, health, now_us);
}

void sl_router_endpoint_return(struct sl_router *r, uint32_t slot, enum sl_health health,
                               uint64_t now_us)
{
	set_health(r, endpoint_at(r, slot), health, now_us);
}

void sl_router_endpoint_drain(struct sl_router *r, uint32_t slot, bool draining)
{
	struct endpoint *ep = endpoint_at(r, slot);

	ep->draining = draining;
	r->clusters.changes++;
	endpoint_set_plain(ep);
}

void sl_router_endpoint_derate(struct sl_router *r, uint32_t slot, double factor)
{
	struct endpoint *ep = endpoint_at(r, slot);
	double learned = ep->slow / ep->past->derate;

	assert(factor >= 1 && factor <= SL_DERATE_MAX);
	ep->past->derate = factor;
	ep->slow = derated(ep, learned);
	ep->past->relearn_us = 0; /* a bound may have hidden what was learned */
	endpoint_set_wake(ep);
}

void sl_router_endpoint_restarted(struct sl_router *r, uint32_t slot)
{
	struct endpoint *ep = endpoint_at(r, slot);

	forget_load(ep);
	forget_cache(r, slot);
	start_ramp(ep, 0);
	endpoint_set_plain(ep);
	endpoint_set_wake(ep);
}

void sl_router_endpoint_models(struct sl_router *r, uint32_t slot, const uint32_t *models,
                               uint32_t n)
{
	struct endpoint *ep = endpoint_at(r, slot);

	for (uint32_t i = 0; i < ep->past->n_models; i++)
		models_unlist(&r->models, ep->past->models[i], slot);
	ep->past->models = alloc_resize(ep->past->models, n + 1u, sizeof(*ep->past->models));
	ep->past->n_models = 0;
	for (uint32_t i = 0; i < n; i++)
		if (models_list(&r->models, models[i], slot))
			ep->past->models[ep->past->n_models++] = models[i];
	r->clusters.changes++;
}

uint32_t sl_router_model(struct sl_router *r, struct sl_span name)
{
	return models_intern(&r->models, name);
}

void sl_router_model_adapter(struct sl_router *r, uint32_t model, bool adapter)
{
	if (model < r->models.count)
		r->models.list[model].adapter = adapter;
}

void sl_router_model_policy(struct sl_router *r, uint32_t model, const enum sl_policy *policy)
{
	struct model *m;

	if (model >= r->models.count)
		return;
	m = &r->models.list[model];
	m->has_policy = policy != NULL;
	if (policy)
		m->policy = *policy;
}

double sl_router_estimate_tokens(const struct sl_router *r, uint32_t model,
                                 const struct sl_facts *facts)
{
	double prior = r->opt.bytes_per_token, tokens;

	if (facts->token_prompt && facts->prompt_tokens_exact)
		return (double)facts->prompt_tokens_exact;
	if (model < r->models.count)
		prior = learn_model_bytes_per_token(&r->models.list[model].learned, prior);
	tokens = (double)facts->prompt_bytes / prior;
	return tokens < 1 ? 1 : tokens;
}

/* ---- clusters --------------------------------------------------------- */

void sl_router_clusters(struct sl_router *r, const struct sl_clusters *clusters)
{
	clusters_set(&r->clusters, clusters);
}

void sl_router_model_clusters(struct sl_router *r, uint32_t model, uint64_t allowed)
{
	if (model >= r->models.count)
		return;
	r->models.list[model].ladder.allowed = allowed;
	r->clusters.changes++;
	r->clusters.restricts = false;
	for (uint32_t i = 0; i < r->models.count; i++)
		if (r->models.list[i].ladder.allowed != CLUSTERS_ALL)
			r->clusters.restricts = true;
}

/* ---- scrapes ---------------------------------------------------------- */

/* Negative, too, if it is no number. */
static double present(double x)
{
	return x >= 0 && x < 1e15 ? x : -1;
}

/* Sequences of other gateways that an engine may count. */
static double peers_known(const struct peers *p, uint64_t now_us)
{
	double known = peak_recent(p->peak, p->sum.inflight, now_us);

	return p->sum.seqs > p->sum.inflight ? known + p->sum.seqs - p->sum.inflight : known;
}

/* Work that is there and nobody's that we know. Our own may still be counted a moment
 * after it has ended, so the recent peak is subtracted, not the present. */
static void sample_foreign(struct endpoint *ep, const struct sl_load_sample *s)
{
	const struct ledger *l = &ep->ledger;
	double running = present(s->running), waiting = present(s->waiting);
	double known = ledger_recent_peak(l, s->taken_us);
	double unknown, queued;

	if (running < 0)
		return;
	if (waiting < 0)
		waiting = 0;
	if (l->seqs > l->inflight)
		known += l->seqs - l->inflight;
	if (ep->peers)
		known += peers_known(ep->peers, s->taken_us);
	unknown = running + waiting - known;
	if (unknown <= 0) {
		forget_load(ep);
		return;
	}
	queued = waiting - l->prefilling;
	if (ep->peers)
		queued -= ep->peers->sum.prefilling;
	ep->foreign_waiting = queued < 0 ? 0 : queued < unknown ? queued : unknown;
	ep->foreign_seqs = unknown - ep->foreign_waiting;
	ep->foreign_us = s->taken_us;
}

void sl_router_endpoint_sample(struct sl_router *r, uint32_t slot, const struct sl_load_sample *s,
                               uint64_t now_us)
{
	struct endpoint *ep = endpoint_at(r, slot);

	if (s->taken_us < ep->past->sampled_us)
		return;
	ep->past->sampled_us = s->taken_us;
	ep->past->kv_usage = present(s->kv_usage);
	if (present(s->kv_capacity_tokens) > 0)
		ep->past->scraped_capacity = s->kv_capacity_tokens;
	set_capacity(r, ep);
	sample_foreign(ep, s);
	if (!learn_hits_sample(&ep->past->hits, present(s->prefix_hit_tokens),
	                       present(s->prefix_query_tokens), now_us))
		sl_router_endpoint_restarted(r, slot);
	ep->gamma = learn_hits_gamma(&ep->past->hits);
}

static void sample_names(struct sl_router *r, uint32_t slot, struct sl_span names, bool running,
                         uint64_t taken_us)
{
	while (names.len) {
		const char *comma = memchr(names.ptr, ',', names.len);
		size_t len = comma ? (size_t)(comma - names.ptr) : names.len;
		uint32_t model = models_find(&r->models, sl_span(names.ptr, len));

		if (model != SL_NO_MODEL && models_is_listed(&r->models, model, slot)) {
			r->models.list[model].adapter = true;
			adapters_sample_add(r->endpoints[slot].adapters, model, running, taken_us);
		}
		len += comma != NULL;
		names = sl_span(names.ptr + len, names.len - len);
	}
}

void sl_router_endpoint_adapters(struct sl_router *r, uint32_t slot,
                                 const struct sl_adapter_sample *s)
{
	struct endpoint *ep = endpoint_at(r, slot);
	struct adapters *a = ep->adapters;

	if (!a && s->max_adapters <= 0 && !s->running.len && !s->waiting.len)
		return; /* most engines */
	a = endpoint_adapters(ep);
	adapters_sample_slots(a, s->max_adapters > 0 && s->max_adapters < ADAPTERS_KEPT
	                                 ? (uint32_t)s->max_adapters
	                                 : 0);
	sample_names(r, slot, s->running, true, s->taken_us);
	sample_names(r, slot, s->waiting, false, s->taken_us);
	adapters_sample_end(a, s->taken_us);
}
