/* place.c: see place.h. */
#include "routing/place.h"

#include <assert.h>

#include "routing/filter.h"
#include "routing/pick.h"
#include "routing/rendezvous.h"

#define BUSY_MAX 0.9
/* Of the age of what is known of other gateways: from here on they are on
 * their own. */
#define CUT_OFF_US 1000000u
/* Where a session was decoded last is a little cheaper than it is: what is left
 * of its own former turn there must not drive it to an engine that is idle. */
#define HOME_SHARE 0.99

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

/* ---- pricing --------------------------------------------------------- */

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
static void add_adapter(const struct place *s, const struct endpoint *ep,
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
static void price_prefill_half(struct place *s, uint32_t slot, struct sl_candidate *c)
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
static bool price_decode_half(struct place *s, uint32_t slot, double enough, struct sl_candidate *c,
                              double *out_single_floor_ms)
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

static void join(const struct sl_candidate *p, const struct sl_candidate *d,
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

/* ---- keeping the best ------------------------------------------------ */

/* What was priced in the spare place of r->best. */
static inline void offer(struct place *s)
{
	struct shortlist *best = &s->r->best;
	double cost_ms = best->spare->cost_ms;

	if (s->band_ms > 0 && cost_ms <= s->best_ms + s->band_ms) {
		s->r->band[s->n_band++] = *best->spare;
		s->best_ms = cost_ms < s->best_ms ? cost_ms : s->best_ms;
	}
	shortlist_add(best, s->salt);
}

/* A cost above which a candidate can neither be kept nor chosen. */
static inline double enough(const struct place *s)
{
	double last = s->r->best.enough_ms, chosen;

	if (s->band_ms <= 0)
		return last;
	chosen = (s->best_ms + s->band_ms) * SHORTLIST_ROUNDING;
	return last > chosen ? last : chosen;
}

/* ---- the cost policy ------------------------------------------------- */

static bool may_prefill(const struct place *s, uint32_t slot)
{
	return filter_prefill_rank(&s->r->endpoints[slot]) <= s->rank;
}

static bool may_take_handoff(const struct place *s, uint32_t slot)
{
	const struct endpoint *ep = &s->r->endpoints[slot];

	return filter_takes_handoff(ep) && (!s->r->passing.decodes_well || filter_decodes_well(ep));
}

static bool may_be_single(const struct place *s)
{
	return !s->q->decode_only && s->q->pinned_decode == SL_NO_ENDPOINT;
}

/* floor_ms: what each of them costs at least. */
static void offer_singles(struct place *s, const uint32_t *slots, const double *floor_ms,
                          uint32_t n)
{
	bool all = s->r->passing.worst_rank <= s->rank;
	double limit = enough(s);
	uint32_t n_priced = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!all && !may_prefill(s, slots[i]))
			continue;
		n_priced++;
		if (floor_ms && floor_ms[i] > limit)
			continue;
		if (price_single(s, slots[i], limit, s->r->best.spare)) {
			offer(s);
			limit = enough(s);
		}
	}
	s->d->n_priced += n_priced;
}

static void list_prefill_halves(struct place *s)
{
	struct sl_router *r = s->r;
	const struct passing *p = &r->passing;

	for (uint32_t i = 0; i < p->n_prefill; i++) {
		uint32_t slot = p->prefill[i];
		struct shortlist *best = &r->prefill_best[r->endpoints[slot].group];

		if (!may_prefill(s, slot) ||
		    !shortlist_may_keep(best, prefill_half_floor_ms(s, slot), slot, SL_NO_ENDPOINT,
		                        s->salt))
			continue;
		price_prefill_half(s, slot, best->spare);
		shortlist_add(best, s->salt);
	}
}

