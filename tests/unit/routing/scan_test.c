/* scan_test.c: the grammar, the place and kind of every refusal, and that the
 * result does not depend on how the body arrived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after the four that cmocka needs */
#include <cmocka.h>

#include "scan_help.h"

static const char *const valid[] = {
	"{}",
	" \t\r\n{ \n} \r\n",
	"{\"a\":0}",
	"{\"a\":-0,\"b\":-0.0,\"c\":10,\"d\":1.5,\"e\":1e5,\"f\":1E+5,\"g\":1.25e-5,\"h\":0e0}",
	"{\"a\":1e400,\"b\":9223372036854775807,\"c\":123456789012345678901234567890.5}",
	"{\"a\":true,\"b\":false,\"c\":null}",
	"{ \"a\" : [ ] , \"b\" : { } , \"c\" : [ 1 , [ 2 , { \"d\" : [ ] } ] ] }",
	"{\"\":\"\"}",
	"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\\ud800\\uDc00x\"}",
	"{\"a\":"
	"\"\x7f\xc2\x80\xe4\xbd\xa0\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}",
	"{\"\xc3\xa9\\n\":1,\"\xc3\xa9\\n\":2}",
	"{\"unknown\":1,\"unknown\":2}",
	"{\"x\":{\"model\":1,\"model\":2,\"kv_transfer_params\":{}},\"model\":\"m\"}",
	"{\"model\":null,\"stream\":null,\"messages\":5,\"tools\":\"t\",\"stop\":[\"a\",\"b\"]}",
	"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\\u4f60\"}]}]"
	"}",
};

