/* recall_test.c: a session's next turn finds the answer of the last one, where
 * it is worth going there, and nowhere else. */
#include "routing/sessions.h"
#include "tests/unit/routing/route_help.h"

#define ENGINES 6
#define PROMPT 40000u /* bytes of the first turn */
#define ANSWER 3000   /* tokens, 4 bytes each */
#define SESSION 4711

/* A fleet and its clock. */
struct world {
	struct sl_router *r;
	struct sl_rng rng;
	uint64_t now_us;
};

static void world_init(struct world *w, int n, enum sl_role role)
{
	*w = (struct world){ .r = help_router(SL_POLICY_COST), .rng = { 9 }, .now_us = 1000000 };
	for (int i = 0; i < n; i++)
		help_add(w->r, role);
}

static struct sl_query turn_query(struct world *w, const struct prompt *p, uint64_t session)
{
	struct sl_query q = help_query(w->r, p);

	q.session = session;
	return q;
}

static uint64_t after_ms(const struct world *w, double ms)
{
	return w->now_us + (uint64_t)(ms * 1000);
}

/* A turn from its dispatch to its good end. It takes as long and has as many
 * tokens as was predicted, so that nothing is learned. */
static struct sl_decision turn(struct world *w, const struct prompt *p, uint64_t session,
                               int64_t answer)
{
	struct sl_query q = turn_query(w, p, session);
	struct sl_outcome outcome = { (int64_t)p->facts.prompt_bytes / 4, -1, answer };
	struct sl_ticket t;
	struct sl_decision d = help_send(w->r, &q, w->now_us, &w->rng, &t);

	if (d.chosen.placement == SL_PLACE_REMOTE)
		sl_router_prefilled(w->r, &t, after_ms(w, d.chosen.queue_ms + d.chosen.prefill_ms));
	sl_router_finish(w->r, &t, &outcome,
	                 after_ms(w, d.predicted_ttft_ms + (double)(answer - 1) * t.step_ms));
	w->now_us += 60000000;
	return d;
}

static struct sl_decision decide(struct world *w, const struct prompt *p, uint64_t session)
{
	struct sl_query q = turn_query(w, p, session);
	struct sl_decision d;

	assert_int_equal(sl_router_decide(w->r, &q, w->now_us, &w->rng, &d), 0);
	return d;
}

/* The first turn, and a second one that goes on from it. */
static void make_turns(struct prompt *first, struct prompt *second, uint32_t second_bytes)
{
	prompt_init(first, 1, PROMPT, 1, PROMPT);
	prompt_init(second, 1, first->blocks[first->facts.n_blocks - 1].end_bytes, 2, second_bytes);
}

static void the_answer_counts_as_cached(void **state)
{
	struct prompt first, second;
	struct sl_decision d;
	struct world w;
	uint32_t home;

	(void)state;
	world_init(&w, ENGINES, SL_ROLE_BOTH);
	make_turns(&first, &second, PROMPT + 4 * ANSWER + 2000);
	home = turn(&w, &first, SESSION, ANSWER + 1).chosen.decode_ep;
	/* without its name: only what the index knows, whole blocks */
	d = decide(&w, &second, 0);
	assert_int_equal(d.chosen.decode_ep, home);
	assert_near(d.chosen.hit_tokens, first.blocks[first.facts.n_blocks - 1].end_bytes / 4.0, 1);
	d = decide(&w, &second, SESSION + 1);
	assert_near(d.chosen.hit_tokens, first.blocks[first.facts.n_blocks - 1].end_bytes / 4.0, 1);
	d = decide(&w, &second, SESSION);
	assert_int_equal(d.chosen.decode_ep, home);
	assert_near(d.chosen.hit_tokens, PROMPT / 4 + ANSWER, 1);
	sl_router_free(w.r);
	prompt_fini(&first);
	prompt_fini(&second);
}

static void no_more_than_the_prompt(void **state)
{
	struct sl_outcome nonsense = { -1, -1, INT64_MAX };
	struct prompt first, second;
	struct sl_decision d;
	struct sl_query q;
	struct sl_ticket t;
	struct world w;

	(void)state;
	world_init(&w, ENGINES, SL_ROLE_BOTH);
	make_turns(&first, &second, PROMPT + 400);
	turn(&w, &first, SESSION, ANSWER);
	d = decide(&w, &second, SESSION);
	assert_near(d.chosen.hit_tokens, (PROMPT + 400) / 4 - 1, 1);
	/* nor if an engine talks nonsense */
	q = turn_query(&w, &first, SESSION);
	help_send(w.r, &q, w.now_us, &w.rng, &t);
	sl_router_finish(w.r, &t, &nonsense, w.now_us + 20000);
	w.now_us += 60000000;
	d = decide(&w, &second, SESSION);
	assert_true(d.chosen.hit_tokens < d.prompt_tokens);
	sl_router_free(w.r);
	prompt_fini(&first);
	prompt_fini(&second);
}

