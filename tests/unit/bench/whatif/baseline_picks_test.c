/* baseline_picks_test.c: decisions of the policies of the field that remember
 * nothing of their own, worked out by hand from their published formulas. Each
 * row has one right answer, on whichever random numbers; rows come in pairs on
 * both sides of a constant. Prompts have 6400 tokens unless said otherwise. */
#include "tests/unit/bench/whatif/baseline_help.h"

#define MAX_ENGINES 4
#define SEEDS 8

struct figures {
	uint32_t held_tokens; /* of the prompt, in its index */
	uint32_t inflight, prefilling, decoding;
	double pending_tokens, active_tokens, queue_ms;
	double waiting, kv_usage; /* as scraped */
};

struct row {
	const struct baseline *kind;
	enum baseline_part part;
	uint32_t n;
	struct figures e[MAX_ENGINES];
	uint32_t want;
};

#define WHOLE BASELINE_WHOLE
#define PREFILL BASELINE_PREFILL
#define DECODE BASELINE_DECODE

static void set_engine(struct view *v, uint32_t engine, uint32_t request, const struct figures *f)
{
	struct view_engine *e = &v->engines[engine];

	e->inflight = f->inflight;
	e->prefilling = f->prefilling;
	e->decoding = f->decoding;
	e->pending_tokens = f->pending_tokens;
	e->active_tokens = f->active_tokens;
	e->queue_ms = f->queue_ms;
	e->scraped.waiting = f->waiting;
	e->scraped.kv_usage = f->kv_usage;
	scene_hold(v, engine, request, f->held_tokens);
}

static void assert_rows(const struct row *rows, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		struct scene *s = scene_new(0, 0, rows[k].n);
		struct asker a;

		asker_init(&a, s, rows[k].kind);
		for (uint32_t i = 0; i < rows[k].n; i++)
			set_engine(&a.view, i, 0, &rows[k].e[i]);
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			uint32_t got;

			a.rng.state = seed * 0x9e3779b97f4a7c15ull;
			got = asker_pick(&a, 0, rows[k].part);
			if (got != rows[k].want)
				fail_msg("row %zu: engine %u, not %u", k, got, rows[k].want);
		}
		asker_fini(&a);
		scene_free(s);
	}
}

#define ASSERT_ROWS(rows) assert_rows(rows, SL_COUNT(rows))

