/* link.c: see link.h.
 *
 * hiredis calls back for everything that was pending when a connection is
 * given up, and frees its context itself after its disconnect callback; so a
 * context that we gave up has no data any more and is not listened to. */
#include "gateway/replica/link.h"

#include <errno.h>
#include <hiredis/sds.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/net/socket.h"

#define BACKOFF_US 50000u
#define BACKOFF_MAX_US 1000000u
#define UNSENT_MAX (1u << 20)
#define UNANSWERED_MAX 4096u

static void fail(struct link *l, const char *why, bool said);

/* ---- answers that nobody asked for ------------------------------------- */

/* hiredis 0.14 ends the process when one comes. What a read brings can only
 * answer what was asked before it; so while it reads, the last in its list of
 * those to be called back is this one. */
static void on_unasked(redisAsyncContext *r, void *reply, void *arg)
{
	struct link *l = r->data;

	(void)arg;
	if (l && reply)
		fail(l, "an answer that nobody asked for", true);
}

static void append_unasked(redisCallbackList *list)
{
	redisCallback *last = calloc(1, sizeof(*last));

	if (!last)
		abort();
	last->fn = on_unasked;
	if (list->tail)
		list->tail->next = last;
	else
		list->head = last;
	list->tail = last;
}

static void remove_unasked(redisCallbackList *list)
{
	redisCallback *before = NULL, *at = list->head;

	while (at && at->fn != on_unasked) {
		before = at;
		at = at->next;
	}
	if (!at)
		return;
	if (before)
		before->next = at->next;
	else
		list->head = at->next;
	if (list->tail == at)
		list->tail = before;
	free(at);
}

/* ---- hiredis's hooks to the loop --------------------------------------- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;
	redisAsyncContext *r = l->redis;

	(void)fd;
	(void)what;
	sl_loop_refresh(l->loop);
	append_unasked(&r->replies);
	redisAsyncHandleRead(r);
	if (l->redis == r) /* it is still there */
		remove_unasked(&r->replies);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;

	(void)fd;
	(void)what;
	sl_loop_refresh(l->loop);
	redisAsyncHandleWrite(l->redis);
}

static void add_read(void *arg)
{
	event_add(&((struct link *)arg)->read_event, NULL);
}

static void del_read(void *arg)
{
	event_del(&((struct link *)arg)->read_event);
}

static void add_write(void *arg)
{
	event_add(&((struct link *)arg)->write_event, NULL);
}

static void del_write(void *arg)
{
	event_del(&((struct link *)arg)->write_event);
}

static void forget_events(void *arg)
{
	del_read(arg);
	del_write(arg);
}

static void attach(struct link *l)
{
	redisAsyncContext *r = l->redis;

	event_assign(&l->read_event, l->loop->base, r->c.fd, EV_READ | EV_PERSIST, on_readable, l);
	event_assign(&l->write_event, l->loop->base, r->c.fd, EV_WRITE | EV_PERSIST, on_writable,
	             l);
	r->ev.data = l;
	r->ev.addRead = add_read;
	r->ev.delRead = del_read;
	r->ev.addWrite = add_write;
	r->ev.delWrite = del_write;
	r->ev.cleanup = forget_events;
}

/* ---- down -------------------------------------------------------------- */

static uint64_t backoff_us(struct link *l)
{
	uint64_t wait = BACKOFF_MAX_US;

	if (l->attempts < 5 && (uint64_t)BACKOFF_US << l->attempts < BACKOFF_MAX_US)
		wait = (uint64_t)BACKOFF_US << l->attempts;
	return wait - sl_rng_next(&l->rng) % (wait / 4);
}

/* The context is gone, or will be without us. */
static void go_down(struct link *l, const char *why, bool said)
{
	l->redis = NULL;
	l->state = LINK_DOWN;
	l->proven = false;
	l->n_unanswered = 0;
	l->retry_us = l->loop->now_us + backoff_us(l);
	l->attempts++;
	l->events->down(l->ctx, why, said);
}

static void give_up(struct link *l)
{
	redisAsyncContext *r = l->redis;

	r->data = NULL;
	l->redis = NULL;
	redisAsyncFree(r);
}

static void fail(struct link *l, const char *why, bool said)
{
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", why); /* may lie in a reply */
	if (l->redis)
		give_up(l);
	go_down(l, copy, said);
}

void link_fail(struct link *l, const char *why)
{
	fail(l, why, true);
}

static void on_disconnect(const redisAsyncContext *r, int status)
{
	struct link *l = r->data;

	if (l)
		go_down(l, status == REDIS_OK || !*r->c.errstr ? "connection closed" : r->c.errstr,
		        false);
}

/* ---- commands ---------------------------------------------------------- */

/* Whose reply it is; NULL if nobody listens any more, or it is none. */
static struct link *note_reply(const redisAsyncContext *r, const redisReply *reply)
{
	struct link *l = r->data;

	if (!l || !reply)
		return NULL;
	l->answer_us = l->loop->now_us;
	l->n_unanswered--;
	return l;
}

static void on_reply(redisAsyncContext *r, void *reply_in, void *arg)
{
	const struct link_answer *answer = arg;
	const redisReply *reply = reply_in;
	struct link *l = note_reply(r, reply);

	if (!l)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		fail(l, reply->str, true);
		return;
	}
	if (l->state == LINK_UP && !l->proven) {
		l->proven = true;
		l->attempts = 0;
		l->events->proven(l->ctx);
	}
	if (answer)
		answer->fn(l->ctx, reply);
}