static void list_decode_halves(struct place *s)
{
	struct sl_router *r = s->r;
	const struct passing *p = &r->passing;

	for (uint32_t i = 0; i < p->n_serve; i++) {
		struct shortlist *best = &r->decode_best[r->endpoints[p->serve[i]].group];

		r->single_floor_ms[i] = 0;
		if (may_take_handoff(s, p->serve[i]) &&
		    price_decode_half(s, p->serve[i], best->enough_ms, best->spare,
		                      &r->single_floor_ms[i]))
			shortlist_add(best, s->salt);
	}
}

static void list_halves(struct place *s)
{
	struct sl_router *r = s->r;

	for (uint32_t g = 0; g < r->n_groups; g++) {
		shortlist_reset(&r->prefill_best[g]);
		shortlist_reset(&r->decode_best[g]);
	}
	list_prefill_halves(s);
	list_decode_halves(s);
}

/* While hand-offs wait for memory, this one waits as its prompt is prefilled:
 * of M what outlasts that is left. Where nobody waits yet, M is a warning that
 * memory fills, and counts in full. */
static void take_meanwhile(const struct place *s, struct sl_candidate *c)
{
	double meanwhile = c->queue_ms + c->prefill_ms;

	if (meanwhile > c->memory_ms)
		meanwhile = c->memory_ms;
	c->memory_ms -= meanwhile;
	c->cost_ms -= s->r->cost.weight_ttft * meanwhile;
}

/* Both lists are in order of cost. Where a wait is shared, a pair costs less
 * than its halves; but one whose halves cost more than what was found already
 * is not tried: measured, it fills the engines that wait longest. */
static void offer_partners(struct place *s, const struct sl_candidate *p, const struct shortlist *d)
{
	bool meanwhile = state_handoffs_wait(s->r);

	for (uint32_t i = 0; i < d->n; i++) {
		struct sl_candidate *c = s->r->best.spare;

		if (p->cost_ms + d->rank[i].cost_ms > enough(s))
			break;
		join(p, d->rank[i].c, c);
		if (meanwhile)
			take_meanwhile(s, c);
		offer(s);
	}
}

/* False: there is nothing to pair. */
static bool offer_pairs(struct place *s)
{
	if (s->r->passing.n_prefill == 0)
		return false;
	list_halves(s);
	for (uint32_t g = 0; g < s->r->n_groups; g++) {
		const struct shortlist *p = &s->r->prefill_best[g], *d = &s->r->decode_best[g];

		for (uint32_t i = 0; i < p->n; i++)
			offer_partners(s, p->rank[i].c, d);
		s->d->n_priced += p->n * d->n;
	}
	return true;
}

/* The prefill is done: only the decode half is chosen. */
static void offer_decodes(struct place *s)
{
	const struct passing *p = &s->r->passing;

	for (uint32_t i = 0; i < p->n_serve; i++) {
		struct sl_candidate *c = s->r->best.spare;
		double floor_ms;

		if (!may_take_handoff(s, p->serve[i]))
			continue;
		s->d->n_priced++;
		if (!price_decode_half(s, p->serve[i], enough(s), c, &floor_ms))
			continue;
		c->prefill_ep = s->q->prefill_ep;
		offer(s);
	}
}

static void offer_all(struct place *s)
{
	const struct passing *p = &s->r->passing;
	bool paired = false;

	if (s->q->decode_only) {
		offer_decodes(s);
		return;
	}
	/* Pairs first: most engines that decode need not be looked at again. */
	if (!s->q->no_decode)
		paired = offer_pairs(s);
	if (may_be_single(s))
		offer_singles(s, p->serve, paired ? s->r->single_floor_ms : NULL, p->n_serve);
	if (s->q->no_decode && s->r->best.n == 0)
		offer_singles(s, p->prefill, NULL, p->n_prefill);
}

/* A session stays where its cache is, the others are as likely as each other. */
static const struct sl_candidate *pick_from_band(struct place *s, uint32_t n)
{
	const struct sl_candidate *band = s->r->band;

	for (uint32_t i = 0; i < n; i++)
		if (band[i].decode_ep == s->r->home)
			return &band[i];
	return &band[sl_rng_next(s->rng) % n];
}

