/* Heads of HTTP/1.1: a row per rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/http/h1.h"

static const struct sl_head_limits limits = { 65536, 100, 16384 };

/* A buffer exactly as long as its text, so that the address sanitizer sees any
 * read past it. */
static char *exact(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return copy;
}

static int parse(const char *text, size_t len, struct sl_h1_head *out)
{
	char *copy = exact(text, len);
	size_t resume = 0;
	int rc = sl_h1_request(copy, len, &resume, &limits, out);

	free(copy);
	return rc;
}

#define HOST "Host: gw.example\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define END "\r\n"

struct row {
	const char *rule;
	const char *text;
	int want;   /* 0: complete, all of it; else the error */
	size_t len; /* where it holds NUL */
};

#define BAD SL_E_BAD_HTTP
#define WITH_NUL(text) text, BAD, sizeof(text) - 1

static const struct row request_rows[] = {
	/* request line */
	{ "plain", GET HOST END, 0, 0 },
	{ "POST", "POST /v1/chat/completions HTTP/1.1\r\n" HOST END, 0, 0 },
	{ "unknown method is a token", "BREW /pot HTTP/1.1\r\n" HOST END, 0, 0 },
	{ "method with token marks", "M-SEARCH / HTTP/1.1\r\n" HOST END, 0, 0 },
	{ "query", "GET /a?b=c&d=[1] HTTP/1.1\r\n" HOST END, 0, 0 },
	{ "one empty line before", "\r\n" GET HOST END, 0, 0 },
	{ "two empty lines before", "\r\n\r\n" GET HOST END, 0, 0 },
	{ "three empty lines before", "\r\n\r\n\r\n" GET HOST END, BAD, 0 },
	{ "LF before", "\n" GET HOST END, BAD, 0 },
	{ "CR before", "\r" GET HOST END, BAD, 0 },
	{ "space before", " " GET HOST END, BAD, 0 },
	{ "lone LF after request line", "GET / HTTP/1.1\n" HOST END, BAD, 0 },
	{ "lone CR after request line", "GET / HTTP/1.1\r" HOST END, BAD, 0 },
	{ "two spaces before target", "GET  / HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "two spaces after target", "GET /  HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "space after version", "GET / HTTP/1.1 \r\n" HOST END, BAD, 0 },
	{ "tab as separator", "GET\t/ HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "space in target", "GET /a b HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "no target", "GET HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "empty target", "GET  HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "empty method", " / HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "method not a token", "G(T / HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "method with colon", "GET: / HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "method too long", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" HOST END,
	  SL_E_METHOD_UNKNOWN, 0 },
	{ "fragment", "GET /a#b HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "quote in target", "GET /a\"b HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "backslash in target", "GET /a\\b HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "non-ASCII in target", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "control in target", "GET /\x01 HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "DEL in target", "GET /\x7f HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "NUL in target", WITH_NUL("GET /\0 HTTP/1.1\r\n" HOST END) },
	{ "relative target", "GET a HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "asterisk with GET", "GET * HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST END, SL_E_METHOD, 0 },
	{ "CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n" END, SL_E_METHOD, 0 },
	{ "authority-form with GET", "GET a:80 HTTP/1.1\r\n" HOST END, BAD, 0 },
	/* version */
	{ "HTTP/1.0", "GET / HTTP/1.0\r\n" END, 0, 0 },
	{ "higher minor version", "GET / HTTP/1.2\r\n" HOST END, 0, 0 },
	{ "HTTP/0.9 request", "GET /\r\n" END, BAD, 0 },
	{ "HTTP/0.9 named", "GET / HTTP/0.9\r\n" HOST END, SL_E_HTTP_VERSION, 0 },
	{ "HTTP/2.0", "GET / HTTP/2.0\r\n" HOST END, SL_E_HTTP_VERSION, 0 },
	{ "HTTP/3.7", "GET / HTTP/3.7\r\n" HOST END, SL_E_HTTP_VERSION, 0 },
	{ "preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SL_E_HTTP_VERSION, 0 },
	{ "lower case", "GET / http/1.1\r\n" HOST END, BAD, 0 },
	{ "no dot", "GET / HTTP/11\r\n" HOST END, BAD, 0 },
	{ "two digits", "GET / HTTP/1.10\r\n" HOST END, BAD, 0 },
	{ "two digits before", "GET / HTTP/01.1\r\n" HOST END, BAD, 0 },
	{ "other protocol", "GET / HTTPS/1.1\r\n" HOST END, BAD, 0 },
	{ "NUL in version", WITH_NUL("GET / HTTP/1.1\0\r\n" HOST END) },
	/* absolute form */
	{ "absolute", "GET http://gw.example/x HTTP/1.1\r\n" HOST END, 0, 0 },
	{ "absolute https", "GET https://gw.example/x HTTP/1.1\r\n" HOST END, 0, 0 },
	{ "absolute, cases differ", "GET HTTP://GW.example/x HTTP/1.1\r\n" HOST END, 0, 0 },
	{ "absolute, default port", "GET http://gw.example:80/ HTTP/1.1\r\n" HOST END, 0, 0 },
	{ "absolute without path", "GET http://gw.example HTTP/1.1\r\n" HOST END, 0, 0 },
	{ "absolute, other authority", "GET http://evil/x HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "absolute, other port", "GET http://gw.example:443/ HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "absolute, no authority", "GET http:///x HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "absolute with user", "GET http://u@gw.example/ HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "absolute, other scheme", "GET ftp://gw.example/ HTTP/1.1\r\n" HOST END, BAD, 0 },
	{ "absolute without Host", "GET http://gw.example/ HTTP/1.1\r\n" END, BAD, 0 },
	/* Host */
	{ "no Host", GET END, BAD, 0 },
	{ "two Hosts", GET HOST "Host: b\r\n" END, BAD, 0 },
	{ "two equal Hosts", GET HOST HOST END, BAD, 0 },
	{ "two Hosts in 1.0", "GET / HTTP/1.0\r\n" HOST HOST END, BAD, 0 },
	{ "empty Host", GET "Host:\r\n" END, BAD, 0 },
	{ "Host with port", GET "Host: a:8080\r\n" END, 0, 0 },
	{ "Host with empty port", GET "Host: a:\r\n" END, 0, 0 },
	{ "Host IPv6", GET "Host: [::1]:80\r\n" END, 0, 0 },
	{ "Host IPv6 not closed", GET "Host: [::1\r\n" END, BAD, 0 },
	{ "Host IPv6 with more", GET "Host: [::1]x\r\n" END, BAD, 0 },
	{ "Host brackets empty", GET "Host: []\r\n" END, BAD, 0 },
	{ "Host port not a number", GET "Host: a:b\r\n" END, BAD, 0 },
	{ "Host port too big", GET "Host: a:65536\r\n" END, BAD, 0 },
	{ "Host port negative", GET "Host: a:-1\r\n" END, BAD, 0 },
	{ "Host with user", GET "Host: u@a\r\n" END, BAD, 0 },
	{ "Host with path", GET "Host: a/b\r\n" END, BAD, 0 },
	{ "Host with space", GET "Host: a b\r\n" END, BAD, 0 },
	{ "Host with only a port", GET "Host: :80\r\n" END, BAD, 0 },
	{ "Host non-ASCII", GET "Host: \xc3\xa9\r\n" END, BAD, 0 },
	{ "NUL in Host", WITH_NUL(GET "Host: a\0b\r\n" END) },
	/* fields */
	{ "empty value", GET HOST "X:\r\n" END, 0, 0 },
	{ "no white space after the colon", GET HOST "X:y\r\n" END, 0, 0 },
	{ "tab in value", GET HOST "X: a\tb\r\n" END, 0, 0 },
	{ "obs-text in value", GET HOST "X: \xff\x80 text that is long\r\n" END, 0, 0 },
	{ "colon in value", GET HOST "X: a:b::c\r\n" END, 0, 0 },
	{ "NUL in value", WITH_NUL(GET HOST "X: a\0b\r\n" END) },
	{ "CR in value", GET HOST "X: a\rb\r\n" END, BAD, 0 },
	{ "control in value", GET HOST "X: 1234567\x01 90\r\n" END, BAD, 0 },
	{ "DEL in value", GET HOST "X: 1234567\x7f 90\r\n" END, BAD, 0 },
	{ "ESC at the end of a value", GET HOST "X: 12345678\x1b\r\n" END, BAD, 0 },
	{ "space before the colon", GET HOST "X : a\r\n" END, BAD, 0 },
	{ "tab before the colon", GET HOST "X\t: a\r\n" END, BAD, 0 },
	{ "space in name", GET HOST "X Y: a\r\n" END, BAD, 0 },
	{ "empty name", GET HOST ": a\r\n" END, BAD, 0 },
	{ "no colon", GET HOST "nonsense\r\n" END, BAD, 0 },
	{ "name not a token", GET HOST "X@Y: a\r\n" END, BAD, 0 },
	{ "quoted name", GET HOST "\"X\": a\r\n" END, BAD, 0 },
	{ "non-ASCII name", GET HOST "X\xc3\xa9: a\r\n" END, BAD, 0 },
	{ "NUL in name", WITH_NUL(GET HOST "X\0Y: a\r\n" END) },
	{ "obs-fold", GET HOST "X: a\r\n b\r\n" END, BAD, 0 },
	{ "obs-fold with tab", GET HOST "X: a\r\n\tb\r\n" END, BAD, 0 },
	{ "first field folded", GET " X: a\r\n" HOST END, BAD, 0 },
	{ "lone LF after a field", GET HOST "X: a\n" END, BAD, 0 },
	{ "lone LF at the end", GET HOST "X: a\r\n\n", BAD, 0 },
	{ "lone LFs throughout", "GET / HTTP/1.1\nHost: a\n\n", BAD, 0 },
	{ "CR CR LF", GET HOST "X: a\r\r\n" END, BAD, 0 },
	/* framing */
	{ "Content-Length", GET HOST "Content-Length: 5\r\n" END, 0, 0 },
	{ "tabs around it", GET HOST "Content-Length:\t 5 \t\r\n" END, 0, 0 },
	{ "leading zeros", GET HOST "Content-Length: 0005\r\n" END, 0, 0 },
	{ "2^63-1", GET HOST "Content-Length: 9223372036854775807\r\n" END, 0, 0 },
	{ "2^63", GET HOST "Content-Length: 9223372036854775808\r\n" END, BAD, 0 },
	{ "2^64", GET HOST "Content-Length: 18446744073709551616\r\n" END, BAD, 0 },
	{ "2^64+5", GET HOST "Content-Length: 18446744073709551621\r\n" END, BAD, 0 },
	{ "empty length", GET HOST "Content-Length:\r\n" END, BAD, 0 },
	{ "plus", GET HOST "Content-Length: +5\r\n" END, BAD, 0 },
	{ "minus", GET HOST "Content-Length: -5\r\n" END, BAD, 0 },
	{ "hexadecimal", GET HOST "Content-Length: 0x5\r\n" END, BAD, 0 },
	{ "two numbers", GET HOST "Content-Length: 5 5\r\n" END, BAD, 0 },
	{ "equal list", GET HOST "Content-Length: 5, 5\r\n" END, BAD, 0 },
	{ "other list", GET HOST "Content-Length: 5, 6\r\n" END, BAD, 0 },
	{ "equal repetition", GET HOST "Content-Length: 5\r\nContent-Length: 5\r\n" END, BAD, 0 },
	{ "other repetition", GET HOST "Content-Length: 5\r\ncontent-length: 6\r\n" END, BAD, 0 },
	{ "chunked", GET HOST "Transfer-Encoding: chunked\r\n" END, 0, 0 },
	{ "Chunked", GET HOST "transfer-encoding:CHUNKED\r\n" END, 0, 0 },
	{ "with Content-Length", GET HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END,
	  BAD, 0 },
	{ "before Content-Length",
	  GET HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END, BAD, 0 },
	{ "in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n" END, BAD, 0 },
	{ "empty coding", GET HOST "Transfer-Encoding:\r\n" END, BAD, 0 },
	{ "empty element before", GET HOST "Transfer-Encoding: , chunked\r\n" END, BAD, 0 },
	{ "empty element after", GET HOST "Transfer-Encoding: chunked,\r\n" END, BAD, 0 },
	{ "chunked twice", GET HOST "Transfer-Encoding: chunked, chunked\r\n" END, BAD, 0 },
	{ "two fields", GET HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END,
	  BAD, 0 },
	{ "two fields, one empty",
	  GET HOST "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n" END, BAD, 0 },
	{ "not last", GET HOST "Transfer-Encoding: chunked, gzip\r\n" END, BAD, 0 },
	{ "other coding only", GET HOST "Transfer-Encoding: gzip\r\n" END, BAD, 0 },
	{ "identity", GET HOST "Transfer-Encoding: identity\r\n" END, BAD, 0 },
	{ "with other coding", GET HOST "Transfer-Encoding: gzip, chunked\r\n" END,
	  SL_E_TRANSFER_CODING, 0 },
	{ "look-alike", GET HOST "Transfer-Encoding: xchunked\r\n" END, BAD, 0 },
	{ "quoted", GET HOST "Transfer-Encoding: \"chunked\"\r\n" END, BAD, 0 },
	{ "parameter", GET HOST "Transfer-Encoding: chunked;x=1\r\n" END, BAD, 0 },
	{ "vertical tab",
	  GET HOST "Transfer-Encoding: \x0b"
	           "chunked\r\n" END,
	  BAD, 0 },
	/* what is no list */
	{ "two Content-Types", GET HOST "Content-Type: a/b\r\ncontent-type: a/b\r\n" END, BAD, 0 },
	{ "two Authorizations", GET HOST "Authorization: a\r\nAUTHORIZATION: b\r\n" END, BAD, 0 },
	{ "two of a list", GET HOST "Accept: a/b\r\nAccept: a/c\r\n" END, 0, 0 },
	/* expectations */
	{ "100-continue", GET HOST "Expect: 100-Continue\r\n" END, 0, 0 },
	{ "other expectation", GET HOST "Expect: 200-ok\r\n" END, SL_E_EXPECTATION, 0 },
	{ "of HTTP/1.0 is nothing", "GET / HTTP/1.0\r\nExpect: 200-ok\r\n" END, 0, 0 },
};

static void check_row(const struct row *row)
{
	size_t len = row->len ? row->len : strlen(row->text);
	struct sl_h1_head h;
	int rc = parse(row->text, len, &h);
	int want = row->want ? row->want : (int)len;

	if (rc != want)
		fail_msg("%s: %s, not %s", row->rule, rc < 0 ? sl_err_info(rc)->name : "taken",
		         want < 0 ? sl_err_info(want)->name : "taken");
}

static void test_request_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(request_rows); i++)
		check_row(&request_rows[i]);
}

/* The verdict must not depend on how the bytes arrive: fed one by one with a
 * kept `resume`, every row ends the same, good heads exactly at their end. */
static void test_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(request_rows); i++) {
		const struct row *row = &request_rows[i];
		size_t len = row->len ? row->len : strlen(row->text);
		size_t resume = 0, n = 0;
		struct sl_h1_head h;
		int rc = 0;

		while (rc == 0 && n < len) {
			char *copy = exact(row->text, ++n);

			rc = sl_h1_request(copy, n, &resume, &limits, &h);
			free(copy);
		}
		if (rc != (row->want ? row->want : (int)len))
			fail_msg("%s: %d after %zu of %zu bytes", row->rule, rc, n, len);
	}
}

