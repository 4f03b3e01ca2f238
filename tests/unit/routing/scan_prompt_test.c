/* scan_prompt_test.c: which requests share blocks of the prompt's hash chain.
 * In the texts, $1, $2 ... stand for a string of a few hundred letters each,
 * so that every piece of a prompt is longer than a block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after the four that cmocka needs */
#include <cmocka.h>

#include "scan_help.h"

#define LETTERS 700

static void expand(const char *text, char *out)
{
	for (; *text; text++) {
		struct sl_rng rng = { 1000 };

		if (*text != '$') {
			*out++ = *text;
			continue;
		}
		rng.state += (uint64_t) * ++text;
		for (int i = 0; i < LETTERS; i++)
			*out++ = (char)('a' + (sl_rng_next(&rng) >> 40) % 26);
	}
	*out = 0;
}

static void scan_expanded(enum sl_api api, const char *text, struct scanned *out)
{
	char *body = malloc(strlen(text) * (LETTERS + 1));

	expand(text, body);
	scan_text(api, body, strlen(body), out);
	if (out->err)
		fail_msg("refused at %zu: %s", out->offset, text);
	free(body);
}

/* Blocks that a and b share from the start. */
static uint32_t shared(enum sl_api api, const char *a, const char *b)
{
	struct scanned x;
	struct scanned y;

	scan_expanded(api, a, &x);
	scan_expanded(api, b, &y);
	assert_true(x.facts.n_blocks > 0 && y.facts.n_blocks > 0);
	return shared_blocks(&x, &y);
}

static void expect_equal_prompts(enum sl_api api, const char *a, const char *b)
{
	struct scanned x;
	struct scanned y;

	scan_expanded(api, a, &x);
	scan_expanded(api, b, &y);
	assert_true(x.facts.n_blocks > 1);
	assert_int_equal(x.facts.prompt_bytes, y.facts.prompt_bytes);
	assert_int_equal(x.facts.n_blocks, y.facts.n_blocks);
	if (shared_blocks(&x, &y) != x.facts.n_blocks)
		fail_msg("%s\nis not\n%s", a, b);
}

#define USER "{\"role\":\"user\",\"content\":\"$1\"}"

static void space_and_order_do_not_count(void **state)
{
	static const char *const same[] = {
		"{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"n\":[1,2]}],\"messages\":"
		"[" USER ",{\"role\":\"tool\",\"tool_call_id\":\"i\",\"content\":\"$2\"}]}",
		" { \"model\" : \"m\" , \"tools\" : [ { \"type\" : \"function\" ,\n\"n\" : [ 1 , 2 "
		"] "
		"} ] , \"messages\" : [ { \"role\" : \"user\" , \"content\" : \"$1\" } , { "
		"\"role\" : "
		"\"tool\" , \"tool_call_id\" : \"i\" , \"content\" : \"$2\" } ] } ",
		"{\"messages\":[{\"content\":\"$1\",\"role\":\"user\"},{\"tool_call_id\":\"i\","
		"\"content\":\"$2\",\"role\":\"tool\"}],\"tools\":[{\"type\":\"function\",\"n\":[1,"
		"2]}"
		"],\"model\":\"m\"}",
		"{\"stream\":true,\"messages\":[{\"cont\\u0065nt\":\"$1\",\"r\\u006fle\":\"user\"},"
		"{\"tool_call_id\":\"i\",\"content\":\"$2\",\"role\":\"tool\"}],\"max_tokens\":5,"
		"\"tools\":[{\"type\":\"function\",\"n\":[1,2]}],\"model\":\"m\",\"seed\":1}",
		"{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"n\":[1,2]}],\"cache_salt\":"
		"null,"
		"\"messages\":[{\"role\":\"user\",\"content\":\"$1\",\"name\":null},{\"role\":"
		"\"tool\","
		"\"tool_call_id\":\"i\",\"content\":\"$2\",\"tool_calls\":null}]}",
	};

	(void)state;
	for (size_t i = 1; i < SL_COUNT(same); i++)
		expect_equal_prompts(SL_API_CHAT, same[0], same[i]);
}

