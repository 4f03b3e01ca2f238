/* request_test.c: what is taken, what is refused, and with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/sim/render.h"

#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]"

static const char *const models[] = { "tiny", "tiny-alias" };
static const struct sl_span loras[] = { { "sql", 3 }, { "chat", 4 } };
static const struct sl_sim_served served = {
	.loras = loras, .n_loras = 2, .models = models, .n_models = 2, .max_model_len = 1024
};

struct result {
	struct sl_sim_request request;
	struct sl_sim_refusal refusal;
	bool ok;
};

static struct result read_as(enum sl_sim_api api, const char *body)
{
	struct result r;

	r.ok = sl_sim_request_read(api, sl_span_str(body), true, &served, &r.request, &r.refusal);
	return r;
}

static void done(struct result *r)
{
	sl_sim_request_fini(&r->request);
	sl_sim_refusal_fini(&r->refusal);
}

/* Whole bodies, as captured. */
static void test_refusals_in_vllms_words(void **state)
{
	static const struct {
		const char *body, *answer;
	} rows[] = {
		{ "{" MESSAGES ",\"max_tokens\":0}",
		  "{\"error\":{\"message\":\"max_tokens must be at least 1, got 0. "
		  "(parameter=max_tokens, value=0)\",\"type\":\"BadRequestError\",\"param\":"
		  "\"max_tokens\",\"code\":400}}" },
		{ "{" MESSAGES ",\"max_tokens\":-1}",
		  "{\"error\":{\"message\":\"max_tokens must be at least 1, got -1. "
		  "(parameter=max_tokens, value=-1)\",\"type\":\"BadRequestError\",\"param\":"
		  "\"max_tokens\",\"code\":400}}" },
		{ "{" MESSAGES ",\"max_tokens\":100000}",
		  "{\"error\":{\"message\":\"max_tokens=100000 cannot be greater than "
		  "max_model_len=1024. Please request fewer output tokens. (parameter=max_tokens, "
		  "value=100000)\",\"type\":\"BadRequestError\",\"param\":\"max_tokens\",\"code\":"
		  "400}}" },
		{ "{" MESSAGES ",\"max_tokens\":1,\"min_tokens\":5}",
		  "{\"error\":{\"message\":\"min_tokens must be less than or equal to "
		  "max_tokens=1, got 5.\",\"type\":\"BadRequestError\",\"param\":null,\"code\":"
		  "400}}" },
		{ "{\"model\":\"no-such\"," MESSAGES "}",
		  "{\"error\":{\"message\":\"The model `no-such` does not exist. Valid aliases: "
		  "tiny, tiny-alias.\",\"type\":\"NotFoundError\",\"param\":\"model\",\"code\":"
		  "404}}" },
		{ "{" MESSAGES ",\"stream_options\":{\"include_usage\":true}}",
		  "{\"error\":{\"message\":\"Stream options can only be defined when "
		  "`stream=True`. (parameter=stream_options)\",\"type\":\"BadRequestError\","
		  "\"param\":\"stream_options\",\"code\":400}}" },
		{ "{" MESSAGES ",\"temperature\":-3}",
		  "{\"error\":{\"message\":\"temperature must be non-negative, got -3.0. "
		  "(parameter=temperature, value=-3.0)\",\"type\":\"BadRequestError\",\"param\":"
		  "\"temperature\",\"code\":400}}" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct result r = read_as(SL_SIM_CHAT, rows[i].body);
		struct sl_sim_buf b = { 0 };

		assert_false(r.ok);
		sl_sim_render_error(&b, r.refusal.status, r.refusal.type, r.refusal.param,
		                    sl_sim_buf_span(&r.refusal.message));
		sl_sim_buf_add(&b, sl_span("", 1));
		assert_string_equal(b.ptr, rows[i].answer);
		sl_sim_buf_fini(&b);
		done(&r);
	}
}

/* Of the complaints about types, status, type and param are as captured. */
static void test_wrong_types(void **state)
{
	static const struct {
		const char *body, *param;
	} rows[] = {
		{ "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",",
		  "body.42" }, /* Python stops a byte later */
		{ "", "body" },
		{ "[]", "body" },
		{ "{\"a\":1} x", "body.8" },
		{ "{\"model\":\"tiny\",\"max_tokens\":2}", "body.messages" },
		{ "{\"messages\":\"hi\"}", "body.messages" },
		{ "{\"messages\":[1]}", "body.messages" },
		{ "{" MESSAGES ",\"max_tokens\":1.5}", "body.max_tokens" },
		{ "{" MESSAGES ",\"max_tokens\":\"5\"}", "body.max_tokens" },
		{ "{" MESSAGES ",\"stream\":1}", "body.stream" },
		{ "{" MESSAGES ",\"model\":7}", "body.model" },
		{ "{" MESSAGES ",\"kv_transfer_params\":\"str\"}", "body.kv_transfer_params" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct result r = read_as(SL_SIM_CHAT, rows[i].body);

		assert_false(r.ok);
		assert_int_equal(r.refusal.status, 400);
		assert_string_equal(r.refusal.type, "Bad Request");
		assert_string_equal(r.refusal.param, rows[i].param);
		done(&r);
	}
}

static void test_other_content_type(void **state)
{
	struct result r;

	(void)state;
	assert_false(sl_sim_request_read(SL_SIM_CHAT, SL_SPAN("{}"), false, &served, &r.request,
	                                 &r.refusal));
	assert_int_equal(r.refusal.status, 400);
	assert_null(r.refusal.param);
	assert_int_equal(r.refusal.message.len, 80);
	done(&r);
}

static void test_lengths(void **state)
{
	static char body[70000];
	size_t n;
	struct result r;

	(void)state;
	n = (size_t)snprintf(body, sizeof(body), "{\"prompt\":\"%57050s\"}", "x");
	r = read_as(SL_SIM_COMPLETION, body);
	assert_true(n < sizeof(body));
	assert_false(r.ok);
	assert_string_equal(r.refusal.param, "input_text");
	assert_memory_equal(r.refusal.message.ptr,
	                    "This model's maximum context length is 1024 tokens. However, your "
	                    "prompt contains 57050 characters (more than 13312 characters, which "
	                    "is the upper bound for 1024 input tokens).",
	                    171);
	done(&r);
	snprintf(body, sizeof(body), "{\"prompt\":\"%4096s\"}", "x");
	r = read_as(SL_SIM_COMPLETION, body);
	assert_false(r.ok);
	assert_string_equal(r.refusal.param, "input_tokens");
	done(&r);
	snprintf(body, sizeof(body), "{\"prompt\":\"%4000s\",\"max_tokens\":24}", "x");
	r = read_as(SL_SIM_COMPLETION, body);
	assert_true(r.ok);
	done(&r);
	snprintf(body, sizeof(body), "{\"prompt\":\"%4000s\",\"max_tokens\":25}", "x");
	r = read_as(SL_SIM_COMPLETION, body);
	assert_false(r.ok);
	assert_string_equal(r.refusal.param, "max_tokens");
	done(&r);
}

static void test_fields(void **state)
{
	struct result r =
	        read_as(SL_SIM_CHAT, "{" MESSAGES ",\"model\":\"tiny-alias\",\"max_tokens\":50,"
	                             "\"max_completion_tokens\":3,\"n\":2,\"stream\":true,"
	                             "\"stream_options\":{\"include_usage\":true,"
	                             "\"continuous_usage_stats\":true},\"cache_salt\":\"s\","
	                             "\"seed\":9223372036854775807,\"temperature\":null,\"x\":{}}");

	(void)state;
	assert_true(r.ok);
	assert_string_equal(r.request.model, "tiny-alias");
	assert_int_equal(r.request.max_tokens, 3);
	assert_int_equal(r.request.n, 2);
	assert_true(r.request.stream && r.request.include_usage && r.request.continuous_usage);
	assert_true(r.request.salt != 0);
	assert_int_equal(r.request.n_prompts, 1);
	done(&r);
	r = read_as(SL_SIM_CHAT, "{" MESSAGES "}");
	assert_true(r.ok);
	assert_string_equal(r.request.model, "tiny");
	assert_int_equal(r.request.max_tokens, 0);
	done(&r);
}

static void test_prompts_of_a_completion(void **state)
{
	static const struct {
		const char *body;
		uint32_t prompts, tokens;
	} rows[] = {
		{ "{\"prompt\":\"12345678\"}", 1, 2 },
		{ "{\"prompt\":[\"12345678\",\"1\"]}", 2, 2 },
		{ "{\"prompt\":[1,2,3]}", 1, 3 },
		{ "{\"prompt\":[[1,2,3],[4]]}", 2, 3 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct result r = read_as(SL_SIM_COMPLETION, rows[i].body);

		assert_true(r.ok);
		assert_int_equal(r.request.n_prompts, rows[i].prompts);
		assert_int_equal(r.request.prompts[0].n_tokens, rows[i].tokens);
		done(&r);
	}
}

static void test_bad_prompts_of_a_completion(void **state)
{
	static const char *const bodies[] = {
		"{\"prompt\":\"\"}",      "{\"prompt\":[]}",         "{\"prompt\":[1,-2]}",
		"{\"prompt\":[1,\"a\"]}", "{\"prompt\":[\"a\",[]]}", "{\"prompt\":{}}",
		"{\"prompt\":5}",
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(bodies); i++) {
		struct result r = read_as(SL_SIM_COMPLETION, bodies[i]);

		assert_false(r.ok);
		assert_int_equal(r.refusal.status, 400);
		done(&r);
	}
}

/* As on the wire: usage said 4 tokens, not the prompt's. */
static void test_token_ids_replace_the_prompt(void **state)
{
	struct result r = read_as(SL_SIM_CHAT, "{" MESSAGES ",\"kv_transfer_params\":"
	                                       "{\"prompt_token_ids\":[40,41,42,43]}}");

	(void)state;
	assert_true(r.ok);
	assert_int_equal(r.request.prompts[0].n_tokens, 4);
	assert_memory_equal(r.request.prompts[0].bytes.ptr, "()*+", 4);
	done(&r);
}

/* A hand-off that came with a refused request can be given up. */
static void test_refused_request_keeps_its_hand_off(void **state)
{
	struct result r = read_as(SL_SIM_CHAT, "{" MESSAGES ",\"max_tokens\":100000,"
	                                       "\"kv_transfer_params\":{\"do_remote_prefill\":true,"
	                                       "\"remote_request_id\":\"r-1\"}}");

	(void)state;
	assert_false(r.ok);
	assert_true(r.request.kv.do_remote_prefill);
	assert_string_equal(r.request.kv.request_id, "r-1");
	done(&r);
}

/* Any bytes: cut off anywhere, or with a byte changed anywhere. */
static void test_survives_any_bytes(void **state)
{
	static const char body[] = "{" MESSAGES ",\"max_tokens\":5,\"n\":2,\"tools\":[{}],"
	                           "\"kv_transfer_params\":{\"remote_block_ids\":[[1,2]],"
	                           "\"prompt_token_ids\":[1,2]},\"stream\":true}";
	struct sl_rng rng = { 3 };

	(void)state;
	for (size_t i = 0; i < 4000; i++) {
		char copy[sizeof(body)];
		struct result r;

		memcpy(copy, body, sizeof(body));
		if (i < sizeof(body))
			copy[i] = 0;
		else
			copy[sl_rng_next(&rng) % (sizeof(body) - 1)] = (char)sl_rng_next(&rng);
		r = read_as(SL_SIM_CHAT, copy);
		assert_true(r.ok == (r.refusal.status == 0));
		done(&r);
	}
}

/* Its KV cache is its own, wherever it is listed. */
static void test_adapters(void **state)
{
	struct result base = read_as(SL_SIM_CHAT, "{\"model\":\"tiny\"," MESSAGES "}");
	struct result sql = read_as(SL_SIM_CHAT, "{\"model\":\"sql\"," MESSAGES "}");
	struct result chat = read_as(SL_SIM_CHAT, "{\"model\":\"chat\"," MESSAGES "}");
	struct result salted =
	        read_as(SL_SIM_CHAT, "{\"model\":\"sql\",\"cache_salt\":\"x\"," MESSAGES "}");

	(void)state;
	assert_true(base.ok && sql.ok && chat.ok && salted.ok);
	assert_int_equal(base.request.adapter, 0);
	assert_int_equal(sql.request.adapter, 1);
	assert_int_equal(chat.request.adapter, 2);
	assert_string_equal(chat.request.model, "chat");
	assert_true(sql.request.salt != base.request.salt);
	assert_true(sql.request.salt != chat.request.salt);
	assert_true(sql.request.salt != salted.request.salt);
	done(&base);
	done(&sql);
	done(&chat);
	done(&salted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals_in_vllms_words),
		cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_other_content_type),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_prompts_of_a_completion),
		cmocka_unit_test(test_bad_prompts_of_a_completion),
		cmocka_unit_test(test_token_ids_replace_the_prompt),
		cmocka_unit_test(test_refused_request_keeps_its_hand_off),
		cmocka_unit_test(test_survives_any_bytes),
		cmocka_unit_test(test_adapters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