static void least_request(void **state)
{
	static const struct baseline *const k = &baseline_least_request;
	const struct row rows[] = {
		{ k, WHOLE, 3, { { .inflight = 3 }, { .inflight = 2 }, { .inflight = 5 } }, 1 },
		{ k, PREFILL, 2, { { .inflight = 3, .held_tokens = 6400 }, { .inflight = 2 } }, 1 },
		{ k, DECODE, 2, { { .inflight = 0 }, { .inflight = 1 } }, 0 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void power_of_two(void **state)
{
	static const struct baseline *const k = &baseline_power_of_two;
	const struct row rows[] = {
		{ k, WHOLE, 1, { { .inflight = 3 } }, 0 },
		{ k, WHOLE, 2, { { .inflight = 3 }, { .inflight = 2 } }, 1 },
		{ k, DECODE, 2, { { .inflight = 3 }, { .inflight = 4 } }, 0 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

/* 0.3, 64, 1.5; a miss goes to the least loaded */
static void sglang_today(void **state)
{
	static const struct baseline *const k = &baseline_sglang;
	const struct row rows[] = {
		{ k, WHOLE, 2, { { .held_tokens = 1984, .inflight = 9 }, { 0 } }, 0 }, /* 0.31 */
		{ k, WHOLE, 2, { { .held_tokens = 1920, .inflight = 9 }, { 0 } }, 1 }, /* 0.30 */
		{ k, WHOLE, 2, { { .held_tokens = 6400, .inflight = 65 }, { .inflight = 1 } }, 0 },
		{ k, WHOLE, 2, { { .held_tokens = 6400, .inflight = 66 }, { .inflight = 1 } }, 1 },
		{ k,
		  WHOLE,
		  2,
		  { { .held_tokens = 6400, .inflight = 210 }, { .inflight = 140 } },
		  0 },
		{ k,
		  WHOLE,
		  2,
		  { { .held_tokens = 6400, .inflight = 211 }, { .inflight = 140 } },
		  1 },
		{ k,
		  PREFILL,
		  2,
		  { { .held_tokens = 3200 }, { .held_tokens = 3264, .inflight = 9 } },
		  1 },
		{ k, DECODE, 2, { { .held_tokens = 6400, .inflight = 2 }, { .inflight = 1 } }, 1 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

/* 0.5, 32, 1.1 */
static void sglang_once(void **state)
{
	static const struct baseline *const k = &baseline_sglang_smallest_tree;
	const struct row rows[] = {
		{ k, WHOLE, 2, { { .held_tokens = 3264, .inflight = 9 }, { 0 } }, 0 },
		{ k, WHOLE, 2, { { .held_tokens = 6400, .inflight = 33 }, { .inflight = 1 } }, 0 },
		{ k, WHOLE, 2, { { .held_tokens = 6400, .inflight = 34 }, { .inflight = 1 } }, 1 },
		{ k,
		  WHOLE,
		  2,
		  { { .held_tokens = 6400, .inflight = 440 }, { .inflight = 400 } },
		  0 },
		{ k,
		  WHOLE,
		  2,
		  { { .held_tokens = 6400, .inflight = 441 }, { .inflight = 400 } },
		  1 },
		{ k, DECODE, 2, { { .held_tokens = 6400, .inflight = 2 }, { .inflight = 1 } }, 1 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void aibrix_prefix_cache(void **state)
{
	static const struct baseline *const k = &baseline_aibrix;
	const struct row rows[] = {
		/* spread above 8: only pods at the minimum may match */
		{ k, WHOLE, 2, { { .held_tokens = 6400, .inflight = 8 }, { 0 } }, 0 },
		{ k, WHOLE, 2, { { .held_tokens = 6400, .inflight = 9 }, { 0 } }, 1 },
		{ k,
		  WHOLE,
		  3,
		  { { .held_tokens = 6400, .inflight = 9 }, { .held_tokens = 64 }, { 0 } },
		  1 },
		/* mean 3, sigma 0.82: 4 is above one sigma, though not above two */
		{ k,
		  WHOLE,
		  4,
		  { { .held_tokens = 6400, .inflight = 4 },
		    { .inflight = 2 },
		    { .inflight = 3 },
		    { .inflight = 3 } },
		  1 },
		/* mean 3, sigma 1 of the sample, 0.82 of all */
		{ k,
		  WHOLE,
		  3,
		  { { .held_tokens = 6400, .inflight = 4 }, { .inflight = 3 }, { .inflight = 2 } },
		  0 },
		/* mean 2.75, sigma 0.5 */
		{ k,
		  WHOLE,
		  4,
		  { { .held_tokens = 640, .inflight = 3 },
		    { .inflight = 2 },
		    { .inflight = 3 },
		    { .inflight = 3 } },
		  0 },
		/* whole percents: 51 and 51, so the fewer running; 52 wins */
		{ k,
		  WHOLE,
		  2,
		  { { .held_tokens = 3264, .inflight = 2 },
		    { .held_tokens = 3264, .inflight = 1 } },
		  1 },
		{ k,
		  WHOLE,
		  2,
		  { { .held_tokens = 3328, .inflight = 2 },
		    { .held_tokens = 3264, .inflight = 1 } },
		  0 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void aibrix_pd(void **state)
{
	static const struct baseline *const k = &baseline_aibrix;
	const struct row rows[] = {
		/* 89 * 0.1 + 1 = 9.9 against 10, and 91 * 0.1 + 1 = 10.1 */
		{ k, PREFILL, 2, { { .held_tokens = 704, .prefilling = 1 }, { 0 } }, 0 },
		{ k, PREFILL, 2, { { .held_tokens = 576, .prefilling = 1 }, { 0 } }, 1 },
		{ k, PREFILL, 2, { { .held_tokens = 6400, .prefilling = 16 }, { 0 } }, 0 },
		{ k, PREFILL, 2, { { .held_tokens = 6400, .prefilling = 17 }, { 0 } }, 1 },
		{ k,
		  PREFILL,
		  4,
		  { { .held_tokens = 6400, .prefilling = 4 },
		    { .prefilling = 2 },
		    { .prefilling = 3 },
		    { .prefilling = 3 } },
		  1 },
		/* (1 + 0) / 1 against (0 + 1) / 0.5, if not 16 apart */
		{ k,
		  DECODE,
		  2,
		  { { .inflight = 15, .decoding = 15 }, { .active_tokens = 198500 } },
		  0 },
		{ k,
		  DECODE,
		  2,
		  { { .inflight = 16, .decoding = 15 }, { .active_tokens = 198500 } },
		  1 },
		/* 30 sequences at 8.4 ms are 3600 tokens/s: more than 2048 apart */
		{ k,
		  DECODE,
		  2,
		  { { .inflight = 15, .decoding = 30 }, { .active_tokens = 198500 } },
		  1 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void llmd_weighted(void **state)
{
	static const struct baseline *const k = &baseline_llmd;
	const struct row rows[] = {
		/* 2 * 0 + 2 + 3 * 0.67 = 4.01 against 2 + 2, and 3 * 0.66 */
		{ k, WHOLE, 2, { { .held_tokens = 4288, .waiting = 4 }, { 0 } }, 0 },
		{ k, WHOLE, 2, { { .held_tokens = 4224, .waiting = 4 }, { 0 } }, 1 },
		{ k, PREFILL, 2, { { .held_tokens = 4224, .waiting = 4 }, { 0 } }, 1 },
		/* 2 + 2 * 0.3 + 1.5 = 4.1 against 4, and 2 * 0.2 */
		{ k, WHOLE, 2, { { .held_tokens = 3200, .kv_usage = 0.7 }, { 0 } }, 0 },
		{ k, WHOLE, 2, { { .held_tokens = 3200, .kv_usage = 0.8 }, { 0 } }, 1 },
		/* (4 - 1) / (4 - 0) of the queue: 1.5 + 2 + 3 * p against 4, at 0.17 and 0.16 */
		{ k,
		  WHOLE,
		  3,
		  { { .held_tokens = 1088, .waiting = 1 }, { 0 }, { .waiting = 4 } },
		  0 },
		{ k,
		  WHOLE,
		  3,
		  { { .held_tokens = 1024, .waiting = 1 }, { 0 }, { .waiting = 4 } },
		  1 },
		/* requests in flight are not looked at */
		{ k, WHOLE, 2, { { .held_tokens = 64, .inflight = 90 }, { 0 } }, 0 },
		/* decode: 2 * (4 - 3) / 4 = 0.5 and 3 * p against 2 */
		{ k,
		  DECODE,
		  3,
		  { { .held_tokens = 3264, .inflight = 3 }, { 0 }, { .inflight = 4 } },
		  0 },
		{ k,
		  DECODE,
		  3,
		  { { .held_tokens = 3136, .inflight = 3 }, { 0 }, { .inflight = 4 } },
		  1 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

/* Of 200,000 tokens 131,072 count: 2 + 3 * 0.76 against 4, and 3 * 0.61. */
static void llmd_counts_so_many_tokens(void **state)
{
	static const uint32_t held_tokens[] = { 100000, 80000 };

	(void)state;
	for (uint32_t i = 0; i < SL_COUNT(held_tokens); i++) {
		struct scene *s = scene_new(0, 0, 2);
		struct asker a;

		s->requests[0].input_tokens = 200000;
		s->requests[0].n_blocks = 1;
		s->blocks[0].end_bytes = held_tokens[i] * WORKLOAD_BYTES_PER_TOKEN;
		asker_init(&a, s, &baseline_llmd);
		scene_hold(&a.view, 0, 0, SCENE_BLOCK_TOKENS);
		a.view.engines[0].scraped.waiting = 4;
		assert_int_equal(asker_pick(&a, 0, WHOLE), i);
		asker_fini(&a);
		scene_free(s);
	}
}

/* 0.8 of the prompt; 15.928 tokens a ms times 18000 ms are 286704 tokens */
static void llmd_sticky(void **state)
{
	static const struct baseline *const k = &baseline_llmd_sticky;
	const struct row rows[] = {
		{ k, WHOLE, 2, { { .held_tokens = 5120, .pending_tokens = 9000 }, { 0 } }, 0 },
		{ k, WHOLE, 2, { { .held_tokens = 5056, .pending_tokens = 9000 }, { 0 } }, 1 },
		{ k, WHOLE, 2, { { .held_tokens = 6400, .pending_tokens = 286700 }, { 0 } }, 0 },
		{ k, PREFILL, 2, { { .held_tokens = 6400, .pending_tokens = 286710 }, { 0 } }, 1 },
		/* several stick: the least tokens in flight, this request's included */
		{ k,
		  WHOLE,
		  3,
		  { { .held_tokens = 5120, .pending_tokens = 900 },
		    { .held_tokens = 6400, .pending_tokens = 2000 },
		    { 0 } },
		  1 },
		{ k, WHOLE, 2, { { .pending_tokens = 5e5 }, { .pending_tokens = 6e5 } }, 0 },
		{ k, DECODE, 2, { { .held_tokens = 6400, .inflight = 1 }, { 0 } }, 1 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void lmetric(void **state)
{
	static const struct baseline *const k = &baseline_lmetric;
	const struct row rows[] = {
		{ k,
		  WHOLE,
		  2,
		  { { .held_tokens = 3264, .inflight = 1 }, { 0 } },
		  0 }, /* 3136 * 2 */
		{ k,
		  WHOLE,
		  2,
		  { { .held_tokens = 3136, .inflight = 1 }, { 0 } },
		  1 }, /* 3264 * 2 */
		{ k, PREFILL, 2, { { .held_tokens = 3200, .pending_tokens = 3199 }, { 0 } }, 0 },
		{ k, PREFILL, 2, { { .held_tokens = 3200, .pending_tokens = 3201 }, { 0 } }, 1 },
		{ k, DECODE, 2, { { .held_tokens = 6400, .inflight = 2 }, { .inflight = 1 } }, 1 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

/* Prefill of 6400 is 155.1 ms, of 3200 behind 3200 cached ones 76.7 ms. */
static void mooncake(void **state)
{
	static const struct baseline *const k = &baseline_mooncake;
	const struct row rows[] = {
		{ k, WHOLE, 2, { { .held_tokens = 3200, .queue_ms = 78 }, { 0 } }, 0 },
		{ k, WHOLE, 2, { { .held_tokens = 3200, .queue_ms = 79 }, { 0 } }, 1 },
		{ k,
		  PREFILL,
		  2,
		  { { .held_tokens = 3200, .queue_ms = 79, .inflight = 0 }, { .inflight = 90 } },
		  1 },
		/* steps: 40,000 tokens more cost 1.65 ms, a sequence more 0.025 */
		{ k,
		  DECODE,
		  2,
		  { { .decoding = 10, .active_tokens = 50000 },
		    { .decoding = 11, .active_tokens = 10000 } },
		  1 },
		{ k,
		  DECODE,
		  2,
		  { { .decoding = 10, .active_tokens = 10000 },
		    { .decoding = 11, .active_tokens = 10000 } },
		  0 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

/* The prompt is 100 blocks, and half of it is held. */
static void dynamo(void **state)
{
	static const struct baseline *const lin = &baseline_dynamo_linear;
	static const struct baseline *const mul = &baseline_dynamo_lmetric;
	const struct row rows[] = {
		/* 50 + 100 + 49 against 100 + 100, and 51 */
		{ lin, WHOLE, 2, { { .held_tokens = 3200, .active_tokens = 49 * 64 }, { 0 } }, 0 },
		{ lin, WHOLE, 2, { { .held_tokens = 3200, .active_tokens = 51 * 64 }, { 0 } }, 1 },
		{ lin, WHOLE, 2, { { .held_tokens = 3200, .pending_tokens = 49 * 64 }, { 0 } }, 0 },
		{ lin, WHOLE, 2, { { .held_tokens = 3200, .pending_tokens = 51 * 64 }, { 0 } }, 1 },
		/* 50 * 201 against 100 * 101, and 50 * 203 */
		{ mul, WHOLE, 2, { { .held_tokens = 3200, .active_tokens = 100 * 64 }, { 0 } }, 0 },
		{ mul, WHOLE, 2, { { .held_tokens = 3200, .active_tokens = 102 * 64 }, { 0 } }, 1 },
		{ lin, PREFILL, 2, { { .held_tokens = 3200, .active_tokens = 1e6 }, { 0 } }, 0 },
		{ mul,
		  PREFILL,
		  2,
		  { { .held_tokens = 3200, .pending_tokens = 51 * 64 }, { 0 } },
		  1 },
		{ lin, DECODE, 2, { { .held_tokens = 6400, .active_tokens = 64 }, { 0 } }, 1 },
		{ mul,
		  DECODE,
		  2,
		  { { .active_tokens = 64 }, { .active_tokens = 65, .pending_tokens = 0 } },
		  0 },
		{ &baseline_dynamo_conditional,
		  WHOLE,
		  2,
		  { { .held_tokens = 3200, .active_tokens = 51 * 64 }, { 0 } },
		  1 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void always_remote(void **state)
{
	static const struct baseline *const k = &baseline_always_remote;
	const struct row rows[] = {
		{ k,
		  PREFILL,
		  2,
		  { { .pending_tokens = 2, .held_tokens = 6400 },
		    { .pending_tokens = 1, .active_tokens = 9 } },
		  1 },
		{ k,
		  DECODE,
		  2,
		  { { .active_tokens = 2 }, { .active_tokens = 1, .pending_tokens = 9 } },
		  1 },
		{ k,
		  WHOLE,
		  2,
		  { { .active_tokens = 2, .pending_tokens = 2 },
		    { .active_tokens = 3, .pending_tokens = 0 } },
		  1 },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

/* ---- whether to hand off ---------------------------------------------- */

struct hand_off {
	const struct baseline *kind;
	uint32_t tokens, held_tokens;
	bool want;
};

static void deciders(void **state)
{
	static const struct hand_off rows[] = {
		{ &baseline_dynamo_conditional, 6400, 4352, true },  /* 2048 uncached */
		{ &baseline_dynamo_conditional, 6400, 4416, false }, /* 1984, 0.31 */
		{ &baseline_dynamo_conditional, 1280, 448, false },  /* 832, 0.65 */
		{ &baseline_dynamo_conditional, 1280, 320, true },   /* 960, 0.75 */
		{ &baseline_dynamo_conditional, 128, 0, true },      /* short, but cold */
		{ &baseline_llmd_threshold, 6400, 5888, true },      /* 512 */
		{ &baseline_llmd_threshold, 6400, 5952, false },     /* 448 */
		{ &baseline_llmd_threshold, 448, 0, false },
	};

	(void)state;
	for (size_t k = 0; k < SL_COUNT(rows); k++) {
		struct scene *s = scene_new(0, 1, 0);
		struct asker a;

		scene_prompt(s, 0, rows[k].tokens, 0, 0);
		asker_init(&a, s, rows[k].kind);
		scene_hold(&a.view, 0, 0, rows[k].held_tokens);
		assert_int_equal(asker_pick(&a, 0, DECODE), 0);
		if (a.kind->remote(&a.ask, 0) != rows[k].want)
			fail_msg("row %zu", k);
		asker_fini(&a);
		scene_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(least_request),
		cmocka_unit_test(power_of_two),
		cmocka_unit_test(sglang_today),
		cmocka_unit_test(sglang_once),
		cmocka_unit_test(aibrix_prefix_cache),
		cmocka_unit_test(aibrix_pd),
		cmocka_unit_test(llmd_weighted),
		cmocka_unit_test(llmd_counts_so_many_tokens),
		cmocka_unit_test(llmd_sticky),
		cmocka_unit_test(lmetric),
		cmocka_unit_test(mooncake),
		cmocka_unit_test(dynamo),
		cmocka_unit_test(always_remote),
		cmocka_unit_test(deciders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
