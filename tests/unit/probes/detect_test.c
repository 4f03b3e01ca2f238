/* detect_test.c: what a server is taken for by its answers. Those of captured
 * engines are in tests/golden/engines, too, with all their bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sluice/dialect.h"

struct answer {
	const char *path;
	int status;
	const char *body;
};

#define LIST(owner)                                                                                \
	"{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\",\"created\":1,"         \
	"\"owned_by\":\"" owner "\"}]}"

static const struct row {
	const char *what;
	struct answer answers[4]; /* all else is 404 */
	enum sl_engine_kind kind;
	unsigned asked;
	bool troubled;
} rows[] = {
	{ "vLLM, an adapter first", /* by any of its models */
	  { { "/v1/models", 200,
	      "{\"data\":[{\"id\":\"a\",\"owned_by\":\"me\"},{\"id\":\"b\", \"owned_by\" : "
	      "\"vllm\"}]}" } },
	  SL_ENGINE_VLLM,
	  1,
	  false },
	{ "vLLM with a key that we do not have",
	  { { "/v1/models", 401, "{\"error\":\"Unauthorized\"}" },
	    { "/version", 200, "{\"version\":\"0.32.0\"}" } },
	  SL_ENGINE_VLLM,
	  2,
	  false },
	{ "SGLang", { { "/v1/models", 200, LIST("sglang") } }, SL_ENGINE_SGLANG, 1, false },
	{ "TensorRT-LLM",
	  { { "/v1/models", 200, LIST("tensorrt_llm") } },
	  SL_ENGINE_TRTLLM,
	  1,
	  false },
	{ "llama-server that loads",
	  { { "/v1/models", 503,
	      "{\"error\":{\"message\":\"Loading "
	      "model\",\"type\":\"unavailable_error\",\"code\":503}}" } },
	  SL_ENGINE_LLAMACPP,
	  1,
	  true },
	{ "llama-server",
	  { { "/v1/models", 200, LIST("llamacpp") } },
	  SL_ENGINE_LLAMACPP,
	  1,
	  false },
	{ "Ollama", { { "/v1/models", 200, LIST("library") } }, SL_ENGINE_OLLAMA, 1, false },
	{ "Ollama with models of its user",
	  { { "/v1/models", 200, LIST("me") },
	    { "/api/version", 200, "{\"version\":\"0.17.4\"}" } },
	  SL_ENGINE_OLLAMA,
	  4,
	  false },
	{ "Ollama without a model",
	  { { "/v1/models", 200, "{\"object\":\"list\",\"data\":null}" },
	    { "/api/version", 200, "{\"version\":\"0.17.4\"}" } },
	  SL_ENGINE_OLLAMA,
	  4,
	  false },
	{ "TGI",
	  { { "/v1/models", 200, LIST("meta-llama/Llama-3.1-8B") },
	    { "/info", 200,
	      "{\"model_id\":\"x\",\"router\":\"text-generation-router\",\"version\":\"3\"}" } },
	  SL_ENGINE_TGI,
	  3,
	  false },
	{ "Triton",
	  { { "/v2", 200, "{\"name\":\"triton\",\"version\":\"2.49.0\",\"extensions\":[\"x\"]}" } },
	  SL_ENGINE_TRITON,
	  2,
	  false },
	{ "KServe",
	  { { "/v1/models", 200, "{\"models\":[\"tiny\"]}" },
	    { "/v2", 200, "{\"name\":\"kserve\",\"version\":\"0.21.0\",\"extensions\":[]}" } },
	  SL_ENGINE_KSERVE,
	  2,
	  false },
	{ "KServe of another name",
	  { { "/v1/models", 200, "{\"models\": [\"tiny\"]}" },
	    { "/v2", 200, "{\"name\":\"mine\",\"version\":\"1\",\"extensions\":[]}" } },
	  SL_ENGINE_KSERVE,
	  2,
	  false },
	{ "a gateway like this one",
	  { { "/v1/models", 200, LIST("sluice") } },
	  SL_ENGINE_GENERIC,
	  1,
	  false },
	{ "OpenAI's API and nothing else",
	  { { "/v1/models", 200, LIST("openai") } },
	  SL_ENGINE_GENERIC,
	  4,
	  false },
	{ "nothing at all", { { "/", 200, "" } }, SL_ENGINE_GENERIC, 4, false },
	{ "empty answers to everything",
	  { { "/v1/models", 200, "" },
	    { "/v2", 200, "" },
	    { "/info", 200, "" },
	    { "/api/version", 200, "" } },
	  SL_ENGINE_GENERIC,
	  4,
	  false },
	{ "one that starts", { { "/v1/models", 503, "" } }, SL_ENGINE_GENERIC, 4, true },
};

static void answer_from(const struct row *row, struct sl_detect *d)
{
	const char *path = sl_detect_ask(d);

	for (size_t i = 0; i < SL_COUNT(row->answers); i++) {
		const struct answer *a = &row->answers[i];

		if (a->path && !strcmp(a->path, path)) {
			sl_detect_answer(d, a->status, sl_span_str(a->body));
			return;
		}
	}
	sl_detect_answer(d, 404, SL_SPAN("{\"detail\":\"Not Found\"}"));
}

static void test_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_detect d = { 0 };
		unsigned asked = 0;

		for (; sl_detect_ask(&d); asked++)
			answer_from(&rows[i], &d);
		if (d.kind != rows[i].kind || asked != rows[i].asked ||
		    d.troubled != rows[i].troubled)
			fail_msg("%s: taken for %s after %u questions%s", rows[i].what,
			         sl_engine_kind_name(d.kind), asked,
			         d.troubled ? ", troubled" : "");
	}
}

/* A list that is longer than what is looked at says as much as its begin. */
static void test_long_list(void **state)
{
	char *list = malloc(3 * SL_DETECT_BYTES);
	struct sl_detect d = { 0 };

	(void)state;
	memset(list, ' ', 3 * SL_DETECT_BYTES);
	memcpy(list, "{\"data\":[{\"owned_by\":\"vllm\"},", 30);
	sl_detect_answer(&d, 200, sl_span(list, 3 * SL_DETECT_BYTES));
	assert_int_equal(d.kind, SL_ENGINE_VLLM);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_long_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
