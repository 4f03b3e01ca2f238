/* pressure_test.c: what a placement costs where something is scarce: memory that
 * hand-offs wait for, and caches that are full. */
#include "tests/unit/routing/route_help.h"

#define CAPACITY 60000.0

static void set_capacity(struct sl_router *r, uint32_t ep)
{
	struct sl_load_sample s = { .taken_us = 1,
		                    .running = -1,
		                    .waiting = -1,
		                    .kv_usage = -1,
		                    .kv_capacity_tokens = CAPACITY,
		                    .prefix_hit_tokens = -1,
		                    .prefix_query_tokens = -1 };

	sl_router_endpoint_sample(r, ep, &s, 1);
}

/* ---- hand-offs that wait ----------------------------------------------- */

static struct sl_candidate remote_of(struct sl_router *r, const struct sl_query *q,
                                     struct sl_rng *rng)
{
	struct sl_decision d;

	assert_int_equal(sl_router_decide(r, q, 1000, rng, &d), 0);
	for (uint32_t i = 0; i < d.n_kept; i++)
		if (d.kept[i].placement == SL_PLACE_REMOTE)
			return d.kept[i];
	fail_msg("no remote placement was priced");
	return d.chosen;
}

/* Memory is short from the start, but that counts only while somebody waits. */
static void a_prefill_runs_while_hand_offs_wait(void **state)
{
	static const struct sl_load others = { .inflight = 20,
		                               .seqs = 20,
		                               .context_tokens = 56000 };
	struct sl_router *r = help_router(SL_POLICY_COST);
	uint32_t prefill = help_add(r, SL_ROLE_PREFILL), decode = help_add(r, SL_ROLE_DECODE);
	struct sl_rng rng = { 5 };
	struct sl_candidate before, meanwhile;
	struct sl_query q;
	struct sl_ticket t;
	struct prompt p, first;

	(void)state;
	prompt_init(&p, 1, 0, 1, 40000);
	prompt_init(&first, 1, 0, 2, 8000);
	set_capacity(r, decode);
	sl_router_peer_load(r, decode, 1, &others, UINT64_MAX, 1);
	q = help_query(r, &first);
	(void)help_send(r, &q, 1000, &rng, &t);
	assert_int_equal(t.prefill_ep, prefill);
	q = help_query(r, &p);
	before = remote_of(r, &q, &rng);
	assert_true(before.memory_ms > 0);

	sl_router_prefilled(r, &t, 1000);
	meanwhile = remote_of(r, &q, &rng);
	/* the queue is one prefill shorter, too; M is what outlasts the rest */
	assert_near(meanwhile.memory_ms,
	            before.memory_ms > meanwhile.queue_ms + meanwhile.prefill_ms
	                    ? before.memory_ms - meanwhile.queue_ms - meanwhile.prefill_ms
	                    : 0,
	            1e-3);
	assert_true(meanwhile.memory_ms < before.memory_ms);

	sl_router_first_token(r, &t, 1000);
	assert_near(remote_of(r, &q, &rng).memory_ms, before.memory_ms, 1e-3);
	sl_router_finish(r, &t, &help_unknown, 1000);
	sl_router_free(r);
	prompt_fini(&p);
	prompt_fini(&first);
}

/* ---- full caches ------------------------------------------------------- */

struct pair {
	struct sl_router *r;
	uint32_t warm, other;
	struct sl_rng rng;
	uint64_t now_us;
	struct prompt p;
};

/* One request from its dispatch to its end, on that engine. */
static void serve(struct pair *f, const struct prompt *p, uint32_t ep)
{
	struct sl_query q = help_query(f->r, p);
	struct sl_ticket t;

	q.excluded[q.n_excluded++] = ep == f->warm ? f->other : f->warm;
	(void)help_send(f->r, &q, f->now_us, &f->rng, &t);
	assert_int_equal(t.decode_ep, ep);
	sl_router_first_token(f->r, &t, f->now_us);
	sl_router_finish(f->r, &t, &help_unknown, f->now_us);
	f->now_us += 60000000;
}

static void pair_init(struct pair *f)
{
	*f = (struct pair){ .r = help_router(SL_POLICY_COST), .rng = { 6 }, .now_us = 1000 };
	f->warm = help_add(f->r, SL_ROLE_BOTH);
	f->other = help_add(f->r, SL_ROLE_BOTH);
	set_capacity(f->r, f->warm);
	set_capacity(f->r, f->other);
	prompt_init(&f->p, 1, 0, 1, 40000);
	serve(f, &f->p, f->warm);
}

static void fill_other(struct pair *f)
{
	for (uint64_t i = 0; i < 8; i++) {
		struct prompt p;

		prompt_init(&p, 1, 0, 100 + i, 40000);
		serve(f, &p, f->other);
		prompt_fini(&p);
	}
}

/* Where the prompt goes while a longer one is being prefilled where it is cached:
 * a wait of more than its own prefill, and less than twice that. */
static uint32_t go_while_warm_is_busy(struct pair *f)
{
	struct sl_query busy, q = help_query(f->r, &f->p);
	struct sl_decision d;
	struct sl_ticket t;
	struct prompt longer;

	prompt_init(&longer, 1, 0, f->now_us, 60000); /* never seen before */
	busy = help_query(f->r, &longer);
	busy.excluded[busy.n_excluded++] = f->other;
	(void)help_send(f->r, &busy, f->now_us, &f->rng, &t);
	assert_int_equal(sl_router_decide(f->r, &q, f->now_us, &f->rng, &d), 0);
	sl_router_cancel(f->r, &t, &longer.facts, SL_BLAME_NONE, f->now_us);
	f->now_us += 60000000;
	prompt_fini(&longer);
	return d.chosen.decode_ep;
}

static void pair_fini(struct pair *f)
{
	sl_router_free(f->r);
	prompt_fini(&f->p);
}

static void a_cache_with_room_is_used(void **state)
{
	struct pair f;

	(void)state;
	pair_init(&f);
	assert_int_equal(go_while_warm_is_busy(&f), f.other);
	pair_fini(&f);
}

static void a_full_cache_is_spared(void **state)
{
	struct pair f;

	(void)state;
	pair_init(&f);
	fill_other(&f);
	assert_int_equal(go_while_warm_is_busy(&f), f.warm);
	/* restarted, it has room again */
	sl_router_endpoint_restarted(f.r, f.other);
	assert_int_equal(go_while_warm_is_busy(&f), f.other);
	pair_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prefill_runs_while_hand_offs_wait),
		cmocka_unit_test(a_cache_with_room_is_used),
		cmocka_unit_test(a_full_cache_is_spared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
