/* Bodies of HTTP/1.1: framings, every split, and real engines' answers. */
#include "golden.h"

static struct sl_h1_body begin(bool chunked, int64_t length)
{
	struct sl_head head = { .version = 11, .chunked = chunked, .content_length = length };
	struct sl_h1_body b;

	sl_h1_request_body(&b, &head);
	return b;
}

struct result {
	int err;
	bool done;
	size_t used;
	char data[256];
	size_t len;
};

/* Feeds text[0..len) in two reads, split at `cut`. Each read lies in memory of
 * its own, so that a look past its end is seen. */
static struct result feed(struct sl_h1_body b, const char *text, size_t len, size_t cut)
{
	struct result r = { .err = 0 };

	for (int half = 0; half < 2; half++) {
		size_t from = half ? cut : 0, n = half ? len - cut : cut, at = 0;
		char *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, text + from, n);
		while (at < n && !b.done && !r.err) {
			struct sl_span data;
			size_t used;

			r.err = sl_h1_body_feed(&b, copy + at, n - at, &used, &data);
			if (r.err)
				break;
			assert_true(used > 0 && used <= n - at);
			assert_true(data.len == 0 || (data.ptr >= copy + at &&
			                              data.ptr + data.len <= copy + at + used));
			assert_true(r.len + data.len <= sizeof(r.data));
			memcpy(r.data + r.len, data.ptr, data.len);
			r.len += data.len;
			at += used;
		}
		r.used += at;
		free(copy);
	}
	r.done = b.done;
	return r;
}

struct row {
	const char *rule;
	const char *text;
	const char *want; /* content; NULL: an error */
	bool unfinished;
	size_t rest; /* bytes behind the end, not to be touched */
};

static const struct row chunked_rows[] = {
	{ "nothing", "0\r\n\r\n", "", false, 0 },
	{ "one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", false, 0 },
	{ "two chunks", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "hello!", false, 0 },
	{ "hexadecimal, both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
	  "01234567890123456789", false, 0 },
	{ "leading zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello", false, 0 },
	{ "sixteen digits", "0000000000000001\r\nx\r\n0\r\n\r\n", "x", false, 0 },
	{ "data that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n", false,
	  0 },
	{ "extension", "5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello", false, 0 },
	{ "extension with blanks", "5 ; a = \"q;\\\"\r\"", NULL, false, 0 },
	{ "quoted extension", "5;a=\"b;c\\\"d\" ;e\r\nhello\r\n0\r\n\r\n", "hello", false, 0 },
	{ "blanks in an extension", "5 \t; a = b;c\r\nhello\r\n0\r\n\r\n", "hello", false, 0 },
	{ "trailers", "0\r\nX-A: b\r\nY:\r\n\r\n", "", false, 0 },
	{ "pipelined bytes stay", "0\r\n\r\nGET /", "", false, 5 },
	{ "bytes after trailers stay", "0\r\na:b\r\n\r\nGET /", "", false, 5 },
	{ "ends in a size", "5", "", true, 0 },
	{ "ends in data", "5\r\nhel", "hel", true, 0 },
	{ "ends before CRLF", "5\r\nhello", "hello", true, 0 },
	{ "ends in trailers", "0\r\nx: y\r\n", "", true, 0 },
	{ "ends before the last LF", "0\r\n\r", "", true, 0 },
	{ "no digits", "\r\n", NULL, false, 0 },
	{ "only an extension", ";a\r\n", NULL, false, 0 },
	{ "blank before the size", " 5\r\nhello\r\n", NULL, false, 0 },
	{ "blank after the size", "5 \r\nhello\r\n", NULL, false, 0 },
	{ "plus", "+5\r\nhello\r\n", NULL, false, 0 },
	{ "minus", "-5\r\nhello\r\n", NULL, false, 0 },
	{ "0x", "0x5\r\nhello\r\n", NULL, false, 0 },
	{ "letter g", "g\r\nhello\r\n", NULL, false, 0 },
	{ "underscore", "1_0\r\n", NULL, false, 0 },
	{ "seventeen digits", "00000000000000001\r\nx\r\n", NULL, false, 0 },
	{ "2^63", "8000000000000000\r\nx", NULL, false, 0 },
	{ "2^64-1", "ffffffffffffffff\r\nx", NULL, false, 0 },
	{ "lone LF after the size", "5\nhello\r\n", NULL, false, 0 },
	{ "lone CR after the size", "5\rhello\r\n", NULL, false, 0 },
	{ "lone LF after data", "5\r\nhello\n0\r\n\r\n", NULL, false, 0 },
	{ "two wrong bytes after data", "5\r\nhelloXX0\r\n\r\n", NULL, false, 0 },
	{ "too much data", "5\r\nhello!\r\n", NULL, false, 0 },
	{ "lone LF at the end", "0\r\n\n", NULL, false, 0 },
	{ "lone LF after the last size", "0\n\r\n", NULL, false, 0 },
	{ "lone LF in an extension", "5;a\nhello\r\n", NULL, false, 0 },
	{ "lone CR in an extension", "5;a\rb\r\nhello\r\n", NULL, false, 0 },
	{ "empty extension name", "5;\r\nhello\r\n", NULL, false, 0 },
	{ "empty extension value", "5;a=\r\nhello\r\n", NULL, false, 0 },
	{ "two semicolons", "5;;a\r\nhello\r\n", NULL, false, 0 },
	{ "control in an extension", "5;a\x01\r\nhello\r\n", NULL, false, 0 },
	{ "control in quotes", "5;a=\"\x01\"\r\nhello\r\n", NULL, false, 0 },
	{ "LF in quotes", "5;a=\"\n\"\r\nhello\r\n", NULL, false, 0 },
	{ "text behind quotes", "5;a=\"b\"c\r\nhello\r\n", NULL, false, 0 },
	{ "trailer without colon", "0\r\nnonsense\r\n\r\n", NULL, false, 0 },
	{ "trailer without name", "0\r\n: x\r\n\r\n", NULL, false, 0 },
	{ "blank before the colon", "0\r\nx : y\r\n\r\n", NULL, false, 0 },
	{ "folded trailer", "0\r\nx: y\r\n z\r\n\r\n", NULL, false, 0 },
	{ "lone LF after a trailer", "0\r\nx: y\n\r\n", NULL, false, 0 },
	{ "control in a trailer", "0\r\nx: \x01\r\n\r\n", NULL, false, 0 },
	{ "CR in a trailer", "0\r\nx: a\rb\r\n\r\n", NULL, false, 0 },
};

