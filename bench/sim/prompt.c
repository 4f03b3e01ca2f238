/* prompt.c: the chat template and the tokeniser of the simulated model. */
#include "bench/sim/prompt.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

void sl_sim_prompt_fini(struct sl_sim_prompt *p)
{
	sl_sim_buf_fini(&p->bytes);
	free(p->tokens);
	*p = (struct sl_sim_prompt){ 0 };
}

static void push_token(struct sl_sim_prompt *p, uint32_t id)
{
	if (p->n_tokens == p->cap_tokens) {
		p->cap_tokens = p->cap_tokens ? p->cap_tokens * 2 : 64;
		p->tokens = reallocarray(p->tokens, p->cap_tokens, sizeof(*p->tokens));
		if (!p->tokens)
			abort();
	}
	p->tokens[p->n_tokens++] = id;
}

void sl_sim_prompt_segment(struct sl_sim_prompt *p, struct sl_span bytes)
{
	sl_sim_buf_add(&p->bytes, bytes);
	for (size_t at = 0; at < bytes.len; at += SL_SIM_TOKEN_BYTES) {
		size_t n = bytes.len - at;
		uint32_t id = 0;

		memcpy(&id, bytes.ptr + at, n < SL_SIM_TOKEN_BYTES ? n : SL_SIM_TOKEN_BYTES);
		push_token(p, id);
	}
}

void sl_sim_prompt_token(struct sl_sim_prompt *p, uint32_t id)
{
	char bytes[SL_SIM_TOKEN_BYTES];
	size_t n = SL_SIM_TOKEN_BYTES;

	memcpy(bytes, &id, sizeof(bytes));
	while (n && !bytes[n - 1])
		n--;
	sl_sim_buf_add(&p->bytes, sl_span(bytes, n));
	push_token(p, id);
}

static void add_json(struct sl_sim_buf *b, const cJSON *item)
{
	char *text = cJSON_PrintUnformatted(item);

	if (!text)
		abort();
	sl_sim_buf_str(b, text);
	cJSON_free(text);
}

/* A part that is not text (an image, audio) stands for itself. */
static void add_part(struct sl_sim_buf *b, const cJSON *part)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "text"));

	if (text)
		sl_sim_buf_str(b, text);
	else
		add_json(b, part);
}

static void collect_content(struct sl_sim_buf *b, const cJSON *message)
{
	const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content");
	const cJSON *calls = cJSON_GetObjectItemCaseSensitive(message, "tool_calls");
	const cJSON *part;

	if (cJSON_IsString(content))
		sl_sim_buf_str(b, content->valuestring);
	if (cJSON_IsArray(content)) {
		cJSON_ArrayForEach(part, content) add_part(b, part);
	}
	if (cJSON_IsArray(calls) && calls->child)
		add_json(b, calls);
}

static void add_message(struct sl_sim_prompt *p, struct sl_span role, struct sl_span content,
                        bool open_end)
{
	sl_sim_prompt_segment(p, role);
	sl_sim_prompt_segment(p, SL_SPAN("\x1f"));
	sl_sim_prompt_segment(p, content);
	if (!open_end)
		sl_sim_prompt_segment(p, SL_SPAN("\x1e"));
}

static void add_tools(struct sl_sim_prompt *p, const cJSON *tools)
{
	struct sl_sim_buf text = { 0 };

	if (!cJSON_IsArray(tools) || !tools->child)
		return;
	add_json(&text, tools);
	add_message(p, SL_SPAN("tools"), sl_sim_buf_span(&text), false);
	sl_sim_buf_fini(&text);
}

bool sl_sim_prompt_chat(struct sl_sim_prompt *p, const cJSON *body)
{
	const cJSON *messages = cJSON_GetObjectItemCaseSensitive(body, "messages");
	bool go_on = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "continue_final_message"));
	bool closed =
	        cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(body, "add_generation_prompt"));
	const cJSON *message;

	if (!cJSON_IsArray(messages))
		return false;
	add_tools(p, cJSON_GetObjectItemCaseSensitive(body, "tools"));
	cJSON_ArrayForEach(message, messages)
	{
		const char *role =
		        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "role"));
		struct sl_sim_buf content = { 0 };
		bool last = go_on && !message->next;

		if (!role)
			return false;
		collect_content(&content, message);
		add_message(p, sl_span_str(role), sl_sim_buf_span(&content), last);
		p->begun_bytes = last ? content.len : 0;
		sl_sim_buf_fini(&content);
	}
	if (!go_on && !closed)
		add_message(p, SL_SPAN("assistant"), SL_SPAN(""), true);
	return true;
}

bool sl_sim_prompt_completion(struct sl_sim_prompt *p, const cJSON *prompt)
{
	const cJSON *id;

	if (cJSON_IsString(prompt)) {
		sl_sim_prompt_segment(p, sl_span_str(prompt->valuestring));
		return true;
	}
	if (!cJSON_IsArray(prompt))
		return false;
	cJSON_ArrayForEach(id, prompt)
	{
		if (!cJSON_IsNumber(id) || !(id->valuedouble >= 0) || id->valuedouble > UINT32_MAX)
			return false;
		sl_sim_prompt_token(p, (uint32_t)id->valuedouble);
	}
	return true;
}

struct sl_sim_text sl_sim_prompt_text(const struct sl_sim_prompt *p, uint64_t variant)
{
	struct sl_sim_text text;

	sl_sim_text_init(&text, variant);
	sl_sim_text_bytes(&text, sl_sim_buf_span(&p->bytes));
	return text;
}

uint32_t sl_sim_prompt_natural_tokens(const struct sl_sim_prompt *p)
{
	uint32_t begun = (uint32_t)(p->begun_bytes / SL_SIM_TOKEN_BYTES), all;
	struct sl_sim_text text;

	sl_sim_text_init(&text, 0);
	sl_sim_text_bytes(&text, sl_span(p->bytes.ptr, p->bytes.len - p->begun_bytes));
	all = sl_sim_text_natural_tokens(&text);
	return all > begun ? all - begun : 1;
}

uint64_t sl_sim_prompt_hash(const struct sl_sim_prompt *p)
{
	return XXH3_64bits(p->tokens, p->n_tokens * sizeof(*p->tokens));
}
