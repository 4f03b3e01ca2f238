/* render_test.c: bodies are those that vLLM 0.32.0 sent, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/sim/render.h"
#include "golden.h"

#define PRINT "vllm-0.32.0-35ba560c"

static void assert_bytes(struct sl_sim_buf *b, const char *want)
{
	sl_sim_buf_add(b, sl_span("", 1));
	assert_string_equal(b->ptr, want);
	sl_sim_buf_fini(b);
}

static struct sl_sim_answer chat(const char *id, int64_t created)
{
	return (struct sl_sim_answer){
		.api = SL_SIM_CHAT,
		.id = id,
		.model = "tiny",
		.fingerprint = PRINT,
		.created = created,
		.usage = { .prompt_tokens = 47, .completion_tokens = 8 },
	};
}

static struct sl_sim_answer completion(const char *id, int64_t created)
{
	struct sl_sim_answer a = chat(id, created);

	a.api = SL_SIM_COMPLETION;
	a.usage = (struct sl_sim_usage){ .prompt_tokens = 8, .completion_tokens = 4 };
	return a;
}

static struct sl_sim_choice_text words(uint32_t index, const char *text, const char *finish)
{
	return (struct sl_sim_choice_text){ index, sl_span_str(text), finish };
}

static void assert_delta(const struct sl_sim_answer *a, struct sl_sim_choice_text text,
                         const char *want)
{
	struct sl_sim_buf b = { 0 };

	sl_sim_render_delta(&b, a, &text);
	assert_bytes(&b, want);
}

static void test_chat_events(void **state)
{
	struct sl_sim_answer a = chat("chatcmpl-adbab924a9aaaddf", 1795225197);
	struct sl_sim_buf b = { 0 };

	(void)state;
	sl_sim_render_role(&b, &a, 0);
	assert_bytes(&b, golden_chat_role);
	assert_delta(&a, words(0, " bede", NULL), golden_chat_delta);
	assert_delta(&a, words(0, "omu", "length"), golden_chat_last);
}

static void test_chat_events_with_usage(void **state)
{
	struct sl_sim_answer a = chat("chatcmpl-baee87ad51453181", 1795225197);
	struct sl_sim_buf b = { 0 };

	(void)state;
	a.include_usage = true;
	assert_delta(&a, words(0, "omu", "length"), golden_chat_last_usage);
	sl_sim_render_usage(&b, &a);
	assert_bytes(&b, golden_chat_usage);
}

static void test_chat_events_with_running_usage(void **state)
{
	struct sl_sim_answer a = chat("chatcmpl-bf0d648bfcef0a03", 1795225197);
	struct sl_sim_buf b = { 0 };

	(void)state;
	a.include_usage = a.continuous_usage = true;
	sl_sim_render_role(&b, &a, 0);
	assert_bytes(&b, golden_cont_role);
	a.usage.completion_tokens = 2;
	assert_delta(&a, words(0, " bedeuru", NULL), golden_cont_delta);
	a.usage.completion_tokens = 4;
	assert_delta(&a, words(0, "aci givo", "length"), golden_cont_last);
}

static void test_completion_events(void **state)
{
	struct sl_sim_answer a = completion("cmpl-892ed98f57d7f5d1", 1795225227);
	struct sl_sim_buf b = { 0 };

	(void)state;
	assert_delta(&a, words(0, " love", NULL), golden_comp_delta);
	assert_delta(&a, words(1, " rurure", "length"), golden_comp_last);
	a = completion("cmpl-b13a3a31f34c685e", 1795225227);
	a.include_usage = true;
	sl_sim_render_usage(&b, &a);
	assert_bytes(&b, golden_comp_usage);
}

static void test_whole_answers(void **state)
{
	struct sl_sim_answer a = chat("chatcmpl-b77080805e6c0e01", 1795225195);
	struct sl_sim_choice_text text = words(0, " bedeuruaci givo basanaedoomu", "length");
	struct sl_sim_buf b = { 0 };

	(void)state;
	sl_sim_render_answer(&b, &a, &text, 1, SL_SPAN("null"));
	assert_bytes(&b, golden_chat);
	a = completion("cmpl-94d105f53a6e1740", 1795225226);
	text = words(0, " vovegiov fafi", "length");
	sl_sim_render_answer(&b, &a, &text, 1, SL_SPAN("null"));
	assert_bytes(&b, golden_comp);
}

static void test_errors(void **state)
{
	struct sl_sim_buf b = { 0 };

	(void)state;
	sl_sim_render_error(
	        &b, 400, "BadRequestError", "max_tokens",
	        SL_SPAN("max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)"));
	assert_bytes(&b, golden_error);
	sl_sim_render_error(
	        &b, 400, "BadRequestError", NULL,
	        SL_SPAN("min_tokens must be less than or equal to max_tokens=1, got 5."));
	assert_bytes(&b, golden_error_null);
	sl_sim_render_error_event(&b, 500, "InternalServerError", "Internal server error");
	assert_bytes(&b, golden_error_event);
}

static void test_models(void **state)
{
	const struct sl_sim_card cards[] = {
		{ SL_SPAN("tiny"),
		  SL_SPAN("models/tiny-llama"),
		  { "", 0 },
		  1024,
		  0xb5f18763a870e8d1ull },
		{ SL_SPAN("tiny-alias"),
		  SL_SPAN("models/tiny-llama"),
		  { "", 0 },
		  1024,
		  0xb5f18763a870e8d1ull },
	};
	struct sl_sim_buf b = { 0 };

	(void)state;
	sl_sim_render_models(&b, cards, 2, 1795225195);
	assert_bytes(&b, golden_models);
}

static void test_adapters(void **state)
{
	const struct sl_sim_card card = { SL_SPAN("sql"), SL_SPAN("a/sql"), SL_SPAN("tiny"), 0, 1 };
	struct sl_sim_buf b = { 0 };

	(void)state;
	sl_sim_render_models(&b, &card, 1, 5);
	sl_sim_buf_add(&b, sl_span("", 1));
	assert_non_null(strstr(b.ptr, "\"id\":\"sql\",\"object\":\"model\",\"created\":5,"
	                              "\"owned_by\":\"vllm\",\"root\":\"a/sql\",\"parent\":"
	                              "\"tiny\",\"max_model_len\":null,\"permission\":[{"));
	sl_sim_buf_fini(&b);
}

/* The last event of a cut stream has no text left to say. */
static void test_no_text(void **state)
{
	struct sl_sim_answer a = chat("chatcmpl-1", 1);
	struct sl_sim_choice_text none = { 0, { NULL, 0 }, "abort" };
	struct sl_sim_buf b = { 0 };

	(void)state;
	sl_sim_render_delta(&b, &a, &none);
	sl_sim_buf_add(&b, sl_span("", 1));
	assert_non_null(strstr(b.ptr, "\"delta\":{\"content\":\"\"}"));
	assert_non_null(strstr(b.ptr, "\"finish_reason\":\"abort\""));
	sl_sim_buf_fini(&b);
}

