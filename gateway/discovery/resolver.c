/* resolver.c: see resolver.h.
 *
 * A question waits in line, belongs to its thread while that runs, then to the
 * hub's list of answers until the loop takes it. The hub outlives the resolver
 * for as long as a thread waits for a name server.
 *
 * Over TCP the C library waits without limit for a server that takes a connection
 * and says nothing. Such a thread cannot be ended: its question is told to have
 * no answer and its place is given to another, LOST_MAX times. */
#include "gateway/discovery/resolver.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gateway/net/authority.h"
#include "gateway/net/detached.h"

/* Names that wait at once for silent servers; more wait in line. */
#define MAX_THREADS 16
#define LOST_MAX 48u
#define PATIENCE_US UINT64_C(60000000)

struct hub {
	pthread_mutex_t lock;
	uint32_t refs;               /* the resolver and each thread */
	bool closed;                 /* nobody takes answers any more */
	struct sl_question *answers; /* newest first */
	int fd;                      /* eventfd: there are answers */
};

struct sl_question {
	struct sl_question *next;
	struct sl_resolver *resolver; /* the loop's side only */
	struct hub *hub;
	enum sl_lookup_kind kind;
	char *name; /* owned */
	struct sl_name_servers servers;
	struct sl_places places; /* the thread's, then the loop's */
	sl_answer_fn fn;         /* the loop's side only; NULL: dropped */
	void *ctx;
	struct sl_timer timer;
	bool waiting; /* in line */
	bool lost;    /* its thread waits, and nobody for that */
};

struct sl_resolver {
	struct sl_loop *loop;
	struct hub *hub;
	struct event event;
	struct sl_name_servers servers;
	struct sl_question *line, **line_tail;
	uint64_t patience_us;
	uint32_t threads, lost; /* somebody waits for these; nobody any more */
};

static void question_free(struct sl_question *q)
{
	sl_places_fini(&q->places);
	free(q->name);
	free(q);
}

