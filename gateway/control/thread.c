/* thread.c: see thread.h. */
#include "gateway/control/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "gateway/telemetry/log.h"

#define ACCEPT_BATCH 16
#define ACCEPT_PAUSE_US 100000u
/* How many more streams than another a worker may have before it gives new
 * ones away: a few, because a hand-over costs a wake-up, and an eighth. */
#define BALANCE_SLACK 3u
#define BALANCE_SHARE 8u

struct listener {
	struct listener *next;
	struct thread *thread;
	struct event event;
	struct sl_timer pause_timer;
	struct sl_listener conf;
	bool keep;
};

struct handed {
	struct handed *next;
	int fd;
	struct sl_sockaddr peer;
	struct sl_session_kind kind; /* its tls is a reference */
};

struct mailbox {
	pthread_mutex_t lock;
	struct sl_fleet *fleet; /* ref, or NULL: nothing new */
	/* Every set since the last look, oldest first: a socket that only one of
	 * them names must be opened and closed all the same. */
	struct sl_listener_set *sets; /* owned */
	uint32_t n_sets;
	struct handed *handed;
	unsigned orders;
};

struct thread {
	struct sl_worker worker;
	struct sl_threads *all;
	pthread_t id;
	struct mailbox mailbox;
	struct listener *listeners;
	atomic_uint n_sessions;
	atomic_uint n_handed;  /* in the mailbox, not opened yet */
	atomic_ullong n_given; /* handed over to others so far */
};

struct sl_threads {
	uint32_t n;
	struct thread *items;
	struct sl_budget budget;
	struct sl_clients *clients; /* owned */
};

/* ---- accepting ------------------------------------------------------- */

static uint32_t count_sessions(const struct sl_threads *all)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < all->n; i++)
		n += atomic_load_explicit(&all->items[i].n_sessions, memory_order_relaxed);
	return n;
}

uint32_t sl_threads_sessions(const struct sl_threads *all)
{
	return count_sessions(all);
}

static void publish_count(struct thread *t)
{
	atomic_store_explicit(&t->n_sessions, t->worker.sessions.count, memory_order_relaxed);
}

/* The streams a worker has and is about to have. A connection without a
 * request counts as one: in a burst of new ones, all workers would look idle
 * until the first request is read. */
static unsigned load_of(const struct thread *t)
{
	int live = atomic_load_explicit(&t->worker.n_live, memory_order_relaxed);

	return (unsigned)live +
	       atomic_load_explicit(&t->worker.sessions.unspoken, memory_order_relaxed) +
	       atomic_load_explicit(&t->n_handed, memory_order_relaxed);
}

/* Streams are long: a worker with clearly more of them than another gives a
 * new connection away before it has read from it. */
static struct thread *less_busy(struct thread *t)
{
	struct thread *best = t;
	unsigned mine = load_of(t);
	unsigned least = mine;

	for (uint32_t i = 0; i < t->all->n; i++) {
		struct thread *other = &t->all->items[i];
		unsigned load = load_of(other);

		if (load < least) {
			least = load;
			best = other;
		}
	}
	return mine > least + least / BALANCE_SHARE + BALANCE_SLACK ? best : t;
}

static void hand_over(struct thread *to, int fd, const struct sl_sockaddr *peer,
                      const struct sl_session_kind *kind)
{
	struct handed *h = malloc(sizeof(*h));

	if (!h)
		abort();
	*h = (struct handed){ NULL, fd, *peer, *kind };
	if (kind->tls)
		sl_tls_context_ref(kind->tls);
	atomic_fetch_add_explicit(&to->n_handed, 1, memory_order_relaxed);
	pthread_mutex_lock(&to->mailbox.lock);
	h->next = to->mailbox.handed;
	to->mailbox.handed = h;
	pthread_mutex_unlock(&to->mailbox.lock);
	sl_loop_wake(&to->worker.loop);
}

static void resume_listener(void *arg)
{
	struct listener *l = arg;

	event_add(&l->event, NULL);
}

static void refuse(struct thread *t, enum sl_limit limit, int fd, const struct sl_sockaddr *peer)
{
	char name[64];
	size_t len = sl_sockaddr_format((const struct sockaddr *)&peer->ss, name, sizeof(name));

	sl_limit_hit(t->worker.metrics, limit, sl_span(name, len), t->worker.loop.now_us);
	close(fd);
}

