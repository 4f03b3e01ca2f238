/* oracle.c: see oracle.h.
 *
 * The production cost function (routing/cost.h), fed with what no gateway can
 * know: each engine's true cache, what it really has left to prefill, its
 * sequences and their context as they are, how slow it is, and the length of
 * this answer. No delay, no estimate, no learning. It is no optimum: it
 * decides one request at a time, as a gateway does, without the future. */
#include "bench/whatif/oracle.h"

#include <math.h>
#include <stdlib.h>

#include "bench/whatif/engine.h"
#include "routing/cost.h"

#define BUSY_TAU_US 10e6
#define BUSY_MAX 0.9

struct known_engine {
	bool up;
	double busy; /* U as of busy_us */
	uint64_t busy_us;
};

struct balancer {
	struct balancer_setup setup;
	struct cost_model model;
	struct known_engine *engines; /* owned */
	double *fresh_ms;  /* owned; by request: its prefill, as it was when it was placed */
	double pending_ms; /* of the placement under way */
};

static struct balancer *make(const void *kind, const struct balancer_setup *setup)
{
	struct balancer *b = calloc(1, sizeof(*b));
	struct sl_router_options opt;

	(void)kind;
	if (!b)
		abort();
	sl_router_options_default(&opt);
	b->setup = *setup;
	b->model = (struct cost_model){
		.weight_ttft = opt.weight_ttft,
		.weight_stall = opt.weight_stall,
		.weight_decode = opt.weight_decode,
		.weight_cache = opt.weight_cache,
		.transfer_latency_ms = setup->fleet->transfer_latency_ms,
		.transfer_bytes_per_ms = setup->fleet->transfer_bytes_per_ms,
		.prefill_scale = 1,
		.decode_scale = 1,
	};
	cost_model_use(&b->model, setup->fleet->engines[0].profile);
	b->engines = calloc(setup->fleet->n, sizeof(*b->engines));
	b->fresh_ms = calloc(setup->workload->n, sizeof(*b->fresh_ms));
	if (!b->engines || !b->fresh_ms)
		abort();
	for (uint32_t i = 0; i < setup->fleet->n; i++)
		b->engines[i].up = true;
	return b;
}

static void balancer_free(struct balancer *b)
{
	free(b->engines);
	free(b->fresh_ms);
	free(b);
}

/* ---- the truth -------------------------------------------------------------- */

static double left_ms(const struct balancer *b, const struct sl_sim_seq *seq)
{
	const struct leg *leg = seq->owner;
	uint32_t whole = seq->n_prompt - seq->cached_tokens;

	if (!leg || leg->part == LEG_DECODE || seq->n_output || !whole)
		return 0;
	if (!seq->admitted)
		return b->fresh_ms[leg->request];
	return b->fresh_ms[leg->request] * (seq->n_prompt - seq->computed) / whole;
}

static void add_list(const struct balancer *b, const struct sl_sim_seq_list *list,
                     struct cost_engine *e)
{
	for (const struct sl_sim_seq *seq = list->first; seq; seq = seq->next) {
		const struct leg *leg = seq->owner;

		e->queue_ms += left_ms(b, seq);
		if (!leg || leg->part == LEG_PREFILL)
			continue;
		e->seqs++;
		e->context += seq->n_prompt + (seq->n_output + seq->max_output) / 2.0;
	}
}

static struct cost_engine look(const struct balancer *b, uint32_t i, uint64_t now_us)
{
	const struct engine *engine = b->setup.engines[i];
	const struct known_engine *known = &b->engines[i];
	double age = (double)(now_us - known->busy_us) / BUSY_TAU_US;
	struct cost_engine e = { .slow = engine->spec->slow,
		                 .capacity = fleet_kv_tokens(engine->spec),
		                 .busy = known->busy * exp(-age) };

	add_list(b, &engine->batch.waiting, &e);
	add_list(b, &engine->batch.fetching, &e);
	add_list(b, &engine->batch.running, &e);
	e.queue_ms *= e.slow;
	if (e.busy > BUSY_MAX)
		e.busy = BUSY_MAX;
	e.displaces = cost_displaces(sl_sim_kv_unused(engine->kv) == 0,
	                             engine->spec->role == SL_ROLE_BOTH, e.busy);
	return e;
}

/* ---- pricing ---------------------------------------------------------------- */

struct half {
	double cost_ms;
	double fresh_ms;
	uint32_t engine;
};

struct pricing {
	const struct balancer *b;
	struct cost_request rq;
	struct half single, prefill, decode;
};

