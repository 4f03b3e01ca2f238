/* place_test.c: the chosen placement against all placements there are, priced
 * here one by one; chance among equals; and the plain policies. */
#include <math.h>

#include "routing/state.h"
#include "tests/unit/routing/route_help.h"

#define MAX_ENGINES 40

struct world {
	struct sl_router *r;
	struct sl_rng rng;
	uint64_t now_us;
	struct prompt prompts[12];
	struct sl_ticket tickets[400];
	uint32_t n_tickets;
};

/* A random fleet in the middle of random work. `order` permutes the order in
 * which the endpoints were added and changes nothing else. */
static void world_init(struct world *w, uint64_t seed, uint32_t n, const uint32_t *order)
{
	struct sl_rng rng = { seed * 2 + 1 };
	struct sl_endpoint_spec specs[MAX_ENGINES];
	uint32_t slot_of[MAX_ENGINES], shape = help_below(&rng, 3);

	*w = (struct world){ .rng = { seed + 77 }, .now_us = 5000000 };
	w->r = help_router(SL_POLICY_COST);
	for (uint32_t i = 0; i < n; i++)
		specs[i] = (struct sl_endpoint_spec){
			.role = shape == 0   ? SL_ROLE_BOTH
			        : shape == 1 ? (i % 3 ? SL_ROLE_DECODE : SL_ROLE_PREFILL)
			                     : (enum sl_role)help_below(&rng, 3),
			.kv_group = help_below(&rng, 2),
			.remote_prefill = help_below(&rng, 8) > 0,
		};
	specs[0].role = shape == 0 ? SL_ROLE_BOTH : SL_ROLE_DECODE;
	for (uint32_t i = 0; i < n; i++)
		slot_of[order[i]] = help_add_spec(w->r, specs[order[i]]);
	for (uint32_t i = 0; i < SL_COUNT(w->prompts); i++)
		prompt_init(&w->prompts[i], i % 2, 4096, i,
		            1000 + help_below(&rng, 1u << (10 + i)));
	/* the same work on the same engines, whatever their slots */
	for (uint32_t k = 0; k < 8 * n; k++) {
		struct sl_query q = help_query(w->r, &w->prompts[help_below(&rng, 12)]);
		struct sl_ticket *t = &w->tickets[w->n_tickets];
		struct sl_decision d = { 0 };
		uint32_t at = slot_of[help_below(&rng, n)];

		w->now_us += 1000;
		d.chosen = (struct sl_candidate){
			.placement = SL_PLACE_AGGREGATED,
			.prefill_ep = at,
			.decode_ep = at,
			.prefill_ms = 300 * help_unit(&rng),
		};
		d.prompt_tokens = (double)q.facts->prompt_bytes / 4;
		d.output_tokens = 256;
		sl_router_dispatch(w->r, &q, &d, w->now_us, t);
		if (help_below(&rng, 3) == 0)
			sl_router_cancel(w->r, t, q.facts, SL_BLAME_NONE, w->now_us);
		else
			w->n_tickets++;
		if (t->live && help_below(&rng, 2))
			ledger_close_prefill(&w->r->endpoints[at].ledger, t, w->now_us);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct endpoint *ep = &w->r->endpoints[slot_of[i]];

		ep->slow = 0.5 + 2 * help_unit(&rng);
		ep->gamma = 0.25 + help_unit(&rng);
		sl_router_endpoint_health(w->r, slot_of[i],
		                          (enum sl_health)(help_below(&rng, 10) > 1), 0);
		if (help_below(&rng, 4) == 0) {
			ep->foreign_seqs = help_below(&rng, 50);
			ep->foreign_waiting = help_below(&rng, 5);
			ep->foreign_us = w->now_us - help_below(&rng, 3000000);
		}
		if (help_below(&rng, 6) == 0)
			ep->capacity = 20000;
	}
	sl_router_endpoint_health(w->r, slot_of[0], SL_HEALTH_HEALTHY, 0);
}

static void world_fini(struct world *w)
{
	sl_router_free(w->r);
	for (uint32_t i = 0; i < SL_COUNT(w->prompts); i++)
		prompt_fini(&w->prompts[i]);
}

/* ---- all placements, one by one ----------------------------------------- */

