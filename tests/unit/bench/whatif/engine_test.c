/* One engine without a world around it: steps, samples, its NIC, its death. */
#include "world_help.h"

struct rig {
	struct workload workload;
	struct fleet fleet;
	struct engine engines[3];
	struct leg legs[8];
};

static struct rig *rig_new(const struct row *rows, size_t n)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	rows_workload(rows, n, &r->workload);
	round_fleet(&r->fleet, 0, 0, 3);
	for (uint32_t i = 0; i < 3; i++)
		engine_init(&r->engines[i], &r->fleet, i);
	return r;
}

static void rig_free(struct rig *r)
{
	for (uint32_t i = 0; i < 3; i++)
		engine_fini(&r->engines[i]);
	fleet_fini(&r->fleet);
	workload_fini(&r->workload);
	free(r);
}

static struct leg *add(struct rig *r, uint32_t request, enum leg_part part, uint32_t output)
{
	struct leg *leg = &r->legs[request];

	*leg = (struct leg){ .request = request, .part = part };
	engine_add(&r->engines[0], leg, &r->workload, output, 0);
	return leg;
}

/* Runs until nothing is left to do; the sequences that end are freed. */
static uint64_t drain(struct engine *e)
{
	uint64_t now_us = 0, step_us;

	while (engine_begin_step(e, now_us, &step_us)) {
		now_us += step_us;
		sl_sim_batch_end(&e->batch, now_us);
		for (uint32_t i = 0; i < e->batch.n_step; i++)
			if (e->batch.step[i]->state == SL_SIM_SEQ_ENDED)
				sl_sim_seq_free(e->batch.step[i]);
	}
	return now_us;
}

static const struct row rows[] = {
	{ 0, 1000, 3, 2, 0 },
	{ 0, 1000, 3, 2, 0 },
	{ 0, 640, 3, 0, 0 },
	{ 0, 16000, 320, 0, 0 },
};

static void test_steps(void **state)
{
	struct rig *r = rig_new(rows, 4);
	uint64_t us;

	(void)state;
	assert_false(engine_begin_step(&r->engines[0], 0, &us));
	add(r, 0, LEG_WHOLE, 3);
	us = drain(&r->engines[0]);
	assert_int_equal(us, chunk_us(1000, 0) + decodes_us(1000, 3));
	assert_int_equal(r->engines[0].busy_us, us);
	rig_free(r);
}

/* At most the full blocks before the last token; the next request is not asked. */
static void test_cached_tokens(void **state)
{
	struct rig *r = rig_new(rows, 4);

	(void)state;
	assert_int_equal(engine_cached_tokens(&r->engines[0], &r->workload, 1), 0);
	add(r, 0, LEG_WHOLE, 3);
	drain(&r->engines[0]);
	assert_int_equal(engine_cached_tokens(&r->engines[0], &r->workload, 1), 960);
	assert_int_equal(engine_cached_tokens(&r->engines[0], &r->workload, 2), 0);
	assert_int_equal(engine_cached_tokens(&r->engines[1], &r->workload, 1), 0);
	add(r, 2, LEG_WHOLE, 3);
	drain(&r->engines[0]);
	/* 640 are ten blocks, but the last token has to be computed. */
	assert_int_equal(engine_cached_tokens(&r->engines[0], &r->workload, 2), 576);
	engine_restart(&r->engines[0]);
	assert_int_equal(engine_cached_tokens(&r->engines[0], &r->workload, 1), 0);
	rig_free(r);
}

static void test_sample(void **state)
{
	struct rig *r = rig_new(rows, 4);
	struct sl_load_sample s;
	uint64_t us;

	(void)state;
	add(r, 0, LEG_WHOLE, 3);
	drain(&r->engines[0]);
	add(r, 1, LEG_WHOLE, 3);
	add(r, 3, LEG_WHOLE, 3);
	add(r, 2, LEG_WHOLE, 3);
	assert_true(engine_begin_step(&r->engines[0], 0, &us));
	engine_sample(&r->engines[0], 77, &s);
	assert_int_equal(s.taken_us, 77);
	assert_true(s.running == 2 && s.waiting == 1); /* the long one took the budget */
	assert_true(s.prefix_query_tokens == 18000 && s.prefix_hit_tokens == 960);
	assert_true(s.kv_capacity_tokens == 16384);
	assert_true(s.kv_usage > 0 && s.kv_usage < 0.2);
	sl_sim_batch_end(&r->engines[0].batch, 1);
	for (uint32_t i = 1; i < 4; i++)
		engine_abort(&r->engines[0], &r->legs[i]);
	engine_sample(&r->engines[0], 78, &s);
	assert_true(s.running == 0 && s.waiting == 0 && s.kv_usage == 0);
	rig_free(r);
}

