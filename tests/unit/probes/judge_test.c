/* judge_test.c: stories of endpoints, one character a step.
 *
 *   +  probe ok            T  probe timed out     B  probe broken
 *   R  probe refused       S  unexpected status
 *   o  live request ok     x  live request refused    f  live request failed
 *   !  another gateway found it dead              r  another process is there
 *   .  one second passes, then a tick
 * The state after each step: u(nknown) h(ealthy) d(own). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sluice/probe.h"

static const struct story {
	const char *steps;
	const char *states;
	const char *reason; /* at the end */
} stories[] = {
	/* a start: the first good probe is enough, however many failed before */
	{ "+", "h", "probe ok" },
	{ "R+", "uh", "probe ok" },
	{ "RRR+", "uudh", "probe ok" },
	{ "RRRRRRR", "uuddddd", "connection refused" },
	/* `fall` bad ones in a row, not in total */
	{ "+RRR", "hhhd", "connection refused" },
	{ "+RR+RR+RR", "hhhhhhhhh", "probe ok" },
	{ "+RTSB", "hhhdd", "broken probe answer" },
	{ "+TTT", "hhhd", "probe timed out" },
	{ "+SSS", "hhhd", "unexpected probe status" },
	/* `rise` good ones to come back, in a row */
	{ "+RRR++", "hhhddh", "probe ok" },
	{ "+RRR+R++", "hhhddddh", "probe ok" },
	/* live traffic takes it out at once, and only probes bring it back */
	{ "+xxx", "hhhd", "live requests were refused a connection" },
	{ "+xxoxx", "hhhhhh", "probe ok" },
	{ "+xxxo", "hhhdd", "live requests were refused a connection" },
	{ "+xxx+", "hhhdd", "live requests were refused a connection" },
	{ "+xxx++", "hhhddh", "probe ok" },
	{ "+xxx+x++", "hhhddddh", "probe ok" },
	{ "+x+x+x", "hhhhhd", "live requests were refused a connection" },
	{ "+xxx++xx", "hhhddhhh", "probe ok" },
	{ "xxx", "uud", "live requests were refused a connection" },
	/* silence: five seconds to unknown, ten to unhealthy */
	{ "+.....", "hhhhhu", "no recent answer" },
	{ "+..........", "hhhhhuuuuud", "no answer for too long" },
	{ "+....+....", "hhhhhhhhhh", "probe ok" },
	{ "+....o....", "hhhhhhhhhh", "probe ok" },
	{ "+.....+", "hhhhhuu", "no recent answer" },
	{ "+.....++", "hhhhhuuh", "probe ok" },
	{ "..........", "uuuuuuuuud", "no answer for too long" },
	{ "..........+", "uuuuuuuuudh", "probe ok" },
	/* failing probes do not pass for answers */
	{ "+.T.T.", "hhhhhh", "probe ok" },
	{ "+.T.T.T", "hhhhhhd", "probe timed out" },
	{ "+RRR..........", "hhhddddddddddd", "connection refused" },
	/* another gateway's word: out until the next probe, which decides */
	{ "+!", "hu", "found dead by another gateway" },
	{ "+!+", "huh", "probe ok" },
	{ "+!T", "hud", "probe timed out" },
	{ "+!T+", "hudd", "probe timed out" },
	{ "+!T++", "huddh", "probe ok" },
	{ "+!xxx", "huuud", "live requests were refused a connection" },
	{ "+!+RR+", "huhhhh", "probe ok" },
	{ "!", "u", "not probed yet" },
	{ "+RRR!", "hhhdd", "connection refused" },
	{ "", "", "not probed yet" },
	/* what fails in a row is ejected, for ten seconds whatever probes say; then
	 * the next good one brings it back */
	{ "+fff", "hhhd", "live requests failed in a row" },
	{ "+ffoff", "hhhhhh", "probe ok" },
	{ "+fffo", "hhhdd", "live requests failed in a row" },
	{ "+fff+.+..+......+", "hhhdddddddddddddd", "live requests failed in a row" },
	{ "+fff+.+..+.......+", "hhhddddddddddddddh", "ejection over, probe ok" },
	{ "+fff..........T+", "hhhddddddddddddh", "ejection over, probe ok" },
	/* on trial one failure is enough, and the time is twice as long */
	{ "+fff..........+f...................+", "hhhdddddddddddhddddddddddddddddddddd",
	  "live requests failed in a row" },
	{ "+fff..........+f....................+", "hhhdddddddddddhdddddddddddddddddddddh",
	  "ejection over, probe ok" },
	/* an ejected one that probes find dead is dead: good probes are all it takes */
	{ "+fffR++", "hhhdddh", "probe ok" },
	{ "+fffTT++", "hhhddddd", "live requests failed in a row" },
	{ "+fffTTT++", "hhhdddddh", "probe ok" },
	/* a new process has not done what the old one did */
	{ "+fffr+", "hhhddh", "probe ok" },
};

