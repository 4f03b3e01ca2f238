/* The queues of requests that wait for an engine, one for each domain and all
 * workers: by turns among tenants, first come first served within one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/exchange/exchange.h"

#define N 6

struct rig {
	struct sl_config config;
	struct sl_fleet fleet;
	struct sl_worker worker, other;
	struct sl_domain *near, *far; /* ids apart: the table grows */
	struct sl_exchange *x[N];     /* owned; even ones in near, odd ones in far */
	unsigned looks;               /* the waiting timer fired */
};

static void on_waiting(void *arg)
{
	struct rig *r = arg;

	r->looks++;
}

static void setup_worker(struct rig *r, struct sl_worker *w)
{
	assert_int_equal(sl_loop_init(&w->loop), 0);
	w->fleet = &r->fleet;
	w->metrics = sl_metrics_thread();
	w->waiting_timer.fn = w->waiting_task.fn = on_waiting;
	w->waiting_timer.arg = w->waiting_task.arg = r;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct sl_router_options options;

	assert_non_null(r);
	r->config.queue_limit = N;
	r->config.worker_threads = 1;
	r->fleet.config = &r->config;
	sl_router_options_default(&options);
	r->near = sl_domain_new(1, "near", &options);
	r->far = sl_domain_new(40, "far", &options);
	setup_worker(r, &r->worker);
	setup_worker(r, &r->other);
	for (unsigned i = 0; i < N; i++) {
		r->x[i] = calloc(1, sizeof(*r->x[i]));
		assert_non_null(r->x[i]);
		r->x[i]->worker = &r->worker;
		r->x[i]->domain = i % 2 ? r->far : r->near;
		r->x[i]->claim.owner = r->x[i];
		r->x[i]->claim.class = SL_FAIR_NORMAL;
	}
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < N; i++)
		free(r->x[i]);
	free(r->worker.queues);
	free(r->other.queues);
	sl_loop_fini(&r->worker.loop);
	sl_loop_fini(&r->other.loop);
	sl_domain_free(r->near);
	sl_domain_free(r->far);
	free(r);
	return 0;
}

/* Who waits there, as digits, in the order of their turns. They wait again
 * afterwards, in this order. */
static const char *waiting(struct rig *r, struct sl_domain *domain)
{
	static char text[N + 1];
	struct sl_exchange *order[N], *x;
	unsigned n = 0;

	while ((x = sl_queue_first(&r->worker, domain))) {
		assert_true(n < N);
		for (unsigned i = 0; i < N; i++)
			if (r->x[i] == x)
				text[n] = (char)('0' + i);
		order[n++] = x;
		sl_queue_leave(x);
	}
	text[n] = '\0';
	assert_true(sl_queue_is_empty(domain));
	for (unsigned i = 0; i < n; i++)
		assert_true(sl_queue_join(order[i]));
	return text;
}

static void join_all(struct rig *r)
{
	for (unsigned i = 0; i < N; i++)
		assert_true(sl_queue_join(r->x[i]));
}

static void test_nobody_waits(void **state)
{
	struct rig *r = *state;

	assert_true(sl_queue_is_empty(r->near));
	assert_true(sl_queue_is_empty(r->far));
	sl_queue_watch(&r->worker);
	assert_false(sl_timer_armed(&r->worker.waiting_timer));
}

static void test_in_the_order_they_came(void **state)
{
	struct rig *r = *state;

	join_all(r);
	assert_string_equal(waiting(r, r->near), "024");
	assert_string_equal(waiting(r, r->far), "135");
	assert_int_equal(r->worker.n_waiting, N);
}

/* Every order of leaving three, and joining again behind the rest. */
static void test_leaving_in_any_order(void **state)
{
	static const struct {
		unsigned first, second;
		const char *after_one, *after_two, *rejoined;
	} orders[] = {
		{ 0, 2, "24", "4", "402" }, { 0, 4, "24", "2", "204" }, { 2, 0, "04", "4", "420" },
		{ 2, 4, "04", "0", "024" }, { 4, 0, "02", "2", "240" }, { 4, 2, "02", "0", "042" },
	};
	struct rig *r = *state;

	join_all(r);
	for (unsigned i = 0; i < SL_COUNT(orders); i++) {
		/* back to "024" */
		for (unsigned k = 0; k < N; k += 2)
			sl_queue_leave(r->x[k]);
		assert_true(sl_queue_is_empty(r->near));
		for (unsigned k = 0; k < N; k += 2)
			assert_true(sl_queue_join(r->x[k]));
		sl_queue_leave(r->x[orders[i].first]);
		assert_string_equal(waiting(r, r->near), orders[i].after_one);
		sl_queue_leave(r->x[orders[i].second]);
		assert_string_equal(waiting(r, r->near), orders[i].after_two);
		assert_true(sl_queue_join(r->x[orders[i].first]));
		assert_true(sl_queue_join(r->x[orders[i].second]));
		assert_string_equal(waiting(r, r->near), orders[i].rejoined);
		assert_string_equal(waiting(r, r->far), "135"); /* not their business */
	}
}

