/* control.c: see control.h.
 *
 *   SIGHUP          read the configuration again
 *   SIGTERM SIGINT  graceful end: no new connections, GOAWAY, wait for what is
 *   SIGQUIT         in flight, at the deadline close the rest; twice: at once
 *   SIGUSR1         open the access log again after a rotation */
#include "gateway/control/control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/config/config.h"
#include "gateway/control/exporters.h"
#include "gateway/control/listeners.h"
#include "gateway/control/prober.h"
#include "gateway/control/registry.h"
#include "gateway/control/thread.h"
#include "gateway/control/trim.h"
#include "gateway/control/vigil.h"
#include "gateway/replica/replica.h"
#include "gateway/telemetry/log.h"

#define MAX_WORKERS 256 /* as directives.def allows */
#define LOOK_US 1000000u
#define MAX_SOURCES 256 /* that /fleet shows */
#define MAX_NAMED 20u   /* engines that the log names when many go at once */

enum phase { PHASE_RUN, PHASE_NOTICE, PHASE_FINAL };

struct control {
	struct sl_loop loop;
	const char *path;
	struct sl_config *config; /* ref, the effective one */
	struct sl_registry *registry;
	struct sl_prober *prober;
	struct sl_exporters *exporters;
	struct sl_discovery *discovery;
	struct sl_threads *threads;
	struct sl_listeners *listeners;
	struct sl_replica *replica; /* NULL: no redis configured */
	struct sl_admin *admin;     /* NULL: off */
	struct sl_metrics *metrics;
	struct event signals[5];
	struct sl_trim trim;
	struct sl_vigil *vigil;      /* owned */
	struct sl_timer look_timer;  /* for slow engines */
	struct sl_timer phase_timer; /* shutdown */
	struct sl_task fleet_task;   /* a new fleet at the end of the turn */
	enum phase phase;
	uint64_t deadline_us;
};

/* ---- the fleet ------------------------------------------------------- */

static void publish(void *arg)
{
	struct control *c = arg;
	struct sl_fleet *fleet = sl_registry_fleet(c->registry);

	sl_threads_publish(c->threads, fleet);
	if (c->replica)
		sl_replica_set_fleet(c->replica, fleet);
	sl_fleet_unref(fleet);
}

/* Every change of an engine's health, from any thread. The router knows. */
static void tell_health(struct control *c, struct sl_endpoint *ep, struct sl_metrics *metrics)
{
	if (sl_vigil_tell(c->vigil, ep, metrics))
		sl_threads_order(c->threads, SL_ORDER_RESCUE);
}

/* From a probe, on this thread. */
static void on_probe_health(void *ctx, struct sl_endpoint *ep)
{
	struct control *c = ctx;

	tell_health(c, ep, c->metrics);
}

/* From live traffic, on a worker's thread: the router must know at once. */
static void on_traffic_health(void *ctx, struct sl_endpoint *ep, struct sl_metrics *metrics,
                              uint64_t now_us)
{
	sl_prober_apply_health(ep, now_us);
	tell_health(ctx, ep, metrics);
}

/* From a comparison with the others of its pool, or another gateway. */
static void on_own_health(void *ctx, struct sl_endpoint *ep)
{
	struct control *c = ctx;

	on_traffic_health(c, ep, c->metrics, c->loop.now_us);
}

static void on_look(void *arg)
{
	struct control *c = arg;

	sl_vigil_look(c->registry, c->loop.now_us, on_own_health, c);
	sl_timer_arm(&c->loop, &c->look_timer, LOOK_US);
}

static void on_models(void *ctx)
{
	struct control *c = ctx;

	sl_loop_defer(&c->loop, &c->fleet_task);
}

static const struct sl_prober_events prober_events = { on_probe_health, on_models };

/* ---- other gateways -------------------------------------------------- */

static struct sl_engine *find_engine(struct control *c, const struct sl_endpoint *ep)
{
	struct sl_engine *e = sl_registry_engines(c->registry);

	while (e && e->ep != ep)
		e = e->next;
	return e;
}

/* Another gateway's word takes an engine out only until our own probe. */
static void on_peer_ejected(void *ctx, struct sl_endpoint *ep)
{
	struct control *c = ctx;
	struct sl_engine *engine = find_engine(c, ep);
	uint64_t now = c->loop.now_us;
	bool changed;

	if (!engine)
		return;
	pthread_mutex_lock(&ep->judge_lock);
	changed = sl_judge_suspect(&ep->judge, now);
	atomic_store(&ep->health, (int)ep->judge.health);
	pthread_mutex_unlock(&ep->judge_lock);
	if (!changed)
		return;
	on_own_health(c, ep);
	sl_prober_hurry(c->prober, engine);
}

static const struct sl_replica_events replica_events = { on_peer_ejected };

