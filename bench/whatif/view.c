/* view.c: see view.h.
 *
 * Nouns
 *   charge  what one request costs its engines in the books, from DISPATCHED
 *           until each of its legs has ended
 *
 * Invariants
 *   - What was charged is taken back once, from where it was charged, in any
 *     order of events; an engine without requests has empty books to the bit.
 *   - News of a request that was never dispatched here change nothing: another
 *     replica's message may be the first that is heard of it.
 *
 * It refuses to know policies, and what engines really hold. */
#include "bench/whatif/view.h"

#include <assert.h>

#include "routing/alloc.h"

static const double tokens_per_byte = 1.0 / WORKLOAD_BYTES_PER_TOKEN;

void view_init(struct view *v, const struct balancer_setup *setup)
{
	const struct fleet *fleet = setup->fleet;

	*v = (struct view){ .workload = setup->workload,
		            .fleet = fleet,
		            .engines_truth = setup->engines,
		            .n = fleet->n };
	v->engines = alloc_zero(fleet->n + 1u, sizeof(*v->engines));
	v->charges = alloc_zero(setup->workload->n + 1u, sizeof(*v->charges));
	index_init(&v->index, setup->seed);
	index_reserve(&v->index, fleet->n);
	for (uint32_t i = 0; i < fleet->n; i++) {
		v->engines[i].role = fleet->engines[i].role;
		v->engines[i].up = true;
		v->engines[i].profile = fleet->engines[i].profile;
		v->engines[i].kv_tokens = fleet_kv_tokens(&fleet->engines[i]);
	}
}

void view_fini(struct view *v)
{
	index_fini(&v->index);
	free(v->engines);
	free(v->charges);
}

static struct sl_facts facts_of(const struct view *v, uint32_t request)
{
	struct sl_facts facts = { 0 };

	workload_facts(v->workload, request, &facts);
	return facts;
}

void view_match(struct view *v, uint32_t request)
{
	struct sl_facts facts = facts_of(v, request);

	index_match(&v->index, facts.blocks, facts.n_blocks);
}

double view_hit_tokens(const struct view *v, uint32_t request, uint32_t engine)
{
	double hit = index_matched(&v->index, engine) * tokens_per_byte;
	double most = (double)v->workload->requests[request].input_tokens - 1;

	if (most < 0)
		return 0;
	return hit < most ? hit : most;
}

static void insert(struct view *v, uint32_t request, uint32_t engine)
{
	struct sl_facts facts = facts_of(v, request);
	struct index_limit limit = { .tokens = (uint64_t)v->engines[engine].kv_tokens,
		                     .entries = UINT32_MAX };

	index_insert(&v->index, engine, facts.blocks, facts.n_blocks, tokens_per_byte, limit);
}

/* ---- the books ------------------------------------------------------- */

static bool is_remote(struct balancer_choice choice)
{
	return choice.prefill != choice.decode;
}

static void open_charge(struct view *v, uint32_t request, struct balancer_choice choice)
{
	struct view_charge *c = &v->charges[request];
	struct view_engine *p = &v->engines[choice.prefill];
	struct view_engine *d = &v->engines[choice.decode];
	double tokens = v->workload->requests[request].input_tokens;
	double hit;

	view_match(v, request);
	hit = view_hit_tokens(v, request, choice.prefill);
	*c = (struct view_charge){ .choice = choice,
		                   .uncached_tokens = tokens - hit,
		                   .prefill_ms =
		                           sl_profile_prefill_ms(p->profile, tokens - hit, hit),
		                   .prefill_open = true,
		                   .decode_open = true };
	p->prefilling++;
	p->pending_tokens += c->uncached_tokens;
	p->queue_ms += c->prefill_ms;
	d->decoding++;
	d->active_tokens += tokens;
	d->inflight++;
	p->inflight += is_remote(choice);
}

static void close_prefill(struct view *v, uint32_t request)
{
	struct view_charge *c = &v->charges[request];
	struct view_engine *p = &v->engines[c->choice.prefill];

	if (!c->prefill_open)
		return;
	c->prefill_open = false;
	p->prefilling--;
	p->inflight -= is_remote(c->choice);
	/* sums of fractions need not cancel */
	p->pending_tokens = p->prefilling ? p->pending_tokens - c->uncached_tokens : 0;
	p->queue_ms = p->prefilling ? p->queue_ms - c->prefill_ms : 0;
}

static void close_decode(struct view *v, uint32_t request)
{
	struct view_charge *c = &v->charges[request];
	struct view_engine *d = &v->engines[c->choice.decode];

	if (!c->decode_open)
		return;
	c->decode_open = false;
	d->decoding--;
	d->inflight--;
	d->active_tokens -= v->workload->requests[request].input_tokens;
}

void view_news(struct view *v, const struct balancer_news *news)
{
	uint32_t request = news->request;

	assert(request < v->workload->n);
	switch (news->event) {
	case BALANCER_DISPATCHED:
		assert(!v->charges[request].prefill_open && !v->charges[request].decode_open);
		open_charge(v, request, news->choice);
		insert(v, request, news->choice.prefill);
		if (is_remote(news->choice))
			insert(v, request, news->choice.decode);
		break;
	case BALANCER_PREFILLED:
	case BALANCER_FIRST_TOKEN:
		close_prefill(v, request);
		break;
	case BALANCER_FINISHED:
	case BALANCER_FAILED:
		close_prefill(v, request);
		close_decode(v, request);
		break;
	}
}
