/* router_test.c: the whole router through its contract: accounting, the life
 * of endpoints, scrapes, what it learns, and closed loops against engines
 * that are simulated with the preset's own times. */
#include <math.h>
#include <stdio.h>

#include "routing/state.h"
#include "tests/unit/routing/route_help.h"

struct fixture {
	struct sl_router *r;
	struct sl_rng rng;
	struct prompt p;
	struct sl_query q;
};

static void fixture_init(struct fixture *f, uint32_t bytes)
{
	*f = (struct fixture){ .r = help_router(SL_POLICY_COST), .rng = { 21 } };
	prompt_init(&f->p, 1, 0, 1, bytes);
	f->q = help_query(f->r, &f->p);
}

static void fixture_fini(struct fixture *f)
{
	sl_router_free(f->r);
	prompt_fini(&f->p);
}

static struct sl_decision decide(struct fixture *f, uint64_t now_us)
{
	struct sl_decision d;

	assert_int_equal(sl_router_decide(f->r, &f->q, now_us, &f->rng, &d), 0);
	return d;
}

/* ---- accounting ---------------------------------------------------------- */

static void an_aggregated_request_is_charged_and_released(void **state)
{
	struct sl_endpoint_view v;
	struct sl_ticket t;
	struct fixture f;
	uint32_t ep;

	(void)state;
	fixture_init(&f, 40000);
	ep = help_add(f.r, SL_ROLE_BOTH);
	help_send(f.r, &f.q, 1000, &f.rng, &t);
	assert_true(t.live && t.prefill_open && t.decode_open);
	v = help_view(f.r, ep, 1000);
	assert_int_equal(v.inflight, 1);
	assert_int_equal(v.prefilling, 1);
	assert_near(v.queue_ms, t.prefill_ms, 1e-3);
	assert_near(v.context_tokens, 10000 + 128, 1);
	assert_int_equal(v.dispatched, 1);
	assert_int_equal(v.index_entries, f.p.facts.n_blocks);
	assert_true(v.index_bytes > 0 && v.index_bytes <= 64u * v.index_entries);
	sl_router_first_token(f.r, &t, 200000);
	v = help_view(f.r, ep, 200000);
	assert_int_equal(v.prefilling, 0);
	assert_int_equal(v.inflight, 1);
	assert_near(v.queue_ms, 0, 0);
	sl_router_finish(f.r, &t, &help_unknown, 900000);
	assert_false(t.live);
	v = help_view(f.r, ep, 900000);
	assert_int_equal(v.inflight, 0);
	assert_near(v.context_tokens, 0, 0);
	/* saying it twice changes nothing */
	sl_router_finish(f.r, &t, &help_unknown, 900001);
	sl_router_cancel(f.r, &t, &f.p.facts, SL_BLAME_PREFILL, 900001);
	sl_router_first_token(f.r, &t, 900001);
	assert_int_equal(help_view(f.r, ep, 900001).index_entries, f.p.facts.n_blocks);
	fixture_fini(&f);
}

static void a_remote_request_moves_over(void **state)
{
	struct sl_ticket t;
	struct fixture f;
	uint32_t p, d;

	(void)state;
	fixture_init(&f, 40000);
	p = help_add(f.r, SL_ROLE_PREFILL);
	d = help_add(f.r, SL_ROLE_DECODE);
	sl_router_endpoint_health(f.r, d, SL_HEALTH_DEGRADED, 0); /* no local prefill */
	help_send(f.r, &f.q, 1000, &f.rng, &t);
	assert_int_equal(t.placement, SL_PLACE_REMOTE);
	assert_int_equal(help_view(f.r, p, 1000).inflight, 1);
	assert_int_equal(help_view(f.r, d, 1000).inflight, 1);
	assert_near(help_view(f.r, p, 1000).queue_ms, t.prefill_ms, 1e-3);
	assert_near(help_view(f.r, p, 1000).context_tokens, 0, 0);
	assert_near(help_view(f.r, d, 1000).queue_ms, 0, 0);
	assert_near(help_view(f.r, d, 1000).context_tokens, 10000 + 128, 1);
	assert_int_equal(help_view(f.r, p, 0).index_entries, f.p.facts.n_blocks);
	assert_int_equal(help_view(f.r, d, 0).index_entries, f.p.facts.n_blocks);
	sl_router_prefilled(f.r, &t, 200000);
	assert_int_equal(help_view(f.r, p, 200000).inflight, 0);
	assert_near(help_view(f.r, p, 200000).queue_ms, 0, 0);
	assert_int_equal(help_view(f.r, d, 200000).inflight, 1);
	/* the decode engine failed; another one, or it again, takes the blocks */
	sl_router_cancel(f.r, &t, &f.p.facts, SL_BLAME_DECODE, 210000);
	assert_int_equal(help_view(f.r, p, 0).index_entries, f.p.facts.n_blocks);
	assert_int_equal(help_view(f.r, d, 0).index_entries, 0);
	f.q.decode_only = true;
	f.q.prefill_ep = p;
	help_send(f.r, &f.q, 211000, &f.rng, &t);
	assert_int_equal(help_view(f.r, p, 211000).inflight, 0);
	assert_int_equal(help_view(f.r, d, 211000).inflight, 1);
	assert_false(t.prefill_open);
	sl_router_first_token(f.r, &t, 220000);
	sl_router_finish(f.r, &t, &help_unknown, 300000);
	assert_int_equal(help_view(f.r, d, 300000).inflight, 0);
	fixture_fini(&f);
}

