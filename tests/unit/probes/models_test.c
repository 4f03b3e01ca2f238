/* models_test.c: what counts as a list of models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "sluice/probe.h"

/* "name;", or "name<base;" for an adapter. */
static void collect(void *ctx, const struct sl_model_card *card)
{
	char *names = ctx;
	size_t len = strlen(names);

	snprintf(names + len, 256 - len, "%.*s%s%.*s;", (int)card->id.len, card->id.ptr,
	         card->parent.len ? "<" : "", (int)card->parent.len,
	         card->parent.len ? card->parent.ptr : "");
}

static const struct {
	const char *json;
	int result;
	const char *names;
} cases[] = {
	/* vLLM 0.32, shortened; LoRA cards have a null max_model_len */
	{ "{\"object\":\"list\",\"data\":[{\"id\":\"tiny\",\"object\":\"model\",\"created\":"
	  "1795225195,"
	  "\"owned_by\":\"vllm\",\"root\":\"models/tiny-llama\",\"parent\":null,"
	  "\"max_model_len\":1024,\"permission\":[{\"id\":\"modelperm-b5\"}]},"
	  "{\"id\":\"tiny-alias\",\"parent\":\"tiny\",\"max_model_len\":null}]}",
	  2, "tiny;tiny-alias<tiny;" },
	/* parents that are none */
	{ "{\"data\":[{\"id\":\"a\",\"parent\":\"\"},{\"id\":\"b\",\"parent\":7},{\"id\":\"c\"},"
	  "{\"parent\":\"a\"}]}",
	  3, "a;b;c;" },
	/* llama-server has both forms: only `data` counts */
	{ "{\"models\":[{\"name\":\"x\"}],\"object\":\"list\",\"data\":[{\"id\":\"y\"}]}", 1,
	  "y;" },
	/* Ollama */
	{ "{\"object\":\"list\",\"data\":[{\"id\":\"tiny:latest\",\"object\":\"model\"}]}\n", 1,
	  "tiny:latest;" },
	/* KServe's v1 form */
	{ "{\"models\":[\"tiny\",\"tiny-llm\"]}", 0, "" },
	{ "{\"data\":[]}", 0, "" },
	{ "{}", 0, "" },
	{ "{\"data\":{\"id\":\"x\"}}", 0, "" },
	{ "{\"data\":[{\"id\":7},{\"id\":\"\"},{\"id\":null},3,null,[],{\"ID\":\"x\"},{\"id\":"
	  "\"a\"}]}",
	  1, "a;" },
	{ "{\"data\":[{\"id\":\"meta-llama/Llama-3.1-8B \\u00e9\\\"\"}]}", 1,
	  "meta-llama/Llama-3.1-8B \xc3\xa9\";" },
	{ " \t\r\n{\"data\":[{\"id\":\"a\"}]}\r\n ", 1, "a;" },
	{ "{\"data\":[{\"id\":\"a\"}]} x", SL_E_BAD_JSON, "" },
	{ "{\"data\":[{\"id\":\"a\"}", SL_E_BAD_JSON, "" },
	{ "[{\"id\":\"a\"}]", SL_E_BAD_JSON, "" },
	{ "null", SL_E_BAD_JSON, "" },
	{ "", SL_E_BAD_JSON, "" },
	{ "<html>", SL_E_BAD_JSON, "" },
};

static void test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		char names[256] = "";

		assert_int_equal(
		        sl_models_parse(cases[i].json, strlen(cases[i].json), collect, names),
		        cases[i].result);
		assert_string_equal(names, cases[i].names);
	}
}

static void test_length_is_respected(void **state)
{
	char names[256] = "";

	(void)state;
	/* the byte behind the range would make it valid */
	assert_int_equal(sl_models_parse("{\"data\":[]}", 10, collect, names), SL_E_BAD_JSON);
	assert_int_equal(sl_models_parse("{}x", 2, collect, names), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_length_is_respected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