/* The same name, another conversation: one whose first block is the same. */
static void what_does_not_extend_gets_nothing(void **state)
{
	struct prompt first, other;
	struct sl_decision d;
	struct world w;

	(void)state;
	world_init(&w, ENGINES, SL_ROLE_BOTH);
	prompt_init(&first, 1, PROMPT, 1, PROMPT);
	prompt_init(&other, 1, 8192, 2, 60000);
	turn(&w, &first, SESSION, ANSWER);
	d = decide(&w, &other, SESSION);
	assert_near(d.chosen.hit_tokens, d.chosen.hit_tokens > 0 ? 2048 : 0, 1);
	sl_router_free(w.r);
	prompt_fini(&first);
	prompt_fini(&other);
}

/* One name for an agent and its helpers, who take turns. */
static void conversations_of_one_name_are_told_apart(void **state)
{
	struct prompt first, second, helper;
	struct sl_decision d;
	struct world w;
	uint32_t home;

	(void)state;
	world_init(&w, ENGINES, SL_ROLE_BOTH);
	make_turns(&first, &second, PROMPT + 4 * ANSWER + 2000);
	prompt_init(&helper, 3, 20000, 3, 20000);
	home = turn(&w, &first, SESSION, ANSWER + 1).chosen.decode_ep;
	turn(&w, &helper, SESSION, 10);
	d = decide(&w, &second, SESSION);
	assert_int_equal(d.chosen.decode_ep, home);
	assert_near(d.chosen.hit_tokens, PROMPT / 4 + ANSWER, 1);
	sl_router_free(w.r);
	prompt_fini(&first);
	prompt_fini(&second);
	prompt_fini(&helper);
}

static void queue_up(struct world *w, uint32_t ep, double ms)
{
	struct sl_load load = { .inflight = 1, .prefilling = 1, .queue_us = (uint64_t)(ms * 1000) };

	sl_router_peer_load(w->r, ep, 1, &load, w->now_us + 1000000000, w->now_us);
}

/* What the recalled answer is worth is the time to prefill it, not more. */
static void a_session_moves_when_that_is_cheaper(void **state)
{
	struct prompt first, second;
	struct sl_decision d;
	struct world w;
	uint32_t home;
	double cold, known, recalled;

	(void)state;
	world_init(&w, 2, SL_ROLE_BOTH);
	make_turns(&first, &second, PROMPT + 4 * ANSWER + 2000);
	home = turn(&w, &first, SESSION, ANSWER + 1).chosen.decode_ep;
	recalled = decide(&w, &second, SESSION).chosen.prefill_ms;
	known = decide(&w, &second, 0).chosen.prefill_ms;
	sl_router_endpoint_drain(w.r, home, true);
	cold = decide(&w, &second, SESSION).chosen.prefill_ms;
	sl_router_endpoint_drain(w.r, home, false);
	assert_true(recalled < known && known < cold);

	/* busy enough to leave it for what the index knows, not for the answer */
	queue_up(&w, home, cold - (known + recalled) / 2);
	d = decide(&w, &second, 0);
	assert_int_not_equal(d.chosen.decode_ep, home);
	d = decide(&w, &second, SESSION);
	assert_int_equal(d.chosen.decode_ep, home);
	queue_up(&w, home, 1.2 * (cold - recalled));
	d = decide(&w, &second, SESSION);
	assert_int_not_equal(d.chosen.decode_ep, home);
	sl_router_free(w.r);
	prompt_fini(&first);
	prompt_fini(&second);
}

enum mishap { RESTARTED, REPLACED, WAS_UNHEALTHY, RESTARTED_UNDERWAY };

static void befall(struct world *w, enum mishap m, uint32_t home)
{
	uint32_t model = sl_router_model(w->r, SL_SPAN("m"));
	struct sl_endpoint_spec spec = { .role = SL_ROLE_BOTH };

	switch (m) {
	case RESTARTED:
	case RESTARTED_UNDERWAY:
		sl_router_endpoint_restarted(w->r, home);
		break;
	case REPLACED:
		sl_router_endpoint_del(w->r, home);
		assert_int_equal(sl_router_endpoint_add(w->r, &spec), home);
		sl_router_endpoint_models(w->r, home, &model, 1);
		sl_router_endpoint_health(w->r, home, SL_HEALTH_HEALTHY, w->now_us);
		break;
	case WAS_UNHEALTHY:
		sl_router_endpoint_health(w->r, home, SL_HEALTH_UNHEALTHY, w->now_us);
		sl_router_endpoint_health(w->r, home, SL_HEALTH_HEALTHY, w->now_us);
		break;
	}
}

