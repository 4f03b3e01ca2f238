/* clusters.h: which cluster a model's requests go to.
 *
 * Clusters of one priority form a tier, the best tier first. A model's
 * requests go to one tier, inside which the router chooses freely; the other
 * tiers get what that one cannot take. A tier without an engine for the model
 * is left at once. A better one is returned to when it has been ready for
 * `failback_us` without a break, then with a share that grows over `ramp_us`:
 * its caches are cold, and it may fail again.
 *
 * Residency is not weighed: clusters that a model is not allowed in are not
 * looked at, whatever their state. */
#ifndef SLUICE_ROUTING_CLUSTERS_H
#define SLUICE_ROUTING_CLUSTERS_H

#include "sluice/route.h"

#define CLUSTERS_ALL UINT64_MAX

/* One model's place on the ladder of tiers. */
struct ladder {
	uint64_t allowed;  /* bit per cluster */
	uint64_t ready;    /* bit per tier, as of `as_of` */
	uint64_t as_of;    /* clusters.changes */
	uint32_t tier;     /* where its requests go */
	uint32_t better;   /* the tier that is waited for */
	uint64_t since_us; /* ready without a break since then; 0: none is waited for */
};

struct clusters {
	uint32_t tier_of[SL_MAX_CLUSTERS];
	uint32_t n_tiers;
	bool restricts; /* some model is not allowed everywhere */
	uint64_t failback_us, ramp_us;
	uint64_t changes;                 /* of anything that may make a tier ready or not */
	uint64_t *slots[SL_MAX_CLUSTERS]; /* owned; bit per endpoint slot */
	uint64_t *mask;                   /* owned; scratch of one decision */
	uint32_t n_words;
};

void clusters_init(struct clusters *cs);
void clusters_fini(struct clusters *cs);
/* Room for endpoints 0 .. n_slots - 1. */
void clusters_reserve(struct clusters *cs, uint32_t n_slots);
void clusters_set(struct clusters *cs, const struct sl_clusters *clusters);
void clusters_join(struct clusters *cs, uint32_t cluster, uint32_t slot);
void clusters_leave(struct clusters *cs, uint32_t cluster, uint32_t slot);
/* Whether clusters are to be told apart at all. */
static inline bool clusters_matter(const struct clusters *cs)
{
	return cs->n_tiers > 1 || cs->restricts;
}
/* The clusters of a tier that a model is allowed in, a bit each. */
uint64_t clusters_of_tier(const struct clusters *cs, uint64_t allowed, uint32_t tier);
/* The endpoints of a tier that the model is allowed on: a bit per slot, valid
 * until the next call. */
const uint64_t *clusters_mask(struct clusters *cs, uint64_t allowed, uint32_t tier);

void ladder_init(struct ladder *l);
/* The tier that a request tries first. l->ready is up to date. out_moved: with
 * this request the model's traffic goes elsewhere than before. */
uint32_t ladder_step(struct ladder *l, const struct clusters *cs, uint64_t now_us,
                     struct sl_rng *rng, bool *out_moved);

#endif
