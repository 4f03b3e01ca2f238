/* What the registry makes of more engines than there is room for, and of those
 * that it cannot use: what fits stays in service, and one line says the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/config/config.h"
#include "gateway/control/registry.h"

struct rig {
	struct sl_loop loop;
	struct sl_discovery *discovery;
	struct sl_registry *registry;
	struct sl_config *config;
	char folder[32], files[2][64], log[64], ca[64];
	uint32_t found;
	int stderr_fd; /* the real one, while it goes to the log */
};

static void on_found(void *ctx)
{
	((struct rig *)ctx)->found++;
}

static void begin(struct rig *r)
{
	*r = (struct rig){ .found = 0 };
	assert_int_equal(sl_loop_init(&r->loop), 0);
	snprintf(r->folder, sizeof(r->folder), "/tmp/registry.XXXXXX");
	assert_non_null(mkdtemp(r->folder));
	for (int i = 0; i < 2; i++)
		snprintf(r->files[i], sizeof(r->files[i]), "%s/%d.json", r->folder, i);
	snprintf(r->log, sizeof(r->log), "%s/log", r->folder);
	snprintf(r->ca, sizeof(r->ca), "%s/ca.pem", r->folder);
	r->discovery = sl_discovery_new(&r->loop, sl_metrics_thread(), on_found, r);
	r->registry = sl_registry_new();
	fflush(stderr);
	r->stderr_fd = dup(STDERR_FILENO);
	assert_non_null(freopen(r->log, "w", stderr));
}

static void end(struct rig *r)
{
	struct sl_engine *next;

	for (struct sl_engine *e = sl_registry_take_removed(r->registry); e; e = next) {
		next = e->next;
		sl_engine_free(e);
	}
	dup2(r->stderr_fd, STDERR_FILENO);
	close(r->stderr_fd);
	sl_registry_free(r->registry);
	sl_discovery_free(r->discovery);
	sl_loop_fini(&r->loop);
	sl_config_unref(r->config);
	for (int i = 0; i < 2; i++)
		unlink(r->files[i]);
	unlink(r->log);
	rmdir(r->folder);
}

/* n engines at 10.NET.x.y:8000. */
static void write_file(const struct rig *r, int file, uint32_t n)
{
	FILE *out = fopen(r->files[file], "w");

	assert_non_null(out);
	fputs("[{\"targets\":[", out);
	for (uint32_t i = 0; i < n; i++)
		fprintf(out, "%s\"10.%d.%u.%u:8000\"", i ? "," : "", file, i >> 8, i & 255);
	fputs("]}]", out);
	fclose(out);
}

static void write_text(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void configure(struct rig *r, const char *pool)
{
	struct sl_config_errors errors;
	char text[512];

	snprintf(text, sizeof(text), "listen 1; pool { %s discover file:%s; discover file:%s; }",
	         pool, r->files[0], r->files[1]);
	r->config = sl_config_parse("test", text, strlen(text), &errors);
	if (!r->config)
		fail_msg("%s", errors.text);
	sl_config_errors_fini(&errors);
	sl_discovery_apply(r->discovery, r->config);
	while (!sl_discovery_find(r->discovery, &r->config->pools[0].discovers[0]) ||
	       !sl_discovery_find(r->discovery, &r->config->pools[0].discovers[1]))
		sl_loop_turn(&r->loop);
}

static void reconcile(struct rig *r)
{
	char error[512] = "";

	assert_int_equal(sl_registry_reconcile(r->registry, r->config, r->discovery, r->loop.now_us,
	                                       error, sizeof(error)),
	                 0);
}

static uint32_t count_engines(const struct rig *r)
{
	uint32_t n = 0;

	for (struct sl_engine *e = sl_registry_engines(r->registry); e; e = e->next)
		n++;
	return n;
}

/* Lines of the log that have the words. */
static uint32_t count_lines(const struct rig *r, const char *words)
{
	FILE *in = fopen(r->log, "r");
	char line[4096];
	uint32_t n = 0;

	assert_non_null(in);
	while (fgets(line, sizeof(line), in))
		n += strstr(line, words) != NULL;
	fclose(in);
	return n;
}

static void more_engines_than_there_is_room_for(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	write_file(&r, 0, SL_MAX_ENDPOINTS - 10);
	write_file(&r, 1, 100);
	configure(&r, "");
	reconcile(&r);
	assert_int_equal(count_engines(&r), SL_MAX_ENDPOINTS);
	assert_int_equal(count_lines(&r, "90 engines are left out"), 1);
	reconcile(&r);
	assert_int_equal(count_engines(&r), SL_MAX_ENDPOINTS);
	assert_int_equal(count_lines(&r, "left out"), 1);
	end(&r);
}

static void engines_that_cannot_be_used_are_told_of_once(void **state)
{
	char pool[128];
	struct rig r;

	(void)state;
	begin(&r);
	write_file(&r, 0, 50);
	write_file(&r, 1, 50);
	write_text(r.ca, "-----BEGIN CERTIFICATE-----\n");
	snprintf(pool, sizeof(pool), "protocol tls; tls_ca %s;", r.ca);
	configure(&r, pool);
	unlink(r.ca); /* as somebody may, later */
	reconcile(&r);
	reconcile(&r);
	assert_int_equal(count_engines(&r), 0);
	assert_int_equal(count_lines(&r, "100 engines are left out"), 1);
	assert_int_equal(count_lines(&r, "left out"), 1);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_engines_than_there_is_room_for),
		cmocka_unit_test(engines_that_cannot_be_used_are_told_of_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
