/* The queue of requests that wait for an engine: first come, first served,
 * per domain; the limit is the worker's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/exchange/exchange.h"

#define N 6

struct rig {
	struct sl_config config;
	struct sl_fleet fleet;
	struct sl_worker worker;
	struct sl_domain near, far; /* ids apart: the table grows */
	struct sl_exchange *x[N];   /* owned; even ones in near, odd ones in far */
	unsigned looks;             /* the waiting timer fired */
};

static void on_waiting(void *arg)
{
	struct rig *r = arg;

	r->looks++;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->config.queue_limit = N;
	r->fleet.config = &r->config;
	r->near.id = 1;
	r->far.id = 40;
	assert_int_equal(sl_loop_init(&r->worker.loop), 0);
	r->worker.fleet = &r->fleet;
	r->worker.metrics = sl_metrics_thread();
	r->worker.waiting_timer.fn = on_waiting;
	r->worker.waiting_timer.arg = r;
	for (unsigned i = 0; i < N; i++) {
		r->x[i] = calloc(1, sizeof(*r->x[i]));
		assert_non_null(r->x[i]);
		r->x[i]->worker = &r->worker;
		r->x[i]->domain = i % 2 ? &r->far : &r->near;
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
	sl_loop_fini(&r->worker.loop);
	free(r);
	return 0;
}

/* Who waits there, as digits, oldest first. */
static const char *waiting(struct rig *r, const struct sl_domain *domain)
{
	static char text[N + 1];
	const struct sl_exchange *x = NULL, *last = NULL;
	unsigned n = 0;

	if (!sl_queue_is_empty(&r->worker, domain))
		x = r->worker.queues[domain->id].first;
	for (; x; last = x, x = x->next_waiting) {
		assert_true(n < N); /* no ring */
		for (unsigned i = 0; i < N; i++)
			if (r->x[i] == x)
				text[n] = (char)('0' + i);
		n++;
	}
	text[n] = '\0';
	assert_true(n == 0 || r->worker.queues[domain->id].last == last);
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

	assert_true(sl_queue_is_empty(&r->worker, &r->near));
	assert_true(sl_queue_is_empty(&r->worker, &r->far));
	sl_queue_watch(&r->worker);
	assert_false(sl_timer_armed(&r->worker.waiting_timer));
}

static void test_in_the_order_they_came(void **state)
{
	struct rig *r = *state;

	join_all(r);
	assert_string_equal(waiting(r, &r->near), "024");
	assert_string_equal(waiting(r, &r->far), "135");
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
		assert_true(sl_queue_is_empty(&r->worker, &r->near));
		for (unsigned k = 0; k < N; k += 2)
			assert_true(sl_queue_join(r->x[k]));
		sl_queue_leave(r->x[orders[i].first]);
		assert_string_equal(waiting(r, &r->near), orders[i].after_one);
		sl_queue_leave(r->x[orders[i].second]);
		assert_string_equal(waiting(r, &r->near), orders[i].after_two);
		assert_true(sl_queue_join(r->x[orders[i].first]));
		assert_true(sl_queue_join(r->x[orders[i].second]));
		assert_string_equal(waiting(r, &r->near), orders[i].rejoined);
		assert_string_equal(waiting(r, &r->far), "135"); /* not their business */
	}
}

static void test_domains_are_apart(void **state)
{
	struct rig *r = *state;

	assert_true(sl_queue_join(r->x[1]));
	assert_true(sl_queue_is_empty(&r->worker, &r->near));
	assert_false(sl_queue_is_empty(&r->worker, &r->far));
	assert_true(sl_queue_join(r->x[0]));
	sl_queue_leave(r->x[1]);
	assert_false(sl_queue_is_empty(&r->worker, &r->near));
	assert_true(sl_queue_is_empty(&r->worker, &r->far));
	sl_queue_leave(r->x[0]);
	assert_true(sl_queue_is_empty(&r->worker, &r->near));
}

/* One limit for all domains; who is turned away leaves no trace. */
static void test_limit(void **state)
{
	struct rig *r = *state;
	int64_t before = sl_metric_sum(SL_M_REQUESTS_WAITING, 0);

	r->config.queue_limit = 2;
	assert_true(sl_queue_join(r->x[0]));
	assert_true(sl_queue_join(r->x[1]));
	assert_false(sl_queue_join(r->x[2]));
	assert_false(sl_queue_join(r->x[3]));
	assert_string_equal(waiting(r, &r->near), "0");
	assert_string_equal(waiting(r, &r->far), "1");
	assert_int_equal(r->worker.n_waiting, 2);
	assert_int_equal(sl_metric_sum(SL_M_REQUESTS_WAITING, 0) - before, 2);
	sl_queue_leave(r->x[1]);
	assert_true(sl_queue_join(r->x[2]));
	assert_string_equal(waiting(r, &r->near), "02");
	assert_int_equal(sl_metric_sum(SL_M_REQUESTS_WAITING, 0) - before, 2);
	r->config.queue_limit = 0;
	assert_false(sl_queue_join(r->x[3]));
	sl_queue_leave(r->x[0]);
	sl_queue_leave(r->x[2]);
	assert_int_equal(sl_metric_sum(SL_M_REQUESTS_WAITING, 0), before);
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
		CASE(test_waited_time_adds_up),
		CASE(test_watch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
