/* state.h: the router's state, shared by the files that work on it.
 *
 * router.c owns endpoints, account.c what is dispatched to them; filter.c and
 * place.c read them. A slot is `alive` from add to del, and free again when
 * it is neither alive nor has a ticket. */
#ifndef SLUICE_ROUTING_STATE_H
#define SLUICE_ROUTING_STATE_H

#include "routing/adapters.h"
#include "routing/cost.h"
#include "routing/decay.h"
#include "routing/index.h"
#include "routing/ledger.h"
#include "routing/models.h"
#include "routing/peers.h"
#include "routing/sessions.h"
#include "routing/shortlist.h"

/* What is known of an endpoint beside what a decision reads. */
struct past {
	struct learn_engine evidence;
	uint64_t relearn_us;
	struct learn_hits hits;
	uint64_t cache;          /* which one it is: another number since it was emptied */
	double kv_usage;         /* last scrape, or -1 */
	double scraped_capacity; /* or -1 */
	uint64_t ramp_us;        /* when its slow start began; 0: at the next look */
	uint64_t sampled_us;
	uint32_t *models; /* owned */
	uint32_t n_models;
	uint64_t dispatched;
	double hit_tokens_predicted;
	double derate; /* of its GPUs: a part of F that need not be learned */
};

/* Small, because a decision walks over thousands of them; what it reads of
 * each comes first, in the order in which it is asked for. */
struct endpoint {
	uint64_t wake_us; /* endpoint_wake has something to do from then on */
	struct sl_endpoint_spec spec;
	enum sl_health health;
	bool alive;
	bool draining;
	bool full;      /* what is known of its cache fills it */
	bool plain;     /* an engine, healthy, not draining, no limit: what most are */
	bool ramping;   /* in its slow start */
	uint32_t group; /* dense number of spec.kv_group */
	double slow;    /* F */
	double gamma;
	double capacity; /* tokens */
	double busy;     /* U as of busy_us */
	uint64_t busy_us;
	uint64_t foreign_us;
	struct peers *peers; /* owned; NULL while no other gateway has spoken of it */
	struct ledger ledger;
	double foreign_seqs, foreign_waiting; /* as of foreign_us */
	struct adapters *adapters;            /* owned; NULL while none has been there */
	struct past *past;                    /* owned; as old as the slot */
};

struct kv_group {
	uint32_t id;
	uint32_t n_endpoints; /* 0: the number may be used for another id */
};

/* What a filter found; lists are ascending by slot. */
struct passing {
	uint32_t *serve;   /* owned; may decode, and those that prefill too */
	uint32_t *prefill; /* owned; only prefill */
	uint32_t n_serve, n_prefill;
	uint32_t full_serve, full_prefill; /* dropped for nothing but their limit */
	uint32_t held;                     /* dropped for their slow start */
	bool decodes_well;                 /* one that takes hand-offs is of the better sort */
	uint32_t worst_rank;               /* of filter_prefill_rank */
};

struct sl_router {
	struct sl_router_options opt;
	struct cost_model cost;
	struct endpoint *endpoints; /* owned */
	uint32_t n_slots, cap_slots;
	uint32_t n_alive;
	uint32_t seqs;        /* that live tickets decode */
	uint32_t handed;      /* of them, hand-offs that are fetched, or wait for memory */
	uint32_t *free_slots; /* owned; a stack */
	uint32_t n_free;
	struct kv_group *groups; /* owned */
	uint32_t n_groups;
	struct models models;
	struct clusters clusters;
	struct index index;
	struct sessions sessions;
	uint64_t caches; /* there have been so far */
	struct learn_scale prefill_scale, decode_scale;
	struct decay foreign_decay, busy_decay;
	double mean_prefill_ms, mean_context; /* of what was dispatched */
	uint32_t turn_serve, turn_prefill;    /* round robin: last slots */
	struct sl_block_log *block_log;       /* owned; NULL: nobody wants it */
	struct sl_block *peer_chain;          /* owned scratch, SL_MAX_SHARED_BLOCKS; or NULL */

