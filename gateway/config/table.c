/* table.c: directives.def as an array, and what its blocks make. */
#include "gateway/config/table.h"

#include <assert.h>

#define MS(n) ((n)*UINT64_C(1000))
#define MINUTES(n) MS((n)*UINT64_C(60000))
#define HOURS(n) MINUTES((n)*UINT64_C(60))
#define KIB(n) ((n)*UINT64_C(1024))
#define MIB(n) KIB((n)*UINT64_C(1024))
#define GIB(n) MIB((n)*UINT64_C(1024))
#define PERCENT(n) ((n)*UINT64_C(1000))

static const char *const auto_words[] = { "auto", NULL };
static const char *const off_words[] = { "off", NULL };
static const char *const auto_off_words[] = { "auto", "off", NULL };
static const char *const level_words[] = { "debug", "info", "warn", "error", NULL };
static const char *const log_words[] = { "off", "stdout", "stderr", NULL };
static const char *const protocol_words[] = { "auto", "h2c", "http/1.1", NULL };
/* In the order of the enums. */
static const char *const role_words[] = {
	[SL_ROLE_BOTH] = "both",
	[SL_ROLE_PREFILL] = "prefill",
	[SL_ROLE_DECODE] = "decode",
	NULL,
};
static const char *const engine_words[] = {
	[SL_ENGINE_AUTO] = "auto",
	[SL_ENGINE_VLLM] = "vllm",
	[SL_ENGINE_SGLANG] = "sglang",
	[SL_ENGINE_TRTLLM] = "trtllm",
	[SL_ENGINE_TGI] = "tgi",
	[SL_ENGINE_LLAMACPP] = "llamacpp",
	[SL_ENGINE_OLLAMA] = "ollama",
	[SL_ENGINE_TRITON] = "triton",
	[SL_ENGINE_KSERVE] = "kserve",
	[SL_ENGINE_GENERIC] = "generic",
	NULL,
};
static const char *const signal_words[] = {
#define SL_SIGNAL(id, field, word, how) [SL_SIGNAL_##id] = word,
#include "sluice/signals.def"
#undef SL_SIGNAL
	NULL,
};
static const char *const connector_words[] = {
	[SL_CONNECTOR_NONE] = "none",
	[SL_CONNECTOR_NIXL] = "nixl",
	NULL,
};
static const char *const upstream_words[] = {
	[SL_UP_H1] = "http/1.1",
	[SL_UP_H2C] = "h2c",
	[SL_UP_H2_TLS] = "h2-tls",
	[SL_UP_H1_TLS] = "tls",
	NULL,
};
static const char *const kube_words[] = {
	[SL_KUBE_PLAIN] = "plain",
	[SL_KUBE_KSERVE_LLMISVC] = "kserve-llmisvc",
	[SL_KUBE_KSERVE_ISVC] = "kserve-isvc",
	[SL_KUBE_LLM_D] = "llm-d",
	[SL_KUBE_AIBRIX] = "aibrix",
	NULL,
};
static const char *const watch_words[] = {
	[SL_WATCH_PODS] = "pods",
	[SL_WATCH_SLICES] = "endpointslices",
	NULL,
};
static const char *const policy_words[] = {
	[SL_POLICY_COST] = "cost",
	[SL_POLICY_ROUND_ROBIN] = "round-robin",
	[SL_POLICY_RANDOM] = "random",
	[SL_POLICY_LEAST_REQUEST] = "least-request",
	[SL_POLICY_CONSISTENT_HASH] = "consistent-hash",
	NULL,
};
_Static_assert(SL_COUNT(engine_words) == SL_ENGINE_KIND_COUNT + 1, "an engine kind has no word");
_Static_assert(SL_COUNT(kube_words) == SL_KUBE_PRESET_COUNT + 1, "a preset has no word");
_Static_assert(offsetof(struct sl_pool_conf, name) == 0, "a gateway's URL fills in all of it");

