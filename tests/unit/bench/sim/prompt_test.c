/* prompt_test.c: prompts become the bytes and tokens that prompt.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "bench/sim/prompt.h"

static struct sl_sim_prompt chat(const char *body)
{
	struct sl_sim_prompt p = { 0 };
	cJSON *json = cJSON_Parse(body);

	assert_non_null(json);
	assert_true(sl_sim_prompt_chat(&p, json));
	cJSON_Delete(json);
	return p;
}

static struct sl_sim_prompt completion(const char *prompt)
{
	struct sl_sim_prompt p = { 0 };
	cJSON *json = cJSON_Parse(prompt);

	assert_non_null(json);
	assert_true(sl_sim_prompt_completion(&p, json));
	cJSON_Delete(json);
	return p;
}

static void assert_prompt(struct sl_sim_prompt p, const char *bytes, uint32_t tokens)
{
	assert_int_equal(p.bytes.len, strlen(bytes));
	assert_memory_equal(p.bytes.ptr, bytes, p.bytes.len);
	assert_int_equal(p.n_tokens, tokens);
	sl_sim_prompt_fini(&p);
}

static void test_chat(void **state)
{
	(void)state;
	assert_prompt(chat("{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
	                   "{\"role\":\"user\",\"content\":\"Hi\"}]}"),
	              "system\x1f"
	              "Be brief.\x1e"
	              "user\x1f"
	              "Hi\x1e"
	              "assistant\x1f",
	              2 + 1 + 3 + 1 + 1 + 1 + 1 + 1 + 3 + 1);
}

static void test_parts_tools_and_calls(void **state)
{
	(void)state;
	assert_prompt(
	        chat("{\"tools\":[ {\"a\": 1} ],\"messages\":[{\"role\":\"user\",\"content\":"
	             "[{\"type\":\"text\",\"text\":\"ab\"},{\"type\":\"image_url\",\"u\":1}]},"
	             "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":1}]}],"
	             "\"add_generation_prompt\":false}"),
	        "tools\x1f[{\"a\":1}]\x1e"
	        "user\x1f"
	        "ab{\"type\":\"image_url\",\"u\":1}\x1e"
	        "assistant\x1f[{\"id\":1}]\x1e",
	        (2 + 1 + 3 + 1) + (1 + 1 + 7 + 1) + (3 + 1 + 3 + 1));
}

/* The next turn of a conversation repeats bytes and tokens of the last. */
static void test_next_turn_begins_like_the_last(void **state)
{
	struct sl_sim_prompt one = chat("{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}");
	struct sl_sim_text text = sl_sim_prompt_text(&one, 0);
	struct sl_sim_buf body = { 0 };
	struct sl_sim_prompt two;
	char words[5 * SL_SIM_TOKEN_BYTES + 1] = "";

	(void)state;
	for (int i = 0; i < 5; i++)
		sl_sim_text_next(&text, words + i * SL_SIM_TOKEN_BYTES);
	sl_sim_buf_printf(&body,
	                  "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},"
	                  "{\"role\":\"assistant\",\"content\":\"%s\"},"
	                  "{\"role\":\"user\",\"content\":\"More\"}]}",
	                  words);
	two = chat(body.ptr);
	assert_true(two.n_tokens > one.n_tokens + 5);
	assert_memory_equal(two.tokens, one.tokens, one.n_tokens * sizeof(*one.tokens));
	assert_memory_equal(two.tokens + one.n_tokens, words, 5 * SL_SIM_TOKEN_BYTES);
	sl_sim_prompt_fini(&one);
	sl_sim_prompt_fini(&two);
	sl_sim_buf_fini(&body);
}

static void test_continues_the_final_message(void **state)
{
	struct sl_sim_prompt whole =
	        chat("{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}");
	struct sl_sim_text text = sl_sim_prompt_text(&whole, 0), rest;
	uint32_t all = sl_sim_prompt_natural_tokens(&whole);
	struct sl_sim_buf body = { 0 };
	struct sl_sim_prompt begun;
	char words[6 * SL_SIM_TOKEN_BYTES + 1] = "", next[SL_SIM_TOKEN_BYTES];
	char wanted[SL_SIM_TOKEN_BYTES];

	(void)state;
	for (int i = 0; i < 6; i++)
		sl_sim_text_next(&text, words + i * SL_SIM_TOKEN_BYTES);
	sl_sim_text_next(&text, wanted);
	sl_sim_buf_printf(&body,
	                  "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},"
	                  "{\"role\":\"assistant\",\"content\":\"%s\"}],"
	                  "\"continue_final_message\":true,\"add_generation_prompt\":false}",
	                  words);
	begun = chat(body.ptr);
	rest = sl_sim_prompt_text(&begun, 0);
	sl_sim_text_next(&rest, next);
	assert_memory_equal(next, wanted, sizeof(next));
	assert_int_equal(sl_sim_prompt_natural_tokens(&begun), all - 6);
	sl_sim_prompt_fini(&whole);
	sl_sim_prompt_fini(&begun);
	sl_sim_buf_fini(&body);
}

/* Sent as ids, a prompt is still the same prompt. */
static void test_ids_are_the_text_again(void **state)
{
	struct sl_sim_prompt text = completion("\"The g\xc3\xa4teway, it sends!\""), ids;
	struct sl_sim_buf list = { 0 };

	(void)state;
	for (uint32_t i = 0; i < text.n_tokens; i++)
		sl_sim_buf_printf(&list, "%s%u", i ? "," : "[", text.tokens[i]);
	sl_sim_buf_str(&list, "]");
	sl_sim_buf_add(&list, sl_span("", 1));
	ids = completion(list.ptr);
	assert_int_equal(ids.bytes.len, text.bytes.len);
	assert_memory_equal(ids.bytes.ptr, text.bytes.ptr, ids.bytes.len);
	assert_true(sl_sim_prompt_hash(&ids) == sl_sim_prompt_hash(&text));
	sl_sim_prompt_fini(&text);
	sl_sim_prompt_fini(&ids);
	sl_sim_buf_fini(&list);
}

static void test_bad_chats(void **state)
{
	static const char *const bodies[] = {
		"{}",
		"{\"messages\":{}}",
		"{\"messages\":[\"a\"]}",
		"{\"messages\":[{\"content\":\"a\"}]}",
		"{\"messages\":[{\"role\":1,\"content\":\"a\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(bodies); i++) {
		struct sl_sim_prompt p = { 0 };
		cJSON *json = cJSON_Parse(bodies[i]);

		assert_false(sl_sim_prompt_chat(&p, json));
		sl_sim_prompt_fini(&p);
		cJSON_Delete(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chat),
		cmocka_unit_test(test_parts_tools_and_calls),
		cmocka_unit_test(test_next_turn_begins_like_the_last),
		cmocka_unit_test(test_continues_the_final_message),
		cmocka_unit_test(test_ids_are_the_text_again),
		cmocka_unit_test(test_bad_chats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
