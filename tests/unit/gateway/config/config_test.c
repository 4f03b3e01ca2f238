/* config_test.c: the module as others see it: values, limits, lifetime. What
 * messages say is tested in tests/golden/config. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/config/config.h"

#define MINIMAL "listen 8080; pool { server 127.0.0.1:8000; }\n"

static struct sl_config *parse(const char *text)
{
	struct sl_config_errors errors;
	struct sl_config *config = sl_config_parse("test.conf", text, strlen(text), &errors);

	if (!config)
		fail_msg("%s", errors.text);
	assert_int_equal(errors.count, 0);
	assert_string_equal(errors.text, "");
	sl_config_errors_fini(&errors);
	return config;
}

static void assert_refused(const char *text, size_t len, uint32_t count, const char *part)
{
	struct sl_config_errors errors;

	assert_null(sl_config_parse("test.conf", text, len, &errors));
	if (!strstr(errors.text, part))
		fail_msg("expected '%s' in:\n%s", part, errors.text);
	assert_int_equal(errors.count, count);
	sl_config_errors_fini(&errors);
}

static void test_minimal(void **state)
{
	struct sl_config *config = parse(MINIMAL);

	(void)state;
	assert_true(config->worker_threads >= 1);
	assert_string_equal(config->admin.host, "127.0.0.1");
	assert_int_equal(config->admin.port, 9900);
	assert_int_equal(config->n_listens, 1);
	assert_string_equal(config->listens[0].addr.host, "");
	assert_int_equal(config->listens[0].addr.port, 8080);
	assert_false(config->listens[0].tls);
	assert_string_equal(config->listens[0].certificate, "");
	assert_int_equal(config->n_models, 0);
	assert_int_equal(config->n_pools, 1);
	assert_string_equal(config->pools[0].name, "default");
	assert_string_equal(config->pools[0].cluster, "");
	assert_string_equal(config->pools[0].file, "test.conf");
	assert_int_equal(config->pools[0].line, 1);
	assert_int_equal(config->pools[0].n_models, 0);
	assert_string_equal(config->pools[0].api_key, "");
	assert_int_equal(config->pools[0].n_servers, 1);
	assert_string_equal(config->pools[0].servers[0].addr.host, "127.0.0.1");
	assert_int_equal(config->pools[0].servers[0].max_concurrent, 0);
	sl_config_unref(config);
}

static void test_values(void **state)
{
	struct sl_config *config = parse(
	        "listen [::1]:8080 { protocol h2c; } listen 8081 { protocol http/1.1; }\n"
	        "admin off; access_log stderr; retry_budget 12.5%; body_limit 64M;\n"
	        "cluster eu {\n"
	        "  pool p { role prefill; connector nixl; server a:1 max_concurrent=3; server b:2; "
	        "}\n"
	        "}\n"
	        "pool d { role decode; engine generic; connector nixl; server c:3; protocol tls;\n"
	        "  tls_verify off; metrics_path off; model m1 m2; model m3; lease 2s; stale 7s; }\n"
	        "pool g { server [::2]:4; protocol h2-tls; } pool h { server d:4; protocol h2c; }\n"
	        "model m1 { alias a1 a2; alias a3; policy least-request; pools p d; }\n");
	const struct sl_pool_conf *p, *d;

	(void)state;
	assert_true(config->listens[0].h2c_only && !config->listens[0].h1_only);
	assert_true(config->listens[1].h1_only && !config->listens[1].h2c_only);
	assert_int_equal(config->admin.port, 0);
	assert_string_equal(config->access_log, "stderr");
	assert_true(config->retry_budget == 0.125);
	assert_true(config->body_limit == 64u << 20);
	assert_int_equal(config->n_pools, 4);
	p = &config->pools[0];
	d = &config->pools[1];
	assert_string_equal(p->cluster, "eu");
	assert_int_equal(p->line, 4);
	assert_int_equal(p->role, SL_ROLE_PREFILL);
	assert_int_equal(p->n_servers, 2);
	assert_int_equal(p->servers[0].max_concurrent, 3);
	assert_string_equal(p->servers[1].addr.host, "b");
	assert_string_equal(d->cluster, "");
	assert_int_equal(d->role, SL_ROLE_DECODE);
	assert_int_equal(d->engine, SL_ENGINE_GENERIC);
	assert_int_equal(d->connector, SL_CONNECTOR_NIXL);
	assert_int_equal(d->protocol, SL_UP_H1_TLS);
	assert_false(d->tls_verify);
	assert_string_equal(d->metrics_path, "off");
	assert_string_equal(p->metrics_path, "");
	assert_int_equal(d->n_models, 3);
	assert_string_equal(d->models[2], "m3");
	assert_int_equal(d->lease_us, 2000000);
	assert_int_equal(d->health.stale_us, 7000000);
	assert_int_equal(config->pools[2].protocol, SL_UP_H2_TLS);
	assert_int_equal(config->pools[3].protocol, SL_UP_H2C);
	assert_int_equal(config->models[0].policy, SL_POLICY_LEAST_REQUEST);
	assert_int_equal(config->models[0].n_aliases, 3);
	assert_string_equal(config->models[0].aliases[2], "a3");
	assert_int_equal(config->models[0].n_pools, 2);
	assert_string_equal(config->models[0].profile, "");
	sl_config_unref(config);
}

static void test_secrets(void **state)
{
	struct sl_config *config;
	char dump[8192] = "";
	FILE *out;

	(void)state;
	setenv("CONFIG_TEST_KEY", "sk-env", 1);
	config = parse("listen 8080;\n"
	               "pool a { server a:1; api_key sk-literal; }\n"
	               "pool b { server b:1; api_key env:CONFIG_TEST_KEY; }\n"
	               "pool c { server c:1; api_key file:" SOURCE_DIR
	               "/tests/golden/config/files/engine-api-key; }\n");
	assert_string_equal(config->pools[0].api_key, "sk-literal");
	assert_string_equal(config->pools[1].api_key, "sk-env");
	assert_string_equal(config->pools[2].api_key, "sk-from-a-file");
	out = fmemopen(dump, sizeof(dump), "w");
	sl_config_dump(config, out);
	fclose(out);
	assert_non_null(strstr(dump, "api_key ***;"));
	assert_null(strstr(dump, "sk-"));
	sl_config_unref(config);
}

static void test_limits(void **state)
{
	size_t size = (4u << 20) + 1;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, '\n', size);
	memcpy(text, MINIMAL, strlen(MINIMAL));
	assert_refused(text, size, 1, "is too large");
	memset(text, ' ', size);
	for (size_t i = 0; i < 50001; i++)
		memcpy(text + 8 * i, "admin;\n", 7);
	/* 50,000 of them are read: one has no value, the others are given twice. */
	assert_refused(text, 8 * 50001, 50000 + 1 + 2, "more than 100000 words");
	free(text);
	assert_refused(MINIMAL "pool x { model a\0b; server a:1; }",
	               sizeof(MINIMAL "pool x { model a\0b; server a:1; }") - 1, 1,
	               "a control character");
}

