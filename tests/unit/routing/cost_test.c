/* cost_test.c: every term of the cost against its formula, worked out here
 * with the preset's constants. */
#include "routing/cost.h"
#include "tests/unit/routing/route_help.h"

/* llama3-8b-h100 */
#define O 2.0
#define B 8.07e-7
#define D0 0.91
#define D1 4.12e-5

static struct cost_model model(void)
{
	struct cost_model m = {
		.weight_ttft = 1,
		.weight_stall = 0.1,
		.weight_decode = 0.15,
		.transfer_latency_ms = 2,
		.transfer_bytes_per_ms = 20e6,
		.prefill_scale = 1,
		.decode_scale = 1,
	};

	cost_model_use(&m, sl_profile_find("llama3-8b-h100"));
	return m;
}

static struct cost_engine idle(void)
{
	return (struct cost_engine){ .slow = 1, .capacity = 397000 };
}

static struct cost_request request(const struct cost_model *m, double tokens, double output)
{
	struct cost_request rq;

	cost_request_init(&rq, m, tokens, output, 1);
	return rq;
}

static void prefill(void **state)
{
	struct cost_model m = model();
	struct cost_engine e = idle();
	struct cost_request rq = request(&m, 4096, 100);
	double base = cost_prefill_base_ms(&m, &rq, 3072);
	double expected = O + 19.8 + B * 1024 * (3072 + 512);

	(void)state;
	assert_near(base, expected, 1e-3);
	assert_near(cost_prefill_base_ms(&m, &rq, 0), 2 * O + 78.0 + B * 4096 * 2048, 1e-3);
	/* one token is always computed */
	assert_near(cost_prefill_base_ms(&m, &rq, 5000), O + 5.03 + B * 5000.5, 1e-3);
	e.slow = 3;
	m.prefill_scale = 0.5;
	m.decode_scale = 100;
	assert_near(cost_prefill_ms(&m, &e, base), 1.5 * expected, 1e-3);
}

static void stall(void **state)
{
	struct cost_engine e = idle();

	(void)state;
	e.seqs = 7;
	e.queue_ms = 1000; /* is not part of it */
	assert_near(cost_stall_ms(&e, 20), 140, 1e-3);
}

/* Each chunk is part of a step that others make anyway. */
static void what_a_prefill_adds(void **state)
{
	struct cost_model m = model();
	struct cost_request rq = request(&m, 5000, 100);

	(void)state;
	assert_near(cost_shared_base_ms(&m, &rq, 0), 3 * (O + 5.03), 1e-3);
	assert_near(cost_shared_base_ms(&m, &rq, 3000), O + 5.03, 1e-3);
	/* all is cached but one token: nothing but attention is added */
	assert_near(cost_prefill_base_ms(&m, &rq, 5000) - cost_shared_base_ms(&m, &rq, 5000),
	            B * 5000.5, 1e-3);
}

