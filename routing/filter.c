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

static bool role_fits(const struct sl_query *q, enum sl_role role, bool remote_prefill)
{
	bool takes_handoff = role == SL_ROLE_DECODE && remote_prefill;

	if (q->decode_only)
		return takes_handoff;
	if (is_pinned(q))
		return role == SL_ROLE_PREFILL ? remote_prefill : takes_handoff;
	if (q->no_decode || role != SL_ROLE_PREFILL)
		return true;
	return !q->single_engine && remote_prefill;
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

/* What a query asks of an endpoint, told once for all of them. */
struct filter {
	const struct sl_query *q;
	bool role_fits[SL_ROLE_DECODE + 1][2]; /* by role and spec.remote_prefill */
	bool plain[SL_ROLE_DECODE + 1][2];     /* the same; no plain one of these is dropped */
	bool excludes;
	bool binds;
	bool hurry;
	uint64_t now_us;
	uint32_t group;
};

static struct filter make_filter(const struct sl_router *r, const struct sl_query *q,
                                 uint64_t now_us, bool hurry)
{
	struct filter f = { .q = q,
		            .hurry = hurry,
		            .now_us = now_us,
		            .excludes = q->n_excluded || is_pinned(q),
		            .binds = q->decode_only || is_pinned(q),
		            .group = bound_group(r, q) };

	for (unsigned role = 0; role < SL_COUNT(f.role_fits); role++)
		for (unsigned remote = 0; remote < 2; remote++) {
			f.role_fits[role][remote] = role_fits(q, (enum sl_role)role, remote);
			f.plain[role][remote] =
			        f.role_fits[role][remote] && !f.excludes && !f.binds;
		}
	return f;
}

static inline enum sl_filter check(const struct filter *f, const struct endpoint *ep, uint32_t slot)
{
	if (!f->role_fits[ep->spec.role][ep->spec.remote_prefill])
		return SL_FILTER_ROLE;
	if (f->q->no_gateways && ep->spec.gateway)
		return SL_FILTER_CLUSTER;
	if (f->excludes && is_excluded(f->q, ep, slot))
		return SL_FILTER_EXCLUDED;
	if (ep->health == SL_HEALTH_UNHEALTHY)
		return SL_FILTER_HEALTH;
	if (ep->draining)
		return SL_FILTER_DRAINING;
	if (f->binds && ep->group != f->group)
		return SL_FILTER_KV_GROUP;
	if (ep->spec.max_concurrent && endpoint_inflight(ep) >= ep->spec.max_concurrent)
		return SL_FILTER_FULL;
	if (ep->ramping && !f->hurry && endpoint_inflight(ep) >= endpoint_ramp(ep, f->now_us))
		return SL_FILTER_SLOW_START;
	return SL_FILTER_NONE;
}

static inline void add(struct sl_router *r, const struct endpoint *ep, uint32_t slot)
{
	struct passing *p = &r->passing;
	uint32_t rank = filter_prefill_rank(ep);

	if (ep->spec.role == SL_ROLE_PREFILL)
		p->prefill[p->n_prefill++] = slot;
	else
		p->serve[p->n_serve++] = slot;
	if (rank > p->worst_rank)
		p->worst_rank = rank;
	if (filter_takes_handoff(ep)) {
		r->partners[ep->group]++;
		p->decodes_well |= filter_decodes_well(ep);
	}
}

/* The same for a plain one, of which less has to be looked at. */
static inline void add_plain(struct sl_router *r, const struct endpoint *ep, uint32_t slot)
{
	struct passing *p = &r->passing;

	if (ep->spec.role == SL_ROLE_PREFILL) {
		p->prefill[p->n_prefill++] = slot;
		return;
	}
	p->serve[p->n_serve++] = slot;
	if (filter_takes_handoff(ep)) {
		r->partners[ep->group]++;
		p->decodes_well = true;
	}
}

static void note_dropped(struct sl_router *r, const struct endpoint *ep, enum sl_filter reason,
                         uint32_t *dropped)
{
	dropped[reason]++;
	r->passing.held += reason == SL_FILTER_SLOW_START;
	if (reason == SL_FILTER_FULL && ep->spec.role == SL_ROLE_PREFILL)
		r->passing.full_prefill++;
	else if (reason == SL_FILTER_FULL)
		r->passing.full_serve++;
}

static inline void consider(struct sl_router *r, const struct filter *f, uint32_t slot,
                            uint64_t now_us, uint32_t *dropped)
{
	struct endpoint *ep = &r->endpoints[slot];
	enum sl_filter reason;

	if (now_us >= ep->wake_us)
		endpoint_wake(r, ep, now_us);
	if (ep->plain && f->plain[ep->spec.role][ep->spec.remote_prefill]) {
		add_plain(r, ep, slot);
		return;
	}
	reason = check(f, ep, slot);
	if (reason == SL_FILTER_NONE)
		add(r, ep, slot);
	else
		note_dropped(r, ep, reason, dropped);
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

static uint32_t count_within(const struct sl_router *r, const struct model *m,
                             const uint64_t *within)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < r->models.n_words; w++)
		n += (uint32_t)__builtin_popcountll(m->endpoints[w] & within[w]);
	return n;
}

void filter_run(struct sl_router *r, const struct sl_query *q, const uint64_t *within,
                uint64_t now_us, bool hurry, uint32_t dropped[SL_FILTER_COUNT])
{
	struct passing *p = &r->passing;
	const struct model *m = &r->models.list[q->model];
	const struct filter f = make_filter(r, q, now_us, hurry);

	p->n_serve = p->n_prefill = p->full_serve = p->full_prefill = p->worst_rank = 0;
	p->held = 0;
	p->decodes_well = false;
	memset(r->partners, 0, r->n_groups * sizeof(*r->partners));
	dropped[SL_FILTER_MODEL] = r->n_alive - m->n_endpoints;
	if (within)
		dropped[SL_FILTER_CLUSTER] -= count_within(r, m, within);
	for (uint32_t w = 0; w < r->models.n_words; w++)
		for (uint64_t bits = m->endpoints[w] & (within ? within[w] : UINT64_MAX); bits;
		     bits &= bits - 1)
			consider(r, &f, w * 64 + (uint32_t)__builtin_ctzll(bits), now_us, dropped);
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
