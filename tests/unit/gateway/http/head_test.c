/* What a field's name alone decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/http/head.h"

static const struct {
	const char *name;
	enum sl_field_class cls;
} names[] = {
	{ "te", SL_FC_HOP },
	{ "host", SL_FC_HOST },
	{ "expect", SL_FC_EXPECT },
	{ "upgrade", SL_FC_HOP },
	{ "trailer", SL_FC_HOP },
	{ "connection", SL_FC_HOP },
	{ "keep-alive", SL_FC_HOP },
	{ "content-type", SL_FC_CONTENT_TYPE },
	{ "x-request-id", SL_FC_REQUEST_ID },
	{ "authorization", SL_FC_AUTH },
	{ "content-length", SL_FC_FRAMING },
	{ "http2-settings", SL_FC_HOP },
	{ "accept-encoding", SL_FC_ACCEPT_ENCODING },
	{ "proxy-connection", SL_FC_HOP },
	{ "transfer-encoding", SL_FC_FRAMING },
	{ "proxy-authenticate", SL_FC_HOP },
	{ "proxy-authorization", SL_FC_HOP },
	{ "x-data-parallel-rank", SL_FC_PRIVATE },
	{ "x-prefiller-host-port", SL_FC_PRIVATE },
	{ "x-gateway-destination-endpoint", SL_FC_PRIVATE },
	{ "x-sluice-tenant", SL_FC_PRIVATE },
	{ "accept", SL_FC_PLAIN },
	{ "user-agent", SL_FC_PLAIN },
	{ "x-sluic", SL_FC_PLAIN },
	{ "x-prefill", SL_FC_PLAIN },
	{ "x-request-ip", SL_FC_PLAIN },
	{ "content-lengths", SL_FC_PLAIN },
	{ "x", SL_FC_PLAIN },
	{ "", SL_FC_PLAIN },
	{ "a-name-that-is-longer-than-every-known-one", SL_FC_PLAIN },
};

static void test_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(names); i++) {
		char upper[64], under[64];
		size_t len = strlen(names[i].name);
		enum sl_field_class want = names[i].cls;

		for (size_t j = 0; j < len; j++) {
			char c = names[i].name[j];

			upper[j] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
			under[j] = c == '-' ? '_' : c;
		}
		if (sl_field_class(sl_span(names[i].name, len)) != want ||
		    sl_field_class(sl_span(upper, len)) != want)
			fail_msg("%s", names[i].name);
		/* spelt with `_` it means nothing to us, and must go no further */
		if (memchr(under, '_', len) && want != SL_FC_PLAIN && want != SL_FC_PRIVATE)
			want = SL_FC_HOP;
		if (sl_field_class(sl_span(under, len)) != want)
			fail_msg("%s with underscores", names[i].name);
	}
}

static void test_unindexed(void **state)
{
	static const struct {
		const char *name;
		bool want;
	} rows[] = {
		{ "etag", true },           { "x-request-id", true },
		{ "content-length", true }, { "authorization", true },
		{ "set-cookie", true },     { "server-timing", true },
		{ "x-proxy-timing", true }, { "x-envoy-upstream-ms", true },
		{ "content-type", false },  { "server", false },
		{ ":status", false },       { "", false },
		{ "timing", false },        { "date", false },
		{ "retry-after", true },    { "traceparent", true },
		{ "-timing", false },       { "a-very-long-name-that-is-nothing", false },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++)
		if (sl_field_unindexed(sl_span_str(rows[i].name)) != rows[i].want)
			fail_msg("%s", rows[i].name);
}

static void test_put_lower(void **state)
{
	char in[40], out[41], want[40];

	(void)state;
	for (int c = 0; c < 256; c++) {
		for (size_t n = 0; n <= sizeof(in); n++) {
			memset(in, c, n);
			if (n)
				in[n / 2] = 'Q';
			for (size_t i = 0; i < n; i++)
				want[i] = in[i] >= 'A' && in[i] <= 'Z' ? (char)(in[i] + 32) : in[i];
			out[n] = '#';
			assert_ptr_equal(sl_put_lower(out, sl_span(in, n)), out + n);
			assert_memory_equal(out, want, n);
			assert_int_equal(out[n], '#');
		}
	}
}

static void test_put_decimal(void **state)
{
	static const uint64_t numbers[] = { 0, 9, 10, 200, 4294967296u, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(numbers); i++) {
		char got[21] = { 0 }, want[24];

		snprintf(want, sizeof(want), "%llu", (unsigned long long)numbers[i]);
		*sl_put_decimal(got, numbers[i]) = 0;
		assert_string_equal(got, want);
	}
}

static void test_find(void **state)
{
	static const struct sl_hfield fields[] = {
		{ { "X-A", 3 }, { "1", 1 }, 0 },
		{ { "x-b", 3 }, { "2", 1 }, 0 },
		{ { "x-a", 3 }, { "3", 1 }, 0 },
	};
	struct sl_head head = { .fields = fields, .n_fields = 3 };

	(void)state;
	assert_ptr_equal(sl_head_find(&head, SL_SPAN("x-a")), &fields[0]);
	assert_ptr_equal(sl_head_find(&head, SL_SPAN("x-b")), &fields[1]);
	assert_null(sl_head_find(&head, SL_SPAN("x-")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_class),     cmocka_unit_test(test_unindexed),
		cmocka_unit_test(test_put_lower), cmocka_unit_test(test_put_decimal),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
