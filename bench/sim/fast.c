/* fast.c: see fast.h. */
#include "bench/sim/fast.h"

#define USAGE                                                                                      \
	"\"usage\":{\"prompt_tokens\":250,\"total_tokens\":270,\"completion_tokens\":20,"          \
	"\"prompt_tokens_details\":null,\"completion_tokens_details\":null}"
#define TAIL "\"ec_transfer_params\":null,\"metrics\":null}"
#define KV_PARAMS                                                                                  \
	"{\"do_remote_prefill\":true,\"do_remote_decode\":false,\"remote_block_ids\":[[1]],"       \
	"\"remote_engine_id\":\"fast\"}"

static const char text[] =
        " one two six ten red sea sky sun one two six ten red sea sky sun one two six ten";

/* The value of a top-level key that is true, were it in a text, too: good
 * enough for a benchmark's own requests. */
static bool says_true(struct sl_span body, struct sl_span key)
{
	const char *end = body.ptr + body.len;
	const char *at = body.len ? memmem(body.ptr, body.len, key.ptr, key.len) : NULL;

	if (!at)
		return false;
	for (at += key.len; at < end && (*at == ' ' || *at == ':'); at++)
		;
	return end - at >= 4 && memcmp(at, "true", 4) == 0;
}

static void make_whole(struct sl_sim_buf *b, enum sl_sim_api api, const char *kv_params)
{
	if (api == SL_SIM_CHAT)
		sl_sim_buf_printf(b,
		                  "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":"
		                  "\"chat.completion\",\"created\":1755400000,\"model\":\"sim\","
		                  "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
		                  "\"content\":\"%s\",\"refusal\":null},\"logprobs\":null,"
		                  "\"finish_reason\":\"length\",\"stop_reason\":null}],",
		                  text);
	else
		sl_sim_buf_printf(b,
		                  "{\"id\":\"cmpl-0123456789abcdef\",\"object\":"
		                  "\"text_completion\",\"created\":1755400000,\"model\":\"sim\","
		                  "\"choices\":[{\"index\":0,\"text\":\"%s\",\"logprobs\":null,"
		                  "\"finish_reason\":\"length\",\"stop_reason\":null}],",
		                  text);
	sl_sim_buf_printf(b,
	                  "\"service_tier\":null,\"system_fingerprint\":\"vllm-0.32.0\"," USAGE
	                  ",\"kv_transfer_params\":%s," TAIL,
	                  kv_params);
}

static void add_chunk(struct sl_sim_buf *b, struct sl_sim_buf *event)
{
	sl_sim_buf_printf(b, "%zx\r\n", event->len);
	sl_sim_buf_add(b, sl_sim_buf_span(event));
	sl_sim_buf_str(b, "\r\n");
	event->len = 0;
}

static void make_stream(struct sl_sim_buf *b, enum sl_sim_api api, const char *fingerprint,
                        uint32_t n)
{
	struct sl_sim_answer answer = {
		.api = api,
		.id = api == SL_SIM_CHAT ? "chatcmpl-0123456789abcdef" : "cmpl-0123456789abcdef",
		.model = "sim",
		.fingerprint = fingerprint,
		.created = 1755400000,
		.include_usage = true,
		.usage = { .prompt_tokens = 250, .completion_tokens = n },
	};
	struct sl_sim_buf event = { 0 };

	if (api == SL_SIM_CHAT) {
		sl_sim_render_role(&event, &answer, 0);
		add_chunk(b, &event);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct sl_sim_choice_text said = { 0, sl_span(text + (size_t)4 * (i % 20), 4),
			                           i + 1 == n ? "length" : NULL };

		sl_sim_render_delta(&event, &answer, &said);
		add_chunk(b, &event);
	}
	sl_sim_render_usage(&event, &answer);
	add_chunk(b, &event);
	sl_sim_buf_add(&event, SL_SIM_DONE);
	add_chunk(b, &event);
	sl_sim_buf_fini(&event);
}

void sl_sim_fast_make(struct sl_sim_fast *fast, enum sl_sim_api api, const char *fingerprint,
                      uint32_t n_tokens)
{
	if (fast->whole.len)
		return;
	make_whole(&fast->whole, api, "null");
	make_whole(&fast->prefill, api, KV_PARAMS);
	make_stream(&fast->stream, api, fingerprint, n_tokens);
}

void sl_sim_fast_fini(struct sl_sim_fast *fast)
{
	sl_sim_buf_fini(&fast->whole);
	sl_sim_buf_fini(&fast->prefill);
	sl_sim_buf_fini(&fast->stream);
}

enum sl_sim_fast_kind sl_sim_fast_kind(struct sl_span body)
{
	if (says_true(body, SL_SPAN("\"do_remote_decode\"")))
		return SL_SIM_FAST_PREFILL;
	return says_true(body, SL_SPAN("\"stream\"")) ? SL_SIM_FAST_STREAM : SL_SIM_FAST_WHOLE;
}