static void test_chunked_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(chunked_rows); i++) {
		const struct row *row = &chunked_rows[i];
		size_t len = strlen(row->text);

		for (size_t cut = 0; cut <= len; cut++) {
			struct result r = feed(begin(true, -1), row->text, len, cut);

			if ((r.err != 0) != (row->want == NULL))
				fail_msg("%s: %d (cut %zu)", row->rule, r.err, cut);
			if (r.err) {
				assert_int_equal(r.err, SL_E_BAD_HTTP);
				continue;
			}
			if (!sl_span_eq(sl_span(r.data, r.len), sl_span_str(row->want)) ||
			    r.done == row->unfinished || r.used != len - row->rest)
				fail_msg("%s: wrong content or end (cut %zu)", row->rule, cut);
		}
	}
}

static void test_biggest_chunk(void **state)
{
	struct sl_h1_body b = begin(true, -1);
	struct sl_span data;
	size_t used;

	(void)state;
	assert_int_equal(sl_h1_body_feed(&b, "7fffffffffffffff\r\nabc", 21, &used, &data), 0);
	assert_int_equal(used, 21);
	assert_int_equal(data.len, 3);
	assert_true(b.left == (uint64_t)INT64_MAX - 3);
	assert_false(b.done);
}

/* Extensions and trailers together may not be used to keep us busy. */
static void test_overhead_is_bounded(void **state)
{
	static const struct {
		const char *start, *again;
	} rows[] = { { "", "1;abcdefgh\r\nx\r\n" }, { "0\r\n", "x: abcdef\r\n" } };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_h1_body b = begin(true, -1);
		size_t total = 0;
		struct sl_span data;
		size_t used;
		int rc;

		rc = sl_h1_body_feed(&b, rows[i].start, strlen(rows[i].start), &used, &data);
		while (rc == 0 && total < 100000) {
			size_t at = 0, len = strlen(rows[i].again);

			for (; at < len && rc == 0; at += used)
				rc = sl_h1_body_feed(&b, rows[i].again + at, len - at, &used,
				                     &data);
			total += len;
		}
		assert_int_equal(rc, SL_E_BAD_HTTP);
		assert_in_range(total, 16 * 1024, 40 * 1024);
	}
}

static void test_length(void **state)
{
	const char *text = "hello, and more";

	(void)state;
	for (size_t cut = 0; cut <= 15; cut++) {
		struct result r = feed(begin(false, 5), text, 15, cut);

		assert_int_equal(r.err, 0);
		assert_true(r.done);
		assert_int_equal(r.used, 5);
		assert_memory_equal(r.data, "hello", 5);
	}
	assert_false(feed(begin(false, 16), text, 15, 7).done);
	assert_true(begin(false, 0).done);
	assert_true(begin(false, -1).done);
	assert_int_equal(begin(false, -1).framing, SL_H1_NONE);
}