static void test_incomplete(void **state)
{
	static const char *const starts[] = {
		"",    "\r",   "\r\n",       "\r\n\r", "P",        "PR",     "PRI",
		"GET", "GET ", "GET / HTTP", GET,      GET "Host", GET HOST, GET HOST "\r",
	};
	struct sl_h1_head h;

	(void)state;
	for (size_t i = 0; i < SL_COUNT(starts); i++)
		assert_int_equal(parse(starts[i], strlen(starts[i]), &h), 0);
	/* wrong already, without waiting for more */
	assert_int_equal(parse("GET /\r\n", 7, &h), BAD);
	assert_int_equal(parse("\x16\x03\x01", 3, &h), BAD);
	assert_int_equal(parse(GET "Host: a\n", 24, &h), BAD);
	assert_int_equal(parse("GET / HTTP/3.0\r\n", 16, &h), SL_E_HTTP_VERSION);
}

static void test_what_is_read(void **state)
{
	static const char text[] =
	        "POST /v1/x?y HTTP/1.1\r\n"
	        "Host: GW:8080\r\n"
	        "Connection: X-Hop, Authorization, Content-Type, Content-Length, Host\r\n"
	        "connection: Keep-Alive\r\n"
	        "x-hop: 1\r\n"
	        "AUTHORIZATION: Bearer k\r\n"
	        "X-Prefiller-Host-Port: a:1\r\n"
	        "X_Sluice_Tenant: spoofed\r\n"
	        "Content_Length: 7\r\n"
	        "Content-Type: Application/JSON; charset=utf-8\r\n"
	        "Content-Length:\t 12\t \r\n"
	        "X-Blank: \t a b \t\r\n"
	        "\r\nbody";
	struct sl_h1_head h;
	static const struct {
		const char *name, *value;
		enum sl_field_class cls;
	} want[] = {
		{ "Connection", "X-Hop, Authorization, Content-Type, Content-Length, Host",
		  SL_FC_HOP },
		{ "connection", "Keep-Alive", SL_FC_HOP },
		{ "x-hop", "1", SL_FC_HOP },
		{ "AUTHORIZATION", "Bearer k", SL_FC_AUTH },
		{ "X-Prefiller-Host-Port", "a:1", SL_FC_PRIVATE },
		{ "X_Sluice_Tenant", "spoofed", SL_FC_PRIVATE },
		{ "Content_Length", "7", SL_FC_HOP },
		{ "Content-Type", "Application/JSON; charset=utf-8", SL_FC_CONTENT_TYPE },
		{ "Content-Length", "12", SL_FC_FRAMING },
		{ "X-Blank", "a b", SL_FC_PLAIN },
	};
	size_t resume = 0;

	(void)state;
	assert_int_equal(sl_h1_request(text, sizeof(text) - 1, &resume, &limits, &h),
	                 sizeof(text) - 1 - 4);
	assert_true(sl_span_eq(h.head.method, SL_SPAN("POST")));
	assert_true(sl_span_eq(h.head.path, SL_SPAN("/v1/x?y")));
	assert_true(sl_span_eq(h.head.authority, SL_SPAN("GW:8080")));
	assert_int_equal(h.head.version, 11);
	assert_int_equal(h.head.content_length, 12);
	assert_true(h.head.keep_alive);
	assert_true(h.head.content_json);
	assert_false(h.head.chunked);
	assert_int_equal(h.head.n_fields, SL_COUNT(want));
	for (size_t i = 0; i < SL_COUNT(want); i++) {
		assert_true(sl_span_eq(h.head.fields[i].name, sl_span_str(want[i].name)));
		assert_true(sl_span_eq(h.head.fields[i].value, sl_span_str(want[i].value)));
		assert_int_equal(h.head.fields[i].cls, want[i].cls);
	}
	assert_ptr_equal(sl_head_find(&h.head, SL_SPAN("x-blank")), &h.fields[9]);
	assert_null(sl_head_find(&h.head, SL_SPAN("host")));
}

