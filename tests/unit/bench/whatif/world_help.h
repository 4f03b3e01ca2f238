/* world_help.h: workloads made row by row, a fleet whose step times are round
 * numbers, and a policy that places requests as a test says and notes what it
 * is told. For tests only.
 *
 * The step equation with the profile below, in microseconds: 1000, and 7.8125
 * a token, and 2^-20 ms for each c * (h + c/2) of a prefill chunk of c tokens
 * behind h, and, if anybody decodes, 2000 and 1000/1024 a token of context. */
#ifndef TESTS_WORLD_HELP_H
#define TESTS_WORLD_HELP_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/whatif/engine.h"
#include "bench/whatif/world.h"

#define MS 1000u

static const struct sl_profile round_profile = {
	.name = "round",
	.o_ms = 1,
	.lin_tokens = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024 },
	.lin_ms = { 0x1p-7, 0x1p-6, 0x1p-5, 0x1p-4, 0x1p-3, 0x1p-2, 0x1p-1, 1, 2, 4, 8 },
	.b_ms_per_token2 = 0x1p-20,
	.d0_ms = 2,
	.d1_ms_per_token = 0x1p-10,
	.kv_bytes_per_token = 100000,
	.kv_capacity_tokens = 16384,
	.chunk_tokens = 1024,
	.max_seqs = 64,
};

/* ---- time by the equation ------------------------------------------------- */

/* A prefill chunk of c tokens behind h, alone in its step. */
static inline uint64_t chunk_us(double c, double h)
{
	return (uint64_t)(1000 + c * 7.8125 + c * (h + c / 2) * 1000 * 0x1p-20);
}

/* A prompt behind `cached` tokens, alone, in chunks of 1024. */
static inline uint64_t prefill_us(uint32_t tokens, uint32_t cached)
{
	uint64_t sum_us = 0;

	for (uint32_t at = cached, c; at < tokens; at += c) {
		c = tokens - at < 1024 ? tokens - at : 1024;
		sum_us += chunk_us(c, at);
	}
	return sum_us;
}

/* A step in which n sequences with so much context in total decode. */
static inline uint64_t decode_us(double n, double context)
{
	return (uint64_t)(1000 + n * 7.8125 + 2000 + context * 1000 / 1024);
}

/* The steps of one sequence, alone, after its first token. */
static inline uint64_t decodes_us(uint32_t prompt, uint32_t output)
{
	uint64_t sum_us = 0;

	for (uint32_t i = 1; i < output; i++)
		sum_us += decode_us(1, prompt + i);
	return sum_us;
}

/* ---- workloads ------------------------------------------------------------ */

struct row {
	int64_t at_us;
	uint32_t input, output;
	uint64_t family; /* equal ones begin alike; 0: like no other */
	uint32_t shared; /* tokens that the family has in common; all if 0 */
};

static inline void rows_trace(const struct row *rows, size_t n, struct sl_trace *out_trace)
{
	struct sl_trace t = { .format = SL_TRACE_SYNTHETIC };

	for (size_t i = 0; i < n; i++) {
		uint64_t *ids;
		struct sl_trace_row *row = sl_trace_add(&t, rows[i].input, &ids);
		uint32_t shared = rows[i].shared ? rows[i].shared : rows[i].input;

		row->at_us = rows[i].at_us;
		row->output_tokens = rows[i].output;
		for (uint32_t k = 0; k < row->n_blocks; k++) {
			bool own = !rows[i].family || k * SL_TRACE_BLOCK_TOKENS >= shared;

			ids[k] = own ? 1000000 + i : rows[i].family;
		}
	}
	*out_trace = t;
}

static inline void rows_workload(const struct row *rows, size_t n, struct workload *out)
{
	struct workload_options opt = { .seed = 1 };
	struct sl_trace trace;

	rows_trace(rows, n, &trace);
	workload_init(out, &trace, &opt);
	sl_trace_fini(&trace);
}

/* ---- fleets --------------------------------------------------------------- */

/* NICs of 1 GB/s: a token's KV takes 100 us. The latency is 2 ms. */
static inline void round_fleet(struct fleet *f, uint32_t n_prefill, uint32_t n_decode,
                               uint32_t n_both)
{
	struct fleet_engine e = { .profile = &round_profile, .slow = 1, .kv_factor = 1 };

	fleet_init(f);
	f->transfer_bytes_per_ms = 1e6;
	e.role = SL_ROLE_PREFILL;
	fleet_add(f, e, n_prefill);
	e.role = SL_ROLE_DECODE;
	fleet_add(f, e, n_decode);
	e.role = SL_ROLE_BOTH;
	fleet_add(f, e, n_both);
}

/* ---- a policy that does as it is told -------------------------------------- */

#define SCRIPT_NOTES 4096u

struct script_note {
	uint64_t at_us;
	struct balancer_news news; /* its own requests, or what it heard */
	uint32_t replica;
	bool heard;
	uint32_t held_blocks[4]; /* by engine, as the news came */
};

struct script {
	const struct balancer_choice *choices; /* by request; NULL: all on engine 0 */
	uint32_t spare;                        /* where a request goes that its engine has failed */
	struct script_note notes[SCRIPT_NOTES];
	uint32_t n_notes;
	bool up[16];
	uint64_t health_us[16]; /* of the last change */
};