static void test_only_200_errors_are_shown(void **state)
{
	char text[300 * 4 + 1] = "";
	struct sl_config_errors errors;
	uint32_t lines = 0;

	(void)state;
	for (int i = 0; i < 300; i++)
		strcpy(text + 4 * i, "qq;\n");
	assert_null(sl_config_parse("test.conf", text, strlen(text), &errors));
	assert_int_equal(errors.count, 302); /* and no listen, no pool */
	for (const char *hit = errors.text; (hit = strstr(hit, "error: ")); hit++)
		lines++;
	assert_int_equal(lines, 200);
	assert_non_null(strstr(errors.text, "\nand 102 more errors\n"));
	sl_config_errors_fini(&errors);
	sl_config_errors_fini(&errors);
}

static void test_missing_file(void **state)
{
	struct sl_config_errors errors;

	(void)state;
	assert_null(sl_config_load("/nonexistent/sluice.conf", &errors));
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.text, "/nonexistent/sluice.conf: error: cannot read the "
	                                 "configuration: No such file or directory\n");
	sl_config_errors_fini(&errors);
}

/* ---- includes --------------------------------------------------------- */

struct folder {
	char path[64];
};

static void write_in(const struct folder *folder, const char *name, const char *text)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static int make_folder(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	strcpy(folder->path, "/tmp/config_test.XXXXXX");
	*state = folder;
	return mkdtemp(folder->path) ? 0 : -1;
}