static void hub_unref(struct hub *hub)
{
	bool last;

	pthread_mutex_lock(&hub->lock);
	last = --hub->refs == 0;
	pthread_mutex_unlock(&hub->lock);
	if (!last)
		return;
	close(hub->fd);
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

/* ---- a thread -------------------------------------------------------- */

static void deliver(struct hub *hub, struct sl_question *q)
{
	bool closed;

	pthread_mutex_lock(&hub->lock);
	closed = hub->closed;
	if (!closed) {
		q->next = hub->answers;
		hub->answers = q;
		eventfd_write(hub->fd, 1);
	}
	pthread_mutex_unlock(&hub->lock);
	if (closed)
		question_free(q);
}

static void *run(void *arg)
{
	struct sl_question *q = arg;
	struct hub *hub = q->hub;

	sl_lookup(q->kind, q->name, &q->servers, &q->places);
	deliver(hub, q);
	hub_unref(hub);
	return NULL;
}

/* ---- the loop's side ------------------------------------------------- */

static void begin(struct sl_resolver *r, struct sl_question *q)
{
	struct hub *hub = r->hub;

	q->waiting = false;
	q->servers = r->servers;
	r->threads++;
	pthread_mutex_lock(&hub->lock);
	hub->refs++;
	pthread_mutex_unlock(&hub->lock);
	if (sl_detached_start(run, q))
		return;
	snprintf(q->places.reason, sizeof(q->places.reason), "no thread to resolve names");
	deliver(hub, q);
	hub_unref(hub);
}

static void begin_waiting(struct sl_resolver *r)
{
	while (r->line && r->threads < MAX_THREADS && r->lost < LOST_MAX) {
		struct sl_question *q = r->line;

		r->line = q->next;
		if (!r->line)
			r->line_tail = &r->line;
		begin(r, q);
	}
}

static void on_answers(evutil_socket_t fd, short what, void *arg)
{
	struct sl_resolver *r = arg;
	struct sl_question *q;
	eventfd_t count;

	(void)what;
	sl_loop_refresh(r->loop);
	(void)eventfd_read(fd, &count);
	pthread_mutex_lock(&r->hub->lock);
	q = r->hub->answers;
	r->hub->answers = NULL;
	pthread_mutex_unlock(&r->hub->lock);
	while (q) {
		struct sl_question *next = q->next;

		sl_timer_disarm(r->loop, &q->timer);
		if (q->lost)
			r->lost--;
		else
			r->threads--;
		if (q->fn)
			q->fn(q->ctx, &q->places);
		question_free(q);
		q = next;
	}
	begin_waiting(r);
}

struct sl_resolver *sl_resolver_new(struct sl_loop *loop)
{
	struct sl_resolver *r = calloc(1, sizeof(*r));
	struct hub *hub = calloc(1, sizeof(*hub));

	if (!r || !hub)
		abort();
	hub->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (hub->fd < 0)
		abort(); /* without a descriptor nothing else would start either */
	hub->refs = 1;
	pthread_mutex_init(&hub->lock, NULL);
	r->loop = loop;
	r->hub = hub;
	r->patience_us = PATIENCE_US;
	r->line_tail = &r->line;
	event_assign(&r->event, loop->base, hub->fd, EV_READ | EV_PERSIST, on_answers, r);
	event_add(&r->event, NULL);
	return r;
}

void sl_resolver_free(struct sl_resolver *r)
{
	struct sl_question *q;

	event_del(&r->event);
	pthread_mutex_lock(&r->hub->lock);
	r->hub->closed = true;
	q = r->hub->answers;
	pthread_mutex_unlock(&r->hub->lock);
	while (q) {
		struct sl_question *next = q->next;

		question_free(q);
		q = next;
	}
	hub_unref(r->hub);
	free(r);
}

static bool parse_server(const char *text, struct sl_sockaddr *out_addr)
{
	char host[SL_DNS_ADDRESS_MAX];
	uint16_t port;

	return sl_authority_split(sl_span_str(text), host, sizeof(host), &port) &&
	       sl_sockaddr_numeric(host, port, out_addr) == 0;
}

void sl_resolver_set_servers(struct sl_resolver *r, char *const *servers, uint32_t n)
{
	r->servers.n = 0;
	for (uint32_t i = 0; i < n && r->servers.n < SL_NAME_SERVERS; i++)
		if (parse_server(servers[i], &r->servers.addr[r->servers.n]))
			r->servers.n++;
}

void sl_resolver_set_patience(struct sl_resolver *r, uint64_t patience_us)
{
	r->patience_us = patience_us;
}

static void leave_line(struct sl_question *q)
{
	struct sl_question **at = &q->resolver->line;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	if (!*at)
		q->resolver->line_tail = at;
	question_free(q);
}

static void lose(struct sl_question *q)
{
	struct sl_resolver *r = q->resolver;

	q->fn = NULL;
	q->lost = true;
	r->lost++;
	r->threads--;
}

static void on_timeout(void *arg)
{
	struct sl_question *q = arg;
	struct sl_resolver *r = q->resolver;
	struct sl_places nothing = { .ttl_s = UINT32_MAX };
	sl_answer_fn fn = q->fn;
	void *ctx = q->ctx;

	snprintf(nothing.reason, sizeof(nothing.reason), "%.100s: no end of the answer in %u s",
	         q->name, (unsigned)(r->patience_us / 1000000));
	if (q->waiting)
		leave_line(q);
	else
		lose(q);
	begin_waiting(r);
	fn(ctx, &nothing);
}

struct sl_question *sl_resolver_ask(struct sl_resolver *r, enum sl_lookup_kind kind,
                                    const char *name, sl_answer_fn fn, void *ctx)
{
	struct sl_question *q = calloc(1, sizeof(*q));

	if (!q || !(q->name = strdup(name)))
		abort();
	q->resolver = r;
	q->hub = r->hub;
	q->kind = kind;
	q->fn = fn;
	q->ctx = ctx;
	q->waiting = true;
	q->timer = (struct sl_timer){ .fn = on_timeout, .arg = q };
	sl_timer_arm(r->loop, &q->timer, r->patience_us);
	*r->line_tail = q;
	r->line_tail = &q->next;
	begin_waiting(r);
	return q;
}

void sl_question_drop(struct sl_question *q)
{
	sl_timer_disarm(q->resolver->loop, &q->timer);
	if (q->waiting)
		leave_line(q);
	else
		lose(q);
}
