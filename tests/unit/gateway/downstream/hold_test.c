/* The budget of answers that wait for their clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/downstream/session.h"

#define MIB ((size_t)1024 * 1024)

struct books {
	struct sl_hold_budget budget;
	struct sl_config config;
	struct sl_sessions all;
};

static int open_books(void **state)
{
	static struct books b;

	b = (struct books){ .config = { .answer_memory = MIB } };
	b.all = (struct sl_sessions){
		.config = &b.config,
		.hold = &b.budget,
		.metrics = sl_metrics_thread(),
	};
	*state = &b;
	return 0;
}

static int close_books(void **state)
{
	struct books *b = *state;

	assert_int_equal(b->budget.bytes, 0);
	return 0;
}

static void test_follows_what_waits(void **state)
{
	struct books *b = *state;
	struct sl_hold one = { 0 };

	assert_true(sl_hold_set(&b->all, &one, 100));
	assert_int_equal(one.waits, 100);
	assert_int_equal(b->budget.bytes, SL_HOLD_LEAST); /* room for the next step */
	assert_true(sl_hold_set(&b->all, &one, 5 * SL_HOLD_LEAST));
	assert_int_equal(b->budget.bytes, 5 * SL_HOLD_LEAST);
	assert_false(sl_hold_pressed(&b->all));
	assert_true(sl_hold_set(&b->all, &one, 0));
	assert_int_equal(b->budget.bytes, 0);
}

/* Past half of it nobody gives back what he may need again... */
static void test_a_reader_keeps_its_place(void **state)
{
	struct books *b = *state;
	struct sl_hold reader = { 0 }, stalled = { 0 }, newest = { 0 };

	assert_true(sl_hold_set(&b->all, &reader, SL_HOLD_LEAST));
	assert_true(sl_hold_set(&b->all, &stalled, MIB - SL_HOLD_LEAST));
	assert_true(sl_hold_pressed(&b->all));
	assert_true(sl_hold_set(&b->all, &reader, 0));
	/* ... so the newest finds no room, */
	assert_false(sl_hold_set(&b->all, &newest, 1));
	sl_hold_end(&b->all, &newest);
	/* and the reader goes on. */
	assert_true(sl_hold_set(&b->all, &reader, SL_HOLD_LEAST));
	assert_int_equal(b->budget.bytes, MIB);
	/* More than it ever had is more, for it as well. */
	assert_false(sl_hold_set(&b->all, &reader, 2 * SL_HOLD_LEAST));
	sl_hold_end(&b->all, &reader);
	assert_int_equal(b->budget.bytes, MIB - SL_HOLD_LEAST);
	/* When there is room again, what does not wait is given back. */
	assert_true(sl_hold_set(&b->all, &newest, 1));
	sl_hold_end(&b->all, &stalled);
	assert_false(sl_hold_pressed(&b->all));
	assert_true(sl_hold_set(&b->all, &newest, 0));
}

/* What has come to its end is charged as it is. */
static void test_the_last_bytes(void **state)
{
	struct books *b = *state;
	struct sl_hold one = { .last = true }, stalled = { 0 };

	assert_true(sl_hold_set(&b->all, &stalled, MIB - 300));
	assert_true(sl_hold_set(&b->all, &one, 300));
	assert_true(sl_hold_set(&b->all, &one, 100));
	assert_int_equal(b->budget.bytes, MIB - 200);
	sl_hold_end(&b->all, &one);
	sl_hold_end(&b->all, &stalled);
}

static void test_not_counted(void **state)
{
	struct books *b = *state;
	struct sl_hold one = { 0 };

	b->all.hold = NULL;
	assert_true(sl_hold_set(&b->all, &one, 100 * MIB));
	assert_int_equal(one.waits, 100 * MIB);
	assert_false(sl_hold_pressed(&b->all));
	sl_hold_end(&b->all, &one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_follows_what_waits, open_books, close_books),
		cmocka_unit_test_setup_teardown(test_a_reader_keeps_its_place, open_books,
		                                close_books),
		cmocka_unit_test_setup_teardown(test_the_last_bytes, open_books, close_books),
		cmocka_unit_test_setup_teardown(test_not_counted, open_books, close_books),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
