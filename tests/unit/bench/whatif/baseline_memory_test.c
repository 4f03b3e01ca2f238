/* baseline_memory_test.c: the policies of the field that keep something of
 * their own: turns, rings, trees, windows. */
#include "tests/unit/bench/whatif/baseline_help.h"

static void round_robin_takes_turns(void **state)
{
	struct scene *s = scene_new(0, 0, 4);
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_round_robin);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(asker_pick(&a, 0, BASELINE_WHOLE), i % 4);
	assert_int_equal(asker_pick(&a, 0, BASELINE_DECODE), 0); /* turns of its own */
	a.among[2] = 3;                                          /* 0, 1 and 3 are left */
	a.ask.n = 3;
	assert_int_equal(asker_pick(&a, 0, BASELINE_WHOLE), 3);
	assert_int_equal(asker_pick(&a, 0, BASELINE_WHOLE), 0);
	asker_fini(&a);
	scene_free(s);
}

static void random_reaches_everybody_equally(void **state)
{
	struct scene *s = scene_new(0, 0, 4);
	uint32_t count[4] = { 0 };
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_random_pick);
	for (uint32_t i = 0; i < 4000; i++)
		count[asker_pick(&a, 0, BASELINE_WHOLE)]++;
	for (uint32_t i = 0; i < 4; i++)
		assert_in_range(count[i], 850, 1150);
	asker_fini(&a);
	scene_free(s);
}

/* Of three engines: the most loaded never, the least of two thirds of pairs. */
static void power_of_two_samples_two(void **state)
{
	struct scene *s = scene_new(0, 0, 3);
	uint32_t count[3] = { 0 };
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_power_of_two);
	for (uint32_t i = 0; i < 3; i++)
		a.view.engines[i].inflight = i;
	for (uint32_t i = 0; i < 3000; i++)
		count[asker_pick(&a, 0, BASELINE_WHOLE)]++;
	assert_in_range(count[0], 1850, 2150);
	assert_int_equal(count[2], 0);
	asker_fini(&a);
	scene_free(s);
}

/* Ties go anywhere, a better one always wins. */
static void equal_scores_are_spread(void **state)
{
	struct scene *s = scene_new(0, 0, 4);
	uint32_t count[4] = { 0 };
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_least_request);
	a.view.engines[2].inflight = 1;
	for (uint32_t i = 0; i < 4000; i++)
		count[asker_pick(&a, 0, BASELINE_WHOLE)]++;
	assert_int_equal(count[2], 0);
	assert_true(count[0] > 800 && count[1] > 800 && count[3] > 800);
	asker_fini(&a);
	scene_free(s);
}

static void smallest_tree_takes_a_miss(void **state)
{
	struct scene *s = scene_new(0, 0, 3);
	struct asker a;

	(void)state;
	scene_prompt(s, 2, 6464, 0, 0);
	asker_init(&a, s, &baseline_sglang_smallest_tree);
	asker_news(&a, BALANCER_DISPATCHED, 0, 0, 0);
	asker_news(&a, BALANCER_FINISHED, 0, 0, 0);
	asker_news(&a, BALANCER_DISPATCHED, 2, 1, 1);
	assert_int_equal(asker_pick(&a, 3, BASELINE_WHOLE), 2); /* nothing there yet */
	asker_news(&a, BALANCER_DISPATCHED, 3, 2, 2);
	asker_news(&a, BALANCER_DISPATCHED, 4, 2, 2);
	assert_int_equal(asker_pick(&a, 5, BASELINE_WHOLE), 0); /* 6400 of 6464 and 12800 */
	scene_hold(&a.view, 1, 6, 3200);                        /* half is not more than half */
	assert_int_equal(asker_pick(&a, 6, BASELINE_WHOLE), 0);
	asker_news(&a, BALANCER_FINISHED, 0, 0, 0);
	asker_news(&a, BALANCER_DISPATCHED, 0, 0, 0); /* the same prompt is no new text */
	assert_int_equal(asker_pick(&a, 5, BASELINE_WHOLE), 0);
	asker_fini(&a);
	scene_free(s);
}

