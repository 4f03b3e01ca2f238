/* clusters_test.c: which cluster a request goes to, and when that changes. */
#include "tests/unit/routing/route_help.h"

#define FAILBACK_US 10000000u
#define RAMP_US 10000000u

struct fixture {
	struct sl_router *r;
	struct prompt p;
	struct sl_query q;
	struct sl_decision d;
	struct sl_rng rng;
	uint64_t now_us;
	uint32_t near, far; /* fixture_init_two */
};

/* Cluster 1 goes first, 2 and 3 share the next place, 0 comes last. */
static void fixture_init(struct fixture *f)
{
	static const struct sl_clusters clusters = {
		.n = 4, .priority = { 9, 1, 2, 2 }, .failback_us = FAILBACK_US, .ramp_us = RAMP_US
	};

	*f = (struct fixture){ .r = help_router(SL_POLICY_COST), .rng = { 7 }, .now_us = 1 };
	sl_router_clusters(f->r, &clusters);
	prompt_init(&f->p, 1, 4096, 1, 4096);
	f->q = help_query(f->r, &f->p);
}

static void fixture_fini(struct fixture *f)
{
	prompt_fini(&f->p);
	sl_router_free(f->r);
}

static uint32_t add_in(struct fixture *f, uint32_t cluster)
{
	return help_add_spec(f->r, (struct sl_endpoint_spec){ .cluster = cluster });
}

/* An engine in the first cluster and one in the next. */
static void fixture_init_two(struct fixture *f)
{
	fixture_init(f);
	f->near = add_in(f, 1);
	f->far = add_in(f, 2);
}

static void set_health(struct fixture *f, uint32_t ep, enum sl_health health)
{
	sl_router_endpoint_health(f->r, ep, health, f->now_us);
}

static uint32_t choose(struct fixture *f)
{
	assert_int_equal(sl_router_decide(f->r, &f->q, f->now_us, &f->rng, &f->d), 0);
	return f->d.chosen.decode_ep;
}

/* Out of n requests, how many go to that endpoint. */
static uint32_t share(struct fixture *f, uint32_t ep, uint32_t n)
{
	uint32_t hits = 0;

	for (uint32_t i = 0; i < n; i++)
		hits += choose(f) == ep;
	return hits;
}

static void the_first_cluster_takes_all(void **state)
{
	struct fixture f;
	uint32_t near;

	(void)state;
	fixture_init(&f);
	add_in(&f, 2);
	add_in(&f, 0);
	near = add_in(&f, 1);
	assert_int_equal(share(&f, near, 50), 50);
	assert_false(f.d.moved);
	assert_int_equal(f.d.filtered[SL_FILTER_CLUSTER], 2);
	fixture_fini(&f);
}

static void equal_clusters_share(void **state)
{
	struct fixture f;
	uint32_t a, hits;

	(void)state;
	fixture_init(&f);
	a = add_in(&f, 2);
	add_in(&f, 3);
	add_in(&f, 0);
	hits = share(&f, a, 200);
	assert_in_range(hits, 50, 150);
	assert_int_equal(f.d.filtered[SL_FILTER_CLUSTER], 1);
	fixture_fini(&f);
}

static void a_lost_cluster_is_left_at_once(void **state)
{
	struct fixture f;
	uint32_t near, far, last;

	(void)state;
	fixture_init(&f);
	last = add_in(&f, 0);
	near = add_in(&f, 1);
	far = add_in(&f, 2);
	assert_int_equal(choose(&f), near);
	set_health(&f, near, SL_HEALTH_UNHEALTHY);
	assert_int_equal(choose(&f), far);
	assert_true(f.d.moved);
	assert_int_equal(choose(&f), far);
	assert_false(f.d.moved);
	set_health(&f, far, SL_HEALTH_UNHEALTHY);
	assert_int_equal(choose(&f), last);
	assert_true(f.d.moved);
	set_health(&f, last, SL_HEALTH_UNHEALTHY);
	assert_int_equal(sl_router_decide(f.r, &f.q, f.now_us, &f.rng, &f.d), SL_E_NO_ENDPOINT);
	fixture_fini(&f);
}

