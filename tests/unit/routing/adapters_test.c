/* adapters_test.c: adapters (LoRA): what is loaded where, and what that does to
 * decisions. */
#include "routing/adapters.h"

#include <stdio.h>

#include "routing/state.h"
#include "tests/unit/routing/route_help.h"

#define SECOND 1000000u
#define MAX_TICKETS 64

/* ---- one engine's adapters --------------------------------------------- */

static void use(struct adapters *a, uint32_t model, uint64_t now_us)
{
	adapters_enter(a, model, now_us);
	adapters_leave(a, model, now_us);
}

static bool is_loaded(const struct adapters *a, uint32_t model)
{
	return adapters_find(a, model, 0).loaded;
}

static void test_nothing_known(void **state)
{
	struct adapters_found found = adapters_find(NULL, 7, 0);

	(void)state;
	assert_false(found.loaded || found.displaces || found.missing || found.slots);
	assert_int_equal(adapters_loaded(NULL), 0);
}

static void test_longest_unused_goes_first(void **state)
{
	struct adapters *a = adapters_new();

	(void)state;
	adapters_sample_slots(a, 2);
	use(a, 1, 10);
	assert_false(adapters_find(a, 2, 20).displaces);
	use(a, 2, 20);
	assert_true(adapters_find(a, 3, 30).displaces);
	use(a, 1, 30);
	use(a, 3, 40);
	assert_true(is_loaded(a, 1) && is_loaded(a, 3));
	assert_false(is_loaded(a, 2));
	assert_int_equal(adapters_loaded(a), 2);
	assert_int_equal(a->n, 2);
	adapters_free(a);
}

static void test_work_keeps_its_slot(void **state)
{
	struct adapters *a = adapters_new();

	(void)state;
	adapters_sample_slots(a, 2);
	adapters_enter(a, 1, 10);
	adapters_enter(a, 1, 11);
	adapters_enter(a, 2, 20);
	/* a running adapter's requests do not wait; a third one's do */
	assert_int_equal(adapters_find(a, 1, 30).missing, 0);
	assert_int_equal(adapters_find(a, 2, 30).missing, 0);
	assert_int_equal(adapters_find(a, 3, 30).missing, 1);
	assert_near(adapters_find(a, 3, 30).legs_each, 1.5, 1e-6);
	adapters_enter(a, 3, 30);
	/* the line is in the order of arrival */
	assert_int_equal(adapters_find(a, 2, 40).missing, 0);
	assert_int_equal(adapters_find(a, 3, 40).missing, 1);
	assert_int_equal(adapters_find(a, 4, 40).missing, 2);
	assert_int_equal(adapters_loaded(a), 3); /* the third one will be */
	adapters_leave(a, 1, 50);
	assert_int_equal(adapters_find(a, 3, 50).missing, 1);
	adapters_leave(a, 1, 60);
	assert_int_equal(adapters_find(a, 3, 60).missing, 0);
	assert_false(is_loaded(a, 1));
	assert_int_equal(adapters_loaded(a), 2);
	adapters_leave(a, 2, 70);
	adapters_leave(a, 3, 70);
	assert_true(is_loaded(a, 2) && is_loaded(a, 3));
	adapters_free(a);
}

static void test_bounded_without_a_limit(void **state)
{
	struct adapters *a = adapters_new();

	(void)state;
	for (uint32_t i = 0; i < 3 * ADAPTERS_KEPT; i++)
		use(a, i, 1 + i);
	assert_int_equal(a->n, ADAPTERS_KEPT);
	assert_true(is_loaded(a, 3 * ADAPTERS_KEPT - 1));
	assert_false(is_loaded(a, 0));
	assert_int_equal(adapters_find(a, 0, 9999).missing, 0);
	adapters_free(a);
}

static void test_failures_and_restarts_unload(void **state)
{
	struct adapters *a = adapters_new();

	(void)state;
	adapters_enter(a, 1, 10);
	adapters_enter(a, 2, 10);
	adapters_enter(a, 2, 11);
	adapters_unload(a, 1);
	adapters_leave(a, 1, 20);
	adapters_unload(a, 2); /* another one is there: it will be loaded */
	adapters_leave(a, 2, 20);
	assert_false(is_loaded(a, 1));
	assert_true(is_loaded(a, 2));
	adapters_forget(a);
	assert_false(is_loaded(a, 2));
	adapters_leave(a, 2, 30); /* what was under way still ends */
	assert_int_equal(a->n, 0);
	adapters_free(a);
}