static struct cost_engine state_of(const struct world *w, const struct endpoint *ep)
{
	double foreign =
	        ep->foreign_us ? decay_keep(&w->r->foreign_decay, ep->foreign_us, w->now_us) : 0;
	struct cost_engine e = {
		.slow = ep->slow,
		.queue_ms = ledger_queue_ms(&ep->ledger, w->now_us) +
		            foreign * ep->foreign_waiting * w->r->mean_prefill_ms,
		.seqs = ep->ledger.seqs + foreign * ep->foreign_seqs,
		.context = (double)ep->ledger.context_tokens +
		           foreign * ep->foreign_seqs * w->r->mean_context,
		.capacity = ep->capacity,
		.busy = ep->busy * decay_keep(&w->r->busy_decay, ep->busy_us, w->now_us),
	};

	if (e.busy > 0.9)
		e.busy = 0.9;
	e.displaces = cost_displaces(ep->full, ep->spec.role == SL_ROLE_BOTH, e.busy);
	return e;
}

static double held_tokens(const struct world *w, uint32_t slot, const struct sl_facts *facts,
                          double n)
{
	const struct endpoint *ep = &w->r->endpoints[slot];
	double hit;

	index_match(&w->r->index, facts->blocks, facts->n_blocks);
	hit = ep->gamma * index_matched(&w->r->index, slot) / 4;
	return hit < n - 1 ? hit : n - 1;
}

static double price(const struct world *w, const struct sl_facts *facts, uint32_t p, uint32_t d)
{
	const struct cost_model *m = &w->r->cost;
	const struct endpoint *pe = &w->r->endpoints[p], *de = &w->r->endpoints[d];
	struct cost_engine ps = state_of(w, pe), ds = state_of(w, de);
	struct cost_request rq;
	double hit = held_tokens(w, p, facts, (double)facts->prompt_bytes / 4);
	double base, tp, cost;

	cost_request_init(&rq, m, (double)facts->prompt_bytes / 4, 256, 1);
	base = cost_prefill_base_ms(m, &rq, hit);
	tp = cost_prefill_ms(m, &ps, base);
	cost = ps.queue_ms + tp + cost_cache_ms(&ps, tp) + cost_memory_ms(m, &rq, &ds) +
	       0.15 * cost_decode_ms(m, &rq, &ds);
	if (de->spec.role == SL_ROLE_DECODE)
		cost += cost_step_ms(m, &ds, ds.seqs, ds.context);
	if (p != d)
		return cost + cost_transfer_ms(m, &rq, held_tokens(w, d, facts, rq.tokens));
	base -= cost_shared_base_ms(m, &rq, hit);
	return cost + 0.12 * cost_stall_ms(&ds, cost_prefill_ms(m, &ds, base));
}

static bool possible(const struct world *w, uint32_t p, uint32_t d, bool healthy)
{
	const struct endpoint *pe = &w->r->endpoints[p], *de = &w->r->endpoints[d];

	if (healthy && (pe->health != SL_HEALTH_HEALTHY || de->health != SL_HEALTH_HEALTHY))
		return false;
	if (p == d)
		return pe->spec.role != SL_ROLE_PREFILL;
	return pe->spec.role == SL_ROLE_PREFILL && de->spec.role == SL_ROLE_DECODE &&
	       pe->spec.remote_prefill && de->spec.remote_prefill &&
	       pe->spec.kv_group == de->spec.kv_group;
}

static void assert_sane(const struct world *w, const struct sl_decision *d)
{
	bool chosen_is_kept = false;

	for (uint32_t i = 0; i < d->n_kept; i++) {
		const struct sl_candidate *c = &d->kept[i];

		assert_true(i == 0 || c->cost_ms >= d->kept[i - 1].cost_ms);
		assert_true(possible(w, c->prefill_ep, c->decode_ep, true));
		assert_int_equal(c->placement == SL_PLACE_REMOTE, c->prefill_ep != c->decode_ep);
		chosen_is_kept |= c->prefill_ep == d->chosen.prefill_ep &&
		                  c->decode_ep == d->chosen.decode_ep;
	}
	assert_true(chosen_is_kept);
	assert_true(d->n_kept <= d->n_priced);
	assert_true(d->runner_up <= d->n_kept);
	if (d->runner_up < d->n_kept)
		assert_false(d->kept[d->runner_up].prefill_ep == d->chosen.prefill_ep &&
		             d->kept[d->runner_up].decode_ep == d->chosen.decode_ep);
}

