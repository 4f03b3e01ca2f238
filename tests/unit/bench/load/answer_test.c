/* Answers: what is read must not depend on where reads split the stream, and
 * every way of being wrong has its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/load/answer.h"

#define TOKENS 3

/* What the simulated model answers to the completions prompt "hello". */
static struct sl_sim_text hello(void)
{
	struct sl_sim_text t;

	sl_sim_text_init(&t, 0);
	sl_sim_text_bytes(&t, SL_SPAN("hello"));
	return t;
}

static void words(char out[TOKENS][SL_SIM_TOKEN_BYTES + 1])
{
	struct sl_sim_text t = hello();

	for (size_t i = 0; i < TOKENS; i++) {
		sl_sim_text_next(&t, out[i]);
		out[i][SL_SIM_TOKEN_BYTES] = '\0';
	}
}

#define ROLE                                                                                       \
	"data: "                                                                                   \
	"{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
#define CHUNK "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n"
#define USAGE                                                                                      \
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,"            \
	"\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n"
#define DONE "data: [DONE]\n\n"

/* A right answer; the middle word with an escape, CRLF and a comment thrown in. */
static char *right_stream(void)
{
	char w[TOKENS][SL_SIM_TOKEN_BYTES + 1];
	char *text;

	words(w);
	if (asprintf(&text,
	             ": hello\n\n" ROLE CHUNK
	             "data: {\"choices\":[{\"delta\":{\"content\":\"\\u0020%s\"}}]}\r\n\r\n"
	             "event: x\n" CHUNK USAGE DONE,
	             w[0], w[1] + 1, w[2]) < 0)
		abort();
	return text;
}

static struct sl_answer new_answer(bool stream, int status, bool event_stream)
{
	struct sl_sim_text said = hello();
	struct sl_head head = { .status = status, .event_stream = event_stream };
	struct sl_answer a;

	sl_answer_init(&a, stream, TOKENS);
	sl_answer_expect(&a, &said);
	sl_answer_head(&a, &head);
	return a;
}

static uint32_t feed(struct sl_answer *a, const char *text, size_t len, int64_t now,
                     struct sl_samples *gaps)
{
	char *copy = malloc(len ? len : 1); /* so that a sanitizer sees every overrun */
	uint32_t n;

	memcpy(copy, text, len);
	n = sl_answer_data(a, sl_span(copy, len), now, gaps);
	free(copy);
	return n;
}

static void check_right(struct sl_answer *a, const struct sl_samples *gaps)
{
	char why[200];

	assert_int_equal(sl_answer_end(a, SL_CALL_OK), SL_FAIL_NONE);
	assert_true(sl_answer_matches(a, why, sizeof(why)));
	assert_int_equal(a->chunks, 3);
	assert_int_equal(gaps->n, 2);
	assert_int_equal(a->text_bytes, 12);
	assert_int_equal(a->usage.prompt_tokens, 9);
	assert_int_equal(a->usage.cached_tokens, 4);
	assert_int_equal(sl_answer_output_tokens(a), 3);
}

static void test_any_split(void **state)
{
	char *text = right_stream();
	size_t len = strlen(text);

	(void)state;
	for (size_t i = 0; i <= len; i++) {
		struct sl_answer a = new_answer(true, 200, true);
		struct sl_samples gaps = { .us = NULL };

		feed(&a, text, i, 10, &gaps);
		feed(&a, text + i, len - i, 20, &gaps);
		check_right(&a, &gaps);
		sl_answer_fini(&a);
		sl_samples_fini(&gaps);
	}
	free(text);
}

