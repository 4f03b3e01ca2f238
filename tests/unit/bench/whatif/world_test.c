/* What-if runs whose times are worked out by hand, from the step equation. */
#include "world_script.h"

/* ---- one engine ---------------------------------------------------------------- */

static void test_one_alone(void **state)
{
	static const struct row rows[] = { { 0, 1024, 2, 0, 0 } };
	struct stage *s = stage_new(rows, 1, 0, 0, 1);

	(void)state;
	stage_run(s);
	/* 1000 + 8000 + 500, then 1000 + 7.8 + 2000 + 1001.0 */
	check_times(s, 0, 9500, 9500 + 4008);
	assert_true(fabs((double)s->tally.requests[0].tpot_ms - 4.008) < 1e-6);
	assert_int_equal(s->tally.requests[0].cached_tokens, 0);
	assert_int_equal(s->tally.span_us, 13508);
	assert_true(s->tally.busy_ms[0] == 13.508);
	assert_int_equal(s->tally.dispatched[0], 1);
	assert_int_equal(s->tally.retries + s->tally.remote + s->tally.preemptions, 0);
	stage_free(s);
}

static void test_chunks(void **state)
{
	static const struct row rows[] = { { 0, 2500, 20, 0, 0 } };
	struct stage *s = stage_new(rows, 1, 0, 0, 1);
	uint64_t ttft_us = chunk_us(1024, 0) + chunk_us(1024, 1024) + chunk_us(452, 2048);

	(void)state;
	stage_run(s);
	check_times(s, 0, ttft_us, ttft_us + decodes_us(2500, 20));
	stage_free(s);
}

static void test_slow_engine(void **state)
{
	static const struct row rows[] = { { 0, 1024, 2, 0, 0 } };
	struct stage *s = stage_new(rows, 1, 0, 0, 1);

	(void)state;
	s->fleet.engines[0].slow = 4;
	stage_run(s);
	check_times(s, 0, 38000, 38000 + 16035);
	stage_free(s);
}

static void test_rate_factor(void **state)
{
	static const struct row rows[] = { { 0, 1024, 2, 0, 0 }, { 200 * MS, 1024, 2, 0, 0 } };
	struct stage *s = stage_new(rows, 2, 0, 0, 1);

	(void)state;
	s->setup.rate_factor = 4;
	stage_run(s);
	assert_int_equal(script_us(&s->script, 1, BALANCER_DISPATCHED), 50 * MS);
	check_times(s, 1, 9500, 13508);
	assert_int_equal(s->tally.arrivals_us, 50 * MS);
	stage_free(s);
}

/* All full blocks of the prompt but the last token's are found. */
static void test_equal_prompts(void **state)
{
	static const struct row rows[] = { { 0, 2500, 1, 1, 0 },
		                           { 100 * MS, 2500, 1, 1, 0 },
		                           { 200 * MS, 2500, 1, 1, 1024 } };
	struct stage *s = stage_new(rows, 3, 0, 0, 1);

	(void)state;
	stage_run(s);
	check_times(s, 0, prefill_us(2500, 0), prefill_us(2500, 0));
	assert_int_equal(s->tally.requests[1].cached_tokens, 2496);
	check_times(s, 1, chunk_us(4, 2496), chunk_us(4, 2496));
	assert_int_equal(s->tally.requests[2].cached_tokens, 1024);
	check_times(s, 2, prefill_us(2500, 1024), prefill_us(2500, 1024));
	stage_free(s);
}

static void test_behind_a_long_prefill(void **state)
{
	static const struct row rows[] = { { 0, 4096, 1, 0, 0 }, { 100, 100, 1, 0, 0 } };
	struct stage *s = stage_new(rows, 2, 0, 0, 1);
	uint64_t ttft_us = prefill_us(4096, 0) - 100 + chunk_us(100, 0);

	(void)state;
	stage_run(s);
	check_times(s, 1, ttft_us, ttft_us);
	stage_free(s);
}

