/* eject_test.c: engines that answer probes and serve badly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sluice/probe.h"

#define SECOND 1000000u

struct patient {
	struct sl_judge judge;
	struct sl_tally tally;
	struct sl_health_policy policy;
	uint64_t now_us;
};

static void begin(struct patient *e, struct sl_ward *ward)
{
	*e = (struct patient){ .now_us = SECOND };
	sl_health_policy_default(&e->policy);
	sl_judge_init(&e->judge, e->now_us);
	if (ward)
		atomic_fetch_add(&ward->members, 1);
	sl_judge_join(&e->judge, ward, &e->tally);
	assert_true(sl_judge_probe(&e->judge, &e->policy, SL_PROBE_OK, e->now_us));
}

static bool serve(struct patient *e, enum sl_fate fate)
{
	atomic_fetch_add(fate == SL_FATE_OK ? &e->tally.ok : &e->tally.bad, 1);
	return sl_judge_traffic(&e->judge, &e->policy, fate, e->now_us);
}

static bool probe(struct patient *e, enum sl_probe_result result)
{
	bool changed = sl_judge_probe(&e->judge, &e->policy, result, e->now_us);

	return sl_judge_tick(&e->judge, &e->policy, e->now_us) || changed;
}

/* A second with a good probe. */
static bool pass(struct patient *e)
{
	e->now_us += SECOND;
	return probe(e, SL_PROBE_OK);
}

/* ---- rates ------------------------------------------------------------ */

/* Every n-th request fails, `rate` requests a second; seconds until it is out, or
 * -1 within two minutes. */
static int until_out(struct patient *e, unsigned nth, unsigned rate)
{
	unsigned request = 0;

	for (int second = 0; second < 120; second++) {
		for (unsigned i = 0; i < rate; i++) {
			request++;
			serve(e, nth && request % nth == 0 ? SL_FATE_FAILED : SL_FATE_OK);
			if (e->judge.health == SL_HEALTH_UNHEALTHY)
				return second;
		}
		pass(e);
	}
	return -1;
}