static void test_byte_by_byte_times(void **state)
{
	char *text = right_stream();
	struct sl_answer a = new_answer(true, 200, true);
	struct sl_samples gaps = { .us = NULL };
	int64_t came[TOKENS];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; text[i]; i++)
		if (feed(&a, text + i, 1, (int64_t)(100 * i), &gaps))
			came[n++] = (int64_t)(100 * i);
	check_right(&a, &gaps);
	assert_int_equal(n, TOKENS);
	assert_int_equal(a.first_us, came[0]);
	assert_int_equal(a.last_us, came[2]);
	assert_int_equal(gaps.us[0], came[1] - came[0]);
	assert_int_equal(gaps.us[1], came[2] - came[1]);
	sl_answer_fini(&a);
	sl_samples_fini(&gaps);
	free(text);
}

/* ---- failures ---- */

static void test_failures(void **state)
{
	static const struct {
		const char *text;
		int status;
		bool event_stream;
		enum sl_call_end end;
		enum sl_fail fail;
		const char *note;
	} cases[] = {
		{ ROLE USAGE, 200, true, SL_CALL_OK, SL_FAIL_NO_DONE, "" },
		{ "", 200, true, SL_CALL_OK, SL_FAIL_NO_DONE, "" },
		{ ROLE, 200, true, SL_CALL_RESET, SL_FAIL_RESET, "" },
		{ DONE, 200, true, SL_CALL_TRUNCATED, SL_FAIL_TRUNCATED, "" },
		{ DONE "data: {\"cho", 200, true, SL_CALL_OK, SL_FAIL_TRUNCATED, "" },
		{ "", 0, false, SL_CALL_CONNECT, SL_FAIL_CONNECT, "" },
		{ "", 0, false, SL_CALL_CLOSED, SL_FAIL_CLOSED, "" },
		{ "", 0, false, SL_CALL_TIMEOUT, SL_FAIL_TIMEOUT, "" },
		{ "", 0, false, SL_CALL_CANCELLED, SL_FAIL_INTERRUPTED, "" },
		{ "", 0, false, SL_CALL_PROTOCOL, SL_FAIL_PROTOCOL, "" },
		{ ROLE "data: {\"error\":{\"message\":\"boom\"}}\n\n" DONE, 200, true, SL_CALL_OK,
		  SL_FAIL_ERROR_EVENT, "{\"error\":{\"message\":\"boom\"}}" },
		{ "data: {\"error\":\"boom\"}\n\n", 200, true, SL_CALL_RESET, SL_FAIL_ERROR_EVENT,
		  "{\"error\":\"boom\"}" },
		{ "data: {\"error\":null,\"choices\":[]}\n\n" DONE, 200, true, SL_CALL_OK,
		  SL_FAIL_NONE, "" },
		{ "busy\nnow", 503, false, SL_CALL_OK, SL_FAIL_STATUS, "busy now" },
		{ "data: 1\n\n" DONE, 200, true, SL_CALL_OK, SL_FAIL_BAD_EVENT,
		  "an event without \"choices\"" },
		{ DONE ROLE, 200, true, SL_CALL_OK, SL_FAIL_BAD_EVENT, "an event behind [DONE]" },
		{ "data: {\"choices\":[{\"delta\":{\"content\":\"\\q\"}}]}\n\n" DONE, 200, true,
		  SL_CALL_OK, SL_FAIL_BAD_EVENT, "text with an impossible escape" },
		{ "{}", 200, false, SL_CALL_OK, SL_FAIL_BAD_EVENT, "no text/event-stream" },
	};
	struct sl_samples gaps = { .us = NULL };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct sl_answer a = new_answer(true, cases[i].status, cases[i].event_stream);

		feed(&a, cases[i].text, strlen(cases[i].text), 1, &gaps);
		assert_int_equal(sl_answer_end(&a, cases[i].end), cases[i].fail);
		assert_string_equal(a.note, cases[i].note);
		sl_answer_fini(&a);
	}
	sl_samples_fini(&gaps);
}

static void test_every_fail_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < SL_FAIL_COUNT; i++)
		assert_non_null(sl_fail_name((enum sl_fail)i));
}

/* ---- mismatches ---- */

