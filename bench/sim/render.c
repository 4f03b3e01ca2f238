/* render.c: see render.h. Golden tests hold these to captured answers. */
#include "bench/sim/render.h"

static void add_opening(struct sl_sim_buf *b, const struct sl_sim_answer *a, const char *object)
{
	sl_sim_buf_str(b, "{\"id\":");
	sl_sim_buf_json(b, sl_span_str(a->id));
	sl_sim_buf_printf(b, ",\"object\":\"%s\",\"created\":%lld,\"model\":", object,
	                  (long long)a->created);
	sl_sim_buf_json(b, sl_span_str(a->model));
	sl_sim_buf_str(b, ",\"choices\":[");
}

static void open_event(struct sl_sim_buf *b, const struct sl_sim_answer *a)
{
	sl_sim_buf_str(b, "data: ");
	add_opening(b, a, a->api == SL_SIM_CHAT ? "chat.completion.chunk" : "text_completion");
}

static void add_counts(struct sl_sim_buf *b, const struct sl_sim_usage *u)
{
	sl_sim_buf_printf(b,
	                  ",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u,"
	                  "\"completion_tokens\":%u",
	                  u->prompt_tokens, u->prompt_tokens + u->completion_tokens,
	                  u->completion_tokens);
}

/* continuous_usage_stats: on every event but the last. */
static void add_running_usage(struct sl_sim_buf *b, const struct sl_sim_answer *a)
{
	if (!a->continuous_usage)
		return;
	add_counts(b, &a->usage);
	sl_sim_buf_str(b, ",\"completion_tokens_details\":null}");
}

static void add_fingerprint(struct sl_sim_buf *b, const struct sl_sim_answer *a)
{
	sl_sim_buf_printf(b, ",\"system_fingerprint\":\"%s\"", a->fingerprint);
}

static void add_finish(struct sl_sim_buf *b, const char *reason)
{
	if (reason)
		sl_sim_buf_printf(b, ",\"finish_reason\":\"%s\"", reason);
	else
		sl_sim_buf_str(b, ",\"finish_reason\":null");
}

void sl_sim_render_role(struct sl_sim_buf *b, const struct sl_sim_answer *a, uint32_t index)
{
	open_event(b, a);
	sl_sim_buf_printf(b,
	                  "{\"index\":%u,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
	                  "\"logprobs\":null,\"finish_reason\":null}]",
	                  index);
	if (a->continuous_usage) {
		struct sl_sim_answer start = *a;

		start.usage.completion_tokens = 0;
		add_running_usage(b, &start);
	}
	sl_sim_buf_str(b, ",\"prompt_token_ids\":null,\"prompt_text\":null}\n\n");
}

static void add_chat_delta(struct sl_sim_buf *b, const struct sl_sim_choice_text *c)
{
	sl_sim_buf_printf(b, "{\"index\":%u,\"delta\":{\"content\":", c->index);
	sl_sim_buf_json(b, c->text);
	sl_sim_buf_str(b, "},\"logprobs\":null");
	add_finish(b, c->finish_reason);
	if (c->finish_reason)
		sl_sim_buf_str(b, ",\"stop_reason\":null");
	sl_sim_buf_str(b, ",\"token_ids\":null}]");
}

static void add_text_delta(struct sl_sim_buf *b, const struct sl_sim_choice_text *c)
{
	sl_sim_buf_printf(b, "{\"index\":%u,\"text\":", c->index);
	sl_sim_buf_json(b, c->text);
	sl_sim_buf_str(b, ",\"logprobs\":null");
	add_finish(b, c->finish_reason);
	sl_sim_buf_str(b, ",\"stop_reason\":null,\"prompt_token_ids\":null,\"token_ids\":null}]");
}

void sl_sim_render_delta(struct sl_sim_buf *b, const struct sl_sim_answer *a,
                         const struct sl_sim_choice_text *choice)
{
	open_event(b, a);
	if (a->api == SL_SIM_CHAT)
		add_chat_delta(b, choice);
	else
		add_text_delta(b, choice);
	add_running_usage(b, a);
	if (choice->finish_reason && !a->include_usage)
		add_fingerprint(b, a);
	sl_sim_buf_str(b, "}\n\n");
}

