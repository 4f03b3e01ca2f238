/* decide.c: how long the router takes, one core.
 *
 *   micro-decide [--json FILE] [--quick]
 *                              tables for an aggregated and for a
 *                              disaggregated fleet, and the index's memory;
 *                              quick: a few small cases, to see that it works
 *   micro-decide --digest      a hash of what is decided, to compare builds
 *   micro-decide --loop COUNT [ENDPOINTS [KILOTOKENS [pd]]]
 *                              decides, dispatches and finishes COUNT times,
 *                              once the fleet is busy, and is silent: for perf
 *
 * The fleet is busy: some requests per endpoint are in flight, every prompt
 * begins with the same 8 KiB, and each is one of a few hundred conversations
 * that some engines hold. */
#include "bench/micro/timing.h"
#include "sluice/route.h"

#define SHARED_BYTES 8192u
#define CONVERSATIONS 384u
#define INFLIGHT 8u
#define INFLIGHT_MAX 10000u /* of a fleet */
#define SAMPLES 2000u
#define ROUNDS 15
#define QUICK_ROUNDS 1

static const uint32_t fleets[] = { 16, 64, 256, 1024, 10000 };
static const uint32_t prompts_k[] = { 1, 8, 128, 1024 }; /* tokens */
/* Of both, where it is to be quick. */
#define QUICK_CASES 2u

struct fixture {
	struct sl_router *router;
	uint32_t model;
	uint32_t n_endpoints;
	uint32_t n_tickets;
	struct sl_ticket *tickets; /* owned; a ring */
	struct sl_facts facts[CONVERSATIONS];
	struct sl_rng rng;
	uint64_t now_us;
	uint64_t round;
};

/* What the rounds of one case came to. */
struct measured {
	struct timing decide;
	struct timing rest; /* dispatch, first token, finish */
};

static struct sl_facts make_prompt(uint64_t conversation, uint32_t bytes)
{
	struct sl_block *blocks = timing_need(malloc((bytes / 256 + 1) * sizeof(*blocks)));
	struct sl_rng shared = { 1 }, own = { conversation + 2 };
	uint32_t n = 0;

	for (uint32_t at = 0; at + timing_block_bytes(at) <= bytes;) {
		at += timing_block_bytes(at);
		blocks[n++] =
		        (struct sl_block){ sl_rng_next(at <= SHARED_BYTES ? &shared : &own), at };
	}
	return (struct sl_facts){ .stream = true,
		                  .prompts = 1,
		                  .n = 1,
		                  .max_tokens = -1,
		                  .prompt_bytes = bytes,
		                  .blocks = blocks,
		                  .n_blocks = n };
}

static enum sl_role role_of(uint32_t i, bool disaggregated)
{
	if (!disaggregated)
		return SL_ROLE_BOTH;
	return i % 3 == 0 ? SL_ROLE_PREFILL : SL_ROLE_DECODE;
}

static void fixture_open(struct fixture *f, uint32_t n_endpoints, uint32_t tokens,
                         bool disaggregated)
{
	struct sl_router_options opt;

	sl_router_options_default(&opt);
	*f = (struct fixture){ .n_endpoints = n_endpoints, .rng = { 42 }, .now_us = 1 };
	f->router = sl_router_new(&opt);
	f->model = sl_router_model(f->router, SL_SPAN("m"));
	for (uint32_t i = 0; i < n_endpoints; i++) {
		struct sl_endpoint_spec spec = { .role = role_of(i, disaggregated),
			                         .remote_prefill = true };
		uint32_t ep = sl_router_endpoint_add(f->router, &spec);

		sl_router_endpoint_models(f->router, ep, &f->model, 1);
		sl_router_endpoint_health(f->router, ep, SL_HEALTH_HEALTHY, 0);
	}
	for (uint32_t i = 0; i < CONVERSATIONS; i++)
		f->facts[i] = make_prompt(i, tokens * 4096);
	f->n_tickets = n_endpoints * INFLIGHT;
	if (f->n_tickets > INFLIGHT_MAX)
		f->n_tickets = INFLIGHT_MAX;
	f->tickets = timing_need(calloc(f->n_tickets, sizeof(*f->tickets)));
}

static void fixture_close(struct fixture *f)
{
	sl_router_free(f->router);
	for (uint32_t i = 0; i < CONVERSATIONS; i++)
		free((void *)(uintptr_t)f->facts[i].blocks);
	free(f->tickets);
}