static void send_command(struct link *l, const struct link_answer *answer, int argc,
                         const char *const *argv, const size_t *lens)
{
	union {
		const struct link_answer *in;
		void *out;
	} data = { answer };

	if (l->n_unanswered++ == 0)
		l->answer_us = l->loop->now_us;
	if (redisAsyncCommandArgv(l->redis, on_reply, data.out, argc, (const char **)argv, lens) !=
	    REDIS_OK)
		fail(l, "a command could not be sent", false);
}

bool link_send(struct link *l, const struct link_answer *answer, int argc, const char *const *argv,
               const size_t *lens)
{
	if (l->state != LINK_UP || l->n_unanswered >= UNANSWERED_MAX ||
	    sdslen(l->redis->c.obuf) > UNSENT_MAX)
		return false;
	send_command(l, answer, argc, argv, lens);
	return l->state == LINK_UP;
}

void link_flush(struct link *l)
{
	if (l->state == LINK_UP)
		redisAsyncHandleWrite(l->redis);
}

/* ---- greeting ---------------------------------------------------------- */

static bool is_time(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	       reply->element[0]->type == REDIS_REPLY_STRING &&
	       reply->element[1]->type == REDIS_REPLY_STRING;
}

static void on_time(struct link *l, const redisReply *reply)
{
	if (!is_time(reply)) {
		fail(l, "unexpected answer to TIME", true);
		return;
	}
	l->state = LINK_UP;
	l->events->up(l->ctx, strtoull(reply->element[0]->str, NULL, 10) * 1000 +
	                              strtoull(reply->element[1]->str, NULL, 10) / 1000);
}

static void on_greeting(redisAsyncContext *r, void *reply_in, void *arg)
{
	const redisReply *reply = reply_in;
	struct link *l = note_reply(r, reply);

	if (!l)
		return;
	if (reply->type == REDIS_REPLY_ERROR)
		fail(l, reply->str, true);
	else if (arg)
		on_time(l, reply);
}

static void greet(struct link *l)
{
	const struct sl_redis_conf *conf = l->conf;
	redisAsyncContext *r = l->redis;

	l->state = LINK_GREETING;
	l->answer_us = l->loop->now_us;
	if (*conf->password && *conf->user)
		redisAsyncCommand(r, on_greeting, NULL, "AUTH %s %s", conf->user, conf->password);
	else if (*conf->password)
		redisAsyncCommand(r, on_greeting, NULL, "AUTH %s", conf->password);
	if (conf->url.db)
		redisAsyncCommand(r, on_greeting, NULL, "SELECT %d", (int)conf->url.db);
	redisAsyncCommand(r, on_greeting, l, "TIME");
	l->n_unanswered = 1u + (*conf->password != '\0') + (conf->url.db != 0);
}

static void on_connect(const redisAsyncContext *r, int status)
{
	struct link *l = r->data;

	if (!l)
		return;
	if (status == REDIS_OK)
		greet(l);
	else
		go_down(l, *r->c.errstr ? r->c.errstr : "cannot connect", false);
}

/* ---- connecting -------------------------------------------------------- */

static void start(struct link *l)
{
	l->since_us = l->loop->now_us;
	l->resolution = resolution_start(l->conf->url.addr.host, l->conf->url.addr.port);
	l->state = LINK_RESOLVING;
}

static void connect_to(struct link *l, const struct sl_sockaddr *addr)
{
	char host[NI_MAXHOST];
	int rc = getnameinfo((const struct sockaddr *)&addr->ss, addr->len, host, sizeof(host),
	                     NULL, 0, NI_NUMERICHOST);

	if (rc != 0) {
		go_down(l, gai_strerror(rc), false);
		return;
	}
	l->redis = redisAsyncConnect(host, l->conf->url.addr.port);
	if (!l->redis)
		abort();
	l->redis->data = l;
	if (l->redis->err) {
		fail(l, l->redis->c.errstr, false);
		return;
	}
	l->state = LINK_CONNECTING;
	attach(l);
	redisAsyncSetDisconnectCallback(l->redis, on_disconnect);
	redisAsyncSetConnectCallback(l->redis, on_connect);
}

/* However long it takes: there is one thread for it at a time. */
static void see_resolution(struct link *l)
{
	struct sl_sockaddr addr;
	int rc;

	if (!resolution_done(l->resolution, &rc, &addr))
		return;
	resolution_drop(l->resolution);
	l->resolution = NULL;
	l->since_us = l->loop->now_us;
	if (rc == 0)
		connect_to(l, &addr);
	else
		go_down(l, gai_strerror(rc), false);
}

static bool is_late(const struct link *l)
{
	uint64_t now = l->loop->now_us;

	if (l->state == LINK_UP)
		return l->n_unanswered > 0 && now > l->answer_us &&
		       now - l->answer_us > l->conf->reply_timeout_us + l->block_us;
	return (l->state == LINK_CONNECTING || l->state == LINK_GREETING) &&
	       now - l->since_us > l->conf->connect_timeout_us;
}

void link_tick(struct link *l)
{
	if (l->state == LINK_DOWN && l->loop->now_us >= l->retry_us)
		start(l);
	else if (l->state == LINK_RESOLVING)
		see_resolution(l);
	else if (is_late(l))
		fail(l,
		     l->state == LINK_UP ? "no answer to a command" : "no answer while connecting",
		     false);
}

/* ---- life -------------------------------------------------------------- */

void link_init(struct link *l, struct sl_loop *loop, const struct sl_redis_conf *conf,
               const struct link_events *events, void *ctx, uint64_t block_us)
{
	*l = (struct link){
		.loop = loop,
		.conf = conf,
		.events = events,
		.ctx = ctx,
		.block_us = block_us,
		.rng = { loop->now_us | 1 },
	};
}

void link_fini(struct link *l)
{
	if (l->redis)
		give_up(l);
	resolution_drop(l->resolution);
	l->state = LINK_DOWN;
}