static void what_a_prefill_displaces(void **state)
{
	static const struct {
		bool full, does_all;
		double busy, share;
	} cases[] = {
		{ true, true, 0.2, 1 },
		{ true, false, 0, 1 },
		{ false, true, 0.2, 0.2 },
		{ false, false, 0.9, 0 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct cost_engine e = idle();

		e.displaces = cost_displaces(cases[i].full, cases[i].does_all, cases[i].busy);
		assert_near(cost_cache_ms(&e, 300), 300 * cases[i].share, 1e-6);
	}
}

static void decode(void **state)
{
	struct cost_model m = model();
	struct cost_engine e = idle();
	struct cost_request rq = request(&m, 2000, 100);
	double own, others, step;

	(void)state;
	/* alone: B = 0, so nobody else pays */
	step = O + 5.03 + D0 + D1 * 2000;
	assert_near(cost_decode_ms(&m, &rq, &e), 100 * step, 1e-2);
	assert_near(cost_least_decode_ms(&m, &rq, &e), 100 * step, 1e-2);
	e.seqs = 32;
	e.context = 50000;
	e.busy = 0.5;
	step = O + 5.80 + (5.92 - 5.80) / 32 + D0 + D1 * 52000;
	own = 100 * step / 0.5;
	others = 32 * 50 * (D1 * (2000 + 50) + (5.92 - 5.80) / 32);
	assert_near(cost_decode_ms(&m, &rq, &e), own + others, 0.05);
	assert_true(cost_least_decode_ms(&m, &rq, &e) < own + others);
	assert_true(cost_least_decode_ms(&m, &rq, &e) > 0.8 * (own + others));
	e.slow = 2;
	m.decode_scale = 1.5;
	m.prefill_scale = 100;
	assert_near(cost_decode_ms(&m, &rq, &e), 3 * (own + others), 0.2);
	rq = request(&m, 2000, 0);
	assert_near(cost_decode_ms(&m, &rq, &e), 0, 0);
	assert_near(cost_least_decode_ms(&m, &rq, &e), 0, 0);
}

static void memory(void **state)
{
	struct cost_model m = model();
	struct cost_engine e = idle();
	struct cost_request rq = request(&m, 10000, 200);
	double step, missing;

	(void)state;
	e.seqs = 64;
	e.context = 0.92 * 397000 - 10200;
	assert_near(cost_memory_ms(&m, &rq, &e), 0, 1e-6);
	e.context += 5000;
	step = O + 5.92 + D0 + D1 * e.context;
	missing = 5000 / (e.context + 1);
	assert_near(cost_memory_ms(&m, &rq, &e), missing * 200 * step, 0.1);
	e.slow = 2;
	assert_near(cost_memory_ms(&m, &rq, &e), 2 * missing * 200 * step, 0.2);
	rq = request(&m, 10000, 0);
	assert_near(cost_memory_ms(&m, &rq, &e), 0, 0);
}

/* A full batch is waited for like full memory. */
static void seats(void **state)
{
	struct cost_model m = model();
	struct cost_engine e = idle();
	struct cost_request rq = request(&m, 10, 200);
	double step = O + 7.10 + D0;

	(void)state;
	e.seqs = 255;
	assert_near(cost_memory_ms(&m, &rq, &e), 0, 0);
	e.seqs = 256;
	assert_near(cost_memory_ms(&m, &rq, &e), 200 * step / 257, 0.01);
	e.seqs = 356;
	assert_true(cost_memory_ms(&m, &rq, &e) > 50 * 200 * step / 257);
}

static void transfer(void **state)
{
	struct cost_model m = model();
	struct cost_request rq = request(&m, 8192, 100);

	(void)state;
	assert_near(cost_transfer_ms(&m, &rq, 0), 2 + 8192 * 131072 / 20e6, 1e-3);
	assert_near(cost_transfer_ms(&m, &rq, 8000), 2 + 192 * 131072 / 20e6, 1e-3);
	assert_near(cost_transfer_ms(&m, &rq, 9000), 2, 1e-6);
}

static void band(void **state)
{
	static const struct {
		uint64_t us;
		double ms;
	} rows[] = {
		{ 0, 0 },        { 20000, 0 },    { 35000, 50 },   { 50000, 100 },
		{ 125000, 200 }, { 200000, 300 }, { 200001, 300 }, { UINT64_MAX, 300 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++)
		assert_near(cost_band_ms(rows[i].us), rows[i].ms, 1e-3);
}

/* To the last bit, on either side of the table's end and between its points. */
static void a_step_is_the_profiles_whole_or_in_fractions(void **state)
{
	struct cost_model m = model();
	struct cost_engine e = idle();

	(void)state;
	for (size_t k = 0; sl_profile_at(k); k++) {
		cost_model_use(&m, sl_profile_at(k));
		for (double seqs = 0; seqs < COST_STEP_SEQS + 50; seqs += 0.25)
			assert_true(cost_step_ms(&m, &e, seqs, 12345) ==
			            sl_profile_step_ms(m.profile, seqs, 12345));
	}
}

/* What place.c leaves out because of it could not have been chosen. */
static void the_least_decode_is_a_lower_bound(void **state)
{
	struct sl_rng rng = { 5 };
	struct cost_model m = model();

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct cost_request rq;
		struct cost_engine e = {
			.slow = 0.5 + 7.5 * help_unit(&rng),
			.seqs = help_below(&rng, 400),
			.context = help_below(&rng, 500000),
			.capacity = 397000,
			.busy = i % 5 ? 0.9 * help_unit(&rng) : 0,
		};

		if (i % 3 == 0) /* other gateways' */
			e.seqs += help_unit(&rng);
		if (i % 100 == 0)
			cost_model_use(&m, sl_profile_at(help_below(&rng, 4)));
		cost_request_init(&rq, &m, 1 + help_below(&rng, 200000), help_below(&rng, 2000),
		                  1 + help_below(&rng, 8));
		assert_true(cost_least_decode_ms(&m, &rq, &e) <=
		            cost_decode_ms(&m, &rq, &e) * (1 + 1e-12));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefill),
		cmocka_unit_test(stall),
		cmocka_unit_test(what_a_prefill_adds),
		cmocka_unit_test(what_a_prefill_displaces),
		cmocka_unit_test(decode),
		cmocka_unit_test(memory),
		cmocka_unit_test(seats),
		cmocka_unit_test(transfer),
		cmocka_unit_test(band),
		cmocka_unit_test(the_least_decode_is_a_lower_bound),
		cmocka_unit_test(a_step_is_the_profiles_whole_or_in_fractions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