static void keep(struct half *best, double cost_ms, double fresh_ms, uint32_t engine)
{
	if (cost_ms < best->cost_ms)
		*best = (struct half){ cost_ms, fresh_ms, engine };
}

static void price(struct pricing *p, uint32_t i, uint32_t request, uint64_t now_us)
{
	const struct cost_model *m = &p->b->model;
	const struct engine *engine = p->b->setup.engines[i];
	struct cost_engine e = look(p->b, i, now_us);
	double hit = engine_cached_tokens(engine, p->b->setup.workload, request);
	double fresh_ms = cost_prefill_base_ms(m, &p->rq, hit);
	double prefill_ms = cost_prefill_ms(m, &e, fresh_ms);
	double cache_ms = m->weight_cache * cost_cache_ms(&e, prefill_ms);
	double memory_ms = cost_memory_ms(m, &p->rq, &e);
	double decode_ms = m->weight_decode * cost_decode_ms(m, &p->rq, &e);
	double added_ms = cost_prefill_ms(m, &e, fresh_ms - cost_shared_base_ms(m, &p->rq, hit));
	double stall_ms = m->weight_stall * cost_stall_ms(&e, added_ms);
	double step_ms = cost_step_ms(m, &e, e.seqs, e.context);

	if (engine->spec->role == SL_ROLE_PREFILL) {
		keep(&p->prefill, e.queue_ms + prefill_ms + cache_ms, fresh_ms, i);
		return;
	}
	if (engine->spec->role == SL_ROLE_BOTH)
		step_ms = 0;
	keep(&p->single,
	     e.queue_ms + prefill_ms + cache_ms + memory_ms + step_ms + stall_ms + decode_ms,
	     fresh_ms, i);
	if (engine->spec->role == SL_ROLE_DECODE)
		keep(&p->decode, cost_transfer_ms(m, &p->rq, hit) + memory_ms + step_ms + decode_ms,
		     0, i);
}

static bool is_avoided(uint32_t i, const uint32_t *avoid, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		if (avoid[k] == i)
			return true;
	return false;
}

static bool place(struct balancer *b, uint32_t request, const uint32_t *avoid, uint32_t n_avoid,
                  uint64_t now_us, struct balancer_choice *out_choice)
{
	const struct workload_request *rq = &b->setup.workload->requests[request];
	struct half none = { HUGE_VAL, 0, SL_NO_ENDPOINT };
	struct pricing p = { .b = b, .single = none, .prefill = none, .decode = none };

	cost_request_init(&p.rq, &b->model, rq->input_tokens, rq->output_tokens, 1);
	for (uint32_t i = 0; i < b->setup.fleet->n; i++)
		if (b->engines[i].up && !is_avoided(i, avoid, n_avoid))
			price(&p, i, request, now_us);
	if (p.prefill.cost_ms + p.decode.cost_ms < p.single.cost_ms) {
		*out_choice = (struct balancer_choice){ p.prefill.engine, p.decode.engine };
		b->pending_ms = p.prefill.fresh_ms;
		return true;
	}
	*out_choice = (struct balancer_choice){ p.single.engine, p.single.engine };
	b->pending_ms = p.single.fresh_ms;
	return p.single.engine != SL_NO_ENDPOINT;
}

/* ---- news ------------------------------------------------------------------- */

static void *news_of(struct balancer *b, const struct balancer_news *news, uint64_t now_us)
{
	struct known_engine *e = &b->engines[news->choice.prefill];
	double slow = b->setup.engines[news->choice.prefill]->spec->slow;

	if (news->event != BALANCER_DISPATCHED)
		return NULL;
	b->fresh_ms[news->request] = b->pending_ms;
	e->busy = e->busy * exp(-(double)(now_us - e->busy_us) / BUSY_TAU_US) +
	          b->pending_ms * slow * 1000 / BUSY_TAU_US;
	e->busy_us = now_us;
	return NULL;
}

static void hear(struct balancer *b, uint32_t from, const void *message, uint64_t now_us)
{
	(void)b;
	(void)from;
	(void)message;
	(void)now_us;
}

static void scraped(struct balancer *b, uint32_t engine, const struct sl_load_sample *sample,
                    uint64_t now_us)
{
	(void)b;
	(void)engine;
	(void)sample;
	(void)now_us;
}

static void health(struct balancer *b, uint32_t engine, bool up, uint64_t now_us)
{
	(void)now_us;
	b->engines[engine].up = up;
}

const struct balancer_ops oracle_balancer_ops = {
	.make = make,
	.free = balancer_free,
	.place = place,
	.news = news_of,
	.hear = hear,
	.scraped = scraped,
	.health = health,
};
