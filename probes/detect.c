/* detect.c: which engine answers at an address.
 *
 * A state machine that is told answers and says what to ask next. Nearly every
 * engine names itself as the owner of its models, so one question does; the others
 * are asked for what only one kind of server has. What tells kinds apart are bytes
 * at the begin of a body: a list may be longer than what is looked at.
 *
 * It refuses to ask for /health (SGLang's is a generation) and for /metrics
 * (TensorRT-LLM's is gone for others when it is read). */
#include "sluice/dialect.h"

enum question { ASK_MODELS, ASK_VERSION, ASK_SERVER, ASK_INFO, ASK_OLLAMA, ASK_NOTHING };

static const char *const paths[] = {
	[ASK_MODELS] = "/v1/models", /* OpenAI's */
	[ASK_VERSION] = "/version",  /* vLLM's, without a key */
	[ASK_SERVER] = "/v2",        /* open inference protocol: KServe's and Triton's */
	[ASK_INFO] = "/info",        /* TGI's */
	[ASK_OLLAMA] = "/api/version",
};

static const struct {
	struct sl_span owner;
	enum sl_engine_kind kind;
} owners[] = {
	{ { "vllm", 4 }, SL_ENGINE_VLLM },
	{ { "sglang", 6 }, SL_ENGINE_SGLANG },
	{ { "tensorrt_llm", 12 }, SL_ENGINE_TRTLLM },
	{ { "llamacpp", 8 }, SL_ENGINE_LLAMACPP },
	{ { "library", 7 }, SL_ENGINE_OLLAMA },
	{ { "sluice", 6 }, SL_ENGINE_GENERIC },
};

static bool contains(struct sl_span body, struct sl_span text)
{
	return body.len && memmem(body.ptr, body.len, text.ptr, text.len);
}

/* What follows `quoted` (a name in its quotes) and a colon; empty: not there. */
static struct sl_span after_name(struct sl_span body, struct sl_span quoted)
{
	const char *at = body.len ? memmem(body.ptr, body.len, quoted.ptr, quoted.len) : NULL;
	const char *end = body.ptr + body.len;

	if (!at)
		return sl_span(NULL, 0);
	for (at += quoted.len; at < end && strchr(": \t\r\n", *at); at++)
		;
	return sl_span(at, (size_t)(end - at));
}

/* Some "owned_by" of the list is that. */
static bool is_owner(struct sl_span body, struct sl_span owner)
{
	struct sl_span rest = body;

	while ((rest = after_name(rest, SL_SPAN("\"owned_by\""))).len) {
		if (rest.len > owner.len + 1 && rest.ptr[0] == '"' &&
		    memcmp(rest.ptr + 1, owner.ptr, owner.len) == 0 &&
		    rest.ptr[owner.len + 1] == '"')
			return true;
	}
	return false;
}

static enum sl_engine_kind judge_models(struct sl_detect *d, struct sl_span body)
{
	struct sl_span models = after_name(body, SL_SPAN("\"models\""));

	for (size_t i = 0; i < SL_COUNT(owners); i++)
		if (is_owner(body, owners[i].owner))
			return owners[i].kind;
	d->named_models =
	        models.len && models.ptr[0] == '[' && !contains(body, SL_SPAN("\"data\""));
	return SL_ENGINE_AUTO;
}

static enum sl_engine_kind judge_server(const struct sl_detect *d, struct sl_span body)
{
	if (contains(body, SL_SPAN("\"triton\"")))
		return SL_ENGINE_TRITON;
	if (contains(body, SL_SPAN("\"kserve\"")) ||
	    (d->named_models && contains(body, SL_SPAN("\"extensions\""))))
		return SL_ENGINE_KSERVE;
	return SL_ENGINE_AUTO;
}

static enum sl_engine_kind judge_body(struct sl_detect *d, struct sl_span body)
{
	switch ((enum question)d->next) {
	case ASK_MODELS:
		return judge_models(d, body);
	case ASK_VERSION:
		return contains(body, SL_SPAN("\"version\"")) ? SL_ENGINE_VLLM : SL_ENGINE_AUTO;
	case ASK_SERVER:
		return judge_server(d, body);
	case ASK_INFO:
		return contains(body, SL_SPAN("\"text-generation-router")) ||
		                       contains(body, SL_SPAN("\"waiting_served_ratio\""))
		               ? SL_ENGINE_TGI
		               : SL_ENGINE_AUTO;
	case ASK_OLLAMA:
		return contains(body, SL_SPAN("\"version\"")) ? SL_ENGINE_OLLAMA : SL_ENGINE_AUTO;
	case ASK_NOTHING:
		break;
	}
	return SL_ENGINE_AUTO;
}

/* Whatever llama-server is asked while it loads. */
static bool is_loading(int status, struct sl_span body)
{
	return status == 503 && contains(body, SL_SPAN("\"unavailable_error\"")) &&
	       contains(body, SL_SPAN("\"Loading model\""));
}

const char *sl_detect_ask(const struct sl_detect *d)
{
	return d->next < SL_COUNT(paths) ? paths[d->next] : NULL;
}

void sl_detect_answer(struct sl_detect *d, int status, struct sl_span body)
{
	if (body.len > SL_DETECT_BYTES)
		body.len = SL_DETECT_BYTES;
	if (status == 200)
		d->kind = judge_body(d, body);
	else if (is_loading(status, body))
		d->kind = SL_ENGINE_LLAMACPP;
	if (d->next == ASK_MODELS)
		d->guarded = status == 401 || status == 403;
	d->troubled |= status >= 500 && status != 501;
	d->next++;
	if (d->next == ASK_VERSION && !d->guarded)
		d->next++;
	if (d->kind == SL_ENGINE_AUTO && d->next >= SL_COUNT(paths))
		d->kind = SL_ENGINE_GENERIC;
	if (d->kind != SL_ENGINE_AUTO)
		d->next = ASK_NOTHING;
}