static bool step(struct sl_judge *j, const struct sl_health_policy *p, char c, uint64_t *now_us)
{
	switch (c) {
	case '+':
		return sl_judge_probe(j, p, SL_PROBE_OK, *now_us);
	case 'R':
		return sl_judge_probe(j, p, SL_PROBE_REFUSED, *now_us);
	case 'T':
		return sl_judge_probe(j, p, SL_PROBE_TIMEOUT, *now_us);
	case 'S':
		return sl_judge_probe(j, p, SL_PROBE_STATUS, *now_us);
	case 'B':
		return sl_judge_probe(j, p, SL_PROBE_BROKEN, *now_us);
	case 'o':
		return sl_judge_traffic(j, p, SL_FATE_OK, *now_us);
	case 'x':
		return sl_judge_traffic(j, p, SL_FATE_REFUSED, *now_us);
	case 'f':
		return sl_judge_traffic(j, p, SL_FATE_FAILED, *now_us);
	case 'r':
		sl_judge_restarted(j);
		return false;
	case '!':
		return sl_judge_suspect(j, *now_us);
	default:
		*now_us += 1000000;
		return sl_judge_tick(j, p, *now_us);
	}
}

static char letter(enum sl_health health)
{
	return health == SL_HEALTH_HEALTHY ? 'h' : health == SL_HEALTH_UNKNOWN ? 'u' : 'd';
}

static void run(const struct story *s, const struct sl_health_policy *p)
{
	uint64_t now_us = 1000, since_us = 1000;
	struct sl_judge j;

	sl_judge_init(&j, now_us);
	for (size_t i = 0; s->steps[i]; i++) {
		enum sl_health before = j.health;
		uint32_t changes = j.changes;
		bool changed = step(&j, p, s->steps[i], &now_us);

		if (letter(j.health) != s->states[i])
			fail_msg("%s: step %zu gives %c, not %c", s->steps, i, letter(j.health),
			         s->states[i]);
		assert_int_equal(changed, changes != j.changes);
		assert_true(changed || before == j.health);
		if (changed)
			since_us = now_us;
		assert_int_equal(j.since_us, since_us);
	}
	assert_string_equal(j.reason, s->reason);
}

static void test_stories(void **state)
{
	struct sl_health_policy policy;

	(void)state;
	sl_health_policy_default(&policy);
	for (size_t i = 0; i < SL_COUNT(stories); i++)
		run(&stories[i], &policy);
}

static void test_other_policies(void **state)
{
	static const struct story careful = { "+RR++++", "hdddddh", "probe ok" };
	static const struct story impatient = { "+R+x", "hdhh", "probe ok" };
	static const struct story patient = { "+xxxxxxx..............", "hhhhhhhhhhhhhhhhhhhhhh",
		                              "probe ok" };

	(void)state;
	run(&careful, &(struct sl_health_policy){ .rise = 4, .fall = 1, .passive_fall = 1 });
	run(&impatient, &(struct sl_health_policy){ .rise = 1, .fall = 1, .passive_fall = 2 });
	/* zero switches the passive and the silence rules off */
	run(&patient, &(struct sl_health_policy){ .rise = 1, .fall = 1 });
}

static void test_default_policy(void **state)
{
	struct sl_health_policy p;

	(void)state;
	sl_health_policy_default(&p);
	assert_int_equal(p.rise, 2);
	assert_int_equal(p.fall, 3);
	assert_int_equal(p.passive_fall, 3);
	assert_int_equal(p.stale_us, 5000000);
}

/* A clock that is read before the answer was noted must not wrap around. */
static void test_tick_before_last_answer(void **state)
{
	struct sl_health_policy p;
	struct sl_judge j;

	(void)state;
	sl_health_policy_default(&p);
	sl_judge_init(&j, 1000);
	assert_true(sl_judge_probe(&j, &p, SL_PROBE_OK, 5000));
	assert_false(sl_judge_tick(&j, &p, 4000));
	assert_int_equal(j.health, SL_HEALTH_HEALTHY);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(sl_health_name(SL_HEALTH_UNKNOWN), "unknown");
	assert_string_equal(sl_health_name(SL_HEALTH_DEGRADED), "degraded");
	assert_string_equal(sl_health_name((enum sl_health)99), "invalid");
	assert_string_equal(sl_probe_result_name(SL_PROBE_REFUSED), "refused");
	assert_string_equal(sl_probe_result_name((enum sl_probe_result)99), "invalid");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_other_policies),
		cmocka_unit_test(test_default_policy),
		cmocka_unit_test(test_tick_before_last_answer),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
