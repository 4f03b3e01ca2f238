/* baseline_test.c: which engines a policy of the field is asked to choose from,
 * for one leg or two, and what it hears. The policy here is a spy. */
#include "tests/unit/bench/whatif/baseline_help.h"

#define MAX_ASKS 4

struct seen {
	enum baseline_part part;
	uint32_t among[16], n;
	uint32_t request, tokens;
};

static struct spy {
	struct seen asks[MAX_ASKS];
	uint32_t n_asks, n_news, n_fini;
	bool remote;
	uint32_t remote_decode;
	bool pick_last;
	const struct view *view;
} spy;

static uint32_t spy_pick(const struct baseline_ask *ask)
{
	struct seen *seen = &spy.asks[spy.n_asks++];

	assert_true(spy.n_asks <= MAX_ASKS && ask->n <= 16);
	*seen = (struct seen){
		.part = ask->part, .n = ask->n, .request = ask->request, .tokens = ask->tokens
	};
	for (uint32_t i = 0; i < ask->n; i++)
		seen->among[i] = ask->among[i];
	spy.view = ask->view;
	return ask->among[spy.pick_last ? ask->n - 1 : 0];
}

static bool spy_remote(const struct baseline_ask *ask, uint32_t decode)
{
	(void)ask;
	spy.remote_decode = decode;
	return spy.remote;
}

static void spy_news(void *own, struct view *view, const struct balancer_news *news)
{
	(void)view;
	(void)news;
	spy.n_news += *(uint8_t *)own == 0; /* zero at first, as promised */
}

static void spy_fini(void *own)
{
	(void)own;
	spy.n_fini++;
}

static const struct baseline always = { .pick = spy_pick };
static const struct baseline asked = {
	.pick = spy_pick, .remote = spy_remote, .news = spy_news, .fini = spy_fini, .own_bytes = 8
};

static const struct balancer_ops *ops = &baseline_balancer_ops;

static struct balancer *make(const struct scene *s, const struct baseline *kind)
{
	spy = (struct spy){ 0 };
	return ops->make(kind, &s->setup);
}

