/* loop.h: one thread's event loop: readiness, timers, end-of-turn work.
 *
 * A turn is: libevent's callbacks, in which connections read; then what was
 * read is worked on; then every queued task (connections flush their output
 * here, so that one send carries what a whole turn produced); then the
 * graveyard (nothing is freed inside its own callback). The kernel's code and
 * ours thus run one after the other, not in turns, and find themselves cached.
 * Everything here belongs to one thread, except sl_loop_wake. */
#ifndef SLUICE_NET_LOOP_H
#define SLUICE_NET_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdatomic.h>

#include "sluice/base.h"

/* One read fills at most this; large enough that a 64 KiB prompt is one
 * syscall, small enough to stay in the L2 cache. */
#define SL_LOOP_READ_BYTES (256u * 1024u)
/* Short reads are kept, up to so much, until the turn's reading is done. */
#define SL_LOOP_KEPT_BYTES (64u * 1024u)

/* A deadline on the loop's wheel, about 16 ms coarse and never early. Owned
 * by whoever embeds it; zero-initialised means disarmed. */
struct sl_timer {
	struct sl_timer *next, *prev; /* NULL when disarmed */
	uint64_t deadline_us;
	void (*fn)(void *arg);
	void *arg;
	uint16_t slot;
};

/* Work for later in the turn; queueing it twice runs it once. */
struct sl_task {
	struct sl_task *next;
	void (*fn)(void *arg);
	void *arg;
	bool queued;
};

struct sl_tasks {
	struct sl_task *first, **tail;
};

/* Something to free when the turn is over. */
struct sl_grave {
	struct sl_grave *next;
	void (*fn)(void *arg);
	void *arg;
};

#define SL_WHEEL_SLOTS 1024u

struct sl_loop {
	struct event_base *base; /* owned */
	char *rbuf;              /* owned: the thread's receive buffer */
	size_t rbuf_kept;        /* its first bytes are waited for by `inputs` */
	uint64_t now_us;         /* monotonic; see sl_loop_refresh */

	struct sl_timer wheel[SL_WHEEL_SLOTS]; /* list heads */
	uint64_t wheel_used[SL_WHEEL_SLOTS / 64];
	uint64_t wheel_tick;    /* the next slot time to look at */
	uint64_t wheel_fire_us; /* when tick_event is set to fire; 0: not set */
	struct event tick_event;

	struct sl_tasks inputs, tasks, later;
	struct sl_grave *graves;

	int wake_fd;
	struct event wake_event;
	void (*on_wake)(void *arg);
	void *wake_arg;
	atomic_bool stop;
};

int sl_loop_init(struct sl_loop *loop);
void sl_loop_fini(struct sl_loop *loop);
/* Turns until sl_loop_stop. */
void sl_loop_run(struct sl_loop *loop);
/* One turn without waiting longer than for the first event; for tests. */
void sl_loop_turn(struct sl_loop *loop);
/* Thread-safe. */
void sl_loop_stop(struct sl_loop *loop);
/* Thread-safe: on_wake runs soon in the loop's thread. */
void sl_loop_wake(struct sl_loop *loop);

/* Reads the clock; callbacks from libevent do this first. */
uint64_t sl_loop_refresh(struct sl_loop *loop);

void sl_timer_arm(struct sl_loop *loop, struct sl_timer *t, uint64_t after_us);
void sl_timer_disarm(struct sl_loop *loop, struct sl_timer *t);
static inline bool sl_timer_armed(const struct sl_timer *t)
{
	return t->next != NULL;
}

/* Where the next SL_LOOP_READ_BYTES may be read to. */
char *sl_loop_room(struct sl_loop *loop);
/* Keeps the n bytes that were read there until the task has run, soon. */
void sl_loop_keep(struct sl_loop *loop, size_t n, struct sl_task *task);
void sl_loop_defer(struct sl_loop *loop, struct sl_task *task);
/* At the end of the next turn: what is ready now goes first. */
void sl_loop_later(struct sl_loop *loop, struct sl_task *task);
/* A task that may be queued must be taken back before it is freed. */
void sl_loop_undefer(struct sl_loop *loop, struct sl_task *task);
void sl_loop_bury(struct sl_loop *loop, struct sl_grave *grave);

#endif