static bool same_redis(const struct sl_redis_conf *a, const struct sl_redis_conf *b)
{
	if (!a || !b)
		return a == b;
	return a->url.addr.port == b->url.addr.port && a->url.db == b->url.db &&
	       !strcmp(a->url.addr.host, b->url.addr.host) && !strcmp(a->user, b->user) &&
	       !strcmp(a->password, b->password) && !strcmp(a->prefix, b->prefix) &&
	       a->publish_interval_us == b->publish_interval_us && a->expiry_us == b->expiry_us &&
	       a->connect_timeout_us == b->connect_timeout_us &&
	       a->reply_timeout_us == b->reply_timeout_us;
}

/* The next publish() gives it the fleet. */
static void start_replica(struct control *c, struct sl_config *config)
{
	if (config->redis)
		c->replica = sl_replica_new(&c->loop, c->metrics, config, &replica_events, c);
}

static void change_replica(struct control *c, struct sl_config *config)
{
	if (same_redis(c->config->redis, config->redis))
		return;
	sl_replica_free(c->replica);
	c->replica = NULL;
	start_replica(c, config);
}

static void probe_newcomers(struct control *c)
{
	for (struct sl_engine *e = sl_registry_engines(c->registry); e; e = e->next)
		if (!e->probe)
			sl_prober_add(c->prober, e);
}

/* A whole fleet may go at once. */
static void forget_removed(struct control *c)
{
	struct sl_engine *e = sl_registry_take_removed(c->registry);
	uint32_t n = 0;

	while (e) {
		struct sl_engine *next = e->next;

		sl_prober_del(c->prober, e);
		if (++n <= MAX_NAMED)
			sl_info("engine %s was removed", e->ep->name);
		sl_engine_free(e);
		e = next;
	}
	if (n > MAX_NAMED)
		sl_info("and %u more engines were removed", n - MAX_NAMED);
}

/* ---- engines that come and go ---------------------------------------- */

static bool reconcile(struct control *c, struct sl_config *config, char *error, size_t size)
{
	return sl_registry_reconcile(c->registry, config, c->discovery, c->loop.now_us, error,
	                             size) == 0;
}

/* The fleet is what the registry now says. */
static void adopt(struct control *c)
{
	publish(c);
	sl_exporters_apply(c->exporters, c->config, sl_registry_engines(c->registry));
	forget_removed(c);
	probe_newcomers(c);
}

/* A source found other engines than before. */
static void on_found(void *ctx)
{
	struct control *c = ctx;
	char error[512] = "";

	if (!reconcile(c, c->config, error, sizeof(error)))
		sl_error("what was found is not used: %s", error);
	else
		adopt(c);
}

/* ---- reload ---------------------------------------------------------- */

static void apply_log_level(const struct sl_config *config)
{
	enum sl_log_level level;

	if (sl_log_level_parse(config->log_level, &level))
		sl_log_set_level(level);
}

static struct sl_config *load(struct control *c)
{
	struct sl_config_errors errors;
	struct sl_config *config = sl_config_load(c->path, &errors);

	if (!config)
		sl_error("configuration not reloaded, the old one stays:\n%s", errors.text);
	sl_config_errors_fini(&errors);
	return config;
}

static bool apply(struct control *c, struct sl_config *config)
{
	char error[512] = "";
	char names[512];

	if (sl_listeners_prepare(c->listeners, config, error, sizeof(error)) != 0 ||
	    !reconcile(c, config, error, sizeof(error))) {
		sl_listeners_abandon(c->listeners);
		sl_error("configuration not reloaded, the old one stays: %s", error);
		return false;
	}
	if (sl_config_restart_needed(c->config, config, names, sizeof(names)))
		sl_warn("these directives take effect after a restart: %s", names);
	apply_log_level(config);
	change_replica(c, config);
	sl_config_unref(c->config);
	c->config = config;
	sl_discovery_apply(c->discovery, config);
	adopt(c);
	sl_listeners_commit(c->listeners, c->threads);
	return true;
}

static bool reload(struct control *c)
{
	struct sl_config *config = c->phase == PHASE_RUN ? load(c) : NULL;
	bool ok = config && apply(c, config);

	if (config && !ok)
		sl_config_unref(config);
	sl_metric_add(c->metrics, ok ? SL_M_RELOADS : SL_M_RELOAD_FAILURES, 1);
	if (ok)
		sl_info("configuration reloaded from %s", c->path);
	return ok;
}

/* ---- shutdown -------------------------------------------------------- */

static void stop_now(struct control *c)
{
	sl_threads_order(c->threads, SL_ORDER_CLOSE);
	sl_loop_stop(&c->loop);
}