static void open_pool(void *object, const struct conf_statement *statement)
{
	const struct conf_statement *parent = statement->parent;
	struct sl_pool_conf *pool = object;

	pool->line = statement->words[0].at.line;
	pool->file = statement->words[0].at.source->path;
	pool->cluster = "";
	if (parent->object && parent->directive)
		pool->cluster = ((struct sl_cluster_conf *)parent->object)->name;
}

static void open_gateway(void *object, const struct conf_statement *statement)
{
	struct sl_pool_conf *pool = object;

	open_pool(object, statement);
	pool->gateway = true;
	pool->engine = SL_ENGINE_GENERIC;
}

static void open_server(void *object, const struct conf_statement *statement)
{
	(void)statement;
	((struct sl_server_conf *)object)->found = (struct sl_found){ 0 };
}

static void open_signal(void *object, const struct conf_statement *statement)
{
	(void)statement;
	((struct sl_signal_map *)object)->match.value = "";
}

static const struct conf_block listen_block = {
	.inside = CONF_LISTEN,
	.form = CONF_OPTIONAL,
	.size = sizeof(struct sl_listen_conf),
	.in_config = true,
	.items = offsetof(struct sl_config, listens),
	.count = offsetof(struct sl_config, n_listens),
	.flag = CONF_NO_FIELD,
	.most = 256,
};
static const struct conf_block tls_block = {
	.inside = CONF_TLS,
	.form = CONF_PAIRS,
	.items = CONF_NO_FIELD,
	.count = CONF_NO_FIELD,
	.flag = offsetof(struct sl_listen_conf, tls),
	.most = 1,
};
static const struct conf_block cluster_block = {
	.inside = CONF_CLUSTER,
	.form = CONF_BRACES,
	.size = sizeof(struct sl_cluster_conf),
	.in_config = true,
	.items = offsetof(struct sl_config, clusters),
	.count = offsetof(struct sl_config, n_clusters),
	.flag = CONF_NO_FIELD,
	.most = SL_MAX_CLUSTERS - 1, /* and those outside any */
};
static const struct conf_block pool_block = {
	.inside = CONF_POOL,
	.form = CONF_BRACES,
	.size = sizeof(struct sl_pool_conf),
	.in_config = true,
	.items = offsetof(struct sl_config, pools),
	.count = offsetof(struct sl_config, n_pools),
	.flag = CONF_NO_FIELD,
	.most = 1024,
	.open = open_pool,
};
static const struct conf_block gateway_block = {
	.inside = CONF_GATEWAY,
	.form = CONF_OPTIONAL,
	.size = sizeof(struct sl_pool_conf),
	.in_config = true,
	.items = offsetof(struct sl_config, pools),
	.count = offsetof(struct sl_config, n_pools),
	.flag = CONF_NO_FIELD,
	.most = 256,
	.open = open_gateway,
	.defaults = CONF_POOL,
};
static const struct conf_block server_block = {
	.inside = CONF_SERVER,
	.form = CONF_ASSIGNED,
	.size = sizeof(struct sl_server_conf),
	.items = offsetof(struct sl_pool_conf, servers),
	.count = offsetof(struct sl_pool_conf, n_servers),
	.flag = CONF_NO_FIELD,
	.most = SL_MAX_ENDPOINTS,
	.open = open_server,
};
static const struct conf_block discover_block = {
	.inside = CONF_DISCOVER,
	.form = CONF_OPTIONAL,
	.size = sizeof(struct sl_discover_conf),
	.items = offsetof(struct sl_pool_conf, discovers),
	.count = offsetof(struct sl_pool_conf, n_discovers),
	.flag = CONF_NO_FIELD,
	.most = 16,
};
static const struct conf_block signal_block = {
	.inside = CONF_SIGNAL,
	.form = CONF_ASSIGNED,
	.size = sizeof(struct sl_signal_map),
	.items = offsetof(struct sl_pool_conf, signals),
	.count = offsetof(struct sl_pool_conf, n_signals),
	.flag = CONF_NO_FIELD,
	.most = 1024,
	.open = open_signal,
};
static const struct conf_block model_block = {
	.inside = CONF_MODEL,
	.form = CONF_BRACES,
	.size = sizeof(struct sl_model_conf),
	.in_config = true,
	.items = offsetof(struct sl_config, models),
	.count = offsetof(struct sl_config, n_models),
	.flag = CONF_NO_FIELD,
	.most = 4096,
};

