/* filter_test.c: who may take part, and which reason is counted otherwise. */
#include "tests/unit/routing/route_help.h"

struct fixture {
	struct sl_router *r;
	struct prompt prompt;
	struct sl_query q;
	struct sl_decision d;
	struct sl_rng rng;
};

static void fixture_init(struct fixture *f)
{
	*f = (struct fixture){ .r = help_router(SL_POLICY_COST), .rng = { 1 } };
	prompt_init(&f->prompt, 1, 4096, 1, 40000);
	f->q = help_query(f->r, &f->prompt);
}

static void fixture_fini(struct fixture *f)
{
	sl_router_free(f->r);
	prompt_fini(&f->prompt);
}

static int decide(struct fixture *f)
{
	return sl_router_decide(f->r, &f->q, 1000, &f->rng, &f->d);
}

static void assert_chosen(struct fixture *f, enum sl_placement placement, uint32_t prefill,
                          uint32_t decode)
{
	assert_int_equal(decide(f), 0);
	assert_int_equal(f->d.chosen.placement, placement);
	assert_int_equal(f->d.chosen.prefill_ep, prefill);
	assert_int_equal(f->d.chosen.decode_ep, decode);
}

static void assert_dropped(struct fixture *f, enum sl_filter reason)
{
	for (int i = 0; i < SL_FILTER_COUNT; i++)
		assert_int_equal(f->d.filtered[i], i == (int)reason);
}

static void nobody_lists_the_model(void **state)
{
	struct fixture f;
	uint32_t other;

	(void)state;
	fixture_init(&f);
	assert_int_equal(decide(&f), SL_E_MODEL_NOT_FOUND);
	help_add(f.r, SL_ROLE_BOTH);
	other = sl_router_model(f.r, SL_SPAN("other"));
	f.q.model = other;
	assert_int_equal(decide(&f), SL_E_MODEL_NOT_FOUND);
	assert_dropped(&f, SL_FILTER_MODEL);
	assert_int_equal(f.d.chosen.placement, SL_PLACE_NONE);
	f.q.model = 12345;
	assert_int_equal(decide(&f), SL_E_MODEL_NOT_FOUND);
	f.q.model = SL_NO_MODEL;
	assert_int_equal(decide(&f), SL_E_MODEL_NOT_FOUND);
	fixture_fini(&f);
}

static void one_endpoint_lists_the_model(void **state)
{
	struct fixture f;
	uint32_t other, ep;

	(void)state;
	fixture_init(&f);
	ep = help_add(f.r, SL_ROLE_BOTH);
	other = help_add(f.r, SL_ROLE_BOTH);
	sl_router_endpoint_models(f.r, other, NULL, 0);
	for (int i = 0; i < 20; i++)
		assert_chosen(&f, SL_PLACE_AGGREGATED, ep, ep);
	assert_dropped(&f, SL_FILTER_MODEL);
	fixture_fini(&f);
}

/* Each row makes the second of two endpoints unfit in one way. */
static void every_reason_is_counted_once(void **state)
{
	static const enum sl_filter reasons[] = { SL_FILTER_HEALTH, SL_FILTER_DRAINING,
		                                  SL_FILTER_EXCLUDED, SL_FILTER_FULL };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(reasons); i++) {
		struct sl_endpoint_spec limited = { .role = SL_ROLE_BOTH, .max_concurrent = 1 };
		struct sl_ticket ticket = { 0 };
		struct fixture f;
		uint32_t good, bad;

		fixture_init(&f);
		bad = help_add_spec(f.r, limited);
		if (reasons[i] == SL_FILTER_FULL)
			help_send(f.r, &f.q, 0, &f.rng, &ticket);
		good = help_add(f.r, SL_ROLE_BOTH);
		if (reasons[i] == SL_FILTER_HEALTH)
			sl_router_endpoint_health(f.r, bad, SL_HEALTH_UNHEALTHY, 0);
		if (reasons[i] == SL_FILTER_DRAINING)
			sl_router_endpoint_drain(f.r, bad, true);
		if (reasons[i] == SL_FILTER_EXCLUDED)
			f.q.excluded[f.q.n_excluded++] = bad;
		for (int k = 0; k < 20; k++)
			assert_chosen(&f, SL_PLACE_AGGREGATED, good, good);
		assert_dropped(&f, reasons[i]);
		fixture_fini(&f);
	}
}