static void on_phase(void *arg)
{
	struct control *c = arg;
	uint64_t now = c->loop.now_us;

	if (sl_threads_sessions(c->threads) == 0 || now >= c->deadline_us) {
		stop_now(c);
		return;
	}
	if (c->phase == PHASE_NOTICE) {
		c->phase = PHASE_FINAL;
		sl_threads_order(c->threads, SL_ORDER_FINAL);
	}
	sl_timer_arm(&c->loop, &c->phase_timer, 20000);
}

static void begin_shutdown(struct control *c)
{
	if (c->phase != PHASE_RUN) {
		sl_info("stopping at once");
		stop_now(c);
		return;
	}
	sl_info("stopping: waiting for %u connections", sl_threads_sessions(c->threads));
	c->phase = PHASE_NOTICE;
	c->deadline_us = c->loop.now_us + c->config->shutdown_timeout_us;
	sl_threads_order(c->threads, SL_ORDER_DRAIN);
	sl_timer_arm(&c->loop, &c->phase_timer, c->config->shutdown_notice_us);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct control *c = arg;

	(void)what;
	sl_loop_refresh(&c->loop);
	if (number == SIGHUP)
		reload(c);
	else if (number == SIGUSR1)
		sl_threads_order(c->threads, SL_ORDER_REOPEN);
	else
		begin_shutdown(c);
}

/* ---- admin pages ----------------------------------------------------- */

static int page_livez(void *ctx, FILE *out)
{
	(void)ctx;
	fputs("ok\n", out);
	return 200;
}

static int page_readyz(void *ctx, FILE *out)
{
	struct control *c = ctx;

	if (c->phase != PHASE_RUN) {
		fputs("shutting down\n", out);
		return 503;
	}
	if (!sl_registry_ready(c->registry)) {
		fputs("no healthy engine serves a model\n", out);
		return 503;
	}
	fputs("ok\n", out);
	return 200;
}

static uint32_t worker_rows(struct control *c, struct sl_worker_row *out_rows)
{
	uint32_t n = sl_threads_count(c->threads);

	for (uint32_t i = 0; i < n; i++)
		sl_threads_row(c->threads, i, &out_rows[i]);
	return n;
}

static uint32_t source_rows(struct control *c, struct sl_fleet_source *out_rows)
{
	struct sl_source_view views[MAX_SOURCES];
	uint32_t n = sl_discovery_view(c->discovery, views, MAX_SOURCES);

	if (n > MAX_SOURCES)
		n = MAX_SOURCES;
	for (uint32_t i = 0; i < n; i++)
		out_rows[i] = (struct sl_fleet_source){ views[i].name, views[i].trouble,
			                                views[i].synced_ms, views[i].engines };
	return n;
}

static int page_metrics(void *ctx, FILE *out)
{
	struct control *c = ctx;
	struct sl_fleet_row *rows;
	struct sl_worker_row workers[MAX_WORKERS];
	uint32_t n = sl_registry_rows(c->registry, sl_loop_refresh(&c->loop), &rows);

	sl_metrics_write(out);
	sl_fleet_metrics_write(out, rows, n);
	n = worker_rows(c, workers);
	sl_worker_metrics_write(out, workers, n);
	return 200;
}

static int page_fleet(void *ctx, FILE *out)
{
	struct control *c = ctx;
	struct sl_fleet_row *rows;
	struct sl_fleet_model models[256];
	struct sl_worker_row workers[MAX_WORKERS];
	struct sl_fleet_source sources[MAX_SOURCES];
	struct sl_replica_view replica = { 0 };
	struct sl_fleet_redis redis;
	uint32_t n = sl_registry_rows(c->registry, sl_loop_refresh(&c->loop), &rows);
	uint32_t n_models = sl_registry_models(c->registry, models, (uint32_t)SL_COUNT(models));
	struct sl_fleet_page page = { .version = SLUICE_VERSION,
		                      .rows = rows,
		                      .n_rows = n,
		                      .models = models,
		                      .n_models = n_models,
		                      .workers = workers,
		                      .n_workers = worker_rows(c, workers),
		                      .sources = sources,
		                      .n_sources = source_rows(c, sources) };

	sl_exporters_view(c->exporters, c->loop.now_us, &page.gpus);
	page.n_events = sl_vigil_events(c->vigil, &page.events);
	if (c->replica) {
		sl_replica_view(c->replica, &replica);
		redis = (struct sl_fleet_redis){ replica.url,    replica.connected,
			                         replica.reason, replica.since_ms,
			                         replica.peers,  replica.heard_ms };
		page.redis = &redis;
	}
	sl_fleet_write(out, &page);
	return 200;
}

static int page_reload(void *ctx, FILE *out)
{
	bool ok = reload(ctx);

	fputs(ok ? "{\"reloaded\":true}\n"
	         : "{\"reloaded\":false,\"message\":\"see the gateway's log\"}\n",
	      out);
	return ok ? 200 : 422;
}