static void shuffle(uint32_t *order, uint32_t n, struct sl_rng *rng)
{
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (uint32_t i = n; rng && i > 1; i--) {
		uint32_t k = help_below(rng, i), held = order[k];

		order[k] = order[i - 1];
		order[i - 1] = held;
	}
}

static void chooses_the_cheapest_of_all(void **state)
{
	uint32_t placements[4] = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		static struct world w;
		uint32_t order[MAX_ENGINES], n = 1 + (uint32_t)seed % MAX_ENGINES;

		shuffle(order, n, NULL);
		world_init(&w, seed, n, order);
		for (uint32_t k = 0; k < SL_COUNT(w.prompts); k++) {
			struct sl_query q = help_query(w.r, &w.prompts[k]);
			struct sl_decision d;
			double best = HUGE_VAL;

			assert_int_equal(sl_router_decide(w.r, &q, w.now_us, &w.rng, &d), 0);
			for (uint32_t i = 0; i < n; i++)
				for (uint32_t j = 0; j < n; j++)
					if (possible(&w, i, j, true))
						best = fmin(best, price(&w, q.facts, i, j));
			assert_true(fabs(d.chosen.cost_ms - best) <= 1e-9 * best);
			assert_true(
			        fabs(price(&w, q.facts, d.chosen.prefill_ep, d.chosen.decode_ep) -
			             best) <= 1e-9 * best);
			assert_sane(&w, &d);
			placements[d.chosen.placement]++;
		}
		world_fini(&w);
	}
	/* or this test would not have seen them */
	assert_true(placements[SL_PLACE_AGGREGATED] > 300);
	assert_true(placements[SL_PLACE_LOCAL] > 300);
	assert_true(placements[SL_PLACE_REMOTE] > 300);
}

static void the_order_of_endpoints_is_irrelevant(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		static struct world a, b;
		uint32_t order[MAX_ENGINES], n = 2 + (uint32_t)seed % (MAX_ENGINES - 2);
		struct sl_rng rng = { seed };

		shuffle(order, n, NULL);
		world_init(&a, seed, n, order);
		shuffle(order, n, &rng);
		world_init(&b, seed, n, order);
		for (uint32_t k = 0; k < SL_COUNT(a.prompts); k++) {
			struct sl_query qa = help_query(a.r, &a.prompts[k]);
			struct sl_query qb = help_query(b.r, &b.prompts[k]);
			struct sl_decision da, db;

			assert_int_equal(sl_router_decide(a.r, &qa, a.now_us, &a.rng, &da), 0);
			assert_int_equal(sl_router_decide(b.r, &qb, b.now_us, &b.rng, &db), 0);
			assert_true(da.chosen.cost_ms == db.chosen.cost_ms);
			assert_int_equal(da.n_kept, db.n_kept);
			for (uint32_t i = 0; i < da.n_kept; i++)
				assert_true(da.kept[i].cost_ms == db.kept[i].cost_ms);
		}
		world_fini(&a);
		world_fini(&b);
	}
}

static void a_replay_is_equal(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		static struct world a, b;
		uint32_t order[MAX_ENGINES], n = 1 + (uint32_t)seed % MAX_ENGINES;

		shuffle(order, n, NULL);
		world_init(&a, seed, n, order);
		world_init(&b, seed, n, order);
		for (uint32_t k = 0; k < 50; k++) {
			struct sl_query qa = help_query(a.r, &a.prompts[k % 12]);
			struct sl_query qb = help_query(b.r, &b.prompts[k % 12]);
			struct sl_ticket *ta = calloc(2, sizeof(*ta));
			struct sl_decision da, db;

			qa.staleness_us = qb.staleness_us = k * 5000;
			a.now_us = b.now_us += 777;
			da = help_send(a.r, &qa, a.now_us, &a.rng, &ta[0]);
			db = help_send(b.r, &qb, b.now_us, &b.rng, &ta[1]);
			assert_memory_equal(&da, &db, sizeof(da));
			assert_true(a.rng.state == b.rng.state);
			sl_router_finish(a.r, &ta[0], &help_unknown, a.now_us + 500);
			sl_router_finish(b.r, &ta[1], &help_unknown, b.now_us + 500);
			free(ta);
		}
		world_fini(&a);
		world_fini(&b);
	}
}

