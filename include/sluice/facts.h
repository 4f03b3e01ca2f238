/* facts.h: what the gateway knows of one request after reading its body.
 *
 * All positions are byte offsets into the body, so that the body may move
 * while it grows. `fields.def` is the one table of the JSON members that the
 * gateway reads or must remove. */
#ifndef SLUICE_FACTS_H
#define SLUICE_FACTS_H

#include "sluice/base.h"

enum sl_api {
	SL_API_CHAT,        /* /v1/chat/completions: prompt is `messages` (+ `tools`) */
	SL_API_COMPLETIONS, /* /v1/completions: prompt is `prompt` */
	SL_API_EMBEDDINGS,  /* /v1/embeddings: prompt is `input` */
	SL_API_OTHER,       /* any other /v1/ path: `model` is read, and `prompt`,
	                     * `messages`, `input` hashed if present */
};

enum sl_field {
#define SL_FIELD(name, key, kinds, private_) SL_F_##name,
#include "sluice/fields.def"
#undef SL_FIELD
	SL_F_COUNT
};

/* JSON kinds as bits, for "this member must be one of". */
enum sl_json_kind {
	SL_J_NULL = 1,
	SL_J_BOOL = 2,
	SL_J_NUMBER = 4,
	SL_J_STRING = 8,
	SL_J_ARRAY = 16,
	SL_J_OBJECT = 32,
	SL_J_ANY = 63,
};

/* Where a top-level member lies. Absent: value_end == 0. */
struct sl_member {
	uint32_t key_off;   /* the opening quote of the key */
	uint32_t value_off; /* first byte of the value; for a string its quote */
	uint32_t value_end; /* one past the last byte of the value */
	uint8_t kind;       /* one enum sl_json_kind */
};

/* One boundary of the prompt's hash chain (routing.md, prefix index).
 * hash covers everything from the start of the prompt up to end_bytes. */
struct sl_block {
	uint64_t hash;
	uint32_t end_bytes; /* absolute offset in the prompt stream */
};

struct sl_facts {
	struct sl_member member[SL_F_COUNT];
	uint32_t body_len;
	uint32_t object_off; /* offset of the top-level '{' */
	bool object_empty;   /* no member at all: `{}` */

	bool stream;        /* "stream": true */
	bool include_usage; /* stream_options.include_usage is true */
	bool multimodal;    /* a content part other than text was seen */
	bool has_tools;     /* `tools` is a non-empty array */
	bool structured;    /* response_format, structured_outputs or guided_* */
	bool token_prompt;  /* the prompt is token ids, not text */
	uint32_t prompts;   /* prompts in the body: 1, or the batch size */
	uint32_t n;         /* "n", 1 when absent */
	int64_t max_tokens; /* the limit in force (max_completion_tokens wins); -1: none */
	uint32_t turns;     /* messages with role "assistant": > 0 is a continued session */

	uint64_t prompt_bytes;        /* length of the prompt stream that was hashed */
	uint64_t prompt_tokens_exact; /* for token_prompt: the count; else 0 */

	/* The chain, seeded with model, cache_salt and tools; borrowed from the
	 * scanner until it is reset. Only whole blocks are listed. */
	const struct sl_block *blocks;
	uint32_t n_blocks;
	uint64_t prompt_hash; /* of all of it, in the same chain; 0: not hashed */
};

static inline bool sl_facts_has(const struct sl_facts *facts, enum sl_field f)
{
	return facts->member[f].value_end != 0;
}

/* The text between the quotes of a string member, escapes not resolved.
 * An empty span if absent or no string. Borrowed from body. */
static inline struct sl_span sl_facts_string(const struct sl_facts *facts, enum sl_field f,
                                             const char *body)
{
	const struct sl_member *m = &facts->member[f];

	if (m->value_end == 0 || m->kind != SL_J_STRING)
		return sl_span("", 0);
	return sl_span(body + m->value_off + 1, m->value_end - m->value_off - 2u);
}

#endif
