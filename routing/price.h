/* price.h: what each placement of one request costs: the terms of docs/routing.md
 * for one engine, for either half of a pair, and for a pair.
 *
 * Inline, as a decision prices thousands. Every term is at least 0, which the
 * floors rely on. Only place.c includes this. */
#ifndef SLUICE_ROUTING_PRICE_H
#define SLUICE_ROUTING_PRICE_H

#include "routing/filter.h"
#include "routing/state.h"

#define BUSY_MAX 0.9
/* Where a session was decoded last is a little cheaper than it is: what is left
 * of its own former turn there must not drive it to an engine that is idle. */
#define HOME_SHARE 0.99

/* One search. */
struct place {
	struct sl_router *r;
	const struct sl_query *q;
	uint64_t now_us;
	struct sl_rng *rng;
	struct sl_decision *d;
	struct cost_request rq;
	double tokens_per_byte;
	double most_hit;          /* of a prompt's tokens the last one is always computed */
	double base_hit, base_ms; /* the last prefill that was priced */
	double added_base_ms;     /* of it, what others wait for */
	bool adapter;             /* the model is one */
	double sent_hit, sent_ms; /* the last transfer */
	uint32_t rank;            /* worst health rank that may prefill */
	uint64_t salt;
	double band_ms;
	double best_ms;  /* of what was offered, where there is a band */
	uint32_t n_band; /* of r->band */
};

static inline struct cost_engine engine_now(const struct place *s, const struct endpoint *ep)
{
	const struct sl_router *r = s->r;
	struct cost_engine e = {
		.slow = ep->slow,
		.queue_ms = ledger_queue_ms(&ep->ledger, s->now_us),
		.seqs = ep->ledger.seqs,
		.context = (double)ep->ledger.context_tokens,
		.capacity = ep->capacity,
		.busy = ep->busy * decay_keep(&r->busy_decay, ep->busy_us, s->now_us),
	};

	if (ep->foreign_us) {
		double keep = decay_keep(&r->foreign_decay, ep->foreign_us, s->now_us);

		e.seqs += ep->foreign_seqs * keep;
		e.context += ep->foreign_seqs * keep * r->mean_context;
		e.queue_ms += ep->foreign_waiting * keep * r->mean_prefill_ms;
	}
	if (ep->peers) {
		const struct sl_load *sum = &ep->peers->sum;

		e.seqs += sum->seqs;
		e.context += (double)sum->context_tokens;
		e.queue_ms += (double)sum->queue_us / 1000;
	}
	if (e.busy > BUSY_MAX)
		e.busy = BUSY_MAX;
	e.displaces = cost_displaces(ep->full, ep->spec.role == SL_ROLE_BOTH, e.busy);
	return e;
}

static inline double hit_tokens(const struct place *s, const struct endpoint *ep, uint32_t slot)
{
	double hit = ep->gamma * s->tokens_per_byte * index_matched(&s->r->index, slot);

	return hit < s->most_hit ? hit : s->most_hit;
}

static inline double ttft_ms(const struct sl_candidate *c)
{
	return c->queue_ms + c->prefill_ms + c->memory_ms + c->transfer_ms + c->step_ms +
	       c->adapter_ms;
}

static inline double weigh(const struct place *s, double ttft, double stall, double decode,
                           double cache)
{
	const struct cost_model *m = &s->r->cost;

	return m->weight_ttft * ttft + m->weight_stall * stall + m->weight_decode * decode +
	       m->weight_cache * cache;
}

/* What of a cost counts. */
static inline double counted(const struct place *s, uint32_t decode_slot)
{
	return decode_slot == s->r->home ? HOME_SHARE : 1;
}

/* Most engines have nothing of a prompt, or the same beginning. */
static inline double prefill_ms(struct place *s, const struct cost_engine *e, double hit)
{
	if (hit != s->base_hit) {
		s->base_hit = hit;
		s->base_ms = cost_prefill_base_ms(&s->r->cost, &s->rq, hit);
		s->added_base_ms = s->base_ms - cost_shared_base_ms(&s->r->cost, &s->rq, hit);
	}
	return cost_prefill_ms(&s->r->cost, e, s->base_ms);
}

