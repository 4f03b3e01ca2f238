/* property_test.c: what holds of every decision, in whatever state the fleet
 * is: nobody who was filtered takes part, the cheapest of all placements is
 * found, the order of engines does not matter, and a replay is equal.
 *
 * The reference prices every engine and every pair by cost.h, without lists,
 * bounds or remembered terms. */
#include <math.h>

#include "tests/unit/routing/fleet_help.h"

#define STEPS 60

/* The same sum, added up in another order. */
static bool alike(double a, double b)
{
	return fabs(a - b) <= 1e-12 * fmax(fabs(a), fabs(b));
}

/* ---- never a filtered engine ---------------------------------------------- */

static bool may_take_part(const struct fleet *f, const struct fleet_decision *fd,
                          const struct sl_candidate *c)
{
	const struct sl_query *q = &fd->query;

	if (c->placement == SL_PLACE_NONE || !fleet_may_serve(f, q, c->decode_ep))
		return false;
	if (q->pinned_decode != SL_NO_ENDPOINT && c->decode_ep != q->pinned_decode)
		return false;
	if (q->decode_only)
		return c->prefill_ep == q->prefill_ep &&
		       fleet_may_pair(f, c->prefill_ep, c->decode_ep);
	if (c->placement != SL_PLACE_REMOTE)
		return c->prefill_ep == c->decode_ep &&
		       (q->no_decode ||
		        f->spec[fleet_engine(f, c->decode_ep)].role != SL_ROLE_PREFILL);
	return !q->single_engine && fleet_may_serve(f, q, c->prefill_ep) &&
	       fleet_may_pair(f, c->prefill_ep, c->decode_ep);
}

static void check_kept(const struct fleet *f, const struct fleet_decision *fd)
{
	const struct sl_decision *d = &fd->decision;
	uint32_t n_filtered = 0;
	bool chosen_is_kept = false;

	fleet_assert(f, may_take_part(f, fd, &d->chosen));
	fleet_assert(f, d->n_kept >= 1 && d->n_kept <= d->n_priced);
	for (uint32_t i = 0; i < d->n_kept; i++) {
		const struct sl_candidate *c = &d->kept[i];

		fleet_assert(f, may_take_part(f, fd, c));
		fleet_assert(f, c->hit_tokens >= 0);
		fleet_assert(f, c->hit_tokens <= d->prompt_tokens - 1);
		chosen_is_kept |= c->prefill_ep == d->chosen.prefill_ep &&
		                  c->decode_ep == d->chosen.decode_ep;
	}
	fleet_assert(f, chosen_is_kept);
	for (uint32_t i = 0; i < SL_FILTER_COUNT; i++)
		n_filtered += d->filtered[i];
	fleet_assert(f, n_filtered < f->n);
}

static void nobody_filtered_takes_part(void **state)
{
	uint32_t made = 0, failed = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 600; seed++) {
		static struct fleet f;

		fleet_open(&f, seed, seed % 2, NULL);
		for (uint32_t i = 0; i < STEPS; i++) {
			struct fleet_decision fd = fleet_step(&f);

			if (!fd.made)
				continue;
			made += fd.err == 0;
			failed += fd.err != 0;
			if (fd.err == 0)
				check_kept(&f, &fd);
			fleet_dispatch(&f, &fd);
		}
		fleet_close(&f);
	}
	assert_true(made > 10000 && failed > 300);
}

/* ---- every placement, one by one ------------------------------------------ */

static struct cost_engine state_of(const struct fleet *f, const struct endpoint *ep)
{
	double foreign =
	        ep->foreign_us ? decay_keep(&f->r->foreign_decay, ep->foreign_us, f->now_us) : 0;
	struct cost_engine e = {
		.slow = ep->slow,
		.queue_ms = ledger_queue_ms(&ep->ledger, f->now_us) +
		            foreign * ep->foreign_waiting * f->r->mean_prefill_ms,
		.seqs = ep->ledger.seqs + foreign * ep->foreign_seqs,
		.context = (double)ep->ledger.context_tokens +
		           foreign * ep->foreign_seqs * f->r->mean_context,
		.capacity = ep->capacity,
		.busy = fmin(0.9, ep->busy * decay_keep(&f->r->busy_decay, ep->busy_us, f->now_us)),
	};

	if (ep->peers) {
		e.seqs += ep->peers->sum.seqs;
		e.context += (double)ep->peers->sum.context_tokens;
		e.queue_ms += (double)ep->peers->sum.queue_us / 1000;
	}
	e.displaces = cost_displaces(ep->full, ep->spec.role == SL_ROLE_BOTH, e.busy);
	return e;
}

