/* prompt.h: from a request's JSON to the bytes and tokens of its prompt.
 *
 * The bytes are what text.h hashes. The tokens are what the KV cache holds:
 * every *segment* (a role, a message's content, a whole completion prompt) is
 * cut into groups of four bytes from its start, the last may be shorter; the
 * marks 0x1f and 0x1e are tokens of their own. A token's id is its bytes,
 * little-endian, and a token prompt is turned back into bytes the same way
 * (zero bytes at a token's end dropped), so a prompt sent as ids gets the
 * answer of the same prompt sent as text. Answers consist of four-byte words:
 * in the next turn of a conversation they are found in the cache. */
#ifndef SLUICE_SIM_PROMPT_H
#define SLUICE_SIM_PROMPT_H

#include "bench/sim/buf.h"
#include "bench/sim/text.h"

struct cJSON;

struct sl_sim_prompt {
	struct sl_sim_buf bytes;
	uint32_t *tokens; /* owned */
	uint32_t n_tokens, cap_tokens;
	/* continue_final_message: the answer's beginning, already in bytes. */
	size_t begun_bytes;
};

void sl_sim_prompt_fini(struct sl_sim_prompt *p);
void sl_sim_prompt_segment(struct sl_sim_prompt *p, struct sl_span bytes);
void sl_sim_prompt_token(struct sl_sim_prompt *p, uint32_t id);

/* messages, tools, continue_final_message and add_generation_prompt of a chat
 * request. False if messages is not a list of objects with a role. On success
 * as on failure the prompt is to be finished. */
SL_MUST_CHECK bool sl_sim_prompt_chat(struct sl_sim_prompt *p, const struct cJSON *body);
/* One prompt of a completion: a string, or a list of token ids. */
SL_MUST_CHECK bool sl_sim_prompt_completion(struct sl_sim_prompt *p, const struct cJSON *prompt);

/* What the model says next. */
struct sl_sim_text sl_sim_prompt_text(const struct sl_sim_prompt *p, uint64_t variant);
/* Tokens it says if max_tokens does not stop it: see text.h; at least 1. */
uint32_t sl_sim_prompt_natural_tokens(const struct sl_sim_prompt *p);
/* A name for the whole prompt. */
uint64_t sl_sim_prompt_hash(const struct sl_sim_prompt *p);

#endif
