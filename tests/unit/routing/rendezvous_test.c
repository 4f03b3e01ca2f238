/* rendezvous_test.c: the policy consistent-hash, and what cost does when other
 * gateways are not heard: gateways agree, load is bounded, few keys move. */
#include "routing/rendezvous.h"

#include "tests/unit/routing/route_help.h"

#define ENGINES 8
#define SHARED 8192u

/* One of several gateways in front of the same engines. Their slots differ. */
struct gateway {
	struct sl_router *r;
	struct sl_rng rng;
	uint64_t name[64]; /* of the engine in a slot */
};

static void gateway_init(struct gateway *g, enum sl_policy policy, enum sl_role role, uint64_t turn)
{
	*g = (struct gateway){ .r = help_router(policy), .rng = { 3 + turn } };
	for (uint64_t i = 0; i < ENGINES; i++) {
		uint64_t engine = 1 + (i * 3 + turn) % ENGINES;
		struct sl_endpoint_spec spec = { .role = role,
			                         .remote_prefill = true,
			                         .identity = sl_name_hash(engine, SL_SPAN("")) };

		g->name[help_add_spec(g->r, spec)] = engine;
	}
}

struct ask {
	uint64_t own, session, staleness_us;
	uint32_t bytes;
};

static struct sl_decision decide(struct gateway *g, struct ask a, struct sl_ticket *t)
{
	struct sl_decision d;
	struct sl_query q;
	struct prompt p;

	prompt_init(&p, 1, SHARED, a.own, a.bytes);
	p.facts.prompt_hash = help_mix(a.own, a.bytes);
	q = help_query(g->r, &p);
	q.session = a.session;
	q.staleness_us = a.staleness_us;
	assert_int_equal(sl_router_decide(g->r, &q, 0, &g->rng, &d), 0);
	if (t)
		sl_router_dispatch(g->r, &q, &d, 0, t);
	prompt_fini(&p);
	return d;
}

/* The engine that such a request goes to. It has ended when this returns. */
static uint64_t go(struct gateway *g, struct ask a)
{
	struct sl_ticket t;
	struct sl_decision d = decide(g, a, &t);

	sl_router_finish(g->r, &t, &help_unknown, 0);
	return g->name[d.chosen.decode_ep];
}

static void gateways_agree(void **state)
{
	struct gateway a, b;

	(void)state;
	gateway_init(&a, SL_POLICY_CONSISTENT_HASH, SL_ROLE_BOTH, 0);
	gateway_init(&b, SL_POLICY_CONSISTENT_HASH, SL_ROLE_BOTH, 5);
	for (uint64_t i = 0; i < 400; i++) {
		struct ask prompt = { .own = i, .bytes = 20000 };
		struct ask session = { .own = i, .bytes = 20000, .session = 1 + i % 40 };

		if (i > 100) /* not the same requests */
			go(&b, (struct ask){ .own = 10000 + i, .bytes = 9000 });
		if (i > 40)
			assert_int_equal(go(&a, prompt), go(&b, prompt));
		assert_int_equal(go(&a, session), go(&b, session));
	}
	sl_router_free(a.r);
	sl_router_free(b.r);
}

static void a_key_has_one_engine(void **state)
{
	uint64_t by_session[50], by_prompt[50];
	struct gateway g;

	(void)state;
	gateway_init(&g, SL_POLICY_CONSISTENT_HASH, SL_ROLE_BOTH, 0);
	for (uint64_t i = 0; i < 100; i++)
		go(&g, (struct ask){ .own = 5000 + i, .bytes = 20000 });
	for (uint64_t i = 0; i < 50; i++) {
		by_session[i] = go(&g, (struct ask){ .own = i, .bytes = 300, .session = i + 1 });
		by_prompt[i] = go(&g, (struct ask){ .own = i, .bytes = 10000 });
	}
	for (uint64_t i = 0; i < 50; i++) {
		struct ask session = { .own = 77, .bytes = 30000, .session = i + 1 };

		assert_int_equal(go(&g, session), by_session[i]);
		/* the same conversation, later */
		assert_int_equal(go(&g, (struct ask){ .own = i, .bytes = 60000 }), by_prompt[i]);
	}
	sl_router_free(g.r);
}

static void check_spread(const uint32_t *used, uint32_t total)
{
	for (uint32_t i = 1; i <= ENGINES; i++)
		assert_in_range(used[i], total / ENGINES / 2, total / ENGINES * 2);
}