static void choose_best(struct place *s)
{
	struct sl_decision *d = s->d;
	struct sl_candidate *band = s->r->band;
	uint32_t n = 0, at = 0;

	d->n_kept = s->r->best.n;
	for (uint32_t i = 0; i < d->n_kept; i++)
		d->kept[i] = *s->r->best.rank[i].c;
	d->chosen = d->kept[0];
	for (uint32_t i = 0; i < s->n_band; i++)
		if (band[i].cost_ms <= d->kept[0].cost_ms + s->band_ms)
			band[n++] = band[i];
	if (n > 1) {
		d->chosen = *pick_from_band(s, n);
		d->banded = true;
		while (at < d->n_kept && (d->kept[at].prefill_ep != d->chosen.prefill_ep ||
		                          d->kept[at].decode_ep != d->chosen.decode_ep))
			at++;
		if (at == d->n_kept)
			d->kept[--at] = d->chosen;
	}
	d->runner_up = d->n_kept == 1 ? 1 : at == 0 ? 1 : 0;
}

static bool search_cost(struct place *s)
{
	s->n_band = 0;
	s->best_ms = HUGE_VAL;
	shortlist_reset(&s->r->best);
	offer_all(s);
	if (s->r->best.n == 0)
		return false;
	choose_best(s);
	return true;
}

/* ---- the other policies ---------------------------------------------- */

static uint32_t pick(struct place *s, uint32_t n, uint32_t *turn)
{
	return pick_endpoint(s->r, s->q, s->rng, n, turn);
}

/* Those that may prefill a hand-off inside this group. */
static uint32_t list_prefills(struct place *s, uint32_t group)
{
	const struct passing *p = &s->r->passing;
	uint32_t n = 0;

	if (s->q->no_decode)
		return 0;
	for (uint32_t i = 0; i < p->n_prefill; i++)
		if (s->r->endpoints[p->prefill[i]].group == group && may_prefill(s, p->prefill[i]))
			s->r->picks[n++] = p->prefill[i];
	return n;
}

/* What answers the client: any engine that decodes, a prefill engine only
 * where nothing is decoded and nobody else is there. */
static uint32_t list_servers(struct place *s)
{
	const struct passing *p = &s->r->passing;
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n_serve; i++)
		if (s->q->decode_only ? may_take_handoff(s, p->serve[i])
		                      : may_prefill(s, p->serve[i]))
			s->r->picks[n++] = p->serve[i];
	if (n > 0 || !s->q->no_decode)
		return n;
	for (uint32_t i = 0; i < p->n_prefill; i++)
		if (may_prefill(s, p->prefill[i]))
			s->r->picks[n++] = p->prefill[i];
	return n;
}

/* A remote placement wherever there is a prefill engine for it. */
static bool make_pair(struct place *s, uint32_t server, struct sl_candidate *out)
{
	struct sl_candidate p = { 0 }, d = { 0 };
	double floor_ms;
	uint32_t n = 0;

	if (may_take_handoff(s, server))
		n = list_prefills(s, s->r->endpoints[server].group);
	if (n == 0)
		return false;
	price_prefill_half(s, pick(s, n, &s->r->turn_prefill), &p);
	price_decode_half(s, server, HUGE_VAL, &d, &floor_ms);
	join(&p, &d, out);
	return true;
}

static bool search_plain(struct place *s)
{
	struct sl_candidate *c = &s->d->chosen;
	uint32_t n = list_servers(s), server;
	double floor_ms;

	if (n == 0)
		return false;
	server = pick(s, n, &s->r->turn_serve);
	if (s->q->decode_only) {
		price_decode_half(s, server, HUGE_VAL, c, &floor_ms);
		c->prefill_ep = s->q->prefill_ep;
	} else if (!make_pair(s, server, c)) {
		if (!may_be_single(s))
			return false;
		shortlist_reset(&s->r->best);
		offer_singles(s, &server, NULL, 1);
		*c = *s->r->best.rank[0].c;
	}
	s->d->kept[0] = *c;
	s->d->n_kept = s->d->n_priced = s->d->runner_up = 1;
	return true;
}

