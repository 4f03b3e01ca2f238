/* fleet_help.h: random fleets that live a random life, for the properties that
 * no life may break. Everything follows from the seed.
 *
 * An engine has a number, in whose order it is drawn, and a slot of the router,
 * which depends on the order in which engines were added. */
#ifndef TESTS_FLEET_HELP_H
#define TESTS_FLEET_HELP_H

#include <stdio.h>

#include "routing/state.h"
#include "tests/unit/routing/route_help.h"

#define FLEET_ENGINES 48
#define FLEET_PROMPTS 16
#define FLEET_TICKETS 96
#define FLEET_CLUSTERS 3

struct fleet {
	uint64_t seed;
	struct sl_router *r;
	struct sl_rng rng;   /* of what happens to it */
	struct sl_rng draws; /* the router's */
	uint64_t now_us;
	uint32_t n;
	uint32_t slot[FLEET_ENGINES];
	struct sl_endpoint_spec spec[FLEET_ENGINES]; /* by number, as what follows */
	uint8_t models[FLEET_ENGINES];               /* a bit each */
	uint32_t model[2];
	uint64_t allowed; /* clusters of model 0 */
	struct prompt prompts[FLEET_PROMPTS];
	struct sl_ticket tickets[FLEET_TICKETS];
	const struct prompt *prompt_of[FLEET_TICKETS];
};

/* One decision of its life. */
struct fleet_decision {
	bool made; /* or something else happened */
	int err;
	struct sl_query query;
	struct sl_decision decision;
};

/* Says which seed it was, where it was not as it must be. */
#define fleet_assert(f, x)                                                                         \
	do {                                                                                       \
		if (!(x))                                                                          \
			print_error("seed %llu\n", (unsigned long long)(f)->seed);                 \
		assert_true(x);                                                                    \
	} while (0)

static inline bool fleet_chance(struct fleet *f, uint32_t one_in)
{
	return help_below(&f->rng, one_in) == 0;
}

/* ---- how it begins ------------------------------------------------------ */

static inline enum sl_role fleet_role(struct sl_rng *rng, uint32_t shape, uint32_t i)
{
	if (shape == 0)
		return SL_ROLE_BOTH;
	if (shape == 1)
		return i % 3 ? SL_ROLE_DECODE : SL_ROLE_PREFILL;
	return (enum sl_role)help_below(rng, 3);
}

static inline void fleet_draw_specs(struct fleet *f, bool clusters)
{
	uint32_t shape = help_below(&f->rng, 3), groups = 1 + help_below(&f->rng, 3);

	for (uint32_t i = 0; i < f->n; i++) {
		uint32_t cluster = clusters ? help_below(&f->rng, FLEET_CLUSTERS) : 0;

		f->spec[i] = (struct sl_endpoint_spec){
			.role = fleet_role(&f->rng, shape, i),
			/* a group lies in one cluster */
			.kv_group = 5 * help_below(&f->rng, groups) + cluster,
			.max_concurrent = fleet_chance(f, 4) ? 1 + help_below(&f->rng, 6) : 0,
			.remote_prefill = !fleet_chance(f, 8),
			.gateway = fleet_chance(f, 12),
			.cluster = cluster,
		};
		f->models[i] = fleet_chance(f, 10) ? 2 : fleet_chance(f, 4) ? 3 : 1;
	}
}

static inline void fleet_add_engines(struct fleet *f, const uint32_t *order)
{
	for (uint32_t i = 0; i < f->n; i++) {
		uint32_t k = order ? order[i] : i, models[2], n = 0;

		f->slot[k] = sl_router_endpoint_add(f->r, &f->spec[k]);
		for (uint32_t m = 0; m < 2; m++)
			if (f->models[k] >> m & 1)
				models[n++] = f->model[m];
		sl_router_endpoint_models(f->r, f->slot[k], models, n);
	}
}

static inline void fleet_draw_health(struct fleet *f, uint32_t i)
{
	uint32_t x = help_below(&f->rng, 12);

	sl_router_endpoint_health(f->r, f->slot[i],
	                          x < 8    ? SL_HEALTH_HEALTHY
	                          : x < 10 ? SL_HEALTH_DEGRADED
	                          : x < 11 ? SL_HEALTH_UNKNOWN
	                                   : SL_HEALTH_UNHEALTHY,
	                          f->now_us);
}

static inline void fleet_set_clusters(struct fleet *f)
{
	struct sl_clusters clusters = { .n = FLEET_CLUSTERS, .failback_us = 1000000 };

	for (uint32_t i = 0; i < FLEET_CLUSTERS; i++)
		clusters.priority[i] = help_below(&f->rng, 3);
	sl_router_clusters(f->r, &clusters);
	f->allowed = 1 + help_below(&f->rng, 7);
	sl_router_model_clusters(f->r, f->model[0], f->allowed);
}

