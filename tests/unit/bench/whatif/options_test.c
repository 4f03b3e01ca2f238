/* The command line of what-if: defaults, every kind of value, the fleet and the
 * policies that come of it, and what is refused, in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/whatif/options.h"
#include "said.h"

static int parse(const char *line, struct options *out)
{
	static char copy[4096];
	char *argv[256] = { "whatif" };
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *p = strtok(copy, " "); p; p = strtok(NULL, " "))
		argv[argc++] = p;
	return options_parse(argc, argv, out);
}

static struct options parsed(const char *line)
{
	struct options o;

	assert_int_equal(parse(line, &o), OPTIONS_RUN);
	return o;
}

static void test_defaults(void **state)
{
	struct options o = parsed("--trace t");

	(void)state;
	assert_string_equal(o.trace, "t");
	assert_int_equal(o.engines, 16);
	assert_int_equal(o.prefill + o.decode, 0);
	assert_string_equal(o.profile.name, "llama3-8b-h100");
	assert_string_equal(o.policy, POLICY_OURS);
	assert_true(o.kv_factor == 1 && o.rate_factor == 1 && o.good_share == 0.95);
	assert_true(o.transfer_gb_per_s == 20 && o.transfer_latency_ms == 2);
	assert_true(o.slo_ttft_ms == 5000 && o.slo_tpot_ms == 50);
	assert_int_equal(o.replicas, 1);
	assert_int_equal(o.replica_delay_us, 5000);
	assert_int_equal(o.seed, 1);
	assert_true(o.spread_us < 0);
	assert_int_equal(o.scrape_us, 0);
	assert_int_equal(o.burst.for_us, 0);
	assert_int_equal(o.limit, 0);
	assert_false(o.knee || o.plan || o.compare || o.quiet || o.list);
	assert_null(o.json);
	assert_null(o.html);
	options_fini(&o);
}

static void test_all(void **state)
{
	struct options o =
	        parsed("--trace t --limit 9 --rate-factor 7 --engines 20 --prefill 5 --decode "
	               "11 --profile llama3-70b-h100-tp8 --kv-factor .5 --slow 2x4 --slow "
	               "1x0.5 --fail 3@60s+30s --join 2@2m --burst 4x30s@60s "
	               "--transfer-rate 10 --transfer-latency 1.5 --policy sluice,random "
	               "--knee --good-share .9 --slo-ttft 200 --slo-tpot 25 "
	               "--replicas 4 --replica-delay off --scrape 50ms --spread 0s --seed "
	               "5 --json - --html h --threads 3 --quiet");

	(void)state;
	assert_int_equal(o.limit, 9);
	assert_true(o.rate_factor == 7 && o.kv_factor == .5 && o.good_share == .9);
	assert_int_equal(o.engines, 20);
	assert_string_equal(o.profile.name, "llama3-70b-h100-tp8");
	assert_int_equal(o.n_slow, 2);
	assert_int_equal(o.slow[0].count, 2);
	assert_true(o.slow[0].factor == 4 && o.slow[1].factor == 0.5);
	assert_int_equal(o.fail[0].engine, 3);
	assert_int_equal(o.fail[0].from_us, 60000000);
	assert_int_equal(o.fail[0].for_us, 30000000);
	assert_int_equal(o.join[0].count, 2);
	assert_int_equal(o.join[0].at_us, 120000000);
	assert_true(o.burst.factor == 4);
	assert_int_equal(o.burst.for_us, 30000000);
	assert_int_equal(o.burst.from_us, 60000000);
	assert_true(o.transfer_gb_per_s == 10 && o.transfer_latency_ms == 1.5);
	assert_true(o.slo_ttft_ms == 200 && o.slo_tpot_ms == 25);
	assert_int_equal(o.replicas, 4);
	assert_int_equal(o.replica_delay_us, -1);
	assert_int_equal(o.scrape_us, 50000);
	assert_int_equal(o.spread_us, 0);
	assert_int_equal(o.seed, 5);
	assert_string_equal(o.json, "-");
	assert_string_equal(o.html, "h");
	assert_int_equal(o.threads, 3);
	assert_true(o.knee && o.quiet);
	options_fini(&o);
}

/* ---- what is refused ---------------------------------------------------------------- */