static void sample(struct adapters *a, uint32_t slots, const uint32_t *running, uint32_t n,
                   uint64_t taken_us)
{
	adapters_sample_slots(a, slots);
	for (uint32_t i = 0; i < n; i++)
		adapters_sample_add(a, running[i], true, taken_us);
	adapters_sample_end(a, taken_us);
}

static void test_scrapes_correct(void **state)
{
	struct adapters *a = adapters_new();
	const uint32_t others[] = { 7, 8 };

	(void)state;
	use(a, 1, SECOND);
	use(a, 2, SECOND);
	/* all slots are taken by work that is not ours */
	sample(a, 2, others, 2, 5 * SECOND);
	assert_false(is_loaded(a, 1) || is_loaded(a, 2));
	assert_true(is_loaded(a, 7) && is_loaded(a, 8));
	assert_int_equal(adapters_find(a, 1, 5 * SECOND).missing, 1);
	assert_int_equal(adapters_find(a, 7, 5 * SECOND).missing, 0);
	/* it is believed for a while, or until the next one */
	assert_int_equal(adapters_find(a, 1, 8 * SECOND).missing, 0);
	sample(a, 2, others, 1, 5 * SECOND + 1);
	assert_int_equal(adapters_find(a, 1, 5 * SECOND + 1).missing, 0);
	assert_true(is_loaded(a, 8));
	adapters_free(a);
}

/* The page may still tell of what has just ended. */
static void test_own_work_is_not_foreign(void **state)
{
	struct adapters *a = adapters_new();
	const uint32_t ours[] = { 1, 2 };

	(void)state;
	use(a, 1, SECOND);
	use(a, 2, SECOND);
	sample(a, 2, ours, 2, SECOND + 100000);
	assert_int_equal(adapters_find(a, 3, SECOND + 100000).missing, 0);
	sample(a, 2, ours, 2, 2 * SECOND);
	assert_int_equal(adapters_find(a, 3, 2 * SECOND).missing, 1);
	adapters_free(a);
}

/* ---- decisions ----------------------------------------------------------- */

struct fleet {
	struct sl_router *r;
	struct sl_rng rng;
	uint64_t now_us;
	uint32_t n;
	uint32_t eps[8];
	uint32_t adapters[8];
	struct prompt prompt;
};

/* Engines that list the base model and `n_adapters` adapters of it. */
static void fleet_init(struct fleet *f, uint32_t n, uint32_t n_adapters, uint32_t slots)
{
	uint32_t models[9];

	*f = (struct fleet){ .rng = { 42 }, .now_us = SECOND, .n = n };
	f->r = help_router(SL_POLICY_COST);
	models[0] = sl_router_model(f->r, SL_SPAN("m"));
	for (uint32_t i = 0; i < n_adapters; i++) {
		char name[16];

		snprintf(name, sizeof(name), "a%u", i);
		f->adapters[i] = models[i + 1] = sl_router_model(f->r, sl_span_str(name));
		sl_router_model_adapter(f->r, f->adapters[i], true);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct sl_adapter_sample s = { f->now_us, slots, { "", 0 }, { "", 0 } };

		f->eps[i] = help_add(f->r, SL_ROLE_BOTH);
		sl_router_endpoint_models(f->r, f->eps[i], models, n_adapters + 1);
		sl_router_endpoint_adapters(f->r, f->eps[i], &s);
	}
	prompt_init(&f->prompt, 1, 0, 1, 200);
}

static void fleet_fini(struct fleet *f)
{
	sl_router_free(f->r);
	prompt_fini(&f->prompt);
}

static struct sl_decision decide(struct fleet *f, uint32_t model)
{
	struct sl_decision d;
	struct sl_query q;

	sl_query_init(&q, model, &f->prompt.facts);
	assert_int_equal(sl_router_decide(f->r, &q, f->now_us, &f->rng, &d), 0);
	return d;
}

