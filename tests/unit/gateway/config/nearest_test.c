/* nearest_test.c: edit distance, and what counts as near. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/config/nearest.h"

static void test_distance(void **state)
{
	static const struct {
		const char *a, *b;
		uint32_t distance;
	} rows[] = {
		{ "", "", 0 },
		{ "", "abc", 3 },
		{ "abc", "", 3 },
		{ "listen", "listen", 0 },
		{ "LISTEN", "listen", 0 },
		{ "listn", "listen", 1 },
		{ "lsiten", "listen", 1 },
		{ "kitten", "sitting", 3 },
		{ "ab", "ba", 1 },
		{ "abcd", "badc", 2 },
		{ "ca", "abc", 3 },
		{ "pool", "listen", 6 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		print_message("%s %s\n", rows[i].a, rows[i].b);
		assert_int_equal(conf_edit_distance(rows[i].a, rows[i].b), rows[i].distance);
		assert_int_equal(conf_edit_distance(rows[i].b, rows[i].a), rows[i].distance);
	}
}

static void test_long_words_have_no_distance(void **state)
{
	char word[200];

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_true(conf_edit_distance(word, "listen") == UINT32_MAX);
	assert_true(conf_edit_distance("listen", word) == UINT32_MAX);
	word[64] = '\0';
	assert_int_equal(conf_edit_distance(word, "x"), 63);
}

static void test_nearest(void **state)
{
	static const char *const words[] = { "max_idle", "max_concurrent", "idle_timeout",
		                             "role",     "rise",           "on",
		                             NULL };
	static const struct {
		const char *word, *near;
	} rows[] = {
		{ "max_idel", "max_idle" },
		{ "idle_timout", "idle_timeout" },
		{ "rule", "role" },
		{ "max_conc", "max_concurrent" },
		{ "weight", NULL },
		{ "xy", NULL },
		{ "no", "on" },
		{ "idle", "idle_timeout" },
		{ "", NULL },
		{ "ROLE", "role" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		const char *near_word = conf_nearest_of(rows[i].word, words);

		print_message("%s\n", rows[i].word);
		if (rows[i].near) {
			assert_non_null(near_word);
			assert_string_equal(near_word, rows[i].near);
		} else {
			assert_null(near_word);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_long_words_have_no_distance),
		cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