static void test_fits(void **state)
{
	static const struct row edge[] = { { 0, 16320, 1, 0, 0 }, { 0, 16319, 1, 0, 0 } };
	struct rig *r = rig_new(edge, 2);

	(void)state;
	assert_false(engine_fits(&r->engines[0], &r->workload.requests[0]));
	assert_true(engine_fits(&r->engines[0], &r->workload.requests[1]));
	add(r, 1, LEG_WHOLE, 1);
	drain(&r->engines[0]); /* and so it does */
	rig_free(r);
}

/* 100 us a token, one hand-off after the other at either end, and 2 ms. */
static void test_transfers(void **state)
{
	struct rig *r = rig_new(rows, 1);
	struct engine *e = r->engines;

	(void)state;
	assert_int_equal(engine_transfer(&e[0], &e[1], 500, 1000), 1000 + 50000 + 2000);
	assert_int_equal(engine_transfer(&e[0], &e[2], 100, 2000), 51000 + 10000 + 2000);
	assert_int_equal(engine_transfer(&e[2], &e[1], 10, 2000), 61000 + 1000 + 2000);
	/* When they are free again, at once. */
	assert_int_equal(engine_transfer(&e[0], &e[1], 10, 90000), 90000 + 1000 + 2000);
	rig_free(r);
}

/* ---- death ------------------------------------------------------------------ */

static void note_lost(void *ctx, struct leg *leg)
{
	uint32_t *lost = ctx;

	assert_null(leg->seq);
	lost[leg->request]++;
}

static void kill_and_check(struct rig *r, bool in_step)
{
	struct engine *e = &r->engines[0];
	uint32_t lost[4] = { 0 }, epoch = e->epoch;
	uint64_t us;

	add(r, 0, LEG_WHOLE, 3);
	add(r, 2, LEG_DECODE, 3); /* is fetched */
	add(r, 3, LEG_WHOLE, 3);
	assert_true(engine_begin_step(e, 0, &us));
	if (!in_step)
		sl_sim_batch_end(&e->batch, us);
	add(r, 1, LEG_PREFILL, 1); /* waits */
	assert_int_equal(e->batch.fetching.n, 1);
	engine_kill(e, us, note_lost, lost);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(lost[i], 1);
	assert_false(e->up);
	assert_int_equal(e->epoch, epoch + 1);
	assert_int_equal(sl_sim_kv_held(e->kv), 0);
	engine_restart(e);
	assert_false(engine_begin_step(e, us, &us));
}

static void test_dies_in_and_between_steps(void **state)
{
	struct rig *r = rig_new(rows, 4);

	(void)state;
	kill_and_check(r, true);
	kill_and_check(r, false);
	rig_free(r);
}

/* What computes goes on to the end of the step; then it is gone. */
static void test_abort(void **state)
{
	struct rig *r = rig_new(rows, 4);
	struct engine *e = &r->engines[0];
	uint64_t us;

	(void)state;
	add(r, 0, LEG_WHOLE, 3);
	assert_true(engine_begin_step(e, 0, &us));
	engine_abort(e, &r->legs[0]);
	assert_null(r->legs[0].seq);
	assert_true(sl_sim_kv_held(e->kv) > 0);
	sl_sim_batch_end(&e->batch, us);
	assert_int_equal(e->batch.n_step, 1);
	assert_null(e->batch.step[0]->owner);
	sl_sim_seq_free(e->batch.step[0]);
	assert_int_equal(sl_sim_kv_held(e->kv), 0);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),     cmocka_unit_test(test_cached_tokens),
		cmocka_unit_test(test_sample),    cmocka_unit_test(test_fits),
		cmocka_unit_test(test_transfers), cmocka_unit_test(test_dies_in_and_between_steps),
		cmocka_unit_test(test_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