static void assert_ask(uint32_t k, enum baseline_part part, uint32_t first, uint32_t n)
{
	assert_true(k < spy.n_asks);
	assert_int_equal(spy.asks[k].part, part);
	assert_int_equal(spy.asks[k].n, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(spy.asks[k].among[i], first + i);
}

static struct balancer_choice place(struct balancer *b, uint32_t request)
{
	struct balancer_choice choice = { 99, 99 };

	spy.n_asks = 0;
	assert_true(ops->place(b, request, NULL, 0, 1000, &choice));
	return choice;
}

static void whole_fleets_get_one_question(void **state)
{
	struct scene *s = scene_new(0, 0, 3);
	struct balancer *b = make(s, &asked);
	struct balancer_choice c = place(b, 5);

	(void)state;
	assert_int_equal(spy.n_asks, 1);
	assert_ask(0, BASELINE_WHOLE, 0, 3);
	assert_int_equal(spy.asks[0].request, 5);
	assert_int_equal(spy.asks[0].tokens, 6400);
	assert_true(c.prefill == 0 && c.decode == 0);
	ops->free(b);
	assert_int_equal(spy.n_fini, 1);
	scene_free(s);
}

/* Engines 0 and 1 prefill, 2 and 3 decode. */
static void decode_is_picked_first(void **state)
{
	struct scene *s = scene_new(2, 2, 0);
	struct balancer *b = make(s, &always);
	struct balancer_choice c = place(b, 5);

	(void)state;
	assert_int_equal(spy.n_asks, 2);
	assert_ask(0, BASELINE_DECODE, 2, 2);
	assert_ask(1, BASELINE_PREFILL, 0, 2);
	assert_true(c.prefill == 0 && c.decode == 2);
	ops->free(b);
	scene_free(s);
}

static void a_policy_may_stay_local(void **state)
{
	struct scene *s = scene_new(2, 2, 0);
	struct balancer *b = make(s, &asked);
	struct balancer_choice c = place(b, 5);

	(void)state;
	assert_int_equal(spy.remote_decode, 2);
	assert_int_equal(spy.n_asks, 1);
	assert_true(c.prefill == 2 && c.decode == 2);
	spy.remote = true;
	c = place(b, 5);
	assert_true(c.prefill == 0 && c.decode == 2);
	ops->free(b);
	scene_free(s);
}

/* Engine 0 prefills, 1 decodes, 2 does both. */
static void an_engine_for_both_serves_alone(void **state)
{
	struct scene *s = scene_new(1, 1, 1);
	struct balancer *b = make(s, &always);
	struct balancer_choice c;

	(void)state;
	spy.pick_last = true;
	c = place(b, 5);
	assert_int_equal(spy.n_asks, 1);
	assert_ask(0, BASELINE_DECODE, 1, 2);
	assert_true(c.prefill == 2 && c.decode == 2);
	ops->health(b, 1, false, 0); /* nobody who only decodes is left */
	c = place(b, 5);
	assert_int_equal(spy.n_asks, 1);
	assert_ask(0, BASELINE_WHOLE, 2, 1);
	ops->free(b);
	scene_free(s);
}

static void decoders_alone_prefill_for_themselves(void **state)
{
	struct scene *s = scene_new(1, 2, 0);
	struct balancer *b = make(s, &always);
	struct balancer_choice c;

	(void)state;
	ops->health(b, 0, false, 0);
	c = place(b, 5);
	assert_ask(0, BASELINE_WHOLE, 1, 2);
	assert_true(c.prefill == 1 && c.decode == 1);
	ops->free(b);
	scene_free(s);
}

static void who_failed_or_is_down_is_no_candidate(void **state)
{
	struct scene *s = scene_new(1, 2, 0);
	struct balancer *b = make(s, &always);
	struct balancer_choice c = { 77, 77 };
	uint32_t avoid[] = { 1, 2 };

	(void)state;
	assert_true(ops->place(b, 5, avoid, 1, 0, &c));
	assert_true(c.prefill == 0 && c.decode == 2);
	c.decode = 77;
	assert_false(ops->place(b, 5, avoid, 2, 0, &c)); /* a prefill engine is not enough */
	ops->health(b, 2, false, 0);
	assert_false(ops->place(b, 5, avoid, 1, 0, &c));
	assert_int_equal(c.decode, 77);
	ops->health(b, 2, true, 0);
	assert_true(ops->place(b, 5, avoid, 1, 0, &c));
	ops->free(b);
	scene_free(s);
}

static void an_engine_comes_back_empty(void **state)
{
	struct scene *s = scene_new(0, 0, 1);
	struct balancer *b = make(s, &asked);
	struct balancer_news news = { .event = BALANCER_DISPATCHED, .request = 5 };

	(void)state;
	place(b, 5);
	assert_true(view_hit_tokens(spy.view, 5, 0) == 0);
	assert_null(ops->news(b, &news, 0)); /* it is alone */
	assert_int_equal(spy.n_news, 1);
	place(b, 5);
	assert_true(view_hit_tokens(spy.view, 5, 0) == 6399);
	news.event = BALANCER_FAILED;
	assert_null(ops->news(b, &news, 0));
	assert_int_equal(spy.view->engines[0].inflight, 0);
	ops->health(b, 0, false, 0);
	ops->health(b, 0, true, 0);
	place(b, 5);
	assert_true(view_hit_tokens(spy.view, 5, 0) == 0);
	ops->free(b);
	scene_free(s);
}

static void scrapes_reach_the_policy(void **state)
{
	struct scene *s = scene_new(0, 0, 2);
	struct balancer *b = make(s, &always);
	struct sl_load_sample sample = { .taken_us = 9, .waiting = 3, .kv_usage = 0.5 };

	(void)state;
	ops->scraped(b, 1, &sample, 10);
	place(b, 5);
	assert_true(spy.view->engines[1].scraped.waiting == 3);
	assert_true(spy.view->engines[0].scraped.taken_us == 0);
	assert_true(spy.view->now_us == 1000);
	ops->free(b);
	scene_free(s);
}

/* What one replica does is in the other's books once it hears of it. */
static void replicas_hear_of_each_other(void **state)
{
	struct scene *s = scene_new(0, 0, 2);
	struct balancer_news news = { .event = BALANCER_DISPATCHED,
		                      .request = 5,
		                      .choice = { 1, 1 } };
	struct balancer *a, *b;
	void *message;

	(void)state;
	s->setup.replicas = 2;
	a = make(s, &asked);
	s->setup.replica = 1;
	b = make(s, &asked);
	message = ops->news(a, &news, 10);
	assert_non_null(message);
	place(b, 6);
	assert_int_equal(spy.view->engines[1].inflight, 0);
	ops->hear(b, 0, message, 20);
	free(message);
	assert_int_equal(spy.view->engines[1].inflight, 1);
	assert_true(spy.view->engines[1].pending_tokens == 6400);
	assert_int_equal(spy.n_news, 2);
	place(b, 5);
	assert_true(view_hit_tokens(spy.view, 5, 1) == 6399);
	news.event = BALANCER_FINISHED;
	message = ops->news(a, &news, 30);
	ops->hear(b, 0, message, 40);
	free(message);
	assert_int_equal(spy.view->engines[1].inflight, 0);
	ops->free(a);
	ops->free(b);
	scene_free(s);
}

/* ---- all of the table ------------------------------------------------- */

struct row {
	const char *name;
	const struct baseline *kind;
};

static const struct row rows[] = {
#define BASELINE(name, variable, origin, scrape_us) { name, &(variable) },
#include "bench/whatif/baselines.def"
#undef BASELINE
};

/* A day of every policy on a mixed fleet, with outages; returns a digest. */
static uint64_t live(const struct scene *s, const struct baseline *kind)
{
	struct balancer *b = ops->make(kind, &s->setup);
	struct balancer_choice choice[SCENE_REQUESTS];
	uint8_t step[SCENE_REQUESTS] = { 0 };
	struct sl_rng rng = { 3 };
	uint64_t digest = 0;

	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t r = (uint32_t)(sl_rng_next(&rng) >> 32) % SCENE_REQUESTS;
		uint64_t now_us = i * 300000ull;
		struct balancer_news news = { .event = (enum balancer_event)step[r], .request = r };

		if (i % 100 == 0) {
			ops->health(b, i / 100 % 6, true, now_us);
			ops->health(b, (i / 100 + 1) % 6, false, now_us);
		}
		if (step[r] == 0)
			assert_true(ops->place(b, r, NULL, 0, now_us, &choice[r]));
		digest = (digest ^ choice[r].prefill << 4 ^ choice[r].decode) * 0x100000001b3ull;
		news.choice = choice[r];
		assert_null(ops->news(b, &news, now_us));
		step[r] = step[r] == BALANCER_FINISHED ? 0 : step[r] + 1;
	}
	ops->free(b);
	return digest;
}