/* order: in which engines are added, NULL for that of their numbers. */
static inline void fleet_open(struct fleet *f, uint64_t seed, bool clusters, const uint32_t *order)
{
	struct sl_router_options opt;

	*f = (struct fleet){ .seed = seed,
		             .rng = { seed * 2 + 1 },
		             .draws = { seed + 77 },
		             .now_us = 5000000,
		             .allowed = UINT64_MAX };
	sl_router_options_default(&opt);
	opt.index_max_entries_per_endpoint = 300;
	f->r = sl_router_new(&opt);
	f->model[0] = sl_router_model(f->r, SL_SPAN("m"));
	f->model[1] = sl_router_model(f->r, SL_SPAN("other"));
	f->n = 1 + help_below(&f->rng, FLEET_ENGINES);
	fleet_draw_specs(f, clusters);
	fleet_add_engines(f, order);
	for (uint32_t i = 0; i < f->n; i++) {
		fleet_draw_health(f, i);
		sl_router_endpoint_drain(f->r, f->slot[i], fleet_chance(f, 12));
	}
	if (clusters)
		fleet_set_clusters(f);
	for (uint32_t i = 0; i < FLEET_PROMPTS; i++) {
		struct prompt *p = &f->prompts[i];

		prompt_init(p, i % 3, 4096, i, help_below(&f->rng, 1u << (8 + i % 12)));
		p->facts.stream = !fleet_chance(f, 4);
		p->facts.n = fleet_chance(f, 6) ? 1 + help_below(&f->rng, 8) : 1;
		p->facts.max_tokens = fleet_chance(f, 3) ? (int64_t)help_below(&f->rng, 900) : -1;
	}
}

static inline void fleet_close(struct fleet *f)
{
	sl_router_free(f->r);
	for (uint32_t i = 0; i < FLEET_PROMPTS; i++)
		prompt_fini(&f->prompts[i]);
}

/* The engine in this slot; all slots have one. */
static inline uint32_t fleet_engine(const struct fleet *f, uint32_t slot)
{
	uint32_t i = 0;

	while (f->slot[i] != slot)
		i++;
	return i;
}

/* ---- what happens ------------------------------------------------------- */

/* An engine of this role that may have one half of such a request, or
 * SL_NO_ENDPOINT. */
static inline uint32_t fleet_pick(struct fleet *f, enum sl_role role, uint32_t model)
{
	uint64_t allowed = model == f->model[0] ? f->allowed : UINT64_MAX;
	uint32_t from = help_below(&f->rng, f->n);

	for (uint32_t i = 0; i < f->n; i++) {
		const struct sl_endpoint_spec *spec = &f->spec[(from + i) % f->n];

		if (spec->role == role && spec->remote_prefill && allowed >> spec->cluster & 1)
			return f->slot[(from + i) % f->n];
	}
	return SL_NO_ENDPOINT;
}

static inline struct sl_query fleet_query(struct fleet *f)
{
	struct sl_query q;

	sl_query_init(&q, f->model[fleet_chance(f, 8)],
	              &f->prompts[help_below(&f->rng, FLEET_PROMPTS)].facts);
	for (uint32_t n = help_below(&f->rng, 12); n < 3; n++)
		q.excluded[q.n_excluded++] = f->slot[help_below(&f->rng, f->n)];
	q.staleness_us = fleet_chance(f, 4) ? help_below(&f->rng, 300000) : 0;
	q.no_gateways = fleet_chance(f, 6);
	switch (help_below(&f->rng, 12)) {
	case 0:
		q.single_engine = true;
		break;
	case 1:
		q.no_decode = true;
		break;
	case 2:
		q.prefill_ep = fleet_pick(f, SL_ROLE_PREFILL, q.model);
		q.decode_only = q.prefill_ep != SL_NO_ENDPOINT;
		break;
	case 3:
		q.pinned_decode = fleet_pick(f, SL_ROLE_DECODE, q.model);
		break;
	}
	return q;
}

static inline const struct prompt *fleet_prompt(const struct fleet *f, const struct sl_query *q)
{
	uint32_t i = 0;

	while (&f->prompts[i].facts != q->facts)
		i++;
	return &f->prompts[i];
}

static inline struct sl_ticket *fleet_live(struct fleet *f)
{
	return &f->tickets[help_below(&f->rng, FLEET_TICKETS)];
}

static inline struct sl_outcome fleet_outcome(struct fleet *f)
{
	struct sl_outcome o = help_unknown;

	if (!fleet_chance(f, 4))
		o.completion_tokens = help_below(&f->rng, 2000);
	if (!fleet_chance(f, 3))
		o.prompt_tokens = help_below(&f->rng, 100000);
	if (!fleet_chance(f, 3))
		o.cached_tokens = help_below(&f->rng, 200000);
	return o;
}

static inline void fleet_end(struct fleet *f, struct sl_ticket *t)
{
	struct sl_outcome outcome = fleet_outcome(f);

	if (fleet_chance(f, 3))
		sl_router_cancel(f->r, t, &f->prompt_of[t - f->tickets]->facts,
		                 help_below(&f->rng, 4), f->now_us);
	else
		sl_router_finish(f->r, t, &outcome, f->now_us);
}