/* All prompts begin with the same 8 KiB; some have not a whole block besides. */
static void what_everybody_shares_attracts_nobody(void **state)
{
	static const uint32_t bytes[] = { 20000, 8800, 3000, 100 };

	(void)state;
	for (size_t k = 0; k < SL_COUNT(bytes); k++) {
		uint32_t used[ENGINES + 1] = { 0 };
		struct gateway g;

		gateway_init(&g, SL_POLICY_CONSISTENT_HASH, SL_ROLE_BOTH, 0);
		for (uint64_t i = 0; i < 40; i++)
			go(&g, (struct ask){ .own = i, .bytes = 20000 });
		for (uint64_t i = 100; i < 900; i++)
			used[go(&g, (struct ask){ .own = i, .bytes = bytes[k] })]++;
		check_spread(used, 800);
		sl_router_free(g.r);
	}
}

/* One session asks for everything at once. */
static void load_is_bounded(void **state)
{
	static struct sl_ticket t[400];
	uint32_t first = SL_NO_ENDPOINT, used = 0;
	struct gateway g;

	(void)state;
	gateway_init(&g, SL_POLICY_CONSISTENT_HASH, SL_ROLE_BOTH, 0);
	for (uint32_t i = 0; i < 400; i++) {
		struct ask a = { .own = 1, .bytes = 300, .session = 5 };
		uint32_t bound = (5 * (i + 1) + 4 * ENGINES - 1) / (4 * ENGINES);
		struct sl_decision d = decide(&g, a, &t[i]);

		if (i == 0)
			first = d.chosen.decode_ep;
		assert_in_range(help_view(g.r, d.chosen.decode_ep, 0).inflight, 1, bound + 1);
	}
	/* its own engine and the next ones in its order are full */
	for (uint32_t ep = 0; ep < ENGINES; ep++) {
		assert_in_range(help_view(g.r, ep, 0).inflight, 0, 64);
		used += help_view(g.r, ep, 0).inflight > 0;
	}
	assert_int_equal(used, 7);
	assert_in_range(help_view(g.r, first, 0).inflight, 62, 64);
	sl_router_free(g.r);
}

static void few_keys_move(void **state)
{
	uint32_t slot_of_3 = 0, moved = 0, there = 0;
	uint64_t before[300];
	struct gateway g;

	(void)state;
	gateway_init(&g, SL_POLICY_CONSISTENT_HASH, SL_ROLE_BOTH, 0);
	for (uint64_t i = 0; i < 300; i++)
		before[i] = go(&g, (struct ask){ .own = 1, .bytes = 300, .session = i + 1 });
	while (g.name[slot_of_3] != 3)
		slot_of_3++;
	sl_router_endpoint_drain(g.r, slot_of_3, true);
	for (uint64_t i = 0; i < 300; i++) {
		there += before[i] == 3;
		moved += go(&g, (struct ask){ .own = 1, .bytes = 300, .session = i + 1 }) !=
		         before[i];
	}
	assert_true(there > 0);
	assert_int_equal(moved, there);
	sl_router_free(g.r);
}

static void pairs_are_made_of_both_sides(void **state)
{
	struct gateway g;
	uint32_t first;

	(void)state;
	gateway_init(&g, SL_POLICY_CONSISTENT_HASH, SL_ROLE_DECODE, 0);
	first = help_add(g.r, SL_ROLE_PREFILL);
	help_add(g.r, SL_ROLE_PREFILL);
	for (uint64_t i = 1; i < 50; i++) {
		struct ask a = { .own = i, .bytes = 300, .session = i };
		struct sl_decision d = decide(&g, a, NULL);

		assert_int_equal(d.chosen.placement, SL_PLACE_REMOTE);
		assert_in_range(d.chosen.prefill_ep, first, first + 1);
		assert_in_range(d.chosen.decode_ep, 0, ENGINES - 1);
	}
	sl_router_free(g.r);
}

/* ---- the policy cost ------------------------------------------------- */

#define BLIND 1500000u

/* The first sight of a prompt mostly goes where the other gateway puts it, and
 * stays: to the first engine in its order, unless the second is much cheaper. */
