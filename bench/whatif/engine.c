/* engine.c: see engine.h. */
#include "bench/whatif/engine.h"

#include <assert.h>

void engine_restart(struct engine *e)
{
	const struct sl_profile *p = e->spec->profile;
	struct sl_sim_batch_limits limits = {
		.block_tokens = WORKLOAD_KV_TOKENS,
		.step_tokens = p->chunk_tokens,
		.max_seqs = p->max_seqs,
	};

	if (e->kv) {
		assert(sl_sim_kv_held(e->kv) == 0);
		sl_sim_batch_fini(&e->batch);
		sl_sim_kv_free(e->kv);
	}
	e->kv = sl_sim_kv_new((uint32_t)(fleet_kv_tokens(e->spec) / WORKLOAD_KV_TOKENS) + 1);
	sl_sim_batch_init(&e->batch, &limits, e->kv);
}

void engine_init(struct engine *e, const struct fleet *fleet, uint32_t number)
{
	*e = (struct engine){ .spec = &fleet->engines[number], .up = true };
	sl_sim_model_init(&e->model, e->spec->profile);
	e->model.slow = e->spec->slow;
	e->model.transfer_latency_ms = fleet->transfer_latency_ms;
	e->model.transfer_bytes_per_ms = fleet->transfer_bytes_per_ms;
	engine_restart(e);
}

void engine_fini(struct engine *e)
{
	assert(sl_sim_kv_held(e->kv) == 0);
	sl_sim_batch_fini(&e->batch);
	sl_sim_kv_free(e->kv);
	e->kv = NULL;
}

void engine_add(struct engine *e, struct leg *leg, const struct workload *w, uint32_t output_tokens,
                uint64_t now_us)
{
	const struct workload_request *rq = &w->requests[leg->request];

	leg->seq = sl_sim_seq_new_named(workload_answered_names(w, leg->request),
	                                rq->n_answered_names, rq->input_tokens, output_tokens);
	leg->seq->owner = leg;
	leg->seq->keep = leg->part == LEG_PREFILL;
	leg->seq->remote = leg->part == LEG_DECODE;
	sl_sim_batch_add(&e->batch, leg->seq, now_us);
}

void engine_abort(struct engine *e, struct leg *leg)
{
	struct sl_sim_seq *seq = leg->seq;

	leg->seq = NULL;
	seq->owner = NULL;
	if (sl_sim_batch_abort(&e->batch, seq))
		sl_sim_seq_free(seq);
}

bool engine_fits(const struct engine *e, const struct workload_request *rq)
{
	return (double)rq->input_tokens + rq->output_tokens + WORKLOAD_KV_TOKENS <=
	       fleet_kv_tokens(e->spec);
}

static void lose_list(struct engine *e, const struct sl_sim_seq_list *list,
                      void (*lost)(void *ctx, struct leg *leg), void *ctx)
{
	struct sl_sim_seq *seq, *next;

	for (seq = list->first; seq; seq = next) {
		struct leg *leg = seq->owner;

		next = seq->next;
		if (!leg)
			continue;
		engine_abort(e, leg);
		lost(ctx, leg);
	}
}

void engine_kill(struct engine *e, uint64_t now_us, void (*lost)(void *ctx, struct leg *leg),
                 void *ctx)
{
	e->up = false;
	e->epoch++;
	lose_list(e, &e->batch.waiting, lost, ctx);
	lose_list(e, &e->batch.fetching, lost, ctx);
	lose_list(e, &e->batch.running, lost, ctx);
	if (!e->batch.stepping)
		return;
	sl_sim_batch_end(&e->batch, now_us);
	for (uint32_t i = 0; i < e->batch.n_step; i++)
		sl_sim_seq_free(e->batch.step[i]);
}

bool engine_begin_step(struct engine *e, uint64_t now_us, uint64_t *out_us)
{
	struct sl_sim_work work;

	if (!sl_sim_batch_begin(&e->batch, now_us, &work))
		return false;
	*out_us = sl_sim_model_step_us(&e->model, &work);
	e->busy_us += *out_us;
	return true;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t engine_transfer(struct engine *from, struct engine *to, uint32_t tokens, uint64_t now_us)
{
	uint64_t latency_us = sl_sim_model_transfer_us(&to->model, 0);
	uint64_t bytes = sl_sim_model_kv_bytes(&to->model, tokens);
	uint64_t begin_us = later(now_us, later(from->nic_free_us, to->nic_free_us));
	uint64_t end_us = begin_us + sl_sim_model_transfer_us(&to->model, bytes);

	from->nic_free_us = to->nic_free_us = end_us - latency_us;
	return end_us;
}

uint32_t engine_cached_tokens(const struct engine *e, const struct workload *w, uint32_t request)
{
	const struct workload_request *rq = &w->requests[request];
	const uint64_t *names = workload_names(w, request);
	uint32_t most = (rq->input_tokens - 1) / WORKLOAD_KV_TOKENS, n = 0;

	while (n < most && sl_sim_kv_find(e->kv, names[n]))
		n++;
	return n * WORKLOAD_KV_TOKENS;
}

void engine_sample(const struct engine *e, uint64_t now_us, struct sl_load_sample *out_sample)
{
	*out_sample = (struct sl_load_sample){
		.taken_us = now_us,
		.running = e->batch.running.n,
		.waiting = e->batch.waiting.n + e->batch.fetching.n,
		.kv_usage = sl_sim_kv_usage(e->kv),
		.kv_capacity_tokens = fleet_kv_tokens(e->spec),
		.prefix_hit_tokens = (double)e->batch.prefix_hits_tokens,
		.prefix_query_tokens = (double)e->batch.prefix_queries_tokens,
	};
}
