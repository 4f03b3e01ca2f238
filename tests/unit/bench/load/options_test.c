/* The command line: defaults, every kind of value, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/load/options.h"

static int parse(const char *line, struct sl_options *out)
{
	static char copy[512];
	char *argv[48] = { "replay" };
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *p = strtok(copy, " "); p; p = strtok(NULL, " "))
		argv[argc++] = p;
	return sl_options_parse(argc, argv, out);
}

static void test_defaults(void **state)
{
	struct sl_options o;

	(void)state;
	assert_int_equal(parse("--trace t --url u", &o), SL_OPTIONS_RUN);
	assert_string_equal(o.trace, "t");
	assert_string_equal(o.url, "u");
	assert_true(o.stream);
	assert_true(o.verify);
	assert_int_equal(o.api, SL_API_CHAT);
	assert_int_equal(o.bytes_per_token, 4);
	assert_int_equal(o.limit, 0);
	assert_int_equal(o.max_concurrency, 0);
	assert_int_equal(o.timeout_us, 600000000);
	assert_true(o.rate_factor == 1 && o.tokens_scale == 1 && o.spread_us < 0);
	assert_null(o.json);
	assert_string_equal(o.headers, "");
	sl_options_fini(&o);
}

static void test_all(void **state)
{
	struct sl_options o;

	(void)state;
	assert_int_equal(parse("--trace t --url u --limit 200 --rate-factor 2.5 --tokens-scale .1 "
	                       "--seed 18446744073709551615 --spread 0 --max-concurrency 9 "
	                       "--model m --api completions --no-stream --header A:b --header C:d "
	                       "--verify off --timeout 0.5 --engines http://a,http://b "
	                       "--engine-metrics http://c --json -",
	                       &o),
	                 SL_OPTIONS_RUN);
	assert_int_equal(o.limit, 200);
	assert_true(o.rate_factor == 2.5 && o.tokens_scale == .1);
	assert_true(o.seed == UINT64_MAX);
	assert_int_equal(o.spread_us, 0);
	assert_int_equal(o.max_concurrency, 9);
	assert_int_equal(o.api, SL_API_COMPLETIONS);
	assert_false(o.stream);
	assert_false(o.verify);
	assert_string_equal(o.headers, "A:b\r\nC:d\r\n");
	assert_int_equal(o.timeout_us, 500000);
	assert_int_equal(o.n_engines, 3);
	assert_string_equal(o.engines[1], "http://b");
	assert_string_equal(o.engines[2], "http://c");
	sl_options_fini(&o);
}

static void test_slos(void **state)
{
	struct sl_options o;

	(void)state;
	assert_int_equal(parse("--trace t --url u --slo-ttft 200 --slo-tpot 50.5", &o),
	                 SL_OPTIONS_RUN);
	assert_int_equal(o.slo_ttft_us, 200000);
	assert_int_equal(o.slo_tpot_us, 50500);
	sl_options_fini(&o);
}

static void test_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"--trace t",
		"--url u",
		"--trace t --url u extra",
		"--trace t --url u --nonsense",
		"--trace t --url u --limit 0",
		"--trace t --url u --limit -1",
		"--trace t --url u --limit 1x",
		"--trace t --url u --limit 99999999999999999999999",
		"--trace t --url u --rate-factor 0",
		"--trace t --url u --rate-factor nan",
		"--trace t --url u --rate-factor inf",
		"--trace t --url u --tokens-scale -1",
		"--trace t --url u --api embeddings",
		"--trace t --url u --verify maybe",
		"--trace t --url u --timeout 0",
		"--trace t --url u --header nocolon",
		"--trace t --url u --no-stream --slo-ttft 5",
		"--trace t --url u --limit",
	};
	struct sl_options o;

	(void)state;
	for (size_t i = 0; i < SL_COUNT(lines); i++)
		assert_int_equal(parse(lines[i], &o), 2);
}

static void test_help(void **state)
{
	struct sl_options o;

	(void)state;
	assert_int_equal(parse("--help", &o), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_all),
		cmocka_unit_test(test_slos),     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
