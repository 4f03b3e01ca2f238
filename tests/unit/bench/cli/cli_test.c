/* Command lines from a table: values, ranges, refusals, help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../whatif/said.h"
#include "bench/cli/cli.h"

struct values {
	uint32_t u32;
	uint64_t u64;
	double real;
	int64_t seconds, milliseconds, duration;
	const char *text;
	bool on, off;
};

#define AT(member) offsetof(struct values, member)
static const struct cli_option options[] = {
	{ "u32", "N", cli_take_u32, AT(u32), 1, 1000, "a small number" },
	{ "u64", "N", cli_take_u64, AT(u64), 0, 0x1p64, "a large one" },
	{ "real", "X", cli_take_real, AT(real), -1, 2.5, "a real" },
	{ "seconds", "S", cli_take_seconds, AT(seconds), 0, 1e6, "seconds" },
	{ "milliseconds", "MS", cli_take_milliseconds, AT(milliseconds), 0, 1e6, "milliseconds" },
	{ "duration", "TIME", cli_take_duration, AT(duration), 0, 0, "a duration" },
	{ "text", "TEXT", cli_take_text, AT(text), 0, 0, "a text" },
	{ "on", NULL, cli_take_true, AT(on), 0, 0, "a switch" },
	{ "off", NULL, cli_take_false, AT(off), 0, 0, "another" },
};

static void epilog(FILE *out)
{
	fputs("and so on\n", out);
}

static const struct cli cli = { .command = "sluice-bench test",
	                        .usage = "[OPTION...]\n\nDoes nothing.",
	                        .options = options,
	                        .n_options = SL_COUNT(options),
	                        .epilog = epilog };

static int parse(const char *line, struct values *out)
{
	static char copy[256];
	char *argv[32] = { "test" };
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *p = strtok(copy, " "); p; p = strtok(NULL, " "))
		argv[argc++] = p;
	return cli_parse(&cli, argc, argv, out);
}

static void test_all(void **state)
{
	struct values v = { .off = true };

	(void)state;
	assert_int_equal(parse("--u32 1000 --u64=18446744073709551615 --real -.5 --seconds 1.5 "
	                       "--milliseconds 2.5 --duration 2m --text a --on --off --text b",
	                       &v),
	                 CLI_RUN);
	assert_int_equal(v.u32, 1000);
	assert_true(v.u64 == UINT64_MAX);
	assert_true(v.real == -.5);
	assert_int_equal(v.seconds, 1500000);
	assert_int_equal(v.milliseconds, 2500);
	assert_int_equal(v.duration, 120000000);
	assert_string_equal(v.text, "b");
	assert_true(v.on && !v.off);
}

/* One parse leaves nothing behind for the next. */
static void test_again(void **state)
{
	struct values v = { 0 };

	(void)state;
	assert_int_equal(parse("--u32 5", &v), CLI_RUN);
	assert_int_equal(parse("--u32 6", &v), CLI_RUN);
	assert_int_equal(v.u32, 6);
	assert_int_equal(parse("", &v), CLI_RUN);
	assert_int_equal(v.u32, 6);
}

static void test_refused(void **state)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "--u32 0", "sluice-bench test: --u32 '0' is no whole number in its range\n" },
		{ "--u32 1001", "--u32 '1001' is no whole number" },
		{ "--u32 4294967297", "--u32 '4294967297' is no whole number" },
		{ "--u32 -1", "--u32 '-1' is no whole number" },
		{ "--u32 +1", "is no whole number" },
		{ "--u32 1.0", "is no whole number" },
		{ "--u32 1x", "is no whole number" },
		{ "--u32=", "--u32 '' is no whole number" },
		{ "--u64 18446744073709551616", "is no whole number" },
		{ "--real 2.6", "--real '2.6' is no number in its range" },
		{ "--real nan", "is no number" },
		{ "--real inf", "is no number" },
		{ "--real 1e999", "is no number" },
		{ "--real 1,5", "is no number" },
		{ "--real=", "is no number" },
		{ "--seconds -1", "is no number" },
		{ "--milliseconds x", "is no number" },
		{ "--duration 5", "--duration '5' is no duration like 5ms, 30s or 2m\n" },
		{ "--duration 5h", "is no duration" },
		{ "--duration -5s", "is no duration" },
		{ "--duration 5sec", "is no duration" },
		{ "--duration ms", "is no duration" },
		{ "--duration 1e9s", "is no duration" },
		{ "stray", "what is 'stray'? Options begin with --\n" },
		{ "--on stray", "what is 'stray'?" },
		{ "--no-such", "unrecognized option '--no-such'" },
		{ "--on=1", "doesn't allow an argument" },
		{ "--text", "requires an argument" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct values v = { 0 };
		const char *text;
		int status;

		said_begin(2);
		status = parse(cases[i].line, &v);
		text = said_end();
		assert_int_equal(status, 2);
		if (!strstr(text, cases[i].message))
			fail_msg("%s: %s", cases[i].line, text);
	}
}

static void test_help(void **state)
{
	static const char *const lines[] = { "--help", "-h", "--u32 5 --help --no-such" };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(lines); i++) {
		struct values v = { 0 };
		const char *text;
		int status;

		said_begin(1);
		status = parse(lines[i], &v);
		text = said_end();
		assert_int_equal(status, 0);
		assert_non_null(strstr(text, "usage: sluice-bench test [OPTION...]\n\nDoes"));
		assert_non_null(strstr(text, "\n  --duration TIME          a duration\n"));
		assert_non_null(strstr(text, "\n  --on                     a switch\n"));
		assert_non_null(strstr(text, "and so on\n"));
	}
}

/* ---- parts of a text -------------------------------------------------------------- */

static void test_parts(void **state)
{
	const char *rest;
	int64_t us = 0;
	double x = 0;

	(void)state;
	assert_true(cli_read_real("2x4", &x, &rest));
	assert_true(x == 2);
	assert_string_equal(rest, "x4");
	assert_false(cli_read_real("x4", &x, &rest));
	assert_true(x == 2); /* untouched */
	assert_true(cli_read_duration("1.5ms+3s", &us, &rest));
	assert_int_equal(us, 1500);
	assert_string_equal(rest, "+3s");
	assert_true(cli_read_duration("7us", &us, &rest));
	assert_int_equal(us, 7);
	assert_true(cli_read_duration("3s@9", &us, &rest));
	assert_int_equal(us, 3000000);
	assert_false(cli_read_duration("3", &us, &rest));
	assert_int_equal(us, 3000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),     cmocka_unit_test(test_again),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_help),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