static void the_blocks_of_a_failed_request_are_taken_back(void **state)
{
	struct sl_ticket t, u;
	struct fixture f;
	uint32_t ep;

	(void)state;
	fixture_init(&f, 40000);
	ep = help_add(f.r, SL_ROLE_BOTH);
	help_send(f.r, &f.q, 0, &f.rng, &t);
	assert_int_equal(t.index_new, f.p.facts.n_blocks);
	/* an equal request right behind sees them */
	assert_true(decide(&f, 0).chosen.hit_tokens > 9000);
	sl_router_cancel(f.r, &t, &f.p.facts, SL_BLAME_NONE, 1);
	assert_int_equal(help_view(f.r, ep, 1).index_entries, f.p.facts.n_blocks);
	help_send(f.r, &f.q, 2, &f.rng, &t);
	assert_int_equal(t.index_new, 0);
	sl_router_cancel(f.r, &t, &f.p.facts, SL_BLAME_PREFILL, 3);
	assert_int_equal(help_view(f.r, ep, 3).index_entries, f.p.facts.n_blocks);
	sl_router_endpoint_restarted(f.r, ep);
	help_send(f.r, &f.q, 4, &f.rng, &t);
	/* on one engine, blame for either half is blame */
	sl_router_cancel(f.r, &t, &f.p.facts, SL_BLAME_DECODE, 5);
	assert_int_equal(help_view(f.r, ep, 5).index_entries, 0);
	assert_near(decide(&f, 5).chosen.hit_tokens, 0, 0);
	/* but not what somebody else relies on */
	help_send(f.r, &f.q, 6, &f.rng, &t);
	help_send(f.r, &f.q, 7, &f.rng, &u);
	sl_router_cancel(f.r, &t, &f.p.facts, SL_BLAME_PREFILL, 8);
	assert_int_equal(help_view(f.r, ep, 8).index_entries, f.p.facts.n_blocks);
	sl_router_finish(f.r, &u, &help_unknown, 9);
	fixture_fini(&f);
}

/* The end of a prefill whose answer comes in one piece is assumed. */
static void an_unstreamed_prefill_ends_by_itself(void **state)
{
	struct sl_ticket t, later;
	struct fixture f;
	uint32_t ep;
	uint64_t end_us;

	(void)state;
	fixture_init(&f, 40000);
	f.p.facts.stream = false;
	ep = help_add(f.r, SL_ROLE_BOTH);
	help_send(f.r, &f.q, 0, &f.rng, &t);
	end_us = (uint64_t)(t.prefill_ms * 1000) + 1000;
	decide(&f, end_us);
	assert_int_equal(help_view(f.r, ep, end_us).prefilling, 0);
	assert_int_equal(help_view(f.r, ep, end_us).inflight, 1);
	assert_false(t.prefill_open);
	/* a streamed one stays until it shows a token */
	f.p.facts.stream = true;
	help_send(f.r, &f.q, end_us, &f.rng, &later);
	decide(&f, end_us * 10);
	assert_int_equal(help_view(f.r, ep, end_us * 10).prefilling, 1);
	sl_router_first_token(f.r, &t, end_us * 10);
	sl_router_finish(f.r, &t, &help_unknown, end_us * 10);
	sl_router_finish(f.r, &later, &help_unknown, end_us * 10);
	assert_int_equal(help_view(f.r, ep, end_us * 10).inflight, 0);
	fixture_fini(&f);
}

static void sequences_are_counted_and_bounded(void **state)
{
	struct sl_ticket t;
	struct fixture f;
	uint32_t ep;

	(void)state;
	fixture_init(&f, 4000);
	ep = help_add(f.r, SL_ROLE_BOTH);
	f.p.facts.n = 4;
	f.p.facts.prompts = 3;
	help_send(f.r, &f.q, 0, &f.rng, &t);
	assert_int_equal(f.r->endpoints[ep].ledger.seqs, 12);
	sl_router_finish(f.r, &t, &help_unknown, 1);
	f.p.facts.n = UINT32_MAX;
	f.p.facts.prompts = UINT32_MAX;
	help_send(f.r, &f.q, 0, &f.rng, &t);
	assert_int_equal(f.r->endpoints[ep].ledger.seqs, 1024);
	sl_router_finish(f.r, &t, &help_unknown, 1);
	f.p.facts.n = 0;
	help_send(f.r, &f.q, 0, &f.rng, &t);
	assert_int_equal(f.r->endpoints[ep].ledger.seqs, 1);
	sl_router_finish(f.r, &t, &help_unknown, 1);
	/* an embedding decodes nothing */
	f.q.no_decode = true;
	help_send(f.r, &f.q, 0, &f.rng, &t);
	assert_int_equal(f.r->endpoints[ep].ledger.seqs, 0);
	assert_near(decide(&f, 0).chosen.decode_ms, 0, 0);
	sl_router_finish(f.r, &t, &help_unknown, 1);
	fixture_fini(&f);
}

/* ---- any sequence of calls ------------------------------------------------- */

#define TICKETS 300
#define PROMPTS 20

struct chaos {
	struct sl_router *r;
	struct sl_rng rng;
	uint64_t now_us;
	uint32_t model;
	uint32_t slots[24];
	uint32_t n_slots;
	struct prompt prompts[PROMPTS];
	struct sl_ticket tickets[TICKETS];
	const struct sl_facts *facts[TICKETS];
};

static void chaos_add(struct chaos *c)
{
	struct sl_endpoint_spec spec = { .role = (enum sl_role)help_below(&c->rng, 3),
		                         .kv_group = help_below(&c->rng, 2),
		                         .max_concurrent = help_below(&c->rng, 3) ? 0 : 9,
		                         .remote_prefill = true };
	uint32_t slot;

	if (c->n_slots == SL_COUNT(c->slots))
		return;
	slot = help_add_spec(c->r, spec);
	for (uint32_t i = 0; i < TICKETS; i++) {
		const struct sl_ticket *t = &c->tickets[i];

		/* nobody of its former life is left in it */
		assert_false(t->live && t->decode_open && t->decode_ep == slot);
		assert_false(t->live && t->prefill_open && t->prefill_ep == slot);
	}
	c->slots[c->n_slots++] = slot;
}

