/* Prompts and messages: equal blocks are equal bytes, and what the server
 * reads out of the JSON is what the expected answer was computed from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "bench/load/message.h"
#include "bench/load/prompt.h"

#define BLOCK 2048

static bool is_utf8(const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		unsigned char c = (unsigned char)s[i];
		size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;

		if (n == 0 || n > len - i)
			return false;
		for (size_t k = 1; k < n; k++)
			if (((unsigned char)s[i + k] & 0xc0) != 0x80)
				return false;
		i += n;
	}
	return true;
}

static void test_blocks_are_functions_of_seed_and_id(void **state)
{
	char a[BLOCK], b[BLOCK];

	(void)state;
	sl_prompt_block(1, 42, a, BLOCK);
	sl_prompt_block(1, 42, b, BLOCK);
	assert_memory_equal(a, b, BLOCK);
	sl_prompt_block(1, 43, b, BLOCK);
	assert_memory_not_equal(a, b, 64);
	sl_prompt_block(2, 42, b, BLOCK);
	assert_memory_not_equal(a, b, 64);
}

static void test_every_cut_is_utf8_and_a_prefix(void **state)
{
	char whole[BLOCK], cut[BLOCK];

	(void)state;
	for (uint64_t id = 0; id < 8; id++) {
		sl_prompt_block(1, id, whole, BLOCK);
		for (size_t len = 0; len <= BLOCK; len++) {
			sl_prompt_block(1, id, cut, len);
			assert_true(is_utf8(cut, len));
			assert_memory_equal(whole, cut, len > 3 ? len - 3 : 0);
		}
	}
}

static void test_text_needs_escaping(void **state)
{
	char *text = malloc(100 * BLOCK);
	const char *wanted[] = { "\"", "\\", "\n", "\t", "\xc3\xa9", "\xf0\x9f\x8c\x8a", "[DONE]" };

	(void)state;
	for (uint64_t id = 0; id < 100; id++)
		sl_prompt_block(1, id, text + id * BLOCK, BLOCK);
	for (size_t i = 0; i < SL_COUNT(wanted); i++)
		assert_non_null(memmem(text, 100 * BLOCK, wanted[i], strlen(wanted[i])));
	free(text);
}

/* ---- messages ---- */

static uint64_t ids_a[] = { 7, 8, 9 };
static struct sl_trace_row row_a = { 0, 1100, 50, 0, 3, 0 };
static struct sl_trace trace_a = { .rows = &row_a, .n_rows = 1, .blocks = ids_a, .n_blocks = 3 };

static struct sl_shape shape(void)
{
	return (struct sl_shape){ .api = SL_API_CHAT,
		                  .stream = true,
		                  .bytes_per_token = 4,
		                  .tokens_scale = 1,
		                  .seed = 1,
		                  .model = "a \"model\"",
		                  .host = "h:1",
		                  .base_path = "/base",
		                  .headers = "X-Tenant: t\r\n" };
}

/* The body of a message as JSON; checks that the head announces its length. */
static cJSON *body_of(const struct sl_message *m)
{
	const char *body = memmem(m->ptr, m->len, "\r\n\r\n", 4);
	const char *length = memmem(m->ptr, m->len, "Content-Length: ", 16);
	cJSON *json;

	assert_non_null(body);
	assert_non_null(length);
	body += 4;
	assert_int_equal(strtoul(length + 16, NULL, 10), m->len - (size_t)(body - m->ptr));
	json = cJSON_ParseWithLength(body, m->len - (size_t)(body - m->ptr));
	assert_non_null(json);
	return json;
}

static const char *content_of(const cJSON *body)
{
	const cJSON *messages = cJSON_GetObjectItem(body, "messages");

	assert_int_equal(cJSON_GetArraySize(messages), 1);
	return cJSON_GetStringValue(
	        cJSON_GetObjectItem(cJSON_GetArrayItem(messages, 0), "content"));
}

static void check_said(const struct sl_sim_text *said, struct sl_sim_text *want)
{
	struct sl_sim_text copy = *said;
	char a[SL_SIM_TOKEN_BYTES], b[SL_SIM_TOKEN_BYTES];

	for (int i = 0; i < 8; i++) {
		sl_sim_text_next(&copy, a);
		sl_sim_text_next(want, b);
		assert_memory_equal(a, b, sizeof(a));
	}
}

