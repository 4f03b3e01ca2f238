/* ramp_test.c: slow start: an engine that comes back is given more and more, as
 * long as others are there. */
#include "tests/unit/routing/route_help.h"

#define SECOND 1000000u
#define SLOW_START (6u * SECOND)
#define MANY 100

struct fixture {
	struct sl_router *r;
	struct prompt prompt;
	struct sl_query q;
	struct sl_rng rng;
	struct sl_ticket tickets[MANY];
	uint32_t n;
	uint32_t back, other;
};

static const struct sl_endpoint_spec spec = { .role = SL_ROLE_BOTH, .slow_start_us = SLOW_START };

static void fixture_init(struct fixture *f, bool alone)
{
	*f = (struct fixture){ .r = help_router(SL_POLICY_LEAST_REQUEST), .rng = { 1 } };
	prompt_init(&f->prompt, 1, 4096, 1, 40000);
	f->q = help_query(f->r, &f->prompt);
	f->back = help_add_spec(f->r, spec);
	f->other = alone ? f->back : help_add_spec(f->r, spec);
}

static void fixture_fini(struct fixture *f)
{
	sl_router_free(f->r);
	prompt_fini(&f->prompt);
}

static uint32_t inflight(const struct fixture *f, uint32_t ep, uint64_t now_us)
{
	struct sl_endpoint_view view;

	assert_true(sl_router_endpoint_view(f->r, ep, now_us, &view));
	return view.inflight;
}

static bool in_slow_start(const struct fixture *f, uint64_t now_us)
{
	struct sl_endpoint_view view;

	assert_true(sl_router_endpoint_view(f->r, f->back, now_us, &view));
	return view.slow_start;
}

static void send(struct fixture *f, uint32_t n, uint64_t now_us)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_decision d;

		assert_true(f->n < MANY);
		assert_int_equal(sl_router_decide(f->r, &f->q, now_us, &f->rng, &d), 0);
		sl_router_dispatch(f->r, &f->q, &d, now_us, &f->tickets[f->n++]);
	}
}

static void end_all(struct fixture *f, uint64_t now_us)
{
	for (uint32_t i = 0; i < f->n; i++)
		sl_router_finish(f->r, &f->tickets[i], &help_unknown, now_us);
	f->n = 0;
}

static void come_back(struct fixture *f, uint64_t now_us)
{
	sl_router_endpoint_health(f->r, f->back, SL_HEALTH_UNHEALTHY, now_us);
	sl_router_endpoint_health(f->r, f->back, SL_HEALTH_HEALTHY, now_us);
}

/* One request at first, then twice as many in each sixth of the time. */
static void its_share_doubles(void **state)
{
	static const uint32_t wanted[] = { 1, 2, 4, 8, 16, 32, 50 };
	uint64_t start = 100 * SECOND;
	struct fixture f;

	(void)state;
	fixture_init(&f, false);
	come_back(&f, start);
	for (unsigned i = 0; i < SL_COUNT(wanted); i++) {
		uint64_t now = start + i * SECOND;

		send(&f, MANY, now);
		assert_int_equal(inflight(&f, f.back, now), wanted[i]);
		assert_int_equal(in_slow_start(&f, now), i < 6);
		end_all(&f, now);
	}
	fixture_fini(&f);
}

static void the_reason_is_counted(void **state)
{
	struct sl_decision d;
	struct fixture f;

	(void)state;
	fixture_init(&f, false);
	come_back(&f, SECOND);
	send(&f, 4, SECOND);
	assert_int_equal(sl_router_decide(f.r, &f.q, SECOND, &f.rng, &d), 0);
	assert_int_equal(d.chosen.decode_ep, f.other);
	assert_int_equal(d.filtered[SL_FILTER_SLOW_START], 1);
	end_all(&f, SECOND);
	fixture_fini(&f);
}

static void alone_it_serves_all(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, true);
	come_back(&f, SECOND);
	send(&f, MANY, SECOND);
	assert_int_equal(inflight(&f, f.back, SECOND), MANY);
	end_all(&f, SECOND);
	fixture_fini(&f);
}

/* A retry that has tried the others, too: better there than nowhere. */
static void when_the_others_are_excluded(void **state)
{
	struct sl_decision d;
	struct fixture f;

	(void)state;
	fixture_init(&f, false);
	come_back(&f, SECOND);
	send(&f, 4, SECOND);
	f.q.excluded[f.q.n_excluded++] = f.other;
	assert_int_equal(sl_router_decide(f.r, &f.q, SECOND, &f.rng, &d), 0);
	assert_int_equal(d.chosen.decode_ep, f.back);
	assert_int_equal(d.filtered[SL_FILTER_EXCLUDED], 1);
	assert_int_equal(d.filtered[SL_FILTER_SLOW_START], 0);
	end_all(&f, SECOND);
	fixture_fini(&f);
}

/* A restart that no probe has seen: it begins with the next look. */
static void after_a_restart(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, false);
	sl_router_endpoint_restarted(f.r, f.back);
	send(&f, MANY, 50 * SECOND);
	assert_int_equal(inflight(&f, f.back, 50 * SECOND), 1);
	end_all(&f, 50 * SECOND);
	send(&f, MANY, 56 * SECOND);
	assert_int_equal(inflight(&f, f.back, 56 * SECOND), MANY / 2);
	end_all(&f, 56 * SECOND);
	fixture_fini(&f);
}

static void not_for_new_ones_nor_without_a_time(void **state)
{
	struct sl_endpoint_spec none = { .role = SL_ROLE_BOTH };
	struct fixture f;

	(void)state;
	fixture_init(&f, false);
	assert_false(in_slow_start(&f, 0));
	come_back(&f, SECOND);
	sl_router_endpoint_update(f.r, f.back, &none);
	assert_false(in_slow_start(&f, SECOND));
	come_back(&f, SECOND);
	assert_false(in_slow_start(&f, SECOND));
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_share_doubles),
		cmocka_unit_test(the_reason_is_counted),
		cmocka_unit_test(alone_it_serves_all),
		cmocka_unit_test(when_the_others_are_excluded),
		cmocka_unit_test(after_a_restart),
		cmocka_unit_test(not_for_new_ones_nor_without_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