static void every_policy_lives_and_repeats_itself(void **state)
{
	struct scene *s = scene_new(2, 2, 2);
	uint64_t digests[SL_COUNT(rows)];

	(void)state;
	for (uint32_t i = 0; i < SCENE_REQUESTS; i++)
		scene_prompt(s, i, 40 + 200 * i, i % 4, 100 * i);
	for (size_t k = 0; k < SL_COUNT(rows); k++) {
		digests[k] = live(s, rows[k].kind);
		assert_true(digests[k] == live(s, rows[k].kind));
		s->setup.seed = 2;
		if (rows[k].kind == &baseline_random_pick)
			assert_true(digests[k] != live(s, rows[k].kind));
		s->setup.seed = 1;
	}
	scene_free(s);
}

static void names_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(rows[i].name, rows[k].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_fleets_get_one_question),
		cmocka_unit_test(decode_is_picked_first),
		cmocka_unit_test(a_policy_may_stay_local),
		cmocka_unit_test(an_engine_for_both_serves_alone),
		cmocka_unit_test(decoders_alone_prefill_for_themselves),
		cmocka_unit_test(who_failed_or_is_down_is_no_candidate),
		cmocka_unit_test(an_engine_comes_back_empty),
		cmocka_unit_test(scrapes_reach_the_policy),
		cmocka_unit_test(replicas_hear_of_each_other),
		cmocka_unit_test(every_policy_lives_and_repeats_itself),
		cmocka_unit_test(names_are_unique),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