static void cut_off_gateways_agree_on_cold_prompts(void **state)
{
	static const enum sl_role roles[] = { SL_ROLE_BOTH, SL_ROLE_DECODE };

	(void)state;
	for (size_t k = 0; k < SL_COUNT(roles); k++) {
		uint32_t used[ENGINES + 1] = { 0 }, agreed = 0;
		struct gateway a, b;

		gateway_init(&a, SL_POLICY_COST, roles[k], 0);
		gateway_init(&b, SL_POLICY_COST, roles[k], 5);
		for (uint64_t i = 0; i < 60; i++) {
			go(&a, (struct ask){ .own = i, .bytes = 12000 });
			go(&b, (struct ask){ .own = 100 + i, .bytes = 12000 });
		}
		for (uint64_t i = 1000; i < 1800; i++) {
			struct ask first = { .own = i, .bytes = 10000, .staleness_us = BLIND };
			struct ask later = { .own = i, .bytes = 60000, .staleness_us = BLIND };
			uint64_t engine = go(&a, first);

			used[engine]++;
			agreed += go(&b, later) == engine;
		}
		check_spread(used, 800);
		assert_in_range(agreed, 720, 800);
		sl_router_free(a.r);
		sl_router_free(b.r);
	}
}

/* Where the rest of the prompt is cached counts more than what was agreed. */
static void cut_off_a_warm_prompt_goes_by_cost(void **state)
{
	struct gateway g;
	uint32_t agreed = 0;

	(void)state;
	gateway_init(&g, SL_POLICY_COST, SL_ROLE_BOTH, 0);
	for (uint64_t i = 0; i < 200; i++) {
		struct ask a = { .own = i, .bytes = 200000 };
		uint64_t warm = go(&g, a);
		struct gateway other;

		a.staleness_us = BLIND;
		assert_int_equal(go(&g, a), warm);
		gateway_init(&other, SL_POLICY_COST, SL_ROLE_BOTH, 0);
		agreed += go(&other, a) == warm;
		sl_router_free(other.r);
	}
	assert_in_range(agreed, 0, 100);
	sl_router_free(g.r);
}

/* Not yet cut off, or nothing of its own to be found again: by cost, at random
 * among equals. */
static void others_go_by_cost(void **state)
{
	static const struct ask asks[] = {
		{ .own = 1, .bytes = 20000, .staleness_us = BLIND / 2 },
		{ .own = 1, .bytes = 200, .staleness_us = BLIND },
	};

	(void)state;
	for (size_t k = 0; k < SL_COUNT(asks); k++) {
		uint32_t used[ENGINES + 1] = { 0 };
		struct gateway g;

		gateway_init(&g, SL_POLICY_COST, SL_ROLE_BOTH, 0);
		for (int i = 0; i < 800; i++)
			used[g.name[decide(&g, asks[k], NULL).chosen.decode_ep]]++;
		check_spread(used, 800);
		sl_router_free(g.r);
	}
}

/* Long and cold: the two engines agreed upon, as a pair, because that costs less
 * than to prefill where many others decode. */
static void cut_off_the_cheaper_placement_is_taken(void **state)
{
	struct ask a = { .own = 1, .bytes = 100000, .staleness_us = BLIND };
	struct gateway g;
	struct sl_decision d;
	uint32_t first;

	(void)state;
	gateway_init(&g, SL_POLICY_COST, SL_ROLE_DECODE, 0);
	first = help_add(g.r, SL_ROLE_PREFILL);
	d = decide(&g, a, NULL);
	assert_int_equal(d.chosen.placement, SL_PLACE_LOCAL);
	for (uint32_t ep = 0; ep < ENGINES; ep++) {
		struct sl_load load = { .inflight = 1, .seqs = 64, .context_tokens = 64000 };

		sl_router_peer_load(g.r, ep, 1, &load, UINT64_MAX, 0);
	}
	d = decide(&g, a, NULL);
	assert_int_equal(d.chosen.placement, SL_PLACE_REMOTE);
	assert_int_equal(d.chosen.prefill_ep, first);
	assert_int_equal(d.n_kept, 2 * RENDEZVOUS_CHOICES);
	sl_router_free(g.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gateways_agree),
		cmocka_unit_test(a_key_has_one_engine),
		cmocka_unit_test(what_everybody_shares_attracts_nobody),
		cmocka_unit_test(load_is_bounded),
		cmocka_unit_test(few_keys_move),
		cmocka_unit_test(pairs_are_made_of_both_sides),
		cmocka_unit_test(cut_off_gateways_agree_on_cold_prompts),
		cmocka_unit_test(cut_off_a_warm_prompt_goes_by_cost),
		cmocka_unit_test(others_go_by_cost),
		cmocka_unit_test(cut_off_the_cheaper_placement_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
