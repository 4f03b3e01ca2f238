/* scan_facts_test.c: what is known of a request after its last byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after the four that cmocka needs */
#include <cmocka.h>

#include "scan_help.h"
#include "sluice/splice.h"

static struct sl_facts facts_of(enum sl_api api, const char *text)
{
	struct scanned got;

	scan_text(api, text, strlen(text), &got);
	if (got.err)
		fail_msg("refused at %zu: %s", got.offset, text);
	return got.facts;
}

#define CHAT(text) facts_of(SL_API_CHAT, text)

/* ---- members ------------------------------------------------------------ */

static void expect_member(const char *text, enum sl_field f, const char *key, const char *value,
                          uint8_t kind)
{
	struct sl_facts facts = CHAT(text);
	const struct sl_member *m = &facts.member[f];

	assert_true(sl_facts_has(&facts, f));
	assert_int_equal(m->kind, kind);
	assert_memory_equal(text + m->key_off, key, strlen(key));
	assert_int_equal(m->value_end - m->value_off, strlen(value));
	assert_memory_equal(text + m->value_off, value, strlen(value));
}

static void members_are_where_they_are(void **state)
{
	(void)state;
	expect_member("{\"model\":\"a/b\"}", SL_F_MODEL, "\"model\"", "\"a/b\"", SL_J_STRING);
	expect_member(" { \"n\" : -1.5e3 } ", SL_F_N, "\"n\"", "-1.5e3", SL_J_NUMBER);
	expect_member("{\"x\":[],\"stream\":false,\"y\":1}", SL_F_STREAM, "\"stream\"", "false",
	              SL_J_BOOL);
	expect_member("{\"user\":null}", SL_F_USER, "\"user\"", "null", SL_J_NULL);
	expect_member("{\"kv_transfer_params\":{ \"a\":[{}] } }", SL_F_KV_TRANSFER_PARAMS,
	              "\"kv_transfer_params\"", "{ \"a\":[{}] }", SL_J_OBJECT);
	expect_member("{\"messages\":[ {\"model\":1} ],\"z\":0}", SL_F_MESSAGES, "\"messages\"",
	              "[ {\"model\":1} ]", SL_J_ARRAY);
	expect_member("{\"\\u006dodel\":\"m\"}", SL_F_MODEL, "\"\\u006dodel\"", "\"m\"",
	              SL_J_STRING);
	expect_member("{\"bootstrap\\u005fport\":1}", SL_F_BOOTSTRAP_PORT, "\"bootstrap\\u005f",
	              "1", SL_J_NUMBER);
}

/* Each row of fields.def is found by its key, also in capitals of hex, and by
 * nothing that is nearly its key. */
static void every_field_is_found(void **state)
{
	char text[200];

	(void)state;
	for (int f = 0; f < SL_F_COUNT; f++) {
		const char *key = sl_field_key((enum sl_field)f);
		struct sl_facts facts;

		snprintf(text, sizeof(text), "{\"%s\":null}", key);
		facts = CHAT(text);
		for (int g = 0; g < SL_F_COUNT; g++)
			assert_int_equal(sl_facts_has(&facts, (enum sl_field)g), f == g);
		snprintf(text, sizeof(text), "{\"\\u00%02X%s\":null}", key[0], key + 1);
		facts = CHAT(text);
		assert_true(sl_facts_has(&facts, (enum sl_field)f));
		snprintf(text, sizeof(text),
		         "{\"%sx\":0,\"x%s\":0,\"%s\\u0000\":0,\"\\u01%02x%s\":0,\"%.*s\":0}", key,
		         key, key, key[0], key + 1, (int)strlen(key) - 1, key);
		facts = CHAT(text);
		assert_false(sl_facts_has(&facts, (enum sl_field)f));
	}
}

static void long_keys_are_nobodys(void **state)
{
	char text[2000] = "{\"";

	(void)state;
	for (int i = 0; i < 300; i++)
		strcat(text, i % 2 ? "\\u006d" : "m");
	strcat(text, "\":1}");
	assert_false(CHAT(text).object_empty);
}

