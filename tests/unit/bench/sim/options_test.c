/* options_test.c: the command line of `sluice-bench engine`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/sim/options.h"

#define MAX_ARGS 16

/* True if the words make a valid command line. */
static bool read_words(struct sl_sim_options *opt, const char *const *words)
{
	char *argv[MAX_ARGS] = { (char *)"engine" };
	int argc = 1;
	bool run;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	return sl_sim_options_read(opt, argc, argv, &run) == 0 && run;
}

static void test_defaults(void **state)
{
	struct sl_sim_options o;

	(void)state;
	assert_true(read_words(&o, (const char *[]){ NULL }));
	assert_string_equal(o.listen.host, "127.0.0.1");
	assert_int_equal(o.listen.port, 9001);
	assert_int_equal(o.count, 1);
	assert_string_equal(o.models[0], "sim-model");
	assert_string_equal(o.profile->name, "llama3-8b-h100");
	assert_int_equal(o.block_tokens, 16);
	assert_true(o.lease_us == 30000000 && o.keep_alive_us == 5000000);
	assert_true((uint64_t)(o.kv_blocks - 1) * 16 >= o.max_model_len);
	assert_string_equal(o.advertise, "127.0.0.1");
	assert_true(o.connector);
}

static void test_every_kind(void **state)
{
	const char *const words[] = {
		"--listen", "0.0.0.0:700", "--model",        "m",       "--alias", "n", "--speed",
		"2.5",      "--fast",      "--no-connector", "--lease", "1500ms",  NULL
	};
	struct sl_sim_options o;

	(void)state;
	assert_true(read_words(&o, words));
	assert_string_equal(o.listen.host, "0.0.0.0");
	assert_int_equal(o.listen.port, 700);
	assert_string_equal(o.models[0], "m");
	assert_string_equal(o.models[1], "n");
	assert_int_equal(o.n_models, 2);
	assert_true(o.speed == 2.5);
	assert_true(o.fast);
	assert_false(o.connector);
	assert_true(o.lease_us == 1500000);
}

static void test_loras(void **state)
{
	struct sl_sim_options o;

	(void)state;
	assert_true(read_words(&o, (const char *[]){ NULL }));
	assert_int_equal(o.n_loras, 0);
	assert_true(
	        read_words(&o, (const char *[]){ "--lora", "sql,chat", "--lora", "law",
	                                         "--max-loras", "2", "--lora-load", "5ms", NULL }));
	assert_int_equal(o.n_loras, 3);
	assert_true(sl_span_eq(o.loras[0], SL_SPAN("sql")));
	assert_true(sl_span_eq(o.loras[1], SL_SPAN("chat")));
	assert_true(sl_span_eq(o.loras[2], SL_SPAN("law")));
	assert_int_equal(o.max_loras, 2);
	assert_true(o.lora_load_us == 5000);
	assert_true(read_words(&o, (const char *[]){ "--max-loras", "100", NULL }));
	assert_int_equal(o.max_loras, SL_SIM_MAX_ADAPTERS);
}

/* The longest request must fit the cache, or it would wait for ever. */
static void test_small_cache_shortens_the_context(void **state)
{
	struct sl_sim_options o;

	(void)state;
	assert_true(read_words(&o, (const char *[]){ "--kv-blocks", "11", NULL }));
	assert_int_equal(o.max_model_len, 160);
	assert_true(read_words(&o, (const char *[]){ "--max-batched-tokens", "4", NULL }));
	assert_int_equal(o.step_tokens, o.max_seqs);
}

static void test_refused(void **state)
{
	static const char *const lines[][5] = {
		{ "--nonsense", NULL, NULL },
		{ "--listen", NULL, NULL },
		{ "--listen", "localhost:80", NULL },
		{ "--listen", "127.0.0.1:0", NULL },
		{ "--listen", "127.0.0.1:70000", NULL },
		{ "--count", "0", NULL },
		{ "--count", "5000", NULL },
		{ "--count", "x", NULL },
		{ "--speed", "-1", NULL },
		{ "--speed", "nan", NULL },
		{ "--lease", "5 parsecs", NULL },
		{ "--profile", "none", NULL },
		{ "--role", "king", NULL },
		{ "--on-stop", "never", NULL },
		{ "--kv-blocks", "1", NULL },
		{ "--lora", "", NULL },
		{ "--lora", "a,,b", NULL },
		{ "--lora", "a,", NULL },
		{ "--max-loras", "0", NULL },
		{ "--dialect", "latin", NULL },
		{ "--gpu-kind", "abacus", NULL },
		{ "--gpu-pods", "no-namespace", NULL },
		{ "--gpus-per-engine", "65", NULL },
		{ "--dialect", "triton", "--metrics-offset", "60000", NULL },
	};
	struct sl_sim_options o;

	(void)state;
	for (size_t i = 0; i < SL_COUNT(lines); i++)
		if (read_words(&o, lines[i]))
			fail_msg("taken: %s %s", lines[i][0], lines[i][1]);
}

static void test_dialects_and_gpus(void **state)
{
	struct sl_sim_options o;

	(void)state;
	assert_true(
	        read_words(&o, (const char *[]){ "--dialect", "triton", "--count", "8", NULL }));
	assert_int_equal(o.dialect, SL_SIM_TRITON);
	assert_int_equal(o.metrics_offset, 8);
	assert_true(o.gpu_all);
	assert_true(
	        read_words(&o, (const char *[]){ "--dialect", "kserve", "--gpu-exporter",
	                                         "127.0.0.1:9400", "--gpu-kind", "ascend",
	                                         "--gpu-pods", "ns/p", "--gpu-defaults", NULL }));
	assert_int_equal(o.dialect, SL_SIM_KSERVE);
	assert_int_equal(o.gpu_kind, SL_SIM_GPU_ASCEND);
	assert_int_equal(o.gpu_exporter.port, 9400);
	assert_string_equal(o.gpu_pods, "ns/p");
	assert_false(o.gpu_all);
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t us;
	} rows[] = { { "30s", 30000000 }, { "5", 5000000 },    { "500ms", 500000 },
		     { "7us", 7 },        { "2m", 120000000 }, { "0.5s", 500000 } };
	uint64_t us = 1;

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		assert_true(sl_sim_duration_read(rows[i].text, &us));
		assert_true(us == rows[i].us);
	}
	us = 42;
	assert_false(sl_sim_duration_read("", &us));
	assert_false(sl_sim_duration_read("-1s", &us));
	assert_false(sl_sim_duration_read("1h", &us));
	assert_true(us == 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_kind),
		cmocka_unit_test(test_small_cache_shortens_the_context),
		cmocka_unit_test(test_loras),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_dialects_and_gpus),
		cmocka_unit_test(test_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
