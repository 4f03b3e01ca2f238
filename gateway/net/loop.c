/* loop.c: see loop.h. */
#include "gateway/net/loop.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "gateway/net/event_memory.h"

#define SLOT_US 16384u
/* Timers in one turn: others shall not wait for thousands that are due at once. */
#define FIRE_MAX 64u

uint64_t sl_loop_refresh(struct sl_loop *loop)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	loop->now_us = (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
	return loop->now_us;
}

/* ---- timers ---------------------------------------------------------- */

static void link_timer(struct sl_loop *loop, struct sl_timer *t)
{
	/* Round up: a timer never fires early. What lies past the wheel's
	 * horizon is linked at the horizon and looked at again there. */
	uint64_t tick = t->deadline_us / SLOT_US + 1;
	struct sl_timer *head;

	if (tick < loop->wheel_tick)
		tick = loop->wheel_tick;
	if (tick >= loop->wheel_tick + SL_WHEEL_SLOTS)
		tick = loop->wheel_tick + SL_WHEEL_SLOTS - 1;
	t->slot = (uint16_t)(tick % SL_WHEEL_SLOTS);
	head = &loop->wheel[t->slot];
	t->next = head;
	t->prev = head->prev;
	head->prev->next = t;
	head->prev = t;
	loop->wheel_used[t->slot / 64] |= 1ull << (t->slot % 64);
}

static void unlink_timer(struct sl_loop *loop, struct sl_timer *t)
{
	struct sl_timer *head = &loop->wheel[t->slot];

	t->prev->next = t->next;
	t->next->prev = t->prev;
	t->next = t->prev = NULL;
	if (head->next == head)
		loop->wheel_used[t->slot / 64] &= ~(1ull << (t->slot % 64));
}

static void schedule_tick(struct sl_loop *loop, uint64_t at_us)
{
	uint64_t wait = at_us > loop->now_us ? at_us - loop->now_us : 1;
	struct timeval tv = { .tv_sec = (time_t)(wait / 1000000u),
		              .tv_usec = (suseconds_t)(wait % 1000000u) };

	loop->wheel_fire_us = at_us;
	evtimer_add(&loop->tick_event, &tv);
}

static bool slot_used(const struct sl_loop *loop, uint64_t tick)
{
	unsigned slot = (unsigned)(tick % SL_WHEEL_SLOTS);

	return loop->wheel_used[slot / 64] >> (slot % 64) & 1;
}

static void schedule_next(struct sl_loop *loop)
{
	for (uint64_t i = 0; i < SL_WHEEL_SLOTS; i++) {
		if (slot_used(loop, loop->wheel_tick + i)) {
			schedule_tick(loop, (loop->wheel_tick + i) * SLOT_US);
			return;
		}
	}
	loop->wheel_fire_us = 0;
}

/* A whole list, to the front of another. */
static void move_list(struct sl_timer *to, struct sl_timer *from)
{
	from->prev->next = to->next;
	to->next->prev = from->prev;
	to->next = from->next;
	to->next->prev = to;
	from->next = from->prev = from;
}

/* False if there are more than *left: they stay in their slot. */
static bool fire_slot(struct sl_loop *loop, unsigned slot, unsigned *left)
{
	struct sl_timer *head = &loop->wheel[slot];
	struct sl_timer due = { .next = &due, .prev = &due };

	if (head->next == head)
		return true;
	/* Detach the whole list first: what a callback arms goes elsewhere. */
	move_list(&due, head);
	loop->wheel_used[slot / 64] &= ~(1ull << (slot % 64));
	while (due.next != &due && *left) {
		struct sl_timer *t = due.next;

		t->prev->next = t->next;
		t->next->prev = t->prev;
		t->next = t->prev = NULL;
		if (t->deadline_us > loop->now_us) {
			link_timer(loop, t);
		} else {
			--*left;
			t->fn(t->arg);
		}
	}
	if (due.next == &due)
		return true;
	move_list(head, &due);
	loop->wheel_used[slot / 64] |= 1ull << (slot % 64);
	return false;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct sl_loop *loop = arg;
	unsigned left = FIRE_MAX;
	uint64_t until;

	(void)fd;
	(void)what;
	until = sl_loop_refresh(loop) / SLOT_US;
	/* After a long pause every slot is due once. */
	if (until > loop->wheel_tick + SL_WHEEL_SLOTS)
		loop->wheel_tick = until - SL_WHEEL_SLOTS;
	while (loop->wheel_tick <= until) {
		unsigned slot = (unsigned)(loop->wheel_tick % SL_WHEEL_SLOTS);

		/* Advance first: a timer that is armed now belongs to a later slot. */
		loop->wheel_tick++;
		if (!fire_slot(loop, slot, &left)) {
			loop->wheel_tick--;
			schedule_tick(loop, loop->now_us);
			return;
		}
	}
	schedule_next(loop);
}

void sl_timer_arm(struct sl_loop *loop, struct sl_timer *t, uint64_t after_us)
{
	uint64_t at_us;

	if (t->next)
		unlink_timer(loop, t);
	if (loop->wheel_fire_us == 0)
		loop->wheel_tick = loop->now_us / SLOT_US;
	t->deadline_us = loop->now_us + after_us;
	link_timer(loop, t);
	at_us = (t->deadline_us / SLOT_US + 1) * SLOT_US;
	if (loop->wheel_fire_us == 0 || at_us < loop->wheel_fire_us)
		schedule_tick(loop, at_us);
}