/* ---- chance --------------------------------------------------------------- */

static void assert_uniform(const uint32_t *count, uint32_t n, uint32_t total)
{
	double chi2 = 0, expected = (double)total / n;

	for (uint32_t i = 0; i < n; i++)
		chi2 += (count[i] - expected) * (count[i] - expected) / expected;
	/* n - 1 degrees of freedom; six deviations above their mean */
	assert_true(chi2 < n - 1 + 6 * sqrt(2.0 * (n - 1)));
}

static void an_idle_fleet_is_used_evenly(void **state)
{
	uint32_t count[24] = { 0 }, decodes[24] = { 0 };
	struct sl_rng rng = { 4 };
	struct sl_router *r = help_router(SL_POLICY_COST);
	struct sl_query q;
	struct prompt p;

	(void)state;
	prompt_init(&p, 1, 8192, 1, 20000);
	q = help_query(r, &p);
	for (int i = 0; i < 24; i++)
		help_add(r, SL_ROLE_BOTH);
	for (int i = 0; i < 24000; i++) {
		struct sl_decision d;

		assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
		count[d.chosen.prefill_ep]++;
	}
	assert_uniform(count, 24, 24000);
	sl_router_free(r);

	/* both sides of pairs, of which there are more than the lists hold */
	r = help_router(SL_POLICY_COST);
	memset(count, 0, sizeof(count));
	for (int i = 0; i < 12; i++)
		help_add(r, SL_ROLE_PREFILL);
	for (int i = 0; i < 12; i++) {
		uint32_t ep = help_add(r, SL_ROLE_DECODE);

		sl_router_endpoint_health(r, ep, SL_HEALTH_DEGRADED, 0);
	}
	q = help_query(r, &p);
	for (int i = 0; i < 24000; i++) {
		struct sl_decision d;

		assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
		assert_int_equal(d.chosen.placement, SL_PLACE_REMOTE);
		count[d.chosen.prefill_ep]++;
		decodes[d.chosen.decode_ep - 12]++;
	}
	assert_uniform(count, 12, 24000);
	assert_uniform(decodes, 12, 24000);
	sl_router_free(r);
	prompt_fini(&p);
}

/* Old knowledge: everybody within 100 ms of the best is as good. */
static void the_band_widens_with_staleness(void **state)
{
	uint32_t count[16] = { 0 };
	struct sl_ticket t[16];
	struct sl_rng rng = { 4 };
	struct sl_router *r = help_router(SL_POLICY_COST);
	struct sl_query q;
	struct prompt p;

	(void)state;
	prompt_init(&p, 1, 0, 1, 200);
	q = help_query(r, &p);
	/* queues of 0, 10, ... 150 ms */
	for (uint32_t i = 0; i < 16; i++) {
		struct sl_decision d = { .prompt_tokens = 1 };
		uint32_t ep = help_add(r, SL_ROLE_BOTH);

		d.chosen.placement = SL_PLACE_AGGREGATED;
		d.chosen.prefill_ep = d.chosen.decode_ep = ep;
		d.chosen.prefill_ms = 10 * i;
		sl_router_dispatch(r, &q, &d, 0, &t[i]);
		r->endpoints[ep].busy = 0;
	}
	for (int i = 0; i < 3300; i++) {
		struct sl_decision d;

		q.staleness_us = 20000;
		assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
		assert_int_equal(d.chosen.decode_ep, 0);
		assert_false(d.banded);
		q.staleness_us = 50000;
		assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
		assert_true(d.banded);
		assert_true(d.chosen.cost_ms <= d.kept[0].cost_ms + 100);
		assert_true(d.kept[d.runner_up].decode_ep != d.chosen.decode_ep);
		count[d.chosen.decode_ep]++;
	}
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(count[i] > 0, i < 10 || (i == 10 && count[i] > 0));
	assert_uniform(count, 10, 3300 - count[10]);
	sl_router_free(r);
	prompt_fini(&p);
}

/* ---- what each term is for ------------------------------------------------- */

