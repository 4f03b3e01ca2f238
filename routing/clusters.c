/* clusters.c: see clusters.h. */
#include "routing/clusters.h"

#include "routing/alloc.h"

void clusters_init(struct clusters *cs)
{
	*cs = (struct clusters){ .n_tiers = 1 };
}

void clusters_fini(struct clusters *cs)
{
	for (uint32_t c = 0; c < SL_MAX_CLUSTERS; c++)
		free(cs->slots[c]);
	free(cs->mask);
}

void clusters_reserve(struct clusters *cs, uint32_t n_slots)
{
	uint32_t n_words = (n_slots + 63) / 64;

	if (n_words <= cs->n_words)
		return;
	for (uint32_t c = 0; c < SL_MAX_CLUSTERS; c++)
		if (cs->slots[c])
			cs->slots[c] =
			        alloc_extend(cs->slots[c], cs->n_words, n_words, sizeof(uint64_t));
	cs->mask = alloc_resize(cs->mask, n_words, sizeof(*cs->mask));
	cs->n_words = n_words;
}

/* The rank of a cluster's priority among the distinct ones. */
static uint32_t rank_of(const struct sl_clusters *clusters, uint32_t cluster)
{
	uint32_t rank = 0;

	for (uint32_t i = 0; i < clusters->n; i++) {
		bool counts = clusters->priority[i] < clusters->priority[cluster];

		for (uint32_t k = 0; counts && k < i; k++)
			counts = clusters->priority[k] != clusters->priority[i];
		rank += counts;
	}
	return rank;
}

void clusters_set(struct clusters *cs, const struct sl_clusters *clusters)
{
	cs->n_tiers = 1;
	for (uint32_t c = 0; c < SL_MAX_CLUSTERS; c++) {
		cs->tier_of[c] = c < clusters->n ? rank_of(clusters, c) : 0;
		if (cs->tier_of[c] >= cs->n_tiers)
			cs->n_tiers = cs->tier_of[c] + 1;
	}
	cs->failback_us = clusters->failback_us;
	cs->ramp_us = clusters->ramp_us;
	cs->changes++;
}

void clusters_join(struct clusters *cs, uint32_t cluster, uint32_t slot)
{
	if (!cs->slots[cluster])
		cs->slots[cluster] = alloc_zero(cs->n_words, sizeof(uint64_t));
	cs->slots[cluster][slot / 64] |= 1ull << (slot % 64);
	cs->changes++;
}

void clusters_leave(struct clusters *cs, uint32_t cluster, uint32_t slot)
{
	cs->slots[cluster][slot / 64] &= ~(1ull << (slot % 64));
	cs->changes++;
}

uint64_t clusters_of_tier(const struct clusters *cs, uint64_t allowed, uint32_t tier)
{
	uint64_t clusters = 0;

	for (uint32_t c = 0; c < SL_MAX_CLUSTERS; c++)
		if (cs->slots[c] && cs->tier_of[c] == tier)
			clusters |= 1ull << c;
	return clusters & allowed;
}

const uint64_t *clusters_mask(struct clusters *cs, uint64_t allowed, uint32_t tier)
{
	uint64_t clusters = clusters_of_tier(cs, allowed, tier);

	memset(cs->mask, 0, cs->n_words * sizeof(*cs->mask));
	for (; clusters; clusters &= clusters - 1) {
		const uint64_t *slots = cs->slots[__builtin_ctzll(clusters)];

		for (uint32_t w = 0; w < cs->n_words; w++)
			cs->mask[w] |= slots[w];
	}
	return cs->mask;
}

/* ---- one model -------------------------------------------------------- */

void ladder_init(struct ladder *l)
{
	*l = (struct ladder){ .allowed = CLUSTERS_ALL, .as_of = UINT64_MAX };
}

static void move(struct ladder *l, uint32_t tier)
{
	l->tier = tier;
	l->since_us = 0;
}

/* A better tier is ready: whether this request may go there. */
static bool may_return(struct ladder *l, const struct clusters *cs, uint32_t tier, uint64_t now_us,
                       struct sl_rng *rng, bool *out_moved)
{
	uint64_t waited_us;

	if (l->since_us == 0 || l->better != tier) {
		l->better = tier;
		l->since_us = now_us ? now_us : 1;
	}
	waited_us = now_us > l->since_us ? now_us - l->since_us : 0;
	if (waited_us < cs->failback_us)
		return false;
	waited_us -= cs->failback_us;
	if (waited_us >= cs->ramp_us) {
		move(l, tier);
		*out_moved = true;
		return true;
	}
	return sl_rng_next(rng) % cs->ramp_us < waited_us;
}

uint32_t ladder_step(struct ladder *l, const struct clusters *cs, uint64_t now_us,
                     struct sl_rng *rng, bool *out_moved)
{
	uint32_t best = l->ready ? (uint32_t)__builtin_ctzll(l->ready) : l->tier;

	*out_moved = false;
	if (l->ready && !(l->ready >> l->tier & 1)) {
		move(l, best);
		*out_moved = true;
	} else if (best >= l->tier) {
		l->since_us = 0;
	} else if (may_return(l, cs, best, now_us, rng, out_moved)) {
		return best;
	}
	return l->tier;
}
