/* The loop: timers, tasks, graves, wake-ups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "gateway/net/loop.h"

#define TIMERS 200

struct probe {
	struct sl_loop *loop;
	struct sl_timer timer;
	uint64_t due_us;
	unsigned *fired;
	bool early;
};

static void on_timer(void *arg)
{
	struct probe *p = arg;

	p->early = p->loop->now_us < p->due_us;
	++*p->fired;
}

static void rearm_far(void *arg)
{
	struct probe *p = arg;

	on_timer(arg);
	sl_timer_arm(p->loop, &p->timer, 3600u * 1000000u);
}

static int setup(void **state)
{
	static struct sl_loop loop;

	assert_int_equal(sl_loop_init(&loop), 0);
	*state = &loop;
	return 0;
}

static int teardown(void **state)
{
	sl_loop_fini(*state);
	return 0;
}

static void test_timers_fire_once_and_never_early(void **state)
{
	struct sl_loop *loop = *state;
	static struct probe probes[TIMERS];
	unsigned fired = 0;

	for (unsigned i = 0; i < TIMERS; i++) {
		uint64_t after = (i * 7919u) % 150000u;

		probes[i] = (struct probe){ .loop = loop, .fired = &fired };
		probes[i].timer.fn = on_timer;
		probes[i].timer.arg = &probes[i];
		probes[i].due_us = loop->now_us + after;
		sl_timer_arm(loop, &probes[i].timer, after);
	}
	while (fired < TIMERS)
		sl_loop_turn(loop);
	for (unsigned i = 0; i < TIMERS; i++) {
		assert_false(probes[i].early);
		assert_false(sl_timer_armed(&probes[i].timer));
	}
}

static void test_disarmed_and_moved(void **state)
{
	struct sl_loop *loop = *state;
	unsigned fired = 0, last = 0;
	struct probe gone = { .loop = loop, .fired = &fired };
	struct probe moved = { .loop = loop, .fired = &last };

	gone.timer = (struct sl_timer){ .fn = on_timer, .arg = &gone };
	moved.timer = (struct sl_timer){ .fn = on_timer, .arg = &moved };
	sl_timer_arm(loop, &gone.timer, 1000);
	sl_timer_arm(loop, &moved.timer, 1000);
	moved.due_us = loop->now_us + 60000;
	sl_timer_arm(loop, &moved.timer, 60000);
	sl_timer_disarm(loop, &gone.timer);
	sl_timer_disarm(loop, &gone.timer);
	while (!last)
		sl_loop_turn(loop);
	assert_int_equal(fired, 0);
	assert_false(moved.early);
}

/* A deadline past the wheel's horizon (16 s) is held back, not fired early. */
static void test_beyond_the_horizon(void **state)
{
	struct sl_loop *loop = *state;
	unsigned fired = 0, tick = 0;
	struct probe far = { .loop = loop, .fired = &fired };
	struct probe near = { .loop = loop, .fired = &tick };

	far.timer = (struct sl_timer){ .fn = on_timer, .arg = &far };
	near.timer = (struct sl_timer){ .fn = on_timer, .arg = &near };
	sl_timer_arm(loop, &far.timer, 3600u * 1000000u);
	for (unsigned i = 1; i <= 3; i++) {
		sl_timer_arm(loop, &near.timer, 20000);
		while (tick < i)
			sl_loop_turn(loop);
	}
	assert_int_equal(fired, 0);
	assert_true(sl_timer_armed(&far.timer));
	sl_timer_disarm(loop, &far.timer);
}

static void note_others(void *arg)
{
	unsigned *n = arg;

	++*n;
}

/* Thousands that are due at once do not keep everybody else waiting; what they
 * arm, however far away, comes when it is due. */
static void test_many_at_once(void **state)
{
	enum { MANY = 1000 };
	struct sl_loop *loop = *state;
	static struct probe probes[MANY];
	unsigned fired = 0, between = 0, turns = 0;
	struct sl_task task = { .fn = note_others, .arg = &between };

	for (unsigned i = 0; i < MANY; i++) {
		probes[i] = (struct probe){ .loop = loop, .fired = &fired };
		probes[i].timer.fn = i % 2 ? on_timer : rearm_far;
		probes[i].timer.arg = &probes[i];
		probes[i].due_us = loop->now_us + 1000;
		sl_timer_arm(loop, &probes[i].timer, 1000);
	}
	sl_timer_disarm(loop, &probes[MANY - 1].timer);
	while (fired < MANY - 1) {
		unsigned before = fired;

		sl_loop_defer(loop, &task);
		sl_loop_turn(loop);
		assert_in_range(fired - before, 0, 64);
		turns++;
	}
	assert_int_equal(between, turns);
	for (unsigned i = 0; i < MANY; i++) {
		assert_false(probes[i].early);
		assert_int_equal(sl_timer_armed(&probes[i].timer), i % 2 == 0);
		sl_timer_disarm(loop, &probes[i].timer);
	}
}

static void rearm(void *arg)
{
	struct probe *p = arg;

	if (++*p->fired < 3)
		sl_timer_arm(p->loop, &p->timer, 0);
}

static void test_rearmed_from_inside(void **state)
{
	struct sl_loop *loop = *state;
	unsigned fired = 0;
	struct probe p = { .loop = loop, .fired = &fired };

	p.timer = (struct sl_timer){ .fn = rearm, .arg = &p };
	sl_timer_arm(loop, &p.timer, 0);
	while (fired < 3)
		sl_loop_turn(loop);
	assert_false(sl_timer_armed(&p.timer));
}

