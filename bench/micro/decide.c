/* decide.c: how long the router takes, one core.
 *
 *   micro-decide               tables for an aggregated and for a
 *                              disaggregated fleet, and the index's memory
 *   micro-decide --loop COUNT  decides, dispatches and finishes COUNT times
 *                              with 1,024 endpoints and is silent: for perf
 *
 * The fleet is busy: some requests per endpoint are in flight, every prompt
 * begins with the same 8 KiB, and each is one of a few hundred conversations
 * that some engines hold. Every call is timed by itself, the clock's own cost
 * (some 20 ns) included. Of several rounds the one with the best p99 counts:
 * the others measure the machine's other work. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sluice/route.h"

#define SHARED_BYTES 8192u
#define CONVERSATIONS 384u
#define INFLIGHT 8u
#define INFLIGHT_MAX 10000u /* of a fleet */
#define SAMPLES 2000u
#define ROUNDS 5

static const uint32_t fleets[] = { 16, 64, 256, 1024, 10000 };
static const uint32_t prompts_k[] = { 1, 8, 128, 1024 }; /* tokens */

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

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void *need(void *ptr)
{
	if (!ptr)
		abort();
	return ptr;
}

/* Cut as the scanner cuts. */
static uint32_t block_bytes(uint32_t at)
{
	return at < 4096 ? 256 : at < 32768 ? 1024 : at < 1048576 ? 4096 : 16384;
}

static struct sl_facts make_prompt(uint64_t conversation, uint32_t bytes)
{
	struct sl_block *blocks = need(malloc((bytes / 256 + 1) * sizeof(*blocks)));
	struct sl_rng shared = { 1 }, own = { conversation + 2 };
	uint32_t n = 0;

	for (uint32_t at = 0; at + block_bytes(at) <= bytes;) {
		at += block_bytes(at);
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
	f->tickets = need(calloc(f->n_tickets, sizeof(*f->tickets)));
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

static int ascending(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct timing {
	double mean_us, p99_us;
};

static struct timing sum_up(uint32_t *ns, uint32_t n)
{
	uint32_t p99 = n - 1 - n / 100;
	double sum = 0;

	qsort(ns, n, sizeof(*ns), ascending);
	for (uint32_t i = 0; i < n; i++)
		sum += ns[i];
	return (struct timing){ sum / n / 1000, ns[p99] / 1000.0 };
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

static void measure_round(struct fixture *f, struct timing *out_decide, struct timing *out_rest)
{
	static uint32_t decide_ns[SAMPLES], rest_ns[SAMPLES];

	for (uint32_t i = 0; i < SAMPLES; i++) {
		struct sl_query q;
		struct sl_decision d;
		uint64_t start = clock_ns(), middle;

		decide(f, &q, &d);
		middle = clock_ns();
		advance(f, &q, &d);
		decide_ns[i] = (uint32_t)(middle - start);
		rest_ns[i] = (uint32_t)(clock_ns() - middle);
		step_time(f, &d);
	}
	*out_decide = sum_up(decide_ns, SAMPLES);
	*out_rest = sum_up(rest_ns, SAMPLES);
}

static void keep_better(struct timing *best, struct timing t)
{
	if (best->p99_us <= 0 || t.p99_us < best->p99_us)
		*best = t;
}

static void measure(struct fixture *f, struct timing *out_decide, struct timing *out_rest)
{
	*out_decide = *out_rest = (struct timing){ 0 };
	warm_up(f);
	for (int i = 0; i < ROUNDS; i++) {
		struct timing choose, rest;

		measure_round(f, &choose, &rest);
		keep_better(out_decide, choose);
		keep_better(out_rest, rest);
	}
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

static void print_row(uint32_t endpoints, uint32_t tokens_k, bool disaggregated)
{
	static struct fixture f;
	struct timing choose, rest;
	uint64_t entries;

	fixture_open(&f, endpoints, tokens_k, disaggregated);
	measure(&f, &choose, &rest);
	entries = count_entries(&f);
	printf("| %6u | %5uK | %7.2f | %7.2f | %7.2f | %7.2f | %9llu | %5.1f |\n", endpoints,
	       tokens_k, choose.mean_us, choose.p99_us, rest.mean_us, rest.p99_us,
	       (unsigned long long)entries,
	       (double)sl_router_index_bytes(f.router) / (double)(entries | 1));
	fflush(stdout);
	fixture_close(&f);
}

static void print_table(const char *title, bool disaggregated)
{
	printf("\n%s, times in microseconds\n\n", title);
	printf("| engines | tokens | decide mean | p99 | dispatch+finish mean | p99 | "
	       "index entries | bytes each |\n");
	printf("|--:|--:|--:|--:|--:|--:|--:|--:|\n");
	for (size_t i = 0; i < SL_COUNT(fleets); i++)
		for (size_t k = 0; k < SL_COUNT(prompts_k); k++)
			print_row(fleets[i], prompts_k[k], disaggregated);
}

static int loop(uint64_t count)
{
	static struct fixture f;
	struct sl_query q;
	struct sl_decision d;

	fixture_open(&f, 1024, 8, false);
	for (uint64_t i = 0; i < count; i++) {
		decide(&f, &q, &d);
		advance(&f, &q, &d);
		step_time(&f, &d);
	}
	fixture_close(&f);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--loop"))
		return loop(strtoull(argv[2], NULL, 10));
	if (argc != 1) {
		fprintf(stderr, "usage: micro-decide [--loop COUNT]\n");
		return 2;
	}
	print_table("Aggregated fleet", false);
	print_table("Disaggregated fleet, a third of it prefills", true);
	return 0;
}