static void test_absolute_form_parts(void **state)
{
	static const struct {
		const char *target, *path, *authority;
	} rows[] = {
		{ "http://GW.Example/a?b", "/a?b", "GW.Example" },
		{ "https://gw.example:443", "/", "gw.example:443" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_h1_head h;
		char text[200];
		int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST END,
		                 rows[i].target);
		size_t resume = 0;

		assert_int_equal(sl_h1_request(text, (size_t)n, &resume, &limits, &h), n);
		assert_true(sl_span_eq(h.head.path, sl_span_str(rows[i].path)));
		assert_true(sl_span_eq(h.head.authority, sl_span_str(rows[i].authority)));
	}
}

static void test_keep_alive(void **state)
{
	static const struct {
		const char *text;
		bool keep_alive;
	} rows[] = {
		{ GET HOST END, true },
		{ GET HOST "Connection: close\r\n" END, false },
		{ GET HOST "Connection: ,, CLOSE ,\r\n" END, false },
		{ GET HOST "Connection: keep-alive, close\r\n" END, false },
		{ GET HOST "Connection: upgrade\r\nConnection: close\r\n" END, false },
		{ "GET / HTTP/1.0\r\n" END, false },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n" END, true },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n" END, false },
		{ "GET / HTTP/1.9\r\n" HOST END, true },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_h1_head h;

		assert_true(parse(rows[i].text, strlen(rows[i].text), &h) > 0);
		assert_int_equal(h.head.keep_alive, rows[i].keep_alive);
	}
}