/* A, and its part of S: those that decode wait for the load, too, and whoever
 * asks for an adapter that it displaces, for another one. Where nothing is
 * decoded, Q is the wait for a slot. */
static inline void add_adapter(const struct place *s, const struct endpoint *ep,
                               const struct cost_engine *e, bool decodes, struct sl_candidate *c)
{
	double load = s->r->opt.adapter_load_ms;
	struct adapters_found found;

	if (ep->spec.gateway)
		return;
	found = adapters_find(ep->adapters, s->q->model, s->now_us);
	if (!found.loaded) {
		c->adapter_ms += load;
		c->stall_ms += cost_stall_ms(e, load) + (found.displaces ? load : 0);
	}
	if (decodes)
		c->adapter_ms += cost_adapter_wait_ms(&s->r->cost, &s->rq, e, found.slots,
		                                      found.missing, found.legs_each);
}

/* S, of the prefill that was priced last. */
static inline double stall_ms(const struct place *s, const struct cost_engine *e)
{
	return cost_stall_ms(e, cost_prefill_ms(&s->r->cost, e, s->added_base_ms));
}

static inline double transfer_ms(struct place *s, double hit)
{
	if (hit != s->sent_hit) {
		s->sent_hit = hit;
		s->sent_ms = cost_transfer_ms(&s->r->cost, &s->rq, hit);
	}
	return s->sent_ms;
}

/* What one engine for everything costs at least, without M and tau. */
static inline double single_floor_ms(const struct place *s, const struct cost_engine *e,
                                     double prefill, double least_decode)
{
	return weigh(s, e->queue_ms + prefill, stall_ms(s, e), least_decode,
	             cost_cache_ms(e, prefill));
}

/* One engine for everything. False: it costs more than `enough` whatever the
 * terms are that take longer to tell; where memory is short, M is much of the
 * cost. Field by field, as a literal is cleared beforehand; with a single
 * caller, as a call per engine is dear. */
static inline bool price_single(struct place *s, uint32_t slot, double enough,
                                struct sl_candidate *c)
{
	const struct cost_model *m = &s->r->cost;
	const struct endpoint *ep = &s->r->endpoints[slot];
	const struct cost_engine e = engine_now(s, ep);
	double hit = hit_tokens(s, ep, slot);
	double prefill = prefill_ms(s, &e, hit);
	double share = counted(s, slot);
	double floor = single_floor_ms(s, &e, prefill, cost_least_decode_ms(m, &s->rq, &e));
	double memory;

	if (share * floor > enough)
		return false;
	memory = cost_memory_ms(m, &s->rq, &e);
	if (share * (floor + m->weight_ttft * memory) > enough)
		return false;
	c->placement = SL_PLACE_AGGREGATED;
	c->prefill_ep = slot;
	c->decode_ep = slot;
	c->hit_tokens = hit;
	c->queue_ms = e.queue_ms;
	c->prefill_ms = prefill;
	c->memory_ms = memory;
	c->transfer_ms = 0;
	c->stall_ms = stall_ms(s, &e);
	c->cache_ms = cost_cache_ms(&e, prefill);
	c->decode_ms = cost_decode_ms(m, &s->rq, &e);
	c->step_ms = 0;
	c->adapter_ms = 0;
	if (s->adapter)
		add_adapter(s, ep, &e, true, c);
	if (ep->spec.role == SL_ROLE_DECODE) {
		c->placement = SL_PLACE_LOCAL;
		c->step_ms = s->rq.output > 0 ? cost_step_ms(m, &e, e.seqs, e.context) : 0;
	}
	c->cost_ms = share * weigh(s, ttft_ms(c), c->stall_ms, c->decode_ms, c->cache_ms);
	return true;
}