static const struct conf_block redis_block = {
	.inside = CONF_REDIS,
	.form = CONF_OPTIONAL,
	.size = sizeof(struct sl_redis_conf),
	.in_config = true,
	.items = offsetof(struct sl_config, redis),
	.count = offsetof(struct sl_config, n_redis),
	.flag = CONF_NO_FIELD,
	.most = 1,
};

#define VALUE(where, word, kind, type, field, least, most, choices, standard, when, sentence)      \
	{ where,                                                                                   \
	  word,                                                                                    \
	  &conf_shape_##kind,                                                                      \
	  offsetof(struct type, field),                                                            \
	  CONF_NO_FIELD,                                                                           \
	  least,                                                                                   \
	  most,                                                                                    \
	  choices,                                                                                 \
	  standard,                                                                                \
	  when,                                                                                    \
	  NULL,                                                                                    \
	  sentence },
#define LIST(where, word, kind, type, items, number, when, sentence)                               \
	{ where,                                                                                   \
	  word,                                                                                    \
	  &conf_shape_##kind,                                                                      \
	  offsetof(struct type, items),                                                            \
	  offsetof(struct type, number),                                                           \
	  0,                                                                                       \
	  0,                                                                                       \
	  NULL,                                                                                    \
	  NULL,                                                                                    \
	  when,                                                                                    \
	  NULL,                                                                                    \
	  sentence },
#define BLOCK(where, word, kind, type, field, standard, made, when, sentence)                      \
	{ where,                                                                                   \
	  word,                                                                                    \
	  &conf_shape_##kind,                                                                      \
	  offsetof(struct type, field),                                                            \
	  CONF_NO_FIELD,                                                                           \
	  0,                                                                                       \
	  0,                                                                                       \
	  NULL,                                                                                    \
	  standard,                                                                                \
	  when,                                                                                    \
	  made,                                                                                    \
	  sentence },
#define WORDBLOCK(where, word, kind, type, field, choices, made, when, sentence)                   \
	{ where,                                                                                   \
	  word,                                                                                    \
	  &conf_shape_##kind,                                                                      \
	  offsetof(struct type, field),                                                            \
	  CONF_NO_FIELD,                                                                           \
	  0,                                                                                       \
	  0,                                                                                       \
	  choices,                                                                                 \
	  NULL,                                                                                    \
	  when,                                                                                    \
	  made,                                                                                    \
	  sentence },
#define FLAGBLOCK(where, word, made, when, sentence)                                               \
	{ where, word, NULL, 0, CONF_NO_FIELD, 0, 0, NULL, NULL, when, made, sentence },

static const struct conf_directive table[] = {
#include "gateway/config/directives.def"
};

const struct conf_directive *conf_table_at(size_t k)
{
	return k < SL_COUNT(table) ? &table[k] : NULL;
}

size_t conf_table_size(void)
{
	return SL_COUNT(table);
}

size_t conf_table_index(const struct conf_directive *d)
{
	assert(d >= table && d < table + SL_COUNT(table));
	return (size_t)(d - table);
}

const struct conf_directive *conf_table_find(unsigned context, const char *name)
{
	for (size_t k = 0; k < SL_COUNT(table); k++) {
		if ((table[k].contexts & context) && strcmp(table[k].name, name) == 0)
			return &table[k];
	}
	return NULL;
}

const char *conf_context_name(unsigned context)
{
	for (size_t k = 0; k < SL_COUNT(table); k++) {
		if (table[k].block && table[k].block->inside == context)
			return table[k].name;
	}
	return NULL;
}