static void test_chat_message(void **state)
{
	struct sl_shape s = shape();
	struct sl_message m;
	struct sl_sim_text said, want;
	cJSON *body;

	(void)state;
	sl_message_make(&s, &trace_a, 0, &m, &said);
	assert_memory_equal(m.ptr, "POST /base/v1/chat/completions HTTP/1.1\r\nHost: h:1\r\n", 52);
	assert_non_null(memmem(m.ptr, m.len, "\r\nX-Tenant: t\r\n", 15));
	body = body_of(&m);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(body, "model")),
	                    "a \"model\"");
	assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(body, "max_tokens")), 50);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(body, "ignore_eos")));
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(body, "stream")));
	assert_true(cJSON_IsTrue(
	        cJSON_GetObjectItem(cJSON_GetObjectItem(body, "stream_options"), "include_usage")));
	assert_int_equal(strlen(content_of(body)), 1100 * 4);
	sl_sim_text_init(&want, 0);
	sl_sim_text_message(&want, SL_SPAN("user"), sl_span_str(content_of(body)));
	sl_sim_text_answer(&want);
	check_said(&said, &want);
	cJSON_Delete(body);
	free(m.base);
}

static void test_completions_message(void **state)
{
	struct sl_shape s = shape();
	struct sl_message m;
	struct sl_sim_text said, want;
	const char *prompt;
	cJSON *body;

	(void)state;
	s.api = SL_API_COMPLETIONS;
	s.stream = false;
	sl_message_make(&s, &trace_a, 0, &m, &said);
	assert_memory_equal(m.ptr, "POST /base/v1/completions HTTP/1.1\r\n", 36);
	body = body_of(&m);
	assert_null(cJSON_GetObjectItem(body, "stream"));
	assert_null(cJSON_GetObjectItem(body, "stream_options"));
	prompt = cJSON_GetStringValue(cJSON_GetObjectItem(body, "prompt"));
	assert_int_equal(strlen(prompt), 1100 * 4);
	sl_sim_text_init(&want, 0);
	sl_sim_text_bytes(&want, sl_span_str(prompt));
	check_said(&said, &want);
	cJSON_Delete(body);
	free(m.base);
}

static void test_making_again_gives_the_same(void **state)
{
	struct sl_shape s = shape();
	struct sl_message a, b;
	struct sl_sim_text said;

	(void)state;
	sl_message_make(&s, &trace_a, 0, &a, &said);
	sl_message_make(&s, &trace_a, 0, &b, &said);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.ptr, b.ptr, a.len);
	free(a.base);
	free(b.base);
}

/* Requests that share k blocks share the bytes of k blocks, at any scale. */
static void test_shared_blocks_share_a_prefix(void **state)
{
	static const double scales[] = { 1, 0.1, 0.001, 2 };
	uint64_t ids[] = { 7, 8, 9, 7, 8, 10 };
	struct sl_trace_row rows[] = { { 0, 1300, 50, 0, 3, 0 }, { 0, 1500, 9, 3, 3, 0 } };
	struct sl_trace t = { .rows = rows, .n_rows = 2, .blocks = ids, .n_blocks = 6 };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(scales); i++) {
		struct sl_shape s = shape();
		struct sl_message m[2];
		struct sl_sim_text said;
		cJSON *body[2];
		uint32_t block;

		s.tokens_scale = scales[i];
		block = sl_shape_input_tokens(&s, &(struct sl_trace_row){ 0, 512, 1, 0, 1, 0 });
		for (size_t k = 0; k < 2; k++) {
			sl_message_make(&s, &t, k, &m[k], &said);
			body[k] = body_of(&m[k]);
			assert_int_equal(strlen(content_of(body[k])),
			                 4 * sl_shape_input_tokens(&s, &rows[k]));
		}
		assert_memory_equal(content_of(body[0]), content_of(body[1]), (size_t)8 * block);
		if (block > 16)
			assert_string_not_equal(content_of(body[0]) + 8 * block,
			                        content_of(body[1]) + 8 * block);
		for (size_t k = 0; k < 2; k++) {
			cJSON_Delete(body[k]);
			free(m[k].base);
		}
	}
}

static void test_scaled_lengths(void **state)
{
	struct sl_trace_row row = { 0, 1100, 3, 0, 3, 0 };
	struct sl_shape s = shape();

	(void)state;
	assert_int_equal(sl_shape_input_tokens(&s, &row), 1100);
	assert_int_equal(sl_shape_output_tokens(&s, &row), 3);
	s.tokens_scale = 0.125; /* 64 + 64 + 76 / 8 rounded */
	assert_int_equal(sl_shape_input_tokens(&s, &row), 138);
	assert_int_equal(sl_shape_output_tokens(&s, &row), 1);
	s.tokens_scale = 0.0001;
	assert_int_equal(sl_shape_input_tokens(&s, &row), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_are_functions_of_seed_and_id),
		cmocka_unit_test(test_every_cut_is_utf8_and_a_prefix),
		cmocka_unit_test(test_text_needs_escaping),
		cmocka_unit_test(test_chat_message),
		cmocka_unit_test(test_completions_message),
		cmocka_unit_test(test_making_again_gives_the_same),
		cmocka_unit_test(test_shared_blocks_share_a_prefix),
		cmocka_unit_test(test_scaled_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