static struct sl_decision send(struct fleet *f, uint32_t model, struct sl_ticket *t)
{
	struct sl_decision d = decide(f, model);
	struct sl_query q;

	sl_query_init(&q, model, &f->prompt.facts);
	sl_router_dispatch(f->r, &q, &d, f->now_us, t);
	f->now_us += 1000;
	return d;
}

static void finish(struct fleet *f, struct sl_ticket *t)
{
	f->now_us += 1000;
	sl_router_first_token(f->r, t, f->now_us);
	f->now_us += 1000;
	sl_router_finish(f->r, t, &help_unknown, f->now_us);
}

static void test_second_request_goes_where_it_is_loaded(void **state)
{
	struct sl_decision first, next;
	struct sl_ticket t;
	struct fleet f;

	(void)state;
	fleet_init(&f, 4, 2, 4);
	first = send(&f, f.adapters[0], &t);
	assert_near(first.chosen.adapter_ms, 100, 1e-3);
	assert_true(first.predicted_ttft_ms > 100);
	finish(&f, &t);
	for (int i = 0; i < 20; i++) {
		next = send(&f, f.adapters[0], &t);
		assert_int_equal(next.chosen.decode_ep, first.chosen.decode_ep);
		assert_near(next.chosen.adapter_ms, 0, 1e-9);
		assert_near(next.kept[1].adapter_ms, 100, 1e-3);
		finish(&f, &t);
	}
	/* it is lost with the process */
	sl_router_endpoint_restarted(f.r, first.chosen.decode_ep);
	next = decide(&f, f.adapters[0]);
	assert_near(next.chosen.adapter_ms, 100, 1e-3);
	fleet_fini(&f);
}

static void test_hot_adapter_spreads(void **state)
{
	struct sl_ticket t[MAX_TICKETS];
	bool used[8] = { false };
	uint32_t n_used = 0;
	struct fleet f;

	(void)state;
	fleet_init(&f, 4, 1, 4);
	prompt_fini(&f.prompt);
	prompt_init(&f.prompt, 1, 0, 1, 20000);
	for (uint32_t i = 0; i < 40; i++) {
		struct sl_decision d;

		/* no prefix in common: only the adapter draws them together */
		prompt_fini(&f.prompt);
		prompt_init(&f.prompt, 1, 0, 100 + i, 20000);
		d = send(&f, f.adapters[0], &t[i]);
		n_used += !used[d.chosen.decode_ep];
		used[d.chosen.decode_ep] = true;
	}
	assert_int_equal(n_used, 4);
	for (uint32_t i = 0; i < 40; i++)
		finish(&f, &t[i]);
	assert_int_equal(help_view(f.r, f.eps[0], f.now_us).adapters_loaded, 1);
	fleet_fini(&f);
}

/* Six adapters, three engines that compute two at once: each finds its place,
 * and no load is needed any more. */
static void test_adapters_part_the_fleet(void **state)
{
	struct sl_ticket t[12];
	uint32_t home[6], loads = 0;
	struct fleet f;

	(void)state;
	fleet_init(&f, 3, 6, 2);
	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 12; i++) {
			struct sl_decision d = send(&f, f.adapters[i % 6], &t[i]);

			assert_true(d.chosen.adapter_ms <= 100.001);
			loads += d.chosen.adapter_ms > 0;
			if (round == 0 && i < 6)
				home[i] = d.chosen.decode_ep;
			assert_int_equal(d.chosen.decode_ep, home[i % 6]);
		}
		for (uint32_t i = 0; i < 12; i++)
			finish(&f, &t[i]);
	}
	assert_int_equal(loads, 6);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(help_view(f.r, f.eps[i], f.now_us).adapters_loaded, 2);
		assert_int_equal(help_view(f.r, f.eps[i], f.now_us).max_adapters, 2);
	}
	fleet_fini(&f);
}

/* One request after the other, on engines that are idle when it comes: a load
 * goes to where it displaces nothing. */
