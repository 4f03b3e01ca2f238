/* view_test.c: the books of a gateway of the field: what is charged, when it is
 * taken back, and that nothing stays behind. */
#include "tests/unit/bench/whatif/baseline_help.h"

static void news(struct view *v, enum balancer_event event, uint32_t request,
                 struct balancer_choice choice)
{
	struct balancer_news n = { .event = event, .request = request, .choice = choice };

	view_news(v, &n);
}

static double prefill_ms(double fresh, double cached)
{
	return sl_profile_prefill_ms(sl_profile_find("llama3-8b-h100"), fresh, cached);
}

static void assert_books(const struct view_engine *e, struct view_engine want)
{
	assert_int_equal(e->inflight, want.inflight);
	assert_int_equal(e->prefilling, want.prefilling);
	assert_int_equal(e->decoding, want.decoding);
	assert_true(e->pending_tokens == want.pending_tokens);
	assert_true(e->active_tokens == want.active_tokens);
	assert_true(e->queue_ms == want.queue_ms);
}

static void one_engine_does_all(void **state)
{
	struct scene *s = scene_new(0, 0, 2);
	struct balancer_choice to = { 1, 1 };
	struct view v;

	(void)state;
	view_init(&v, &s->setup);
	news(&v, BALANCER_DISPATCHED, 3, to);
	assert_books(&v.engines[1], (struct view_engine){ .inflight = 1,
	                                                  .prefilling = 1,
	                                                  .decoding = 1,
	                                                  .pending_tokens = 6400,
	                                                  .active_tokens = 6400,
	                                                  .queue_ms = prefill_ms(6400, 0) });
	news(&v, BALANCER_FIRST_TOKEN, 3, to);
	assert_books(&v.engines[1],
	             (struct view_engine){ .inflight = 1, .decoding = 1, .active_tokens = 6400 });
	news(&v, BALANCER_FINISHED, 3, to);
	assert_books(&v.engines[1], (struct view_engine){ 0 });
	assert_books(&v.engines[0], (struct view_engine){ 0 });
	view_fini(&v);
	scene_free(s);
}

static void two_legs_are_charged_apart(void **state)
{
	struct scene *s = scene_new(1, 1, 0);
	struct balancer_choice to = { 0, 1 };
	struct view v;

	(void)state;
	view_init(&v, &s->setup);
	scene_hold(&v, 0, 3, 1280);
	scene_hold(&v, 1, 3, 3200); /* of no use to the prefill */
	news(&v, BALANCER_DISPATCHED, 3, to);
	assert_books(&v.engines[0], (struct view_engine){ .inflight = 1,
	                                                  .prefilling = 1,
	                                                  .pending_tokens = 5120,
	                                                  .queue_ms = prefill_ms(5120, 1280) });
	assert_books(&v.engines[1],
	             (struct view_engine){ .inflight = 1, .decoding = 1, .active_tokens = 6400 });
	view_match(&v, 3); /* both hold it from now on */
	assert_true(view_hit_tokens(&v, 3, 0) == 6399);
	assert_true(view_hit_tokens(&v, 3, 1) == 6399);
	news(&v, BALANCER_PREFILLED, 3, to);
	assert_books(&v.engines[0], (struct view_engine){ 0 });
	assert_int_equal(v.engines[1].inflight, 1);
	news(&v, BALANCER_FIRST_TOKEN, 3, to);
	news(&v, BALANCER_FINISHED, 3, to);
	assert_books(&v.engines[1], (struct view_engine){ 0 });
	view_fini(&v);
	scene_free(s);
}

/* What is left after any history of whole, remote and failed requests. */
static void books_return_to_zero(void **state)
{
	struct scene *s = scene_new(2, 2, 2);
	struct sl_rng rng = { 7 };
	uint8_t step[SCENE_REQUESTS] = { 0 };
	struct balancer_choice choice[SCENE_REQUESTS];
	struct view v;

	(void)state;
	view_init(&v, &s->setup);
	for (uint32_t i = 0; i < SCENE_REQUESTS; i++)
		scene_prompt(s, i, 100 + 211 * i, i % 3, 700);
	for (uint32_t i = 0; i < 4000; i++) {
		uint32_t r = (uint32_t)(sl_rng_next(&rng) >> 32) % SCENE_REQUESTS;
		uint32_t dice = (uint32_t)(sl_rng_next(&rng) >> 32);

		if (step[r] == 0)
			choice[r] = (struct balancer_choice){ dice % 2 ? dice / 2 % 2
				                                       : 2 + dice / 2 % 2,
				                              2 + dice / 2 % 2 };
		else if (dice % 5 == 0)
			step[r] = BALANCER_FAILED;
		news(&v, (enum balancer_event)step[r], r, choice[r]);
		step[r] = step[r] >= BALANCER_FINISHED ? 0 : step[r] + 1;
	}
	for (uint32_t r = 0; r < SCENE_REQUESTS; r++)
		if (step[r] != 0)
			news(&v, BALANCER_FINISHED, r, choice[r]);
	for (uint32_t i = 0; i < v.n; i++)
		assert_books(&v.engines[i], (struct view_engine){ 0 });
	view_fini(&v);
	scene_free(s);
}

static void news_of_strangers_change_nothing(void **state)
{
	struct scene *s = scene_new(0, 0, 1);
	struct balancer_choice to = { 0, 0 };
	struct view v;

	(void)state;
	view_init(&v, &s->setup);
	news(&v, BALANCER_FIRST_TOKEN, 5, to);
	news(&v, BALANCER_FINISHED, 5, to);
	news(&v, BALANCER_FAILED, 5, to);
	assert_books(&v.engines[0], (struct view_engine){ 0 });
	view_fini(&v);
	scene_free(s);
}

static void history_is_bounded_by_kv_memory(void **state)
{
	struct scene *s = scene_new(0, 0, 1);
	struct view v;

	(void)state;
	s->fleet.engines[0].kv_factor = 13000 / s->fleet.engines[0].profile->kv_capacity_tokens;
	view_init(&v, &s->setup);
	for (uint32_t r = 0; r < 3; r++)
		news(&v, BALANCER_DISPATCHED, r, (struct balancer_choice){ 0, 0 });
	view_match(&v, 2);
	assert_true(view_hit_tokens(&v, 2, 0) == 6399); /* the last token is always computed */
	view_match(&v, 1);
	assert_true(view_hit_tokens(&v, 1, 0) == 6399);
	view_match(&v, 0);
	assert_in_range((uintmax_t)view_hit_tokens(&v, 0, 0), 1, 13000 - 12800);
	view_fini(&v);
	scene_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_engine_does_all),
		cmocka_unit_test(two_legs_are_charged_apart),
		cmocka_unit_test(books_return_to_zero),
		cmocka_unit_test(news_of_strangers_change_nothing),
		cmocka_unit_test(history_is_bounded_by_kv_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
