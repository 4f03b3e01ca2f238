/* What a source found, and how often the log is told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/config/config.h"
#include "gateway/discovery/discovery.h"

static void on_found(void *ctx)
{
	++*(uint32_t *)ctx;
}

static struct sl_server_set *make_set(uint32_t n)
{
	struct sl_server_set *set = sl_server_set_new();
	char host[32];

	for (uint32_t i = 0; i < n; i++) {
		snprintf(host, sizeof(host), "10.0.0.%u", i);
		sl_server_set_add(set, sl_span_str(host), 8000, sl_span_str(host));
	}
	return set;
}

static uint32_t count_lines(FILE *log)
{
	char line[4096];
	uint32_t n = 0;

	rewind(log);
	while (fgets(line, sizeof(line), log))
		n += strstr(line, " engine") != NULL;
	return n;
}

/* As a rollout does it, ten times a second. */
static void changes_are_not_a_line_each(void **state)
{
	int real = dup(STDERR_FILENO);
	FILE *log = tmpfile();
	struct sl_loop loop;
	struct sl_discovery *d;
	struct sl_source source = { .name = (char *)(uintptr_t) "test",
		                    .conf.target.kind = SL_DISCOVER_FILE };
	uint32_t found = 0;

	(void)state;
	assert_int_equal(sl_loop_init(&loop), 0);
	d = sl_discovery_new(&loop, sl_metrics_thread(), on_found, &found);
	sl_source_init(&source, d);
	fflush(stderr);
	dup2(fileno(log), STDERR_FILENO);
	for (uint32_t n = 1; n <= 100; n++)
		sl_source_found(&source, make_set(n));
	dup2(real, STDERR_FILENO);
	close(real);
	assert_int_equal(count_lines(log), 1);
	assert_true(sl_timer_armed(&source.tell_timer)); /* the last word comes later */
	assert_int_equal(source.set->n, 100);
	assert_int_equal(found, 0); /* at the end of the turn, once */
	sl_timer_disarm(&loop, &source.tell_timer);
	sl_server_set_unref(source.set);
	sl_discovery_free(d);
	sl_loop_fini(&loop);
	fclose(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_not_a_line_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