/* ---- cut off from the other gateways --------------------------------- */

static bool is_cut_off(const struct place *s)
{
	return s->q->staleness_us >= CUT_OFF_US && may_be_single(s) &&
	       rendezvous_is_cold(s->r, s->q);
}

/* Which engines: as every gateway would say. Which of them, and which placement:
 * the first, unless the other one is cheaper by more than epsilon. One engine
 * alone would get the long prompts of many gateways at once, and a bound on
 * requests does not know how long they are. */
static bool search_agreed(struct place *s)
{
	uint32_t servers[RENDEZVOUS_CHOICES], n = list_servers(s);

	if (n == 0)
		return false;
	n = rendezvous_choices(s->r, s->r->picks, n, rendezvous_key(s->r, s->q), servers);
	if (s->r->home == SL_NO_ENDPOINT)
		s->r->home = servers[0];
	s->n_band = 0;
	s->best_ms = HUGE_VAL;
	shortlist_reset(&s->r->best);
	offer_singles(s, servers, NULL, n);
	for (uint32_t i = 0; i < n; i++) {
		if (!make_pair(s, servers[i], s->r->best.spare))
			continue;
		offer(s);
		s->d->n_priced++;
	}
	choose_best(s);
	return true;
}

/* ---- all policies ---------------------------------------------------- */

static void ask(struct place *s)
{
	const struct sl_facts *facts = s->q->facts;
	const struct model *m = &s->r->models.list[s->q->model];
	double tokens = sl_router_estimate_tokens(s->r, s->q->model, facts);
	double output = 0;

	if (!s->q->no_decode)
		output = learn_model_output(&m->learned, facts->max_tokens);
	cost_request_init(&s->rq, &s->r->cost, tokens, output, state_request_seqs(facts));
	s->most_hit = s->rq.tokens - 1;
	s->adapter = m->adapter;
	s->tokens_per_byte = facts->prompt_bytes ? s->rq.tokens / (double)facts->prompt_bytes : 0;
	s->d->prompt_tokens = s->rq.tokens;
	s->d->output_tokens = output;
}

/* Engines of the final rank's other side took no part for their health. */
static uint32_t count_unhealthy(const struct place *s)
{
	const struct passing *p = &s->r->passing;
	uint32_t n = 0;

	if (s->q->decode_only || p->worst_rank <= s->rank)
		return 0;
	for (uint32_t i = 0; i < p->n_serve; i++)
		n += !may_prefill(s, p->serve[i]) &&
		     !(p->n_prefill && may_take_handoff(s, p->serve[i]));
	for (uint32_t i = 0; i < p->n_prefill; i++)
		n += !may_prefill(s, p->prefill[i]);
	return n;
}

static bool search(struct place *s)
{
	if (router_policy(s->r, s->q->model) != SL_POLICY_COST)
		return search_plain(s);
	return (is_cut_off(s) && search_agreed(s)) || search_cost(s);
}

bool place_search(struct sl_router *r, const struct sl_query *q, uint64_t now_us,
                  struct sl_rng *rng, struct sl_decision *d)
{
	struct place s = { .r = r, .q = q, .now_us = now_us, .rng = rng, .d = d };
	bool found = false;

	ask(&s);
	s.salt = sl_rng_next(rng);
	s.band_ms = cost_band_ms(q->staleness_us);
	s.base_hit = s.sent_hit = -1;
	for (s.rank = 0; !found && s.rank <= FILTER_MAX_RANK; s.rank++)
		found = search(&s);
	if (!found)
		return false;
	s.rank--;
	d->filtered[SL_FILTER_HEALTH] += count_unhealthy(&s);
	d->predicted_ttft_ms = ttft_ms(&d->chosen);
	return true;
}