static int remove_folder(void **state)
{
	struct folder *folder = *state;
	char command[128];
	int result;

	snprintf(command, sizeof(command), "rm -r '%s'", folder->path);
	result = system(command);
	free(folder);
	return result;
}

/* A chain of n files, each including the next; the last completes the whole. */
static struct sl_config *load_chain(const struct folder *folder, int n,
                                    struct sl_config_errors *errors)
{
	char name[32], text[64], path[128];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%d.conf", i);
		snprintf(text, sizeof(text), "include %d.conf;\n", i + 1);
		write_in(folder, name, i + 1 < n ? text : MINIMAL);
	}
	snprintf(path, sizeof(path), "%s/0.conf", folder->path);
	return sl_config_load(path, errors);
}

static void test_include_depth(void **state)
{
	struct sl_config_errors errors;
	struct sl_config *config = load_chain(*state, 17, &errors);

	assert_non_null(config);
	assert_int_equal(config->n_pools, 1);
	sl_config_errors_fini(&errors);
	sl_config_unref(config);
	assert_null(load_chain(*state, 18, &errors));
	assert_non_null(strstr(errors.text, "nested more than 16 deep"));
	sl_config_errors_fini(&errors);
}

static void test_include_order_and_odd_files(void **state)
{
	const struct folder *folder = *state;
	struct sl_config_errors errors;
	struct sl_config *config;
	char path[128];

	write_in(folder, "b.part", "server b:1;\n");
	write_in(folder, "a.part", "server a:1;\n");
	write_in(folder, "main.conf", "listen 8080; pool { include *.part; include *.none; }\n");
	snprintf(path, sizeof(path), "%s/main.conf", folder->path);
	config = sl_config_load(path, &errors);
	assert_non_null(config);
	assert_string_equal(config->pools[0].servers[0].addr.host, "a");
	assert_string_equal(config->pools[0].servers[1].addr.host, "b");
	sl_config_errors_fini(&errors);
	sl_config_unref(config);

	/* Opening a FIFO that nobody writes to would hang. */
	snprintf(path, sizeof(path), "%s/fifo.part", folder->path);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/main.conf", folder->path);
	assert_null(sl_config_load(path, &errors));
	assert_int_equal(errors.count, 1);
	assert_non_null(strstr(errors.text, "not a regular file"));
	sl_config_errors_fini(&errors);
}

/* ---- lifetime and reloading ------------------------------------------- */

static void test_references(void **state)
{
	struct sl_config *config = parse(MINIMAL);

	(void)state;
	assert_ptr_equal(sl_config_ref(config), config);
	sl_config_unref(config);
	assert_string_equal(config->pools[0].name, "default"); /* ASan sees it if not */
	sl_config_unref(config);
	sl_config_unref(NULL);
}

static void test_restart_needed(void **state)
{
	struct sl_config *a = parse("worker_threads 1;" MINIMAL);
	struct sl_config *same = parse("worker_threads 1; log_level debug; listen *:8080;\n"
	                               "pool other { server 10.0.0.1:1; }");
	struct sl_config *other = parse("worker_threads 2; listen 8080 { protocol h2c; } admin off;"
	                                "pool { server 127.0.0.1:8000; }");
	char names[64];

	(void)state;
	assert_int_equal(sl_config_restart_needed(a, a, names, sizeof(names)), 0);
	assert_string_equal(names, "");
	assert_int_equal(sl_config_restart_needed(a, same, names, sizeof(names)), 0);
	assert_int_equal(sl_config_restart_needed(a, other, names, sizeof(names)), 2);
	assert_string_equal(names, "worker_threads, admin");
	assert_int_equal(sl_config_restart_needed(other, a, names, 8), 2);
	assert_string_equal(names, "worker_");
	assert_int_equal(sl_config_restart_needed(other, a, NULL, 0), 2);
	sl_config_unref(a);
	sl_config_unref(same);
	sl_config_unref(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minimal),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_only_200_errors_are_shown),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test_setup_teardown(test_include_depth, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_include_order_and_odd_files, make_folder,
		                                remove_folder),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_restart_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