struct reference {
	const struct fleet *f;
	const struct sl_query *q;
	struct cost_request rq;
	double tokens_per_byte;
	uint32_t rank;     /* the worst health that may prefill */
	bool decodes_well; /* UNKNOWN decodes no hand-off */
	double cost_ms[FLEET_ENGINES * (FLEET_ENGINES + 1)];
	uint32_t n;
};

static double held_tokens(const struct reference *ref, uint32_t slot)
{
	const struct sl_router *r = ref->f->r;
	double hit =
	        r->endpoints[slot].gamma * ref->tokens_per_byte * index_matched(&r->index, slot);

	return fmin(hit, ref->rq.tokens - 1);
}

/* Q + Tp, and S. */
static double prefill_cost(const struct reference *ref, uint32_t slot, bool stalls)
{
	const struct cost_model *m = &ref->f->r->cost;
	struct cost_engine e = state_of(ref->f, &ref->f->r->endpoints[slot]);
	double base = cost_prefill_base_ms(m, &ref->rq, held_tokens(ref, slot));
	double tp = cost_prefill_ms(m, &e, base);
	double shared = cost_shared_base_ms(m, &ref->rq, held_tokens(ref, slot));

	return m->weight_ttft * (e.queue_ms + tp) + m->weight_cache * cost_cache_ms(&e, tp) +
	       (stalls ? m->weight_stall * cost_stall_ms(&e, cost_prefill_ms(m, &e, base - shared))
	               : 0);
}

/* M + tau, D, and X where the prompt comes from elsewhere. */
static double decode_cost(const struct reference *ref, uint32_t slot, bool transfers)
{
	const struct cost_model *m = &ref->f->r->cost;
	const struct endpoint *ep = &ref->f->r->endpoints[slot];
	struct cost_engine e = state_of(ref->f, ep);
	double before = cost_memory_ms(m, &ref->rq, &e);

	if (ep->spec.role == SL_ROLE_DECODE && ref->rq.output > 0)
		before += cost_step_ms(m, &e, e.seqs, e.context);
	if (transfers)
		before += cost_transfer_ms(m, &ref->rq, held_tokens(ref, slot));
	return m->weight_ttft * before + m->weight_decode * cost_decode_ms(m, &ref->rq, &e);
}

static bool may_prefill(const struct reference *ref, uint32_t slot)
{
	static const uint32_t rank[] = { [SL_HEALTH_HEALTHY] = 0,
		                         [SL_HEALTH_UNKNOWN] = 1,
		                         [SL_HEALTH_DEGRADED] = 2,
		                         [SL_HEALTH_UNHEALTHY] = 9 };

	return fleet_may_serve(ref->f, ref->q, slot) &&
	       rank[ref->f->r->endpoints[slot].health] <= ref->rank;
}

static bool may_take_handoff(const struct reference *ref, uint32_t slot)
{
	const struct sl_endpoint_spec *spec = &ref->f->r->endpoints[slot].spec;

	if (ref->q->pinned_decode != SL_NO_ENDPOINT && slot != ref->q->pinned_decode)
		return false;
	return spec->role == SL_ROLE_DECODE && spec->remote_prefill &&
	       fleet_may_serve(ref->f, ref->q, slot) &&
	       !(ref->decodes_well && ref->f->r->endpoints[slot].health == SL_HEALTH_UNKNOWN);
}

static void list_singles(struct reference *ref, bool of_prefill)
{
	const struct sl_router *r = ref->f->r;

	for (uint32_t i = 0; i < r->n_slots; i++)
		if (may_prefill(ref, i) &&
		    (r->endpoints[i].spec.role == SL_ROLE_PREFILL) == of_prefill)
			ref->cost_ms[ref->n++] =
			        prefill_cost(ref, i, true) + decode_cost(ref, i, false);
}

static void list_pairs(struct reference *ref)
{
	uint32_t n = ref->f->r->n_slots;

	for (uint32_t p = 0; p < n; p++)
		for (uint32_t d = 0; d < n; d++)
			if (fleet_may_pair(ref->f, p, d) && may_prefill(ref, p) &&
			    may_take_handoff(ref, d))
				ref->cost_ms[ref->n++] =
				        prefill_cost(ref, p, false) + decode_cost(ref, d, true);
}

