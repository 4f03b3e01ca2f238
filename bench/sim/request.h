/* request.h: reads and checks the body of an inference request, with the
 * verdicts and the error bodies of vLLM 0.32. Pure. */
#ifndef SLUICE_SIM_REQUEST_H
#define SLUICE_SIM_REQUEST_H

#include "bench/sim/pd.h"
#include "bench/sim/prompt.h"

enum sl_sim_api { SL_SIM_CHAT, SL_SIM_COMPLETION, SL_SIM_EMBEDDING };

/* What a request is checked against. */
struct sl_sim_served {
	const char *const *models; /* borrowed; the first is the default's name */
	uint32_t n_models;
	const struct sl_span *loras; /* borrowed: adapters of the model */
	uint32_t n_loras;
	uint32_t max_model_len; /* tokens, prompt and answer together */
};

#define SL_SIM_MAX_PROMPTS 256 /* in one body, times n: more is refused */

struct sl_sim_request {
	enum sl_sim_api api;
	char *model; /* owned; as asked for, or the first served */
	bool stream;
	bool include_usage, continuous_usage;
	uint32_t n;                    /* answers per prompt */
	uint32_t max_tokens;           /* 0: the model ends by itself */
	struct sl_sim_prompt *prompts; /* owned */
	uint32_t n_prompts;
	uint64_t salt;    /* of the cache: cache_salt, adapter */
	uint32_t adapter; /* its number in the list, from 1 on; 0: the model itself */
	struct sl_sim_kv_params kv;
};

/* Why not. */
struct sl_sim_refusal {
	int status;
	const char *type; /* static */
	char *param;      /* owned; NULL: null */
	struct sl_sim_buf message;
};

/* True: *out is filled. False: *out_refusal is, and of *out only kv, so that
 * a hand-off that came with a refused request can be given up. Both are to be
 * finished in either case. */
SL_MUST_CHECK bool sl_sim_request_read(enum sl_sim_api api, struct sl_span body, bool content_json,
                                       const struct sl_sim_served *served,
                                       struct sl_sim_request *out,
                                       struct sl_sim_refusal *out_refusal);
void sl_sim_request_fini(struct sl_sim_request *r);
void sl_sim_refusal_fini(struct sl_sim_refusal *r);

#endif