static const struct {
	const char *text;
	int err;
	size_t offset; /* SIZE_MAX: the body's length */
	const char *field;
} invalid[] = {
	{ "", SL_E_BAD_JSON, 0, "" },
	{ "  ", SL_E_BAD_JSON, SIZE_MAX, "" },
	{ "[]", SL_E_BAD_JSON, 0, "" },
	{ " \"x\"", SL_E_BAD_JSON, 1, "" },
	{ "null", SL_E_BAD_JSON, 0, "" },
	{ "\xef\xbb\xbf{}", SL_E_BAD_JSON, 0, "" },
	{ "{", SL_E_BAD_JSON, SIZE_MAX, "" },
	{ "{\"a", SL_E_BAD_JSON, SIZE_MAX, "" },
	{ "{\"a\"", SL_E_BAD_JSON, SIZE_MAX, "" },
	{ "{\"a\":", SL_E_BAD_JSON, SIZE_MAX, "" },
	{ "{\"a\":1", SL_E_BAD_JSON, SIZE_MAX, "" },
	{ "{\"a\":tru", SL_E_BAD_JSON, SIZE_MAX, "" },
	{ "{\"a\":\"\\u12", SL_E_BAD_JSON, SIZE_MAX, "" },
	{ "{\"a\":\"\xe4\xbd", SL_E_BAD_JSON, SIZE_MAX, "" },
	{ "{\"a\":[1,", SL_E_BAD_JSON, SIZE_MAX, "" },
	{ "{}x", SL_E_BAD_JSON, 2, "" },
	{ "{} {}", SL_E_BAD_JSON, 3, "" },
	{ "{}}", SL_E_BAD_JSON, 2, "" },
	{ "{,}", SL_E_BAD_JSON, 1, "" },
	{ "{\"a\":1,}", SL_E_BAD_JSON, 7, "" },
	{ "{\"a\":1 \"b\":2}", SL_E_BAD_JSON, 7, "" },
	{ "{\"a\":1,,\"b\":2}", SL_E_BAD_JSON, 7, "" },
	{ "{a:1}", SL_E_BAD_JSON, 1, "" },
	{ "{'a':1}", SL_E_BAD_JSON, 1, "" },
	{ "{1:1}", SL_E_BAD_JSON, 1, "" },
	{ "{\"a\" 1}", SL_E_BAD_JSON, 5, "" },
	{ "{\"a\"::1}", SL_E_BAD_JSON, 5, "" },
	{ "{\"a\":}", SL_E_BAD_JSON, 5, "" },
	{ "{\"a\":[1,]}", SL_E_BAD_JSON, 8, "" },
	{ "{\"a\":[,1]}", SL_E_BAD_JSON, 6, "" },
	{ "{\"a\":[1 2]}", SL_E_BAD_JSON, 8, "" },
	{ "{\"a\":[1}", SL_E_BAD_JSON, 7, "" },
	{ "{\"a\":{]}", SL_E_BAD_JSON, 6, "" },
	{ "{\"a\":1]", SL_E_BAD_JSON, 6, "" },
	{ "{\"a\":[}", SL_E_BAD_JSON, 6, "" },
	{ "{\"a\":\v1}", SL_E_BAD_JSON, 5, "" },
	{ "{\"a\":\xa0"
	  "1}",
	  SL_E_BAD_JSON, 5, "" },
	{ "{\"a\":01}", SL_E_BAD_JSON, 6, "" },
	{ "{\"a\":-}", SL_E_BAD_JSON, 6, "" },
	{ "{\"a\":-a}", SL_E_BAD_JSON, 6, "" },
	{ "{\"a\":+1}", SL_E_BAD_JSON, 5, "" },
	{ "{\"a\":.5}", SL_E_BAD_JSON, 5, "" },
	{ "{\"a\":1.}", SL_E_BAD_JSON, 7, "" },
	{ "{\"a\":1.e5}", SL_E_BAD_JSON, 7, "" },
	{ "{\"a\":1e}", SL_E_BAD_JSON, 7, "" },
	{ "{\"a\":1e+}", SL_E_BAD_JSON, 8, "" },
	{ "{\"a\":1e5.5}", SL_E_BAD_JSON, 8, "" },
	{ "{\"a\":--1}", SL_E_BAD_JSON, 6, "" },
	{ "{\"a\":0x10}", SL_E_BAD_JSON, 6, "" },
	{ "{\"a\":NaN}", SL_E_BAD_JSON, 5, "" },
	{ "{\"a\":Infinity}", SL_E_BAD_JSON, 5, "" },
	{ "{\"a\":True}", SL_E_BAD_JSON, 5, "" },
	{ "{\"a\":trux}", SL_E_BAD_JSON, 8, "" },
	{ "{\"a\":nul}", SL_E_BAD_JSON, 8, "" },
	{ "{\"a\":truee}", SL_E_BAD_JSON, 9, "" },
	{ "{\"a\":\"\n\"}", SL_E_BAD_JSON, 6, "" },
	{ "{\"a\":\"b\x1f\"}", SL_E_BAD_JSON, 7, "" },
	{ "{\"a\nb\":1}", SL_E_BAD_JSON, 3, "" },
	{ "{\"a\":\"\\x\"}", SL_E_BAD_JSON, 7, "" },
	{ "{\"a\":\"\\u12g4\"}", SL_E_BAD_JSON, 10, "" },
	{ "{\"a\":\"\\u12\"}", SL_E_BAD_JSON, 10, "" },
	{ "{\"a\":\"\\u123\"}", SL_E_BAD_JSON, 11, "" },
	{ "{\"a\":\"\\u123x\"}", SL_E_BAD_JSON, 11, "" },
	{ "{\"a\":\"\\'\"}", SL_E_BAD_JSON, 7, "" },
	{ "{\"a\":\"\x80\"}", SL_E_BAD_UTF8, 6, "" },
	{ "{\"a\":\"\xc0\xaf\"}", SL_E_BAD_UTF8, 6, "" },
	{ "{\"a\":\"\xc3\"}", SL_E_BAD_UTF8, 7, "" },
	{ "{\"a\":\"\xe0\x80\x80\"}", SL_E_BAD_UTF8, 7, "" },
	{ "{\"a\":\"\xe4\xbd\"}", SL_E_BAD_UTF8, 8, "" },
	{ "{\"a\":\"\xed\xa0\x80\"}", SL_E_BAD_UTF8, 7, "" },
	{ "{\"a\":\"\xf0\x80\x80\x80\"}", SL_E_BAD_UTF8, 7, "" },
	{ "{\"a\":\"\xf4\x90\x80\x80\"}", SL_E_BAD_UTF8, 7, "" },
	{ "{\"a\":\"\xf5\x80\x80\x80\"}", SL_E_BAD_UTF8, 6, "" },
	{ "{\"\xff\":1}", SL_E_BAD_UTF8, 2, "" },
	{ "{\"a\":\"\xf0\x9f\x98x\"}", SL_E_BAD_UTF8, 9, "" },
	{ "{\"model\":\"a\",\"model\":\"b\"}", SL_E_DUPLICATE_FIELD, 13, "model" },
	{ "{\"m\\u006fdel\":\"a\", \"model\":\"b\"}", SL_E_DUPLICATE_FIELD, 19, "model" },
	{ "{\"model\":\"a\",\"\\u006d\\u006F\\u0064el\":\"b\"}", SL_E_DUPLICATE_FIELD, 13,
	  "model" },
	{ "{\"user\":1,\"x\":{},\"user\":1}", SL_E_DUPLICATE_FIELD, 17, "user" },
	{ "{\"kv_transfer_params\":null,\"\\u006bv_transfer_params\":{}}", SL_E_DUPLICATE_FIELD, 27,
	  "kv_transfer_params" },
	{ "{\"model\": 5}", SL_E_BAD_FIELD, 10, "model" },
	{ "{\"model\": [\"a\"]}", SL_E_BAD_FIELD, 10, "model" },
	{ "{\"x\":1,\"stream\":\"true\"}", SL_E_BAD_FIELD, 16, "stream" },
	{ "{\"str\\u0065am\":1}", SL_E_BAD_FIELD, 15, "stream" },
};