/* Feeds three chunks and usage; out_why as sl_answer_matches gives it. */
static bool matches(const char *a, const char *b, const char *c, const char *usage, char why[200])
{
	struct sl_answer answer = new_answer(true, 200, true);
	struct sl_samples gaps = { .us = NULL };
	char *text;
	bool ok;

	if (asprintf(&text, CHUNK CHUNK CHUNK "%s" DONE, a, b, c, usage) < 0)
		abort();
	feed(&answer, text, strlen(text), 1, &gaps);
	assert_int_equal(sl_answer_end(&answer, SL_CALL_OK), SL_FAIL_NONE);
	ok = sl_answer_matches(&answer, why, 200);
	sl_answer_fini(&answer);
	sl_samples_fini(&gaps);
	free(text);
	return ok;
}

static void test_mismatches(void **state)
{
	char w[TOKENS][SL_SIM_TOKEN_BYTES + 1];
	char why[200], want[200];

	(void)state;
	words(w);
	assert_true(matches(w[0], w[1], w[2], USAGE, why));
	/* a token repeated, lost, swapped, one byte off, missing, too many */
	assert_false(matches(w[0], w[0], w[1], USAGE, why));
	assert_non_null(strstr(why, "byte "));
	assert_false(matches(w[0], w[2], "", USAGE, why));
	assert_false(matches(w[1], w[0], w[2], USAGE, why));
	assert_false(matches(w[0], w[1], "", USAGE, why));
	assert_string_equal(why, "8 bytes of text for 3 tokens, expected 12");
	assert_false(matches(w[0], w[1], w[2], "", why));
	assert_string_equal(why, "usage says -1 completion tokens, expected 3");
	w[1][2] = '#';
	assert_false(matches(w[0], w[1], w[2], USAGE, why));
	words(w);
	snprintf(want, sizeof(want), "byte 6: expected \"%s%s", w[1] + 2, w[2]);
	assert_memory_equal(why, want, strlen(want));
	snprintf(want, sizeof(want), "got \"#%s%s\"", w[1] + 3, w[2]);
	assert_non_null(strstr(why, want));
}

static void test_whole_answer(void **state)
{
	struct sl_answer a = new_answer(false, 200, false);
	struct sl_samples gaps = { .us = NULL };
	char w[TOKENS][SL_SIM_TOKEN_BYTES + 1];
	char *text, why[200];

	(void)state;
	words(w);
	if (asprintf(&text,
	             "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
	             "\"%s%s%s\"}}],"
	             "\"usage\":{\"completion_tokens\":3}}",
	             w[0], w[1], w[2]) < 0)
		abort();
	for (size_t i = 0; text[i]; i++)
		assert_int_equal(feed(&a, text + i, 1, 1, &gaps), 0);
	assert_int_equal(sl_answer_end(&a, SL_CALL_OK), SL_FAIL_NONE);
	assert_true(sl_answer_matches(&a, why, sizeof(why)));
	sl_answer_fini(&a);
	a = new_answer(false, 200, false);
	assert_int_equal(sl_answer_end(&a, SL_CALL_OK), SL_FAIL_BAD_EVENT);
	sl_answer_fini(&a);
	free(text);
}

static void test_endless_event_is_refused(void **state)
{
	struct sl_answer a = new_answer(true, 200, true);
	struct sl_samples gaps = { .us = NULL };
	size_t len = 1024 * 1024;
	char *text = malloc(len);

	(void)state;
	memset(text, 'x', len);
	for (int i = 0; i < 8; i++)
		feed(&a, text, len, 1, &gaps);
	assert_true(a.events.line.cap <= SL_EVENTS_MAX);
	assert_int_equal(sl_answer_end(&a, SL_CALL_OK), SL_FAIL_BAD_EVENT);
	sl_answer_fini(&a);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_split),
		cmocka_unit_test(test_byte_by_byte_times),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_every_fail_has_a_name),
		cmocka_unit_test(test_mismatches),
		cmocka_unit_test(test_whole_answer),
		cmocka_unit_test(test_endless_event_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
