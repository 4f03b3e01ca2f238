/* link.h: one connection to Redis that comes back by itself.
 *
 *   down ──► resolving ──► connecting ──► greeting (AUTH, SELECT, TIME) ──► up
 *    ▲           │             │             │                              │
 *    └───────────┴─────────────┴── refused, wrong, silent past a deadline ──┘
 *
 * The next attempt follows after 50 ms, doubling to 1 s. Every command has a
 * deadline, because a Redis that was stopped keeps its connections. What is
 * given to hiredis and not yet sent is bounded: commands beyond that are
 * refused, and it is the caller's business that nothing is lost by it.
 *
 * hiredis 0.14 speaks RESP2 and no TLS. A name is resolved anew for every
 * attempt, and never on this thread. */
#ifndef SLUICE_REPLICA_LINK_H
#define SLUICE_REPLICA_LINK_H

#include <hiredis/async.h>

#include "gateway/net/loop.h"
#include "gateway/replica/resolution.h"
#include "sluice/config.h"

struct link;

struct link_events {
	/* Greeted; time_ms is Redis's clock. */
	void (*up)(void *ctx, uint64_t time_ms);
	/* The first command after that was answered well. */
	void (*proven)(void *ctx);
	/* said: Redis itself has refused us. */
	void (*down)(void *ctx, const char *why, bool said);
};

/* Of a command; reply is no error and never NULL. */
struct link_answer {
	void (*fn)(void *ctx, const redisReply *reply);
};

enum link_state { LINK_DOWN, LINK_RESOLVING, LINK_CONNECTING, LINK_GREETING, LINK_UP };

struct link {
	struct sl_loop *loop;
	const struct sl_redis_conf *conf;
	const struct link_events *events;
	void *ctx;
	struct resolution *resolution; /* owned; while resolving */
	redisAsyncContext *redis;      /* owned; from connecting on */
	struct event read_event, write_event;
	enum link_state state;
	bool proven;
	uint64_t block_us;     /* time that a command may wait by design */
	uint64_t attempts;     /* in a row */
	uint64_t retry_us;     /* when the next attempt is due */
	uint64_t since_us;     /* of the attempt */
	uint64_t answer_us;    /* the last one, or when a command was sent and none waited */
	uint32_t n_unanswered; /* commands */
	struct sl_rng rng;
};

void link_init(struct link *l, struct sl_loop *loop, const struct sl_redis_conf *conf,
               const struct link_events *events, void *ctx, uint64_t block_us);
void link_fini(struct link *l);
/* Connects, or notices that a deadline has passed. Often. */
void link_tick(struct link *l);
/* False if it was not sent: not up, or too much is waiting. */
bool link_send(struct link *l, const struct link_answer *answer, int argc, const char *const *argv,
               const size_t *lens);
/* Tries to send what waits, without waiting: for the end of a process. */
void link_flush(struct link *l);
/* The caller cannot go on with what Redis said. */
void link_fail(struct link *l, const char *why);

#endif
