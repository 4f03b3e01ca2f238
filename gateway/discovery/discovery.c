/* discovery.c: see discovery.h and source.h.
 *
 * A source is known by what the configuration says of it, not by its pool: two
 * pools that say the same share one. */
#include "gateway/discovery/discovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/net/authority.h"
#include "gateway/telemetry/log.h"

struct sl_discovery {
	struct sl_loop *loop;
	struct sl_metrics *metrics;
	struct sl_resolver *resolver; /* owned */
	void (*on_found)(void *ctx);
	void *ctx;
	struct sl_source *sources; /* owned */
	struct sl_task found_task;
	int64_t said_s; /* what the metric of the last sync says */
};

static const struct sl_source_driver *const drivers[] = {
	[SL_DISCOVER_FILE] = &sl_file_driver,
	[SL_DISCOVER_DNS] = &sl_dns_driver,
	[SL_DISCOVER_SRV] = &sl_dns_driver,
	[SL_DISCOVER_KUBERNETES] = &sl_kube_driver,
};

/* ---- a source's configuration ---------------------------------------- */

/* Its strings, by their place. */
static const size_t texts[] = {
	offsetof(struct sl_discover_conf, target.name),
	offsetof(struct sl_discover_conf, api),
	offsetof(struct sl_discover_conf, api_token),
	offsetof(struct sl_discover_conf, api_ca),
	offsetof(struct sl_discover_conf, namespace_),
	offsetof(struct sl_discover_conf, service),
	offsetof(struct sl_discover_conf, inference_pool),
	offsetof(struct sl_discover_conf, selector),
	offsetof(struct sl_discover_conf, role_label),
	offsetof(struct sl_discover_conf, model_label),
	offsetof(struct sl_discover_conf, pair_label),
};

static char **text_of(struct sl_discover_conf *conf, size_t k)
{
	return (char **)(void *)((char *)conf + texts[k]);
}

static const char *text_in(const struct sl_discover_conf *conf, size_t k)
{
	return *(char *const *)(const void *)((const char *)conf + texts[k]);
}

static bool is_same(const struct sl_discover_conf *a, const struct sl_discover_conf *b)
{
	for (size_t k = 0; k < SL_COUNT(texts); k++)
		if (strcmp(text_in(a, k), text_in(b, k)) != 0)
			return false;
	return a->target.kind == b->target.kind && a->target.port == b->target.port &&
	       a->refresh_us == b->refresh_us && a->preset == b->preset && a->watch == b->watch &&
	       a->port == b->port && a->metrics_port == b->metrics_port;
}

static char *name_of(const struct sl_discover_conf *conf)
{
	static const char *const kinds[] = {
		[SL_DISCOVER_FILE] = "file:",
		[SL_DISCOVER_DNS] = "dns:",
		[SL_DISCOVER_SRV] = "srv:",
		[SL_DISCOVER_KUBERNETES] = "kubernetes:",
	};
	const char *what = conf->target.name;
	char *name;

	if (conf->target.kind == SL_DISCOVER_KUBERNETES)
		what = *conf->service          ? conf->service
		       : *conf->inference_pool ? conf->inference_pool
		       : *conf->selector       ? conf->selector
		                               : "*";
	if (asprintf(&name, "%s%s%s%s", kinds[conf->target.kind], conf->namespace_,
	             *conf->namespace_ ? "/" : "", what) < 0)
		abort();
	return name;
}

/* A host that the file names, of a server or an exporter: it is no source of engines,
 * and has no port of its own. */
static bool is_of_host(const struct sl_discover_conf *conf)
{
	return conf->target.kind == SL_DISCOVER_DNS && !conf->target.port;
}

/* ---- what a source says ---------------------------------------------- */

/* Of the source that has been silent longest; one that never spoke is told of by
 * its trouble. */
static void tell_sync(struct sl_discovery *d)
{
	uint64_t oldest_us = d->loop->now_us;
	struct timespec now;
	int64_t at_s;

	for (const struct sl_source *s = d->sources; s; s = s->next)
		if (s->synced_us && s->synced_us < oldest_us)
			oldest_us = s->synced_us;
	clock_gettime(CLOCK_REALTIME, &now);
	at_s = now.tv_sec - (int64_t)((d->loop->now_us - oldest_us) / 1000000u);
	sl_metric_add(d->metrics, SL_M_DISCOVERY_LAST_SYNC, at_s - d->said_s);
	d->said_s = at_s;
}

