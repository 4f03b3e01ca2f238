/* simrequest_fuzz.c: any bytes as the body of an inference request to the
 * simulated engine: it is taken, and then fits the engine, or is refused with
 * a status. The first byte chooses the path. */
#undef NDEBUG /* assert is what this file is for */
#include <assert.h>
#include <stdlib.h>

#include "bench/sim/request.h"

static const char *const models[] = { "m", "alias" };
static const struct sl_sim_served served = { .models = models,
	                                     .n_models = 2,
	                                     .max_model_len = 512 };

static void check_taken(const struct sl_sim_request *r)
{
	assert(r->model && r->n >= 1 && r->n_prompts >= 1);
	assert((uint64_t)r->n * r->n_prompts <= SL_SIM_MAX_PROMPTS);
	assert(r->stream || !r->include_usage);
	for (uint32_t i = 0; i < r->n_prompts; i++) {
		const struct sl_sim_prompt *p = &r->prompts[i];

		assert(p->n_tokens >= 1 && p->n_tokens + r->max_tokens <= served.max_model_len);
		assert(p->bytes.len <= (size_t)p->n_tokens * SL_SIM_TOKEN_BYTES);
		assert(p->begun_bytes <= p->bytes.len);
		assert(sl_sim_prompt_natural_tokens(p) >= 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sl_sim_request request;
	struct sl_sim_refusal refusal;
	char *copy;

	if (len < 1)
		return 0;
	copy = malloc(len); /* so that reading past the end is seen */
	memcpy(copy, data + 1, len - 1);
	if (sl_sim_request_read((enum sl_sim_api)(data[0] % 3), sl_span(copy, len - 1), true,
	                        &served, &request, &refusal))
		check_taken(&request);
	else
		assert(refusal.status >= 400 && refusal.type && refusal.message.len);
	sl_sim_request_fini(&request);
	sl_sim_refusal_fini(&refusal);
	free(copy);
	return 0;
}