struct order {
	struct sl_loop *loop;
	struct sl_task first, second, never;
	struct sl_grave grave;
	char text[8];
	size_t n;
};

static void run_first(void *arg)
{
	struct order *o = arg;

	o->text[o->n++] = '1';
	sl_loop_defer(o->loop, &o->second); /* queued once, by us or before */
}

static void run_second(void *arg)
{
	struct order *o = arg;

	o->text[o->n++] = '2';
}

static void run_grave(void *arg)
{
	struct order *o = arg;

	o->text[o->n++] = 'g';
}

static void test_tasks_then_graves(void **state)
{
	struct sl_loop *loop = *state;
	struct order o = { .loop = loop };

	o.first = (struct sl_task){ .fn = run_first, .arg = &o };
	o.second = (struct sl_task){ .fn = run_second, .arg = &o };
	o.never = (struct sl_task){ .fn = run_second, .arg = &o };
	o.grave = (struct sl_grave){ .fn = run_grave, .arg = &o };
	sl_loop_bury(loop, &o.grave);
	sl_loop_defer(loop, &o.first);
	sl_loop_defer(loop, &o.second);
	sl_loop_defer(loop, &o.first);
	sl_loop_defer(loop, &o.never);
	sl_loop_undefer(loop, &o.never);
	sl_loop_wake(loop);
	sl_loop_turn(loop);
	assert_memory_equal(o.text, "12g", 3);
	assert_int_equal(o.n, 3);
}

static void run_later(void *arg)
{
	struct order *o = arg;

	o->text[o->n++] = 'l';
	if (o->n < 4)
		sl_loop_later(o->loop, &o->first);
}

/* Once a turn, behind what is ready; and a turn does not wait for events then. */
static void test_later(void **state)
{
	struct sl_loop *loop = *state;
	struct order o = { .loop = loop };

	o.first = (struct sl_task){ .fn = run_later, .arg = &o };
	o.second = (struct sl_task){ .fn = run_second, .arg = &o };
	o.never = (struct sl_task){ .fn = run_second, .arg = &o };
	sl_loop_later(loop, &o.first);
	sl_loop_later(loop, &o.never);
	sl_loop_undefer(loop, &o.never);
	sl_loop_defer(loop, &o.second);
	sl_loop_turn(loop);
	assert_memory_equal(o.text, "2l", 2);
	assert_int_equal(o.n, 2);
	sl_loop_turn(loop);
	assert_int_equal(o.n, 3);
	sl_loop_turn(loop);
	assert_memory_equal(o.text, "2lll", 4);
	assert_int_equal(o.n, 4);
}

#define READS 100
#define READ_BYTES 1000

/* One short read: which bytes it put where. */
struct reading {
	struct sl_task task;
	const char *at;
	char value;
	unsigned *n_seen;
};

static void see_bytes(void *arg)
{
	struct reading *r = arg;

	for (size_t i = 0; i < READ_BYTES; i++)
		assert_int_equal(r->at[i], r->value);
	++*r->n_seen;
}

static void see_all_inputs(void *arg)
{
	assert_int_equal(*(unsigned *)arg, READS);
}

/* Bytes stay until their task has run, however many are read in a turn, and
 * the turn's tasks come after all of them. */
static void test_kept_bytes(void **state)
{
	struct sl_loop *loop = *state;
	struct reading readings[READS] = { 0 };
	unsigned n_seen = 0;
	struct sl_task after = { .fn = see_all_inputs, .arg = &n_seen };
	struct sl_task never = { .fn = see_bytes };

	for (size_t i = 0; i < READS; i++) {
		struct reading *r = &readings[i];
		char *room = sl_loop_room(loop);

		*r = (struct reading){ .task = { .fn = see_bytes, .arg = r },
			               .at = room,
			               .value = (char)(i + 1),
			               .n_seen = &n_seen };
		memset(room, 0, SL_LOOP_READ_BYTES); /* what a read may overwrite */
		memset(room, r->value, READ_BYTES);
		sl_loop_keep(loop, READ_BYTES, &r->task);
	}
	assert_true(n_seen > 0 && n_seen < READS);
	sl_loop_keep(loop, 1, &never);
	sl_loop_undefer(loop, &never);
	sl_loop_defer(loop, &after);
	sl_loop_wake(loop);
	sl_loop_turn(loop);
	assert_int_equal(n_seen, READS);
	assert_ptr_equal(sl_loop_room(loop), readings[0].at);
}

static void count_wake(void *arg)
{
	++*(unsigned *)arg;
}

static void *wake_from_outside(void *arg)
{
	sl_loop_wake(arg);
	return NULL;
}

static void test_wake_from_a_thread(void **state)
{
	struct sl_loop *loop = *state;
	unsigned woken = 0;
	pthread_t thread;

	loop->on_wake = count_wake;
	loop->wake_arg = &woken;
	pthread_create(&thread, NULL, wake_from_outside, loop);
	while (!woken)
		sl_loop_turn(loop);
	pthread_join(thread, NULL);
	assert_int_equal(woken, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_timers_fire_once_and_never_early, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(test_disarmed_and_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beyond_the_horizon, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rearmed_from_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tasks_then_graves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wake_from_a_thread, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
