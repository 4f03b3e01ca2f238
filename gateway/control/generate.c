/* generate.c: see generate.h. */
#include "gateway/control/generate.h"

#include "gateway/exchange/exchange.h"
#include "gateway/telemetry/access.h"

/* Without an event for so long an engine is idle. */
#define IDLE_US 5000000u
/* A name is quoted: up to six bytes for one. */
#define NAME_MAX_BYTES 128u

/* A model of its own, or NULL. */
static const char *base_model(const struct sl_engine *e)
{
	for (uint32_t i = 0; i < e->n_models; i++)
		if (!e->adapters[i] && strlen(e->models[i]) <= NAME_MAX_BYTES)
			return e->models[i];
	return NULL;
}

static bool is_asked(const struct sl_engine *e)
{
	return e->pool->health_generate && base_model(e);
}

bool sl_generate_doubts(const struct sl_generate *g, const struct sl_engine *e)
{
	return g->failed && is_asked(e);
}

bool sl_generate_due(const struct sl_generate *g, const struct sl_engine *e, uint64_t now_us)
{
	uint64_t life_us = atomic_load_explicit(&e->ep->life_us, memory_order_relaxed);

	if (!is_asked(e))
		return false;
	if (g->failed)
		return true;
	return now_us >= life_us + IDLE_US &&
	       now_us >= g->asked_us + e->pool->health_generate_interval_us;
}

void sl_generate_ask(struct sl_generate *g, const struct sl_engine *e, uint64_t now_us)
{
	char name[6 * NAME_MAX_BYTES + 2];
	size_t len = sl_json_quote(name, sl_span_str(base_model(e)));

	g->asked_us = now_us;
	snprintf(g->path, sizeof(g->path), "%s/v1/completions", sl_leg_prefix(e->pool, e->ep));
	snprintf(g->body, sizeof(g->body), "{\"model\":%.*s,\"prompt\":\"Hello\",\"max_tokens\":1}",
	         (int)len, name);
}

/* As of live requests: neither its word about load nor ours being wrong is illness. */
enum sl_probe_result sl_generate_answered(struct sl_generate *g, int status)
{
	g->failed = status >= 500 && status != 501 && status != 503;
	return g->failed ? SL_PROBE_STATUS : SL_PROBE_OK;
}