static void test_failure_rates(void **state)
{
	static const struct {
		unsigned nth, rate;
		int least, most; /* seconds */
	} rows[] = {
		{ 0, 100, -1, -1 }, { 3, 100, 0, 1 }, /* one in three */
		{ 3, 2, 3, 10 },    { 3, 1, 8, 12 },  /* ten requests take ten seconds */
		{ 5, 50, 0, 1 },    { 6, 50, -1, -1 }, { 2, 50, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct patient e;
		int at;

		begin(&e, NULL);
		at = until_out(&e, rows[i].nth, rows[i].rate);
		if (at < rows[i].least || at > rows[i].most)
			fail_msg("1 in %u at %u/s: out after %d s", rows[i].nth, rows[i].rate, at);
		assert_true(at < 0 || e.judge.cause == SL_REASON_FAILURE_RATE);
	}
}

static void test_old_failures_are_forgotten(void **state)
{
	struct patient e;

	(void)state;
	begin(&e, NULL);
	for (int i = 0; i < 60; i++) {
		serve(&e, i % 12 == 0 ? SL_FATE_FAILED : SL_FATE_OK);
		pass(&e);
	}
	assert_int_equal(e.judge.health, SL_HEALTH_HEALTHY);
}

static void test_the_reason_has_figures(void **state)
{
	struct patient e;

	(void)state;
	begin(&e, NULL);
	pass(&e);
	for (int i = 0; i < 4; i++) {
		serve(&e, SL_FATE_FAILED);
		serve(&e, SL_FATE_OK);
		serve(&e, SL_FATE_OK);
	}
	assert_string_equal(e.judge.reason, "40% of 10 live requests failed");
}

/* ---- times ------------------------------------------------------------ */

/* Ejects it; seconds until it is back. */
static unsigned away(struct patient *e)
{
	unsigned seconds = 0;

	while (e->judge.health == SL_HEALTH_HEALTHY)
		serve(e, SL_FATE_FAILED);
	for (; e->judge.health != SL_HEALTH_HEALTHY; seconds++)
		pass(e);
	return seconds;
}

static void test_times_double_and_are_forgiven(void **state)
{
	static const unsigned wanted[] = { 10, 20, 40, 80, 160, 300, 300 };
	struct patient e;

	(void)state;
	begin(&e, NULL);
	for (size_t i = 0; i < SL_COUNT(wanted); i++)
		assert_int_equal(away(&e), wanted[i]);
	assert_int_equal(e.judge.ejections, SL_COUNT(wanted));
	for (int i = 0; i < 60 * 4; i++)
		pass(&e);
	assert_in_range(away(&e), 80, 160);
	for (int i = 0; i < 60 * 20; i++)
		pass(&e);
	assert_int_equal(away(&e), 10);
}

static void test_trial_ends(void **state)
{
	struct patient e;

	(void)state;
	begin(&e, NULL);
	away(&e);
	for (int i = 0; i < 11; i++)
		pass(&e);
	serve(&e, SL_FATE_FAILED);
	assert_int_equal(e.judge.health, SL_HEALTH_HEALTHY);
}

/* ---- the pool's share -------------------------------------------------- */

static uint32_t eject_all(struct patient *e, uint32_t n)
{
	uint32_t out = 0;

	for (uint32_t i = 0; i < n; i++) {
		for (int k = 0; k < 4; k++)
			serve(&e[i], SL_FATE_FAILED);
		out += e[i].judge.ejected;
	}
	return out;
}

static void test_share_of_a_pool(void **state)
{
	static const struct {
		uint32_t members, out;
		double share;
	} rows[] = {
		{ 1, 0, 0.5 }, { 2, 1, 0.5 }, { 3, 1, 0.5 }, { 4, 2, 0.5 },   { 8, 4, 0.5 },
		{ 4, 1, 0.1 }, { 4, 0, 0 },   { 4, 3, 1 },   { 16, 14, 0.9 },
	};

	(void)state;
	for (size_t r = 0; r < SL_COUNT(rows); r++) {
		struct sl_ward ward = { 0 };
		struct patient e[16];

		for (uint32_t i = 0; i < rows[r].members; i++) {
			begin(&e[i], &ward);
			e[i].policy.max_ejected = rows[r].share;
		}
		assert_int_equal(eject_all(e, rows[r].members), rows[r].out);
		assert_int_equal(atomic_load(&ward.ejected), rows[r].out);
		assert_int_equal(atomic_load(&ward.out), rows[r].out);
		for (uint32_t i = 0; i < rows[r].members; i++)
			assert_int_equal(e[i].judge.spared > 0, !e[i].judge.ejected);
	}
}

static void kill_by_probes(struct patient *e)
{
	for (int i = 0; i < 3; i++)
		probe(e, SL_PROBE_TIMEOUT);
	assert_int_equal(e->judge.health, SL_HEALTH_UNHEALTHY);
}

static void test_the_dead_are_not_counted_but_missed(void **state)
{
	struct sl_ward ward = { 0 };
	struct patient e[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		begin(&e[i], &ward);
	kill_by_probes(&e[0]);
	kill_by_probes(&e[1]);
	assert_int_equal(eject_all(&e[2], 2), 1); /* never the last */
	assert_true(e[2].judge.ejected);
	kill_by_probes(&e[3]);
	/* and when the last has died, it is called back at once */
	assert_true(pass(&e[2]));
	assert_int_equal(e[2].judge.health, SL_HEALTH_HEALTHY);
	assert_int_equal(e[2].judge.cause, SL_REASON_RECALLED);
	assert_int_equal(atomic_load(&ward.ejected), 0);
	assert_int_equal(atomic_load(&ward.out), 3);
}

static void test_who_leaves_gives_its_place_back(void **state)
{
	struct sl_ward ward = { 0 };
	struct patient e[2];

	(void)state;
	begin(&e[0], &ward);
	begin(&e[1], &ward);
	assert_int_equal(eject_all(e, 2), 1);
	sl_judge_leave(&e[0].judge);
	assert_int_equal(atomic_load(&ward.ejected), 0);
	assert_int_equal(atomic_load(&ward.out), 0);
}

/* ---- slow ones --------------------------------------------------------- */

static void test_slow(void **state)
{
	double values[] = { 4, 1, 1.2, 0.9, 1.1 };
	double both[] = { 4, 1 };
	struct patient e;

	(void)state;
	assert_true(sl_outlier_median(values, 5) == 1.1);
	assert_true(sl_outlier_median(both, 2) == 1);
	assert_true(sl_outlier_median(both, 0) == 0);
	begin(&e, NULL);
	assert_false(sl_judge_slow(&e.judge, &e.policy, 2.9, e.now_us));
	assert_true(sl_judge_slow(&e.judge, &e.policy, 3.44, e.now_us));
	assert_string_equal(e.judge.reason, "3.4 times as slow as its pool");
	assert_false(sl_judge_slow(&e.judge, &e.policy, 9, e.now_us));
	begin(&e, NULL);
	e.policy.slow_factor = 0;
	assert_false(sl_judge_slow(&e.judge, &e.policy, 100, e.now_us));
}

/* ---- hung ones --------------------------------------------------------- */

static struct sl_engine_page page_of(double generated, double prompts, double kv, double running)
{
	return (struct sl_engine_page){ .generation_tokens = generated,
		                        .prompt_tokens = prompts,
		                        .kv_usage = kv,
		                        .running = running };
}

enum movement { NO_PAGE, STILL, GENERATES, PREFILLS, FILLS, VANISHES };

/* Twenty seconds of waiting from second 10 on; the second it is ejected, or 0. */
static unsigned ejected_after(enum movement movement, struct sl_waiting w, bool others_live)
{
	struct patient e;

	begin(&e, NULL);
	w.sent_us = 10 * SECOND;
	for (unsigned second = 1; second <= 40; second++) {
		double s = second;
		struct sl_engine_page page =
		        page_of(movement == GENERATES ? s : 7, movement == PREFILLS ? s : 7,
		                movement == FILLS ? s / 100 : 0.1, 2);

		pass(&e);
		e.now_us = second * SECOND;
		if (movement != NO_PAGE && !(movement == VANISHES && second > 10))
			sl_judge_page(&e.judge, &page, e.now_us);
		if (others_live)
			w.life_us = e.now_us;
		if (second > 10 && sl_judge_waiting(&e.judge, &e.policy, &w, e.now_us))
			return second - 10;
	}
	return 0;
}

static void test_stuck(void **state)
{
	static const struct {
		enum movement movement;
		unsigned predicted_s;
		bool alone, whole, others_live;
		unsigned wanted;
	} rows[] = {
		{ STILL, 0, .wanted = 5 },
		{ STILL, 1, .wanted = 9 },
		{ STILL, 1, .alone = true, .wanted = 18 },
		{ STILL, 0, .whole = true, .wanted = 5 },
		{ STILL, 0, .others_live = true, .wanted = 0 },
		{ STILL, 8, .wanted = 0 }, /* a long prefill was expected */
		{ GENERATES, 0, .wanted = 0 },
		{ PREFILLS, 0, .wanted = 0 },
		{ FILLS, 0, .wanted = 0 },
		{ VANISHES, 0, .wanted = 6 }, /* once it is stale */
		{ NO_PAGE, 0, .wanted = 5 },
		{ NO_PAGE, 0, .alone = true, .wanted = 0 },
		{ NO_PAGE, 0, .whole = true, .wanted = 0 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_waiting w = { .predicted_us = rows[i].predicted_s * SECOND,
			                .alone = rows[i].alone,
			                .streamed = !rows[i].whole };
		unsigned at = ejected_after(rows[i].movement, w, rows[i].others_live);

		if (at != rows[i].wanted)
			fail_msg("row %zu: ejected after %u s, not %u", i, at, rows[i].wanted);
	}
}

static void hang(struct patient *e)
{
	struct sl_waiting w = { .sent_us = e->now_us, .streamed = true };
	struct sl_engine_page page = page_of(7, 7, 0.1, 2);

	while (e->judge.health == SL_HEALTH_HEALTHY) {
		sl_judge_page(&e->judge, &page, e->now_us);
		pass(e);
		sl_judge_waiting(&e->judge, &e->policy, &w, e->now_us);
	}
	assert_int_equal(e->judge.cause, SL_REASON_STUCK);
}

/* Whose page shows requests and no movement stays out, whatever the time. */
static void test_stuck_returns_when_it_moves(void **state)
{
	struct sl_engine_page still = page_of(7, 7, 0.1, 2), moved = page_of(8, 7, 0.1, 2);
	struct patient e;

	(void)state;
	begin(&e, NULL);
	hang(&e);
	assert_string_equal(e.judge.reason, "no first token for 5 s");
	for (int i = 0; i < 100; i++) {
		assert_false(pass(&e));
		sl_judge_page(&e.judge, &still, e.now_us);
	}
	sl_judge_page(&e.judge, &moved, e.now_us);
	assert_true(pass(&e));
	assert_int_equal(e.judge.cause, SL_REASON_RETURNED);
}

/* Borne out by its page it is as good as dead: alone in its pool, too. */
static void test_stuck_needs_no_place(void **state)
{
	struct sl_ward ward = { 0 };
	struct patient e;

	(void)state;
	begin(&e, &ward);
	hang(&e);
	assert_int_equal(atomic_load(&ward.ejected), 0);
	assert_int_equal(atomic_load(&ward.out), 1);
	assert_false(pass(&e)); /* and it is not called back */
}

/* ---- anything at all ---------------------------------------------------- */

#define MEMBERS 7

static void random_news(struct patient *e, struct sl_rng *rng)
{
	struct sl_engine_page page = page_of((double)(sl_rng_next(rng) % 3), 1, 0.1, 1);
	struct sl_waiting w = { .sent_us = e->now_us - sl_rng_next(rng) % (20 * SECOND),
		                .streamed = true };

	switch (sl_rng_next(rng) % 10) {
	case 0:
		probe(e, (enum sl_probe_result)(sl_rng_next(rng) % 5));
		break;
	case 1:
	case 2:
		probe(e, SL_PROBE_OK);
		break;
	case 3:
		serve(e, SL_FATE_REFUSED);
		break;
	case 4:
	case 5:
		serve(e, SL_FATE_FAILED);
		break;
	case 6:
		sl_judge_page(&e->judge, &page, e->now_us);
		sl_judge_waiting(&e->judge, &e->policy, &w, e->now_us);
		break;
	case 7:
		sl_judge_slow(&e->judge, &e->policy, (double)(sl_rng_next(rng) % 5), e->now_us);
		break;
	case 8:
		if (sl_rng_next(rng) % 8 == 0)
			sl_judge_restarted(&e->judge);
		sl_judge_suspect(&e->judge, e->now_us);
		break;
	default:
		serve(e, SL_FATE_OK);
	}
}

static void check_times(const struct patient *e, uint32_t ejections, uint64_t last_away_us)
{
	const struct sl_judge *j = &e->judge;
	uint64_t away_us = j->return_us - e->now_us;

	if (j->ejections == ejections)
		return;
	assert_in_range(away_us, e->policy.ejection_us, e->policy.ejection_max_us);
	/* within a minute of service nothing is forgiven */
	if (last_away_us && j->doublings > 1)
		assert_true(away_us >= 2 * e->policy.ejection_us);
}

static void check_ward(const struct patient *e, const struct sl_ward *ward)
{
	uint32_t out = 0, ejected = 0;

	for (int i = 0; i < MEMBERS; i++) {
		out += e[i].judge.health == SL_HEALTH_UNHEALTHY;
		ejected += e[i].judge.placed;
		assert_true(!e[i].judge.placed || e[i].judge.ejected);
		assert_true(!e[i].judge.ejected || e[i].judge.health == SL_HEALTH_UNHEALTHY);
	}
	assert_int_equal(atomic_load(&ward->out), out);
	assert_int_equal(atomic_load(&ward->ejected), ejected);
	assert_true(ejected <= MEMBERS / 2);
}

/* However it went, an engine that is well from now on comes back. */
static void check_return(struct patient *e)
{
	struct sl_engine_page page = page_of(1e9, 1, 0.1, 0);

	for (int i = 0; i < 302; i++) {
		pass(e);
		sl_judge_page(&e->judge, &page, e->now_us);
	}
	pass(e);
	assert_int_equal(e->judge.health, SL_HEALTH_HEALTHY);
}

static void run_random(uint64_t seed)
{
	struct sl_rng rng = { .state = seed };
	struct sl_ward ward = { 0 };
	struct patient e[MEMBERS];

	for (int i = 0; i < MEMBERS; i++) {
		begin(&e[i], &ward);
		e[i].now_us = 100 * SECOND;
	}
	for (int n = 0; n < 3000; n++) {
		struct patient *one = &e[sl_rng_next(&rng) % MEMBERS];
		uint32_t ejections = one->judge.ejections;
		uint64_t away_us = one->judge.return_us;

		for (int i = 0; i < MEMBERS; i++)
			e[i].now_us = e[0].now_us + (i ? 0 : sl_rng_next(&rng) % (SECOND / 2));
		random_news(one, &rng);
		check_times(one, ejections, away_us);
		check_ward(e, &ward);
	}
	for (int i = 0; i < MEMBERS; i++)
		check_return(&e[i]);
	check_ward(e, &ward);
}

static void test_property(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++)
		run_random(seed * 0x9e3779b97f4a7c15ull);
}

/* ---- tables ------------------------------------------------------------- */

static void test_statuses(void **state)
{
	struct sl_status_set s = { 0 };

	(void)state;
	sl_status_set_add(&s, 200, 299);
	sl_status_set_add(&s, 599, 599);
	assert_true(sl_status_set_has(&s, 200) && sl_status_set_has(&s, 299));
	assert_true(sl_status_set_has(&s, 599));
	assert_false(sl_status_set_has(&s, 199) || sl_status_set_has(&s, 300));
	assert_false(sl_status_set_has(&s, 0) || sl_status_set_has(&s, 600));
}

static void test_reasons(void **state)
{
	(void)state;
	assert_string_equal(sl_reason_label(SL_REASON_STUCK), "stuck");
	assert_string_equal(sl_reason_label((enum sl_reason)99), "invalid");
	for (unsigned i = 0; i < SL_REASON_COUNT; i++)
		assert_true(strlen(sl_reason_text((enum sl_reason)i)) < SL_REASON_TEXT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failure_rates),
		cmocka_unit_test(test_old_failures_are_forgotten),
		cmocka_unit_test(test_the_reason_has_figures),
		cmocka_unit_test(test_times_double_and_are_forgiven),
		cmocka_unit_test(test_trial_ends),
		cmocka_unit_test(test_share_of_a_pool),
		cmocka_unit_test(test_the_dead_are_not_counted_but_missed),
		cmocka_unit_test(test_who_leaves_gives_its_place_back),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_stuck_returns_when_it_moves),
		cmocka_unit_test(test_stuck_needs_no_place),
		cmocka_unit_test(test_property),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
