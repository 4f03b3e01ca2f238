/* log_test.c: the form of a line, and that nobody can forge one. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/telemetry/log.h"
#include "gateway/telemetry/stamp.h"

static FILE *captured;
static int saved_stderr;

static void capture_begin(void)
{
	captured = tmpfile();
	assert_non_null(captured);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
}

static char *capture_end(void)
{
	char *text = calloc(1, 1 << 20);

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	assert_non_null(text);
	rewind(captured);
	(void)!fread(text, 1, (1 << 20) - 1, captured);
	fclose(captured);
	return text;
}

static void test_form(void **state)
{
	char *text;

	(void)state;
	capture_begin();
	sl_warn("pool %s: %d endpoints", "llama", 3);
	text = capture_end();
	assert_int_equal(strlen(text),
	                 strlen("2026-01-02T03:04:05.678Z warn  pool llama: 3 endpoints\n"));
	assert_memory_equal(text, "20", 2);
	assert_string_equal(text + STAMP_LEN, " warn  pool llama: 3 endpoints\n");
	free(text);
}

static void test_levels(void **state)
{
	enum sl_log_level level = SL_LOG_WARN;
	char *text;

	(void)state;
	capture_begin();
	sl_debug("one");
	sl_log_set_level(SL_LOG_ERROR);
	sl_warn("two");
	sl_error("three");
	sl_log_set_level(SL_LOG_DEBUG);
	sl_debug("four");
	sl_log_set_level(SL_LOG_INFO);
	text = capture_end();
	assert_null(strstr(text, "one"));
	assert_null(strstr(text, "two"));
	assert_non_null(strstr(text, " error three\n"));
	assert_non_null(strstr(text, " debug four\n"));
	free(text);
	assert_false(sl_log_level_parse("verbose", &level));
	assert_int_equal(level, SL_LOG_WARN);
	assert_true(sl_log_level_parse("debug", &level));
	assert_int_equal(level, SL_LOG_DEBUG);
}

static void test_control_bytes(void **state)
{
	char *text;

	(void)state;
	capture_begin();
	sl_info("path %s", "/x\n2026-01-01T00:00:00.000Z error forged\x1b[31m\x7f");
	text = capture_end();
	assert_string_equal(text + STAMP_LEN,
	                    " info  path /x?2026-01-01T00:00:00.000Z error forged?[31m?\n");
	free(text);
}

static void test_long_line_is_cut(void **state)
{
	static char message[10000];
	char *text;

	(void)state;
	memset(message, 'x', sizeof(message) - 1);
	capture_begin();
	sl_info("%s", message);
	text = capture_end();
	assert_true(strlen(text) <= 4096);
	assert_string_equal(text + strlen(text) - 5, "x...\n");
	free(text);
}

static void test_errno_survives(void **state)
{
	char *text;

	(void)state;
	capture_begin();
	errno = ENOENT;
	sl_info("open: %m");
	assert_int_equal(errno, ENOENT);
	text = capture_end();
	assert_non_null(strstr(text, "open: No such file or directory\n"));
	free(text);
}

static void *write_lines(void *arg)
{
	for (int i = 0; i < 200; i++)
		sl_info("thread %d says the same thing again and again", *(int *)arg);
	return NULL;
}

static void test_threads_do_not_mix(void **state)
{
	pthread_t threads[4];
	int ids[4], lines = 0;
	char *text, *rest, *line;

	(void)state;
	capture_begin();
	for (int i = 0; i < 4; i++) {
		ids[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &ids[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	text = rest = capture_end();
	while ((line = strsep(&rest, "\n")) && *line) {
		int id;

		assert_int_equal(sscanf(line + STAMP_LEN, " info  thread %d says", &id), 1);
		assert_int_equal(strlen(line),
		                 STAMP_LEN + strlen(" info  thread 0 says the same thing "
		                                    "again and again"));
		lines++;
	}
	assert_int_equal(lines, 800);
	free(text);
}

static void test_stamp(void **state)
{
	char text[STAMP_LEN + 1] = "";

	(void)state;
	stamp_write(text, 0);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	stamp_write(text, 1709210096999999); /* a leap day */
	assert_string_equal(text, "2024-02-29T12:34:56.999Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),           cmocka_unit_test(test_levels),
		cmocka_unit_test(test_control_bytes),  cmocka_unit_test(test_long_line_is_cut),
		cmocka_unit_test(test_errno_survives), cmocka_unit_test(test_threads_do_not_mix),
		cmocka_unit_test(test_stamp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