static void decide(struct fixture *f, struct sl_query *q, struct sl_decision *d)
{
	sl_query_init(q, f->model, &f->facts[sl_rng_next(&f->rng) % CONVERSATIONS]);
	if (sl_router_decide(f->router, q, f->now_us, &f->rng, d) != 0)
		abort();
}

static void advance(struct fixture *f, const struct sl_query *q, const struct sl_decision *d)
{
	static const struct sl_outcome outcome = { -1, -1, 256 };
	struct sl_ticket *oldest = &f->tickets[f->round % f->n_tickets];
	struct sl_ticket *recent = &f->tickets[(f->round + f->n_tickets / 2) % f->n_tickets];

	sl_router_finish(f->router, oldest, &outcome, f->now_us);
	sl_router_dispatch(f->router, q, d, f->now_us, oldest);
	sl_router_first_token(f->router, recent, f->now_us);
}

/* Requests arrive such that engines are about two thirds busy. */
static void step_time(struct fixture *f, const struct sl_decision *d)
{
	f->now_us += (uint64_t)(d->chosen.prefill_ms * 1500 / f->n_endpoints) + 1;
	f->round++;
}

static void warm_up(struct fixture *f)
{
	for (uint32_t i = 0; i < f->n_tickets + 512; i++) {
		struct sl_query q;
		struct sl_decision d;

		decide(f, &q, &d);
		advance(f, &q, &d);
		step_time(f, &d);
	}
}

static struct measured measure_round(struct fixture *f)
{
	static uint32_t decide_ns[SAMPLES], rest_ns[SAMPLES];

	for (uint32_t i = 0; i < SAMPLES; i++) {
		struct sl_query q;
		struct sl_decision d;
		uint64_t start = timing_clock_ns(), middle;

		decide(f, &q, &d);
		middle = timing_clock_ns();
		advance(f, &q, &d);
		decide_ns[i] = (uint32_t)(middle - start);
		rest_ns[i] = (uint32_t)(timing_clock_ns() - middle);
		step_time(f, &d);
	}
	return (struct measured){ timing_sum_up(decide_ns, SAMPLES),
		                  timing_sum_up(rest_ns, SAMPLES) };
}

static struct measured measure(struct fixture *f, int rounds)
{
	struct measured best = { 0 };

	warm_up(f);
	for (int i = 0; i < rounds; i++) {
		struct measured m = measure_round(f);

		timing_keep_better(&best.decide, m.decide);
		timing_keep_better(&best.rest, m.rest);
	}
	return best;
}

static uint64_t count_entries(struct fixture *f)
{
	struct sl_endpoint_view view;
	uint64_t n = 0;

	for (uint32_t i = 0; i < f->n_endpoints; i++)
		if (sl_router_endpoint_view(f->router, i, f->now_us, &view))
			n += view.index_entries;
	return n;
}

static void print_row(struct timing_report *report, uint32_t endpoints, uint32_t tokens_k,
                      bool disaggregated, int rounds)
{
	static struct fixture f;
	const char *fleet = disaggregated ? "disaggregated" : "aggregated";
	struct measured m;
	uint64_t entries;

	fixture_open(&f, endpoints, tokens_k, disaggregated);
	m = measure(&f, rounds);
	entries = count_entries(&f);
	printf("| %6u | %5uK | %7.2f | %7.2f | %7.2f | %7.2f | %7.2f | %7.2f | %9llu | %5.1f |\n",
	       endpoints, tokens_k, m.decide.mean_us, m.decide.p50_us, m.decide.p99_us,
	       m.rest.mean_us, m.rest.p50_us, m.rest.p99_us, (unsigned long long)entries,
	       (double)sl_router_index_bytes(f.router) / (double)(entries | 1));
	fflush(stdout);
	timing_report_add(report, (struct timing_row){ "decide", fleet, endpoints, tokens_k * 1024,
	                                               m.decide });
	timing_report_add(report, (struct timing_row){ "dispatch+finish", fleet, endpoints,
	                                               tokens_k * 1024, m.rest });
	fixture_close(&f);
}