static void tell_engines(void *arg)
{
	struct sl_source *s = arg;

	if (s->told_us && s->told_n == s->set->n)
		return;
	s->told_us = s->loop->now_us;
	s->told_n = s->set->n;
	if (is_of_host(&s->conf))
		sl_debug("%s: %u addresses", s->name, s->told_n);
	else
		sl_info("%s: %u engine%s", s->name, s->told_n, s->told_n == 1 ? "" : "s");
}

static void tell_engines_soon(struct sl_source *s)
{
	uint64_t since_us = s->loop->now_us - s->told_us;

	if (!s->told_us || since_us >= SL_SOURCE_TELL_US)
		tell_engines(s);
	else if (!sl_timer_armed(&s->tell_timer))
		sl_timer_arm(s->loop, &s->tell_timer, SL_SOURCE_TELL_US - since_us);
}

void sl_source_found(struct sl_source *s, struct sl_server_set *set_take)
{
	bool news = !s->set || !sl_server_set_equal(s->set, set_take);

	s->synced_us = s->loop->now_us;
	tell_sync(s->discovery);
	if (!news) {
		sl_server_set_unref(set_take);
		return;
	}
	sl_server_set_unref(s->set);
	s->set = set_take;
	tell_engines_soon(s);
	sl_loop_defer(s->loop, &s->discovery->found_task);
}

/* The source's name says it already; of several files, or names, one is told. */
static const char *without_name(const struct sl_source *s, const char *reason)
{
	const char *name = s->conf.target.name;
	size_t len = strlen(name);

	return len && !strncmp(reason, name, len) && !strncmp(reason + len, ": ", 2)
	               ? reason + len + 2
	               : reason;
}

void sl_source_trouble(struct sl_source *s, const char *reason)
{
	bool same;

	if (reason)
		reason = without_name(s, reason);
	same = reason ? s->trouble && !strcmp(s->trouble, reason) : !s->trouble;

	if (same)
		return;
	if (reason)
		sl_warn("%s: %s%s", s->name, reason,
		        s->set && s->set->n ? "; the engines that were found stay" : "");
	else
		sl_info("%s: all is well again", s->name);
	free(s->trouble);
	s->trouble = reason ? strdup(reason) : NULL;
}

void sl_source_init(struct sl_source *s, struct sl_discovery *d)
{
	s->discovery = d;
	s->loop = d->loop;
	s->metrics = d->metrics;
	s->resolver = d->resolver;
	s->tell_timer = (struct sl_timer){ .fn = tell_engines, .arg = s };
}

/* ---- sources --------------------------------------------------------- */

static struct sl_source *find(struct sl_discovery *d, const struct sl_discover_conf *conf)
{
	struct sl_source *s = d->sources;

	while (s && !is_same(&s->conf, conf))
		s = s->next;
	return s;
}

static void source_open(struct sl_discovery *d, const struct sl_discover_conf *conf)
{
	struct sl_source *s = calloc(1, sizeof(*s)), **end = &d->sources;

	if (!s)
		abort();
	while (*end) /* they are shown in the configuration's order */
		end = &(*end)->next;
	sl_source_init(s, d);
	s->conf = *conf;
	for (size_t k = 0; k < SL_COUNT(texts); k++)
		*text_of(&s->conf, k) = strdup(text_in(conf, k));
	s->name = name_of(conf);
	s->wanted = true;
	s->driver = drivers[conf->target.kind];
	*end = s;
	s->state = s->driver->open(s);
}

static void source_close(struct sl_source *s)
{
	s->driver->close(s->state);
	sl_timer_disarm(s->loop, &s->tell_timer);
	sl_server_set_unref(s->set);
	for (size_t k = 0; k < SL_COUNT(texts); k++)
		free(*text_of(&s->conf, k));
	free(s->name);
	free(s->trouble);
	free(s);
}

/* ---- all of them ----------------------------------------------------- */

static void say_found(void *arg)
{
	struct sl_discovery *d = arg;

	d->on_found(d->ctx);
}

struct sl_discovery *sl_discovery_new(struct sl_loop *loop, struct sl_metrics *metrics,
                                      void (*on_found)(void *ctx), void *ctx)
{
	struct sl_discovery *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	d->loop = loop;
	d->metrics = metrics;
	d->resolver = sl_resolver_new(loop);
	d->on_found = on_found;
	d->ctx = ctx;
	d->found_task = (struct sl_task){ .fn = say_found, .arg = d };
	return d;
}