/* Even if somebody else has brought the same prompt there since. */
static void a_lost_cache_is_forgotten(void **state)
{
	(void)state;
	for (enum mishap m = RESTARTED; m <= RESTARTED_UNDERWAY; m++) {
		struct sl_outcome good = { PROMPT / 4, -1, ANSWER };
		struct prompt first, second;
		struct sl_decision d;
		struct sl_query q;
		struct sl_ticket t;
		struct world w;

		world_init(&w, 1, SL_ROLE_BOTH);
		make_turns(&first, &second, PROMPT + 4 * ANSWER + 2000);
		q = turn_query(&w, &first, SESSION);
		d = help_send(w.r, &q, w.now_us, &w.rng, &t);
		if (m == RESTARTED_UNDERWAY)
			befall(&w, m, d.chosen.decode_ep);
		sl_router_finish(w.r, &t, &good, w.now_us + 20000);
		if (m != RESTARTED_UNDERWAY)
			befall(&w, m, d.chosen.decode_ep);
		d = decide(&w, &second, SESSION);
		assert_near(d.chosen.hit_tokens, 0, 0.1);
		turn(&w, &first, 0, 1);
		d = decide(&w, &second, SESSION);
		assert_near(d.chosen.hit_tokens,
		            first.blocks[first.facts.n_blocks - 1].end_bytes / 4.0, 1);
		sl_router_free(w.r);
		prompt_fini(&first);
		prompt_fini(&second);
	}
}

/* An engine that had to make room for others' prompts. */
static void an_evicted_prompt_is_forgotten(void **state)
{
	struct sl_load_sample small = { .taken_us = 1,
		                        .running = 0,
		                        .waiting = 0,
		                        .kv_usage = -1,
		                        .kv_capacity_tokens = 20000,
		                        .prefix_hit_tokens = -1,
		                        .prefix_query_tokens = -1 };
	struct prompt first, second, other;
	struct world w;
	double left;

	(void)state;
	world_init(&w, 1, SL_ROLE_BOTH);
	sl_router_endpoint_sample(w.r, 0, &small, 1);
	make_turns(&first, &second, PROMPT + 4 * ANSWER + 2000);
	prompt_init(&other, 5, 0, 5, 79000);
	turn(&w, &first, SESSION, ANSWER);
	turn(&w, &other, 0, 1);
	left = decide(&w, &second, SESSION).chosen.hit_tokens;
	assert_true(left < 2000);
	assert_near(left, decide(&w, &second, 0).chosen.hit_tokens, 0.1);
	sl_router_free(w.r);
	prompt_fini(&first);
	prompt_fini(&second);
	prompt_fini(&other);
}

static void a_failed_turn_teaches_nothing(void **state)
{
	struct prompt first, second;
	struct sl_query q;
	struct sl_ticket t;
	struct world w;

	(void)state;
	world_init(&w, ENGINES, SL_ROLE_BOTH);
	make_turns(&first, &second, PROMPT + 4 * ANSWER + 2000);
	q = turn_query(&w, &first, SESSION);
	help_send(w.r, &q, w.now_us, &w.rng, &t);
	sl_router_cancel(w.r, &t, &first.facts, SL_BLAME_NONE, w.now_us + 20000);
	assert_near(decide(&w, &second, SESSION).chosen.hit_tokens,
	            first.blocks[first.facts.n_blocks - 1].end_bytes / 4.0, 1);
	sl_router_free(w.r);
	prompt_fini(&first);
	prompt_fini(&second);
}

/* Too short for a block: nothing is cached that the index knows, all engines
 * cost the same, and still a session stays while others spread. */
static void a_short_session_stays_at_home(void **state)
{
	uint32_t used[ENGINES] = { 0 };
	struct prompt p, longer;
	struct world w;

	(void)state;
	world_init(&w, ENGINES, SL_ROLE_BOTH);
	prompt_init(&p, 1, 0, 1, 200);
	prompt_init(&longer, 1, 0, 1, 700);
	for (uint64_t session = 1; session <= 60; session++) {
		uint32_t home = turn(&w, &p, session, 5).chosen.decode_ep;

		for (int i = 0; i < 5; i++)
			assert_int_equal(turn(&w, &p, session, 5).chosen.decode_ep, home);
		assert_int_equal(decide(&w, &longer, session).chosen.decode_ep, home);
		used[home]++;
	}
	for (int i = 0; i < ENGINES; i++)
		assert_in_range(used[i], 2, 25);
	sl_router_free(w.r);
	prompt_fini(&p);
	prompt_fini(&longer);
}