/* Halves name no partner, so that ties between them are told apart by other
 * keys than those between pairs. */
static inline void price_prefill_half(struct place *s, uint32_t slot, struct sl_candidate *c)
{
	const struct endpoint *ep = &s->r->endpoints[slot];
	const struct cost_engine e = engine_now(s, ep);
	double hit = hit_tokens(s, ep, slot);

	c->placement = SL_PLACE_REMOTE;
	c->prefill_ep = slot;
	c->decode_ep = SL_NO_ENDPOINT;
	c->hit_tokens = hit;
	c->queue_ms = e.queue_ms;
	c->prefill_ms = prefill_ms(s, &e, hit);
	c->cache_ms = cost_cache_ms(&e, c->prefill_ms);
	c->memory_ms = c->transfer_ms = c->stall_ms = c->decode_ms = c->step_ms = 0;
	c->adapter_ms = 0;
	if (s->adapter)
		add_adapter(s, ep, &e, false, c);
	c->cost_ms = weigh(s, ttft_ms(c), c->stall_ms, c->decode_ms, c->cache_ms);
}

static inline double prefill_half_floor_ms(struct place *s, uint32_t slot)
{
	const struct endpoint *ep = &s->r->endpoints[slot];
	const struct cost_engine e = engine_now(s, ep);
	double prefill = prefill_ms(s, &e, hit_tokens(s, ep, slot));

	return weigh(s, e.queue_ms + prefill, 0, 0, cost_cache_ms(&e, prefill));
}

/* False as for price_single. Also what the engine costs at least if it does
 * everything, as it is looked at already. */
static inline bool price_decode_half(struct place *s, uint32_t slot, double enough,
                                     struct sl_candidate *c, double *out_single_floor_ms)
{
	const struct cost_model *m = &s->r->cost;
	const struct endpoint *ep = &s->r->endpoints[slot];
	const struct cost_engine e = engine_now(s, ep);
	double hit = hit_tokens(s, ep, slot);
	double transfer = transfer_ms(s, hit);
	double least_decode = cost_least_decode_ms(m, &s->rq, &e);
	double share = counted(s, slot);
	double floor = weigh(s, transfer, 0, least_decode, 0);
	double single = single_floor_ms(s, &e, prefill_ms(s, &e, hit), least_decode);
	double memory;

	*out_single_floor_ms = share * single;
	if (share * floor > enough)
		return false;
	memory = cost_memory_ms(m, &s->rq, &e);
	*out_single_floor_ms += share * m->weight_ttft * memory;
	if (share * (floor + m->weight_ttft * memory) > enough)
		return false;
	c->placement = SL_PLACE_REMOTE;
	c->prefill_ep = SL_NO_ENDPOINT;
	c->decode_ep = slot;
	c->hit_tokens = c->queue_ms = c->prefill_ms = c->stall_ms = c->cache_ms = 0;
	c->adapter_ms = 0;
	c->transfer_ms = transfer;
	c->memory_ms = memory;
	c->decode_ms = cost_decode_ms(m, &s->rq, &e);
	c->step_ms = cost_step_ms(m, &e, e.seqs, e.context);
	if (s->adapter)
		add_adapter(s, ep, &e, true, c);
	c->cost_ms = share * weigh(s, ttft_ms(c), c->stall_ms, c->decode_ms, c->cache_ms);
	return true;
}

static inline void join(const struct sl_candidate *p, const struct sl_candidate *d,
                        struct sl_candidate *out)
{
	*out = *p;
	out->decode_ep = d->decode_ep;
	out->memory_ms = d->memory_ms;
	out->transfer_ms = d->transfer_ms;
	out->stall_ms += d->stall_ms;
	out->decode_ms = d->decode_ms;
	out->adapter_ms += d->adapter_ms;
	out->step_ms = d->step_ms;
	out->cost_ms = p->cost_ms + d->cost_ms;
}

#endif