/* RFC 9112 §6.3 */
static void test_response_framing(void **state)
{
	static const struct {
		int status;
		bool chunked, head_request;
		int64_t length;
		enum sl_h1_framing want;
	} rows[] = {
		{ 200, true, false, -1, SL_H1_CHUNKED },
		{ 200, false, false, 5, SL_H1_LENGTH },
		{ 200, false, false, 0, SL_H1_NONE },
		{ 200, false, false, -1, SL_H1_UNTIL_CLOSE },
		{ 500, false, false, -1, SL_H1_UNTIL_CLOSE },
		{ 200, true, true, -1, SL_H1_NONE },
		{ 200, false, true, 5, SL_H1_NONE },
		{ 100, false, false, -1, SL_H1_NONE },
		{ 199, true, false, -1, SL_H1_NONE },
		{ 204, true, false, -1, SL_H1_NONE },
		{ 204, false, false, 5, SL_H1_NONE },
		{ 304, false, false, 5, SL_H1_NONE },
		{ 304, true, false, -1, SL_H1_NONE },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_head head = { .status = rows[i].status,
			                .chunked = rows[i].chunked,
			                .content_length = rows[i].length };
		struct sl_h1_body b;

		sl_h1_response_body(&b, &head, rows[i].head_request);
		assert_int_equal(b.framing, rows[i].want);
		assert_int_equal(b.done, rows[i].want == SL_H1_NONE);
	}
}

static void test_closed(void **state)
{
	struct sl_head head = { .status = 200, .content_length = -1 };
	struct sl_h1_body b;
	struct result r;

	(void)state;
	sl_h1_response_body(&b, &head, false);
	assert_true(sl_h1_body_closed(&b));
	r = feed(b, "anything", 8, 3);
	assert_int_equal(r.len, 8);
	assert_false(r.done);
	b = begin(false, 5);
	assert_false(sl_h1_body_closed(&b));
	b = begin(true, -1);
	assert_false(sl_h1_body_closed(&b));
	b = begin(false, 0);
	assert_true(sl_h1_body_closed(&b));
}

static void test_chunk_head(void **state)
{
	char buf[18];

	(void)state;
	assert_int_equal(sl_h1_chunk_head(buf, 0x1f), 4);
	assert_memory_equal(buf, "1f\r\n", 4);
	assert_int_equal(sl_h1_chunk_head(buf, SIZE_MAX), 18);
	assert_memory_equal(buf, "ffffffffffffffff\r\n", 18);
}

static void test_real_engines(void **state)
{
	static const struct {
		const char *name;
		bool head_request, chunked, done, keep_alive, events;
		size_t content;
	} rows[] = {
		{ "kserve_chat_stream.resp", false, true, true, true, true, 1050 },
		{ "kserve_error_text.resp", false, false, true, true, false, 48 },
		{ "llamacpp_abort_stream.resp", false, true, false, true, true, 956 },
		{ "llamacpp_chat_stream_usage.resp", false, true, true, true, true, 2890 },
		{ "llamacpp_health_head.resp", true, false, true, true, false, 0 },
		{ "ollama_chat_stream_usage.resp", false, true, true, true, true, 2223 },
		{ "vllm_chat_stream_usage.resp", false, true, true, true, true, 2325 },
		{ "vllm_health.resp", false, false, true, true, false, 0 },
		{ "vllm_http10_stream.resp", false, true, true, false, true, 774 },
		{ "vllm_prefill_chat.resp", false, false, true, true, false, 1147 },
	};
	static const struct sl_head_limits limits = { 65536, 100, 0 };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		for (size_t piece = 1; piece < 2000; piece += piece / 3 + 1) {
			struct sl_h1_head h;
			struct sl_h1_body b;
			size_t len, resume = 0, n;
			char *bytes = golden_read(rows[i].name, &len);
			int head = sl_h1_response(bytes, len, &resume, &limits,
			                          rows[i].head_request, &h);

			assert_true(head > 0);
			assert_int_equal(h.head.chunked, rows[i].chunked);
			assert_int_equal(h.head.keep_alive, rows[i].keep_alive);
			assert_int_equal(h.head.event_stream, rows[i].events);
			sl_h1_response_body(&b, &h.head, rows[i].head_request);
			n = golden_content(bytes + head, len - (size_t)head, piece, &b);
			if (n != rows[i].content || b.done != rows[i].done)
				fail_msg("%s: %zu bytes of content", rows[i].name, n);
			free(bytes);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunked_every_split), cmocka_unit_test(test_biggest_chunk),
		cmocka_unit_test(test_overhead_is_bounded), cmocka_unit_test(test_length),
		cmocka_unit_test(test_response_framing),    cmocka_unit_test(test_closed),
		cmocka_unit_test(test_chunk_head),          cmocka_unit_test(test_real_engines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