static void test_free_slots_first(void **state)
{
	struct sl_ticket t;
	struct fleet f;

	(void)state;
	for (uint64_t seed = 1; seed < 20; seed++) {
		fleet_init(&f, 3, 6, 2);
		f.rng.state = seed;
		for (uint32_t i = 0; i < 6; i++) {
			send(&f, f.adapters[i], &t);
			finish(&f, &t);
		}
		for (uint32_t i = 0; i < 6; i++)
			assert_near(decide(&f, f.adapters[i]).chosen.adapter_ms, 0, 1e-9);
		fleet_fini(&f);
	}
}

static void test_waiting_for_a_slot_costs(void **state)
{
	struct sl_ticket t[2];
	struct sl_decision d;
	struct fleet f;

	(void)state;
	fleet_init(&f, 1, 3, 2);
	send(&f, f.adapters[0], &t[0]);
	assert_near(decide(&f, f.adapters[2]).chosen.adapter_ms, 100, 1e-3);
	send(&f, f.adapters[1], &t[1]);
	d = decide(&f, f.adapters[2]);
	assert_true(d.chosen.adapter_ms > 200); /* and is possible nevertheless */
	assert_near(decide(&f, f.adapters[0]).chosen.adapter_ms, 0, 1e-9);
	finish(&f, &t[0]);
	assert_near(decide(&f, f.adapters[2]).chosen.adapter_ms, 100, 1e-3);
	finish(&f, &t[1]);
	fleet_fini(&f);
}

static void test_base_model_pays_nothing(void **state)
{
	struct sl_ticket t[3];
	struct sl_decision d;
	struct fleet f;

	(void)state;
	fleet_init(&f, 2, 3, 1);
	for (uint32_t i = 0; i < 3; i++)
		send(&f, f.adapters[i], &t[i]);
	d = decide(&f, sl_router_model(f.r, SL_SPAN("m")));
	assert_int_equal(d.n_kept, 2);
	for (uint32_t i = 0; i < d.n_kept; i++)
		assert_near(d.kept[i].adapter_ms, 0, 1e-9);
	for (uint32_t i = 0; i < 3; i++)
		finish(&f, &t[i]);
	assert_int_equal(help_view(f.r, f.eps[0], f.now_us).inflight, 0);
	fleet_fini(&f);
}

/* The base model alone is not enough. */
static void test_engine_must_list_the_adapter(void **state)
{
	struct sl_ticket t[MAX_TICKETS];
	struct sl_decision d;
	struct fleet f;
	uint32_t base;

	(void)state;
	fleet_init(&f, 2, 1, 1);
	base = sl_router_model(f.r, SL_SPAN("m"));
	sl_router_endpoint_models(f.r, f.eps[1], &base, 1);
	for (uint32_t i = 0; i < MAX_TICKETS; i++) {
		d = send(&f, f.adapters[0], &t[i]);
		assert_int_equal(d.chosen.decode_ep, f.eps[0]);
		assert_int_equal(d.filtered[SL_FILTER_MODEL], 1);
	}
	fleet_fini(&f);
}

static void test_failed_dispatch_loads_nothing(void **state)
{
	struct sl_ticket t;
	struct sl_query q;
	struct fleet f;

	(void)state;
	fleet_init(&f, 1, 1, 1);
	sl_query_init(&q, f.adapters[0], &f.prompt.facts);
	send(&f, f.adapters[0], &t);
	sl_router_cancel(f.r, &t, &f.prompt.facts, SL_BLAME_DECODE, f.now_us);
	assert_near(decide(&f, f.adapters[0]).chosen.adapter_ms, 100, 1e-3);
	send(&f, f.adapters[0], &t);
	sl_router_cancel(f.r, &t, &f.prompt.facts, SL_BLAME_NONE, f.now_us);
	assert_near(decide(&f, f.adapters[0]).chosen.adapter_ms, 0, 1e-9);
	fleet_fini(&f);
}