void sl_sim_render_usage(struct sl_sim_buf *b, const struct sl_sim_answer *a)
{
	open_event(b, a);
	sl_sim_buf_str(b, "]");
	add_counts(b, &a->usage);
	sl_sim_buf_printf(b, ",\"prompt_tokens_details\":{\"cached_tokens\":%u",
	                  a->usage.cached_tokens);
	if (a->api == SL_SIM_CHAT)
		sl_sim_buf_printf(b, ",\"created_cache_tokens\":%u", a->usage.created_tokens);
	sl_sim_buf_str(b, "}}");
	add_fingerprint(b, a);
	sl_sim_buf_str(b, "}\n\n");
}

/* ---- whole answers ------------------------------------------------------ */

static void add_chat_choice(struct sl_sim_buf *b, const struct sl_sim_choice_text *c)
{
	sl_sim_buf_printf(
	        b, "{\"index\":%u,\"message\":{\"role\":\"assistant\",\"content\":", c->index);
	sl_sim_buf_json(b, c->text);
	sl_sim_buf_str(b, ",\"refusal\":null,\"annotations\":null,\"audio\":null,"
	                  "\"function_call\":null,\"reasoning\":null},\"logprobs\":null");
	add_finish(b, c->finish_reason);
	sl_sim_buf_str(b, ",\"stop_reason\":null,\"token_ids\":null,\"routed_experts\":null}");
}

static void add_text_choice(struct sl_sim_buf *b, const struct sl_sim_choice_text *c)
{
	sl_sim_buf_printf(b, "{\"index\":%u,\"text\":", c->index);
	sl_sim_buf_json(b, c->text);
	sl_sim_buf_str(b, ",\"logprobs\":null");
	add_finish(b, c->finish_reason);
	sl_sim_buf_str(b, ",\"stop_reason\":null,\"token_ids\":null,\"prompt_logprobs\":null,"
	                  "\"prompt_token_ids\":null,\"routed_experts\":null}");
}

static void add_details(struct sl_sim_buf *b, const struct sl_sim_answer *a)
{
	add_counts(b, &a->usage);
	sl_sim_buf_printf(b, ",\"prompt_tokens_details\":{\"cached_tokens\":%u,",
	                  a->usage.cached_tokens);
	if (a->api == SL_SIM_CHAT)
		sl_sim_buf_printf(b, "\"created_cache_tokens\":%u", a->usage.created_tokens);
	else
		sl_sim_buf_str(b, "\"created_cache_tokens\":null");
	sl_sim_buf_str(b, ",\"multimodal_tokens\":null},\"completion_tokens_details\":null}");
}

void sl_sim_render_answer(struct sl_sim_buf *b, const struct sl_sim_answer *a,
                          const struct sl_sim_choice_text *choices, uint32_t n,
                          struct sl_span kv_params)
{
	bool chat = a->api == SL_SIM_CHAT;

	add_opening(b, a, chat ? "chat.completion" : "text_completion");
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			sl_sim_buf_str(b, ",");
		if (chat)
			add_chat_choice(b, &choices[i]);
		else
			add_text_choice(b, &choices[i]);
	}
	sl_sim_buf_str(b, "],\"service_tier\":null");
	add_fingerprint(b, a);
	add_details(b, a);
	if (chat)
		sl_sim_buf_str(b, ",\"prompt_logprobs\":null,\"prompt_token_ids\":null,"
		                  "\"prompt_text\":null");
	sl_sim_buf_str(b, ",\"kv_transfer_params\":");
	sl_sim_buf_add(b, kv_params);
	sl_sim_buf_str(b, ",\"ec_transfer_params\":null,\"metrics\":null}");
}

