/* share_test.c: work and prompts of other gateways in this one's decisions. */
#include "tests/unit/routing/route_help.h"

#define SECOND 1000000u

static struct sl_load work(uint32_t n)
{
	return (struct sl_load){ .inflight = n,
		                 .prefilling = n,
		                 .seqs = n,
		                 .queue_us = n * 50000u,
		                 .context_tokens = n * 1000u };
}

static uint32_t peers_inflight(struct sl_router *r, uint32_t ep, uint64_t now_us)
{
	return help_view(r, ep, now_us).peers_inflight;
}

static void own_load_is_told_as_a_whole(void **state)
{
	struct sl_router *r = help_router(SL_POLICY_COST);
	uint32_t ep = help_add(r, SL_ROLE_BOTH);
	struct sl_rng rng = { 1 };
	struct sl_ticket a, b;
	struct sl_load load;
	struct prompt p;
	struct sl_query q;

	(void)state;
	prompt_init(&p, 1, 0, 1, 40000);
	q = help_query(r, &p);
	help_send(r, &q, SECOND, &rng, &a);
	help_send(r, &q, SECOND, &rng, &b);
	sl_router_first_token(r, &a, SECOND);
	assert_true(sl_router_own_load(r, ep, SECOND, &load));
	assert_int_equal(load.inflight, 2);
	assert_int_equal(load.prefilling, 1);
	assert_int_equal(load.seqs, 2);
	assert_true(load.context_tokens > 20000);
	assert_true(load.queue_us > 0);
	sl_router_cancel(r, &a, &p.facts, 0, SECOND);
	sl_router_cancel(r, &b, &p.facts, 0, SECOND);
	assert_true(sl_router_own_load(r, ep, SECOND, &load));
	assert_int_equal(load.inflight + load.seqs + load.context_tokens + load.queue_us, 0);
	sl_router_endpoint_del(r, ep);
	assert_false(sl_router_own_load(r, ep, SECOND, &load));
	prompt_fini(&p);
	sl_router_free(r);
}

static void a_peers_work_sends_us_elsewhere(void **state)
{
	struct sl_router *r = help_router(SL_POLICY_COST);
	uint32_t a = help_add(r, SL_ROLE_BOTH), b = help_add(r, SL_ROLE_BOTH);
	struct sl_load four = work(4), none = work(0);
	struct sl_rng rng = { 1 };
	struct prompt p;
	struct sl_query q;
	struct sl_ticket t;
	uint32_t there = 0;

	(void)state;
	prompt_init(&p, 1, 0, 1, 4000);
	q = help_query(r, &p);
	for (int i = 0; i < 20; i++) {
		sl_router_peer_load(r, i % 2 ? a : b, 7, &four, 9 * SECOND, SECOND);
		sl_router_peer_load(r, i % 2 ? b : a, 7, &none, 9 * SECOND, SECOND);
		there += help_send(r, &q, SECOND, &rng, &t).chosen.decode_ep == (i % 2 ? b : a);
		sl_router_cancel(r, &t, &p.facts, SL_BLAME_DECODE, SECOND);
	}
	assert_int_equal(there, 20);
	prompt_fini(&p);
	sl_router_free(r);
}

/* In every part of the price, as if it were ours. */
static void a_peers_work_costs_what_ours_costs(void **state)
{
	struct sl_router *ours = help_router(SL_POLICY_COST), *r = help_router(SL_POLICY_COST);
	uint32_t ep = help_add(ours, SL_ROLE_BOTH);
	struct sl_rng rng = { 1 };
	struct sl_decision d, e;
	struct sl_ticket t[3];
	struct prompt p, other;
	struct sl_load load;
	struct sl_query q;

	(void)state;
	help_add(r, SL_ROLE_BOTH);
	prompt_init(&p, 1, 0, 1, 40000);
	prompt_init(&other, 2, 0, 2, 8000);
	q = help_query(ours, &p);
	for (int i = 0; i < 3; i++)
		help_send(ours, &q, SECOND, &rng, &t[i]);
	assert_true(sl_router_own_load(ours, ep, SECOND, &load));
	sl_router_peer_load(r, 0, 7, &load, 9 * SECOND, SECOND);
	q = help_query(ours, &other);
	/* U, the share of time spent on prefills, is not shared: let it be over. */
	assert_int_equal(sl_router_decide(ours, &q, 2 * SECOND, &rng, &d), 0);
	q = help_query(r, &other);
	assert_int_equal(sl_router_decide(r, &q, SECOND, &rng, &e), 0);
	assert_near(e.chosen.queue_ms, (double)load.queue_us / 1000, 1e-3);
	assert_near(e.chosen.stall_ms, d.chosen.stall_ms, 1e-3);
	assert_near(e.chosen.memory_ms, d.chosen.memory_ms, 1e-3);
	assert_true(e.chosen.decode_ms > 0 && e.chosen.decode_ms <= d.chosen.decode_ms);
	for (int i = 0; i < 3; i++)
		sl_router_cancel(ours, &t[i], &p.facts, 0, 2 * SECOND);
	prompt_fini(&p);
	prompt_fini(&other);
	sl_router_free(ours);
	sl_router_free(r);
}