static void a_further_turn_shares_all_before(void **state)
{
	struct scanned first;
	struct scanned second;

	(void)state;
	scan_expanded(SL_API_CHAT, "{\"model\":\"m\",\"messages\":[" USER "]}", &first);
	scan_expanded(SL_API_CHAT,
	              "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"$2\","
	              "\"refusal\":null}, {\"role\":\"user\",\"content\":\"$3\"}],\"model\":\"m\"}",
	              &second);
	assert_int_equal(first.facts.prompt_bytes, LETTERS + 8);
	assert_int_equal(first.facts.n_blocks, 2);
	assert_int_equal(shared_blocks(&first, &second), 2);
	assert_int_equal(second.facts.n_blocks, 3 * (LETTERS + 8) / 256);
	assert_int_equal(second.facts.turns, 1);
}

static void a_longer_prompt_shares_its_start(void **state)
{
	(void)state;
	assert_int_equal(shared(SL_API_COMPLETIONS, "{\"prompt\":\"$1\"}", "{\"prompt\":\"$1$2\"}"),
	                 2);
	assert_int_equal(
	        shared(SL_API_COMPLETIONS, "{\"prompt\":\"$1$2\"}", "{\"prompt\":\"$1$3\"}"), 2);
	assert_int_equal(shared(SL_API_EMBEDDINGS, "{\"input\":\"$1$2\"}", "{\"input\":\"$1$3\"}"),
	                 2);
}

/* The same prompt under another seed shares nothing. */
static void seeds_separate(void **state)
{
	static const char *const members[] = {
		"\"model\":\"m\"",
		"\"model\":\"n\"",
		"\"model\":null",
		"\"model\":\"m\",\"cache_salt\":\"s\"",
		"\"model\":\"m\",\"cache_salt\":\"t\"",
		"\"model\":\"s\",\"cache_salt\":\"m\"",
		"\"model\":\"m\",\"tools\":[1]",
		"\"model\":\"m\",\"tools\":[\"1\"]",
		"\"model\":\"m\",\"tools\":[[1]]",
		"\"model\":\"m\",\"tools\":[{\"a\":{\"b\":1}}]",
		"\"model\":\"m\",\"tools\":[{\"a\":{},\"b\":1}]",
		"\"model\":\"m\",\"tools\":[[1,2]]",
		"\"model\":\"m\",\"tools\":[1,[2]]",
		"\"model\":\"m\",\"tools\":[12]",
		"\"model\":\"m\",\"tools\":[1,2]",
	};
	char a[300];
	char b[300];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(members); i++)
		for (size_t j = 0; j < i; j++) {
			snprintf(a, sizeof(a), "{%s,\"messages\":[" USER "]}", members[i]);
			snprintf(b, sizeof(b), "{\"messages\":[" USER "],%s}", members[j]);
			if (shared(SL_API_CHAT, a, b))
				fail_msg("%s and %s share", members[i], members[j]);
		}
	expect_equal_prompts(SL_API_CHAT, "{\"tools\":[],\"messages\":[" USER "]}",
	                     "{\"tools\":null,\"cache_salt\":null,\"messages\":[" USER "]}");
}

/* Conversations that begin alike and then differ in one thing: the blocks that
 * end before it are shared, none behind it. */
static void differences_show(void **state)
{
	static const char *const seconds[] = {
		"{\"role\":\"user\",\"content\":\"x\"}",
		"{\"role\":\"system\",\"content\":\"x\"}",
		"{\"role\":\"user\",\"content\":\"y\"}",
		"{\"role\":\"user\",\"content\":\"x\",\"name\":\"n\"}",
		"{\"role\":\"user\",\"content\":\"x\",\"name\":\"o\"}",
		"{\"role\":\"user\",\"content\":\"x\",\"nome\":\"n\"}",
		"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}",
		"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"text\":\"\"}"
		"]}",
		"{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
		"\"a\"}}]}",
		"{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
		"\"b\"}}]}",
		"{\"role\":\"user\",\"content\":[{\"image_url\":\"a\"},{\"text\":\"x\"}]}",
		"{\"role\":\"user\",\"content\":[{\"text\":\"x\"},{\"image_url\":\"a\"}]}",
		"{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":\"{}\"}}]}",
		"{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":\"[]\"}}]}",
		"{\"role\":\"assistant\",\"reasoning_content\":\"x\"}",
		"{\"role\":\"assistant\",\"content\":\"x\"}",
		"{\"role\":\"user\",\"content\":\"\"},{\"role\":\"user\",\"content\":\"x\"}",
	};
	char a[400];
	char b[400];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(seconds); i++)
		for (size_t j = 0; j < i; j++) {
			snprintf(a, sizeof(a), "{\"messages\":[" USER ",%s,{\"content\":\"$2\"}]}",
			         seconds[i]);
			snprintf(b, sizeof(b), "{\"messages\":[" USER ",%s,{\"content\":\"$2\"}]}",
			         seconds[j]);
			if (shared(SL_API_CHAT, a, b) != LETTERS / 256)
				fail_msg("%s\nand\n%s", seconds[i], seconds[j]);
		}
}

