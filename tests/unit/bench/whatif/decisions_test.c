/* Replays are bit-exact: the digests of every placement of some small runs, as
 * they are written in tests/golden/whatif/decisions.txt. A change of routing
 * that is meant to decide otherwise: SLUICE_UPDATE_GOLDEN=1 ctest -R decisions
 * (bench/whatif/exact.sh compares compilers and optimisations). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/whatif/generate.h"
#include "bench/whatif/options.h"

#define GOLDEN SOURCE_DIR "/tests/golden/whatif/decisions.txt"
#define MAX_LINES 256u

/* A name, and a command line as a user writes it. */
static const struct {
	const char *name, *line;
} fleets[] = {
	{ "aggregated", "--trace synthetic:hot,requests=250,rate=60 --engines 4" },
	{ "disaggregated", "--trace synthetic:hot,requests=250,rate=60 --engines 6 --prefill 2 "
	                   "--decode 4" },
	{ "memory", "--trace synthetic:chat,requests=250 --rate-factor 40 --engines 3 --kv-factor "
	            "0.03" },
	{ "replicas", "--trace synthetic:hot,requests=250,rate=60 --engines 4 --replicas 3 "
	              "--replica-delay 20ms --slow 1x4" },
	{ "outages", "--trace synthetic:hot,requests=250,rate=60 --engines 6 --prefill 2 --decode "
	             "4 --fail 0@1s+1s --fail 3@2s+2s --join 1@1s" },
};

struct lines {
	char text[MAX_LINES][80];
	uint32_t n;
};

static void parse(const char *line, struct options *out)
{
	static char copy[512];
	char *argv[48] = { "whatif" };
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *p = strtok(copy, " "); p; p = strtok(NULL, " "))
		argv[argc++] = p;
	assert_int_equal(options_parse(argc, argv, out), OPTIONS_RUN);
}

static void run_policies(const char *name, const struct options *o, const struct workload *w,
                         const struct fleet *f, struct lines *out)
{
	for (size_t k = 0; policy_at(k); k++) {
		struct world_setup setup = {
			.workload = w,
			.fleet = f,
			.policy = policy_at(k),
			.rate_factor = o->rate_factor,
			.seed = o->seed,
			.replicas = o->replicas,
			.replica_delay_us = (uint64_t)o->replica_delay_us,
			.slo = { o->slo_ttft_ms, o->slo_tpot_ms },
		};
		struct tally t;

		assert_true(out->n < MAX_LINES);
		world_run(&setup, &t);
		snprintf(out->text[out->n++], sizeof(out->text[0]), "%-14s %-22s %016llx\n", name,
		         policy_at(k)->name, (unsigned long long)t.decisions);
		tally_fini(&t);
	}
}

static void run_all(struct lines *out)
{
	out->n = 0;
	for (size_t i = 0; i < SL_COUNT(fleets); i++) {
		struct workload_options opt = { .seed = 1 };
		struct options o;
		struct sl_trace trace;
		struct workload w;
		struct fleet f;
		char err[256];

		parse(fleets[i].line, &o);
		assert_int_equal(generate_trace(o.trace, err, sizeof(err), &trace), 0);
		workload_init(&w, &trace, &opt);
		options_fleet(&o, &f);
		run_policies(fleets[i].name, &o, &w, &f, out);
		fleet_fini(&f);
		workload_fini(&w);
		sl_trace_fini(&trace);
		options_fini(&o);
	}
}

static void write_golden(const struct lines *l)
{
	FILE *out = fopen(GOLDEN, "w");

	assert_non_null(out);
	for (uint32_t i = 0; i < l->n; i++)
		fputs(l->text[i], out);
	assert_int_equal(fclose(out), 0);
}

static void test_as_written(void **state)
{
	struct lines *l = calloc(1, sizeof(*l));
	char line[160];
	uint32_t n = 0;
	FILE *in;

	(void)state;
	assert_non_null(l);
	run_all(l);
	if (getenv("SLUICE_UPDATE_GOLDEN"))
		write_golden(l);
	in = fopen(GOLDEN, "r");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in)) {
		assert_true(n < l->n);
		assert_string_equal(l->text[n], line);
		n++;
	}
	assert_int_equal(n, l->n);
	fclose(in);
	free(l);
}

static void test_twice(void **state)
{
	struct lines *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

	(void)state;
	run_all(a);
	run_all(b);
	assert_memory_equal(a, b, sizeof(*a));
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_written),
		cmocka_unit_test(test_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
