/* The oracle: it sees the truth at once, without news and without delay. */
#include "bench/whatif/oracle.h"
#include "world_help.h"

struct scene {
	struct workload workload;
	struct fleet fleet;
	struct engine engines[4];
	struct engine *list[4];
	struct leg legs[8];
	struct balancer *b;
};

static struct scene *scene_new(const struct row *rows, size_t n, uint32_t n_prefill,
                               uint32_t n_decode, uint32_t n_both)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct balancer_setup setup = { .engines = s->list, .seed = 1, .replicas = 1 };

	assert_non_null(s);
	rows_workload(rows, n, &s->workload);
	round_fleet(&s->fleet, n_prefill, n_decode, n_both);
	for (uint32_t i = 0; i < s->fleet.n; i++) {
		engine_init(&s->engines[i], &s->fleet, i);
		s->list[i] = &s->engines[i];
	}
	setup.workload = &s->workload;
	setup.fleet = &s->fleet;
	s->b = oracle_balancer_ops.make(NULL, &setup);
	return s;
}

static void forget(void *ctx, struct leg *leg)
{
	(void)ctx;
	(void)leg;
}

static void scene_free(struct scene *s)
{
	oracle_balancer_ops.free(s->b);
	for (uint32_t i = 0; i < s->fleet.n; i++) {
		engine_kill(&s->engines[i], 0, forget, NULL);
		engine_fini(&s->engines[i]);
	}
	fleet_fini(&s->fleet);
	workload_fini(&s->workload);
	free(s);
}

static struct balancer_choice ask(struct scene *s, uint32_t request)
{
	struct balancer_choice c;

	assert_true(oracle_balancer_ops.place(s->b, request, NULL, 0, 1000, &c));
	return c;
}

/* The request is sent there, as the world does, and computes so many steps. */
static void put(struct scene *s, uint32_t request, uint32_t engine, uint32_t steps)
{
	struct engine *e = &s->engines[engine];
	struct balancer_news news = { .event = BALANCER_DISPATCHED,
		                      .request = request,
		                      .choice = { engine, engine } };
	uint64_t us;

	s->legs[request] = (struct leg){ .request = request, .engine = engine };
	ask(s, request);
	assert_null(oracle_balancer_ops.news(s->b, &news, 1000));
	engine_add(e, &s->legs[request], &s->workload, s->workload.requests[request].output_tokens,
	           1000);
	for (uint32_t i = 0; i < steps; i++) {
		assert_true(engine_begin_step(e, 1000, &us));
		sl_sim_batch_end(&e->batch, 1000);
	}
}

static const struct row rows[] = {
	{ 0, 2048, 50, 6, 0 },
	{ 0, 2048, 50, 6, 0 },
	{ 0, 2048, 50, 0, 0 },
	{ 0, 256, 50, 0, 0 },
};

/* Nobody told it what the cache holds. */
static void test_sees_the_cache(void **state)
{
	(void)state;
	for (uint32_t engine = 0; engine < 2; engine++) {
		struct scene *s = scene_new(rows, SL_COUNT(rows), 0, 0, 2);

		put(s, 0, engine, 51);
		assert_int_equal(engine_cached_tokens(&s->engines[engine], &s->workload, 1), 1984);
		sl_sim_seq_free(s->legs[0].seq);
		assert_int_equal(ask(s, 1).decode, engine);
		scene_free(s);
	}
}

static void test_sees_the_queue(void **state)
{
	(void)state;
	for (uint32_t engine = 0; engine < 2; engine++) {
		struct scene *s = scene_new(rows, SL_COUNT(rows), 0, 0, 2);

		put(s, 2, engine, 0);
		assert_int_equal(ask(s, 3).decode, !engine);
		scene_free(s);
	}
}

static void test_sees_who_is_slow(void **state)
{
	(void)state;
	for (uint32_t engine = 0; engine < 2; engine++) {
		struct scene *s = scene_new(rows, SL_COUNT(rows), 0, 0, 2);

		s->fleet.engines[engine].slow = 3;
		assert_int_equal(ask(s, 2).decode, !engine);
		scene_free(s);
	}
}

/* Half the queue at a quarter of the speed is the longer one. */
static void test_sees_a_slow_queue(void **state)
{
	static const struct row queue[] = {
		{ 0, 4096, 2, 0, 0 }, { 0, 4096, 2, 0, 0 }, { 0, 4096, 2, 0, 0 }, { 0, 64, 2, 0, 0 }
	};
	struct scene *s = scene_new(queue, SL_COUNT(queue), 0, 0, 2);

	(void)state;
	s->fleet.engines[0].slow = 4;
	put(s, 0, 0, 0);
	put(s, 1, 1, 0);
	put(s, 2, 1, 0);
	assert_int_equal(ask(s, 3).decode, 1);
	scene_free(s);
}

static void test_sees_who_is_away(void **state)
{
	struct scene *s = scene_new(rows, SL_COUNT(rows), 0, 0, 2);
	struct balancer_choice c;
	uint32_t avoid = 1;

	(void)state;
	oracle_balancer_ops.health(s->b, 0, false, 5);
	assert_int_equal(ask(s, 2).decode, 1);
	assert_false(oracle_balancer_ops.place(s->b, 2, &avoid, 1, 1000, &c));
	oracle_balancer_ops.health(s->b, 0, true, 6);
	assert_true(oracle_balancer_ops.place(s->b, 2, &avoid, 1, 1000, &c));
	assert_int_equal(c.decode, 0);
	scene_free(s);
}

/* A decode engine that is busy prefilling hands off; alone it does all. */
static void test_hands_off_when_that_is_cheaper(void **state)
{
	struct scene *s = scene_new(rows, SL_COUNT(rows), 1, 1, 0);
	struct balancer_choice c;

	(void)state;
	put(s, 0, 1, 0);
	put(s, 2, 1, 0);
	c = ask(s, 3);
	assert_int_equal(c.prefill, 0);
	assert_int_equal(c.decode, 1);
	oracle_balancer_ops.health(s->b, 0, false, 5);
	c = ask(s, 3);
	assert_int_equal(c.prefill, 1);
	oracle_balancer_ops.health(s->b, 1, false, 5);
	oracle_balancer_ops.health(s->b, 0, true, 5);
	assert_false(oracle_balancer_ops.place(s->b, 3, NULL, 0, 1000, &c)); /* nobody decodes */
	scene_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sees_the_cache),
		cmocka_unit_test(test_sees_the_queue),
		cmocka_unit_test(test_sees_who_is_slow),
		cmocka_unit_test(test_sees_a_slow_queue),
		cmocka_unit_test(test_sees_who_is_away),
		cmocka_unit_test(test_hands_off_when_that_is_cheaper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
