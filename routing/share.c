/* share.c: what gateways tell each other about their work: what is ours, for
 * them, and theirs, for our decisions. See peers.h and block_log.h. */
#include <assert.h>

#include "routing/alloc.h"
#include "routing/block_log.h"
#include "routing/chain.h"
#include "routing/state.h"

bool sl_router_own_load(const struct sl_router *r, uint32_t slot, uint64_t now_us,
                        struct sl_load *out_load)
{
	const struct endpoint *ep = &r->endpoints[slot];
	const struct ledger *l = &ep->ledger;

	if (slot >= r->n_slots || !ep->alive)
		return false;
	*out_load = (struct sl_load){
		.inflight = l->inflight,
		.prefilling = l->prefilling,
		.seqs = l->seqs,
		.queue_us = (uint64_t)(ledger_queue_ms(l, now_us) * 1000),
		.context_tokens = (uint64_t)l->context_tokens,
	};
	return true;
}

void sl_router_peer_load(struct sl_router *r, uint32_t slot, uint64_t peer,
                         const struct sl_load *load, uint64_t until_us, uint64_t now_us)
{
	struct endpoint *ep = &r->endpoints[slot];

	if (!ep->peers && !load->inflight)
		return;
	if (!ep->peers)
		ep->peers = peers_new();
	peers_put(ep->peers, peer, load, until_us, now_us);
	endpoint_set_wake(ep);
}

void sl_router_peer_forget(struct sl_router *r, uint64_t peer, uint64_t now_us)
{
	static const struct sl_load none = { 0 };

	for (uint32_t slot = 0; slot < r->n_slots; slot++)
		if (r->endpoints[slot].alive && r->endpoints[slot].peers)
			sl_router_peer_load(r, slot, peer, &none, 0, now_us);
}

void sl_router_peer_blocks(struct sl_router *r, uint32_t slot, const uint64_t *hashes, uint32_t n,
                           double tokens_per_byte)
{
	const struct endpoint *ep = &r->endpoints[slot];
	struct index_limit limit = { .tokens = (uint64_t)ep->capacity,
		                     .entries = r->opt.index_max_entries_per_endpoint };
	uint64_t end = 0;

	assert(n <= SL_MAX_SHARED_BLOCKS);
	if (!r->peer_chain)
		r->peer_chain = alloc_zero(SL_MAX_SHARED_BLOCKS, sizeof(*r->peer_chain));
	for (uint32_t i = 0; i < n; i++) {
		end += chain_block_bytes(end);
		r->peer_chain[i] = (struct sl_block){ hashes[i], (uint32_t)end };
	}
	index_insert(&r->index, slot, r->peer_chain, n, tokens_per_byte, limit);
	endpoint_note_cache(r, slot);
}

struct sl_block_log *sl_router_swap_block_log(struct sl_router *r, struct sl_block_log *log_take)
{
	struct sl_block_log *former = r->block_log;

	r->block_log = log_take;
	return former;
}