static void it_comes_back_after_a_while_and_gradually(void **state)
{
	struct fixture f;
	uint32_t near, far, hits;

	(void)state;
	fixture_init(&f);
	near = add_in(&f, 1);
	far = add_in(&f, 2);
	set_health(&f, near, SL_HEALTH_UNHEALTHY);
	assert_int_equal(choose(&f), far);
	set_health(&f, near, SL_HEALTH_HEALTHY);
	assert_int_equal(choose(&f), far);
	f.now_us += FAILBACK_US - 1;
	assert_int_equal(share(&f, far, 50), 50);
	f.now_us += RAMP_US / 4;
	hits = share(&f, near, 400);
	assert_in_range(hits, 60, 140);
	assert_false(f.d.moved);
	f.now_us += RAMP_US;
	assert_int_equal(choose(&f), near);
	assert_true(f.d.moved);
	assert_int_equal(share(&f, near, 50), 50);
	fixture_fini(&f);
}

/* Every break begins the wait anew, also one in the middle of the ramp. */
static void a_flapping_cluster_is_not_returned_to(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init_two(&f);
	for (int i = 0; i < 10; i++) {
		set_health(&f, f.near, SL_HEALTH_UNHEALTHY);
		assert_int_equal(choose(&f), f.far);
		set_health(&f, f.near, SL_HEALTH_HEALTHY);
		assert_int_equal(choose(&f), f.far);
		f.now_us += FAILBACK_US - 1;
		assert_int_equal(choose(&f), f.far);
	}
	fixture_fini(&f);
}

/* Far is lost while near waits for its return: any engine is better than none. */
static void nobody_waits_where_nothing_else_is_left(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init_two(&f);
	set_health(&f, f.near, SL_HEALTH_UNHEALTHY);
	assert_int_equal(choose(&f), f.far);
	set_health(&f, f.near, SL_HEALTH_HEALTHY);
	set_health(&f, f.far, SL_HEALTH_UNHEALTHY);
	assert_int_equal(choose(&f), f.near);
	fixture_fini(&f);
}

/* One request's bad luck moves that request, not the model. */
static void a_request_tries_on(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init_two(&f);
	f.q.excluded[f.q.n_excluded++] = f.near;
	assert_int_equal(choose(&f), f.far);
	assert_false(f.d.moved);
	f.q.n_excluded = 0;
	assert_int_equal(choose(&f), f.near);
	fixture_fini(&f);
}

/* Few tries are left when many engines of one cluster die at once. */
static void two_failures_are_enough_of_a_cluster(void **state)
{
	struct fixture f;
	uint32_t far;

	(void)state;
	fixture_init(&f);
	for (int i = 0; i < 4; i++)
		add_in(&f, 1);
	far = add_in(&f, 2);
	for (; f.q.n_excluded < 2; f.q.n_excluded++) {
		assert_int_not_equal(choose(&f), far);
		f.q.excluded[f.q.n_excluded] = f.d.chosen.decode_ep;
	}
	assert_int_equal(choose(&f), far);
	assert_false(f.d.moved);
	set_health(&f, far, SL_HEALTH_UNHEALTHY);
	assert_int_not_equal(choose(&f), far);
	fixture_fini(&f);
}

static void a_full_cluster_spills(void **state)
{
	struct fixture f;
	struct sl_ticket t[2];
	uint32_t near, far;

	(void)state;
	fixture_init(&f);
	near = help_add_spec(f.r, (struct sl_endpoint_spec){ .cluster = 1, .max_concurrent = 1 });
	far = help_add_spec(f.r, (struct sl_endpoint_spec){ .cluster = 2, .max_concurrent = 1 });
	assert_int_equal(help_send(f.r, &f.q, f.now_us, &f.rng, &t[0]).chosen.decode_ep, near);
	assert_int_equal(help_send(f.r, &f.q, f.now_us, &f.rng, &t[1]).chosen.decode_ep, far);
	assert_int_equal(sl_router_decide(f.r, &f.q, f.now_us, &f.rng, &f.d), SL_E_SATURATED);
	sl_router_cancel(f.r, &t[0], &f.p.facts, SL_BLAME_NONE, f.now_us);
	assert_int_equal(choose(&f), near);
	sl_router_cancel(f.r, &t[1], &f.p.facts, SL_BLAME_NONE, f.now_us);
	fixture_fini(&f);
}