static inline void fleet_decide(struct fleet *f, struct fleet_decision *out)
{
	out->made = true;
	out->query = fleet_query(f);
	out->err = sl_router_decide(f->r, &out->query, f->now_us, &f->draws, &out->decision);
}

/* In a ticket, if one is free. */
static inline void fleet_dispatch(struct fleet *f, const struct fleet_decision *d)
{
	struct sl_ticket *t = fleet_live(f);

	if (d->err || t->live)
		return;
	f->prompt_of[t - f->tickets] = fleet_prompt(f, &d->query);
	sl_router_dispatch(f->r, &d->query, &d->decision, f->now_us, t);
}

static inline void fleet_scrape(struct fleet *f, uint32_t slot)
{
	struct sl_load_sample s = { .taken_us = f->now_us,
		                    .running = help_below(&f->rng, 40),
		                    .waiting = help_below(&f->rng, 10),
		                    .kv_usage = help_unit(&f->rng),
		                    .kv_capacity_tokens =
		                            fleet_chance(f, 2) ? -1.0 : 400000 * help_unit(&f->rng),
		                    .prefix_hit_tokens = help_below(&f->rng, 1000000),
		                    .prefix_query_tokens = help_below(&f->rng, 1000000) };

	sl_router_endpoint_sample(f->r, slot, &s, f->now_us);
}

static inline void fleet_hear(struct fleet *f, uint32_t slot)
{
	struct sl_load load = { .inflight = help_below(&f->rng, 5),
		                .prefilling = help_below(&f->rng, 3),
		                .seqs = help_below(&f->rng, 20),
		                .queue_us = help_below(&f->rng, 900000),
		                .context_tokens = help_below(&f->rng, 90000) };

	sl_router_peer_load(f->r, slot, help_below(&f->rng, 3), &load, f->now_us + 3000000,
	                    f->now_us);
}

static inline void fleet_disturb(struct fleet *f)
{
	uint32_t i = help_below(&f->rng, f->n);

	switch (help_below(&f->rng, 8)) {
	case 0:
		fleet_draw_health(f, i);
		break;
	case 1:
		sl_router_endpoint_drain(f->r, f->slot[i], fleet_chance(f, 4));
		break;
	case 2:
		sl_router_endpoint_restarted(f->r, f->slot[i]);
		break;
	case 3:
		sl_router_peer_forget(f->r, help_below(&f->rng, 3), f->now_us);
		break;
	case 4:
	case 5:
		fleet_hear(f, f->slot[i]);
		break;
	default:
		fleet_scrape(f, f->slot[i]);
		break;
	}
}

static inline void fleet_pass_time(struct fleet *f)
{
	f->now_us += help_below(&f->rng, fleet_chance(f, 20) ? 8000000 : 40000);
}

/* Something happens; where it is a decision, it is left to the caller to look
 * at it and to dispatch it. */
static inline struct fleet_decision fleet_step(struct fleet *f)
{
	struct fleet_decision d = { 0 };
	struct sl_ticket *t = fleet_live(f);

	fleet_pass_time(f);
	switch (help_below(&f->rng, 10)) {
	case 0:
		sl_router_prefilled(f->r, t, f->now_us);
		break;
	case 1:
		sl_router_first_token(f->r, t, f->now_us);
		break;
	case 2:
		if (t->live)
			fleet_end(f, t);
		break;
	case 3:
		fleet_disturb(f);
		break;
	default:
		fleet_decide(f, &d);
		break;
	}
	return d;
}

static inline void fleet_live_on(struct fleet *f, uint32_t steps)
{
	while (steps-- > 0) {
		struct fleet_decision d = fleet_step(f);

		if (d.made)
			fleet_dispatch(f, &d);
	}
}

/* ---- who may take part, told from the rules alone -------------------------- */

static inline bool fleet_may_serve(const struct fleet *f, const struct sl_query *q, uint32_t slot)
{
	uint32_t i = fleet_engine(f, slot);
	const struct endpoint *ep = &f->r->endpoints[slot];
	uint32_t inflight = ep->ledger.inflight + (ep->peers ? ep->peers->sum.inflight : 0);
	uint64_t allowed = q->model == f->model[0] ? f->allowed : UINT64_MAX;

	for (uint32_t k = 0; k < q->n_excluded; k++)
		if (q->excluded[k] == slot)
			return false;
	return f->models[i] >> (q->model == f->model[1]) & 1 && allowed >> f->spec[i].cluster & 1 &&
	       !(q->no_gateways && f->spec[i].gateway) && ep->health != SL_HEALTH_UNHEALTHY &&
	       !ep->draining &&
	       (!f->spec[i].max_concurrent || inflight < f->spec[i].max_concurrent);
}

static inline bool fleet_may_pair(const struct fleet *f, uint32_t prefill, uint32_t decode)
{
	const struct sl_endpoint_spec *p = &f->spec[fleet_engine(f, prefill)];
	const struct sl_endpoint_spec *d = &f->spec[fleet_engine(f, decode)];

	return p->role == SL_ROLE_PREFILL && d->role == SL_ROLE_DECODE && p->remote_prefill &&
	       d->remote_prefill && p->kv_group == d->kv_group;
}

#endif
