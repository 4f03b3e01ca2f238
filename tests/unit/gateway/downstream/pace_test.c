/* Whether a client moves what it must. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/downstream/pace.h"

#define WINDOW_US 60000000u

static void test_windows(void **state)
{
	static const struct {
		uint64_t after_us, moved;
		uint32_t min_rate;
		enum sl_pace_verdict verdict;
	} rows[] = {
		{ WINDOW_US - 1, 0, 240, SL_PACE_EARLY },
		{ WINDOW_US, 0, 240, SL_PACE_STUCK },
		{ WINDOW_US, 0, 0, SL_PACE_STUCK },
		{ 2 * WINDOW_US, 0, 0, SL_PACE_STUCK },
		{ WINDOW_US, 1, 0, SL_PACE_GOOD },
		{ WINDOW_US, 1, 240, SL_PACE_SLOW },
		{ WINDOW_US, 240 * 60 - 1, 240, SL_PACE_SLOW },
		{ WINDOW_US, 240 * 60, 240, SL_PACE_GOOD },
		{ 2 * WINDOW_US, 240 * 60, 240, SL_PACE_SLOW },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_pace p;

		sl_pace_begin(&p, 7, 1000);
		assert_int_equal(sl_pace_judge(&p, 7 + rows[i].after_us, 1000 + rows[i].moved,
		                               WINDOW_US, rows[i].min_rate),
		                 rows[i].verdict);
		assert_int_equal(p.from_us,
		                 rows[i].verdict == SL_PACE_GOOD ? 7 + rows[i].after_us : 7);
	}
}

/* A byte in the window's first moment does not make the silence behind it longer. */
static void test_stuck_since_the_last_byte(void **state)
{
	struct sl_pace p;
	uint64_t now_us = 1000, step_us = WINDOW_US / SL_PACE_LOOKS;

	(void)state;
	sl_pace_begin(&p, now_us, 0);
	now_us += step_us;
	assert_int_equal(sl_pace_judge(&p, now_us, 1000000, WINDOW_US, 240), SL_PACE_EARLY);
	for (unsigned i = 1; i < SL_PACE_LOOKS; i++) {
		enum sl_pace_verdict want = i == SL_PACE_LOOKS - 1 ? SL_PACE_GOOD : SL_PACE_EARLY;

		now_us += sl_pace_next_us(&p, now_us, WINDOW_US);
		assert_int_equal(sl_pace_judge(&p, now_us, 1000000, WINDOW_US, 240), want);
	}
	now_us += sl_pace_next_us(&p, now_us, WINDOW_US);
	assert_int_equal(now_us, 1000 + WINDOW_US + step_us);
	assert_int_equal(sl_pace_judge(&p, now_us, 1000000, WINDOW_US, 240), SL_PACE_STUCK);
}

static void test_when_to_look(void **state)
{
	struct sl_pace p;

	(void)state;
	sl_pace_begin(&p, 100, 0);
	assert_int_equal(sl_pace_next_us(&p, 100, 80), 10);
	assert_int_equal(sl_pace_next_us(&p, 175, 80), 5);
	assert_int_equal(sl_pace_next_us(&p, 200, 80), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_stuck_since_the_last_byte),
		cmocka_unit_test(test_when_to_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