/* A request id or a model name may hold anything; the answer stays JSON. */
static void test_strings_are_escaped(void **state)
{
	struct sl_sim_answer a = chat("chatcmpl-a\"b\\c\n\x01", 1);
	struct sl_sim_buf b = { 0 };

	(void)state;
	a.model = "m\"";
	sl_sim_render_role(&b, &a, 0);
	sl_sim_buf_add(&b, sl_span("", 1));
	assert_non_null(strstr(b.ptr, "\"id\":\"chatcmpl-a\\\"b\\\\c\\n\\u0001\","));
	assert_non_null(strstr(b.ptr, "\"model\":\"m\\\"\","));
	sl_sim_buf_fini(&b);
}

static void embed(struct sl_sim_buf *b, const char *text)
{
	struct sl_sim_answer a = chat("embd-1", 1);
	struct sl_sim_prompt p = { 0 };

	sl_sim_prompt_segment(&p, sl_span_str(text));
	sl_sim_render_embeddings(b, &a, &p, 1);
	sl_sim_buf_add(b, sl_span("", 1));
	sl_sim_prompt_fini(&p);
}

static void test_a_vector_belongs_to_its_text(void **state)
{
	struct sl_sim_buf a = { 0 }, same = { 0 }, other = { 0 };

	(void)state;
	embed(&a, "one");
	embed(&same, "one");
	embed(&other, "two");
	assert_string_equal(a.ptr, same.ptr);
	assert_string_not_equal(a.ptr, other.ptr);
	sl_sim_buf_fini(&a);
	sl_sim_buf_fini(&same);
	sl_sim_buf_fini(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chat_events),
		cmocka_unit_test(test_chat_events_with_usage),
		cmocka_unit_test(test_chat_events_with_running_usage),
		cmocka_unit_test(test_completion_events),
		cmocka_unit_test(test_whole_answers),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_adapters),
		cmocka_unit_test(test_no_text),
		cmocka_unit_test(test_strings_are_escaped),
		cmocka_unit_test(test_a_vector_belongs_to_its_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