static void test_together(void **state)
{
	static const struct row rows[] = { { 0, 512, 3, 0, 0 }, { 0, 512, 3, 0, 0 } };
	struct stage *s = stage_new(rows, 2, 0, 0, 1);
	/* The first is on its way when the second comes, which joins its decodes. */
	uint64_t first_us = chunk_us(512, 0);
	uint64_t both_us = (uint64_t)(1000 + 513 * 7.8125 + 512 * 256 * 1000 * 0x1p-20 + 2000 +
	                              513 * 1000 / 1024.0);
	uint64_t third_us = first_us + both_us + decode_us(2, 514 + 513);

	(void)state;
	stage_run(s);
	check_times(s, 0, first_us, third_us);
	check_times(s, 1, first_us + both_us, third_us + decode_us(1, 514));
	stage_free(s);
}

/* Two that grow beyond the memory: the younger gives way and is computed again. */
static void test_preemption(void **state)
{
	static const struct row rows[] = { { 0, 960, 200, 0, 0 }, { 1, 960, 200, 0, 0 } };
	struct stage *s = stage_new(rows, 2, 0, 0, 1);
	const struct script_note *last;

	(void)state;
	s->fleet.engines[0].kv_factor = 0.125; /* 2048 tokens, for 2320 */
	stage_run(s);
	assert_int_equal(s->tally.preemptions, 1);
	assert_true(s->tally.requests[0].done && s->tally.requests[1].done);
	assert_true(s->tally.requests[1].e2e_ms > s->tally.requests[0].e2e_ms);
	assert_true(s->tally.requests[1].ttft_ms < s->tally.requests[0].e2e_ms / 10);
	assert_null(script_find(&s->script, 1, BALANCER_FIRST_TOKEN, 1));
	last = script_find(&s->script, 1, BALANCER_FINISHED, 0);
	assert_int_equal(last->held_blocks[0], 0);
	stage_free(s);
}

static void test_fits_nowhere(void **state)
{
	static const struct row rows[] = { { 0, 16000, 321, 0, 0 },
		                           { 0, 1024, 2, 0, 0 },
		                           { 100 * MS, 16000, 320, 0, 0 } };
	struct stage *s = stage_new(rows, 3, 0, 0, 1);

	(void)state;
	stage_run(s);
	assert_false(s->tally.requests[0].done);
	assert_null(script_find(&s->script, 0, BALANCER_DISPATCHED, 0));
	check_times(s, 1, 9500, 13508);
	assert_true(s->tally.requests[2].done);
	assert_int_equal(s->tally.n_bad, 1);
	stage_free(s);
}

/* ---- hand-offs ------------------------------------------------------------------ */

static void test_remote(void **state)
{
	static const struct row rows[] = { { 0, 1000, 3, 0, 0 }, { 60 * MS, 64, 1, 0, 0 } };
	static const struct balancer_choice choices[] = { { 0, 1 }, { 0, 0 } };
	struct stage *s = stage_new(rows, 2, 1, 1, 0);
	uint64_t prefilled_us = chunk_us(1000, 0);
	uint64_t ttft_us = prefilled_us + ENGINE_ASK_US + 102 * MS + chunk_us(1, 999);
	const struct script_note *note;

	(void)state;
	s->script.choices = choices;
	stage_run(s);
	assert_int_equal(script_us(&s->script, 0, BALANCER_PREFILLED), prefilled_us);
	check_times(s, 0, ttft_us, ttft_us + decodes_us(1000, 3));
	assert_int_equal(s->tally.remote, 1);
	/* Pinned here and reserved there while they are on their way... */
	note = script_find(&s->script, 0, BALANCER_PREFILLED, 0);
	assert_int_equal(note->held_blocks[0], 16);
	assert_int_equal(note->held_blocks[1], 0);
	note = script_find(&s->script, 1, BALANCER_DISPATCHED, 0);
	assert_int_equal(note->held_blocks[0], 16);
	assert_int_equal(note->held_blocks[1], 16);
	/* ...and free here when they have arrived. */
	note = script_find(&s->script, 0, BALANCER_FIRST_TOKEN, 0);
	assert_int_equal(note->held_blocks[0], 0);
	assert_int_equal(note->held_blocks[1], 16);
	note = script_find(&s->script, 0, BALANCER_FINISHED, 0);
	assert_int_equal(note->held_blocks[1], 0);
	stage_free(s);
}