	/* Scratch of one decision, sized when endpoints are added. */
	uint32_t home; /* the engine that the query's session prefers, or SL_NO_ENDPOINT */
	struct passing passing;
	uint32_t *partners; /* owned; per group */
	struct shortlist best;
	struct shortlist *prefill_best; /* owned; per group: those that are paired */
	struct shortlist *decode_best;  /* owned; per group */
	double *single_floor_ms;        /* owned; by place in passing.serve */
	struct sl_candidate *band;      /* owned */
	uint32_t *picks;                /* owned */
};

/* Most candidates of one decision, per slot: itself, and a decode engine has
 * at most SHORTLIST partners. */
#define CANDIDATES_PER_SLOT (1 + SHORTLIST)

/* Of all sequences, hand-offs that have not shown a token: from here on they
 * wait for memory, and are not just being fetched. Measured: docs/routing.md. */
#define STATE_WAITING_SHARE 0.05
static inline bool state_handoffs_wait(const struct sl_router *r)
{
	return r->handed > STATE_WAITING_SHARE * r->seqs;
}

/* Sequences that a request decodes at once. n is a client's number, and no
 * engine decodes more than this. */
static inline uint32_t state_request_seqs(const struct sl_facts *facts)
{
	uint64_t seqs = (uint64_t)facts->n * (facts->prompts > 1 ? facts->prompts : 1);

	return seqs < 1 ? 1 : seqs > 1024 ? 1024 : (uint32_t)seqs;
}

/* Assumes what time alone brings about: the end of prefills that nobody sees,
 * old evidence counting less. */
void endpoint_wake(struct sl_router *r, struct endpoint *ep, uint64_t now_us);
/* After a change to the ledger. */
void endpoint_set_wake(struct endpoint *ep);
/* After a change of spec, health, draining or slow start. */
static inline void endpoint_set_plain(struct endpoint *ep)
{
	ep->plain = ep->health == SL_HEALTH_HEALTHY && !ep->draining && !ep->spec.max_concurrent &&
	            !ep->spec.gateway && !ep->ramping;
}
/* Live requests that its slow start allows: they double six times. */
#define STATE_RAMP_STEPS 6u
static inline uint32_t endpoint_ramp(const struct endpoint *ep, uint64_t now_us)
{
	uint64_t past_us = now_us > ep->past->ramp_us ? now_us - ep->past->ramp_us : 0;
	uint64_t step = past_us * STATE_RAMP_STEPS / ep->spec.slow_start_us;

	return 1u << (step < STATE_RAMP_STEPS ? step : STATE_RAMP_STEPS);
}
/* After a change to its part of the index, or of its capacity. Blocks that are
 * long may leave more than their length free. */
#define STATE_FULL_SHARE 0.95
static inline void endpoint_note_cache(struct sl_router *r, uint32_t slot)
{
	struct endpoint *ep = &r->endpoints[slot];

	ep->full = (double)r->index.lru[slot].tokens > STATE_FULL_SHARE * ep->capacity;
}

/* Live requests there, of all gateways. */
static inline uint32_t endpoint_inflight(const struct endpoint *ep)
{
	return ep->ledger.inflight + (ep->peers ? ep->peers->sum.inflight : 0);
}
/* Made when they are first needed. */
static inline struct adapters *endpoint_adapters(struct endpoint *ep)
{
	if (!ep->adapters)
		ep->adapters = adapters_new();
	return ep->adapters;
}
static inline enum sl_policy router_policy(const struct sl_router *r, uint32_t model)
{
	const struct model *m = model < r->models.count ? &r->models.list[model] : NULL;

	return m && m->has_policy ? m->policy : r->opt.policy;
}
/* Its slot may be free now. */
void endpoint_release(struct sl_router *r, uint32_t slot);

#endif
