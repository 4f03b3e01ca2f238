/* sluice.c: see sluice.h. What the gateway does with the router around each
 * request, without the network: gateway/exchange/{plan,leg}.c. */
#include "bench/whatif/sluice.h"

#include <assert.h>
#include <stdlib.h>

#define FOREVER_US (UINT64_MAX / 2)
#define LOG_RUNS 64u
#define STALE_US 3600000000ull /* cut off: as old as makes no difference */

struct balancer {
	struct balancer_setup setup;
	struct sl_router *router;    /* owned */
	struct sl_block_log *log;    /* owned; the one that the router does not fill */
	struct sl_ticket *tickets;   /* owned; by request */
	struct sl_decision decision; /* of the placement under way */
	struct sl_query query;
	struct sl_facts facts;
	struct sl_rng rng;
	uint32_t model;
};

/* What another replica is told: the load of the engines that a request is on,
 * and the blocks that its dispatch was the first to put there. */
struct message {
	uint32_t n_loads;
	struct {
		uint32_t engine;
		struct sl_load load;
	} loads[2];
	uint32_t n_runs;
	uint32_t n_hashes;
	struct sl_block_run runs[4];
	uint64_t hashes[];
};

static void add_endpoints(struct balancer *b)
{
	const struct fleet *f = b->setup.fleet;

	for (uint32_t i = 0; i < f->n; i++) {
		struct sl_endpoint_spec spec = { .role = f->engines[i].role,
			                         .identity = i + 1,
			                         .remote_prefill =
			                                 f->engines[i].role != SL_ROLE_BOTH };
		struct sl_load_sample first = { .running = -1,
			                        .waiting = -1,
			                        .kv_usage = -1,
			                        .kv_capacity_tokens =
			                                fleet_kv_tokens(&f->engines[i]),
			                        .prefix_hit_tokens = -1,
			                        .prefix_query_tokens = -1 };
		uint32_t slot = sl_router_endpoint_add(b->router, &spec);

		assert(slot == i);
		sl_router_endpoint_models(b->router, slot, &b->model, 1);
		sl_router_endpoint_health(b->router, slot, SL_HEALTH_HEALTHY, 0);
		sl_router_endpoint_sample(b->router, slot, &first, 0);
	}
}

static struct balancer *make(const void *kind, const struct balancer_setup *setup)
{
	struct balancer *b = calloc(1, sizeof(*b));
	struct sl_router_options opt;

	if (!b)
		abort();
	b->setup = *setup;
	sl_router_options_default(&opt);
	if (kind)
		opt = *(const struct sl_router_options *)kind;
	opt.profile = setup->fleet->engines[0].profile;
	opt.transfer_latency_ms = setup->fleet->transfer_latency_ms;
	opt.transfer_bytes_per_ms = setup->fleet->transfer_bytes_per_ms;
	opt.bytes_per_token = WORKLOAD_BYTES_PER_TOKEN;
	opt.index_seed = setup->seed;
	b->rng.state = setup->seed;
	b->router = sl_router_new(&opt);
	b->model = sl_router_model(b->router, SL_SPAN("what-if"));
	b->tickets = calloc(setup->workload->n, sizeof(*b->tickets));
	if (!b->tickets)
		abort();
	add_endpoints(b);
	if (setup->replicas > 1) {
		b->log = sl_block_log_new(LOG_RUNS, SL_MAX_SHARED_BLOCKS);
		(void)sl_router_swap_block_log(b->router,
		                               sl_block_log_new(LOG_RUNS, SL_MAX_SHARED_BLOCKS));
	}
	return b;
}

static void balancer_free(struct balancer *b)
{
	sl_block_log_free(b->log);
	sl_router_free(b->router);
	free(b->tickets);
	free(b);
}

/* ---- placing ---------------------------------------------------------------- */

static void ask(struct balancer *b, uint32_t request, const uint32_t *avoid, uint32_t n_avoid,
                uint64_t now_us)
{
	uint64_t age_us = b->setup.staleness_us;

	workload_facts(b->setup.workload, request, &b->facts);
	sl_query_init(&b->query, b->model, &b->facts);
	for (uint32_t i = 0; i < n_avoid && i < SL_MAX_EXCLUDED; i++)
		b->query.excluded[b->query.n_excluded++] = avoid[i];
	if (age_us == UINT64_MAX)
		age_us = now_us + STALE_US;
	b->query.staleness_us = age_us;
	b->query.session = b->setup.workload->requests[request].session;
}