/* The decode engine fetches only what it has not. */
static void test_remote_of_what_is_missing(void **state)
{
	static const struct row rows[] = { { 0, 1024, 1, 4, 0 }, { 500 * MS, 2048, 1, 4, 1024 } };
	static const struct balancer_choice choices[] = { { 1, 1 }, { 0, 1 } };
	struct stage *s = stage_new(rows, 2, 1, 1, 0);
	uint64_t ttft_us = prefill_us(2048, 0) + ENGINE_ASK_US + 102400 + 2000 + chunk_us(1, 2047);

	(void)state;
	s->script.choices = choices;
	stage_run(s);
	check_times(s, 1, ttft_us, ttft_us);
	assert_int_equal(s->tally.requests[1].cached_tokens, 0); /* where it was prefilled */
	stage_free(s);
}

/* Two hand-offs of 51.2 ms, ready at once: one after the other where they
 * share a NIC. */
static void test_nics(void **state)
{
	static const struct row rows[] = { { 0, 512, 1, 0, 0 }, { 0, 512, 1, 0, 0 } };
	static const struct {
		struct balancer_choice choices[2];
		bool shared;
	} cases[] = {
		{ { { 0, 2 }, { 1, 2 } }, true },
		{ { { 0, 2 }, { 1, 3 } }, false },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct stage *s = stage_new(rows, 2, 2, 2, 0);
		uint64_t first_us = chunk_us(512, 0) + ENGINE_ASK_US + 53200 + chunk_us(1, 511);

		s->script.choices = cases[i].choices;
		stage_run(s);
		check_times(s, 0, first_us, first_us);
		check_times(s, 1, first_us + 51200 * cases[i].shared,
		            first_us + 51200 * cases[i].shared);
		stage_free(s);
	}
}

/* Of one prefill engine: the second is prefilled while the first is sent, and
 * is sent when the NIC is free. */
static void test_nic_of_one_prefill_engine(void **state)
{
	static const struct row rows[] = { { 0, 512, 1, 0, 0 }, { 0, 512, 1, 0, 0 } };
	static const struct balancer_choice choices[] = { { 0, 1 }, { 0, 2 } };
	struct stage *s = stage_new(rows, 2, 1, 2, 0);
	uint64_t first_us = chunk_us(512, 0) + ENGINE_ASK_US + 53200 + chunk_us(1, 511);

	(void)state;
	s->script.choices = choices;
	stage_run(s);
	check_times(s, 0, first_us, first_us);
	check_times(s, 1, first_us + 51200, first_us + 51200);
	stage_free(s);
}

/* ---- engines that die ------------------------------------------------------------- */

static uint32_t times_told(const struct stage *s, uint32_t request, enum balancer_event event)
{
	uint32_t n = 0;

	while (script_find(&s->script, request, event, n))
		n++;
	return n;
}

static struct stage *stage_with_outage(const struct row *rows, size_t n, uint32_t engine,
                                       int64_t from_us, int64_t until_us)
{
	struct stage *s = stage_new(rows, n, 0, 0, 2);

	fleet_outage_add(&s->fleet, (struct fleet_outage){ engine, from_us, until_us });
	s->script.spare = 1;
	return s;
}