/* 2^24 characters are 256 prompts of 16384 tokens. */
static void trees_stop_growing(void **state)
{
	struct scene *s = scene_new(0, 0, 2);
	uint32_t count[2] = { 0 };
	struct asker a;

	(void)state;
	scene_prompt(s, 0, 16384, 0, 0);
	asker_init(&a, s, &baseline_sglang_smallest_tree);
	for (uint32_t i = 0; i < 257 + 300; i++) {
		uint32_t engine = i < 257 ? 0 : 1;

		index_clear(&a.view.index, engine);
		asker_news(&a, BALANCER_DISPATCHED, 0, engine, engine);
		asker_news(&a, BALANCER_FINISHED, 0, engine, engine);
	}
	for (uint32_t i = 0; i < 100; i++)
		count[asker_pick(&a, 1, BASELINE_WHOLE)]++;
	assert_true(count[0] > 0 && count[1] > 0);
	asker_fini(&a);
	scene_free(s);
}

/* ---- KubeAI ------------------------------------------------------------ */

static void set_inflight(struct asker *a, uint32_t home, uint32_t at_home, uint32_t others)
{
	for (uint32_t i = 0; i < a->view.n; i++)
		a->view.engines[i].inflight = i == home ? at_home : others;
}

static void kubeai_bounds_the_load(void **state)
{
	struct scene *s = scene_new(0, 0, 4);
	struct asker a;
	uint32_t home, other;

	(void)state;
	asker_init(&a, s, &baseline_kubeai);
	home = asker_pick(&a, 0, BASELINE_WHOLE);
	other = (home + 1) % 4;
	/* 15 in flight: 1.25 * 16 / 4 = 5 */
	set_inflight(&a, home, 4, 4);
	a.view.engines[other].inflight = 3;
	assert_int_equal(asker_pick(&a, 0, BASELINE_WHOLE), home);
	/* 14 in flight: 1.25 * 15 / 4 = 4.6875; 3 fit */
	set_inflight(&a, home, 4, 4);
	a.view.engines[other].inflight = 2;
	assert_int_equal(asker_pick(&a, 0, BASELINE_WHOLE), other);
	/* 8 in flight: 2.8125; nobody fits, so the first */
	set_inflight(&a, home, 2, 2);
	assert_int_equal(asker_pick(&a, 0, BASELINE_WHOLE), home);
	set_inflight(&a, home, 0, 0);
	assert_int_equal(asker_pick(&a, 0, BASELINE_WHOLE), home);
	asker_fini(&a);
	scene_free(s);
}

/* Prompts of a family share 256 tokens; nobody else does. */
static void kubeai_keeps_a_family_together(void **state)
{
	struct scene *s = scene_new(0, 0, 4);
	uint32_t home[16], count[4] = { 0 }, moved = 0;
	struct asker a;

	(void)state;
	for (uint32_t i = 0; i < SCENE_REQUESTS; i++)
		scene_prompt(s, i, 1024 + i, 1 + i % 16, 256);
	asker_init(&a, s, &baseline_kubeai);
	for (uint32_t i = 0; i < SCENE_REQUESTS; i++) {
		uint32_t engine = asker_pick(&a, i, BASELINE_WHOLE);

		if (i < 16)
			count[home[i] = engine]++;
		else
			assert_int_equal(engine, home[i % 16]);
	}
	assert_true(count[0] < 16 && count[1] < 16 && count[2] < 16 && count[3] < 16);
	a.ask.n = 3; /* engine 3 is gone: only its keys move */
	for (uint32_t i = 0; i < 16; i++) {
		uint32_t engine = asker_pick(&a, i, BASELINE_WHOLE);

		assert_true(home[i] == 3 ? engine != 3 : engine == home[i]);
		moved += home[i] == 3;
	}
	assert_int_equal(moved, count[3]);
	asker_fini(&a);
	scene_free(s);
}

/* A system prompt of 512 tokens is in front of all; each asks a question of
 * its own. Then the key is the question, and all engines have work. */
static void kubeai_hashes_behind_the_system_prompt(void **state)
{
	struct scene *s = scene_new(0, 0, 4);
	uint32_t count[4] = { 0 };
	struct asker a;

	(void)state;
	for (uint32_t i = 0; i < SCENE_REQUESTS; i++)
		scene_prompt(s, i, 2048, 1, 512);
	asker_init(&a, s, &baseline_kubeai);
	for (uint32_t i = 0; i < SCENE_REQUESTS; i++)
		count[asker_pick(&a, i, BASELINE_WHOLE)]++;
	for (uint32_t i = 0; i < 4; i++)
		assert_in_range(count[i], 5, 30);
	asker_fini(&a);
	scene_free(s);
}

