/* The queue of events: by time, equal times in the order of adding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/whatif/events.h"

static void test_in_order(void **state)
{
	static const uint64_t times[] = { 5, 1, 3, 1, 5, 0, 1 };
	static const uint32_t expected[] = { 5, 1, 3, 6, 2, 0, 4 };
	struct events e = { 0 };

	(void)state;
	assert_null(events_next(&e));
	for (uint32_t i = 0; i < SL_COUNT(times); i++)
		events_add(&e, (struct event_item){ .at_us = times[i], .subject = i });
	for (uint32_t i = 0; i < SL_COUNT(expected); i++) {
		assert_int_equal(events_next(&e)->subject, expected[i]);
		assert_int_equal(events_take(&e).subject, expected[i]);
	}
	assert_null(events_next(&e));
	events_fini(&e);
}

static void test_keeps_all_of_an_item(void **state)
{
	struct events e = { 0 };
	struct event_item item = {
		.at_us = UINT64_MAX, .kind = 7, .subject = 8, .epoch = 9, .load = &item
	};
	struct event_item back;

	(void)state;
	events_add(&e, item);
	back = events_take(&e);
	assert_int_equal(back.at_us, UINT64_MAX);
	assert_int_equal(back.kind, 7);
	assert_int_equal(back.subject, 8);
	assert_int_equal(back.epoch, 9);
	assert_ptr_equal(back.load, &item);
	events_fini(&e);
}

/* ---- against a sorted list --------------------------------------------------- */

struct reference {
	struct event_item items[4096];
	size_t n;
	uint32_t added;
};

static void reference_add(struct reference *r, uint64_t at_us)
{
	size_t at = r->n++;

	for (; at && r->items[at - 1].at_us > at_us; at--)
		r->items[at] = r->items[at - 1];
	r->items[at] = (struct event_item){ .at_us = at_us, .subject = r->added++ };
}

static struct event_item reference_take(struct reference *r)
{
	struct event_item first = r->items[0];

	r->n--;
	for (size_t i = 0; i < r->n; i++)
		r->items[i] = r->items[i + 1];
	return first;
}

static void test_random(void **state)
{
	struct reference *r = calloc(1, sizeof(*r));
	struct sl_rng rng = { 42 };
	struct events e = { 0 };
	uint64_t now_us = 0;

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		if (r->n == 0 || (r->n < 4000 && sl_rng_next(&rng) % 9 < 5)) {
			uint64_t at_us = now_us + sl_rng_next(&rng) % 40;

			events_add(&e, (struct event_item){ .at_us = at_us, .subject = r->added });
			reference_add(r, at_us);
		} else {
			struct event_item a = events_take(&e), b = reference_take(r);

			assert_int_equal(a.at_us, b.at_us);
			assert_int_equal(a.subject, b.subject);
			now_us = a.at_us;
		}
		assert_int_equal(e.n, r->n);
	}
	events_fini(&e);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_keeps_all_of_an_item),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