static void test_domains_are_apart(void **state)
{
	struct rig *r = *state;

	assert_true(sl_queue_join(r->x[1]));
	assert_true(sl_queue_is_empty(r->near));
	assert_false(sl_queue_is_empty(r->far));
	assert_true(sl_queue_join(r->x[0]));
	sl_queue_leave(r->x[1]);
	assert_false(sl_queue_is_empty(r->near));
	assert_true(sl_queue_is_empty(r->far));
	sl_queue_leave(r->x[0]);
	assert_true(sl_queue_is_empty(r->near));
}

/* Each domain has its places; who is turned away leaves no trace. */
static void test_limit(void **state)
{
	struct rig *r = *state;
	int64_t before = sl_metric_sum(SL_M_REQUESTS_WAITING, 0);

	r->config.queue_limit = 1;
	r->config.worker_threads = 2;
	assert_true(sl_queue_join(r->x[0]));
	assert_true(sl_queue_join(r->x[2]));
	assert_false(sl_queue_join(r->x[4]));
	assert_true(sl_queue_join(r->x[1]));
	assert_string_equal(waiting(r, r->near), "02");
	assert_string_equal(waiting(r, r->far), "1");
	assert_int_equal(r->worker.n_waiting, 3);
	assert_int_equal(sl_metric_sum(SL_M_REQUESTS_WAITING, 0) - before, 3);
	sl_queue_leave(r->x[0]);
	assert_true(sl_queue_join(r->x[4]));
	assert_string_equal(waiting(r, r->near), "24");
	assert_int_equal(sl_metric_sum(SL_M_REQUESTS_WAITING, 0) - before, 3);
	sl_queue_leave(r->x[1]);
	r->config.queue_limit = 0;
	assert_false(sl_queue_join(r->x[1]));
	sl_queue_leave(r->x[2]);
	sl_queue_leave(r->x[4]);
	assert_int_equal(sl_metric_sum(SL_M_REQUESTS_WAITING, 0), before);
}

/* What plan.c does once an engine has taken it. */
static void serve(struct sl_exchange *x, uint64_t tokens)
{
	sl_domain_lock(x->domain);
	sl_fair_charge(x->domain->fair, &x->claim, tokens);
	sl_domain_unlock(x->domain);
	sl_queue_leave(x);
}

static void test_tenants_take_turns(void **state)
{
	struct rig *r = *state;

	r->x[5]->domain = r->near;
	r->x[4]->claim.tenant = r->x[5]->claim.tenant = 7;
	for (unsigned i = 0; i < N; i += 2)
		assert_true(sl_queue_join(r->x[i]));
	assert_true(sl_queue_join(r->x[5]));
	assert_ptr_equal(sl_queue_first(&r->worker, r->near), r->x[0]);
	serve(r->x[0], 100);
	assert_ptr_equal(sl_queue_first(&r->worker, r->near), r->x[4]);
	serve(r->x[4], 100);
	assert_ptr_equal(sl_queue_first(&r->worker, r->near), r->x[2]);
	serve(r->x[2], 100);
	assert_ptr_equal(sl_queue_first(&r->worker, r->near), r->x[5]);
	sl_queue_leave(r->x[5]);
}

/* Two of one tenant and two of another; the first that is served ends. */
static void settle_first(struct rig *r, bool served, struct sl_exchange *third)
{
	r->x[5]->domain = r->near;
	r->x[2]->claim.tenant = r->x[5]->claim.tenant = 7;
	assert_true(sl_queue_join(r->x[0]));
	assert_true(sl_queue_join(r->x[4]));
	assert_true(sl_queue_join(r->x[2]));
	assert_true(sl_queue_join(r->x[5]));
	serve(r->x[0], 1000);
	sl_queue_settle(r->x[0], served);
	sl_queue_settle(r->x[0], served); /* no second time */
	assert_ptr_equal(sl_queue_first(&r->worker, r->near), r->x[2]);
	serve(r->x[2], 500);
	assert_ptr_equal(sl_queue_first(&r->worker, r->near), third);
}