static void full_is_saturated_and_the_rest_is_not(void **state)
{
	struct sl_endpoint_spec limited = { .role = SL_ROLE_BOTH, .max_concurrent = 2 };
	struct sl_ticket t[2];
	struct fixture f;
	uint32_t a, b;

	(void)state;
	fixture_init(&f);
	a = help_add_spec(f.r, limited);
	b = help_add(f.r, SL_ROLE_BOTH);
	sl_router_endpoint_health(f.r, b, SL_HEALTH_UNHEALTHY, 0);
	help_send(f.r, &f.q, 0, &f.rng, &t[0]);
	assert_chosen(&f, SL_PLACE_AGGREGATED, a, a);
	help_send(f.r, &f.q, 0, &f.rng, &t[1]);
	assert_int_equal(decide(&f), SL_E_SATURATED);
	assert_int_equal(f.d.filtered[SL_FILTER_FULL], 1);
	assert_int_equal(f.d.filtered[SL_FILTER_HEALTH], 1);
	sl_router_finish(f.r, &t[0], &help_unknown, 1);
	assert_chosen(&f, SL_PLACE_AGGREGATED, a, a);
	sl_router_endpoint_drain(f.r, a, true);
	assert_int_equal(decide(&f), SL_E_NO_ENDPOINT);
	fixture_fini(&f);
}

static void only_prefill_engines_are_no_endpoint(void **state)
{
	struct fixture f;
	uint32_t p, d;

	(void)state;
	fixture_init(&f);
	p = help_add(f.r, SL_ROLE_PREFILL);
	assert_int_equal(decide(&f), SL_E_NO_ENDPOINT);
	f.q.single_engine = true;
	assert_int_equal(decide(&f), SL_E_NO_ENDPOINT);
	assert_dropped(&f, SL_FILTER_ROLE);
	/* but they can embed, if nobody better is there */
	f.q.no_decode = true;
	assert_chosen(&f, SL_PLACE_AGGREGATED, p, p);
	d = help_add(f.r, SL_ROLE_DECODE);
	for (int i = 0; i < 20; i++)
		assert_chosen(&f, SL_PLACE_LOCAL, d, d);
	fixture_fini(&f);
}

static void only_decode_engines_prefill_locally(void **state)
{
	struct fixture f;
	uint32_t d;

	(void)state;
	fixture_init(&f);
	d = help_add(f.r, SL_ROLE_DECODE);
	assert_chosen(&f, SL_PLACE_LOCAL, d, d);
	fixture_fini(&f);
}

#define SPEC(r, group, connector)                                                                  \
	{                                                                                          \
		.role = r, .kv_group = group, .remote_prefill = connector                          \
	}

/* A pair needs one group and the connector on both sides. */
static void pairs_agree(void **state)
{
	static const struct {
		struct sl_endpoint_spec p, d;
		bool remote;
	} rows[] = {
		{ SPEC(SL_ROLE_PREFILL, 1, true), SPEC(SL_ROLE_DECODE, 1, true), true },
		{ SPEC(SL_ROLE_PREFILL, 1, true), SPEC(SL_ROLE_DECODE, 2, true), false },
		{ SPEC(SL_ROLE_PREFILL, 1, false), SPEC(SL_ROLE_DECODE, 1, true), false },
		{ SPEC(SL_ROLE_PREFILL, 1, true), SPEC(SL_ROLE_DECODE, 1, false), false },
		{ SPEC(SL_ROLE_PREFILL, 1, true), SPEC(SL_ROLE_BOTH, 1, true), false },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_ticket busy[20];
		struct fixture f;
		uint32_t p, d;

		fixture_init(&f);
		p = help_add_spec(f.r, rows[i].p);
		d = help_add_spec(f.r, rows[i].d);
		/* the decode engine's own queue makes a hand-off attractive */
		f.q.single_engine = true;
		for (size_t k = 0; k < SL_COUNT(busy); k++)
			help_send(f.r, &f.q, 0, &f.rng, &busy[k]);
		f.q.single_engine = false;
		assert_int_equal(decide(&f), 0);
		assert_int_equal(f.d.chosen.placement == SL_PLACE_REMOTE, rows[i].remote);
		assert_int_equal(f.d.chosen.decode_ep, d);
		assert_int_equal(f.d.chosen.prefill_ep, rows[i].remote ? p : d);
		f.q.single_engine = true;
		assert_int_equal(decide(&f), 0);
		assert_int_equal(f.d.chosen.prefill_ep, d);
		fixture_fini(&f);
	}
}