static void chaos_endpoint(struct chaos *c)
{
	uint32_t i = c->n_slots ? help_below(&c->rng, c->n_slots) : 0, slot = c->slots[i];
	uint32_t what = c->n_slots ? help_below(&c->rng, 7) : 0;

	if (what == 0) {
		chaos_add(c);
	} else if (what == 1 && c->n_slots > 4) {
		sl_router_endpoint_del(c->r, slot);
		c->slots[i] = c->slots[--c->n_slots];
	} else if (what == 2) {
		sl_router_endpoint_restarted(c->r, slot);
	} else if (what == 3) {
		sl_router_endpoint_drain(c->r, slot, help_below(&c->rng, 4) == 0);
	} else if (what == 4) {
		sl_router_endpoint_health(c->r, slot, (enum sl_health)help_below(&c->rng, 4),
		                          c->now_us);
	} else if (what == 5) {
		struct sl_load_sample s = { c->now_us,
			                    help_below(&c->rng, 30),
			                    help_below(&c->rng, 5),
			                    help_unit(&c->rng),
			                    help_unit(&c->rng) * 1e5,
			                    help_below(&c->rng, 1000),
			                    help_below(&c->rng, 1000) };

		sl_router_endpoint_sample(c->r, slot, &s, c->now_us);
	} else if (what == 6) {
		struct sl_endpoint_spec spec = help_view(c->r, slot, c->now_us).spec;

		spec.kv_group = help_below(&c->rng, 3);
		sl_router_endpoint_update(c->r, slot, &spec);
	}
}

static void chaos_send(struct chaos *c, uint32_t i)
{
	struct sl_query q;
	struct sl_decision d;
	int rc;

	c->facts[i] = &c->prompts[help_below(&c->rng, PROMPTS)].facts;
	sl_query_init(&q, c->model, c->facts[i]);
	q.single_engine = help_below(&c->rng, 4) == 0;
	q.no_decode = help_below(&c->rng, 16) == 0;
	q.staleness_us = help_below(&c->rng, 300000);
	rc = sl_router_decide(c->r, &q, c->now_us, &c->rng, &d);
	if (rc == 0)
		sl_router_dispatch(c->r, &q, &d, c->now_us, &c->tickets[i]);
	else
		assert_true(rc == SL_E_SATURATED || rc == SL_E_NO_ENDPOINT ||
		            rc == SL_E_MODEL_NOT_FOUND);
}

static void chaos_ticket(struct chaos *c, uint32_t i)
{
	struct sl_outcome outcome = { (int64_t)help_below(&c->rng, 5000) - 1,
		                      (int64_t)help_below(&c->rng, 5000) - 1,
		                      (int64_t)help_below(&c->rng, 500) - 1 };
	struct sl_ticket *t = &c->tickets[i];

	if (!t->live) {
		chaos_send(c, i);
		return;
	}
	switch (help_below(&c->rng, 4)) {
	case 0:
		sl_router_prefilled(c->r, t, c->now_us);
		break;
	case 1:
		sl_router_first_token(c->r, t, c->now_us);
		break;
	case 2:
		sl_router_finish(c->r, t, &outcome, c->now_us);
		break;
	default:
		sl_router_cancel(c->r, t, c->facts[i], help_below(&c->rng, 4), c->now_us);
	}
}

static void assert_nothing_is_left(const struct sl_router *r)
{
	for (uint32_t i = 0; i < r->n_slots; i++) {
		const struct ledger *l = &r->endpoints[i].ledger;

		assert_int_equal(l->queue_us, 0);
		assert_int_equal(l->context_tokens, 0);
		assert_int_equal(l->seqs, 0);
		assert_int_equal(l->inflight, 0);
		assert_int_equal(l->prefilling, 0);
		assert_null(l->first);
	}
}

static void any_sequence_ends_at_exactly_nothing(void **state)
{
	static struct chaos c;

	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		memset(&c, 0, sizeof(c));
		c.rng.state = seed;
		c.now_us = 1000000;
		c.r = help_router(SL_POLICY_COST);
		c.model = sl_router_model(c.r, SL_SPAN("m"));
		for (uint32_t i = 0; i < PROMPTS; i++) {
			prompt_init(&c.prompts[i], i % 3, 2048, i, help_below(&c.rng, 50000));
			c.prompts[i].facts.stream = i % 3 > 0;
		}
		for (int i = 0; i < 12; i++)
			chaos_add(&c);
		for (int round = 0; round < 12000; round++) {
			c.now_us += help_below(&c.rng, 20000);
			if (help_below(&c.rng, 12) == 0)
				chaos_endpoint(&c);
			else
				chaos_ticket(&c, help_below(&c.rng, TICKETS));
		}
		for (uint32_t i = 0; i < TICKETS; i++)
			if (c.tickets[i].live)
				sl_router_cancel(c.r, &c.tickets[i], c.facts[i], 0, c.now_us);
		assert_nothing_is_left(c.r);
		assert_int_equal(c.r->n_free + c.n_slots, c.r->n_slots);
		while (c.n_slots)
			sl_router_endpoint_del(c.r, c.slots[--c.n_slots]);
		assert_int_equal(c.r->index.entries.n_live, 0);
		assert_int_equal(c.r->index.nodes.n_live, 0);
		assert_int_equal(c.r->prefill_scale.weight, 0);
		assert_int_equal(c.r->decode_scale.weight, 0);
		sl_router_free(c.r);
		for (uint32_t i = 0; i < PROMPTS; i++)
			prompt_fini(&c.prompts[i]);
	}
}

/* ---- endpoints --------------------------------------------------------------- */

static void a_slot_is_reused_after_its_last_ticket(void **state)
{
	struct sl_endpoint_spec spec = { .role = SL_ROLE_BOTH };
	struct sl_endpoint_view v;
	struct sl_ticket t[2];
	struct fixture f;
	uint32_t a, b;

	(void)state;
	fixture_init(&f, 4000);
	a = help_add(f.r, SL_ROLE_BOTH);
	help_send(f.r, &f.q, 0, &f.rng, &t[0]);
	help_send(f.r, &f.q, 0, &f.rng, &t[1]);
	sl_router_endpoint_del(f.r, a);
	assert_false(sl_router_endpoint_view(f.r, a, 0, &v));
	b = sl_router_endpoint_add(f.r, &spec);
	assert_int_not_equal(a, b);
	sl_router_first_token(f.r, &t[0], 1);
	sl_router_finish(f.r, &t[0], &help_unknown, 2);
	assert_int_not_equal(sl_router_endpoint_add(f.r, &spec), a);
	sl_router_cancel(f.r, &t[1], &f.p.facts, SL_BLAME_PREFILL, 2);
	assert_int_equal(sl_router_endpoint_add(f.r, &spec), a);
	assert_false(sl_router_endpoint_view(f.r, 9999, 0, &v));
	fixture_fini(&f);
}