void sl_timer_disarm(struct sl_loop *loop, struct sl_timer *t)
{
	if (t->next)
		unlink_timer(loop, t);
}

/* ---- end of turn ----------------------------------------------------- */

static void queue(struct sl_tasks *list, struct sl_task *task)
{
	if (task->queued)
		return;
	task->queued = true;
	task->next = NULL;
	*list->tail = task;
	list->tail = &task->next;
}

static void run_all(struct sl_tasks *list)
{
	struct sl_task *task;

	while ((task = list->first)) {
		list->first = task->next;
		if (!list->first)
			list->tail = &list->first;
		task->queued = false;
		task->fn(task->arg);
	}
}

static bool take_back(struct sl_tasks *list, struct sl_task *task)
{
	struct sl_task **at = &list->first;

	while (*at && *at != task)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = task->next;
	if (!task->next)
		list->tail = at;
	task->queued = false;
	return true;
}

static void run_inputs(struct sl_loop *loop)
{
	if (!loop->inputs.first)
		return;
	sl_loop_refresh(loop);
	run_all(&loop->inputs);
	loop->rbuf_kept = 0;
}

char *sl_loop_room(struct sl_loop *loop)
{
	if (loop->rbuf_kept >= SL_LOOP_KEPT_BYTES)
		run_inputs(loop);
	return loop->rbuf + loop->rbuf_kept;
}

void sl_loop_keep(struct sl_loop *loop, size_t n, struct sl_task *task)
{
	assert(n <= SL_LOOP_KEPT_BYTES);
	loop->rbuf_kept += n;
	queue(&loop->inputs, task);
}

void sl_loop_defer(struct sl_loop *loop, struct sl_task *task)
{
	queue(&loop->tasks, task);
}

void sl_loop_later(struct sl_loop *loop, struct sl_task *task)
{
	queue(&loop->later, task);
}

void sl_loop_undefer(struct sl_loop *loop, struct sl_task *task)
{
	if (task->queued && !take_back(&loop->tasks, task) && !take_back(&loop->later, task) &&
	    !take_back(&loop->inputs, task))
		assert(false && "queued in another loop");
}

void sl_loop_bury(struct sl_loop *loop, struct sl_grave *grave)
{
	grave->next = loop->graves;
	loop->graves = grave;
}

static void sweep_graves(struct sl_loop *loop)
{
	struct sl_grave *grave;

	while ((grave = loop->graves)) {
		loop->graves = grave->next;
		grave->fn(grave->arg);
	}
}

/* What was put off in the turn before. False if there is nothing. */
static bool take_later(struct sl_loop *loop)
{
	if (!loop->later.first)
		return false;
	*loop->tasks.tail = loop->later.first;
	loop->tasks.tail = loop->later.tail;
	loop->later.first = NULL;
	loop->later.tail = &loop->later.first;
	return true;
}

void sl_loop_turn(struct sl_loop *loop)
{
	event_base_loop(loop->base, EVLOOP_ONCE | (take_later(loop) ? EVLOOP_NONBLOCK : 0));
	run_inputs(loop);
	run_all(&loop->tasks);
	sweep_graves(loop);
}

void sl_loop_run(struct sl_loop *loop)
{
	while (!atomic_load_explicit(&loop->stop, memory_order_relaxed))
		sl_loop_turn(loop);
}

/* ---- life ------------------------------------------------------------ */

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct sl_loop *loop = arg;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	sl_loop_refresh(loop);
	if (loop->on_wake)
		loop->on_wake(loop->wake_arg);
}

void sl_loop_wake(struct sl_loop *loop)
{
	uint64_t one = 1;

	/* A full counter (EAGAIN) means that a wake-up is pending anyway. */
	if (write(loop->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void sl_loop_stop(struct sl_loop *loop)
{
	atomic_store(&loop->stop, true);
	sl_loop_wake(loop);
}

static struct event_base *new_base(void)
{
	struct event_config *config;
	struct event_base *base;

	sl_event_memory_install();
	config = event_config_new();
	if (!config)
		return NULL;
	/* One thread per base: no locks; no environment variable may change
	 * the backend. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

int sl_loop_init(struct sl_loop *loop)
{
	memset(loop, 0, sizeof(*loop));
	loop->inputs.tail = &loop->inputs.first;
	loop->tasks.tail = &loop->tasks.first;
	loop->later.tail = &loop->later.first;
	for (size_t i = 0; i < SL_WHEEL_SLOTS; i++)
		loop->wheel[i].next = loop->wheel[i].prev = &loop->wheel[i];
	loop->base = new_base();
	loop->rbuf = malloc(2 * SL_LOOP_KEPT_BYTES + SL_LOOP_READ_BYTES);
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!loop->base || !loop->rbuf || loop->wake_fd < 0)
		return -1;
	sl_loop_refresh(loop);
	loop->wheel_tick = loop->now_us / SLOT_US;
	evtimer_assign(&loop->tick_event, loop->base, on_tick, loop);
	event_assign(&loop->wake_event, loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake,
	             loop);
	event_add(&loop->wake_event, NULL);
	return 0;
}

void sl_loop_fini(struct sl_loop *loop)
{
	run_all(&loop->tasks);
	sweep_graves(loop);
	event_del(&loop->wake_event);
	event_del(&loop->tick_event);
	close(loop->wake_fd);
	event_base_free(loop->base);
	free(loop->rbuf);
}