static void a_silent_peers_work_ends(void **state)
{
	struct sl_router *r = help_router(SL_POLICY_COST);
	uint32_t ep = help_add_spec(r, (struct sl_endpoint_spec){ .max_concurrent = 4 });
	struct sl_load three = work(3), one = work(1);
	struct sl_rng rng = { 1 };
	struct sl_decision d;
	struct prompt p;
	struct sl_query q;

	(void)state;
	prompt_init(&p, 1, 0, 1, 4000);
	q = help_query(r, &p);
	sl_router_peer_load(r, ep, 7, &three, 4 * SECOND, SECOND);
	assert_int_equal(sl_router_decide(r, &q, SECOND, &rng, &d), 0);
	sl_router_peer_load(r, ep, 8, &one, 6 * SECOND, SECOND);
	assert_int_equal(sl_router_decide(r, &q, SECOND, &rng, &d), SL_E_SATURATED);
	assert_int_equal(d.filtered[SL_FILTER_FULL], 1);
	assert_int_equal(peers_inflight(r, ep, 3 * SECOND), 4);
	assert_int_equal(peers_inflight(r, ep, 4 * SECOND), 1);
	assert_int_equal(sl_router_decide(r, &q, 4 * SECOND, &rng, &d), 0);
	assert_near(d.chosen.queue_ms, 50, 1e-3);
	assert_int_equal(peers_inflight(r, ep, 6 * SECOND), 0);
	assert_int_equal(sl_router_decide(r, &q, 6 * SECOND, &rng, &d), 0);
	assert_near(d.chosen.queue_ms, 0, 0);
	prompt_fini(&p);
	sl_router_free(r);
}

static void a_peer_is_forgotten_and_a_slot_starts_anew(void **state)
{
	struct sl_router *r = help_router(SL_POLICY_COST);
	uint32_t a = help_add(r, SL_ROLE_BOTH), b = help_add(r, SL_ROLE_BOTH);
	struct sl_load two = work(2), five = work(5);

	(void)state;
	sl_router_peer_load(r, a, 7, &two, 9 * SECOND, 0);
	sl_router_peer_load(r, b, 7, &two, 9 * SECOND, 0);
	sl_router_peer_load(r, b, 8, &five, 9 * SECOND, 0);
	sl_router_peer_forget(r, 7, SECOND);
	assert_int_equal(peers_inflight(r, a, SECOND), 0);
	assert_int_equal(peers_inflight(r, b, SECOND), 5);
	sl_router_endpoint_del(r, b);
	assert_int_equal(help_add(r, SL_ROLE_BOTH), b);
	assert_int_equal(peers_inflight(r, b, SECOND), 0);
	sl_router_free(r);
}

static void peers_are_bounded(void **state)
{
	struct sl_router *r = help_router(SL_POLICY_COST);
	uint32_t ep = help_add(r, SL_ROLE_BOTH);
	struct sl_load one = work(1), two = work(2);

	(void)state;
	for (uint64_t peer = 1; peer <= SL_MAX_PEERS + 10; peer++)
		sl_router_peer_load(r, ep, peer, &one, 9 * SECOND, 0);
	assert_int_equal(peers_inflight(r, ep, 0), SL_MAX_PEERS);
	sl_router_peer_load(r, ep, 1, &two, 9 * SECOND, 0);
	assert_int_equal(peers_inflight(r, ep, 0), SL_MAX_PEERS + 1);
	sl_router_free(r);
}