static void test_what_was_worked_on_is_charged(void **state)
{
	struct rig *r = *state;

	settle_first(r, true, r->x[5]);
}

static void test_what_came_to_nothing_is_given_back(void **state)
{
	struct rig *r = *state;

	settle_first(r, false, r->x[4]);
}

/* The turn of another worker's request: that worker is told, once. */
static void test_a_turn_of_another_worker(void **state)
{
	struct rig *r = *state;

	r->x[0]->worker = &r->other;
	assert_true(sl_queue_join(r->x[0]));
	assert_true(sl_queue_join(r->x[2]));
	assert_int_equal(r->worker.n_waiting, 1);
	assert_int_equal(r->other.n_waiting, 1);
	assert_false(r->other.has_turn);
	assert_null(sl_queue_first(&r->worker, r->near));
	assert_true(r->other.has_turn);
	assert_ptr_equal(sl_queue_first(&r->other, r->near), r->x[0]);
	sl_queue_leave(r->x[0]);
	assert_ptr_equal(sl_queue_first(&r->worker, r->near), r->x[2]);
	r->other.has_turn = false;
	sl_queue_freed(&r->other, r->near);
	assert_true(r->worker.has_turn);
	sl_queue_leave(r->x[2]);
	r->worker.has_turn = false;
	sl_queue_freed(&r->other, r->near); /* nobody waits */
	assert_false(r->worker.has_turn);
}

/* The loser is the largest tenant's youngest, whichever worker has it. */
static void test_a_full_queue_makes_room(void **state)
{
	struct rig *r = *state;

	r->config.queue_limit = 2;
	r->x[2]->worker = &r->other;
	r->x[4]->claim.tenant = 7;
	assert_true(sl_queue_join(r->x[0]));
	assert_true(sl_queue_join(r->x[2]));
	assert_true(sl_queue_join(r->x[4]));
	assert_true(r->other.has_turn);
	assert_null(sl_queue_displaced(&r->worker, r->near));
	assert_ptr_equal(sl_queue_displaced(&r->other, r->near), r->x[2]);
	assert_int_equal(r->other.n_waiting, 1); /* until it has heard */
	sl_queue_leave(r->x[2]);
	assert_null(sl_queue_displaced(&r->other, r->near));
	assert_int_equal(r->other.n_waiting, 0);
	assert_string_equal(waiting(r, r->near), "04");
}

/* Each time it waits is added to the times before. */
static void test_waited_time_adds_up(void **state)
{
	struct rig *r = *state;

	r->worker.loop.now_us = 1000;
	assert_true(sl_queue_join(r->x[0]));
	r->worker.loop.now_us = 1300;
	sl_queue_leave(r->x[0]);
	assert_int_equal(r->x[0]->waited_us, 300);
	r->worker.loop.now_us = 5000;
	assert_true(sl_queue_join(r->x[0]));
	r->worker.loop.now_us = 5050;
	sl_queue_leave(r->x[0]);
	assert_int_equal(r->x[0]->waited_us, 350);
}

/* Somebody looks, as long as anybody waits. */
static void test_watch(void **state)
{
	struct rig *r = *state;

	assert_true(sl_queue_join(r->x[0]));
	assert_true(sl_timer_armed(&r->worker.waiting_timer));
	while (r->looks == 0)
		sl_loop_turn(&r->worker.loop);
	assert_false(sl_timer_armed(&r->worker.waiting_timer));
	sl_queue_watch(&r->worker);
	assert_true(sl_timer_armed(&r->worker.waiting_timer));
	sl_timer_disarm(&r->worker.loop, &r->worker.waiting_timer);
	sl_queue_leave(r->x[0]);
	sl_queue_watch(&r->worker);
	assert_false(sl_timer_armed(&r->worker.waiting_timer));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_nobody_waits),
		CASE(test_in_the_order_they_came),
		CASE(test_leaving_in_any_order),
		CASE(test_domains_are_apart),
		CASE(test_limit),
		CASE(test_tenants_take_turns),
		CASE(test_what_was_worked_on_is_charged),
		CASE(test_what_came_to_nothing_is_given_back),
		CASE(test_a_turn_of_another_worker),
		CASE(test_a_full_queue_makes_room),
		CASE(test_waited_time_adds_up),
		CASE(test_watch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