static bool accept_one(struct listener *l)
{
	struct thread *t = l->thread;
	struct sl_session_kind kind = { l->conf.tls, l->conf.h2c_only, l->conf.h1_only };
	struct sl_sockaddr peer;
	struct thread *to;
	int fd = sl_socket_accept(l->conf.fd, &peer);

	if (fd < 0) {
		/* Out of descriptors: the listener would stay readable for ever. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			sl_warn("cannot accept connections: %s", strerror(errno));
			event_del(&l->event);
			sl_timer_arm(&t->worker.loop, &l->pause_timer, ACCEPT_PAUSE_US);
		}
		return false;
	}
	if (!sl_clients_arrive(t->worker.sessions.clients, &peer,
	                       t->worker.sessions.config->connection_rate_per_client,
	                       t->worker.loop.now_us)) {
		refuse(t, SL_LIMIT_CONNECTION_RATE, fd, &peer);
		return true;
	}
	if (count_sessions(t->all) >= t->worker.sessions.config->max_connections) {
		refuse(t, SL_LIMIT_CONNECTIONS, fd, &peer);
		return true;
	}
	to = less_busy(t);
	if (to == t)
		sl_session_open(&t->worker.sessions, fd, &peer, &kind);
	else
		hand_over(to, fd, &peer, &kind);
	if (to != t)
		atomic_fetch_add_explicit(&t->n_given, 1, memory_order_relaxed);
	publish_count(t);
	return true;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	sl_loop_refresh(&l->thread->worker.loop);
	for (int i = 0; i < ACCEPT_BATCH && accept_one(l); i++)
		;
}

/* ---- listeners ------------------------------------------------------- */

static void add_listener(struct thread *t, const struct sl_listener *conf)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->thread = t;
	l->conf = *conf;
	l->keep = true;
	l->pause_timer.fn = resume_listener;
	l->pause_timer.arg = l;
	event_assign(&l->event, t->worker.loop.base, conf->fd, EV_READ | EV_PERSIST, on_accept, l);
	event_add(&l->event, NULL);
	l->next = t->listeners;
	t->listeners = l;
}

static void del_listener(struct thread *t, struct listener *l)
{
	/* What the kernel has accepted for this socket would be lost with it. */
	while (accept_one(l))
		;
	event_del(&l->event);
	sl_timer_disarm(&t->worker.loop, &l->pause_timer);
	close(l->conf.fd);
	sl_tls_context_unref(l->conf.tls);
	free(l);
}

static struct listener *find_listener(struct thread *t, int fd)
{
	struct listener *l = t->listeners;

	while (l && l->conf.fd != fd)
		l = l->next;
	return l;
}

static void update_listeners(struct thread *t, struct sl_listener_set *set)
{
	struct listener **at;

	for (struct listener *l = t->listeners; l; l = l->next)
		l->keep = false;
	for (uint32_t i = 0; i < set->n; i++) {
		struct listener *l = find_listener(t, set->items[i].fd);

		if (l) {
			sl_tls_context_unref(l->conf.tls);
			l->conf = set->items[i];
			l->keep = true;
		} else {
			add_listener(t, &set->items[i]);
		}
	}
	for (at = &t->listeners; *at;) {
		struct listener *l = *at;

		if (l->keep) {
			at = &l->next;
		} else {
			*at = l->next;
			del_listener(t, l);
		}
	}
	free(set->items);
}

/* ---- the mailbox ----------------------------------------------------- */

static void change_fleet(struct thread *t, struct sl_fleet *fleet)
{
	struct sl_worker *w = &t->worker;
	struct sl_fleet *old = w->fleet;

	w->fleet = fleet;
	w->sessions.config = fleet->config;
	if (!old)
		return;
	for (uint32_t i = 0; i < old->n_endpoints; i++) {
		const struct sl_endpoint *ep = old->endpoints[i];

		if (!sl_fleet_has(fleet, ep))
			sl_upstreams_retire(w->upstreams, ep);
	}
	sl_fleet_unref(old);
}

static void refresh(struct sl_worker *w)
{
	struct thread *t = (struct thread *)w; /* its first member */
	struct sl_fleet *fleet;

	pthread_mutex_lock(&t->mailbox.lock);
	fleet = t->mailbox.fleet;
	t->mailbox.fleet = NULL;
	pthread_mutex_unlock(&t->mailbox.lock);
	if (fleet)
		change_fleet(t, fleet);
}

static void open_handed(struct thread *t, struct handed *h)
{
	while (h) {
		struct handed *next = h->next;

		sl_session_open(&t->worker.sessions, h->fd, &h->peer, &h->kind);
		atomic_fetch_sub_explicit(&t->n_handed, 1, memory_order_relaxed);
		sl_tls_context_unref(h->kind.tls);
		free(h);
		h = next;
	}
}

static void obey(struct thread *t, unsigned orders)
{
	struct sl_worker *w = &t->worker;
	struct sl_listener_set none = { NULL, 0 };

	if (orders & SL_ORDER_RESCUE)
		sl_worker_rescue(w);
	if (orders & SL_ORDER_REOPEN)
		sl_access_log_reopen(w->access);
	if (orders & (SL_ORDER_DRAIN | SL_ORDER_CLOSE))
		update_listeners(t, &none);
	if (orders & SL_ORDER_DRAIN)
		sl_sessions_drain(&w->sessions, false);
	if (orders & SL_ORDER_FINAL)
		sl_sessions_drain(&w->sessions, true);
	if (orders & SL_ORDER_CLOSE) {
		sl_sessions_close(&w->sessions);
		sl_loop_stop(&w->loop);
	}
}

static void on_wake(void *arg)
{
	struct thread *t = arg;
	struct sl_listener_set *sets;
	struct handed *handed;
	uint32_t n_sets;
	unsigned orders;

	refresh(&t->worker);
	pthread_mutex_lock(&t->mailbox.lock);
	sets = t->mailbox.sets;
	n_sets = t->mailbox.n_sets;
	t->mailbox.sets = NULL;
	t->mailbox.n_sets = 0;
	handed = t->mailbox.handed;
	t->mailbox.handed = NULL;
	orders = t->mailbox.orders;
	t->mailbox.orders = 0;
	pthread_mutex_unlock(&t->mailbox.lock);
	for (uint32_t i = 0; i < n_sets; i++)
		update_listeners(t, &sets[i]);
	free(sets);
	open_handed(t, handed);
	obey(t, orders);
	sl_queue_on_wake(&t->worker);
	publish_count(t);
}

void sl_threads_publish(struct sl_threads *all, struct sl_fleet *fleet)
{
	for (uint32_t i = 0; i < all->n; i++) {
		struct mailbox *m = &all->items[i].mailbox;
		struct sl_fleet *old;

		pthread_mutex_lock(&m->lock);
		old = m->fleet;
		m->fleet = sl_fleet_ref(fleet);
		pthread_mutex_unlock(&m->lock);
		sl_fleet_unref(old);
		sl_loop_wake(&all->items[i].worker.loop);
	}
}

void sl_threads_listen(struct sl_threads *all, struct sl_listener_set *sets)
{
	for (uint32_t i = 0; i < all->n; i++) {
		struct mailbox *m = &all->items[i].mailbox;

		pthread_mutex_lock(&m->lock);
		m->sets = realloc(m->sets, (m->n_sets + 1) * sizeof(*m->sets));
		if (!m->sets)
			abort();
		m->sets[m->n_sets++] = sets[i];
		pthread_mutex_unlock(&m->lock);
		sl_loop_wake(&all->items[i].worker.loop);
	}
}

void sl_threads_order(struct sl_threads *all, unsigned orders)
{
	for (uint32_t i = 0; i < all->n; i++) {
		struct mailbox *m = &all->items[i].mailbox;

		pthread_mutex_lock(&m->lock);
		m->orders |= orders;
		pthread_mutex_unlock(&m->lock);
		sl_loop_wake(&all->items[i].worker.loop);
	}
}

uint32_t sl_threads_count(const struct sl_threads *all)
{
	return all->n;
}

void sl_threads_row(const struct sl_threads *all, uint32_t i, struct sl_worker_row *out_row)
{
	const struct thread *t = &all->items[i];

	*out_row = (struct sl_worker_row){
		.live = (uint32_t)atomic_load_explicit(&t->worker.n_live, memory_order_relaxed),
		.connections = atomic_load_explicit(&t->n_sessions, memory_order_relaxed),
		.unspoken =
		        atomic_load_explicit(&t->worker.sessions.unspoken, memory_order_relaxed),
		.given = atomic_load_explicit(&t->n_given, memory_order_relaxed),
	};
}

/* ---- the thread ------------------------------------------------------ */

static void flush_access(void *arg)
{
	struct sl_worker *w = arg;

	sl_access_log_flush(w->access);
}

static void retry_waiting(void *arg)
{
	sl_plan_waiting_retry(arg);
}

static void *run(void *arg)
{
	struct thread *t = arg;
	struct sl_loop *loop = &t->worker.loop;

	t->worker.metrics = sl_metrics_thread();
	t->worker.sessions.metrics = t->worker.metrics;
	t->worker.upstreams =
	        sl_upstreams_new(loop, t->worker.metrics, sl_worker_report, &t->worker);
	while (!atomic_load_explicit(&loop->stop, memory_order_relaxed)) {
		sl_loop_turn(loop);
		publish_count(t);
	}
	return NULL;
}

/* Never 0. */
static uint64_t random_word(const void *someone)
{
	uint64_t word;

	if (getrandom(&word, sizeof(word), 0) < 0 || !word)
		word = 0x9e3779b97f4a7c15ull + (uintptr_t)someone;
	return word;
}

static void init_worker(struct thread *t, struct sl_threads *all, struct sl_fleet *fleet)
{
	struct sl_worker *w = &t->worker;

	if (sl_loop_init(&w->loop) != 0) {
		sl_error("cannot make an event loop: %s", strerror(errno));
		exit(1);
	}
	t->all = all;
	pthread_mutex_init(&t->mailbox.lock, NULL);
	w->loop.on_wake = on_wake;
	w->loop.wake_arg = t;
	w->budget = &all->budget;
	w->fleet = sl_fleet_ref(fleet);
	w->access = sl_access_log_new(fleet->config->access_log);
	sl_access_log_prompt_key(w->access, sl_span_str(fleet->config->access_log_prompt_key));
	w->refresh = refresh;
	w->waiting_timer = (struct sl_timer){ .fn = retry_waiting, .arg = w };
	w->waiting_task = (struct sl_task){ .fn = retry_waiting, .arg = w };
	w->access_task = (struct sl_task){ .fn = flush_access, .arg = w };
	w->sessions = (struct sl_sessions){ .loop = &w->loop,
		                            .config = fleet->config,
		                            .clients = all->clients,
		                            .hold = &all->budget.hold,
		                            .events = &sl_exchange_stream_events,
		                            .ctx = w };
	w->rng.state = random_word(w);
}

struct sl_threads *sl_threads_start(uint32_t n, struct sl_fleet *fleet,
                                    void (*on_health)(void *ctx, struct sl_endpoint *ep,
                                                      struct sl_metrics *metrics, uint64_t now_us),
                                    void *ctx)
{
	struct sl_threads *all = calloc(1, sizeof(*all));
	sigset_t every, before;

	if (!all)
		abort();
	all->n = n;
	all->clients = sl_clients_new();
	all->budget.tenant_seed = random_word(all);
	all->items = calloc(n, sizeof(*all->items));
	if (!all->items)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		init_worker(&all->items[i], all, fleet);
		all->items[i].worker.on_health = on_health;
		all->items[i].worker.health_ctx = ctx;
	}
	/* Signals are the control thread's. */
	sigfillset(&every);
	pthread_sigmask(SIG_BLOCK, &every, &before);
	for (uint32_t i = 0; i < n; i++) {
		if (pthread_create(&all->items[i].id, NULL, run, &all->items[i]) != 0) {
			sl_error("cannot start a worker thread");
			exit(1);
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return all;
}

/* Given to us when we had stopped. */
static void drop_handed(struct thread *t)
{
	while (t->mailbox.handed) {
		struct handed *h = t->mailbox.handed;

		t->mailbox.handed = h->next;
		close(h->fd);
		sl_tls_context_unref(h->kind.tls);
		free(h);
	}
}

static void fini_worker(struct thread *t)
{
	struct sl_worker *w = &t->worker;

	drop_handed(t);
	sl_sessions_close(&w->sessions);
	sl_worker_stop_releases(w);
	sl_upstreams_free(w->upstreams);
	sl_loop_fini(&w->loop);
	sl_sessions_fini(&w->sessions);
	sl_worker_trim(w);
	sl_access_log_flush(w->access);
	sl_access_log_free(w->access);
	sl_fleet_unref(t->mailbox.fleet);
	sl_fleet_unref(w->fleet);
	pthread_mutex_destroy(&t->mailbox.lock);
}

void sl_threads_join(struct sl_threads *all)
{
	for (uint32_t i = 0; i < all->n; i++)
		pthread_join(all->items[i].id, NULL);
	for (uint32_t i = 0; i < all->n; i++)
		fini_worker(&all->items[i]);
	free(all->items);
	sl_clients_free(all->clients);
	free(all);
}
