/* shortlist.h: the cheapest few candidates of a search, in order of cost.
 *
 * The next candidate is priced in the list's spare place and stays there if it
 * is kept; what moves to make room are ranks of 24 bytes. Equal costs are told
 * apart by a key that depends on the search's salt and the engines alone, so
 * the order in which candidates come does not matter. */
#ifndef SLUICE_ROUTING_SHORTLIST_H
#define SLUICE_ROUTING_SHORTLIST_H

#include <math.h>

#include "sluice/route.h"

#define SHORTLIST 8
/* A lower bound must not part equals because it was summed in another order. */
#define SHORTLIST_ROUNDING (1 + 1e-9)

_Static_assert(SHORTLIST == SL_KEPT_CANDIDATES, "a decision keeps what a search lists");

struct shortlist {
	struct shortlist_rank {
		double cost_ms;
		uint64_t key;           /* shortlist_key of c's engines */
		struct sl_candidate *c; /* in item */
	} rank[SHORTLIST];              /* cheapest first; n are in use */
	uint32_t n;
	struct sl_candidate *spare; /* in item: the place that no rank names and that is next */
	double enough_ms;           /* what is dearer than this is not kept */
	struct sl_candidate item[SHORTLIST + 1];
};

/* Before every search, as the list may have moved since the last one. */
static inline void shortlist_reset(struct shortlist *l)
{
	l->n = 0;
	l->spare = l->item;
	l->enough_ms = HUGE_VAL;
}

static inline uint64_t shortlist_key(uint32_t prefill_ep, uint32_t decode_ep, uint64_t salt)
{
	uint64_t x = salt ^ ((uint64_t)prefill_ep << 32 | decode_ep);

	x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
	x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
	return x ^ (x >> 33);
}

/* Does a candidate of this cost and key stay behind that rank? */
static inline bool shortlist_follows(double cost_ms, uint64_t key,
                                     const struct shortlist_rank *rank)
{
	return cost_ms > rank->cost_ms || (cost_ms == rank->cost_ms && key >= rank->key);
}

/* False: what costs at least that much will not be kept. Where many engines are
 * idle, most of them are turned away as equals, here. */
static inline bool shortlist_may_keep(const struct shortlist *l, double least_ms,
                                      uint32_t prefill_ep, uint32_t decode_ep, uint64_t salt)
{
	const struct shortlist_rank *last = &l->rank[SHORTLIST - 1];

	if (l->n < SHORTLIST || least_ms < last->cost_ms)
		return true;
	if (least_ms > last->cost_ms)
		return least_ms <= l->enough_ms;
	return shortlist_key(prefill_ep, decode_ep, salt) < last->key;
}

/* Keeps the candidate in the spare place, if it is among the cheapest. */
static inline void shortlist_add(struct shortlist *l, uint64_t salt)
{
	struct shortlist_rank *at = &l->rank[l->n];
	struct sl_candidate *c = l->spare, *spare = c + 1;
	double cost_ms = c->cost_ms;
	uint64_t key = shortlist_key(c->prefill_ep, c->decode_ep, salt);

	if (l->n < SHORTLIST) {
		l->n++;
	} else {
		if (shortlist_follows(cost_ms, key, --at))
			return;
		spare = at->c;
	}
	for (; at > l->rank && !shortlist_follows(cost_ms, key, at - 1); at--)
		*at = at[-1];
	*at = (struct shortlist_rank){ cost_ms, key, c };
	l->spare = spare;
	if (l->n == SHORTLIST)
		l->enough_ms = l->rank[SHORTLIST - 1].cost_ms * SHORTLIST_ROUNDING;
}

#endif