/* Points are even: of many keys every engine has about its share. */
static void kubeai_ring_is_even(void **state)
{
	struct scene *s = scene_new(0, 0, 4);
	uint32_t count[4] = { 0 };
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_kubeai);
	for (uint32_t i = 0; i < 4000; i++) {
		s->blocks[0].hash = i * 0xd6e8feb86659fd93ull;
		count[asker_pick(&a, 0, BASELINE_WHOLE)]++;
	}
	for (uint32_t i = 0; i < 4; i++)
		assert_in_range(count[i], 800, 1200);
	asker_fini(&a);
	scene_free(s);
}

/* ---- Preble ------------------------------------------------------------ */

static void run_at(struct asker *a, uint64_t at_us, uint32_t request, uint32_t engine)
{
	a->view.now_us = at_us;
	asker_news(a, BALANCER_DISPATCHED, request, engine, engine);
	a->view.now_us += 100000;
	asker_news(a, BALANCER_FIRST_TOKEN, request, engine, engine);
	a->view.now_us += 100000; /* 10 tokens more: TPOT 10 ms */
	asker_news(a, BALANCER_FINISHED, request, engine, engine);
}

/* Load is what was sent there within 3 minutes, though all of it has ended. */
static void preble_explores_by_its_window(void **state)
{
	struct scene *s = scene_new(0, 0, 2);
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_preble);
	run_at(&a, 1000000, 0, 1);
	run_at(&a, 1000000, 1, 1);
	run_at(&a, 1000000, 2, 1);
	run_at(&a, 3000000, 3, 0);
	run_at(&a, 3000000, 4, 0);
	assert_int_equal(asker_pick(&a, 40, BASELINE_WHOLE), 0); /* 2 against 3 */
	run_at(&a, 181900000, 5, 1);
	assert_int_equal(asker_pick(&a, 40, BASELINE_WHOLE), 1); /* from 2.1 s: 2 against 1 */
	a.view.now_us = 183100000;
	assert_int_equal(asker_pick(&a, 40, BASELINE_WHOLE), 0); /* from 3.1 s: 0 against 1 */
	asker_fini(&a);
	scene_free(s);
}

/* Until a request has ended, it is taken to say 45 tokens, at a step of one
 * sequence: 45 * 7.94 = 357 ms, between two and three prefills of 155 ms. */
static void preble_begins_with_a_guess(void **state)
{
	struct scene *s = scene_new(0, 0, 2);
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_preble);
	for (uint32_t i = 0; i < 3; i++) {
		asker_news(&a, BALANCER_DISPATCHED, i, 1, 1);
		a.view.engines[0].decoding = 1;
		a.view.engines[1].decoding = 0;
		assert_int_equal(asker_pick(&a, 40, BASELINE_WHOLE), i < 2 ? 1 : 0);
	}
	asker_fini(&a);
	scene_free(s);
}

/* Half of the prompt and one block more is worth any load below 1.5 times. */
static void preble_exploits_a_long_match(void **state)
{
	struct scene *s = scene_new(0, 0, 2);
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_preble);
	run_at(&a, 1000000, 0, 0);
	scene_hold(&a.view, 0, 40, 3264);
	scene_hold(&a.view, 0, 41, 3200);
	assert_int_equal(asker_pick(&a, 40, BASELINE_WHOLE), 0);
	assert_int_equal(asker_pick(&a, 41, BASELINE_WHOLE), 1); /* 155 + 77 ms against 155 */
	asker_fini(&a);
	scene_free(s);
}