/* Both engines of a pair load it; the one that prefills lets go of it first. */
static void test_remote_pays_twice(void **state)
{
	struct sl_router *r = help_router(SL_POLICY_ROUND_ROBIN);
	uint32_t p = help_add(r, SL_ROLE_PREFILL), d = help_add(r, SL_ROLE_DECODE);
	uint32_t model = sl_router_model(r, SL_SPAN("m"));
	struct sl_rng rng = { 1 };
	struct sl_decision first, next;
	struct prompt prompt;
	struct sl_ticket t;
	struct sl_query q;

	(void)state;
	prompt_init(&prompt, 1, 0, 1, 4000);
	q = help_query(r, &prompt);
	sl_router_model_adapter(r, model, true);
	first = help_send(r, &q, SECOND, &rng, &t);
	assert_int_equal(first.chosen.placement, SL_PLACE_REMOTE);
	assert_near(first.chosen.adapter_ms, 200, 1e-3);
	assert_int_equal(r->endpoints[p].adapters->list[0].legs, 1);
	sl_router_prefilled(r, &t, 2 * SECOND);
	assert_int_equal(r->endpoints[p].adapters->list[0].legs, 0);
	assert_int_equal(r->endpoints[d].adapters->list[0].legs, 1);
	sl_router_first_token(r, &t, 2 * SECOND);
	/* what took a load's time says nothing of the engine's speed */
	assert_near(r->endpoints[p].past->evidence.prefill.weight, 0, 1e-9);
	sl_router_finish(r, &t, &help_unknown, 3 * SECOND);
	assert_int_equal(r->endpoints[d].adapters->list[0].legs, 0);
	next = help_send(r, &q, 4 * SECOND, &rng, &t);
	assert_near(next.chosen.adapter_ms, 0, 1e-9);
	/* the endpoint goes before its ticket ends */
	sl_router_endpoint_del(r, d);
	sl_router_cancel(r, &t, &prompt.facts, SL_BLAME_DECODE, 5 * SECOND);
	sl_router_free(r);
	prompt_fini(&prompt);
}

static void test_names_of_a_scrape(void **state)
{
	struct sl_adapter_sample s = { 0, 2, SL_SPAN(",a0,,stranger,a1"), SL_SPAN("m2,a2") };
	struct fleet f;

	(void)state;
	fleet_init(&f, 2, 4, 2);
	for (uint32_t i = 0; i < 4; i++)
		sl_router_model_adapter(f.r, f.adapters[i], false);
	s.taken_us = f.now_us;
	sl_router_endpoint_adapters(f.r, f.eps[0], &s);
	assert_int_equal(help_view(f.r, f.eps[0], f.now_us).adapters_loaded, 2);
	/* what is computed as an adapter is one: the list of models may not say so */
	assert_int_equal(decide(&f, f.adapters[0]).chosen.decode_ep, f.eps[0]);
	assert_int_equal(decide(&f, f.adapters[1]).chosen.decode_ep, f.eps[0]);
	assert_int_equal(decide(&f, f.adapters[2]).chosen.decode_ep, f.eps[1]);
	assert_near(decide(&f, f.adapters[3]).chosen.adapter_ms, 0, 1e-9);
	/* nobody who is a stranger takes a number */
	assert_int_equal(models_find(&f.r->models, SL_SPAN("stranger")), SL_NO_MODEL);
	/* no limit, or one that is none */
	for (uint32_t i = 0; i < 3; i++) {
		s.max_adapters = (const double[]){ -1, NAN, 1e300 }[i];
		sl_router_endpoint_adapters(f.r, f.eps[0], &s);
		assert_int_equal(help_view(f.r, f.eps[0], f.now_us).max_adapters, 0);
	}
	fleet_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_longest_unused_goes_first),
		cmocka_unit_test(test_work_keeps_its_slot),
		cmocka_unit_test(test_bounded_without_a_limit),
		cmocka_unit_test(test_failures_and_restarts_unload),
		cmocka_unit_test(test_scrapes_correct),
		cmocka_unit_test(test_own_work_is_not_foreign),
		cmocka_unit_test(test_second_request_goes_where_it_is_loaded),
		cmocka_unit_test(test_hot_adapter_spreads),
		cmocka_unit_test(test_adapters_part_the_fleet),
		cmocka_unit_test(test_free_slots_first),
		cmocka_unit_test(test_waiting_for_a_slot_costs),
		cmocka_unit_test(test_base_model_pays_nothing),
		cmocka_unit_test(test_engine_must_list_the_adapter),
		cmocka_unit_test(test_failed_dispatch_loads_nothing),
		cmocka_unit_test(test_remote_pays_twice),
		cmocka_unit_test(test_names_of_a_scrape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