static void list_all(struct reference *ref)
{
	const struct sl_query *q = ref->q;

	ref->n = 0;
	if (q->decode_only) {
		for (uint32_t d = 0; d < ref->f->r->n_slots; d++)
			if (fleet_may_pair(ref->f, q->prefill_ep, d) && may_take_handoff(ref, d))
				ref->cost_ms[ref->n++] = decode_cost(ref, d, true);
		return;
	}
	if (!q->no_decode && !q->single_engine)
		list_pairs(ref);
	if (q->pinned_decode == SL_NO_ENDPOINT)
		list_singles(ref, false);
	if (q->no_decode && ref->n == 0)
		list_singles(ref, true);
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The engines that decode well are those that pass for this query: of one
 * group where it is bound to one. */
static bool some_decode_well(struct reference *ref)
{
	const struct sl_query *q = ref->q;

	for (uint32_t d = 0; d < ref->f->r->n_slots; d++)
		if (may_take_handoff(ref, d) &&
		    !(q->decode_only && !fleet_may_pair(ref->f, q->prefill_ep, d)) &&
		    ref->f->r->endpoints[d].health != SL_HEALTH_UNKNOWN)
			return true;
	return false;
}

static void list_placements(struct reference *ref, const struct fleet *f,
                            const struct fleet_decision *fd)
{
	const struct sl_facts *facts = fd->query.facts;

	ref->f = f;
	ref->q = &fd->query;
	cost_request_init(&ref->rq, &f->r->cost, fd->decision.prompt_tokens,
	                  fd->decision.output_tokens, state_request_seqs(facts));
	ref->tokens_per_byte =
	        facts->prompt_bytes ? ref->rq.tokens / (double)facts->prompt_bytes : 0;
	ref->decodes_well = false;
	ref->decodes_well = some_decode_well(ref);
	ref->n = 0;
	for (ref->rank = 0; ref->rank <= 2 && ref->n == 0; ref->rank++)
		list_all(ref);
	qsort(ref->cost_ms, ref->n, sizeof(*ref->cost_ms), ascending);
}

/* True: it was compared with every placement, to the last. */
static bool check_cheapest(const struct fleet *f, const struct fleet_decision *fd)
{
	static struct reference ref;
	const struct sl_decision *d = &fd->decision;
	uint32_t n_kept;

	list_placements(&ref, f, fd);
	fleet_assert(f, (ref.n > 0) == (fd->err == 0));
	if (fd->err)
		return true;
	/* Hand-offs that wait share the wait: a pair then costs less than the sum. */
	if (state_handoffs_wait(f->r)) {
		fleet_assert(f, d->kept[0].cost_ms <= ref.cost_ms[0] * (1 + 1e-9));
		return false;
	}
	n_kept = ref.n < SL_KEPT_CANDIDATES ? ref.n : SL_KEPT_CANDIDATES;
	fleet_assert(f, d->n_kept == n_kept);
	if (d->banded) {
		fleet_assert(f, d->chosen.cost_ms <=
		                        (ref.cost_ms[0] + cost_band_ms(fd->query.staleness_us)) *
		                                (1 + 1e-9));
		n_kept--; /* the last one may be the chosen one */
	} else {
		fleet_assert(f, alike(d->chosen.cost_ms, ref.cost_ms[0]));
	}
	for (uint32_t i = 0; i < n_kept; i++)
		fleet_assert(f, alike(d->kept[i].cost_ms, ref.cost_ms[i]));
	return true;
}

/* Bounds, remembered terms and short lists change nothing: what is kept are
 * the cheapest of all engines and of all pairs. */
static void keeps_the_cheapest_of_all_placements(void **state)
{
	uint32_t placements[4] = { 0 }, waiting = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		static struct fleet f;

		fleet_open(&f, seed, false, NULL);
		for (uint32_t i = 0; i < STEPS; i++) {
			struct fleet_decision fd = fleet_step(&f);

			if (!fd.made)
				continue;
			if (check_cheapest(&f, &fd))
				placements[fd.err ? SL_PLACE_NONE : fd.decision.chosen.placement]++;
			else
				waiting++;
			fleet_dispatch(&f, &fd);
		}
		fleet_close(&f);
	}
	/* or this test would not have seen them */
	for (int i = 0; i < 4; i++)
		assert_true(placements[i] > 300);
	assert_true(waiting > 50);
}

/* ---- order ----------------------------------------------------------------- */

/* Made-up work, different on every engine, so that no two cost the same. */
static void charge(struct fleet *f, uint32_t engine, struct sl_ticket *t)
{
	struct sl_query q = fleet_query(f);
	struct sl_decision d = { .prompt_tokens = 1 + 50000 * help_unit(&f->rng),
		                 .output_tokens = 256 };

	q.decode_only = q.no_decode = false;
	d.chosen.placement = SL_PLACE_AGGREGATED;
	d.chosen.prefill_ep = d.chosen.decode_ep = f->slot[engine];
	d.chosen.prefill_ms = 1 + 800 * help_unit(&f->rng);
	sl_router_dispatch(f->r, &q, &d, f->now_us, t);
}