static void short_prompts_stay_and_long_ones_move(void **state)
{
	struct sl_ticket busy[24];
	struct sl_rng rng = { 8 };
	struct sl_router *r = help_router(SL_POLICY_COST);
	struct prompt shrt, lng, warm;
	struct sl_decision d;
	struct sl_query q;

	(void)state;
	prompt_init(&shrt, 1, 0, 1, 400);
	prompt_init(&lng, 2, 0, 2, 60000);
	prompt_init(&warm, 2, 59392, 2, 60000);
	help_add(r, SL_ROLE_DECODE);
	help_add(r, SL_ROLE_PREFILL);
	q = help_query(r, &shrt);
	assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
	assert_int_equal(d.chosen.placement, SL_PLACE_LOCAL);
	for (size_t i = 0; i < SL_COUNT(busy); i++) {
		q.single_engine = true;
		help_send(r, &q, 0, &rng, &busy[i]);
		sl_router_first_token(r, &busy[i], (uint64_t)(busy[i].predicted_ttft_ms * 1000));
	}
	q = help_query(r, &lng);
	assert_int_equal(sl_router_decide(r, &q, 60000000, &rng, &d), 0);
	assert_int_equal(d.chosen.placement, SL_PLACE_REMOTE);
	assert_true(d.chosen.transfer_ms > 2);
	/* once the decode engine has its blocks, there is nothing to move */
	sl_router_dispatch(r, &q, &d, 60000000, &busy[0]);
	sl_router_finish(r, &busy[0], &help_unknown, 61000000);
	q = help_query(r, &warm);
	assert_int_equal(sl_router_decide(r, &q, 62000000, &rng, &d), 0);
	assert_true(d.chosen.transfer_ms < 10); /* the last part block only */
	q.single_engine = true;
	assert_int_equal(sl_router_decide(r, &q, 62000000, &rng, &d), 0);
	assert_int_equal(d.chosen.placement, SL_PLACE_LOCAL);
	assert_in_range(d.chosen.hit_tokens, 14000, 15000);
	sl_router_free(r);
	prompt_fini(&shrt);
	prompt_fini(&lng);
	prompt_fini(&warm);
}

/* ---- the plain policies ---------------------------------------------------- */

static void round_robin_takes_turns(void **state)
{
	struct sl_router *r = help_router(SL_POLICY_ROUND_ROBIN);
	struct sl_rng rng = { 8 };
	struct sl_decision d;
	struct sl_query q;
	struct prompt p;

	(void)state;
	prompt_init(&p, 1, 0, 1, 4000);
	q = help_query(r, &p);
	for (int i = 0; i < 5; i++)
		help_add(r, SL_ROLE_BOTH);
	for (uint32_t i = 0; i < 15; i++) {
		assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
		assert_int_equal(d.chosen.decode_ep, i % 5);
		assert_int_equal(d.n_kept, 1);
		assert_int_equal(d.runner_up, d.n_kept);
		assert_true(d.chosen.prefill_ms > 0 && d.chosen.cost_ms > 0);
	}
	sl_router_endpoint_drain(r, 1, true);
	for (uint32_t i = 0; i < 12; i++) {
		static const uint32_t expected[] = { 0, 2, 3, 4 };

		assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
		assert_int_equal(d.chosen.decode_ep, expected[i % 4]);
	}
	sl_router_free(r);
	prompt_fini(&p);
}

/* Two models on the same engines: one by cost, which a warm cache decides. */
static void models_may_have_a_policy_of_their_own(void **state)
{
	static const enum sl_policy turns = SL_POLICY_ROUND_ROBIN;
	struct sl_router *r = help_router(SL_POLICY_COST);
	uint32_t models[2] = { sl_router_model(r, SL_SPAN("m")), sl_router_model(r, SL_SPAN("n")) };
	struct sl_rng rng = { 8 };
	struct sl_decision d;
	struct sl_ticket t;
	struct sl_query q;
	struct prompt p;
	uint32_t home;

	(void)state;
	prompt_init(&p, 1, 0, 1, 40000);
	q = help_query(r, &p);
	for (int i = 0; i < 5; i++)
		sl_router_endpoint_models(r, help_add(r, SL_ROLE_BOTH), models, 2);
	sl_router_model_policy(r, models[1], &turns);
	home = help_send(r, &q, 0, &rng, &t).chosen.decode_ep;
	sl_router_finish(r, &t, &help_unknown, 1);
	for (uint32_t i = 0; i < 10; i++) {
		q.model = models[i % 2];
		assert_int_equal(sl_router_decide(r, &q, 2, &rng, &d), 0);
		assert_int_equal(d.chosen.decode_ep, i % 2 ? i / 2 : home);
	}
	sl_router_model_policy(r, models[1], NULL);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(sl_router_decide(r, &q, 2, &rng, &d), 0);
		assert_int_equal(d.chosen.decode_ep, home);
	}
	sl_router_free(r);
	prompt_fini(&p);
}