void sl_discovery_free(struct sl_discovery *d)
{
	sl_loop_undefer(d->loop, &d->found_task);
	while (d->sources) {
		struct sl_source *s = d->sources;

		d->sources = s->next;
		source_close(s);
	}
	sl_resolver_free(d->resolver);
	free(d);
}

static void end_unwanted(struct sl_discovery *d)
{
	struct sl_source **at = &d->sources;

	while (*at) {
		struct sl_source *s = *at;

		if (s->wanted) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		source_close(s);
	}
}

/* A host that stands in the file as a name is a source too: of its addresses. */
#define HOST_REFRESH_US UINT64_C(300000000)

static struct sl_discover_conf conf_of_host(char *host)
{
	static char none[] = "";
	struct sl_discover_conf conf = {
		.target = { SL_DISCOVER_DNS, host, 0 },
		.refresh_us = HOST_REFRESH_US,
	};

	for (size_t k = 0; k < SL_COUNT(texts); k++)
		if (!*text_of(&conf, k))
			*text_of(&conf, k) = none;
	return conf;
}

static void want_source(struct sl_discovery *d, const struct sl_discover_conf *conf)
{
	struct sl_source *s = find(d, conf);

	if (s)
		s->wanted = true;
	else
		source_open(d, conf);
}

static void want_hosts(struct sl_discovery *d, const struct sl_pool_conf *pool)
{
	for (uint32_t k = 0; k < pool->n_servers; k++) {
		struct sl_discover_conf conf = conf_of_host(pool->servers[k].addr.host);

		if (sl_host_is_name(conf.target.name))
			want_source(d, &conf);
	}
}

/* http://HOST:PORT/PATH; a host with {host} or {node} in it is an engine's. */
static void want_exporter(struct sl_discovery *d, const char *url)
{
	const char *start = url ? strstr(url, "://") : NULL;
	char host[SL_DNS_NAME_MAX];
	struct sl_discover_conf conf;
	uint16_t port;

	if (!start || !sl_authority_split(sl_span(start + 3, strcspn(start + 3, "/")), host,
	                                  sizeof(host), &port))
		return;
	conf = conf_of_host(host);
	if (!strchr(host, '{') && sl_host_is_name(host))
		want_source(d, &conf);
}

static void want_exporters(struct sl_discovery *d, const struct sl_config *config)
{
	want_exporter(d, config->gpu_metrics);
	for (uint32_t i = 0; i < config->n_clusters; i++)
		want_exporter(d, config->clusters[i].gpu_metrics);
	for (uint32_t i = 0; i < config->n_pools; i++)
		want_exporter(d, config->pools[i].gpu_metrics);
}

void sl_discovery_apply(struct sl_discovery *d, const struct sl_config *config)
{
	sl_resolver_set_servers(d->resolver, config->resolvers, config->n_resolvers);
	for (struct sl_source *s = d->sources; s; s = s->next)
		s->wanted = false;
	for (uint32_t i = 0; i < config->n_pools; i++) {
		for (uint32_t k = 0; k < config->pools[i].n_discovers; k++)
			want_source(d, &config->pools[i].discovers[k]);
		want_hosts(d, &config->pools[i]);
	}
	want_exporters(d, config);
	end_unwanted(d);
}

struct sl_server_set *sl_discovery_find(struct sl_discovery *d, const struct sl_discover_conf *conf)
{
	struct sl_source *s = find(d, conf);

	return s ? s->set : NULL;
}

struct sl_server_set *sl_discovery_find_host(struct sl_discovery *d, char *host)
{
	struct sl_discover_conf conf = conf_of_host(host);

	return sl_discovery_find(d, &conf);
}

uint32_t sl_discovery_view(struct sl_discovery *d, struct sl_source_view *out, uint32_t max)
{
	uint32_t n = 0;

	for (struct sl_source *s = d->sources; s; s = s->next) {
		if (n < max)
			out[n] = (struct sl_source_view){
				.name = s->name,
				.trouble = s->trouble,
				.synced_ms =
				        s->synced_us
				                ? (int64_t)((s->loop->now_us - s->synced_us) / 1000)
				                : -1,
				.engines = s->set ? s->set->n : 0,
			};
		n++;
	}
	return n;
}
