/* access_test.c: every line is one JSON object, whatever a client sent. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/telemetry/access.h"

static char dir[] = "/tmp/sluice-access-XXXXXX";
static char path[64], rotated[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/access.log", dir);
	snprintf(rotated, sizeof(rotated), "%s/access.log.1", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	unlink(rotated);
	return rmdir(dir);
}

static char *read_file(const char *name)
{
	char *text = calloc(1, 1 << 22);
	FILE *f = fopen(name, "r");

	assert_non_null(text);
	assert_non_null(f);
	(void)!fread(text, 1, (1 << 22) - 1, f);
	fclose(f);
	return text;
}

static struct sl_access sample(void)
{
	return (struct sl_access){
		.wall_us = 1767323045678901,
		.request_id = SL_SPAN("req-1"),
		.client = SL_SPAN("127.0.0.1:5555"),
		.protocol = "h2",
		.method = SL_SPAN("POST"),
		.path = SL_SPAN("/v1/chat/completions"),
		.model = SL_SPAN("tiny"),
		.placement = "remote",
		.prefill = "10.0.0.1:8000",
		.decode = "10.0.0.2:8000",
		.why = "2304 cached tokens",
		.status = 200,
		.end = "done",
		.attempts = 2,
		.ttft_ms = 12.3456,
		.duration_ms = 100,
		.prefill_ms = 0.001,
		.predicted_ttft_ms = 11.5,
		.waited_ms = 0,
		.body_bytes = 512,
		.sent_bytes = 1024,
		.prompt_tokens = 2400,
		.completion_tokens = 16,
		.cached_tokens = 2304,
		.predicted_cached_tokens = 2304.25,
		.stream = true,
	};
}

/* What one line looks like, to the byte: operators write queries for it. */
static void test_line(void **state)
{
	struct sl_access_log *log = sl_access_log_new(path);
	struct sl_access a = sample();
	char *text;

	(void)state;
	sl_access_log_add(log, &a);
	sl_access_log_flush(log);
	text = read_file(path);
	assert_string_equal(
	        text, "{\"time\":\"2026-01-02T03:04:05.678Z\",\"request_id\":\"req-1\","
	              "\"client\":\"127.0.0.1:5555\",\"protocol\":\"h2\",\"method\":\"POST\","
	              "\"path\":\"/v1/chat/completions\",\"model\":\"tiny\",\"stream\":true,"
	              "\"placement\":\"remote\",\"prefill\":\"10.0.0.1:8000\","
	              "\"decode\":\"10.0.0.2:8000\",\"why\":\"2304 cached tokens\",\"status\":200,"
	              "\"end\":\"done\",\"attempts\":2,\"ttft_ms\":12.346,\"duration_ms\":100,"
	              "\"prefill_ms\":0.001,\"predicted_ttft_ms\":11.500,\"waited_ms\":0,"
	              "\"body_bytes\":512,\"sent_bytes\":1024,\"prompt_tokens\":2400,"
	              "\"completion_tokens\":16,\"cached_tokens\":2304,"
	              "\"predicted_cached_tokens\":2304.250}\n");
	free(text);
	sl_access_log_free(log);
	unlink(path);
}