/* Within the band of equals, too. */
static void a_session_stays_at_home_in_the_band(void **state)
{
	struct prompt p;
	struct world w;
	uint32_t home;

	(void)state;
	world_init(&w, ENGINES, SL_ROLE_BOTH);
	prompt_init(&p, 1, 0, 1, 2000);
	home = turn(&w, &p, SESSION, 5).chosen.decode_ep;
	for (int i = 0; i < 100; i++) {
		struct sl_query q = turn_query(&w, &p, SESSION);
		struct sl_decision d;

		q.staleness_us = 300000;
		assert_int_equal(sl_router_decide(w.r, &q, w.now_us, &w.rng, &d), 0);
		assert_true(d.banded);
		assert_int_equal(d.chosen.decode_ep, home);
	}
	sl_router_free(w.r);
	prompt_fini(&p);
}

/* Remote: the engine that decoded lacks less, so less is sent to it; what the
 * prefill engine has is what it had. */
static void the_decode_engine_is_sent_less(void **state)
{
	struct prompt first, second;
	struct sl_outcome good = { 100000, -1, ANSWER + 1 };
	struct sl_decision before, after;
	struct sl_query q;
	struct sl_ticket t;
	struct world w;

	(void)state;
	world_init(&w, 2, SL_ROLE_PREFILL);
	for (int i = 0; i < 3; i++)
		help_add(w.r, SL_ROLE_DECODE);
	prompt_init(&first, 1, 400000, 1, 400000);
	prompt_init(&second, 1, first.blocks[first.facts.n_blocks - 1].end_bytes, 2, 480000);
	/* idle engines would do it by themselves; a pair is asked for */
	q = turn_query(&w, &first, SESSION);
	q.pinned_decode = 3;
	before = help_send(w.r, &q, w.now_us, &w.rng, &t);
	assert_int_equal(before.chosen.placement, SL_PLACE_REMOTE);
	sl_router_prefilled(w.r, &t,
	                    after_ms(&w, before.chosen.queue_ms + before.chosen.prefill_ms));
	sl_router_finish(w.r, &t, &good,
	                 after_ms(&w, before.predicted_ttft_ms + ANSWER * t.step_ms));
	w.now_us += 60000000;
	q = turn_query(&w, &second, SESSION);
	q.pinned_decode = 3;
	assert_int_equal(sl_router_decide(w.r, &q, w.now_us, &w.rng, &after), 0);
	q.session = 0;
	assert_int_equal(sl_router_decide(w.r, &q, w.now_us, &w.rng, &before), 0);
	assert_int_equal(after.chosen.placement, SL_PLACE_REMOTE);
	assert_near(after.chosen.hit_tokens, before.chosen.hit_tokens, 0.1);
	assert_true(after.chosen.transfer_ms < before.chosen.transfer_ms);
	/* and to prefill there by itself costs less, too */
	q = turn_query(&w, &second, SESSION);
	q.single_engine = true;
	assert_int_equal(sl_router_decide(w.r, &q, w.now_us, &w.rng, &after), 0);
	assert_int_equal(after.chosen.decode_ep, before.chosen.decode_ep);
	assert_near(after.chosen.hit_tokens, 100000 + ANSWER, 1);
	sl_router_free(w.r);
	prompt_fini(&first);
	prompt_fini(&second);
}

/* Two routers that see the same decide the same. */
static void a_replay_with_sessions_is_equal(void **state)
{
	struct world a, b;

	(void)state;
	world_init(&a, ENGINES, SL_ROLE_BOTH);
	world_init(&b, ENGINES, SL_ROLE_BOTH);
	for (uint64_t i = 0; i < 400; i++) {
		uint64_t session = i % 37;
		struct sl_decision x, y;
		struct prompt p;

		prompt_init(&p, session, 60000, session, (uint32_t)(100 + i * 100));
		x = turn(&a, &p, session, 1 + (int64_t)(i % 90));
		y = turn(&b, &p, session, 1 + (int64_t)(i % 90));
		assert_memory_equal(&x, &y, sizeof(x));
		prompt_fini(&p);
	}
	sl_router_free(a.r);
	sl_router_free(b.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_counts_as_cached),
		cmocka_unit_test(no_more_than_the_prompt),
		cmocka_unit_test(what_does_not_extend_gets_nothing),
		cmocka_unit_test(conversations_of_one_name_are_told_apart),
		cmocka_unit_test(a_session_moves_when_that_is_cheaper),
		cmocka_unit_test(a_lost_cache_is_forgotten),
		cmocka_unit_test(an_evicted_prompt_is_forgotten),
		cmocka_unit_test(a_failed_turn_teaches_nothing),
		cmocka_unit_test(a_short_session_stays_at_home),
		cmocka_unit_test(a_session_stays_at_home_in_the_band),
		cmocka_unit_test(the_decode_engine_is_sent_less),
		cmocka_unit_test(a_replay_with_sessions_is_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
