/* render.h: the bodies that vLLM 0.32.0 answers with, byte for byte: every
 * key, in its order, null ones included. Events here are "data: ...\n\n";
 * HTTP framing is the connection's matter. Pure. */
#ifndef SLUICE_SIM_RENDER_H
#define SLUICE_SIM_RENDER_H

#include "bench/sim/buf.h"
#include "bench/sim/request.h"

struct sl_sim_usage {
	uint32_t prompt_tokens, completion_tokens;
	uint32_t cached_tokens;
	uint32_t created_tokens; /* created_cache_tokens: new whole blocks of the prompt */
};

/* What all parts of an answer share; strings are borrowed. */
struct sl_sim_answer {
	enum sl_sim_api api;
	const char *id; /* "chatcmpl-..." */
	const char *model;
	const char *fingerprint; /* "vllm-0.32.0-35ba560c" */
	int64_t created;         /* Unix time */
	bool include_usage, continuous_usage;
	struct sl_sim_usage usage; /* as of now */
};

struct sl_sim_choice_text {
	uint32_t index;
	struct sl_span text;
	const char *finish_reason; /* NULL: goes on */
};

/* Chat only: the first event of a choice. */
void sl_sim_render_role(struct sl_sim_buf *b, const struct sl_sim_answer *a, uint32_t index);
void sl_sim_render_delta(struct sl_sim_buf *b, const struct sl_sim_answer *a,
                         const struct sl_sim_choice_text *choice);
void sl_sim_render_usage(struct sl_sim_buf *b, const struct sl_sim_answer *a);
#define SL_SIM_DONE SL_SPAN("data: [DONE]\n\n")

/* A whole answer; kv_params is JSON, "null" where there is none. */
void sl_sim_render_answer(struct sl_sim_buf *b, const struct sl_sim_answer *a,
                          const struct sl_sim_choice_text *choices, uint32_t n,
                          struct sl_span kv_params);
void sl_sim_render_embeddings(struct sl_sim_buf *b, const struct sl_sim_answer *a,
                              const struct sl_sim_prompt *prompts, uint32_t n);

/* {"error":{...}}; param NULL is null. */
void sl_sim_render_error(struct sl_sim_buf *b, int status, const char *type, const char *param,
                         struct sl_span message);
/* The error that ends a stream; json.dumps wrote it, hence the spaces. */
void sl_sim_render_error_event(struct sl_sim_buf *b, int status, const char *type,
                               const char *message);

struct sl_sim_card {
	struct sl_span model, root;
	struct sl_span parent;  /* of an adapter; else empty */
	uint32_t max_model_len; /* 0: null */
	uint64_t permission;    /* any number */
};
void sl_sim_render_models(struct sl_sim_buf *b, const struct sl_sim_card *cards, uint32_t n,
                          int64_t now_s);

#endif
