/* Event streams: what is found must not depend on where reads split them. */
#include "gateway/http/sse.h"

#include "golden.h"

struct finding {
	uint64_t events, skipped;
	bool done, error, first_is_error, partial;
	struct sl_usage usage;
	size_t boundary; /* of the whole stream */
};

struct watch {
	struct sl_sse s;
	size_t fed, boundary;
};

static void watch_init(struct watch *w)
{
	sl_sse_init(&w->s);
	w->fed = 0;
	w->boundary = 0;
}

static void watch_feed(struct watch *w, const char *data, size_t len)
{
	char *copy = malloc(len ? len : 1);
	size_t end;

	assert_non_null(copy);
	memcpy(copy, data, len);
	end = sl_sse_feed(&w->s, copy, len);
	assert_true(end <= len);
	free(copy);
	if (end)
		w->boundary = w->fed + end;
	w->fed += len;
	assert_int_equal(sl_sse_partial(&w->s), w->boundary < w->fed);
}

static struct finding watch_end(struct watch *w)
{
	struct finding f = {
		.events = w->s.events,
		.skipped = w->s.skipped,
		.done = w->s.done,
		.error = w->s.error,
		.first_is_error = w->s.first_is_error,
		.partial = sl_sse_partial(&w->s),
		.usage = w->s.usage,
		.boundary = w->boundary,
	};

	sl_sse_fini(&w->s);
	return f;
}

static void assert_same(const char *name, struct finding a, struct finding b)
{
	if (a.events != b.events || a.skipped != b.skipped || a.done != b.done ||
	    a.error != b.error || a.first_is_error != b.first_is_error || a.partial != b.partial ||
	    a.boundary != b.boundary || a.usage.prompt_tokens != b.usage.prompt_tokens ||
	    a.usage.completion_tokens != b.usage.completion_tokens ||
	    a.usage.cached_tokens != b.usage.cached_tokens)
		fail_msg("%s: found something else: events %lu and %lu, boundary %zu and %zu", name,
		         (unsigned long)a.events, (unsigned long)b.events, a.boundary, b.boundary);
}

static struct finding whole(const char *text, size_t len)
{
	struct watch w;

	watch_init(&w);
	watch_feed(&w, text, len);
	return watch_end(&w);
}

/* Two reads for every cut, and reads of every size. */
static void check_splits(const char *name, const char *text, size_t len, struct finding want)
{
	struct watch w;

	for (size_t cut = 0; cut <= len; cut++) {
		watch_init(&w);
		watch_feed(&w, text, cut);
		watch_feed(&w, text + cut, len - cut);
		assert_same(name, watch_end(&w), want);
	}
	for (size_t piece = 1; piece < 70; piece++) {
		watch_init(&w);
		for (size_t at = 0; at < len; at += piece)
			watch_feed(&w, text + at, len - at < piece ? len - at : piece);
		assert_same(name, watch_end(&w), want);
	}
}