static void test_content_type(void **state)
{
	static const struct {
		const char *field;
		bool json, events;
	} rows[] = {
		{ "", true, false },
		{ "Content-Type: application/json\r\n", true, false },
		{ "content-type: APPLICATION/Json ; charset=utf-8\r\n", true, false },
		{ "Content-Type: application/problem+json\r\n", true, false },
		{ "Content-Type: application/jsonx\r\n", false, false },
		{ "Content-Type: text/plain\r\n", false, false },
		{ "Content-Type:\r\n", true, false },
		{ "Content-Type: ;charset=utf-8\r\n", true, false },
		{ "Content-Type: text/event-stream; charset=utf-8\r\n", false, true },
		{ "Content-Type: multipart/form-data; boundary=x\r\n", false, false },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_h1_head h;
		char text[256];
		size_t resume = 0;
		int n = snprintf(text, sizeof(text), GET HOST "%s" END, rows[i].field);

		assert_int_equal(parse(text, (size_t)n, &h), n);
		assert_int_equal(h.head.content_json, rows[i].json);
		n = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%s" END, rows[i].field);
		assert_int_equal(sl_h1_response(text, (size_t)n, &resume, &limits, false, &h), n);
		assert_int_equal(h.head.event_stream, rows[i].events);
	}
}

