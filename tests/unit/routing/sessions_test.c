/* sessions_test.c: one turn per key, the newest; a bound on how many; an age. */
#include "routing/sessions.h"
#include "tests/unit/routing/route_help.h"

static void put(struct sessions *s, uint64_t key, uint32_t slot, uint64_t ended_us)
{
	sessions_put(s, key, &(struct turn){ .slot = slot, .ended_us = ended_us });
}

static bool knows(const struct sessions *s, uint64_t key, uint32_t slot, uint64_t now_us)
{
	struct turn turn = { .slot = 77777 };
	bool found = sessions_find(s, key, now_us, &turn);

	assert_int_equal(turn.slot, found ? slot : 77777);
	return found;
}

static void keeps_the_last_turn(void **state)
{
	struct sessions s;

	(void)state;
	sessions_init(&s, 1);
	assert_false(knows(&s, 5, 0, 0));
	put(&s, 5, 1, 0);
	put(&s, 6, 2, 0);
	put(&s, 5, 3, 1);
	assert_true(knows(&s, 5, 3, 1));
	assert_true(knows(&s, 6, 2, 1));
	assert_false(knows(&s, 7, 0, 1));
	assert_int_equal(s.count, 2);
	sessions_fini(&s);
}

static void forgets_what_is_old(void **state)
{
	struct sessions s;

	(void)state;
	sessions_init(&s, 1);
	put(&s, 5, 1, 100);
	assert_true(knows(&s, 5, 1, 100 + SESSIONS_AGE_US));
	assert_false(knows(&s, 5, 1, 101 + SESSIONS_AGE_US));
	put(&s, 5, 2, 101 + SESSIONS_AGE_US);
	assert_true(knows(&s, 5, 2, 102 + SESSIONS_AGE_US));
	sessions_fini(&s);
}

/* Three times as many as there is room for, one of them again and again. */
static void is_bounded(void **state)
{
	struct sessions s;
	uint64_t keys = 3ull * SESSIONS_MAX;

	(void)state;
	sessions_init(&s, 1);
	for (uint64_t key = 1; key <= keys; key++) {
		put(&s, key, (uint32_t)key, 0);
		if (key % 1000 == 0)
			put(&s, 1, 1, 0);
	}
	assert_int_equal(s.count, SESSIONS_MAX);
	assert_true(knows(&s, 1, 1, 0));
	/* 65 of the puts since were of that one */
	for (uint64_t key = keys; key > keys - SESSIONS_MAX + 66; key--)
		assert_true(knows(&s, key, (uint32_t)key, 0));
	for (uint64_t key = 2; key <= keys - SESSIONS_MAX; key++)
		assert_false(knows(&s, key, 0, 0));
	sessions_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_last_turn),
		cmocka_unit_test(forgets_what_is_old),
		cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