static void groups_are_paired_inside_only(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (uint32_t i = 0; i < 12; i++)
		help_add_spec(f.r, (struct sl_endpoint_spec){ .role = i % 2 ? SL_ROLE_PREFILL
		                                                            : SL_ROLE_DECODE,
		                                              .kv_group = 7 * (i % 3),
		                                              .remote_prefill = true });
	for (int i = 0; i < 100; i++) {
		struct sl_ticket *t = calloc(1, sizeof(*t));

		help_send(f.r, &f.q, 0, &f.rng, t);
		assert_int_equal(t->prefill_ep % 3, t->decode_ep % 3);
		sl_router_cancel(f.r, t, &f.prompt.facts, SL_BLAME_NONE, 0);
		free(t);
		assert_int_equal(decide(&f), 0);
		for (uint32_t k = 0; k < f.d.n_kept; k++)
			assert_int_equal(f.d.kept[k].prefill_ep % 3, f.d.kept[k].decode_ep % 3);
	}
	fixture_fini(&f);
}

/* HEALTHY before UNKNOWN before DEGRADED, whatever it costs. */
static void prefills_go_to_the_healthiest(void **state)
{
	struct sl_ticket busy[30];
	struct fixture f;
	uint32_t a, b, c;

	(void)state;
	fixture_init(&f);
	a = help_add(f.r, SL_ROLE_BOTH);
	for (size_t k = 0; k < SL_COUNT(busy); k++)
		help_send(f.r, &f.q, 0, &f.rng, &busy[k]);
	b = help_add(f.r, SL_ROLE_BOTH);
	c = help_add(f.r, SL_ROLE_BOTH);
	sl_router_endpoint_health(f.r, b, SL_HEALTH_UNKNOWN, 0);
	sl_router_endpoint_health(f.r, c, SL_HEALTH_DEGRADED, 0);
	assert_chosen(&f, SL_PLACE_AGGREGATED, a, a);
	assert_int_equal(f.d.filtered[SL_FILTER_HEALTH], 2);
	sl_router_endpoint_health(f.r, a, SL_HEALTH_UNHEALTHY, 0);
	assert_chosen(&f, SL_PLACE_AGGREGATED, b, b);
	assert_int_equal(f.d.filtered[SL_FILTER_HEALTH], 2);
	sl_router_endpoint_health(f.r, b, SL_HEALTH_UNHEALTHY, 0);
	assert_chosen(&f, SL_PLACE_AGGREGATED, c, c);
	sl_router_endpoint_health(f.r, c, SL_HEALTH_UNHEALTHY, 0);
	assert_int_equal(decide(&f), SL_E_NO_ENDPOINT);
	assert_int_equal(f.d.filtered[SL_FILTER_HEALTH], 3);
	fixture_fini(&f);
}

/* It may still decode what another engine prefills. */
static void a_degraded_decoder_takes_hand_offs(void **state)
{
	struct fixture f;
	uint32_t p, d;

	(void)state;
	fixture_init(&f);
	p = help_add(f.r, SL_ROLE_PREFILL);
	d = help_add(f.r, SL_ROLE_DECODE);
	sl_router_endpoint_health(f.r, d, SL_HEALTH_DEGRADED, 0);
	assert_chosen(&f, SL_PLACE_REMOTE, p, d);
	assert_int_equal(f.d.filtered[SL_FILTER_HEALTH], 0);
	/* alone, it must do */
	f.q.single_engine = true;
	assert_chosen(&f, SL_PLACE_LOCAL, d, d);
	f.q.single_engine = false;
	sl_router_endpoint_health(f.r, p, SL_HEALTH_DEGRADED, 0);
	assert_int_equal(decide(&f), 0);
	fixture_fini(&f);
}

