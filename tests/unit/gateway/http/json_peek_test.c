/* Peeking at engines' JSON answers. */
#include "gateway/http/sse.h"

#include "golden.h"

static void test_member(void **state)
{
	static const struct {
		const char *json, *want;
	} rows[] = {
		{ "{\"k\":1}", "1" },
		{ " \t\r\n{ \"k\" : 1 }", "1" },
		{ "{\"k\":\"a b\"}", "\"a b\"" },
		{ "{\"k\":\"a\\\"}b\"}", "\"a\\\"}b\"" },
		{ "{\"k\":\"\\\\\",\"l\":2}", "\"\\\\\"" },
		{ "{\"k\":{\"k\":[1,{}]},\"x\":1}", "{\"k\":[1,{}]}" },
		{ "{\"k\":[1, \"]\" ]}", "[1, \"]\" ]" },
		{ "{\"k\":-1.5e3 ,\"x\":1}", "-1.5e3" },
		{ "{\"k\":null}", "null" },
		{ "{\"a\":{\"k\":1},\"k\":2}", "2" },
		{ "{\"a\":\"\\\"k\\\":9\",\"k\":2}", "2" },
		{ "{\"a\":[{\"k\":1}],\"k\":2}", "2" },
		{ "{\"a\":true,\"kk\":1,\"k\":2}", "2" },
		{ "{\"k\":1,\"k\":2}", "1" },
		{ "{\"k\": 12345678901234567890}", "12345678901234567890" },
		{ "{\"k\":2} trailing", "2" },
		{ "{}", "" },
		{ "{\"a\":1}", "" },
		{ "[\"k\",1]", "" },
		{ "\"k\":1", "" },
		{ "{\"k\"", "" },
		{ "{\"k\":", "" },
		{ "{\"k\":1", "" }, /* may go on: 12 */
		{ "{\"k\":\"x", "" },
		{ "{\"k\":{\"x\":1}", "{\"x\":1}" },
		{ "{\"k\":{\"x\":1", "" },
		{ "{\"k\":}", "" },
		{ "{\"a\" 1,\"k\":1}", "" },
		{ "{\"a\":1 \"k\":1}", "" },
		{ "{a:1,\"k\":1}", "" },
		{ "{,\"k\":1}", "" },
		{ "", "" },
		{ "{", "" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		size_t len = strlen(rows[i].json);
		char *copy = malloc(len ? len : 1);
		struct sl_span got;

		assert_non_null(copy);
		memcpy(copy, rows[i].json, len);
		got = sl_json_member(copy, len, SL_SPAN("k"));
		if (!sl_span_eq(got, sl_span_str(rows[i].want)))
			fail_msg("%s: %.*s", rows[i].json, (int)got.len, got.ptr);
		free(copy);
	}
}

/* What would cost a recursive reader its stack. */
static void test_deep(void **state)
{
	size_t depth = 1000000;
	char *json = malloc(2 * depth + 32);
	size_t n;

	(void)state;
	assert_non_null(json);
	n = (size_t)sprintf(json, "{\"a\":");
	memset(json + n, '[', depth);
	memset(json + n + depth, ']', depth);
	n += 2 * depth;
	n += (size_t)sprintf(json + n, ",\"k\":7}");
	assert_true(sl_span_eq(sl_json_member(json, n, SL_SPAN("k")), SL_SPAN("7")));
	memset(json, '{', n);
	assert_int_equal(sl_json_member(json, n, SL_SPAN("k")).len, 0);
	memset(json, '\\', n);
	memcpy(json, "{\"", 2);
	assert_int_equal(sl_json_member(json, n, SL_SPAN("k")).len, 0);
	free(json);
}

static void test_usage(void **state)
{
	static const struct {
		const char *json;
		bool found;
		struct sl_usage want;
	} rows[] = {
		{ "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}", true, { 5, 7, -1 } },
		{ "{\"usage\":{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":4}}"
		  "}",
		  true,
		  { 5, -1, 4 } },
		{ "{\"usage\":{\"prompt_tokens\":5,\"prompt_tokens_details\":null}}",
		  true,
		  { 5, -1, -1 } },
		{ "{\"usage\":{\"input_tokens\":5,\"output_tokens\":6,"
		  "\"cache_read_input_tokens\":3}}",
		  true,
		  { 5, 6, 3 } },
		{ "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9}}}",
		  true,
		  { 9, -1, -1 } },
		{ "{\"response\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1,"
		  "\"input_tokens_details\":{\"cached_tokens\":8}}}}",
		  true,
		  { 9, 1, 8 } },
		{ "{\"usage\":{}}", true, { -1, -1, -1 } },
		{ "{\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":1.5}}",
		  true,
		  { -1, -1, -1 } },
		{ "{\"usage\":{\"prompt_tokens\":\"5\",\"completion_tokens\":null}}",
		  true,
		  { -1, -1, -1 } },
		{ "{\"usage\":{\"prompt_tokens\":9999999999999999999999}}", true, { -1, -1, -1 } },
		{ "{\"usage\":null}", false, { -1, -1, -1 } },
		{ "{\"usage\":[1]}", false, { -1, -1, -1 } },
		{ "{\"choices\":[{\"usage\":{\"prompt_tokens\":5}}]}", true, { 5, -1, -1 } },
		{ "{\"a\":{\"usage\":{\"prompt_tokens\":5}},\"usage\":{\"prompt_tokens\":6}}",
		  true,
		  { 6, -1, -1 } },
		{ "{\"usage\":{\"prompt_tokens\":5}", true, { 5, -1, -1 } },
		{ "{\"usage\":{\"prompt_tokens\":5", false, { -1, -1, -1 } },
		{ "{\"text\":\"\\\"usage\\\":{\\\"prompt_tokens\\\":5}\"}", false, { -1, -1, -1 } },
		{ "usage", false, { -1, -1, -1 } },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_usage u;

		sl_usage_init(&u);
		if (sl_usage_read(rows[i].json, strlen(rows[i].json), &u) != rows[i].found ||
		    memcmp(&u, &rows[i].want, sizeof(u)) != 0)
			fail_msg("%s", rows[i].json);
	}
}

static void test_real_prefill(void **state)
{
	size_t len;
	char *bytes = golden_read("vllm_prefill_chat.resp", &len);
	char *json = strstr(bytes, "\r\n\r\n") + 4;
	size_t n = len - (size_t)(json - bytes);
	struct sl_span kv = sl_json_member(json, n, SL_SPAN("kv_transfer_params"));
	struct sl_usage u;

	(void)state;
	assert_true(kv.len > 300);
	assert_memory_equal(kv.ptr, "{\"do_remote_prefill\":true,", 26);
	assert_int_equal(kv.ptr[kv.len - 1], '}');
	assert_true(sl_span_eq(sl_json_member(kv.ptr, kv.len, SL_SPAN("transfer_mode")),
	                       SL_SPAN("\"pull\"")));
	sl_usage_init(&u);
	assert_true(sl_usage_read(json, n, &u));
	assert_true(u.prompt_tokens > 0);
	assert_int_equal(u.completion_tokens, 1);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_member),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_real_prefill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