/* Eight numbers in [-1, 1) that only this text has. */
static void add_vector(struct sl_sim_buf *b, const struct sl_sim_prompt *prompt)
{
	for (uint64_t k = 0; k < 8; k++) {
		uint64_t hash = XXH64(prompt->bytes.ptr, prompt->bytes.len, k);

		sl_sim_buf_printf(b, "%s%.7f", k ? "," : "[",
		                  (double)(int32_t)(hash >> 32) / 2147483648.0);
	}
	sl_sim_buf_str(b, "]");
}

void sl_sim_render_embeddings(struct sl_sim_buf *b, const struct sl_sim_answer *a,
                              const struct sl_sim_prompt *prompts, uint32_t n)
{
	sl_sim_buf_str(b, "{\"id\":");
	sl_sim_buf_json(b, sl_span_str(a->id));
	sl_sim_buf_printf(
	        b, ",\"object\":\"list\",\"created\":%lld,\"model\":", (long long)a->created);
	sl_sim_buf_json(b, sl_span_str(a->model));
	sl_sim_buf_str(b, ",\"data\":[");
	for (uint32_t i = 0; i < n; i++) {
		sl_sim_buf_printf(b, "%s{\"index\":%u,\"object\":\"embedding\",\"embedding\":",
		                  i ? "," : "", i);
		add_vector(b, &prompts[i]);
		sl_sim_buf_str(b, "}");
	}
	sl_sim_buf_str(b, "]");
	add_counts(b, &a->usage);
	sl_sim_buf_str(b, ",\"prompt_tokens_details\":null}}");
}

/* ---- errors, models ----------------------------------------------------- */

void sl_sim_render_error(struct sl_sim_buf *b, int status, const char *type, const char *param,
                         struct sl_span message)
{
	sl_sim_buf_str(b, "{\"error\":{\"message\":");
	sl_sim_buf_json(b, message);
	sl_sim_buf_printf(b, ",\"type\":\"%s\",\"param\":", type);
	if (param)
		sl_sim_buf_json(b, sl_span_str(param));
	else
		sl_sim_buf_str(b, "null");
	sl_sim_buf_printf(b, ",\"code\":%d}}", status);
}

void sl_sim_render_error_event(struct sl_sim_buf *b, int status, const char *type,
                               const char *message)
{
	sl_sim_buf_printf(b,
	                  "data: {\"error\": {\"message\": \"%s\", \"type\": \"%s\", "
	                  "\"param\": null, \"code\": %d}}\n\n",
	                  message, type, status);
}

static void render_parent(struct sl_sim_buf *b, const struct sl_sim_card *card)
{
	sl_sim_buf_str(b, ",\"parent\":");
	if (card->parent.len)
		sl_sim_buf_json(b, card->parent);
	else
		sl_sim_buf_str(b, "null");
	if (card->max_model_len)
		sl_sim_buf_printf(b, ",\"max_model_len\":%u", card->max_model_len);
	else
		sl_sim_buf_str(b, ",\"max_model_len\":null");
}

void sl_sim_render_models(struct sl_sim_buf *b, const struct sl_sim_card *cards, uint32_t n,
                          int64_t now_s)
{
	sl_sim_buf_str(b, "{\"object\":\"list\",\"data\":[");
	for (uint32_t i = 0; i < n; i++) {
		sl_sim_buf_str(b, i ? ",{\"id\":" : "{\"id\":");
		sl_sim_buf_json(b, cards[i].model);
		sl_sim_buf_printf(b,
		                  ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"vllm\","
		                  "\"root\":",
		                  (long long)now_s);
		sl_sim_buf_json(b, cards[i].root);
		render_parent(b, &cards[i]);
		sl_sim_buf_printf(b,
		                  ",\"permission\":[{\"id\":"
		                  "\"modelperm-%016llx\",\"object\":\"model_permission\","
		                  "\"created\":%lld,\"allow_create_engine\":false,"
		                  "\"allow_sampling\":true,\"allow_logprobs\":true,"
		                  "\"allow_search_indices\":false,\"allow_view\":true,"
		                  "\"allow_fine_tuning\":false,\"organization\":\"*\","
		                  "\"group\":null,\"is_blocking\":false}]}",
		                  (unsigned long long)cards[i].permission, (long long)now_s);
	}
	sl_sim_buf_str(b, "]}");
}
