/* rendezvous.c: see rendezvous.h. */
#include "routing/rendezvous.h"

#include <xxhash.h>

#include "routing/chain.h"

uint64_t sl_name_hash(uint64_t seed, struct sl_span name)
{
	uint64_t hash = chain_mix(seed, XXH3_64bits(name.ptr, name.len));

	return hash ? hash : 1;
}

static uint32_t n_common(const struct sl_router *r, const struct sl_query *q)
{
	return common_blocks(&r->models.list[q->model].common, q->facts);
}

uint64_t rendezvous_key(const struct sl_router *r, const struct sl_query *q)
{
	const struct sl_facts *facts = q->facts;
	uint32_t own = n_common(r, q);

	if (q->session)
		return q->session;
	if (own < facts->n_blocks)
		return facts->blocks[own].hash;
	return chain_mix(facts->prompt_hash, facts->prompt_bytes);
}

static uint64_t weight(const struct endpoint *ep, uint32_t slot, uint64_t key)
{
	return chain_mix(key, ep->spec.identity ? ep->spec.identity : slot);
}

/* ceil(1.25 (live + 1) / n) */
static uint64_t most_inflight(const struct sl_router *r, const uint32_t *slots, uint32_t n)
{
	uint64_t live = 0;

	for (uint32_t i = 0; i < n; i++)
		live += endpoint_inflight(&r->endpoints[slots[i]]);
	return (5 * (live + 1) + 4 * (uint64_t)n - 1) / (4 * (uint64_t)n);
}

uint32_t rendezvous_pick(const struct sl_router *r, const uint32_t *slots, uint32_t n, uint64_t key)
{
	uint64_t most = most_inflight(r, slots, n), best_weight = 0;
	uint32_t best = SL_NO_ENDPOINT;

	/* The least loaded one is always below the bound. */
	for (uint32_t i = 0; i < n; i++) {
		const struct endpoint *ep = &r->endpoints[slots[i]];
		uint64_t w = weight(ep, slots[i], key);

		if (endpoint_inflight(ep) <= most && (best == SL_NO_ENDPOINT || w > best_weight)) {
			best = slots[i];
			best_weight = w;
		}
	}
	return best;
}

uint32_t rendezvous_choices(const struct sl_router *r, const uint32_t *slots, uint32_t n,
                            uint64_t key, uint32_t out_slots[RENDEZVOUS_CHOICES])
{
	uint64_t weights[RENDEZVOUS_CHOICES + 1];
	uint32_t best[RENDEZVOUS_CHOICES + 1], n_best = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t w = weight(&r->endpoints[slots[i]], slots[i], key);
		uint32_t at = n_best;

		for (; at > 0 && w > weights[at - 1]; at--) {
			weights[at] = weights[at - 1];
			best[at] = best[at - 1];
		}
		weights[at] = w;
		best[at] = slots[i];
		n_best += n_best < RENDEZVOUS_CHOICES;
	}
	memcpy(out_slots, best, n_best * sizeof(*best));
	return n_best;
}

static bool holds_more(const struct sl_router *r, const uint32_t *slots, uint32_t n, uint32_t bytes)
{
	for (uint32_t i = 0; i < n; i++)
		if (index_matched(&r->index, slots[i]) > bytes)
			return true;
	return false;
}

bool rendezvous_is_cold(const struct sl_router *r, const struct sl_query *q)
{
	const struct passing *p = &r->passing;
	uint32_t own = n_common(r, q);
	uint32_t shared_bytes = own ? q->facts->blocks[own - 1].end_bytes : 0;

	if (!q->session && own == q->facts->n_blocks)
		return false;
	return !holds_more(r, p->serve, p->n_serve, shared_bytes) &&
	       !holds_more(r, p->prefill, p->n_prefill, shared_bytes);
}