static void who_returns_starts_anew(void **state)
{
	struct sl_ticket t;
	struct fixture f;
	uint32_t ep;

	(void)state;
	fixture_init(&f, 40000);
	ep = help_add(f.r, SL_ROLE_BOTH);
	help_add(f.r, SL_ROLE_BOTH);
	do
		help_send(f.r, &f.q, 0, &f.rng, &t);
	while (t.decode_ep != ep && (sl_router_finish(f.r, &t, &help_unknown, 1), true));
	f.r->endpoints[ep].slow = 7;
	sl_router_endpoint_drain(f.r, ep, true);
	sl_router_endpoint_drain(f.r, ep, false);
	sl_router_endpoint_health(f.r, ep, SL_HEALTH_DEGRADED, 1);
	sl_router_endpoint_health(f.r, ep, SL_HEALTH_HEALTHY, 1);
	assert_int_equal(help_view(f.r, ep, 1).index_entries, f.p.facts.n_blocks);
	assert_near(help_view(f.r, ep, 1).slowness, 7, 0);
	sl_router_endpoint_health(f.r, ep, SL_HEALTH_UNHEALTHY, 2);
	sl_router_endpoint_health(f.r, ep, SL_HEALTH_UNKNOWN, 3);
	assert_int_equal(help_view(f.r, ep, 3).index_entries, 0);
	assert_near(help_view(f.r, ep, 3).slowness, 1, 0);
	assert_int_equal(help_view(f.r, ep, 3).inflight, 1); /* its tickets are still there */
	sl_router_cancel(f.r, &t, &f.p.facts, SL_BLAME_PREFILL, 4);
	fixture_fini(&f);
}

/* An ejection says how it served, not that its cache is gone. */
static void who_was_only_ejected_keeps_its_cache(void **state)
{
	struct sl_ticket t;
	struct fixture f;
	uint32_t ep;

	(void)state;
	fixture_init(&f, 40000);
	ep = help_add(f.r, SL_ROLE_BOTH);
	sl_router_endpoint_sample(f.r, ep,
	                          &(struct sl_load_sample){ .taken_us = 1,
	                                                    .running = 9,
	                                                    .kv_usage = -1,
	                                                    .kv_capacity_tokens = -1,
	                                                    .prefix_hit_tokens = -1,
	                                                    .prefix_query_tokens = -1 },
	                          1);
	help_send(f.r, &f.q, 1, &f.rng, &t);
	sl_router_finish(f.r, &t, &help_unknown, 1);
	f.r->endpoints[ep].slow = 7;
	f.r->endpoints[ep].gamma = 0.5;
	sl_router_endpoint_health(f.r, ep, SL_HEALTH_UNHEALTHY, 2);
	sl_router_endpoint_return(f.r, ep, SL_HEALTH_HEALTHY, 3);
	assert_int_equal(help_view(f.r, ep, 3).index_entries, f.p.facts.n_blocks);
	assert_near(help_view(f.r, ep, 3).gamma, 0.5, 0);
	assert_near(help_view(f.r, ep, 3).slowness, 1, 0);
	assert_near(f.r->endpoints[ep].foreign_seqs, 0, 0);
	assert_true(decide(&f, 4).chosen.hit_tokens > 1000);
	/* Out again, and now it was dead. */
	sl_router_endpoint_health(f.r, ep, SL_HEALTH_UNHEALTHY, 5);
	sl_router_endpoint_health(f.r, ep, SL_HEALTH_HEALTHY, 6);
	assert_int_equal(help_view(f.r, ep, 6).index_entries, 0);
	assert_near(help_view(f.r, ep, 6).gamma, 1, 0);
	fixture_fini(&f);
}