static void preble_rebalances_the_heaviest(void **state)
{
	struct scene *s = scene_new(0, 0, 2);
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_preble);
	scene_hold(&a.view, 0, 63, 6400);
	for (uint32_t i = 0; i < 49; i++)
		run_at(&a, 1000000 + i, i, i % 5 < 3 ? 0 : 1);   /* 30 to 19 */
	assert_int_equal(asker_pick(&a, 63, BASELINE_WHOLE), 0); /* too early to judge */
	run_at(&a, 1000100, 49, 0);
	assert_int_equal(asker_pick(&a, 63, BASELINE_WHOLE), 1); /* 31 to 19 */
	run_at(&a, 1000200, 50, 1);
	run_at(&a, 1000300, 51, 1);
	assert_int_equal(asker_pick(&a, 63, BASELINE_WHOLE), 0); /* 31 to 21 */
	asker_fini(&a);
	scene_free(s);
}

/* Decoding requests weigh mean output tokens (11) times TPOT (10 ms) each. */
static void preble_weighs_decodes(void **state)
{
	struct scene *s = scene_new(0, 0, 2);
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_preble);
	run_at(&a, 1000000, 0, 0);
	run_at(&a, 1000000, 1, 1);
	run_at(&a, 1000000, 2, 1); /* 155.1 ms more there */
	a.view.engines[0].decoding = 1;
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(asker_pick(&a, 40, BASELINE_WHOLE), 0); /* 110 ms */
	a.view.engines[0].decoding = 2;
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(asker_pick(&a, 40, BASELINE_WHOLE), 1); /* 220 ms */
	assert_int_equal(asker_pick(&a, 40, BASELINE_DECODE), 1);
	asker_fini(&a);
	scene_free(s);
}

/* TPOT moves by a twentieth: 10 ms, then 110 seen, is 15. */
static void preble_smooths_tpot(void **state)
{
	struct scene *s = scene_new(0, 0, 2);
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_preble);
	run_at(&a, 1000000, 0, 0);
	run_at(&a, 1000000, 1, 1);
	asker_news(&a, BALANCER_DISPATCHED, 2, 0, 0);
	asker_news(&a, BALANCER_FIRST_TOKEN, 2, 0, 0);
	a.view.now_us += 1100000;
	asker_news(&a, BALANCER_FINISHED, 2, 0, 0);
	a.view.engines[0].decoding = 4; /* 4 * 15 against 5 * 10, and 7 * 10 */
	a.view.engines[1].decoding = 5;
	assert_int_equal(asker_pick(&a, 40, BASELINE_DECODE), 1);
	a.view.engines[1].decoding = 7;
	assert_int_equal(asker_pick(&a, 40, BASELINE_DECODE), 0);
	asker_fini(&a);
	scene_free(s);
}

/* Engine 0 is full of what it earns hits with: 2 of 3 prompts sent there. */
static void preble_prices_evictions(void **state)
{
	struct scene *s = scene_new(0, 0, 2);
	struct asker a;

	(void)state;
	asker_init(&a, s, &baseline_preble);
	run_at(&a, 1000000, 0, 0);
	run_at(&a, 1000000, 0, 0); /* all hit */
	run_at(&a, 1000000, 1, 1);
	a.view.engines[1].decoding = 1; /* 110 ms more than engine 0 */
	assert_int_equal(asker_pick(&a, 40, BASELINE_WHOLE), 0);
	a.view.engines[0].kv_tokens = 0; /* 12800 over: 342 ms, half of it hits */
	assert_int_equal(asker_pick(&a, 40, BASELINE_WHOLE), 1);
	asker_fini(&a);
	scene_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_robin_takes_turns),
		cmocka_unit_test(random_reaches_everybody_equally),
		cmocka_unit_test(power_of_two_samples_two),
		cmocka_unit_test(equal_scores_are_spread),
		cmocka_unit_test(smallest_tree_takes_a_miss),
		cmocka_unit_test(trees_stop_growing),
		cmocka_unit_test(kubeai_bounds_the_load),
		cmocka_unit_test(kubeai_keeps_a_family_together),
		cmocka_unit_test(kubeai_hashes_behind_the_system_prompt),
		cmocka_unit_test(kubeai_ring_is_even),
		cmocka_unit_test(preble_explores_by_its_window),
		cmocka_unit_test(preble_begins_with_a_guess),
		cmocka_unit_test(preble_exploits_a_long_match),
		cmocka_unit_test(preble_rebalances_the_heaviest),
		cmocka_unit_test(preble_weighs_decodes),
		cmocka_unit_test(preble_smooths_tpot),
		cmocka_unit_test(preble_prices_evictions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