#define HEAD "sluice-bench whatif: "

static void test_refused(void **state)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "", HEAD "--trace is missing; --help lists the options\n" },
		{ "--trace t --engines 0", HEAD "--engines '0' is no whole number in its range\n" },
		{ "--trace t --engines 16001", HEAD "--engines '16001' is no whole number" },
		{ "--trace t --limit 0", HEAD "--limit '0' is no whole number" },
		{ "--trace t --rate-factor 0",
		  HEAD "--rate-factor '0' is no number in its range\n" },
		{ "--trace t --good-share 1.1", HEAD "--good-share '1.1' is no number" },
		{ "--trace t --slo-ttft 0", HEAD "--slo-ttft '0' is no number" },
		{ "--trace t --replicas 257", HEAD "--replicas '257' is no whole number" },
		{ "--trace t --replica-delay on",
		  HEAD "--replica-delay 'on' is no duration like 5ms, 30s or 2m\n" },
		{ "--trace t --scrape 5", HEAD "--scrape '5' is no duration" },
		{ "--trace t --slow 2", HEAD "--slow '2' is not like 2x4: engines, x, how many" },
		{ "--trace t --slow x4", HEAD "--slow 'x4' is not like 2x4" },
		{ "--trace t --slow 2x", HEAD "--slow '2x' is not like 2x4" },
		{ "--trace t --slow 2x0", HEAD "--slow '2x0' is not like 2x4" },
		{ "--trace t --slow 2x4s", HEAD "--slow '2x4s' is not like 2x4" },
		{ "--trace t --slow 1.5x4", HEAD "--slow '1.5x4' is not like 2x4" },
		{ "--trace t --slow -1x4", HEAD "--slow '-1x4' is not like 2x4" },
		{ "--trace t --fail 3",
		  HEAD "--fail '3' is not like 3@60s+30s: engine, from when" },
		{ "--trace t --fail 3@60s", HEAD "--fail '3@60s' is not like" },
		{ "--trace t --fail 3@60+30", HEAD "--fail '3@60+30' is not like" },
		{ "--trace t --fail 3@1s+1s+1s", HEAD "--fail '3@1s+1s+1s' is not like" },
		{ "--trace t --join 2", HEAD "--join '2' is not like 2@120s: engines, when\n" },
		{ "--trace t --join 2@1sx", HEAD "--join '2@1sx' is not like" },
		{ "--trace t --burst 4", HEAD "--burst '4' is not like 4x30s@60s" },
		{ "--trace t --burst 4x30s", HEAD "--burst '4x30s' is not like" },
		{ "--trace t --burst 0x30s@1s", HEAD "--burst '0x30s@1s' is not like" },
		{ "--trace t --prefill 9 --decode 8",
		  HEAD "--prefill and --decode are more than --engines\n" },
		{ "--trace t --prefill 16", HEAD "--prefill leaves nobody to decode\n" },
		{ "--trace t --prefill 5", HEAD "--prefill needs --decode: who takes what was" },
		{ "--trace t --engines 4 --slow 3x2 --slow 2x2",
		  HEAD "--slow names more engines than there are\n" },
		{ "--trace t --engines 4 --fail 4@1s+1s",
		  HEAD "--fail names an engine that is not there; they count from 0\n" },
		{ "--trace t --plan --html h", HEAD "--plan has no page: leave out --html\n" },
		{ "--trace t --plan --slow 1x2", HEAD "--plan is of equal engines: leave out" },
		{ "--trace t --plan --fail 1@1s+1s", HEAD "--plan is of equal engines: leave out" },
		{ "--trace t --plan --join 1@1s", HEAD "--plan is of equal engines: leave out" },
		{ "--trace t --profile llama4",
		  HEAD "llama4: there is no such profile, and no such file\n" },
		{ "--trace t --profile /tmp", HEAD "/tmp:0: the file ends without a name\n" },
		{ "t", HEAD "what is 't'? Options begin with --\n" },
		{ "--tracee t", "unrecognized option '--tracee'" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct options o = { .trace = "untouched" };
		const char *text;
		int status;

		said_begin(2);
		status = parse(cases[i].line, &o);
		text = said_end();
		if (status != 2 || !strstr(text, cases[i].message))
			fail_msg("%s: %d, %s", cases[i].line, status, text);
		assert_string_equal(o.trace, "untouched");
	}
}

