/* dialect.c: the list of dialects, and what several of them share. */
#include "bench/sim/dialect.h"

const struct sl_sim_dialect *sl_sim_dialect(enum sl_sim_dialect_id id)
{
	static const struct sl_sim_dialect *const all[SL_SIM_N_DIALECTS] = {
		[SL_SIM_VLLM] = &sl_sim_vllm,     [SL_SIM_VLLM_0_10] = &sl_sim_vllm_0_10,
		[SL_SIM_SGLANG] = &sl_sim_sglang, [SL_SIM_TRTLLM] = &sl_sim_trtllm,
		[SL_SIM_TGI] = &sl_sim_tgi,       [SL_SIM_LLAMACPP] = &sl_sim_llamacpp,
		[SL_SIM_OLLAMA] = &sl_sim_ollama, [SL_SIM_TRITON] = &sl_sim_triton,
		[SL_SIM_KSERVE] = &sl_sim_kserve,
	};

	return all[id];
}

int sl_sim_health_status(const struct sl_sim_engine *e)
{
	return e->faults.health_status ? (int)e->faults.health_status : 200;
}

void sl_sim_answer_health(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	sl_sim_conn_reply(conn, sl_sim_health_status(e), NULL, NULL, sl_span("", 0));
}

struct sl_sim_numbers_now sl_sim_numbers_now(const struct sl_sim_engine *e)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	uint64_t queries = e->batch.prefix_queries_tokens;

	return (struct sl_sim_numbers_now){
		.running = e->batch.running.n,
		.waiting = e->batch.waiting.n + e->batch.fetching.n,
		.kv_tokens = (uint64_t)(opt->kv_blocks - 1) * opt->block_tokens,
		.kv_used_tokens = (uint64_t)sl_sim_kv_held(e->kv) * opt->block_tokens,
		.kv_usage = sl_sim_kv_usage(e->kv),
		.hit_rate = queries ? (double)e->batch.prefix_hits_tokens / (double)queries : 0,
	};
}

void sl_sim_answer_model_list(struct sl_sim_conn *conn, struct sl_sim_engine *e,
                              const char *owned_by, const char *more)
{
	const struct sl_sim_options *opt = &e->sim->opt;
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_str(&b, "{\"object\":\"list\",\"data\":[");
	for (uint32_t i = 0; i < opt->n_models + opt->n_loras; i++) {
		struct sl_span name = i < opt->n_models ? sl_span_str(opt->models[i])
		                                        : opt->loras[i - opt->n_models];

		sl_sim_buf_str(&b, i ? ",{\"id\":" : "{\"id\":");
		sl_sim_buf_json(&b, name);
		sl_sim_buf_printf(&b,
		                  ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"%s\"%s}",
		                  (long long)e->metrics.created_s, owned_by, more);
	}
	sl_sim_buf_str(&b, "]}");
	sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&b));
	sl_sim_buf_fini(&b);
}