struct balancer {
	struct script *script;
	struct balancer_setup setup;
};

static struct balancer *script_make(const void *kind, const struct balancer_setup *setup)
{
	struct balancer *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->script = (struct script *)(uintptr_t)kind;
	b->setup = *setup;
	for (uint32_t i = 0; i < setup->fleet->n; i++)
		b->script->up[i] = true;
	return b;
}

static void script_free(struct balancer *b)
{
	free(b);
}

static bool script_place(struct balancer *b, uint32_t request, const uint32_t *avoid,
                         uint32_t n_avoid, uint64_t now_us, struct balancer_choice *out_choice)
{
	struct script *s = b->script;
	struct balancer_choice c = { 0, 0 };

	(void)now_us;
	if (s->choices)
		c = s->choices[request];
	for (uint32_t i = 0; i < n_avoid; i++)
		if (avoid[i] == c.prefill || avoid[i] == c.decode)
			c = (struct balancer_choice){ s->spare, s->spare };
	if (!s->up[c.prefill] || !s->up[c.decode])
		return false;
	*out_choice = c;
	return true;
}

static struct script_note *script_note(struct balancer *b, const struct balancer_news *news,
                                       uint64_t now_us, bool heard)
{
	struct script *s = b->script;
	struct script_note *note = &s->notes[s->n_notes++];

	assert_true(s->n_notes < SCRIPT_NOTES);
	*note = (struct script_note){ now_us, *news, b->setup.replica, heard, { 0 } };
	for (uint32_t i = 0; i < b->setup.fleet->n && i < 4; i++)
		note->held_blocks[i] = sl_sim_kv_held(b->setup.engines[i]->kv);
	return note;
}

static void *script_news(struct balancer *b, const struct balancer_news *news, uint64_t now_us)
{
	struct balancer_news *message;

	script_note(b, news, now_us, false);
	if (b->setup.replicas == 1)
		return NULL;
	message = calloc(1, sizeof(*message));
	assert_non_null(message);
	*message = *news;
	return message;
}

static void script_hear(struct balancer *b, uint32_t from, const void *message, uint64_t now_us)
{
	assert_int_not_equal(from, b->setup.replica);
	script_note(b, message, now_us, true);
}

static void script_scraped(struct balancer *b, uint32_t engine, const struct sl_load_sample *sample,
                           uint64_t now_us)
{
	(void)b;
	(void)engine;
	(void)sample;
	(void)now_us;
}

static void script_health(struct balancer *b, uint32_t engine, bool up, uint64_t now_us)
{
	b->script->up[engine] = up;
	b->script->health_us[engine] = now_us;
}

static const struct balancer_ops script_ops = {
	.make = script_make,
	.free = script_free,
	.place = script_place,
	.news = script_news,
	.hear = script_hear,
	.scraped = script_scraped,
	.health = script_health,
};

/* The k-th time that its own gateway was told this of the request. */
static inline const struct script_note *script_find(const struct script *s, uint32_t request,
                                                    enum balancer_event event, uint32_t k)
{
	for (uint32_t i = 0; i < s->n_notes; i++)
		if (!s->notes[i].heard && s->notes[i].news.request == request &&
		    s->notes[i].news.event == event && k-- == 0)
			return &s->notes[i];
	return NULL;
}

static inline uint64_t script_us(const struct script *s, uint32_t request,
                                 enum balancer_event event)
{
	const struct script_note *note = script_find(s, request, event, 0);

	assert_non_null(note);
	return note->at_us;
}

/* ---- a run ----------------------------------------------------------------- */

struct stage {
	struct workload workload;
	struct fleet fleet;
	struct script script;
	struct policy policy;
	struct world_setup setup;
	struct tally tally;
};

/* Rows on a fleet; then the test changes what it likes, and stage_run. */
static inline struct stage *stage_new(const struct row *rows, size_t n, uint32_t n_prefill,
                                      uint32_t n_decode, uint32_t n_both)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	rows_workload(rows, n, &s->workload);
	round_fleet(&s->fleet, n_prefill, n_decode, n_both);
	s->policy = (struct policy){ .name = "script", .ops = &script_ops, .kind = &s->script };
	s->setup = (struct world_setup){ .workload = &s->workload,
		                         .fleet = &s->fleet,
		                         .policy = &s->policy,
		                         .rate_factor = 1,
		                         .seed = 1,
		                         .replicas = 1,
		                         .slo = { 5000, 50 } };
	return s;
}

static inline void stage_run(struct stage *s)
{
	world_run(&s->setup, &s->tally);
}

static inline void stage_free(struct stage *s)
{
	tally_fini(&s->tally);
	fleet_fini(&s->fleet);
	workload_fini(&s->workload);
	free(s);
}

/* The request's end, in microseconds after its arrival. */
static inline void check_times(const struct stage *s, uint32_t request, uint64_t ttft_us,
                               uint64_t e2e_us)
{
	const struct tally_request *rq = &s->tally.requests[request];

	assert_true(rq->done);
	assert_int_equal(llround((double)rq->ttft_ms * 1000), ttft_us);
	assert_int_equal(llround((double)rq->e2e_ms * 1000), e2e_us);
}

#endif