static void test_dies_during_prefill(void **state)
{
	static const struct row rows[] = { { 0, 3000, 5, 0, 0 } };
	struct stage *s = stage_with_outage(rows, 1, 0, 5 * MS, FLEET_NEVER);
	uint64_t ttft_us = 5 * MS + prefill_us(3000, 0);
	const struct script_note *failed;

	(void)state;
	stage_run(s);
	check_times(s, 0, ttft_us, ttft_us + decodes_us(3000, 5));
	assert_int_equal(times_told(s, 0, BALANCER_DISPATCHED), 2);
	assert_int_equal(times_told(s, 0, BALANCER_FAILED), 1);
	assert_int_equal(times_told(s, 0, BALANCER_FINISHED), 1);
	failed = script_find(&s->script, 0, BALANCER_FAILED, 0);
	assert_int_equal(failed->news.engine, 0);
	assert_int_equal(failed->at_us, 5 * MS);
	assert_int_equal(s->tally.retries, 1);
	assert_int_equal(s->tally.dispatched[0], 1);
	assert_int_equal(s->tally.dispatched[1], 1);
	assert_int_equal(s->tally.requests[0].prefill, 1);
	stage_free(s);
}

/* Its client has seen the first token; the rest comes from the other engine. */
static void test_dies_during_decode(void **state)
{
	static const struct row rows[] = { { 0, 1024, 10, 0, 0 } };
	struct stage *s = stage_with_outage(rows, 1, 0, 20 * MS, FLEET_NEVER);

	(void)state;
	stage_run(s);
	check_times(s, 0, 9500, 20 * MS + 9500 + decodes_us(1024, 10));
	assert_int_equal(s->tally.n_bad, 0);
	stage_free(s);
}

static void test_comes_back_empty(void **state)
{
	static const struct row rows[] = { { 0, 1024, 1, 9, 0 },
		                           { 2000 * MS, 1024, 1, 9, 0 },
		                           { 3000 * MS, 1024, 1, 9, 0 } };
	struct stage *s = stage_with_outage(rows, 3, 0, 10 * MS, 20 * MS);

	(void)state;
	stage_run(s);
	assert_int_equal(s->script.health_us[0], 1020 * MS); /* when it is probed */
	assert_true(s->script.up[0]);
	assert_int_equal(s->tally.requests[1].cached_tokens, 0);
	assert_int_equal(s->tally.requests[2].cached_tokens, 960);
	assert_int_equal(s->tally.retries, 0);
	stage_free(s);
}

/* Nobody else is there: the engine that failed it has it again. */
static void test_avoids_no_longer_than_it_can(void **state)
{
	static const struct row rows[] = { { 0, 1024, 2, 0, 0 } };
	struct stage *s = stage_with_outage(rows, 1, 0, 5 * MS, 20 * MS);

	(void)state;
	fleet_outage_add(&s->fleet, (struct fleet_outage){ 1, 0, FLEET_NEVER });
	stage_run(s);
	/* It is seen at 1020 ms; tried again at 5, 105, ... 1105 ms. */
	check_times(s, 0, 1105 * MS + 9500, 1105 * MS + 13508);
	stage_free(s);
}

/* Away as long as any of them says so. */
static void test_outages_overlap(void **state)
{
	static const struct row rows[] = { { 0, 1024, 500, 0, 0 }, { 30 * MS, 1024, 1, 0, 0 } };
	struct stage *s = stage_new(rows, 2, 0, 0, 1);
	uint64_t again_us = 1200 * MS; /* the first retry after 1100 ms */

	(void)state;
	fleet_outage_add(&s->fleet, (struct fleet_outage){ 0, 5 * MS, 100 * MS });
	fleet_outage_add(&s->fleet, (struct fleet_outage){ 0, 10 * MS, 20 * MS });
	fleet_outage_add(&s->fleet, (struct fleet_outage){ 0, 20 * MS, 40 * MS });
	stage_run(s);
	assert_int_equal(s->script.health_us[0], 1100 * MS);
	assert_int_equal(times_told(s, 0, BALANCER_FAILED), 1);
	assert_int_equal(script_find(&s->script, 0, BALANCER_DISPATCHED, 1)->at_us,
	                 again_us - 95 * MS);
	assert_true(s->tally.requests[0].done && s->tally.requests[1].done);
	stage_free(s);
}