/* Residency: not the last engine on earth. */
static void a_model_stays_where_it_is_allowed(void **state)
{
	struct fixture f;
	uint32_t near, far;

	(void)state;
	fixture_init(&f);
	near = add_in(&f, 1);
	far = add_in(&f, 3);
	sl_router_model_clusters(f.r, f.q.model, 1ull << 3);
	assert_int_equal(share(&f, far, 50), 50);
	set_health(&f, far, SL_HEALTH_UNHEALTHY);
	assert_int_equal(sl_router_decide(f.r, &f.q, f.now_us, &f.rng, &f.d), SL_E_NO_ENDPOINT);
	sl_router_model_clusters(f.r, f.q.model, UINT64_MAX);
	assert_int_equal(choose(&f), near);
	fixture_fini(&f);
}

/* The same where all clusters share one place and nothing else tells them apart. */
static void residency_needs_no_priorities(void **state)
{
	struct fixture f;
	uint32_t far;

	(void)state;
	fixture_init(&f);
	sl_router_clusters(f.r, &(struct sl_clusters){ .n = 3 });
	add_in(&f, 1);
	far = add_in(&f, 2);
	sl_router_model_clusters(f.r, f.q.model, 1ull << 2);
	assert_int_equal(share(&f, far, 50), 50);
	fixture_fini(&f);
}

static void what_came_from_a_gateway_goes_to_no_other(void **state)
{
	struct fixture f;
	uint32_t gateway;

	(void)state;
	fixture_init(&f);
	gateway = help_add_spec(f.r, (struct sl_endpoint_spec){ .cluster = 1, .gateway = true });
	assert_int_equal(choose(&f), gateway);
	f.q.no_gateways = true;
	assert_int_equal(sl_router_decide(f.r, &f.q, f.now_us, &f.rng, &f.d), SL_E_NO_ENDPOINT);
	assert_int_equal(f.d.filtered[SL_FILTER_CLUSTER], 1);
	fixture_fini(&f);
}

/* A reload may move an engine to another cluster. */
static void an_endpoint_changes_its_cluster(void **state)
{
	struct sl_endpoint_spec there = { .cluster = 2 };
	struct fixture f;
	uint32_t a, b;

	(void)state;
	fixture_init(&f);
	a = add_in(&f, 1);
	b = add_in(&f, 2);
	assert_int_equal(share(&f, a, 20), 20);
	sl_router_endpoint_update(f.r, a, &there);
	assert_in_range(share(&f, a, 200), 50, 150);
	sl_router_endpoint_del(f.r, b);
	assert_int_equal(share(&f, a, 20), 20);
	fixture_fini(&f);
}

/* ... or take whole tiers away, that of the present engines among them. */
static void tiers_disappear(void **state)
{
	struct fixture f;
	uint32_t near, last;

	(void)state;
	fixture_init(&f);
	near = add_in(&f, 1);
	last = add_in(&f, 0);
	set_health(&f, near, SL_HEALTH_UNHEALTHY);
	assert_int_equal(choose(&f), last);
	sl_router_clusters(f.r, &(struct sl_clusters){ .n = 2, .priority = { 1, 1 } });
	sl_router_model_clusters(f.r, f.q.model, 3);
	set_health(&f, last, SL_HEALTH_UNHEALTHY);
	assert_int_equal(sl_router_decide(f.r, &f.q, f.now_us, &f.rng, &f.d), SL_E_NO_ENDPOINT);
	set_health(&f, last, SL_HEALTH_HEALTHY);
	assert_int_equal(choose(&f), last);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_cluster_takes_all),
		cmocka_unit_test(equal_clusters_share),
		cmocka_unit_test(a_lost_cluster_is_left_at_once),
		cmocka_unit_test(it_comes_back_after_a_while_and_gradually),
		cmocka_unit_test(a_flapping_cluster_is_not_returned_to),
		cmocka_unit_test(nobody_waits_where_nothing_else_is_left),
		cmocka_unit_test(a_request_tries_on),
		cmocka_unit_test(two_failures_are_enough_of_a_cluster),
		cmocka_unit_test(a_full_cluster_spills),
		cmocka_unit_test(a_model_stays_where_it_is_allowed),
		cmocka_unit_test(residency_needs_no_priorities),
		cmocka_unit_test(what_came_from_a_gateway_goes_to_no_other),
		cmocka_unit_test(an_endpoint_changes_its_cluster),
		cmocka_unit_test(tiers_disappear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