static void decode_only_stays_in_the_group(void **state)
{
	struct sl_endpoint_spec spec = { .role = SL_ROLE_PREFILL,
		                         .kv_group = 1,
		                         .remote_prefill = true };
	struct fixture f;
	uint32_t p, near, far;

	(void)state;
	fixture_init(&f);
	p = help_add_spec(f.r, spec);
	spec.role = SL_ROLE_DECODE;
	near = help_add_spec(f.r, spec);
	spec.kv_group = 2;
	far = help_add_spec(f.r, spec);
	help_add(f.r, SL_ROLE_BOTH);
	f.q.decode_only = true;
	f.q.prefill_ep = p;
	for (int i = 0; i < 20; i++)
		assert_chosen(&f, SL_PLACE_REMOTE, p, near);
	assert_int_equal(f.d.filtered[SL_FILTER_KV_GROUP], 1);
	assert_int_equal(f.d.filtered[SL_FILTER_ROLE], 2);
	assert_near(f.d.chosen.queue_ms + f.d.chosen.prefill_ms, 0, 0);
	/* the engine that holds the blocks need not take new work */
	sl_router_endpoint_drain(f.r, p, true);
	assert_chosen(&f, SL_PLACE_REMOTE, p, near);
	f.q.excluded[f.q.n_excluded++] = near;
	assert_int_equal(decide(&f), SL_E_NO_ENDPOINT);
	sl_router_endpoint_del(f.r, p);
	f.q.n_excluded = 0;
	assert_int_equal(decide(&f), SL_E_NO_ENDPOINT);
	f.q.prefill_ep = 9999;
	assert_int_equal(decide(&f), SL_E_NO_ENDPOINT);
	(void)far;
	fixture_fini(&f);
}

static void a_pinned_decoder_gets_another_prefiller(void **state)
{
	struct sl_endpoint_spec limited = { .role = SL_ROLE_DECODE,
		                            .max_concurrent = 1,
		                            .remote_prefill = true };
	struct sl_ticket t;
	struct fixture f;
	uint32_t p[2], d, other;

	(void)state;
	fixture_init(&f);
	p[0] = help_add(f.r, SL_ROLE_PREFILL);
	p[1] = help_add(f.r, SL_ROLE_PREFILL);
	d = help_add_spec(f.r, limited);
	other = help_add(f.r, SL_ROLE_DECODE);
	f.q.pinned_decode = d;
	f.q.excluded[f.q.n_excluded++] = p[0];
	for (int i = 0; i < 20; i++)
		assert_chosen(&f, SL_PLACE_REMOTE, p[1], d);
	assert_int_equal(f.d.filtered[SL_FILTER_EXCLUDED], 2);
	f.q.excluded[f.q.n_excluded++] = p[1];
	assert_int_equal(decide(&f), SL_E_NO_ENDPOINT);
	/* never locally, even where nothing else is left */
	f.q.n_excluded = 1;
	help_send(f.r, &f.q, 0, &f.rng, &t);
	assert_int_equal(decide(&f), SL_E_SATURATED);
	sl_router_cancel(f.r, &t, &f.prompt.facts, SL_BLAME_NONE, 0);
	assert_chosen(&f, SL_PLACE_REMOTE, p[1], d);
	f.q.pinned_decode = p[0];
	assert_int_equal(decide(&f), SL_E_NO_ENDPOINT);
	(void)other;
	fixture_fini(&f);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(sl_filter_name(SL_FILTER_KV_GROUP), "kv_group");
	assert_string_equal(sl_filter_name(SL_FILTER_NONE), "none");
	assert_string_equal(sl_filter_name(SL_FILTER_COUNT), "unknown");
	assert_string_equal(sl_placement_name(SL_PLACE_REMOTE), "remote");
	assert_string_equal(sl_placement_name(SL_PLACE_NONE), "none");
	assert_string_equal(sl_placement_name((enum sl_placement)77), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_lists_the_model),
		cmocka_unit_test(one_endpoint_lists_the_model),
		cmocka_unit_test(every_reason_is_counted_once),
		cmocka_unit_test(full_is_saturated_and_the_rest_is_not),
		cmocka_unit_test(only_prefill_engines_are_no_endpoint),
		cmocka_unit_test(only_decode_engines_prefill_locally),
		cmocka_unit_test(pairs_agree),
		cmocka_unit_test(groups_are_paired_inside_only),
		cmocka_unit_test(prefills_go_to_the_healthiest),
		cmocka_unit_test(a_degraded_decoder_takes_hand_offs),
		cmocka_unit_test(decode_only_stays_in_the_group),
		cmocka_unit_test(a_pinned_decoder_gets_another_prefiller),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