static void objects_are_empty_or_not(void **state)
{
	(void)state;
	assert_true(CHAT("{ }").object_empty);
	assert_int_equal(CHAT("  { }").object_off, 2);
	assert_false(CHAT("{\"a\":{}}").object_empty);
	assert_int_equal(CHAT(" {} \n").body_len, 5);
}

static void strings_are_spans(void **state)
{
	const char *text = "{\"user\":\"a\\nb\",\"session_id\":7,\"cache_salt\":\"\"}";
	struct sl_facts facts = CHAT(text);

	(void)state;
	assert_true(sl_span_eq(sl_facts_string(&facts, SL_F_USER, text), SL_SPAN("a\\nb")));
	assert_int_equal(sl_facts_string(&facts, SL_F_SESSION_ID, text).len, 0);
	assert_int_equal(sl_facts_string(&facts, SL_F_CACHE_SALT, text).len, 0);
	assert_int_equal(sl_facts_string(&facts, SL_F_MODEL, text).len, 0);
}

/* ---- flags and numbers --------------------------------------------------- */

static void flags_are_read(void **state)
{
	static const struct {
		const char *text;
		bool stream, include_usage, has_tools, structured;
	} rows[] = {
		{ "{}", 0, 0, 0, 0 },
		{ "{\"stream\":true}", 1, 0, 0, 0 },
		{ "{\"stream\":false}", 0, 0, 0, 0 },
		{ "{\"stream\":null}", 0, 0, 0, 0 },
		{ "{\"stream_options\":{\"include_usage\":true}}", 0, 1, 0, 0 },
		{ "{\"stream_options\":{\"a\":{\"include_usage\":true}}}", 0, 0, 0, 0 },
		{ "{\"stream_options\":{\"include_us\\u0061ge\":true},\"stream\":true}", 1, 1, 0,
		  0 },
		{ "{\"stream_options\":{\"include_usage\":false}}", 0, 0, 0, 0 },
		{ "{\"stream_options\":{\"include_usage\":\"true\"}}", 0, 0, 0, 0 },
		{ "{\"stream_options\":null}", 0, 0, 0, 0 },
		{ "{\"include_usage\":true}", 0, 0, 0, 0 },
		{ "{\"tools\":[{}]}", 0, 0, 1, 0 },
		{ "{\"tools\":[ \n 1 ]}", 0, 0, 1, 0 },
		{ "{\"tools\":[]}", 0, 0, 0, 0 },
		{ "{\"tools\":[ \n ]}", 0, 0, 0, 0 },
		{ "{\"tools\":null}", 0, 0, 0, 0 },
		{ "{\"tools\":{\"a\":1}}", 0, 0, 0, 0 },
		{ "{\"response_format\":{\"type\":\"json_object\"}}", 0, 0, 0, 1 },
		{ "{\"response_format\":{\"type\":\"text\"}}", 0, 0, 0, 0 },
		{ "{\"response_format\":null}", 0, 0, 0, 0 },
		{ "{\"structured_outputs\":{\"regex\":\"a\"}}", 0, 0, 0, 1 },
		{ "{\"guided_json\":{}}", 0, 0, 0, 1 },
		{ "{\"guided_r\\u0065gex\":\"a\"}", 0, 0, 0, 1 },
		{ "{\"guided_choice\":null}", 0, 0, 0, 0 },
		{ "{\"guided_grammar\":\"g\",\"guided_choice\":null}", 0, 0, 0, 1 },
		{ "{\"unguided_json\":{}}", 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_facts facts = CHAT(rows[i].text);

		if (facts.stream != rows[i].stream ||
		    facts.include_usage != rows[i].include_usage ||
		    facts.has_tools != rows[i].has_tools || facts.structured != rows[i].structured)
			fail_msg("%d %d %d %d: %s", facts.stream, facts.include_usage,
			         facts.has_tools, facts.structured, rows[i].text);
	}
}

static void limits_are_plain_integers(void **state)
{
	static const struct {
		const char *text;
		int64_t max_tokens;
		uint32_t n;
	} rows[] = {
		{ "{}", -1, 1 },
		{ "{\"max_tokens\":256}", 256, 1 },
		{ "{\"max_tokens\":0}", 0, 1 },
		{ "{\"max_tokens\":-5}", -5, 1 },
		{ "{\"max_tokens\":-0}", 0, 1 },
		{ "{\"max_tokens\":9223372036854775807}", INT64_MAX, 1 },
		{ "{\"max_tokens\":9223372036854775808}", -1, 1 },
		{ "{\"max_tokens\":99999999999999999999999}", -1, 1 },
		{ "{\"max_tokens\":1e2}", -1, 1 },
		{ "{\"max_tokens\":1.0}", -1, 1 },
		{ "{\"max_tokens\":\"100\"}", -1, 1 },
		{ "{\"max_tokens\":null}", -1, 1 },
		{ "{\"max_tokens\":1,\"max_completion_tokens\":2}", 2, 1 },
		{ "{\"max_completion_tokens\":2,\"max_tokens\":1}", 2, 1 },
		{ "{\"max_tokens\":1,\"max_completion_tokens\":null}", 1, 1 },
		{ "{\"max_tokens\":1,\"max_completion_tokens\":2.5}", -1, 1 },
		{ "{\"n\":4}", -1, 4 },
		{ "{\"n\":0}", -1, 1 },
		{ "{\"n\":-3}", -1, 1 },
		{ "{\"n\":2.0}", -1, 1 },
		{ "{\"n\":4294967295}", -1, UINT32_MAX },
		{ "{\"n\":4294967296}", -1, 1 },
		{ "{\"n\":null}", -1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_facts facts = CHAT(rows[i].text);

		if (facts.max_tokens != rows[i].max_tokens || facts.n != rows[i].n)
			fail_msg("%lld %u: %s", (long long)facts.max_tokens, facts.n, rows[i].text);
	}
}

/* ---- prompts ------------------------------------------------------------- */

static void prompts_are_counted(void **state)
{
	static const struct {
		const char *value;
		uint32_t prompts;
		bool token_prompt;
		uint64_t tokens;
		uint64_t bytes;
	} rows[] = {
		{ "\"hello\"", 1, false, 0, 5 },
		{ "\"h\\n\\u00e9\"", 1, false, 0, 9 },
		{ "\"\"", 1, false, 0, 0 },
		{ "null", 1, false, 0, 0 },
		{ "[]", 1, false, 0, 0 },
		{ "[\"a\"]", 1, false, 0, 9 },
		{ "[\"a\",\"bc\",\"\"]", 3, false, 0, 27 },
		{ "[1,2,3]", 1, true, 3, 12 },
		{ "[ 128000 , 0 , 4294967295 ]", 1, true, 3, 12 },
		{ "[[1,2],[3]]", 2, true, 3, 28 },
		{ "[[],[]]", 2, false, 0, 16 },
		{ "[1.5,-1,99999999999,1e3]", 1, true, 4, 16 },
		{ "[1,\"a\"]", 1, false, 0, 13 },
		{ "[null,true]", 1, false, 0, 16 },
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_facts facts;
		struct sl_facts input;

		snprintf(text, sizeof(text), "{\"prompt\":%s}", rows[i].value);
		facts = facts_of(SL_API_COMPLETIONS, text);
		snprintf(text, sizeof(text), "{\"input\":%s}", rows[i].value);
		input = facts_of(SL_API_EMBEDDINGS, text);
		if (facts.prompts != rows[i].prompts ||
		    facts.token_prompt != rows[i].token_prompt ||
		    facts.prompt_tokens_exact != rows[i].tokens ||
		    facts.prompt_bytes != rows[i].bytes)
			fail_msg("%u %d %llu %llu: %s", facts.prompts, facts.token_prompt,
			         (unsigned long long)facts.prompt_tokens_exact,
			         (unsigned long long)facts.prompt_bytes, rows[i].value);
		assert_int_equal(input.prompts, rows[i].prompts);
		assert_int_equal(input.prompt_tokens_exact, rows[i].tokens);
		assert_int_equal(input.prompt_bytes, rows[i].bytes);
	}
}

static void the_path_says_what_the_prompt_is(void **state)
{
	const char *text =
	        "{\"prompt\":\"12345\",\"input\":\"123\",\"messages\":[{\"content\":\"1\"}]}";

	(void)state;
	assert_int_equal(facts_of(SL_API_CHAT, text).prompt_bytes, 1 + 8);
	assert_int_equal(facts_of(SL_API_COMPLETIONS, text).prompt_bytes, 5);
	assert_int_equal(facts_of(SL_API_EMBEDDINGS, text).prompt_bytes, 3);
	assert_int_equal(facts_of(SL_API_OTHER, text).prompt_bytes, 5 + 3 + 1 + 8);
}

static void turns_are_assistant_messages(void **state)
{
	(void)state;
	assert_int_equal(CHAT("{\"messages\":[{\"role\":\"user\"}]}").turns, 0);
	assert_int_equal(CHAT("{\"messages\":[{\"role\":\"assistant\"},{\"content\":\"a\","
	                      "\"role\":\"assistant\"},{\"role\":\"assistants\"},"
	                      "{\"role\":[\"assistant\"]},{\"x\":{\"role\":\"assistant\"}}]}")
	                         .turns,
	                 2);
	assert_int_equal(
	        facts_of(SL_API_COMPLETIONS, "{\"messages\":[{\"role\":\"assistant\"}]}").turns, 0);
}

static void parts_other_than_text_are_media(void **state)
{
	static const struct {
		const char *part;
		bool multimodal;
	} rows[] = {
		{ "{\"type\":\"text\",\"text\":\"a\"}", false },
		{ "{\"text\":\"a\"}", false },
		{ "\"plain\"", false },
		{ "{\"type\":\"input_text\",\"text\":\"a\"}", false },
		{ "{\"type\":\"refusal\",\"refusal\":\"no\"}", false },
		{ "{\"type\":\"tool_result\",\"content\":[{\"type\":\"image\"}]}", false },
		{ "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:\"}}", true },
		{ "{\"image_url\":{\"type\":\"text\"},\"type\":\"image_url\"}", true },
		{ "{\"ty\\u0070e\":\"input_audio\"}", true },
		{ "{\"type\":\"video_url\"},{\"type\":\"text\",\"text\":\"a\"}", true },
		{ "{\"type\":7}", false },
	};
	char text[300];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		snprintf(text, sizeof(text),
		         "{\"messages\":[{\"role\":\"user\",\"content\":[%s]}]}", rows[i].part);
		if (CHAT(text).multimodal != rows[i].multimodal)
			fail_msg("%s", rows[i].part);
	}
	assert_false(CHAT("{\"messages\":[{\"content\":{\"type\":\"image_url\"}}],"
	                  "\"content\":[{\"type\":\"image_url\"}]}")
	                     .multimodal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_where_they_are),
		cmocka_unit_test(every_field_is_found),
		cmocka_unit_test(long_keys_are_nobodys),
		cmocka_unit_test(objects_are_empty_or_not),
		cmocka_unit_test(strings_are_spans),
		cmocka_unit_test(flags_are_read),
		cmocka_unit_test(limits_are_plain_integers),
		cmocka_unit_test(prompts_are_counted),
		cmocka_unit_test(the_path_says_what_the_prompt_is),
		cmocka_unit_test(turns_are_assistant_messages),
		cmocka_unit_test(parts_other_than_text_are_media),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
