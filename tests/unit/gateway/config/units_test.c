/* units_test.c: numbers with units, there and back. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/config/units.h"

struct good {
	const struct conf_units *units;
	const char *text;
	uint64_t value;
	const char *written; /* how it is shown */
};

static const struct good goods[] = {
	{ &conf_durations, "250ms", 250000, "250ms" },
	{ &conf_durations, "10s", 10000000, "10s" },
	{ &conf_durations, "60s", 60000000, "1m" },
	{ &conf_durations, "90s", 90000000, "90s" },
	{ &conf_durations, "5m", 300000000, "5m" },
	{ &conf_durations, "24h", 86400000000, "24h" },
	{ &conf_durations, "0", 0, "0" },
	{ &conf_durations, "0s", 0, "0" },
	{ &conf_durations, "007s", 7000000, "7s" },
	{ &conf_durations, "5124095576h", 18446744073600000000u, "5124095576h" },
	{ &conf_sizes, "1b", 1, "1b" },
	{ &conf_sizes, "1023b", 1023, "1023b" },
	{ &conf_sizes, "1024b", 1024, "1k" },
	{ &conf_sizes, "64K", 65536, "64k" },
	{ &conf_sizes, "32m", 32u << 20, "32M" },
	{ &conf_sizes, "3G", 3ull << 30, "3G" },
	{ &conf_percents, "20%", 20000, "20%" },
	{ &conf_percents, "12.5%", 12500, "12.5%" },
	{ &conf_percents, "0.001%", 1, "0.001%" },
	{ &conf_percents, "3.140%", 3140, "3.14%" },
	{ &conf_percents, "7.05%", 7050, "7.05%" },
	{ &conf_percents, "0", 0, "0%" },
	{ &conf_counts, "4", 4, "4" },
	{ &conf_counts, "0", 0, "0" },
	{ &conf_counts, "18446744073709551615", UINT64_MAX, "18446744073709551615" },
};

struct bad {
	const struct conf_units *units;
	const char *text;
	const char *problem;
};

static const struct bad bads[] = {
	{ &conf_durations, "", "is not a number" },
	{ &conf_durations, "s", "is not a number" },
	{ &conf_durations, "+5s", "is not a number" },
	{ &conf_durations, "-5s", "is negative" },
	{ &conf_durations, "10", "has no unit" },
	{ &conf_durations, "10 s", "has an unknown unit" },
	{ &conf_durations, "10S", "has an unknown unit" },
	{ &conf_durations, "1h30m", "has an unknown unit" },
	{ &conf_durations, "1.5s", "is not a whole number" },
	{ &conf_durations, "18446744073709551616s", "is too large" },
	{ &conf_durations, "5124095577h", "is too large" },
	{ &conf_sizes, "64", "has no unit" },
	{ &conf_sizes, "64kb", "has an unknown unit" },
	{ &conf_sizes, "17179869184G", "is too large" },
	{ &conf_percents, "20", "has no unit" },
	{ &conf_percents, "0.2", "has no unit" },
	{ &conf_percents, "1.%", "is not a number" },
	{ &conf_percents, "1.2345%", "has too many decimals" },
	{ &conf_counts, "4k", "is not a plain number" },
	{ &conf_counts, "4.0", "is not a whole number" },
	{ &conf_counts, "0x10", "is not a plain number" },
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(goods); i++) {
		char text[32];
		uint64_t value = 1, again = 2;

		print_message("%s\n", goods[i].text);
		assert_null(conf_units_parse(goods[i].units, goods[i].text, &value));
		assert_int_equal(value, goods[i].value);
		conf_units_format(goods[i].units, value, text, sizeof(text));
		assert_string_equal(text, goods[i].written);
		assert_null(conf_units_parse(goods[i].units, text, &again));
		assert_int_equal(again, value);
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(bads); i++) {
		uint64_t value = 77;
		const char *problem = conf_units_parse(bads[i].units, bads[i].text, &value);

		print_message("%s\n", bads[i].text);
		assert_non_null(problem);
		assert_string_equal(problem, bads[i].problem);
		assert_int_equal(value, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