static void print_table(struct timing_report *report, const char *title, bool disaggregated,
                        bool quick)
{
	size_t n_fleets = quick ? QUICK_CASES : SL_COUNT(fleets);
	size_t n_prompts = quick ? QUICK_CASES : SL_COUNT(prompts_k);

	printf("\n%s, times in microseconds\n\n", title);
	printf("| engines | tokens | decide mean | p50 | p99 | dispatch+finish mean | p50 | p99 | "
	       "index entries | bytes each |\n");
	printf("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
	for (size_t i = 0; i < n_fleets; i++)
		for (size_t k = 0; k < n_prompts; k++)
			print_row(report, fleets[i], prompts_k[k], disaggregated,
			          quick ? QUICK_ROUNDS : ROUNDS);
}

static int run_tables(const char *json, bool quick)
{
	static struct timing_report report;

	print_table(&report, "Aggregated fleet", false, quick);
	print_table(&report, "Disaggregated fleet, a third of it prefills", true, quick);
	return json ? timing_report_write(&report, json) : 0;
}

/* ---- for other tools ------------------------------------------------- */

static int loop(uint64_t count, uint32_t endpoints, uint32_t tokens_k, bool disaggregated)
{
	static struct fixture f;
	struct sl_query q;
	struct sl_decision d;

	fixture_open(&f, endpoints, tokens_k, disaggregated);
	warm_up(&f);
	for (uint64_t i = 0; i < count; i++) {
		decide(&f, &q, &d);
		advance(&f, &q, &d);
		step_time(&f, &d);
	}
	fixture_close(&f);
	return 0;
}

/* FNV-1a, as no byte may be left out. */
static uint64_t add_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * 0x100000001b3u;
	return hash;
}

/* Without what lies between its fields. */
static uint64_t add_candidate(uint64_t hash, const struct sl_candidate *c)
{
	hash = add_bytes(hash, c, offsetof(struct sl_candidate, decode_ep) + sizeof(c->decode_ep));
	return add_bytes(hash, &c->hit_tokens,
	                 sizeof(*c) - offsetof(struct sl_candidate, hit_tokens));
}

static uint64_t add_decision(uint64_t hash, const struct sl_decision *d)
{
	hash = add_candidate(hash, &d->chosen);
	for (uint32_t i = 0; i < d->n_kept; i++)
		hash = add_candidate(hash, &d->kept[i]);
	hash = add_bytes(hash, &d->n_kept, sizeof(d->n_kept));
	hash = add_bytes(hash, &d->n_priced, sizeof(d->n_priced));
	hash = add_bytes(hash, &d->runner_up, sizeof(d->runner_up));
	return add_bytes(hash, &d->predicted_ttft_ms, sizeof(d->predicted_ttft_ms));
}

/* Old knowledge at every fourth decision, so that the band takes part. */
static uint64_t digest_case(uint64_t hash, uint32_t endpoints, uint32_t tokens_k,
                            bool disaggregated)
{
	static struct fixture f;
	struct sl_decision d;

	fixture_open(&f, endpoints, tokens_k, disaggregated);
	for (uint32_t i = 0; i < 5 * SAMPLES; i++) {
		struct sl_query q;

		sl_query_init(&q, f.model, &f.facts[sl_rng_next(&f.rng) % CONVERSATIONS]);
		q.staleness_us = i % 4 ? 0 : 10000 * (i % 64);
		if (sl_router_decide(f.router, &q, f.now_us, &f.rng, &d) != 0)
			abort();
		hash = add_decision(hash, &d);
		advance(&f, &q, &d);
		step_time(&f, &d);
	}
	fixture_close(&f);
	return hash;
}

static int digest(void)
{
	for (int pd = 0; pd < 2; pd++)
		for (size_t i = 0; i < SL_COUNT(fleets) - 1; i++)
			for (size_t k = 0; k < SL_COUNT(prompts_k); k++)
				printf("%s %6u %5uK %016llx\n", pd ? "disaggregated" : "aggregated",
				       fleets[i], prompts_k[k],
				       (unsigned long long)digest_case(
				               0xcbf29ce484222325u, fleets[i], prompts_k[k], pd));
	return 0;
}

static uint32_t number_at(int argc, char **argv, int i, uint32_t otherwise)
{
	return i < argc ? (uint32_t)strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	const char *json = NULL;
	bool quick = false;

	if (argc >= 3 && !strcmp(argv[1], "--loop"))
		return loop(strtoull(argv[2], NULL, 10), number_at(argc, argv, 3, 1024),
		            number_at(argc, argv, 4, 8), argc > 5);
	if (argc == 2 && !strcmp(argv[1], "--digest"))
		return digest();
	if (!timing_options(argc, argv, &json, &quick)) {
		fprintf(stderr, "usage: micro-decide [--json FILE] [--quick] | --digest | "
		                "--loop COUNT [ENDPOINTS [KILOTOKENS [pd]]]\n");
		return 2;
	}
	return run_tables(json, quick);
}