static void test_too_many(void **state)
{
	static const char *const changes[] = { " --slow 00x2", " --fail 1@1s+1s", " --join 1@1s" };

	(void)state;
	for (size_t k = 0; k < SL_COUNT(changes); k++) {
		char line[4096] = "--trace t";
		struct options o;

		for (uint32_t i = 0; i < OPTIONS_MAX_CHANGES; i++)
			strcat(line, changes[k]);
		o = parsed(line);
		options_fini(&o);
		strcat(line, changes[k]);
		said_begin(2);
		assert_int_equal(parse(line, &o), 2);
		assert_non_null(strstr(said_end(), "is one too many\n"));
	}
}

/* An engine that could hold nothing would be of no use, and one that could hold
 * everything would need the memory. */
static void test_kv_memory(void **state)
{
	static const char *const text = "name tiny\nlin 1:1 2:2 4:3 8:4 16:5 32:6 64:7 128:8 256:9 "
	                                "512:10 1024:11\no_ms 1\nb_ms_per_token2 0\nd0_ms 1\n"
	                                "d1_ms_per_token 0\nkv_bytes_per_token 1\n"
	                                "kv_capacity_tokens 2048\nchunk_tokens 64\nmax_seqs 4\n";
	static const struct {
		const char *options;
		int status;
	} cases[] = {
		{ "", OPTIONS_RUN },
		{ "--kv-factor 0.5", OPTIONS_RUN },
		{ "--kv-factor 0.49", 2 },
		{ "--kv-factor 0.01", 2 },
		{ "--profile llama3-8b-h100 --kv-factor 1000", OPTIONS_RUN },
	};
	char path[] = "/tmp/profile-XXXXXX", line[256];
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct options o;
		int status;

		snprintf(line, sizeof(line), "--trace t --profile %s %s", path, cases[i].options);
		said_begin(2);
		status = parse(line, &o);
		said_end();
		assert_int_equal(status, cases[i].status);
		if (status == OPTIONS_RUN)
			options_fini(&o);
		else
			assert_non_null(strstr(said.text, "--kv-factor leaves an engine less than "
			                                  "1024 tokens\n"));
	}
	unlink(path);
}

/* ---- help and list ------------------------------------------------------------------- */

static void test_list(void **state)
{
	struct options o;
	const char *text;
	int status;

	(void)state;
	said_begin(1);
	status = parse("--list", &o);
	text = said_end();
	assert_int_equal(status, 0);
	assert_true(!strncmp(text, "policies:\n  sluice ", 19));
	for (size_t k = 0; policy_at(k); k++)
		assert_non_null(strstr(text, policy_at(k)->name));
	for (size_t k = 0; sl_profile_at(k); k++)
		assert_non_null(strstr(text, sl_profile_at(k)->name));
}

static void test_help(void **state)
{
	struct options o;
	const char *text;
	int status;

	(void)state;
	said_begin(1);
	status = parse("--help", &o);
	text = said_end();
	assert_int_equal(status, 0);
	assert_non_null(strstr(text, "usage: sluice-bench whatif --trace FILE"));
	assert_non_null(strstr(text, "  --replica-delay TIME|off "));
	assert_non_null(strstr(text, "synthetic:KIND"));
}

/* ---- policies --------------------------------------------------------------------------- */