static void members_of_parts_have_no_order(void **state)
{
	(void)state;
	expect_equal_prompts(
	        SL_API_CHAT,
	        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"$1\"}"
	        ","
	        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"$2\"},\"uuid\":\"u\"}]}]}",
	        "{\"messages\":[{\"content\":[{\"text\":\"$1\",\"type\":\"text\"},{\"uuid\":\"u\", "
	        "\"image_url\":{\"url\" : \"$2\"},\"type\":\"image_url\"}],\"role\":\"user\"}]}");
}

/* Tool calls weigh as many bytes as they have; a large image does not. */
static void fill_is_in_proportion(void **state)
{
	struct scanned got;
	char *body = malloc(200000);
	int len;

	(void)state;
	scan_expanded(SL_API_CHAT,
	              "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":"
	              "{\"arguments\":\"$1$2$3\"}}]}]}",
	              &got);
	assert_int_equal(got.facts.prompt_bytes, 8 + 2 + 3 * LETTERS);
	len = sprintf(body,
	              "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
	              "\"image_url\":{\"url\":\"%0150000d\"}}]}]}",
	              7);
	scan_text(SL_API_CHAT, body, (size_t)len, &got);
	assert_int_equal(got.err, 0);
	assert_int_equal(got.facts.prompt_bytes, 8 + 4096 + 8);
	assert_int_equal(got.facts.n_blocks, 16);
	free(body);
}

static void token_prompts_are_chained(void **state)
{
	char a[6000] = "{\"prompt\":[";
	char b[6000] = "{ \"prompt\" : [ ";
	struct scanned x;
	struct scanned y;

	(void)state;
	for (int i = 0; i < 200; i++) {
		sprintf(a + strlen(a), "%d,", 1000 + i);
		sprintf(b + strlen(b), "%d\n, ", i == 150 ? 5 : 1000 + i);
	}
	strcat(a, "1]}");
	strcat(b, "1]}");
	scan_text(SL_API_COMPLETIONS, a, strlen(a), &x);
	scan_text(SL_API_COMPLETIONS, b, strlen(b), &y);
	assert_int_equal(x.facts.prompt_tokens_exact, 201);
	assert_int_equal(x.facts.n_blocks, 3);
	/* 64 tokens to a block: token 150 is in the third */
	assert_int_equal(shared_blocks(&x, &y), 2);
}

static void other_paths_have_messages_too(void **state)
{
	(void)state;
	/* a list of items as /v1/responses has it, and the same as messages */
	expect_equal_prompts(SL_API_OTHER, "{\"input\":[{\"role\":\"user\",\"content\":\"$1\"}]}",
	                     "{\"messages\":[{\"content\":\"$1\",\"role\":\"user\"}]}");
	/* the system prompt of /v1/messages stands outside of the messages */
	assert_int_equal(shared(SL_API_OTHER, "{\"system\":\"a\",\"messages\":[" USER "]}",
	                        "{\"messages\":[" USER "],\"system\":\"b\"}"),
	                 0);
	expect_equal_prompts(SL_API_OTHER,
	                     "{\"system\":[{\"type\":\"text\",\"text\":\"a\"}],\"messages\":[" USER
	                     "]}",
	                     "{\"messages\":[" USER "],\"s\\u0079stem\":[ {\"type\":\"text\" ,"
	                     "\"text\":\"a\"} ]}");
	/* where it means nothing it changes nothing */
	expect_equal_prompts(SL_API_CHAT, "{\"system\":\"a\",\"messages\":[" USER "]}",
	                     "{\"messages\":[" USER "],\"system\":\"b\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(space_and_order_do_not_count),
		cmocka_unit_test(a_further_turn_shares_all_before),
		cmocka_unit_test(a_longer_prompt_shares_its_start),
		cmocka_unit_test(seeds_separate),
		cmocka_unit_test(differences_show),
		cmocka_unit_test(members_of_parts_have_no_order),
		cmocka_unit_test(fill_is_in_proportion),
		cmocka_unit_test(token_prompts_are_chained),
		cmocka_unit_test(other_paths_have_messages_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