/* Only where a key was given, and then never the chain's own hashes. */
static void test_prompt_blocks(void **state)
{
	static struct sl_block blocks[600];
	struct sl_access_log *log = sl_access_log_new(path);
	struct sl_access a = sample();
	const char *hex;
	cJSON *line;
	char *text;

	(void)state;
	for (uint32_t i = 0; i < SL_COUNT(blocks); i++)
		blocks[i] = (struct sl_block){ 0x1234567800000000ull + i, (i + 1) * 2048 };
	a.blocks = blocks;
	a.n_blocks = SL_COUNT(blocks);
	a.prompt_bytes = 600 * 2048 + 5;
	sl_access_log_add(log, &a);
	sl_access_log_prompt_key(log, SL_SPAN("secret"));
	for (int i = 0; i < 40; i++) /* more than the buffer holds */
		sl_access_log_add(log, &a);
	sl_access_log_flush(log);
	text = read_file(path);
	assert_null(strstr(strtok(text, "\n"), "prompt_b"));
	line = cJSON_Parse(strtok(NULL, "\n"));
	hex = cJSON_GetStringValue(cJSON_GetObjectItem(line, "prompt_blocks"));
	assert_int_equal(cJSON_GetObjectItem(line, "prompt_bytes")->valueint, 600 * 2048 + 5);
	assert_int_equal(strlen(hex), 512 * 8);
	assert_null(strstr(hex, "12345678"));
	cJSON_Delete(line);
	for (int i = 1; i < 40; i++) {
		line = cJSON_Parse(strtok(NULL, "\n"));
		assert_non_null(line);
		cJSON_Delete(line);
	}
	assert_null(strtok(NULL, "\n"));
	free(text);
	sl_access_log_free(log);
	unlink(path);
}

static void test_absent_is_left_out(void **state)
{
	struct sl_access_log *log = sl_access_log_new(path);
	struct sl_access a = {
		.status = -1,
		.err = SL_E_BAD_HTTP,
		.ttft_ms = -1,
		.duration_ms = NAN,
		.prefill_ms = INFINITY,
		.predicted_ttft_ms = -0.5,
		.waited_ms = -1,
		.body_bytes = -1,
		.sent_bytes = -1,
		.prompt_tokens = -1,
		.completion_tokens = -1,
		.cached_tokens = -1,
		.predicted_cached_tokens = -1,
	};
	char *text;

	(void)state;
	sl_access_log_add(log, &a);
	sl_access_log_flush(log);
	text = read_file(path);
	assert_string_equal(text, "{\"time\":\"1970-01-01T00:00:00.000Z\",\"stream\":false,"
	                          "\"error\":\"bad_http\",\"attempts\":0}\n");
	free(text);
	sl_access_log_free(log);
	unlink(path);
}

/* Well-formed UTF-8 only, and as JSON the same bytes as replaced() says. */
static void check_quoted(const char *in, size_t len, const char *expected)
{
	char out[6 * 64 + 3];
	size_t n = sl_json_quote(out, sl_span(in, len));
	cJSON *json;

	assert_true(n <= 6 * len + 2);
	out[n] = '\0';
	json = cJSON_Parse(out);
	assert_non_null(json);
	assert_string_equal(cJSON_GetStringValue(json), expected);
	cJSON_Delete(json);
}

#define FFFD "\xef\xbf\xbd"

static void test_quote(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "plain /v1/x?y=z", "plain /v1/x?y=z" },
		{ "a\"b\\c/d", "a\"b\\c/d" },
		{ "\b\f\n\r\t\x01\x1f\x7f", "\b\f\n\r\t\x01\x1f\x7f" },
		{ "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xa7",
		  "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xa7" },
		{ "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
		  "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf" },
		{ "\x80", FFFD },
		{ "\xff\xfe", FFFD FFFD },
		{ "\xc0\x80", FFFD FFFD },          /* overlong */
		{ "\xe0\x9f\xbf", FFFD FFFD FFFD }, /* overlong */
		{ "\xed\xa0\x80", FFFD FFFD FFFD }, /* surrogate */
		{ "\xf0\x8f\xbf\xbf", FFFD FFFD FFFD FFFD },
		{ "\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD }, /* past U+10FFFF */
		{ "\xf5", FFFD },
		{ "\xe2\x82", FFFD FFFD }, /* cut off */
		{ "\xc3", FFFD },
		{ "\xc3(", FFFD "(" },
		{ "\xf0\x9f\x92z", FFFD FFFD FFFD "z" },
	};
	char zero[8];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++)
		check_quoted(cases[i].in, strlen(cases[i].in), cases[i].out);
	assert_int_equal(sl_json_quote(zero, sl_span("\0", 1)), 8);
	assert_memory_equal(zero, "\"\\u0000\"", 8);
}