static void open_charged(struct fleet *f, uint64_t seed, const uint32_t *order)
{
	fleet_open(f, seed, seed % 2, order);
	for (uint32_t i = 0; i < f->n; i++)
		charge(f, i, &f->tickets[i]);
	for (uint32_t i = 0; i < f->n; i++)
		if (fleet_chance(f, 4))
			fleet_hear(f, f->slot[i]);
}

static void shuffle(uint32_t *order, uint32_t n, struct sl_rng *rng)
{
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (uint32_t i = n; i > 1; i--) {
		uint32_t k = help_below(rng, i), held = order[k];

		order[k] = order[i - 1];
		order[i - 1] = held;
	}
}

static void assert_same_engines(const struct fleet *a, const struct sl_decision *x,
                                const struct fleet *b, const struct sl_decision *y)
{
	fleet_assert(a, x->n_kept == y->n_kept);
	fleet_assert(a, !memcmp(x->filtered, y->filtered, sizeof(x->filtered)));
	for (uint32_t i = 0; i < x->n_kept; i++) {
		const struct sl_candidate *p = &x->kept[i], *q = &y->kept[i];

		fleet_assert(a, p->cost_ms == q->cost_ms);
		fleet_assert(a, p->placement == q->placement);
		fleet_assert(a, fleet_engine(a, p->prefill_ep) == fleet_engine(b, q->prefill_ep));
		fleet_assert(a, fleet_engine(a, p->decode_ep) == fleet_engine(b, q->decode_ep));
	}
}

static void the_order_of_engines_is_irrelevant(void **state)
{
	uint32_t made = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		static struct fleet a, b;
		uint32_t order[FLEET_ENGINES];
		struct sl_rng rng = { seed };

		open_charged(&a, seed, NULL);
		shuffle(order, a.n, &rng);
		open_charged(&b, seed, order);
		for (uint32_t k = 0; k < 20; k++) {
			struct fleet_decision x = { 0 }, y = { 0 };

			fleet_decide(&a, &x);
			fleet_decide(&b, &y);
			/* the choice in a band is by chance, and chance knows slots */
			fleet_assert(&a, x.err == y.err);
			if (x.err || x.decision.banded || y.decision.banded)
				continue;
			assert_same_engines(&a, &x.decision, &b, &y.decision);
			made++;
		}
		fleet_close(&a);
		fleet_close(&b);
	}
	assert_true(made > 3000);
}

/* ---- replay ---------------------------------------------------------------- */

static void assert_equal_decisions(const struct fleet *f, const struct fleet_decision *x,
                                   const struct fleet_decision *y)
{
	const struct sl_decision *a = &x->decision, *b = &y->decision;

	fleet_assert(f, x->made == y->made && x->err == y->err);
	if (!x->made || x->err)
		return;
	fleet_assert(f, a->n_kept == b->n_kept && a->n_priced == b->n_priced);
	fleet_assert(f, a->runner_up == b->runner_up && a->banded == b->banded);
	fleet_assert(f, !memcmp(&a->chosen, &b->chosen, sizeof(a->chosen)));
	fleet_assert(f, !memcmp(a->kept, b->kept, a->n_kept * sizeof(*a->kept)));
	fleet_assert(f, !memcmp(a->filtered, b->filtered, sizeof(a->filtered)));
	fleet_assert(f, a->predicted_ttft_ms == b->predicted_ttft_ms);
}

static void a_replay_is_equal(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		static struct fleet a, b;

		fleet_open(&a, seed, seed % 2, NULL);
		fleet_open(&b, seed, seed % 2, NULL);
		for (uint32_t i = 0; i < 2 * STEPS; i++) {
			struct fleet_decision x = fleet_step(&a), y = fleet_step(&b);

			assert_equal_decisions(&a, &x, &y);
			if (x.made) {
				fleet_dispatch(&a, &x);
				fleet_dispatch(&b, &y);
			}
		}
		fleet_assert(&a, a.rng.state == b.rng.state && a.draws.state == b.draws.state);
		fleet_assert(&a, a.r->index.entries.n_live == b.r->index.entries.n_live);
		fleet_close(&a);
		fleet_close(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_filtered_takes_part),
		cmocka_unit_test(keeps_the_cheapest_of_all_placements),
		cmocka_unit_test(the_order_of_engines_is_irrelevant),
		cmocka_unit_test(a_replay_is_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
