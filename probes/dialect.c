/* dialect.c: every kind of engine: where it tells what, and in which families.
 *
 * A dialect is a row of a table here and, if it has a page, a table of families
 * (dialects/NAME.def). It refuses whatever costs the engine something: SGLang's
 * /health generates a token and takes a second, TensorRT-LLM's /metrics is gone
 * for others when it is read. */
#include "probes/families.h"

#define MAX_PATHS 4

#define NAME(text)                                                                                 \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
#define SERIES(id, order, text)                                                                    \
	{ .name = NAME(text), .signal = SL_SIGNAL_##id, .rank = order, .scale = 1 },
#define LABELED(id, order, text, label_text, value_text)                                           \
	{ .name = NAME(text),                                                                      \
	  .signal = SL_SIGNAL_##id,                                                                \
	  .rank = order,                                                                           \
	  .scale = 1,                                                                              \
	  .label = NAME(label_text),                                                               \
	  .value = NAME(value_text) },
#define SHARED(id, text)                                                                           \
	{ .name = NAME(text), .signal = SL_SIGNAL_##id, .shared = true, .scale = 1 },
#define SIGN(text) { .name = NAME(text), .kind = FAMILY_SIGN },
#define CONFIG(text, size, number, tokens)                                                         \
	{ .name = NAME(text),                                                                      \
	  .kind = FAMILY_CONFIG,                                                                   \
	  .config = { NAME(size), NAME(number), NAME(tokens) } },
#define ADAPTERS(text) { .name = NAME(text), .kind = FAMILY_ADAPTERS },
#define TWIN(text) { .name = NAME(text), .kind = FAMILY_TWIN },
#define PART(text) { .name = NAME(text), .kind = FAMILY_PART },

static const struct family vllm[] = {
#include "probes/dialects/vllm.def"
};
static const struct family sglang[] = {
#include "probes/dialects/sglang.def"
};
static const struct family trtllm[] = {
#include "probes/dialects/trtllm.def"
};
static const struct family tgi[] = {
#include "probes/dialects/tgi.def"
};
static const struct family llamacpp[] = {
#include "probes/dialects/llamacpp.def"
};
static const struct family triton[] = {
#include "probes/dialects/triton.def"
};
static const struct family kserve[] = {
#include "probes/dialects/kserve.def"
};

#define FAMILIES(table) .families = (table), .n_families = SL_COUNT(table)
#define OPENAI_MODELS                                                                              \
	{                                                                                          \
		{                                                                                  \
			"/v1/models", SL_ANSWER_MODELS                                             \
		}                                                                                  \
	}

static const struct dialect {
	const char *name;
	const char *prefix;
	const struct family *families;
	size_t n_families;
	uint16_t metrics_port;
	struct sl_probe_path paths[SL_QUESTION_COUNT][MAX_PATHS];
} dialects[SL_ENGINE_KIND_COUNT] = {
	[SL_ENGINE_AUTO] = { .name = "auto" },
	[SL_ENGINE_VLLM] = {
		.name = "vllm",
		FAMILIES(vllm),
		.paths = {
			/* The second is AIBrix's sidecar. */
			[SL_ASK_HEALTH] = { { "/health", SL_ANSWER_NOTHING },
			                    { "/healthz", SL_ANSWER_NOTHING } },
			[SL_ASK_LOAD] = { { "/metrics", SL_ANSWER_PAGE } },
			[SL_ASK_MODELS] = OPENAI_MODELS,
		},
	},
	[SL_ENGINE_SGLANG] = {
		.name = "sglang",
		FAMILIES(sglang),
		.paths = {
			[SL_ASK_HEALTH] = { { "/v1/loads", SL_ANSWER_LOADS },
			                    { "/get_load", SL_ANSWER_LOADS },
			                    { "/model_info", SL_ANSWER_NOTHING },
			                    { "/get_model_info", SL_ANSWER_NOTHING } },
			[SL_ASK_LOAD] = { { "/v1/loads", SL_ANSWER_LOADS },
			                  { "/get_load", SL_ANSWER_LOADS },
			                  { "/metrics", SL_ANSWER_PAGE } },
			[SL_ASK_MODELS] = OPENAI_MODELS,
		},
	},
	[SL_ENGINE_TRTLLM] = {
		.name = "trtllm",
		FAMILIES(trtllm),
		.paths = {
			[SL_ASK_HEALTH] = { { "/health", SL_ANSWER_NOTHING } },
			[SL_ASK_LOAD] = { { "/prometheus/metrics", SL_ANSWER_PAGE } },
			[SL_ASK_MODELS] = OPENAI_MODELS,
		},
	},
	[SL_ENGINE_TGI] = {
		.name = "tgi",
		FAMILIES(tgi),
		.paths = {
			[SL_ASK_HEALTH] = { { "/health", SL_ANSWER_NOTHING } },
			[SL_ASK_LOAD] = { { "/metrics", SL_ANSWER_PAGE } },
			[SL_ASK_MODELS] = OPENAI_MODELS,
		},
	},
	[SL_ENGINE_LLAMACPP] = {
		.name = "llamacpp",
		FAMILIES(llamacpp),
		.paths = {
			[SL_ASK_HEALTH] = { { "/health", SL_ANSWER_NOTHING } },
			[SL_ASK_LOAD] = { { "/metrics", SL_ANSWER_PAGE } },
			[SL_ASK_MODELS] = OPENAI_MODELS,
		},
	},
	[SL_ENGINE_OLLAMA] = {
		.name = "ollama",
		.paths = {
			[SL_ASK_HEALTH] = { { "/api/version", SL_ANSWER_NOTHING } },
			[SL_ASK_MODELS] = OPENAI_MODELS,
		},
	},
	[SL_ENGINE_TRITON] = {
		.name = "triton",
		.metrics_port = 8002,
		FAMILIES(triton),
		.paths = {
			[SL_ASK_HEALTH] = { { "/v2/health/ready", SL_ANSWER_NOTHING },
			                    { "/health/ready", SL_ANSWER_NOTHING } },
			[SL_ASK_LOAD] = { { "/metrics", SL_ANSWER_PAGE } },
			[SL_ASK_MODELS] = OPENAI_MODELS,
		},
	},
	[SL_ENGINE_KSERVE] = {
		.name = "kserve",
		.prefix = "/openai",
		FAMILIES(kserve),
		.paths = {
			[SL_ASK_HEALTH] = { { "/v2/health/ready", SL_ANSWER_NOTHING },
			                    { "/", SL_ANSWER_NOTHING } },
			[SL_ASK_LOAD] = { { "/metrics", SL_ANSWER_PAGE } },
			[SL_ASK_MODELS] = { { "/openai/v1/models", SL_ANSWER_MODELS } },
		},
	},
	[SL_ENGINE_GENERIC] = {
		.name = "generic",
		.paths = {
			[SL_ASK_HEALTH] = { { "/health", SL_ANSWER_NOTHING },
			                    { "/v1/models", SL_ANSWER_NOTHING } },
			[SL_ASK_MODELS] = OPENAI_MODELS,
		},
	},
};

static const struct dialect *dialect_of(enum sl_engine_kind kind)
{
	return &dialects[(size_t)kind < SL_COUNT(dialects) ? kind : SL_ENGINE_GENERIC];
}

const char *sl_engine_kind_name(enum sl_engine_kind k)
{
	return (size_t)k < SL_COUNT(dialects) ? dialects[k].name : "invalid";
}

enum sl_engine_kind sl_engine_kind_find(struct sl_span name)
{
	for (size_t i = 0; i < SL_COUNT(dialects); i++)
		if (sl_span_eq(name, sl_span_str(dialects[i].name)))
			return (enum sl_engine_kind)i;
	return SL_ENGINE_AUTO;
}

const struct sl_probe_path *sl_dialect_path(enum sl_engine_kind kind,
                                            enum sl_probe_question question, unsigned k)
{
	const struct sl_probe_path *paths = dialect_of(kind)->paths[question];

	return k < MAX_PATHS && paths[k].path ? &paths[k] : NULL;
}

const char *sl_dialect_prefix(enum sl_engine_kind kind)
{
	const char *prefix = dialect_of(kind)->prefix;

	return prefix ? prefix : "";
}

uint16_t sl_dialect_metrics_port(enum sl_engine_kind kind)
{
	return dialect_of(kind)->metrics_port;
}

bool sl_probe_path_missing(int status)
{
	return status == 404 || status == 405 || status == 501;
}

const struct family *families_of(enum sl_engine_kind kind, size_t *out_n)
{
	*out_n = dialect_of(kind)->n_families;
	return dialect_of(kind)->families;
}