/* Every string full of bytes of one kind or of all kinds, far too long. */
static void test_hostile_lines(void **state)
{
	static char bytes[100000];
	struct sl_access_log *log = sl_access_log_new(path);
	struct sl_rng rng = { 42 };
	char *text, *rest, *line;
	int lines = 0;

	(void)state;
	for (int round = 0; round < 64; round++) {
		struct sl_access a = sample();

		for (size_t i = 0; i < sizeof(bytes) - 1; i++)
			bytes[i] = round < 32 ? (char)(1 + round * 8)
			                      : (char)(1 + sl_rng_next(&rng) % 255);
		a.request_id = a.client = a.method = a.path = a.model =
		        sl_span(bytes, sizeof(bytes) - 1);
		a.protocol = a.placement = a.prefill = a.decode = a.why = a.end = bytes;
		a.body_bytes = a.sent_bytes = INT64_MAX;
		a.ttft_ms = a.duration_ms = 1e14;
		sl_access_log_add(log, &a);
	}
	sl_access_log_free(log);
	text = rest = read_file(path);
	while ((line = strsep(&rest, "\n")) && *line) {
		cJSON *json = cJSON_Parse(line);
		const char *why;

		assert_true(cJSON_IsObject(json));
		why = cJSON_GetStringValue(cJSON_GetObjectItem(json, "why"));
		assert_non_null(why);
		assert_true(strlen(why) >= 512);
		cJSON_Delete(json);
		lines++;
	}
	assert_int_equal(lines, 64);
	free(text);
	unlink(path);
}

static void test_lines_wait_for_flush(void **state)
{
	struct sl_access_log *log = sl_access_log_new(path);
	struct sl_access a = sample();
	char *text = read_file(path);

	(void)state;
	sl_access_log_add(log, &a);
	free(text);
	text = read_file(path);
	assert_string_equal(text, "");
	sl_access_log_flush(log);
	free(text);
	text = read_file(path);
	assert_int_equal(text[0], '{');
	free(text);
	sl_access_log_free(log);
	unlink(path);
}

static void test_reopen(void **state)
{
	struct sl_access_log *log = sl_access_log_new(path);
	struct sl_access a = sample();
	char *old, *new;

	(void)state;
	a.request_id = SL_SPAN("before");
	sl_access_log_add(log, &a);
	assert_int_equal(rename(path, rotated), 0);
	sl_access_log_reopen(log);
	a.request_id = SL_SPAN("after");
	sl_access_log_add(log, &a);
	sl_access_log_free(log);
	old = read_file(rotated);
	new = read_file(path);
	assert_true(strstr(old, "before") && !strstr(old, "after"));
	assert_true(strstr(new, "after") && !strstr(new, "before"));
	free(old);
	free(new);
	unlink(path);
	unlink(rotated);
}

static void test_off(void **state)
{
	struct sl_access_log *log = sl_access_log_new("off");
	/* would crash if it were looked at */
	struct sl_access a = { .path = { (const char *)1, 10 }, .why = (const char *)1 };

	(void)state;
	assert_false(sl_access_log_on(log));
	sl_access_log_add(log, &a);
	sl_access_log_flush(log);
	sl_access_log_reopen(log);
	sl_access_log_free(log);
	sl_access_log_free(NULL);
}

/* An access log that cannot be opened costs lines, not requests. */
static void test_unwritable(void **state)
{
	struct sl_access_log *log;
	struct sl_access a = sample();

	(void)state;
	log = sl_access_log_new("/nonexistent/access.log");
	assert_true(sl_access_log_on(log));
	for (int i = 0; i < 1000; i++)
		sl_access_log_add(log, &a);
	sl_access_log_free(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_prompt_blocks),
		cmocka_unit_test(test_absent_is_left_out),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_hostile_lines),
		cmocka_unit_test(test_lines_wait_for_flush),
		cmocka_unit_test(test_reopen),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_unwritable),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