/* ---- limits ---- */

static int with_limits(struct sl_head_limits l, const char *text, size_t len)
{
	static struct sl_h1_head h;
	size_t resume = 0;

	return sl_h1_request(text, len, &resume, &l, &h);
}

static void test_limits(void **state)
{
	static char text[40000];
	struct sl_head_limits small = { 1000, 5, 100 };
	size_t n;

	(void)state;
	/* fields: five are taken, Host included, six are not */
	assert_true(with_limits(small, GET HOST "a:1\r\nb:1\r\nc:1\r\nd:1\r\n" END, 56) > 0);
	assert_int_equal(with_limits(small, GET HOST "a:1\r\nb:1\r\nc:1\r\nd:1\r\ne:1\r\n" END, 61),
	                 SL_E_HEADERS_TOO_LARGE);
	/* target: 100 bytes are taken, 101 are not, complete or not */
	n = (size_t)snprintf(text, sizeof(text), "GET /%099d HTTP/1.1\r\n" HOST END, 0);
	assert_int_equal(with_limits(small, text, n), n);
	n = (size_t)snprintf(text, sizeof(text), "GET /%0100d HTTP/1.1\r\n" HOST END, 0);
	assert_int_equal(with_limits(small, text, n), SL_E_URI_TOO_LONG);
	memset(text + 5, 'a', 300);
	assert_int_equal(with_limits(small, text, 250), SL_E_URI_TOO_LONG);
	/* the whole head, complete or not */
	n = (size_t)snprintf(text, sizeof(text), GET HOST "X: %0970d\r\n" END, 0);
	assert_int_equal(with_limits(small, text, n), SL_E_HEADERS_TOO_LARGE);
	assert_int_equal(with_limits(small, text, 1000), 0);
	assert_int_equal(with_limits(small, text, 1001), SL_E_HEADERS_TOO_LARGE);
	/* no method is this long */
	memset(text, 'G', 100);
	assert_int_equal(with_limits(small, text, 32), 0);
	assert_int_equal(with_limits(small, text, 33), SL_E_METHOD_UNKNOWN);
	text[10] = '/';
	assert_int_equal(with_limits(small, text, 33), SL_E_BAD_HTTP);
	/* Connection cannot be used to make us compare for ever */
	n = (size_t)snprintf(text, sizeof(text), GET HOST "Connection: ");
	for (int i = 0; i < 65; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "x,");
	n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n\r\n");
	assert_int_equal(with_limits(limits, text, n), SL_E_BAD_HTTP);
}