/* The engine's own count holds the peers' work too. */
static void nothing_is_counted_twice(void **state)
{
	struct sl_router *r = help_router(SL_POLICY_COST);
	uint32_t ep = help_add(r, SL_ROLE_BOTH);
	struct sl_load_sample s = { .running = 3,
		                    .waiting = 0,
		                    .kv_usage = -1,
		                    .kv_capacity_tokens = -1,
		                    .prefix_hit_tokens = -1,
		                    .prefix_query_tokens = -1 };
	struct sl_load three = { .inflight = 3, .seqs = 3, .context_tokens = 3000 };
	struct sl_rng rng = { 1 };
	struct sl_decision alone, both, late;
	struct prompt p;
	struct sl_query q;

	(void)state;
	prompt_init(&p, 1, 0, 1, 4000);
	q = help_query(r, &p);
	sl_router_peer_load(r, ep, 7, &three, 9 * SECOND, SECOND);
	assert_int_equal(sl_router_decide(r, &q, SECOND, &rng, &alone), 0);
	assert_true(alone.chosen.stall_ms > 0);
	s.taken_us = SECOND;
	sl_router_endpoint_sample(r, ep, &s, SECOND);
	assert_int_equal(sl_router_decide(r, &q, SECOND, &rng, &both), 0);
	assert_near(both.chosen.stall_ms, alone.chosen.stall_ms, 1e-6);
	/* The other way about, the count before the gateway's word: until the next
	 * count, which puts it right. */
	sl_router_peer_forget(r, 7, SECOND);
	s.taken_us = 3 * SECOND;
	sl_router_endpoint_sample(r, ep, &s, 3 * SECOND);
	sl_router_peer_load(r, ep, 7, &three, 9 * SECOND, 3 * SECOND);
	s.taken_us = 4 * SECOND;
	sl_router_endpoint_sample(r, ep, &s, 4 * SECOND);
	assert_int_equal(sl_router_decide(r, &q, 4 * SECOND, &rng, &late), 0);
	assert_near(late.chosen.stall_ms, alone.chosen.stall_ms, 1e-6);
	prompt_fini(&p);
	sl_router_free(r);
}

/* What one router logs makes another choose the engine that has the prompt. */
static void prompts_travel(void **state)
{
	struct sl_block_log *log = sl_block_log_new(8, SL_MAX_SHARED_BLOCKS), *full;
	struct sl_router *a = help_router(SL_POLICY_COST), *b = help_router(SL_POLICY_COST);
	struct sl_rng rng = { 1 };
	struct sl_decision da, db;
	struct sl_ticket t;
	struct prompt p;
	struct sl_query q;

	(void)state;
	for (int i = 0; i < 8; i++) {
		help_add(a, SL_ROLE_BOTH);
		help_add(b, SL_ROLE_BOTH);
	}
	assert_null(sl_router_swap_block_log(a, log));
	prompt_init(&p, 1, 0, 1, 300000);
	q = help_query(a, &p);
	da = help_send(a, &q, SECOND, &rng, &t);
	sl_router_cancel(a, &t, &p.facts, 0, SECOND);
	help_send(a, &q, SECOND, &rng, &t); /* nothing new */
	sl_router_cancel(a, &t, &p.facts, 0, SECOND);
	full = sl_router_swap_block_log(a, NULL);
	assert_ptr_equal(full, log);
	assert_int_equal(full->n_runs, 1);
	assert_int_equal(full->runs[0].ep, da.chosen.decode_ep);
	assert_int_equal(full->runs[0].count, p.facts.n_blocks);
	sl_router_peer_blocks(b, full->runs[0].ep, full->hashes, full->runs[0].count,
	                      full->runs[0].tokens_per_byte);
	q = help_query(b, &p);
	assert_int_equal(sl_router_decide(b, &q, SECOND, &rng, &db), 0);
	assert_int_equal(db.chosen.decode_ep, da.chosen.decode_ep);
	assert_true(db.chosen.hit_tokens > 0.95 * db.prompt_tokens);
	prompt_fini(&p);
	sl_block_log_free(full);
	sl_router_free(a);
	sl_router_free(b);
}

static void the_log_keeps_the_newest(void **state)
{
	struct sl_block_log *log = sl_block_log_new(3, SL_MAX_SHARED_BLOCKS);
	struct sl_router *r = help_router(SL_POLICY_COST);
	struct sl_rng rng = { 1 };
	struct sl_ticket t;
	struct prompt p;
	struct sl_query q;

	(void)state;
	help_add(r, SL_ROLE_BOTH);
	sl_router_swap_block_log(r, log);
	for (uint64_t i = 0; i < 5; i++) {
		prompt_init(&p, i + 1, 0, i + 1, 2048);
		q = help_query(r, &p);
		help_send(r, &q, SECOND, &rng, &t);
		sl_router_cancel(r, &t, &p.facts, 0, SECOND);
		assert_int_equal(log->n_runs, i < 3 ? i + 1 : i - 2);
		assert_int_equal(log->hashes[log->n_hashes - 1], p.blocks[7].hash);
		prompt_fini(&p);
	}
	assert_int_equal(log->dropped, 3);
	sl_router_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_load_is_told_as_a_whole),
		cmocka_unit_test(a_peers_work_sends_us_elsewhere),
		cmocka_unit_test(a_peers_work_costs_what_ours_costs),
		cmocka_unit_test(a_silent_peers_work_ends),
		cmocka_unit_test(a_peer_is_forgotten_and_a_slot_starts_anew),
		cmocka_unit_test(peers_are_bounded),
		cmocka_unit_test(nothing_is_counted_twice),
		cmocka_unit_test(prompts_travel),
		cmocka_unit_test(the_log_keeps_the_newest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