static void accepts_what_the_grammar_allows(void **state)
{
	struct scanned got;

	(void)state;
	for (size_t i = 0; i < SL_COUNT(valid); i++) {
		scan_text(SL_API_CHAT, valid[i], strlen(valid[i]), &got);
		if (got.err)
			fail_msg("refused at %zu: %s", got.offset, valid[i]);
		assert_int_equal(got.facts.body_len, strlen(valid[i]));
	}
}

static void refuses_where_the_fault_is(void **state)
{
	struct scanned got;

	(void)state;
	for (size_t i = 0; i < SL_COUNT(invalid); i++) {
		size_t len = strlen(invalid[i].text);
		size_t want = invalid[i].offset == SIZE_MAX ? len : invalid[i].offset;

		scan_text(SL_API_CHAT, invalid[i].text, len, &got);
		if (got.err != invalid[i].err || got.offset != want)
			fail_msg("error %d at %zu, want %d at %zu: %s", got.err, got.offset,
			         invalid[i].err, want, invalid[i].text);
		assert_string_equal(got.field, invalid[i].field);
	}
}

static void nul_is_no_white_space(void **state)
{
	struct scanned got;

	(void)state;
	scan_text(SL_API_CHAT, "{}\0", 3, &got);
	assert_int_equal(got.err, SL_E_BAD_JSON);
	assert_int_equal(got.offset, 2);
	scan_text(SL_API_CHAT, "{\"a\0\":1}", 8, &got);
	assert_int_equal(got.err, SL_E_BAD_JSON);
	assert_int_equal(got.offset, 3);
}

static void an_empty_body_may_be_null(void **state)
{
	struct sl_scan *scan = sl_scan_new();
	struct sl_facts facts;

	(void)state;
	sl_scan_reset(scan, SL_API_CHAT);
	assert_int_equal(sl_scan_feed(scan, NULL, 0, 0), 0);
	assert_int_equal(sl_scan_finish(scan, NULL, &facts), SL_E_BAD_JSON);
	assert_int_equal(sl_scan_offset(scan), 0);
	sl_scan_free(scan);
}