/* ---- responses ---- */

#define OK "HTTP/1.1 200 OK\r\n"

static const struct row response_rows[] = {
	{ "plain", OK END, 0, 0 },
	{ "no reason", "HTTP/1.1 200 \r\n" END, 0, 0 },
	{ "not even the space", "HTTP/1.1 200\r\n" END, 0, 0 },
	{ "obs-text in the reason", "HTTP/1.1 200 \xff\r\n" END, 0, 0 },
	{ "HTTP/1.0", "HTTP/1.0 200 OK\r\n" END, 0, 0 },
	{ "unknown status", "HTTP/1.1 599 ?\r\n" END, 0, 0 },
	{ "600", "HTTP/1.1 600 ?\r\n" END, BAD, 0 },
	{ "999", "HTTP/1.1 999 ?\r\n" END, BAD, 0 },
	{ "100", "HTTP/1.1 100 Continue\r\n" END, 0, 0 },
	{ "empty value", OK "Access-Control-Allow-Origin: \r\n" END, 0, 0 },
	{ "Expect means nothing here", OK "Expect: x\r\n" END, 0, 0 },
	{ "equal lengths", OK "Content-Length: 1\r\nContent-Length: 1\r\n" END, BAD, 0 },
	{ "length and chunked", OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n" END, BAD,
	  0 },
	{ "other coding", OK "Transfer-Encoding: gzip, chunked\r\n" END, SL_E_TRANSFER_CODING, 0 },
	{ "two digits", "HTTP/1.1 20 OK\r\n" END, BAD, 0 },
	{ "four digits", "HTTP/1.1 2000 OK\r\n" END, BAD, 0 },
	{ "099", "HTTP/1.1 099 OK\r\n" END, BAD, 0 },
	{ "not a number", "HTTP/1.1 2x0 OK\r\n" END, BAD, 0 },
	{ "HTTP/2.0", "HTTP/2.0 200 OK\r\n" END, BAD, 0 },
	{ "other protocol", "ICY 200 OK\r\n" END, BAD, 0 },
	{ "no status", "HTTP/1.1\r\n" END, BAD, 0 },
	{ "space before", " " OK END, BAD, 0 },
	{ "empty line before", "\r\n" OK END, BAD, 0 },
	{ "lone LF", "HTTP/1.1 200 OK\n\n", BAD, 0 },
	{ "control in the reason", "HTTP/1.1 200 O\x01K\r\n" END, BAD, 0 },
	{ "NUL in value", WITH_NUL(OK "X: \0\r\n" END) },
	{ "obs-fold", OK "X: a\r\n b\r\n" END, BAD, 0 },
	{ "space before the colon", OK "X : a\r\n" END, BAD, 0 },
};

