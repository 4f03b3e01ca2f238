/* Limits that clients run into: counted, said, and not said too often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/telemetry/limits.h"
#include "gateway/telemetry/metrics.h"

static char *read_all(FILE *f)
{
	char *text = calloc(1, 65536);

	assert_non_null(text);
	rewind(f);
	assert_true(fread(text, 1, 65535, f) < 65535);
	return text;
}

static void hit(struct sl_metrics *m, uint32_t n, uint64_t now_us)
{
	for (uint32_t i = 0; i < n; i++)
		sl_limit_hit(m, SL_LIMIT_GLITCHES, SL_SPAN("192.0.2.1:1"), now_us);
}

static uint32_t count(const char *text, const char *what)
{
	uint32_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void test_a_flood_of_lines(void **state)
{
	struct sl_metrics *m = sl_metrics_thread();
	FILE *log = tmpfile();
	int saved = dup(STDERR_FILENO);
	char *text;

	(void)state;
	assert_non_null(log);
	dup2(fileno(log), STDERR_FILENO);
	hit(m, 1000, 5000000);
	hit(m, 3, 5999999);
	hit(m, 1, 6000000);
	sl_limit_hit(m, SL_LIMIT_RESETS, SL_SPAN("[2001:db8::1]:2"), 6000001);
	dup2(saved, STDERR_FILENO);
	close(saved);
	text = read_all(log);
	assert_int_equal(count(text, "limit glitches: client 192.0.2.1:1: "), 2);
	assert_int_equal(count(text, "; 1002 more before it\n"), 1);
	assert_int_equal(count(text, "limit resets: client [2001:db8::1]:2: "), 1);
	assert_int_equal(count(text, "(reset_limit)\n"), 1);
	assert_int_equal(sl_metric_sum(SL_M_CLIENT_LIMITS, SL_LIMIT_GLITCHES), 1004);
	assert_int_equal(sl_metric_sum(SL_M_CLIENT_LIMITS, SL_LIMIT_RESETS), 1);
	free(text);
	fclose(log);
}

/* docs/limits.md has a row for each: `label` and its directives. */
static void test_the_document(void **state)
{
	static const struct {
		const char *label, *directives;
	} rows[] = {
#define SL_LIMIT(name, level, label, directives, then) { "| `" label "` |", directives },
#include "gateway/telemetry/limits.def"
#undef SL_LIMIT
	};
	FILE *f = fopen(SOURCE_DIR "/docs/limits.md", "r");
	char *text;

	(void)state;
	assert_non_null(f);
	text = read_all(f);
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		const char *row = strstr(text, rows[i].label),
		           *end = row ? strchr(row, '\n') : NULL;
		char words[128], *rest, *word;

		if (!end)
			fail_msg("docs/limits.md has no row with %s", rows[i].label);
		snprintf(words, sizeof(words), "%s", rows[i].directives);
		for (rest = words; (word = strtok_r(rest, ", ", &rest));)
			if (!memmem(row, (size_t)(end - row), word, strlen(word)))
				fail_msg("the row %s does not name %s", rows[i].label, word);
	}
	free(text);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_flood_of_lines),
		cmocka_unit_test(test_the_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