static void test_real_streams(void **state)
{
	static const struct {
		const char *name;
		uint64_t events;
		bool done;
		int64_t prompt, completion, cached;
	} rows[] = {
		{ "kserve_chat_stream.resp", 6, true, -1, -1, -1 },
		{ "llamacpp_abort_stream.resp", 4, false, -1, -1, -1 },
		{ "llamacpp_chat_stream_usage.resp", 12, true, 47, 8, 46 },
		{ "llamacpp_messages_stream.resp", 8, false, 1, 3, 17 },
		{ "ollama_chat_stream_usage.resp", 11, true, 47, 8, -1 },
		{ "vllm_chat_stream_contusage.resp", 7, true, 47, 4, 32 },
		{ "vllm_chat_stream_usage.resp", 11, true, 47, 8, 0 },
		{ "vllm_http10_stream.resp", 4, true, -1, -1, -1 },
		{ "vllm_messages_stream.resp", 8, false, 18, 3, 0 },
		{ "vllm_responses_stream.resp", 10, false, 18, 3, 0 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		size_t len, n;
		char *bytes = golden_read(rows[i].name, &len);
		char *content = strstr(bytes, "\r\n\r\n") + 4;
		struct sl_h1_body body = { .framing = SL_H1_CHUNKED, .state = 1 };
		struct sl_head head = { .chunked = true };
		struct finding f;

		sl_h1_request_body(&body, &head);
		n = golden_content(content, len - (size_t)(content - bytes), SIZE_MAX, &body);
		f = whole(content, n);
		if (f.events != rows[i].events || f.done != rows[i].done ||
		    f.usage.prompt_tokens != rows[i].prompt ||
		    f.usage.completion_tokens != rows[i].completion ||
		    f.usage.cached_tokens != rows[i].cached || f.error || f.skipped ||
		    f.boundary != n)
			fail_msg("%s: events %lu", rows[i].name, (unsigned long)f.events);
		check_splits(rows[i].name, content, n, f);
		free(bytes);
	}
}

static void test_real_error(void **state)
{
	size_t len;
	char *text = golden_read("vllm_error.sse", &len);
	struct finding f = whole(text, len);

	(void)state;
	assert_int_equal(f.events, 2);
	assert_true(f.error && f.first_is_error && f.done);
	check_splits("vllm_error.sse", text, len, f);
	free(text);
}

struct row {
	const char *rule;
	const char *text;
	uint64_t events;
	size_t boundary;
	bool done, error, first_is_error;
};

static const struct row rows[] = {
	{ "nothing", "", 0, 0, 0, 0, 0 },
	{ "one", "data: x\n\n", 1, 9, 0, 0, 0 },
	{ "no space", "data:x\n\n", 1, 8, 0, 0, 0 },
	{ "unfinished", "data: x\n", 0, 0, 0, 0, 0 },
	{ "second unfinished", "data: x\n\ndata", 1, 9, 0, 0, 0 },
	{ "CR LF", "data: x\r\n\r\ndata: y\r\n\r\n", 2, 22, 0, 0, 0 },
	{ "CR", "data: x\r\rdata: y\r\r", 2, 18, 0, 0, 0 },
	{ "mixed", "data: x\n\r\ndata: y\r\n\ndata: z\r\r\n", 3, 30, 0, 0, 0 },
	{ "comment", ": ping\n\n", 0, 8, 0, 0, 0 },
	{ "comment in an event", ": a\ndata: x\n: b\n\n", 1, 17, 0, 0, 0 },
	{ "no data", "event: x\nid: 1\n\n", 0, 16, 0, 0, 0 },
	{ "empty data", "data:\n\n", 0, 7, 0, 0, 0 },
	{ "empty lines", "\n\n\n", 0, 3, 0, 0, 0 },
	{ "field that begins like data", "database: x\n\n", 0, 13, 0, 0, 0 },
	{ "done", "data: x\n\ndata: [DONE]\n\n", 2, 23, 1, 0, 0 },
	{ "done without space, CR LF", "data:[DONE]\r\n\r\n", 1, 15, 1, 0, 0 },
	{ "done inside text", "data: {\"t\":\"[DONE]\"}\n\n", 1, 22, 0, 0, 0 },
	{ "error first", "data: {\"error\":{\"code\":1}}\n\n", 1, 28, 0, 1, 1 },
	{ "error later", "data: {}\n\ndata: {\"error\":{}}\n\n", 2, 30, 0, 1, 0 },
	{ "error behind a comment", ": c\n\ndata: {\"error\":{}}\n\n", 1, 25, 0, 1, 1 },
	{ "error as text", "data: {\"error\":\"gone\"}\n\n", 1, 24, 0, 1, 1 },
	{ "error null", "data: {\"error\":null,\"a\":1}\n\n", 1, 28, 0, 0, 0 },
	{ "error in text", "data: {\"t\":\"{\\\"error\\\":{}}\"}\n\n", 1, 30, 0, 0, 0 },
	{ "error deeper", "data: {\"a\":{\"error\":{}}}\n\n", 1, 26, 0, 0, 0 },
	{ "error in an array", "data: [{\"error\":{}}]\n\n", 1, 22, 0, 0, 0 },
	{ "error as a value", "data: {\"a\":\"error\"}\n\n", 1, 21, 0, 0, 0 },
	{ "error after an event name", "event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n",
	  1, 48, 0, 1, 1 },
	{ "data in two lines", "data: {\"error\"\ndata: :{}}\n\n", 1, 27, 0, 1, 1 },
	{ "data in two lines, CR LF", "data: {\"error\"\r\ndata: :{}}\r\n\r\n", 1, 30, 0, 1, 1 },
	{ "done in two lines is not", "data: [DO\ndata: NE]\n\n", 1, 21, 0, 0, 0 },
	{ "not JSON", "data: {\"error\": {\n\n", 1, 19, 0, 0, 0 },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		const struct row *row = &rows[i];
		size_t len = strlen(row->text);
		struct finding f = whole(row->text, len);

		if (f.events != row->events || f.boundary != row->boundary || f.done != row->done ||
		    f.error != row->error || f.first_is_error != row->first_is_error)
			fail_msg("%s: events %lu boundary %zu", row->rule, (unsigned long)f.events,
			         f.boundary);
	}
}

static void test_rows_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++)
		check_splits(rows[i].rule, rows[i].text, strlen(rows[i].text),
		             whole(rows[i].text, strlen(rows[i].text)));
}

static void test_too_long(void **state)
{
	size_t big = SL_SSE_MAX_EVENT, len = 0;
	char *text = malloc(big + 100);
	struct finding f;
	struct watch w;

	(void)state;
	assert_non_null(text);
	/* exactly the limit is read, one more is not */
	for (size_t over = 0; over < 2; over++) {
		size_t pad = big + over - strlen("data: {\"error\":{},\"p\":\"\"}\n\n");

		len = (size_t)sprintf(text, "data: {\"error\":{},\"p\":\"");
		memset(text + len, 'p', pad);
		len += pad;
		len += (size_t)sprintf(text + len, "\"}\n\ndata: [DONE]\n\n");
		f = whole(text, len);
		assert_int_equal(f.events, 2);
		assert_int_equal(f.skipped, over);
		assert_int_equal(f.error, !over);
		assert_true(f.done);
		assert_int_equal(f.boundary, len);
		for (size_t piece = 1000; piece < 300000; piece *= 3) {
			watch_init(&w);
			for (size_t at = 0; at < len; at += piece)
				watch_feed(&w, text + at, len - at < piece ? len - at : piece);
			assert_same("long", watch_end(&w), f);
		}
	}
	/* while it is skipped nothing is held */
	memset(text, 'x', big + 1);
	watch_init(&w);
	watch_feed(&w, text, big - 10);
	assert_non_null(w.s.part);
	watch_feed(&w, text + big - 10, 11);
	assert_true(w.s.skipping);
	assert_null(w.s.part);
	sl_sse_fini(&w.s);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_streams), cmocka_unit_test(test_real_error),
		cmocka_unit_test(test_rows),         cmocka_unit_test(test_rows_split),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