static void test_response_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(response_rows); i++) {
		const struct row *row = &response_rows[i];
		size_t len = row->len ? row->len : strlen(row->text);
		size_t resume = 0, n = 0;
		struct sl_h1_head h;
		int rc = 0;

		while (rc == 0 && n < len) {
			char *copy = exact(row->text, ++n);

			rc = sl_h1_response(copy, n, &resume, &limits, false, &h);
			free(copy);
		}
		if (rc != (row->want ? row->want : (int)len))
			fail_msg("%s: %d after %zu of %zu bytes", row->rule, rc, n, len);
	}
}

static void test_response_keep_alive(void **state)
{
	static const struct {
		const char *text;
		bool head_request, keep_alive, until_close;
	} rows[] = {
		{ OK "Content-Length: 1\r\n" END, false, true, false },
		{ OK "Transfer-Encoding: chunked\r\n" END, false, true, false },
		{ OK "Content-Length: 1\r\nConnection: close\r\n" END, false, false, false },
		{ OK END, false, false, true },
		{ OK END, true, true, false },
		{ "HTTP/1.1 204 No Content\r\n" END, false, true, false },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n" END, false, false, false },
		{ "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" END, false, false, true },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_h1_head h;
		size_t resume = 0;

		assert_true(sl_h1_response(rows[i].text, strlen(rows[i].text), &resume, &limits,
		                           rows[i].head_request, &h) > 0);
		assert_int_equal(h.head.keep_alive, rows[i].keep_alive);
		assert_int_equal(h.head.until_close, rows[i].until_close);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_rows),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_incomplete),
		cmocka_unit_test(test_what_is_read),
		cmocka_unit_test(test_absolute_form_parts),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_content_type),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_response_rows),
		cmocka_unit_test(test_response_keep_alive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