static void plain_policies_make_pairs(void **state)
{
	static const enum sl_policy policies[] = { SL_POLICY_ROUND_ROBIN, SL_POLICY_RANDOM,
		                                   SL_POLICY_LEAST_REQUEST };

	(void)state;
	for (size_t k = 0; k < SL_COUNT(policies); k++) {
		struct sl_router *r = help_router(policies[k]);
		uint32_t count[7] = { 0 };
		struct sl_rng rng = { 8 };
		struct sl_decision d;
		struct sl_query q;
		struct prompt p;

		prompt_init(&p, 1, 0, 1, 300); /* so short that cost would stay local */
		q = help_query(r, &p);
		for (int i = 0; i < 7; i++)
			help_add(r, i < 3 ? SL_ROLE_PREFILL : SL_ROLE_DECODE);
		for (uint32_t i = 0; i < 2400; i++) {
			assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
			assert_int_equal(d.chosen.placement, SL_PLACE_REMOTE);
			count[d.chosen.prefill_ep]++;
			count[d.chosen.decode_ep]++;
		}
		for (int i = 0; i < 7; i++)
			assert_in_range(count[i], i < 3 ? 650 : 480, i < 3 ? 950 : 720);
		/* a retry of one half keeps the other */
		q.pinned_decode = 5;
		assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
		assert_int_equal(d.chosen.decode_ep, 5);
		assert_in_range(d.chosen.prefill_ep, 0, 2);
		q.pinned_decode = SL_NO_ENDPOINT;
		q.decode_only = true;
		q.prefill_ep = 1;
		assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
		assert_int_equal(d.chosen.prefill_ep, 1);
		assert_in_range(d.chosen.decode_ep, 3, 6);
		q.decode_only = false;
		q.single_engine = true;
		assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
		assert_int_equal(d.chosen.placement, SL_PLACE_LOCAL);
		sl_router_free(r);
		prompt_fini(&p);
	}
}

static void least_request_evens_out(void **state)
{
	struct sl_router *r = help_router(SL_POLICY_LEAST_REQUEST);
	struct sl_ticket t[90];
	struct sl_rng rng = { 8 };
	struct sl_query q;
	struct prompt p;

	(void)state;
	prompt_init(&p, 1, 0, 1, 4000);
	q = help_query(r, &p);
	for (int i = 0; i < 9; i++)
		help_add(r, SL_ROLE_BOTH);
	for (int i = 0; i < 90; i++)
		help_send(r, &q, 0, &rng, &t[i]);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(help_view(r, i, 0).inflight, 10);
	for (int i = 0; i < 90; i++)
		if (t[i].decode_ep == 4)
			sl_router_finish(r, &t[i], &help_unknown, 1);
	for (int i = 0; i < 10; i++) {
		struct sl_decision d;

		assert_int_equal(sl_router_decide(r, &q, 0, &rng, &d), 0);
		assert_int_equal(d.chosen.decode_ep, 4);
	}
	sl_router_free(r);
	prompt_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_the_cheapest_of_all),
		cmocka_unit_test(the_order_of_endpoints_is_irrelevant),
		cmocka_unit_test(a_replay_is_equal),
		cmocka_unit_test(an_idle_fleet_is_used_evenly),
		cmocka_unit_test(the_band_widens_with_staleness),
		cmocka_unit_test(short_prompts_stay_and_long_ones_move),
		cmocka_unit_test(round_robin_takes_turns),
		cmocka_unit_test(models_may_have_a_policy_of_their_own),
		cmocka_unit_test(plain_policies_make_pairs),
		cmocka_unit_test(least_request_evens_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