static void check_policies(const char *asked, const char *const *names, size_t n)
{
	struct options o = { .policy = asked };
	const struct policy **list = options_policies(&o);

	assert_non_null(list);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(list[i]->name, names[i]);
	assert_null(list[n]);
	free(list);
}

static void test_policies(void **state)
{
	static const char *const three[] = { "random", POLICY_OURS, "lmetric" };
	struct options o = parsed("--trace t --compare");
	const struct policy **list = options_policies(&o);
	size_t n = 0;

	(void)state;
	for (; policy_at(n); n++)
		assert_ptr_equal(list[n], policy_at(n));
	assert_null(list[n]);
	assert_true(n >= 18);
	free(list);
	options_fini(&o);
	check_policies("random,sluice,lmetric", three, 3);
	check_policies("random,,sluice,lmetric,", three, 3);
	check_policies("random,sluice,random,lmetric,sluice", three, 3); /* each once */
	check_policies("random", three, 1);
}

static void test_no_such_policy(void **state)
{
	static const struct {
		const char *asked, *message;
	} cases[] = {
		{ "slice", HEAD "there is no policy 'slice'; --list names all\n" },
		{ "sluice,lmetri", HEAD "there is no policy 'lmetri'; --list names all\n" },
		{ "sluice,lmetric2,random",
		  HEAD "there is no policy 'lmetric2'; --list names all\n" },
		{ "sluice,all", HEAD "there is no policy 'all'; --list names all\n" },
		{ "", HEAD "--policy names nobody; --list names all\n" },
		{ ",,", HEAD "--policy names nobody; --list names all\n" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct options o = { .policy = cases[i].asked };

		said_begin(2);
		assert_null(options_policies(&o));
		assert_string_equal(said_end(), cases[i].message);
	}
}

/* ---- the fleet ---------------------------------------------------------------------------- */

static void test_fleet(void **state)
{
	static const enum sl_role roles[] = { SL_ROLE_PREFILL, SL_ROLE_PREFILL, SL_ROLE_DECODE,
		                              SL_ROLE_DECODE,  SL_ROLE_DECODE,  SL_ROLE_BOTH,
		                              SL_ROLE_DECODE,  SL_ROLE_DECODE };
	static const double slow[] = { 4, 4, 2, 1, 1, 1, 1, 1 };
	struct options o =
	        parsed("--trace t --engines 6 --prefill 2 --decode 3 --slow 2x4 --slow 1x2 "
	               "--fail 5@1s+2s --join 2@9s --kv-factor 2 --transfer-rate 5");
	struct fleet f;

	(void)state;
	options_fleet(&o, &f);
	assert_int_equal(f.n, SL_COUNT(roles));
	for (uint32_t i = 0; i < f.n; i++) {
		assert_int_equal(f.engines[i].role, roles[i]);
		assert_true(f.engines[i].slow == slow[i]);
		assert_true(f.engines[i].kv_factor == 2);
		assert_ptr_equal(f.engines[i].profile, &o.profile);
	}
	assert_true(f.transfer_bytes_per_ms == 5e6 && f.transfer_latency_ms == 2);
	assert_int_equal(f.n_outages, 3);
	assert_int_equal(f.outages[0].engine, 5);
	assert_int_equal(f.outages[0].from_us, 1000000);
	assert_int_equal(f.outages[0].until_us, 3000000);
	assert_int_equal(f.outages[1].engine, 6);
	assert_int_equal(f.outages[2].engine, 7);
	assert_int_equal(f.outages[2].from_us, 0);
	assert_int_equal(f.outages[2].until_us, 9000000);
	fleet_fini(&f);
	options_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),       cmocka_unit_test(test_all),
		cmocka_unit_test(test_refused),        cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_kv_memory),      cmocka_unit_test(test_list),
		cmocka_unit_test(test_help),           cmocka_unit_test(test_policies),
		cmocka_unit_test(test_no_such_policy), cmocka_unit_test(test_fleet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