/* {"a":[[[...]]]} with this many containers in all. */
static size_t nest(char *out, size_t depth, char open, char close)
{
	size_t n = 0;

	n += (size_t)sprintf(out, "{\"a\":");
	for (size_t i = 1; i < depth; i++)
		n += (size_t)sprintf(out + n, open == '[' ? "[" : i + 1 < depth ? "{\"b\":" : "{");
	for (size_t i = 1; i < depth; i++)
		out[n++] = close;
	out[n++] = '}';
	return n;
}

static void depth_is_limited(void **state)
{
	char text[2048];
	struct scanned got;
	size_t len;

	(void)state;
	len = nest(text, SL_SCAN_MAX_DEPTH, '[', ']');
	scan_text(SL_API_CHAT, text, len, &got);
	assert_int_equal(got.err, 0);
	len = nest(text, SL_SCAN_MAX_DEPTH + 1, '[', ']');
	scan_text(SL_API_CHAT, text, len, &got);
	assert_int_equal(got.err, SL_E_JSON_DEPTH);
	assert_int_equal(got.offset, 5 + SL_SCAN_MAX_DEPTH - 1);
	len = nest(text, SL_SCAN_MAX_DEPTH, '{', '}');
	scan_text(SL_API_CHAT, text, len, &got);
	assert_int_equal(got.err, 0);
	len = nest(text, SL_SCAN_MAX_DEPTH + 1, '{', '}');
	scan_text(SL_API_CHAT, text, len, &got);
	assert_int_equal(got.err, SL_E_JSON_DEPTH);
}

/* Every text of this file, whole against cut: at each byte once, into single
 * bytes, and at random. */
static void expect_cuts_do_not_matter(const char *text, size_t len)
{
	struct scanned whole;
	struct scanned cut;
	struct sl_scan *scan = sl_scan_new();

	scan_text(SL_API_CHAT, text, len, &whole);
	for (size_t at = 1; at < len; at++) {
		int err;

		sl_scan_reset(scan, SL_API_CHAT);
		err = sl_scan_feed(scan, text, 0, at);
		if (!err)
			err = sl_scan_feed(scan, text, at, len - at);
		if (err)
			keep_result(scan, err, &cut);
		else
			finish_scan(scan, text, &cut);
		expect_same(&whole, &cut);
	}
	scan_pieces(SL_API_CHAT, text, len, 1, 1, &cut);
	expect_same(&whole, &cut);
	for (uint64_t seed = 1; seed <= 5; seed++) {
		scan_pieces(SL_API_CHAT, text, len, 7, seed, &cut);
		expect_same(&whole, &cut);
	}
	sl_scan_free(scan);
}

static void cuts_do_not_matter(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(valid); i++)
		expect_cuts_do_not_matter(valid[i], strlen(valid[i]));
	for (size_t i = 0; i < SL_COUNT(invalid); i++)
		expect_cuts_do_not_matter(invalid[i].text, strlen(invalid[i].text));
}

/* A conversation of about `len` bytes with escapes, CJK, tool calls and an
 * image, so that blocks end in and across segments. */
static size_t converse(char *out, size_t len, uint64_t seed)
{
	static const char *const pieces[] = { "word ",           "\\n",
		                              "\\\"x\\\"",       "\xe4\xbd\xa0\xe5\xa5\xbd",
		                              "\\u00e9",         "a long plain piece of text, ",
		                              "\xf0\x9f\x98\x80" };
	static const char *const openings[] = {
		"{\"role\":\"user\",\"content\":\"",
		" { \"content\" : \"",
		"{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":"
		"\"f\","
		"\"arguments\":\"",
		"{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"",
	};
	static const char *const closings[] = { "\"}", "\" , \"role\" : \"assistant\" } ",
		                                "\"}}],\"content\":null}",
		                                "\"}},{\"type\":\"text\",\"text\":\"see\"}]}" };
	struct sl_rng rng = { seed };
	size_t n = (size_t)sprintf(out, "{\"model\":\"m\",\"messages\":[");

	while (n < len) {
		size_t kind = sl_rng_next(&rng) % SL_COUNT(openings);
		size_t words = sl_rng_next(&rng) % 400;

		n += (size_t)sprintf(out + n, "%s", openings[kind]);
		while (words--)
			n += (size_t)sprintf(out + n, "%s",
			                     pieces[(sl_rng_next(&rng) >> 8) % SL_COUNT(pieces)]);
		n += (size_t)sprintf(out + n, "%s,", closings[kind]);
	}
	n--; /* the last comma */
	return n + (size_t)sprintf(out + n, "],\"tools\":[{\"a\": 1}],\"stream\":true}");
}