/* F is at once what the GPUs say, and again without them when they are well. */
static void gpus_derate_an_engine(void **state)
{
	struct fixture f;
	uint32_t slow, fast;

	(void)state;
	fixture_init(&f, 40000);
	slow = help_add(f.r, SL_ROLE_BOTH);
	fast = help_add(f.r, SL_ROLE_BOTH);
	sl_router_endpoint_derate(f.r, slow, 3);
	assert_near(help_view(f.r, slow, 1).slowness, 3, 0);
	assert_near(help_view(f.r, slow, 1).derate, 3, 0);
	assert_near(help_view(f.r, fast, 1).slowness, 1, 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(decide(&f, 1000).chosen.decode_ep, fast);
	assert_near(help_view(f.r, slow, 1).slowness, 3, 0);
	/* It returns from the dead with the same GPUs. */
	sl_router_endpoint_health(f.r, slow, SL_HEALTH_UNHEALTHY, 2);
	sl_router_endpoint_health(f.r, slow, SL_HEALTH_HEALTHY, 3);
	assert_near(help_view(f.r, slow, 3).slowness, 3, 0);
	sl_router_endpoint_derate(f.r, slow, SL_DERATE_MAX);
	f.r->endpoints[slow].slow = SL_DERATE_MAX; /* as bounded */
	sl_router_endpoint_derate(f.r, slow, 1);
	assert_near(help_view(f.r, slow, 4).slowness, 1, 0);
	fixture_fini(&f);
}

static void updates_keep_what_is_known(void **state)
{
	struct sl_endpoint_spec spec = { .role = SL_ROLE_BOTH, .kv_group = 5, .max_concurrent = 1 };
	struct sl_decision d;
	struct sl_ticket t;
	struct fixture f;
	uint32_t ep;

	(void)state;
	fixture_init(&f, 40000);
	ep = help_add(f.r, SL_ROLE_BOTH);
	help_send(f.r, &f.q, 0, &f.rng, &t);
	sl_router_endpoint_update(f.r, ep, &spec);
	assert_int_equal(help_view(f.r, ep, 0).index_entries, f.p.facts.n_blocks);
	assert_int_equal(help_view(f.r, ep, 0).spec.kv_group, 5);
	assert_int_equal(sl_router_decide(f.r, &f.q, 0, &f.rng, &d), SL_E_SATURATED);
	sl_router_finish(f.r, &t, &help_unknown, 1);
	assert_int_equal(sl_router_decide(f.r, &f.q, 1, &f.rng, &d), 0);
	/* groups that nobody is in any more are used again */
	for (uint32_t i = 0; i < 100; i++) {
		spec.kv_group = 100 + i;
		sl_router_endpoint_update(f.r, ep, &spec);
	}
	assert_int_equal(f.r->n_groups, 1);
	fixture_fini(&f);
}

static void model_names_are_interned_and_bounded(void **state)
{
	struct sl_model_view v;
	struct fixture f;
	char name[32];
	uint32_t first;

	(void)state;
	fixture_init(&f, 1000);
	first = sl_router_model(f.r, SL_SPAN("first"));
	assert_int_equal(sl_router_model(f.r, SL_SPAN("first")), first);
	assert_int_not_equal(sl_router_model(f.r, SL_SPAN("firs")), first);
	assert_int_equal(sl_router_model(f.r, sl_span("", 0)), first + 2);
	for (uint32_t i = first + 3; i < SL_MAX_MODELS; i++) {
		snprintf(name, sizeof(name), "lora-%u", i);
		assert_int_equal(sl_router_model(f.r, sl_span_str(name)), i);
	}
	assert_int_equal(sl_router_model(f.r, SL_SPAN("one more")), SL_NO_MODEL);
	assert_int_equal(sl_router_model(f.r, SL_SPAN("first")), first);
	assert_false(sl_router_model_view(f.r, SL_NO_MODEL, &v));
	assert_true(sl_router_model_view(f.r, first, &v));
	fixture_fini(&f);
}

/* More endpoints than one word of a set, and than the first allocation. */
static void thousands_of_endpoints(void **state)
{
	struct sl_endpoint_spec spec = { .role = SL_ROLE_BOTH };
	struct fixture f;
	uint32_t other;

	(void)state;
	fixture_init(&f, 4000);
	other = sl_router_model(f.r, SL_SPAN("other"));
	for (uint32_t i = 0; i < SL_MAX_ENDPOINTS; i++) {
		uint32_t ep = help_add(f.r, SL_ROLE_BOTH);

		assert_int_equal(ep, i);
		if (i != 12345)
			sl_router_endpoint_models(f.r, ep, &other, 1);
	}
	assert_int_equal(decide(&f, 0).chosen.decode_ep, 12345);
	f.q.model = other;
	for (int i = 0; i < 50; i++)
		assert_int_not_equal(decide(&f, 0).chosen.decode_ep, 12345);
	assert_int_equal(decide(&f, 0).n_priced, SL_MAX_ENDPOINTS - 1);
	assert_int_equal(sl_router_endpoint_add(f.r, &spec), SL_NO_ENDPOINT);
	fixture_fini(&f);
}

/* ---- scrapes -------------------------------------------------------------------- */

static struct sl_load_sample sample(uint64_t at_us, double running, double waiting)
{
	return (struct sl_load_sample){ at_us, running, waiting, -1, -1, -1, -1 };
}

static void scraped_capacity_replaces_the_presets(void **state)
{
	struct sl_load_sample s = sample(1, -1, -1);
	struct sl_router_options opt;
	struct sl_ticket t;
	struct fixture f;
	uint32_t ep;

	(void)state;
	fixture_init(&f, 400000);
	ep = help_add(f.r, SL_ROLE_BOTH);
	assert_near(help_view(f.r, ep, 0).kv_capacity_tokens, 397000, 0);
	assert_near(help_view(f.r, ep, 0).kv_usage, -1, 0);
	sl_router_endpoint_sample(f.r, ep, &s, 1);
	assert_near(help_view(f.r, ep, 1).kv_capacity_tokens, 397000, 0);
	s = (struct sl_load_sample){ 2, 0, 0, 0.25, 20000, -1, -1 };
	sl_router_endpoint_sample(f.r, ep, &s, 2);
	assert_near(help_view(f.r, ep, 2).kv_capacity_tokens, 20000, 0);
	assert_near(help_view(f.r, ep, 2).kv_usage, 0.25, 1e-6);
	/* an older page does not overrule a newer one */
	s = (struct sl_load_sample){ 1, 0, 0, 0.75, 99000, -1, -1 };
	sl_router_endpoint_sample(f.r, ep, &s, 3);
	assert_near(help_view(f.r, ep, 3).kv_capacity_tokens, 20000, 0);
	sl_router_options_default(&opt);
	opt.profile = sl_profile_find("llama3-70b-h100-tp8");
	sl_router_set_options(f.r, &opt);
	assert_near(help_view(f.r, ep, 3).kv_capacity_tokens, 20000, 0);
	/* the index holds no more than that, of 100,000 tokens */
	help_send(f.r, &f.q, 4, &f.rng, &t);
	assert_in_range(f.r->index.lru[ep].tokens, 19000, 20000);
	sl_router_finish(f.r, &t, &help_unknown, 5);
	fixture_fini(&f);
}

static void foreign_work_counts_and_ages(void **state)
{
	struct sl_load_sample s = sample(1000000, 40, 10);
	struct sl_ticket t;
	struct fixture f;
	uint32_t a, b;

	(void)state;
	fixture_init(&f, 4000);
	a = help_add(f.r, SL_ROLE_BOTH);
	b = help_add(f.r, SL_ROLE_BOTH);
	help_send(f.r, &f.q, 0, &f.rng, &t); /* what a request costs */
	sl_router_cancel(f.r, &t, &f.p.facts, SL_BLAME_PREFILL, 0);
	f.r->endpoints[a].busy = f.r->endpoints[b].busy = 0;
	sl_router_endpoint_sample(f.r, a, &s, 1000000);
	for (int i = 0; i < 30; i++)
		assert_int_equal(decide(&f, 1000000).chosen.decode_ep, b);
	s = sample(1000000, 80, 0);
	sl_router_endpoint_sample(f.r, b, &s, 1000000);
	for (int i = 0; i < 30; i++)
		assert_int_equal(decide(&f, 1000000).kept[0].queue_ms, 0);
	/* nothing is left of it a while later, without another page */
	for (int i = 0, seen = 0; seen != 3; i++) {
		seen |= 1 << (decide(&f, 60000000).chosen.decode_ep == a);
		assert_true(i < 100);
	}
	fixture_fini(&f);
}

static void our_own_work_is_not_foreign(void **state)
{
	struct sl_load_sample s;
	struct sl_ticket t[10];
	struct fixture f;
	uint32_t ep;

	(void)state;
	fixture_init(&f, 4000);
	ep = help_add(f.r, SL_ROLE_BOTH);
	for (int i = 0; i < 10; i++)
		help_send(f.r, &f.q, 1000000, &f.rng, &t[i]);
	s = sample(1010000, 7, 3);
	sl_router_endpoint_sample(f.r, ep, &s, 1010000);
	assert_near(f.r->endpoints[ep].foreign_seqs + f.r->endpoints[ep].foreign_waiting, 0, 0);
	/* the page was written just before these ended */
	for (int i = 0; i < 10; i++)
		sl_router_finish(f.r, &t[i], &help_unknown, 1015000);
	s = sample(1020000, 7, 3);
	sl_router_endpoint_sample(f.r, ep, &s, 1020000);
	assert_near(f.r->endpoints[ep].foreign_seqs + f.r->endpoints[ep].foreign_waiting, 0, 0);
	s = sample(3000000, 7, 3);
	sl_router_endpoint_sample(f.r, ep, &s, 3000000);
	assert_near(f.r->endpoints[ep].foreign_seqs, 7, 0);
	assert_near(f.r->endpoints[ep].foreign_waiting, 3, 0);
	sl_router_endpoint_restarted(f.r, ep);
	assert_near(f.r->endpoints[ep].foreign_seqs, 0, 0);
	/* what is no number changes nothing */
	s = (struct sl_load_sample){ 4000000, NAN, NAN, NAN, NAN, NAN, NAN };
	sl_router_endpoint_sample(f.r, ep, &s, 4000000);
	s = (struct sl_load_sample){ 5000000, INFINITY, 1, 1e300, INFINITY, INFINITY, 0 };
	sl_router_endpoint_sample(f.r, ep, &s, 5000000);
	assert_near(help_view(f.r, ep, 0).kv_capacity_tokens, 397000, 0);
	assert_near(help_view(f.r, ep, 0).gamma, 1, 0);
	assert_true(isfinite(decide(&f, 5000000).chosen.cost_ms));
	fixture_fini(&f);
}

static void counters_that_fall_clear_the_index(void **state)
{
	struct sl_load_sample s = { 1000, 1, 0, -1, -1, 500, 9000 };
	struct sl_ticket t;
	struct fixture f;
	uint32_t ep;

	(void)state;
	fixture_init(&f, 40000);
	ep = help_add(f.r, SL_ROLE_BOTH);
	help_send(f.r, &f.q, 0, &f.rng, &t);
	sl_router_endpoint_sample(f.r, ep, &s, 1000);
	s.taken_us = 2000;
	s.prefix_query_tokens = 9500;
	sl_router_endpoint_sample(f.r, ep, &s, 2000);
	assert_int_equal(help_view(f.r, ep, 2000).index_entries, f.p.facts.n_blocks);
	s = (struct sl_load_sample){ 3000, 1, 0, -1, -1, 0, 10 };
	sl_router_endpoint_sample(f.r, ep, &s, 3000);
	assert_int_equal(help_view(f.r, ep, 3000).index_entries, 0);
	sl_router_finish(f.r, &t, &help_unknown, 4000);
	fixture_fini(&f);
}

static void counters_correct_hits(void **state)
{
	struct sl_load_sample s = { 1, 0, 0, -1, -1, 0, 0 };
	struct sl_ticket t;
	struct fixture f;
	uint32_t ep;

	(void)state;
	fixture_init(&f, 40000);
	ep = help_add(f.r, SL_ROLE_BOTH);
	sl_router_endpoint_sample(f.r, ep, &s, 1);
	for (uint64_t i = 1; i <= 40; i++) {
		help_send(f.r, &f.q, i * 1000000, &f.rng, &t);
		sl_router_finish(f.r, &t, &help_unknown, i * 1000000 + 1);
		s.taken_us = i * 1000000 + 2;
		s.prefix_hit_tokens += 4864; /* half of what is in whole blocks */
		s.prefix_query_tokens += 10000;
		sl_router_endpoint_sample(f.r, ep, &s, s.taken_us);
	}
	assert_in_range(help_view(f.r, ep, 0).gamma * 1000, 480, 560);
	assert_true(help_view(f.r, ep, 0).hit_tokens_predicted > 39 * 4864);
	fixture_fini(&f);
}

static void usage_corrects_hits(void **state)
{
	struct sl_outcome outcome = { 10000, 3000, 10 };
	struct sl_decision d;
	struct sl_ticket t;
	struct fixture f;
	uint32_t ep;

	(void)state;
	fixture_init(&f, 40000);
	ep = help_add(f.r, SL_ROLE_BOTH);
	for (int i = 0; i < 60; i++) {
		d = help_send(f.r, &f.q, 1000000 + (uint64_t)i * 1000, &f.rng, &t);
		sl_router_finish(f.r, &t, &outcome, 1000500 + (uint64_t)i * 1000);
	}
	/* 9,728 or so were predicted each time, 3,000 came true */
	assert_in_range(help_view(f.r, ep, 0).gamma * 1000, 300, 340);
	assert_in_range(d.chosen.hit_tokens, 2900, 3300);
	fixture_fini(&f);
}

/* ---- models ---------------------------------------------------------------------- */

static void prompt_lengths_are_learned_per_model(void **state)
{
	struct sl_outcome outcome = { 20000, -1, 77 };
	struct sl_model_view v;
	struct sl_ticket t;
	struct fixture f;
	uint32_t other;

	(void)state;
	fixture_init(&f, 40000);
	help_add(f.r, SL_ROLE_BOTH);
	other = sl_router_model(f.r, SL_SPAN("other"));
	assert_near(sl_router_estimate_tokens(f.r, f.q.model, &f.p.facts), 10000, 1);
	f.p.facts.multimodal = true; /* images are tokens without text */
	help_send(f.r, &f.q, 0, &f.rng, &t);
	sl_router_finish(f.r, &t, &outcome, 1);
	assert_near(sl_router_estimate_tokens(f.r, f.q.model, &f.p.facts), 10000, 1);
	f.p.facts.multimodal = false;
	for (int i = 0; i < 200; i++) {
		help_send(f.r, &f.q, 0, &f.rng, &t);
		sl_router_finish(f.r, &t, &outcome, 1);
	}
	assert_near(sl_router_estimate_tokens(f.r, f.q.model, &f.p.facts), 20000, 50);
	assert_near(sl_router_estimate_tokens(f.r, other, &f.p.facts), 10000, 1);
	assert_near(sl_router_estimate_tokens(f.r, SL_NO_MODEL, &f.p.facts), 10000, 1);
	assert_true(sl_router_model_view(f.r, f.q.model, &v));
	assert_near(v.bytes_per_token, 2, 0.01);
	assert_near(v.output_tokens, 77, 1);
	assert_int_equal(v.requests, 201);
	assert_near(decide(&f, 5).output_tokens, 77, 1);
	f.p.facts.max_tokens = 9;
	assert_near(decide(&f, 5).output_tokens, 9, 0);
	f.p.facts.token_prompt = true;
	f.p.facts.prompt_tokens_exact = 1234;
	assert_near(decide(&f, 5).prompt_tokens, 1234, 0);
	f.p.facts.prompt_tokens_exact = 0;
	f.p.facts.token_prompt = false;
	f.p.facts.prompt_bytes = 0;
	f.p.facts.n_blocks = 0;
	assert_near(decide(&f, 5).prompt_tokens, 1, 0);
	fixture_fini(&f);
}

/* ---- closed loops ------------------------------------------------------------------- */

#define CLIENTS 256
#define ENGINES 16

/* Engines prefill one after the other and then decode, with the preset's
 * times; a client asks again as soon as it is answered. */
struct loop {
	struct sl_router *r;
	struct sl_rng rng;
	double slow[ENGINES + 1];
	uint64_t free_us[ENGINES + 1]; /* the prefill queue is done */
	uint32_t served[ENGINES + 1];
	uint32_t n_clients;
	struct client {
		struct sl_ticket ticket;
		struct prompt prompt;
		uint64_t at_us; /* of its next event */
		bool decoding;
	} client[CLIENTS];
	uint64_t now_us;
	uint64_t serial;
	uint32_t shared_bytes, own_bytes;
	double output;
};

static void loop_ask(struct loop *l, struct client *c)
{
	const struct sl_profile *profile = sl_profile_at(0);
	struct sl_query q;
	struct sl_decision d;
	uint32_t ep;
	double ms;

	prompt_init(&c->prompt, 1, l->shared_bytes, ++l->serial, l->shared_bytes + l->own_bytes);
	q = help_query(l->r, &c->prompt);
	d = help_send(l->r, &q, l->now_us, &l->rng, &c->ticket);
	ep = d.chosen.decode_ep;
	ms = l->slow[ep] * sl_profile_prefill_ms(profile, d.prompt_tokens - d.chosen.hit_tokens,
	                                         d.chosen.hit_tokens);
	if (l->free_us[ep] < l->now_us)
		l->free_us[ep] = l->now_us;
	l->free_us[ep] += (uint64_t)(ms * 1000);
	c->at_us = l->free_us[ep];
	c->decoding = false;
	l->served[ep]++;
}

static void loop_event(struct loop *l, struct client *c)
{
	struct sl_outcome outcome = { -1, -1, (int64_t)l->output };
	const struct ledger *ledger = &l->r->endpoints[c->ticket.decode_ep].ledger;
	double step;

	l->now_us = c->at_us;
	if (c->decoding) {
		sl_router_finish(l->r, &c->ticket, &outcome, l->now_us);
		prompt_fini(&c->prompt);
		loop_ask(l, c);
		return;
	}
	sl_router_first_token(l->r, &c->ticket, l->now_us);
	step = l->slow[c->ticket.decode_ep] *
	       sl_profile_step_ms(sl_profile_at(0), ledger->seqs, (double)ledger->context_tokens);
	c->at_us = l->now_us + (uint64_t)(1000 * (l->output - 1) * step);
	c->decoding = true;
}

static void loop_run(struct loop *l, uint32_t events)
{
	memset(l->served, 0, sizeof(l->served));
	while (events-- > 0) {
		struct client *next = &l->client[0];

		for (uint32_t i = 1; i < l->n_clients; i++)
			if (l->client[i].at_us < next->at_us)
				next = &l->client[i];
		loop_event(l, next);
	}
}

static void loop_init(struct loop *l, uint32_t clients, uint32_t shared, uint32_t own)
{
	memset(l, 0, sizeof(*l));
	l->r = help_router(SL_POLICY_COST);
	l->rng.state = 99;
	l->n_clients = clients;
	l->shared_bytes = shared;
	l->own_bytes = own;
	l->output = 200;
	for (int i = 0; i < ENGINES + 1; i++)
		l->slow[i] = 1;
	for (int i = 0; i < ENGINES; i++)
		help_add(l->r, SL_ROLE_BOTH);
}

static void loop_start(struct loop *l)
{
	l->now_us = 1000000;
	for (uint32_t i = 0; i < l->n_clients; i++)
		loop_ask(l, &l->client[i]);
}

static void loop_fini(struct loop *l)
{
	for (uint32_t i = 0; i < l->n_clients; i++)
		prompt_fini(&l->client[i].prompt);
	sl_router_free(l->r);
}

static double max_over_mean(const struct loop *l)
{
	double sum = 0, max = 0;

	for (int i = 0; i < ENGINES; i++) {
		sum += l->served[i];
		max = fmax(max, l->served[i]);
	}
	return max / (sum / ENGINES);
}

static void a_prefix_shared_by_all_attracts_nobody(void **state)
{
	static const uint32_t clients[] = { 64, 128, 256 };
	static struct loop l;

	(void)state;
	for (size_t k = 0; k < SL_COUNT(clients); k++) {
		loop_init(&l, clients[k], 8192, 4096);
		loop_start(&l);
		loop_run(&l, 4000);
		loop_run(&l, 12000);
		assert_true(max_over_mean(&l) <= 1.1);
		loop_fini(&l);
	}
}

static void slow_engines_are_found_and_get_less(void **state)
{
	static struct loop l;
	double healthy = 0;

	(void)state;
	loop_init(&l, 192, 4096, 16384);
	l.slow[3] = l.slow[11] = 4;
	loop_start(&l);
	loop_run(&l, 8000);
	loop_run(&l, 12000);
	for (uint32_t i = 0; i < ENGINES; i++)
		healthy += i == 3 || i == 11 ? 0 : l.served[i] / 14.0;
	assert_true(l.served[3] < healthy / 2);
	assert_true(l.served[11] < healthy / 2);
	assert_true(l.served[3] > 0 && l.served[11] > 0);
	assert_true(help_view(l.r, 3, l.now_us).slowness > 2.5);
	assert_true(help_view(l.r, 11, l.now_us).slowness > 2.5);
	for (uint32_t i = 0; i < ENGINES; i++)
		if (i != 3 && i != 11)
			assert_in_range(help_view(l.r, i, l.now_us).slowness * 100, 80, 125);
	loop_fini(&l);
}

/* What the GPUs said is not learned once more. */
static void a_derated_engine_is_not_slow_twice(void **state)
{
	static struct loop l;

	(void)state;
	loop_init(&l, 192, 4096, 16384);
	l.slow[3] = 3;
	sl_router_endpoint_derate(l.r, 3, 3);
	loop_start(&l);
	loop_run(&l, 16000);
	assert_true(l.served[3] > 0);
	assert_in_range(help_view(l.r, 3, l.now_us).slowness * 100, 240, 375);
	/* Its GPUs run as usual again, and so it does. */
	l.slow[3] = 1;
	sl_router_endpoint_derate(l.r, 3, 1);
	assert_in_range(help_view(l.r, 3, l.now_us).slowness * 100, 80, 125);
	loop_fini(&l);
}

/* A preset that is ten times too slow for everybody. */
static void a_common_error_is_learned_as_scale(void **state)
{
	static struct loop l;

	(void)state;
	loop_init(&l, 96, 4096, 16384);
	for (int i = 0; i < ENGINES; i++)
		l.slow[i] = 0.1;
	loop_start(&l);
	loop_run(&l, 8000);
	loop_run(&l, 8000);
	for (uint32_t i = 0; i < ENGINES; i++)
		assert_in_range(help_view(l.r, i, l.now_us).slowness * 100, 85, 115);
	assert_in_range(learn_scale_factor(&l.r->prefill_scale) * 1000, 50, 200);
	assert_in_range(learn_scale_factor(&l.r->decode_scale) * 1000, 50, 200);
	assert_true(max_over_mean(&l) <= 1.15);
	loop_fini(&l);
}

/* All others are warm; it has nothing but a short queue. */
static void a_new_engine_is_not_starved(void **state)
{
	static struct loop l;
	uint32_t fresh;

	(void)state;
	loop_init(&l, 192, 32768, 2048);
	loop_start(&l);
	loop_run(&l, 8000);
	fresh = help_add(l.r, SL_ROLE_BOTH);
	assert_int_equal(fresh, ENGINES);
	loop_run(&l, 1000);
	assert_true(l.served[fresh] > 0);
	loop_run(&l, 8000);
	assert_true(l.served[fresh] >= 0.9 * 8000 / 2 / (ENGINES + 1));
	loop_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_aggregated_request_is_charged_and_released),
		cmocka_unit_test(a_remote_request_moves_over),
		cmocka_unit_test(the_blocks_of_a_failed_request_are_taken_back),
		cmocka_unit_test(an_unstreamed_prefill_ends_by_itself),
		cmocka_unit_test(sequences_are_counted_and_bounded),
		cmocka_unit_test(any_sequence_ends_at_exactly_nothing),
		cmocka_unit_test(a_slot_is_reused_after_its_last_ticket),
		cmocka_unit_test(who_returns_starts_anew),
		cmocka_unit_test(who_was_only_ejected_keeps_its_cache),
		cmocka_unit_test(gpus_derate_an_engine),
		cmocka_unit_test(updates_keep_what_is_known),
		cmocka_unit_test(model_names_are_interned_and_bounded),
		cmocka_unit_test(thousands_of_endpoints),
		cmocka_unit_test(scraped_capacity_replaces_the_presets),
		cmocka_unit_test(foreign_work_counts_and_ages),
		cmocka_unit_test(our_own_work_is_not_foreign),
		cmocka_unit_test(counters_that_fall_clear_the_index),
		cmocka_unit_test(counters_correct_hits),
		cmocka_unit_test(usage_corrects_hits),
		cmocka_unit_test(prompt_lengths_are_learned_per_model),
		cmocka_unit_test(a_prefix_shared_by_all_attracts_nobody),
		cmocka_unit_test(slow_engines_are_found_and_get_less),
		cmocka_unit_test(a_derated_engine_is_not_slow_twice),
		cmocka_unit_test(a_common_error_is_learned_as_scale),
		cmocka_unit_test(a_new_engine_is_not_starved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
