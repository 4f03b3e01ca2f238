/* decide.c: one decision: clusters in their order, in each of them the filters,
 * then the cheapest placement. */
#include "routing/filter.h"
#include "routing/place.h"
#include "routing/recall.h"

/* ---- names ----------------------------------------------------------- */

const char *sl_filter_name(enum sl_filter f)
{
	static const char *const names[] = {
		[SL_FILTER_NONE] = "none",         [SL_FILTER_MODEL] = "model",
		[SL_FILTER_ROLE] = "role",         [SL_FILTER_HEALTH] = "health",
		[SL_FILTER_DRAINING] = "draining", [SL_FILTER_EXCLUDED] = "excluded",
		[SL_FILTER_KV_GROUP] = "kv_group", [SL_FILTER_FULL] = "full",
		[SL_FILTER_CLUSTER] = "cluster",   [SL_FILTER_SLOW_START] = "slow_start",
	};

	_Static_assert(SL_COUNT(names) == SL_FILTER_COUNT, "every filter has a name");
	return (unsigned)f < SL_COUNT(names) ? names[f] : "unknown";
}

const char *sl_placement_name(enum sl_placement p)
{
	static const char *const names[] = {
		[SL_PLACE_NONE] = "none",
		[SL_PLACE_AGGREGATED] = "aggregated",
		[SL_PLACE_LOCAL] = "local",
		[SL_PLACE_REMOTE] = "remote",
	};

	return (unsigned)p < SL_COUNT(names) ? names[p] : "unknown";
}

void sl_query_init(struct sl_query *q, uint32_t model, const struct sl_facts *facts)
{
	*q = (struct sl_query){
		.model = model,
		.facts = facts,
		.prefill_ep = SL_NO_ENDPOINT,
		.pinned_decode = SL_NO_ENDPOINT,
	};
}

/* ---- clusters -------------------------------------------------------- */

/* An engine that may still prove well counts: it is asked before its cluster
 * is given up. */
static bool makes_ready(const struct endpoint *ep)
{
	return ep->spec.role != SL_ROLE_PREFILL && !ep->draining &&
	       ep->health != SL_HEALTH_UNHEALTHY;
}

static uint64_t ready_tiers(const struct sl_router *r, const struct model *m)
{
	uint64_t tiers = 0;

	for (uint32_t w = 0; w < r->models.n_words; w++) {
		for (uint64_t bits = m->endpoints[w]; bits; bits &= bits - 1) {
			uint32_t slot = w * 64 + (uint32_t)__builtin_ctzll(bits);
			const struct endpoint *ep = &r->endpoints[slot];

			if (makes_ready(ep) && m->ladder.allowed >> ep->spec.cluster & 1)
				tiers |= 1ull << r->clusters.tier_of[ep->spec.cluster];
		}
	}
	return tiers;
}

/* The best placement among the endpoints of `within`. 0 or negative. Slow starts
 * spare engines as long as there are others. */
static int place(struct sl_router *r, const struct sl_query *q, const uint64_t *within,
                 uint64_t now_us, struct sl_rng *rng, struct sl_decision *d)
{
	uint32_t before[SL_FILTER_COUNT];

	memcpy(before, d->filtered, sizeof(before));
	filter_run(r, q, within, now_us, false, d->filtered);
	if (place_search(r, q, now_us, rng, d))
		return 0;
	if (r->passing.held) {
		memcpy(d->filtered, before, sizeof(before));
		filter_run(r, q, within, now_us, true, d->filtered);
		if (place_search(r, q, now_us, rng, d))
			return 0;
	}
	return filter_error(r, q);
}

/* Requests have few tries: one that has failed so often in a tier tries the
 * others before it. */
#define TIER_TRIES 2u

static bool is_worn(const struct sl_router *r, const struct sl_query *q, uint32_t tier)
{
	uint32_t tries = 0;

	for (uint32_t i = 0; i < q->n_excluded; i++)
		tries += q->excluded[i] < r->n_slots &&
		         r->clusters.tier_of[r->endpoints[q->excluded[i]].spec.cluster] == tier;
	return tries >= TIER_TRIES;
}

/* The tier of the model's ladder first, or last, and the others best first. */
static void order_tiers(const struct sl_router *r, const struct sl_query *q, uint32_t first,
                        uint32_t order[SL_MAX_CLUSTERS])
{
	bool worn = is_worn(r, q, first);
	uint32_t n = 0;

	if (!worn)
		order[n++] = first;
	for (uint32_t tier = 0; tier < r->clusters.n_tiers; tier++)
		if (tier != first)
			order[n++] = tier;
	if (worn)
		order[n] = first;
}

/* A request that has tried the engines of one tier, or finds them full, has
 * others. */
static int place_by_tier(struct sl_router *r, const struct sl_query *q, uint64_t now_us,
                         struct sl_rng *rng, struct sl_decision *d)
{
	struct clusters *cs = &r->clusters;
	struct model *m = &r->models.list[q->model];
	struct ladder *l = &m->ladder;
	uint32_t order[SL_MAX_CLUSTERS];
	int err = SL_E_NO_ENDPOINT;

	if (l->as_of != cs->changes) {
		l->ready = ready_tiers(r, m);
		l->as_of = cs->changes;
		if (l->tier >= cs->n_tiers) /* a reload has taken some away */
			l->tier = 0;
	}
	order_tiers(r, q, ladder_step(l, cs, now_us, rng, &d->moved), order);
	d->filtered[SL_FILTER_CLUSTER] = m->n_endpoints;
	for (uint32_t i = 0; i < cs->n_tiers; i++) {
		const uint64_t *within = clusters_mask(cs, l->allowed, order[i]);
		int rc = place(r, q, within, now_us, rng, d);

		if (rc == 0)
			return 0;
		if (rc == SL_E_SATURATED)
			err = rc;
	}
	return err;
}

/* What is bound to a hand-off is bound to its cluster. */
static bool is_bound(const struct sl_query *q)
{
	return q->decode_only || q->pinned_decode != SL_NO_ENDPOINT;
}

int sl_router_decide(struct sl_router *r, const struct sl_query *q, uint64_t now_us,
                     struct sl_rng *rng, struct sl_decision *out_decision)
{
	struct sl_decision *d = out_decision;
	int err = 0;

	d->chosen = (struct sl_candidate){ 0 };
	memset(&d->n_kept, 0, sizeof(*d) - offsetof(struct sl_decision, n_kept));
	if (q->model >= r->models.count || r->models.list[q->model].n_endpoints == 0) {
		d->filtered[SL_FILTER_MODEL] = r->n_alive;
		err = SL_E_MODEL_NOT_FOUND;
	} else {
		r->cost.prefill_scale = learn_scale_factor(&r->prefill_scale);
		r->cost.decode_scale = learn_scale_factor(&r->decode_scale);
		index_match(&r->index, q->facts->blocks, q->facts->n_blocks);
		recall_turn(r, q, now_us);
		err = clusters_matter(&r->clusters) && !is_bound(q)
		              ? place_by_tier(r, q, now_us, rng, d)
		              : place(r, q, NULL, now_us, rng, d);
	}
	memset(d->kept + d->n_kept, 0, (SL_KEPT_CANDIDATES - d->n_kept) * sizeof(*d->kept));
	return err;
}