static void cuts_do_not_matter_in_long_prompts(void **state)
{
	const size_t room = 120000;
	char *text = malloc(room + 20000);
	struct scanned *whole = malloc(sizeof(*whole));
	struct scanned *cut = malloc(sizeof(*cut));

	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		size_t len = converse(text, seed == 6 ? room : 3000 * seed, seed);

		scan_text(SL_API_CHAT, text, len, whole);
		assert_int_equal(whole->err, 0);
		assert_true(whole->facts.n_blocks > 5);
		for (size_t most = 1; most < 40000; most = most * 3 + 1) {
			if (len / most > 3000)
				continue;
			scan_pieces(SL_API_CHAT, text, len, most, seed, cut);
			expect_same(whole, cut);
		}
	}
	free(cut);
	free(whole);
	free(text);
}

static void variants_see_the_same(void **state)
{
	const char *usual = sl_scan_simd_name();
	static const char *const names[] = { "scalar", "sse2", "avx2", "neon" };
	char *text = malloc(60000);
	struct scanned want;
	struct scanned got;
	size_t len = converse(text, 30000, 99);

	(void)state;
	scan_text(SL_API_CHAT, text, len, &want);
	for (size_t k = 0; k < SL_COUNT(names); k++) {
		if (!sl_scan_simd_use(names[k]))
			continue;
		scan_text(SL_API_CHAT, text, len, &got);
		expect_same(&want, &got);
		accepts_what_the_grammar_allows(state);
		refuses_where_the_fault_is(state);
	}
	assert_true(sl_scan_simd_use(usual));
	free(text);
}

/* One scanner for many bodies, good and bad, as a connection uses it. */
static void a_scanner_is_used_again(void **state)
{
	struct sl_scan *scan = sl_scan_new();
	struct sl_facts facts;
	struct scanned want;

	(void)state;
	for (size_t i = 0; i < SL_COUNT(valid); i++) {
		sl_scan_reset(scan, SL_API_CHAT);
		assert_int_not_equal(sl_scan_feed(scan, "{\"model\":[", 0, 10), 0);
		sl_scan_reset(scan, SL_API_OTHER);
		assert_int_equal(sl_scan_feed(scan, "{\"tools\":[{\"a", 0, 13), 0);
		sl_scan_reset(scan, SL_API_CHAT);
		assert_int_equal(sl_scan_feed(scan, valid[i], 0, strlen(valid[i])), 0);
		assert_int_equal(sl_scan_finish(scan, valid[i], &facts), 0);
		scan_text(SL_API_CHAT, valid[i], strlen(valid[i]), &want);
		for (int f = 0; f < SL_F_COUNT; f++)
			expect_same_member(&facts.member[f], &want.facts.member[f]);
		assert_int_equal(facts.has_tools, want.facts.has_tools);
		assert_int_equal(facts.prompt_bytes, want.facts.prompt_bytes);
	}
	sl_scan_free(scan);
	sl_scan_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_what_the_grammar_allows),
		cmocka_unit_test(refuses_where_the_fault_is),
		cmocka_unit_test(nul_is_no_white_space),
		cmocka_unit_test(an_empty_body_may_be_null),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(cuts_do_not_matter),
		cmocka_unit_test(cuts_do_not_matter_in_long_prompts),
		cmocka_unit_test(variants_see_the_same),
		cmocka_unit_test(a_scanner_is_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