static const struct sl_admin_page pages[] = {
	{ "GET", "/livez", "text/plain", page_livez },
	{ "GET", "/readyz", "text/plain", page_readyz },
	{ "GET", "/metrics", "text/plain; version=0.0.4; charset=utf-8", page_metrics },
	{ "GET", "/fleet", "application/json", page_fleet },
	{ "POST", "/reload", "application/json", page_reload },
	{ NULL, NULL, NULL, NULL },
};

static bool open_admin(struct control *c)
{
	const struct sl_addr_conf *conf = &c->config->admin;
	struct sl_sockaddr addr;

	if (conf->port == 0)
		return true;
	if (sl_sockaddr_resolve(conf->host, conf->port, &addr) == 0)
		c->admin = sl_admin_open(c->loop.base, (const struct sockaddr *)&addr.ss, addr.len,
		                         pages, c);
	if (!c->admin)
		sl_error("admin %s:%u: %s", conf->host, conf->port, strerror(errno));
	return c->admin != NULL;
}

/* ---- start and end --------------------------------------------------- */

static void watch_signals(struct control *c)
{
	static const int numbers[] = { SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1 };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < SL_COUNT(numbers); i++) {
		evsignal_assign(&c->signals[i], c->loop.base, numbers[i], on_signal, c);
		event_add(&c->signals[i], NULL);
	}
}

/* As many descriptors as we may have: two per live request. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static bool start(struct control *c)
{
	char error[512] = "";
	struct sl_fleet *fleet;

	c->registry = sl_registry_new();
	c->vigil = sl_vigil_new();
	c->discovery = sl_discovery_new(&c->loop, c->metrics, on_found, c);
	c->listeners = sl_listeners_new(c->config->worker_threads);
	if (sl_listeners_prepare(c->listeners, c->config, error, sizeof(error)) != 0 ||
	    !reconcile(c, c->config, error, sizeof(error))) {
		sl_error("%s", error);
		return false;
	}
	if (!open_admin(c))
		return false;
	fleet = sl_registry_fleet(c->registry);
	start_replica(c, c->config);
	if (c->replica)
		sl_replica_set_fleet(c->replica, fleet);
	c->threads = sl_threads_start(c->config->worker_threads, fleet, on_traffic_health, c);
	sl_fleet_unref(fleet);
	c->prober = sl_prober_new(&c->loop, c->metrics, &prober_events, c);
	probe_newcomers(c);
	c->exporters = sl_exporters_new(&c->loop, c->metrics, c->discovery);
	sl_exporters_apply(c->exporters, c->config, sl_registry_engines(c->registry));
	sl_timer_arm(&c->loop, &c->look_timer, LOOK_US);
	sl_discovery_apply(c->discovery, c->config);
	sl_listeners_commit(c->listeners, c->threads);
	return true;
}

static void stop(struct control *c)
{
	sl_threads_join(c->threads);
	sl_timer_disarm(&c->loop, &c->look_timer);
	sl_replica_free(c->replica);
	sl_exporters_free(c->exporters);
	for (struct sl_engine *e = sl_registry_engines(c->registry); e; e = e->next)
		sl_prober_del(c->prober, e);
	sl_prober_free(c->prober);
	if (c->admin)
		sl_admin_close(c->admin);
}

int sl_control_run(const char *path, struct sl_config *config_take)
{
	struct control *c = calloc(1, sizeof(*c));
	bool started;

	if (!c || sl_loop_init(&c->loop) != 0)
		abort();
	c->path = path;
	c->config = config_take;
	c->metrics = sl_metrics_thread();
	c->phase_timer = (struct sl_timer){ .fn = on_phase, .arg = c };
	c->look_timer = (struct sl_timer){ .fn = on_look, .arg = c };
	c->fleet_task = (struct sl_task){ .fn = publish, .arg = c };
	apply_log_level(c->config);
	raise_descriptor_limit();
	watch_signals(c);
	started = start(c);
	if (started) {
		sl_info("sluice %s is listening with %u workers", SLUICE_VERSION,
		        c->config->worker_threads);
		sl_trim_start(&c->trim, &c->loop);
		sl_loop_run(&c->loop);
		sl_trim_stop(&c->trim);
		stop(c);
		sl_info("stopped");
	}
	for (size_t i = 0; i < SL_COUNT(c->signals); i++)
		event_del(&c->signals[i]);
	sl_discovery_free(c->discovery);
	sl_loop_fini(&c->loop);
	sl_listeners_free(c->listeners);
	sl_registry_free(c->registry);
	sl_vigil_free(c->vigil);
	sl_config_unref(c->config);
	free(c);
	return started ? 0 : 1;
}