/* One prefill engine, two decode engines; 0 -> 1 is tried, then 2 alone. */
static void check_hand_off_death(uint32_t dies, int64_t at_us, uint64_t again_us)
{
	static const struct row rows[] = { { 0, 1024, 3, 0, 0 } };
	static const struct balancer_choice choices[] = { { 0, 1 } };
	struct stage *s = stage_new(rows, 1, 1, 2, 0);
	const struct script_note *again;

	s->script.choices = choices;
	s->script.spare = 2;
	fleet_outage_add(&s->fleet, (struct fleet_outage){ dies, at_us, FLEET_NEVER });
	stage_run(s);
	check_times(s, 0, again_us + 9500, again_us + 9500 + decodes_us(1024, 3));
	again = script_find(&s->script, 0, BALANCER_DISPATCHED, 1);
	assert_int_equal(again->at_us, again_us);
	assert_int_equal(script_find(&s->script, 0, BALANCER_FAILED, 0)->news.engine, dies);
	for (uint32_t e = 0; e < 3; e++)
		assert_int_equal(again->held_blocks[e], 0);
	assert_int_equal(times_told(s, 0, BALANCER_FINISHED), 1);
	stage_free(s);
}

static void test_deaths_around_a_hand_off(void **state)
{
	(void)state;
	check_hand_off_death(0, 5 * MS, 5 * MS);
	check_hand_off_death(1, 5 * MS, 9500); /* found when it was to fetch */
	check_hand_off_death(0, 50 * MS, 50 * MS);
	check_hand_off_death(1, 50 * MS, 50 * MS);
}

/* It was away only while the request was prefilled: nobody notices. */
static void test_decode_engine_was_away(void **state)
{
	static const struct row rows[] = { { 0, 1024, 3, 0, 0 } };
	static const struct balancer_choice choices[] = { { 0, 1 } };
	struct stage *s = stage_new(rows, 1, 1, 1, 0);
	uint64_t ttft_us = 9500 + ENGINE_ASK_US + 104400 + chunk_us(1, 1023);

	(void)state;
	s->script.choices = choices;
	fleet_outage_add(&s->fleet, (struct fleet_outage){ 1, 2 * MS, 4 * MS });
	stage_run(s);
	check_times(s, 0, ttft_us, ttft_us + decodes_us(1024, 3));
	stage_free(s);
}

/* From 0 to 50 ms it is not there; a second later it is known to be. */
static void test_joins_late(void **state)
{
	static const struct row rows[] = { { 0, 1024, 2, 0, 0 } };
	struct stage *s = stage_with_outage(rows, 1, 0, 0, 50 * MS);

	(void)state;
	stage_run(s);
	check_times(s, 0, 1100 * MS + 9500, 1100 * MS + 13508);
	assert_int_equal(times_told(s, 0, BALANCER_FAILED), 0);
	stage_free(s);
}

static void test_all_away_for_good(void **state)
{
	static const struct row rows[] = { { 0, 1024, 2, 0, 0 }, { 50, 1024, 2, 0, 0 } };
	struct stage *s = stage_with_outage(rows, 2, 0, 5 * MS, FLEET_NEVER);

	(void)state;
	fleet_outage_add(&s->fleet, (struct fleet_outage){ 1, 0, FLEET_NEVER });
	stage_run(s);
	assert_false(s->tally.requests[0].done || s->tally.requests[1].done);
	assert_int_equal(times_told(s, 0, BALANCER_FAILED), 1);
	assert_int_equal(s->tally.n_bad, 2);
	assert_false(s->tally.abandoned);
	assert_true(s->tally.span_us > 30000 * MS && s->tally.span_us < 30200 * MS);
	stage_free(s);
}

/* ---- stopping early ---------------------------------------------------------------- */

static void test_stop_below(void **state)
{
	struct row rows[20];
	struct stage *s;

	(void)state;
	for (uint32_t i = 0; i < SL_COUNT(rows); i++)
		rows[i] = (struct row){ i * 100 * MS, i % 4 ? 64 : 2048, 2, 0, 0 };
	for (uint32_t k = 0; k < 3; k++) {
		static const double stop_below[] = { 0, 0.75, 0.9 };

		s = stage_new(rows, SL_COUNT(rows), 0, 0, 1);
		s->setup.slo.ttft_ms = 15; /* every fourth takes longer */
		s->setup.stop_below = stop_below[k];
		stage_run(s);
		assert_int_equal(s->tally.abandoned, k == 2);
		assert_int_equal(s->tally.n_bad, k == 2 ? 3 : 5);
		assert_int_equal(s->tally.requests[19].done, k != 2);
		stage_free(s);
	}
}

