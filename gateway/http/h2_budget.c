/* h2_budget.c: what a peer may do for nothing.
 *
 * Two budgets for each connection: one of suspicious acts, of which each kind
 * has its price, and, on a server, one of streams that the peer resets. Time
 * refills both within REFILL_US, so that a client that is odd now and then, for
 * days, never runs dry; a flood is over after as many frames as the budget
 * holds. A session that is never told the time is not refilled by it. */
#include "gateway/http/h2_session.h"

#define REFILL_US 30000000u
#define DEFAULT_GLITCHES 2000u
#define DEFAULT_RESETS 1000u

static struct h2_budget budget_of(uint32_t given, uint32_t otherwise)
{
	int32_t full = (int32_t)(given ? given : otherwise);

	return (struct h2_budget){ .left = full, .full = full };
}

void h2_budgets_init(struct sl_h2 *h2)
{
	h2->glitches = budget_of(h2->limits.glitches, DEFAULT_GLITCHES);
	h2->resets = budget_of(h2->limits.resets, DEFAULT_RESETS);
}

static void take(struct sl_h2 *h2, struct h2_budget *b, int32_t cost, enum sl_h2_cut cut)
{
	if (b->left < 0)
		return;
	b->left -= cost;
	if (b->left >= 0 || h2->cut)
		return;
	h2->cut = cut;
	nghttp2_session_terminate_session(h2->ng, H2_ENHANCE_YOUR_CALM);
}

static void give(struct h2_budget *b, int64_t n)
{
	if (b->left < 0)
		return;
	b->left = n < b->full - b->left ? b->left + (int32_t)n : b->full;
}

void h2_spend(struct sl_h2 *h2, int32_t cost)
{
	take(h2, &h2->glitches, cost, SL_H2_CUT_GLITCHES);
}

void h2_earn(struct sl_h2 *h2)
{
	give(&h2->glitches, 4);
}

void h2_spend_reset(struct sl_h2 *h2)
{
	take(h2, &h2->resets, 1, SL_H2_CUT_RESETS);
}

void sl_h2_tick(struct sl_h2 *h2, uint64_t now_us)
{
	uint64_t passed = now_us - h2->tick_us;
	uint64_t step = REFILL_US / (uint64_t)h2->resets.full + 1;

	if (h2->tick_us == 0 || passed > REFILL_US)
		passed = h2->tick_us ? REFILL_US : 0;
	else if (passed < step) /* or ever so little would be rounded to nothing */
		return;
	give(&h2->glitches, (int64_t)(passed * (uint64_t)h2->glitches.full / REFILL_US));
	give(&h2->resets, (int64_t)(passed * (uint64_t)h2->resets.full / REFILL_US));
	h2->tick_us = now_us;
}

enum sl_h2_cut sl_h2_cut(const struct sl_h2 *h2)
{
	return h2->cut;
}
