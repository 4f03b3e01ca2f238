/* message.c: builds requests. The body grows behind a gap that the head, whose
 * Content-Length is known last, then fills from its end. */
#include "bench/load/message.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/load/prompt.h"

#define AGENT "User-Agent: sluice-bench/" SLUICE_VERSION "\r\n"

struct out {
	char *base;
	size_t len, cap;
};

static char *room(struct out *o, size_t n)
{
	size_t cap = o->cap ? o->cap : 4096;

	while (cap - o->len < n)
		cap *= 2;
	if (cap != o->cap) {
		o->base = realloc(o->base, cap);
		if (!o->base)
			abort();
		o->cap = cap;
	}
	return o->base + o->len;
}

static void put(struct out *o, const char *text)
{
	size_t n = strlen(text);

	memcpy(room(o, n), text, n);
	o->len += n;
}

/* Only what sl_prompt_block writes need be escaped here: " \ LF TAB. */
static char escape_of(char c)
{
	switch (c) {
	case '"':
	case '\\':
		return c;
	case '\n':
		return 'n';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

static void put_escaped(struct out *o, const char *text, size_t len)
{
	char *to = room(o, 2 * len);

	for (size_t i = 0; i < len; i++) {
		char e = escape_of(text[i]);

		if (e)
			*to++ = '\\';
		*to++ = e ? e : text[i];
	}
	o->len = (size_t)(to - o->base);
}

static uint32_t scaled(uint32_t tokens, double scale)
{
	double n = round((double)tokens * scale);

	return n < 1 ? 1 : n > SL_TRACE_MAX_TOKENS ? SL_TRACE_MAX_TOKENS : (uint32_t)n;
}

/* Tokens of the row's block i. */
static uint32_t block_tokens(const struct sl_shape *s, const struct sl_trace_row *row, uint32_t i)
{
	uint32_t rest = row->input_tokens - i * SL_TRACE_BLOCK_TOKENS;

	return scaled(rest < SL_TRACE_BLOCK_TOKENS ? rest : SL_TRACE_BLOCK_TOKENS, s->tokens_scale);
}

uint32_t sl_shape_input_tokens(const struct sl_shape *s, const struct sl_trace_row *row)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < row->n_blocks; i++)
		n += block_tokens(s, row, i);
	return n;
}

uint32_t sl_shape_output_tokens(const struct sl_shape *s, const struct sl_trace_row *row)
{
	return scaled(row->output_tokens, s->tokens_scale);
}

/* The prompt, block by block: once as JSON, once as the bytes the model reads. */
static void put_prompt(const struct sl_shape *s, const struct sl_trace *t,
                       const struct sl_trace_row *row, struct out *o, struct sl_sim_text *said)
{
	size_t most = (size_t)scaled(SL_TRACE_BLOCK_TOKENS, s->tokens_scale) * s->bytes_per_token;
	char *block = malloc(most);

	if (!block)
		abort();
	for (uint32_t i = 0; i < row->n_blocks; i++) {
		size_t len = (size_t)block_tokens(s, row, i) * s->bytes_per_token;

		sl_prompt_block(s->seed, t->blocks[row->first_block + i], block, len);
		sl_sim_text_bytes(said, sl_span(block, len));
		put_escaped(o, block, len);
	}
	free(block);
}

static void put_model(struct out *o, const char *model)
{
	cJSON *string = cJSON_CreateString(model);
	char *text = cJSON_PrintUnformatted(string);

	if (!text)
		abort();
	put(o, "{\"model\":");
	put(o, text);
	cJSON_free(text);
	cJSON_Delete(string);
}

static void put_body(const struct sl_shape *s, const struct sl_trace *t,
                     const struct sl_trace_row *row, struct out *o, struct sl_sim_text *said)
{
	bool chat = s->api == SL_API_CHAT;
	char number[16];

	sl_sim_text_init(said, 0);
	put_model(o, s->model);
	put(o, chat ? ",\"messages\":[{\"role\":\"user\",\"content\":\"" : ",\"prompt\":\"");
	if (chat)
		sl_sim_text_bytes(said, SL_SPAN("user\x1f"));
	put_prompt(s, t, row, o, said);
	if (chat) {
		sl_sim_text_bytes(said, SL_SPAN("\x1e"));
		sl_sim_text_answer(said);
	}
	put(o, chat ? "\"}],\"max_tokens\":" : "\",\"max_tokens\":");
	snprintf(number, sizeof(number), "%u", sl_shape_output_tokens(s, row));
	put(o, number);
	put(o, ",\"ignore_eos\":true,\"temperature\":0");
	if (s->stream)
		put(o, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
	put(o, "}");
}

static size_t head_size(const struct sl_shape *s)
{
	return strlen(s->host) + strlen(s->base_path) + strlen(s->headers) + 512;
}

void sl_message_make(const struct sl_shape *s, const struct sl_trace *t, size_t row,
                     struct sl_message *out_message, struct sl_sim_text *out_said)
{
	struct out o = { .base = NULL };
	size_t gap = head_size(s);
	char *head = malloc(gap);
	size_t n;

	if (!head)
		abort();
	room(&o, gap + (size_t)t->rows[row].n_blocks * SL_TRACE_BLOCK_TOKENS);
	o.len = gap;
	put_body(s, t, &t->rows[row], &o, out_said);
	n = (size_t)snprintf(head, gap,
	                     "POST %s/v1/%s HTTP/1.1\r\nHost: %s\r\n" AGENT "Accept: %s\r\n"
	                     "Content-Type: application/json\r\nX-Request-Id: replay-%llu-%zu\r\n"
	                     "%sContent-Length: %zu\r\n\r\n",
	                     s->base_path,
	                     s->api == SL_API_CHAT ? "chat/completions" : "completions", s->host,
	                     s->stream ? "text/event-stream" : "application/json",
	                     (unsigned long long)s->seed, row, s->headers, o.len - gap);
	memcpy(o.base + gap - n, head, n);
	free(head);
	*out_message = (struct sl_message){ o.base, o.base + gap - n, o.len - gap + n };
}

void sl_message_get(const char *host, const char *base_path, const char *path, const char *headers,
                    struct sl_message *out_message)
{
	struct out o = { .base = NULL };

	put(&o, "GET ");
	put(&o, base_path);
	put(&o, path);
	put(&o, " HTTP/1.1\r\nHost: ");
	put(&o, host);
	put(&o, "\r\n" AGENT);
	put(&o, headers);
	put(&o, "\r\n");
	*out_message = (struct sl_message){ o.base, o.base, o.len };
}
