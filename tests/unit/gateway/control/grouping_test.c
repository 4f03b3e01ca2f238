/* Which pools share a router. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/config/config.h"
#include "gateway/control/grouping.h"

struct row {
	const char *conf;
	const char *domains[4]; /* of the pools, in order; NULL ends */
};

static struct sl_config *parse(const char *text)
{
	struct sl_config_errors errors;
	struct sl_config *config = sl_config_parse("test", text, strlen(text), &errors);

	if (!config)
		fail_msg("%s", errors.text);
	sl_config_errors_fini(&errors);
	return config;
}

#define POOL(name, rest) "pool " name " { server 127.0.0.1:" rest " } "

static void test_domains(void **state)
{
	static const struct row rows[] = {
		{ "listen 1; pool { server 127.0.0.1:1; }", { "/default" } },
		/* nothing ties them, so they are one: their models are not known yet */
		{ "listen 1;" POOL("a", "1;") POOL("b", "2;"), { "/a", "/a" } },
		{ "listen 1;" POOL("a", "1; model x;") POOL("b", "2; model y;"), { "/a", "/b" } },
		{ "listen 1;" POOL("a", "1; model x;") POOL("b", "2; model x y;")
		          POOL("c", "3; model y;"),
		  { "/a", "/a", "/a" } },
		{ "listen 1;" POOL("a", "1;") POOL("b", "2;")
		          POOL("c", "3;") "model m { pools a c; }",
		  { "/a", "/b", "/a" } },
		/* clusters fail over to each other */
		{ "listen 1; cluster e {" POOL("a", "1;") "} cluster w {" POOL("b", "2;") "}",
		  { "e/a", "e/a" } },
		{ "listen 1; cluster e {" POOL(
		          "a", "1; model x;") "} cluster w { gateway http://127.0.0.1:2; }",
		  { "e/a", "e/a" } },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_config *config = parse(rows[i].conf);

		for (uint32_t p = 0; p < config->n_pools; p++) {
			struct sl_router_options options;
			char name[64];

			sl_grouping_domain(config, &config->pools[p], name, sizeof(name), &options);
			assert_string_equal(name, rows[i].domains[p]);
		}
		sl_config_unref(config);
	}
}

static void test_models_of_a_pool(void **state)
{
	struct sl_config *config = parse("listen 1;" POOL("a", "1; model x y;") POOL(
	        "b", "2;") "model y { pools a; } model z { pools a b; }");
	char *names[8];

	(void)state;
	assert_int_equal(sl_grouping_models(config, &config->pools[0], names, 8), 3);
	assert_string_equal(names[0], "x");
	assert_string_equal(names[1], "y");
	assert_string_equal(names[2], "z");
	assert_int_equal(sl_grouping_models(config, &config->pools[1], names, 8), 1);
	sl_config_unref(config);
}

static void test_profile_and_policy(void **state)
{
	struct sl_config *config = parse(
	        "listen 1; default_profile llama3-70b-h100-tp4;" POOL("a", "1; model x;") POOL(
	                "b",
	                "2; model y;") "model x { profile llama3-8b-h100; policy round-robin; }");
	struct sl_router_options options;
	char name[64];

	(void)state;
	sl_grouping_domain(config, &config->pools[0], name, sizeof(name), &options);
	assert_string_equal(options.profile->name, "llama3-8b-h100");
	assert_int_equal(options.policy, SL_POLICY_ROUND_ROBIN);
	sl_grouping_domain(config, &config->pools[1], name, sizeof(name), &options);
	assert_string_equal(options.profile->name, "llama3-70b-h100-tp4");
	assert_int_equal(options.policy, SL_POLICY_COST);
	sl_config_unref(config);
}

/* Models may share engines, and hence a domain, and yet not a policy. */
static void test_policy_of_each_model(void **state)
{
	struct sl_config *config = parse(
	        "listen 1;" POOL("a", "1;") "model x { policy round-robin; }"
	                                    "model y { policy consistent-hash; } model z { }");

	(void)state;
	assert_int_equal(*sl_grouping_policy(config, "x"), SL_POLICY_ROUND_ROBIN);
	assert_int_equal(*sl_grouping_policy(config, "y"), SL_POLICY_CONSISTENT_HASH);
	assert_int_equal(*sl_grouping_policy(config, "z"), SL_POLICY_COST);
	assert_null(sl_grouping_policy(config, "w"));
	sl_config_unref(config);
}

static void test_kv_groups(void **state)
{
	struct sl_config *config = parse("listen 1;" POOL("a", "1; kv_group g;") POOL(
	        "b", "2; kv_group h;") POOL("c", "3; kv_group g;"));

	(void)state;
	assert_int_equal(sl_grouping_kv_group(config, &config->pools[0]),
	                 sl_grouping_kv_group(config, &config->pools[2]));
	assert_int_not_equal(sl_grouping_kv_group(config, &config->pools[0]),
	                     sl_grouping_kv_group(config, &config->pools[1]));
	sl_config_unref(config);
}

static void test_kv_caches_stay_in_their_cluster(void **state)
{
	struct sl_config *config =
	        parse("listen 1; cluster e {" POOL("a", "1;") "} cluster w {" POOL("b", "2;") "}");

	(void)state;
	assert_int_not_equal(sl_grouping_kv_group(config, &config->pools[0]),
	                     sl_grouping_kv_group(config, &config->pools[1]));
	sl_config_unref(config);
}

static void test_allowed_clusters(void **state)
{
	struct sl_config *config = parse("listen 1; cluster e { region eu;" POOL(
	        "a", "1;") "} cluster n { region eu; priority "
	                   "2; gateway http://h:1; }"
	                   "cluster u { region us;" POOL(
	                           "c", "3;") "}"
	                                      "model any { } model eu { residency eu; } model n { "
	                                      "clusters n u; }"
	                                      "model both { clusters n; residency eu; }");
	struct sl_clusters clusters;

	(void)state;
	assert_true(sl_grouping_allowed(config, "unknown") == UINT64_MAX);
	assert_true(sl_grouping_allowed(config, "any") == UINT64_MAX);
	assert_int_equal(sl_grouping_allowed(config, "eu"), 2 | 4);
	assert_int_equal(sl_grouping_allowed(config, "n"), 4 | 8);
	assert_int_equal(sl_grouping_allowed(config, "both"), 4);
	sl_grouping_clusters(config, &clusters);
	assert_int_equal(clusters.n, 4);
	assert_int_equal(clusters.priority[2], 2);
	assert_int_equal(sl_grouping_cluster(config, &config->pools[1]), 2);
	sl_config_unref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_models_of_a_pool),
		cmocka_unit_test(test_profile_and_policy),
		cmocka_unit_test(test_policy_of_each_model),
		cmocka_unit_test(test_kv_groups),
		cmocka_unit_test(test_kv_caches_stay_in_their_cluster),
		cmocka_unit_test(test_allowed_clusters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