static bool place(struct balancer *b, uint32_t request, const uint32_t *avoid, uint32_t n_avoid,
                  uint64_t now_us, struct balancer_choice *out_choice)
{
	ask(b, request, avoid, n_avoid, now_us);
	if (sl_router_decide(b->router, &b->query, now_us, &b->rng, &b->decision))
		return false;
	out_choice->prefill = b->decision.chosen.prefill_ep;
	out_choice->decode = b->decision.chosen.decode_ep;
	return true;
}

/* ---- news ------------------------------------------------------------------- */

static void finish(struct balancer *b, const struct balancer_news *news, uint64_t now_us)
{
	const struct workload_request *rq = &b->setup.workload->requests[news->request];
	struct sl_outcome outcome = {
		.prompt_tokens = rq->input_tokens,
		.cached_tokens = news->cached_tokens,
		.completion_tokens = rq->output_tokens,
	};

	sl_router_finish(b->router, &b->tickets[news->request], &outcome, now_us);
}

static void fail(struct balancer *b, const struct balancer_news *news, uint64_t now_us)
{
	unsigned blame = news->engine == news->choice.prefill ? SL_BLAME_PREFILL : SL_BLAME_DECODE;

	workload_facts(b->setup.workload, news->request, &b->facts);
	sl_router_cancel(b->router, &b->tickets[news->request], &b->facts, blame, now_us);
}

static struct message *write_message(struct balancer *b, const struct balancer_news *news,
                                     uint64_t now_us)
{
	uint32_t engines[2] = { news->choice.prefill, news->choice.decode };
	uint32_t n_hashes;
	struct message *m;

	b->log = sl_router_swap_block_log(b->router, b->log);
	n_hashes = b->log->n_hashes;
	m = calloc(1, sizeof(*m) + n_hashes * sizeof(*m->hashes));
	if (!m)
		abort();
	m->n_hashes = n_hashes;
	for (; m->n_runs < b->log->n_runs && m->n_runs < SL_COUNT(m->runs); m->n_runs++)
		m->runs[m->n_runs] = b->log->runs[m->n_runs];
	if (n_hashes)
		memcpy(m->hashes, b->log->hashes, n_hashes * sizeof(*m->hashes));
	b->log->n_runs = b->log->n_hashes = 0;
	for (uint32_t i = 0; i < (engines[0] == engines[1] ? 1u : 2u); i++) {
		m->loads[i].engine = engines[i];
		if (sl_router_own_load(b->router, engines[i], now_us, &m->loads[i].load))
			m->n_loads = i + 1;
	}
	return m;
}

static void *news_of(struct balancer *b, const struct balancer_news *news, uint64_t now_us)
{
	struct sl_ticket *t = &b->tickets[news->request];

	switch (news->event) {
	case BALANCER_DISPATCHED:
		sl_router_dispatch(b->router, &b->query, &b->decision, now_us, t);
		break;
	case BALANCER_PREFILLED:
		sl_router_prefilled(b->router, t, now_us);
		break;
	case BALANCER_FIRST_TOKEN:
		sl_router_first_token(b->router, t, now_us);
		break;
	case BALANCER_FINISHED:
		finish(b, news, now_us);
		break;
	case BALANCER_FAILED:
		fail(b, news, now_us);
		break;
	}
	return b->log ? write_message(b, news, now_us) : NULL;
}

static void hear(struct balancer *b, uint32_t from, const void *message, uint64_t now_us)
{
	const struct message *m = message;

	for (uint32_t i = 0; i < m->n_loads; i++)
		sl_router_peer_load(b->router, m->loads[i].engine, from, &m->loads[i].load,
		                    FOREVER_US, now_us);
	for (uint32_t i = 0; i < m->n_runs; i++)
		sl_router_peer_blocks(b->router, m->runs[i].ep, m->hashes + m->runs[i].first,
		                      m->runs[i].count, m->runs[i].tokens_per_byte);
}

static void scraped(struct balancer *b, uint32_t engine, const struct sl_load_sample *sample,
                    uint64_t now_us)
{
	sl_router_endpoint_sample(b->router, engine, sample, now_us);
}

static void health(struct balancer *b, uint32_t engine, bool up, uint64_t now_us)
{
	sl_router_endpoint_health(b->router, engine, up ? SL_HEALTH_HEALTHY : SL_HEALTH_UNHEALTHY,
	                          now_us);
}

const struct balancer_ops sluice_balancer_ops = {
	.make = make,
	.free = balancer_free,
	.place = place,
	.news = news_of,
	.hear = hear,
	.scraped = scraped,
	.health = health,
};
