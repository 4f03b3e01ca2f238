/* text.h: what the simulated model answers, as a function of its prompt.
 *
 * The model is greedy and knows one rule: the token that follows the bytes T
 * is word number XXH64(T, variant). An answer is therefore determined by
 * every byte of the prompt, a client that knows the prompt can verify the
 * answer, and a stream that is continued elsewhere (prompt plus the text so
 * far) goes on with the very same words. Lost, repeated, swapped or foreign
 * bytes change everything behind them.
 *
 * The prompt's bytes:
 *   completions  the prompt as it is (token prompts: see prompt.h)
 *   chat         for each message: role 0x1f content 0x1e
 *                then, for the answer to come: "assistant" 0x1f
 * so that an assistant message of a later turn repeats the bytes it was
 * generated behind. Tools precede the messages as one message of role "tools"
 * whose content is their JSON, minified.
 *
 * A token is always four bytes of valid UTF-8: a space, then letters. It
 * never needs escaping in JSON and holds no other space, so the tokens of an
 * answer are its bytes / 4.
 *
 * Choice k of a request with n > 1 has variant k. Temperature, seed and the
 * other sampling fields do not matter. */
#ifndef SLUICE_SIM_TEXT_H
#define SLUICE_SIM_TEXT_H

#ifndef XXH_STATIC_LINKING_ONLY
#define XXH_STATIC_LINKING_ONLY /* XXH64_state_t as a plain struct */
#endif
#include <xxhash.h>

#include "sluice/base.h"

#define SL_SIM_TOKEN_BYTES 4

/* Added to the variant by an engine that decodes from KV blocks which were
 * no longer the right ones: fluent text, silently wrong. */
#define SL_SIM_CORRUPT 0x5bd1e995u

/* Everything said so far. Plain memory: copy it to fork. */
struct sl_sim_text {
	XXH64_state_t hash;
};

void sl_sim_text_init(struct sl_sim_text *t, uint64_t variant);
void sl_sim_text_bytes(struct sl_sim_text *t, struct sl_span bytes);
void sl_sim_text_message(struct sl_sim_text *t, struct sl_span role, struct sl_span content);
/* The opening of the assistant's answer; last, for chat. */
void sl_sim_text_answer(struct sl_sim_text *t);

/* The next token; it becomes part of what was said. */
void sl_sim_text_next(struct sl_sim_text *t, char out_token[SL_SIM_TOKEN_BYTES]);

/* Tokens after which the model ends by itself (finish_reason "stop") when the
 * request sets no max_tokens: 16 to 64, by the prompt. A request with
 * max_tokens always runs to it (finish_reason "length"). Call it when the
 * prompt is complete, before the first token. */
uint32_t sl_sim_text_natural_tokens(const struct sl_sim_text *t);

/* True if answer[0..len) are the first len bytes that follow the prompt in
 * *t, which is left as it was. */
bool sl_sim_text_verify(const struct sl_sim_text *t, const char *answer, size_t len);

#endif
