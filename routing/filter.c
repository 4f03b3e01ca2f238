/* filter.c: see filter.h. */
#include "routing/filter.h"

static bool is_pinned(const struct sl_query *q)
{
	return q->pinned_decode != SL_NO_ENDPOINT;
}

/* The group that a hand-off of this query is bound to, or SL_NO_ENDPOINT. */
static uint32_t bound_group(const struct sl_router *r, const struct sl_query *q)
{
	uint32_t slot = q->decode_only ? q->prefill_ep : q->pinned_decode;

	return slot < r->n_slots && r->endpoints[slot].alive ? r->endpoints[slot].group
	                                                     : SL_NO_ENDPOINT;
}

static bool role_fits(const struct sl_query *q, const struct endpoint *ep)
{
	bool prefills_only = ep->spec.role == SL_ROLE_PREFILL;

	if (q->decode_only)
		return filter_takes_handoff(ep);
	if (is_pinned(q))
		return prefills_only ? ep->spec.remote_prefill : filter_takes_handoff(ep);
	if (q->no_decode || !prefills_only)
		return true;
	return !q->single_engine && ep->spec.remote_prefill;
}

static bool is_excluded(const struct sl_query *q, const struct endpoint *ep, uint32_t slot)
{
	if (is_pinned(q) && ep->spec.role != SL_ROLE_PREFILL && slot != q->pinned_decode)
		return true;
	for (uint32_t i = 0; i < q->n_excluded; i++)
		if (q->excluded[i] == slot)
			return true;
	return false;
}

static bool group_fits(const struct sl_query *q, const struct endpoint *ep, uint32_t group)
{
	return (!q->decode_only && !is_pinned(q)) || ep->group == group;
}

static enum sl_filter check(const struct sl_query *q, const struct endpoint *ep, uint32_t slot,
                            uint32_t group)
{
	if (!role_fits(q, ep))
		return SL_FILTER_ROLE;
	if (is_excluded(q, ep, slot))
		return SL_FILTER_EXCLUDED;
	if (ep->health == SL_HEALTH_UNHEALTHY)
		return SL_FILTER_HEALTH;
	if (ep->draining)
		return SL_FILTER_DRAINING;
	if (!group_fits(q, ep, group))
		return SL_FILTER_KV_GROUP;
	if (ep->spec.max_concurrent && ep->ledger.inflight >= ep->spec.max_concurrent)
		return SL_FILTER_FULL;
	return SL_FILTER_NONE;
}

static void add(struct sl_router *r, const struct endpoint *ep, uint32_t slot)
{
	struct passing *p = &r->passing;

	if (ep->spec.role == SL_ROLE_PREFILL)
		p->prefill[p->n_prefill++] = slot;
	else
		p->serve[p->n_serve++] = slot;
	if (filter_takes_handoff(ep)) {
		r->partners[ep->group]++;
		p->decodes_well |= filter_decodes_well(ep);
	}
}

static void consider(struct sl_router *r, const struct sl_query *q, uint32_t slot, uint32_t group,
                     uint64_t now_us, uint32_t *dropped)
{
	struct endpoint *ep = &r->endpoints[slot];
	enum sl_filter reason = check(q, ep, slot, group);

	if (reason == SL_FILTER_NONE) {
		if (now_us >= ep->wake_us)
			endpoint_wake(r, ep, now_us);
		add(r, ep, slot);
		return;
	}
	dropped[reason]++;
	if (reason == SL_FILTER_FULL && ep->spec.role == SL_ROLE_PREFILL)
		r->passing.full_prefill++;
	else if (reason == SL_FILTER_FULL)
		r->passing.full_serve++;
}

/* A prefill engine without a decode engine of its group is of no use, unless
 * nothing will be decoded. */
static void drop_single_prefills(struct sl_router *r, uint32_t *dropped)
{
	struct passing *p = &r->passing;
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n_prefill; i++)
		if (r->partners[r->endpoints[p->prefill[i]].group])
			p->prefill[n++] = p->prefill[i];
	dropped[SL_FILTER_KV_GROUP] += p->n_prefill - n;
	p->n_prefill = n;
}

void filter_run(struct sl_router *r, const struct sl_query *q, uint64_t now_us,
                uint32_t dropped[SL_FILTER_COUNT])
{
	struct passing *p = &r->passing;
	const struct model *m = &r->models.list[q->model];
	uint32_t group = bound_group(r, q);

	p->n_serve = p->n_prefill = p->full_serve = p->full_prefill = 0;
	p->decodes_well = false;
	memset(r->partners, 0, r->n_groups * sizeof(*r->partners));
	dropped[SL_FILTER_MODEL] = r->n_alive - m->n_endpoints;
	for (uint32_t w = 0; w < r->models.n_words; w++)
		for (uint64_t bits = m->endpoints[w]; bits; bits &= bits - 1)
			consider(r, q, w * 64 + (uint32_t)__builtin_ctzll(bits), group, now_us,
			         dropped);
	if (!q->no_decode && !is_pinned(q))
		drop_single_prefills(r, dropped);
}

int filter_error(const struct sl_router *r, const struct sl_query *q)
{
	const struct passing *p = &r->passing;
	bool serve = p->n_serve + p->full_serve > 0;
	bool prefill = p->n_prefill + p->full_prefill > 0;
	bool full = p->full_serve + p->full_prefill > 0;

	if (q->no_decode)
		serve = serve || prefill;
	else if (is_pinned(q) && !prefill)
		serve = false;
	return serve && full ? SL_E_SATURATED : SL_E_NO_ENDPOINT;
}