/* ---- replicas ------------------------------------------------------------------------ */

static struct stage *run_replicas(uint64_t delay_us)
{
	struct row rows[40];
	struct stage *s;

	for (uint32_t i = 0; i < SL_COUNT(rows); i++)
		rows[i] = (struct row){ i * 3 * MS, 100, 4, 0, 0 };
	s = stage_new(rows, SL_COUNT(rows), 0, 0, 1);
	s->setup.replicas = 3;
	s->setup.replica_delay_us = delay_us;
	stage_run(s);
	return s;
}

static uint32_t hearers(const struct script *s, const struct script_note *said, uint64_t delay_us)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_notes; i++) {
		const struct script_note *note = &s->notes[i];

		if (!note->heard || note->news.request != said->news.request ||
		    note->news.event != said->news.event)
			continue;
		assert_int_equal(note->at_us, said->at_us + delay_us);
		assert_int_not_equal(note->replica, said->replica);
		n++;
	}
	return n;
}

static void test_messages_take_their_time(void **state)
{
	const uint64_t delay_us = 5 * MS;
	struct stage *s = run_replicas(delay_us);
	uint32_t said_by[3] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < s->script.n_notes; i++) {
		const struct script_note *note = &s->script.notes[i];

		if (note->heard)
			continue;
		said_by[note->replica]++;
		assert_int_equal(hearers(&s->script, note, delay_us),
		                 note->at_us + delay_us <= s->tally.span_us ? 2 : 0);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_true(said_by[i] > 15); /* of 120: each has its share */
	stage_free(s);
}

static void test_cut_off(void **state)
{
	struct stage *s = run_replicas(WORLD_CUT_OFF);

	(void)state;
	for (uint32_t i = 0; i < s->script.n_notes; i++)
		assert_false(s->script.notes[i].heard);
	assert_int_equal(s->script.n_notes, 120);
	stage_free(s);
}

/* ---- progress ------------------------------------------------------------------------- */

static void count_ended(void *ctx, uint32_t ended)
{
	*(uint32_t *)ctx += ended;
}

static void test_progress(void **state)
{
	struct row rows[150];
	uint32_t ended = 0;
	struct stage *s;

	(void)state;
	for (uint32_t i = 0; i < SL_COUNT(rows); i++)
		rows[i] = (struct row){ i * MS, 64, 1, 0, 0 };
	s = stage_new(rows, SL_COUNT(rows), 0, 0, 1);
	s->setup.progress = count_ended;
	s->setup.progress_ctx = &ended;
	stage_run(s);
	assert_int_equal(ended, 150);
	stage_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_alone),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_slow_engine),
		cmocka_unit_test(test_rate_factor),
		cmocka_unit_test(test_equal_prompts),
		cmocka_unit_test(test_behind_a_long_prefill),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_preemption),
		cmocka_unit_test(test_fits_nowhere),
		cmocka_unit_test(test_remote),
		cmocka_unit_test(test_remote_of_what_is_missing),
		cmocka_unit_test(test_nics),
		cmocka_unit_test(test_nic_of_one_prefill_engine),
		cmocka_unit_test(test_dies_during_prefill),
		cmocka_unit_test(test_dies_during_decode),
		cmocka_unit_test(test_comes_back_empty),
		cmocka_unit_test(test_avoids_no_longer_than_it_can),
		cmocka_unit_test(test_outages_overlap),
		cmocka_unit_test(test_deaths_around_a_hand_off),
		cmocka_unit_test(test_decode_engine_was_away),
		cmocka_unit_test(test_joins_late),
		cmocka_unit_test(test_all_away_for_good),
		cmocka_unit_test(test_stop_below),
		cmocka_unit_test(test_messages_take_their_time),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
