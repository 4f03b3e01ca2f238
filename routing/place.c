/* place.c: see place.h. */
#include "routing/place.h"

#include <assert.h>

#include "routing/pick.h"
#include "routing/price.h"
#include "routing/rendezvous.h"

/* Of the age of what is known of other gateways: from here on they are on
 * their own. */
#define CUT_OFF_US 1000000u

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
