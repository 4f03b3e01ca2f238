/* view.c: what a router shows of what it knows, for /fleet and the metrics. */
#include "routing/state.h"

bool sl_router_endpoint_view(const struct sl_router *r, uint32_t slot, uint64_t now_us,
                             struct sl_endpoint_view *out)
{
	const struct endpoint *ep = &r->endpoints[slot];

	if (slot >= r->n_slots || !ep->alive)
		return false;
	*out = (struct sl_endpoint_view){
		.spec = ep->spec,
		.health = ep->health,
		.draining = ep->draining,
		.inflight = ep->ledger.inflight,
		.prefilling = ep->ledger.prefilling,
		.peers_inflight = ep->peers ? peers_sum(ep->peers, now_us).inflight : 0,
		.queue_ms = ledger_queue_ms(&ep->ledger, now_us),
		.context_tokens = (double)ep->ledger.context_tokens,
		.kv_capacity_tokens = ep->capacity,
		.kv_usage = ep->past->kv_usage,
		.slowness = ep->slow,
		.derate = ep->past->derate,
		.slowness_seen =
		        learn_engine_seen(&ep->past->evidence, &r->prefill_scale, &r->decode_scale),
		.slowness_evidence =
		        ep->past->evidence.prefill.weight + ep->past->evidence.decode.weight,
		.slow_start = ep->ramping,
		.gamma = ep->gamma,
		.index_entries = r->index.lru[slot].n_entries,
		.index_bytes = index_slot_bytes(&r->index, slot),
		.dispatched = ep->past->dispatched,
		.hit_tokens_predicted = (uint64_t)ep->past->hit_tokens_predicted,
		.adapters_loaded = adapters_loaded(ep->adapters),
		.max_adapters = ep->adapters ? ep->adapters->slots : 0,
	};
	return true;
}

bool sl_router_model_view(const struct sl_router *r, uint32_t model, struct sl_model_view *out)
{
	const struct learn_model *m;
	const struct ladder *l;

	if (model >= r->models.count)
		return false;
	m = &r->models.list[model].learned;
	l = &r->models.list[model].ladder;
	*out = (struct sl_model_view){
		.bytes_per_token = learn_model_bytes_per_token(m, r->opt.bytes_per_token),
		.output_tokens = m->output,
		.requests = m->requests,
		.clusters = clusters_of_tier(&r->clusters, l->allowed, l->tier),
	};
	return true;
}

uint64_t sl_router_index_bytes(const struct sl_router *r)
{
	return index_bytes(&r->index);
}
