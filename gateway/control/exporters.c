/* exporters.c: see exporters.h.
 *
 * Nouns: a user is an engine in service, to the exporter of its GPUs. Users
 * are sorted by exporter, so that those of one lie together for the match.
 *
 * Invariants: an exporter is asked once, however many engines it tells of. What
 * an engine's router was told is in the engine's endpoint; only a change is
 * told, logged and applied. Engines that are removed are not spoken of. */
#include "gateway/control/exporters.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/config/config.h"
#include "gateway/control/exporter.h"
#include "gateway/control/exporter_url.h"
#include "gateway/control/prober.h"
#include "gateway/control/zalloc.h"
#include "gateway/telemetry/log.h"

#define BUCKETS 256

struct user {
	struct sl_endpoint *ep;              /* ref */
	struct sl_exporter *exporter;        /* NULL: nobody tells of its GPUs */
	uint32_t pool;                       /* its index in the configuration */
	const struct sl_server_conf *server; /* into the configuration, or the set */
	struct sl_server_set *set;           /* ref, or NULL */
};

struct sl_exporters {
	struct sl_exporter_rig rig;
	struct sl_discovery *discovery;       /* borrowed: where names are */
	struct sl_config *config;             /* ref */
	struct sl_exporter *exporters;        /* owned */
	struct sl_exporter *buckets[BUCKETS]; /* the same, by key */
	struct sl_endpoint **by_id; /* refs: an id is given again when only ours is left */
	uint32_t n_ids;
	struct user *users;          /* owned; by exporter */
	struct sl_gpu_user *matched; /* owned; of each user, the pool's cap applied */
	uint32_t n_users;
	bool *failed;                        /* owned; of each user: before the cap */
	struct sl_gpu_user **scratch;        /* owned */
	int64_t counted[SL_GPU_STATE_COUNT]; /* GPUs, as the metrics show them */
	int64_t counted_silent;
	struct sl_fleet_gpu *rows; /* owned; for the view */
	struct sl_fleet_exporter *exporter_rows;
	uint32_t n_rows, n_exporter_rows;
};

/* ---- what follows for an engine ---------------------------------------- */

static void write_reason(const struct sl_gpu_user *u, bool capped, char *out, size_t size)
{
	if (u->state == SL_GPU_STATE_HEALTHY)
		snprintf(out, size, "%s", "");
	else
		snprintf(out, size, "GPU %s: %s%s", u->worst->last.key, u->worst->reason,
		         capped ? "; not taken out, too many of its pool are" : "");
}

static void say(const struct sl_endpoint *ep, enum sl_gpu_state state)
{
	static const char *const then[] = {
		[SL_GPU_STATE_HEALTHY] = "healthy again",
		[SL_GPU_STATE_DEGRADED] = "degraded",
		[SL_GPU_STATE_FAILED] = "failed, no new requests go there",
	};

	sl_log(state == SL_GPU_STATE_HEALTHY ? SL_LOG_INFO : SL_LOG_WARN,
	       "engine %s: GPUs %s%s%s%s", ep->name, then[state], *ep->gpus.reason ? " (" : "",
	       ep->gpus.reason, *ep->gpus.reason ? ")" : "");
}

static void derate(struct sl_endpoint *ep, double factor)
{
	ep->gpus.derate = factor;
	sl_domain_lock(ep->domain);
	sl_router_endpoint_derate(ep->domain->router, ep->slot, factor);
	sl_domain_unlock(ep->domain);
}

static void tell(struct sl_exporters *all, struct sl_endpoint *ep, const struct sl_gpu_user *u,
                 bool capped)
{
	enum sl_gpu_state before = (enum sl_gpu_state)atomic_load(&ep->gpus.state);

	if (atomic_load(&ep->removed))
		return;
	ep->gpus.n = u->n_gpus;
	if (before == SL_GPU_STATE_HEALTHY && u->state == before && ep->gpus.derate == u->derate)
		return; /* nearly always */
	write_reason(u, capped, ep->gpus.reason, sizeof(ep->gpus.reason));
	if (ep->gpus.derate != u->derate)
		derate(ep, u->derate);
	if (before == u->state)
		return;
	atomic_store(&ep->gpus.state, (int)u->state);
	sl_prober_apply_health(ep, all->rig.loop->now_us);
	say(ep, u->state);
}

/* ---- pools -------------------------------------------------------------- */

static void cap_pool(struct sl_exporters *all, uint32_t pool)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < all->n_users; i++)
		if (all->users[i].pool == pool)
			all->scratch[n++] = &all->matched[i];
	sl_gpu_cap(all->scratch, n, all->config->gpu_max_out);
}

/* A user's state before the cap is all that decides about the cap anew. */
static void settle(struct sl_exporters *all)
{
	bool *seen = zalloc(all->config->n_pools, sizeof(*seen));

	for (uint32_t i = 0; i < all->n_users; i++)
		if (all->failed[i])
			all->matched[i].state = SL_GPU_STATE_FAILED;
	for (uint32_t i = 0; i < all->n_users; i++) {
		if (all->failed[i] && !seen[all->users[i].pool])
			cap_pool(all, all->users[i].pool);
		if (all->failed[i])
			seen[all->users[i].pool] = true;
	}
	free(seen);
	for (uint32_t i = 0; i < all->n_users; i++)
		tell(all, all->users[i].ep, &all->matched[i],
		     all->failed[i] && all->matched[i].state != SL_GPU_STATE_FAILED);
}

/* ---- one exporter's users ------------------------------------------------ */

/* First and one past the last of its users. */
static void range_of(const struct sl_exporters *all, const struct sl_exporter *x,
                     uint32_t *out_from, uint32_t *out_to)
{
	uint32_t from = 0, to;

	while (from < all->n_users && all->users[from].exporter != x)
		from++;
	for (to = from; to < all->n_users && all->users[to].exporter == x;)
		to++;
	*out_from = from;
	*out_to = to;
}

static void match(struct sl_exporters *all, struct sl_exporter *x)
{
	uint32_t from, to, n;
	const struct sl_gpu *gpus = sl_gpu_book_list(x->book, &n);

	range_of(all, x, &from, &to);
	sl_gpu_match(gpus, n, &all->matched[from], to - from);
	for (uint32_t i = from; i < to; i++) {
		all->failed[i] = all->matched[i].state == SL_GPU_STATE_FAILED;
		if (x->stale)
			all->matched[i].derate = 1;
	}
}

static void count_gpus(struct sl_exporters *all)
{
	int64_t now[SL_GPU_STATE_COUNT] = { 0 }, silent = 0;

	for (const struct sl_exporter *x = all->exporters; x; x = x->next) {
		uint32_t n;
		const struct sl_gpu *gpus = sl_gpu_book_list(x->book, &n);

		silent += x->trouble != NULL;
		for (uint32_t i = 0; i < n; i++)
			now[sl_gpu_state_of(gpus[i].class_, 1)]++;
	}
	for (unsigned i = 0; i < SL_GPU_STATE_COUNT; i++)
		sl_metric_add_at(all->rig.metrics, SL_M_GPUS, i, now[i] - all->counted[i]);
	sl_metric_add(all->rig.metrics, SL_M_GPU_EXPORTERS_SILENT, silent - all->counted_silent);
	memcpy(all->counted, now, sizeof(now));
	all->counted_silent = silent;
}

static void on_page(void *ctx, struct sl_exporter *x)
{
	struct sl_exporters *all = ctx;

	match(all, x);
	settle(all);
	count_gpus(all);
}

static void on_trouble(void *ctx, struct sl_exporter *x)
{
	struct sl_exporters *all = ctx;

	match(all, x);
	settle(all);
	count_gpus(all);
}

static void on_news(void *ctx, struct sl_exporter *x, const struct sl_gpu_news *news)
{
	struct sl_exporters *all = ctx;
	const struct sl_gpu *g = news->gpu;
	const char *host = *g->last.host ? g->last.host : x->url;

	if (news->cause == SL_GPU_CAUSE_NONE) {
		sl_info("GPU %s of %s: XID %u (%s) was there before it was first asked, and is not "
		        "acted on",
		        g->last.key, host, news->xid, sl_gpu_xid_text(news->xid));
		return;
	}
	sl_metric_add_at(all->rig.metrics, SL_M_GPU_CHANGES, news->cause, 1);
	if (news->before == g->class_)
		sl_info("GPU %s of %s: XID %u (%s) is left to the engine's own health", g->last.key,
		        host, news->xid, sl_gpu_xid_text(news->xid));
	else if (g->class_ == SL_GPU_IGNORE)
		sl_info("GPU %s of %s is %s", g->last.key, host,
		        g->present ? "healthy again" : "away for so long that it is forgotten");
	else
		sl_warn("GPU %s of %s is %s: %s", g->last.key, host, sl_gpu_class_name(g->class_),
		        g->reason);
}

static const struct sl_exporter_events events = { on_page, on_news, on_trouble };

/* ---- which there are ------------------------------------------------------ */

static uint32_t take_id(struct sl_exporters *all)
{
	for (uint32_t i = 0; i < all->n_ids; i++) {
		if (atomic_load(&all->by_id[i]->refs) == 1) {
			sl_endpoint_unref(all->by_id[i]);
			return i;
		}
	}
	all->by_id = realloc(all->by_id, (all->n_ids + 1) * sizeof(struct sl_endpoint *));
	if (!all->by_id)
		abort(); /* as many as there were exporters at once */
	return all->n_ids++;
}

/* Names are those in the configuration's own words, which discovery follows: what
 * a source calls a node is not looked up for it. */
static bool find_address(struct sl_exporters *all, struct sl_exporter_url *url,
                         struct sl_sockaddr *out_addr)
{
	const struct sl_server_set *addresses;

	if (!sl_host_is_name(url->host))
		return sl_sockaddr_numeric(url->host, url->port, out_addr) == 0;
	addresses = sl_discovery_find_host(all->discovery, url->host);
	return addresses && addresses->n &&
	       sl_sockaddr_numeric(addresses->servers[0].addr.host, url->port, out_addr) == 0;
}

/* NULL: the exporter is where it was, or nowhere. */
static struct sl_endpoint *make_endpoint(struct sl_exporters *all, struct sl_exporter_url *url,
                                         const struct sl_endpoint *present)
{
	struct sl_sockaddr addr;
	struct sl_endpoint *ep;

	if (!sl_exporter_url_split(url) || !find_address(all, url, &addr) ||
	    (present && sl_sockaddr_eq(&present->addr, &addr)))
		return NULL;
	ep = sl_endpoint_new(url->name, &addr, SL_UP_H1, NULL, "", all->rig.loop->now_us);
	ep->id = take_id(all);
	all->by_id[ep->id] = sl_endpoint_ref(ep);
	return ep;
}

static void put_bucket(struct sl_exporters *all, struct sl_exporter *x)
{
	struct sl_exporter **bucket = &all->buckets[x->key % BUCKETS];

	x->bucket_next = *bucket;
	*bucket = x;
}

static struct sl_exporter *add_exporter(struct sl_exporters *all, struct sl_exporter_url *url,
                                        uint64_t key)
{
	struct sl_endpoint *ep = make_endpoint(all, url, NULL);
	struct sl_exporter *x = sl_exporter_open(&all->rig, url->text, url->path, ep);

	if (!x->ep)
		sl_warn("exporter %s: %s", x->url, x->trouble);
	x->key = key;
	x->next = all->exporters;
	all->exporters = x;
	put_bucket(all, x);
	return x;
}

/* Its name may mean another address by now. */
static void follow(struct sl_exporters *all, struct sl_exporter *x, struct sl_exporter_url *url)
{
	struct sl_endpoint *ep = make_endpoint(all, url, x->ep);

	if (ep)
		sl_exporter_move(x, ep);
}

static struct sl_exporter *get_exporter(struct sl_exporters *all, const char *pattern,
                                        const struct sl_engine *m)
{
	struct sl_exporter_url url;
	struct sl_exporter *x;
	uint64_t key;

	if (!sl_exporter_url_text(pattern, m, url.text))
		return NULL;
	key = sl_name_hash(0, sl_span_str(url.text));
	x = all->buckets[key % BUCKETS];
	while (x && (x->key != key || strcmp(x->url, url.text) != 0))
		x = x->bucket_next;
	if (!x)
		x = add_exporter(all, &url, key);
	else if (!x->wanted)
		follow(all, x, &url);
	x->wanted = true;
	return x;
}

static const char *pattern_of(const struct sl_config *config, const struct sl_pool_conf *pool)
{
	const char *pattern = pool->gpu_metrics;

	for (uint32_t i = 0; pattern && !*pattern && i < config->n_clusters; i++)
		if (strcmp(config->clusters[i].name, pool->cluster) == 0)
			pattern = config->clusters[i].gpu_metrics;
	return pattern && *pattern ? pattern : config->gpu_metrics;
}

static struct user make_user(struct sl_exporters *all, const struct sl_engine *m)
{
	const char *pattern = pattern_of(all->config, m->pool);
	bool off = m->pool->gateway || strcmp(pattern, "off") == 0;

	return (struct user){
		.ep = sl_endpoint_ref(m->ep),
		.exporter = off ? NULL : get_exporter(all, pattern, m),
		.pool = (uint32_t)(m->pool - all->config->pools),
		.server = m->server,
		.set = m->set ? sl_server_set_ref(m->set) : NULL,
	};
}

static int by_exporter(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct user *)a)->exporter;
	uintptr_t y = (uintptr_t)((const struct user *)b)->exporter;

	return x < y ? -1 : x > y;
}

static void make_users(struct sl_exporters *all, const struct sl_engine *engines)
{
	uint32_t n = 0;

	for (const struct sl_engine *m = engines; m; m = m->next)
		n++;
	all->users = zalloc(n, sizeof(*all->users));
	all->matched = zalloc(n, sizeof(*all->matched));
	all->failed = zalloc(n, sizeof(*all->failed));
	all->scratch = zalloc(n, sizeof(struct sl_gpu_user *));
	all->n_users = 0;
	for (const struct sl_engine *m = engines; m; m = m->next)
		all->users[all->n_users++] = make_user(all, m);
	qsort(all->users, n, sizeof(*all->users), by_exporter);
	for (uint32_t i = 0; i < n; i++) {
		const struct user *u = &all->users[i];

		u->ep->gpus.known = u->exporter != NULL;
		all->matched[i] = (struct sl_gpu_user){
			.gpus = u->server->found.gpus,
			.namespace_ = u->server->found.namespace_,
			.pod = u->server->found.pod,
			.host = u->server->addr.host,
			.node = u->server->found.node,
			.derate = 1,
		};
	}
}

static void end_unwanted(struct sl_exporters *all)
{
	struct sl_exporter **at = &all->exporters;

	while (*at) {
		struct sl_exporter *x = *at;

		if (x->wanted) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		sl_exporter_close(x);
	}
}

static void drop_users(struct sl_exporters *all)
{
	for (uint32_t i = 0; i < all->n_users; i++) {
		sl_endpoint_unref(all->users[i].ep);
		sl_server_set_unref(all->users[i].set);
	}
	free(all->users);
	free(all->matched);
	free(all->failed);
	free(all->scratch);
	all->users = NULL;
	all->n_users = 0;
}

static void use_config(struct sl_exporters *all, struct sl_config *config)
{
	struct sl_config *old = all->config;

	all->config = sl_config_ref(config);
	sl_config_unref(old);
	all->rig.interval_us = config->gpu_interval_us;
	all->rig.timeout_us = config->gpu_timeout_us;
	all->rig.policy = (struct sl_gpu_policy){
		.hold_us = config->gpu_hold_us,
		.calm_us = config->gpu_calm_us,
		.xids = (const char *const *)config->xids,
		.n_xids = config->n_xids,
	};
}

void sl_exporters_apply(struct sl_exporters *all, struct sl_config *config,
                        const struct sl_engine *engines)
{
	drop_users(all); /* they point into the old configuration */
	use_config(all, config);
	memset(all->buckets, 0, sizeof(all->buckets));
	for (struct sl_exporter *x = all->exporters; x; x = x->next) {
		x->wanted = false;
		put_bucket(all, x);
	}
	make_users(all, engines);
	end_unwanted(all);
	for (struct sl_exporter *x = all->exporters; x; x = x->next)
		match(all, x);
	settle(all);
	count_gpus(all);
}

/* ---- the pages' view ------------------------------------------------------- */

static struct sl_fleet_gpu make_row(const struct sl_exporter *x, const struct sl_gpu *g,
                                    uint64_t now_us)
{
	return (struct sl_fleet_gpu){
		.gpu = g->last.key,
		.host = g->last.host,
		.exporter = x->url,
		.state = g->class_ ? sl_gpu_class_name(g->class_) : "healthy",
		.reason = g->cause ? g->reason : "",
		.since_ms = (now_us - g->since_us) / 1000,
		.derate = g->derate,
		.xid = g->last.figures[SL_GPU_XID],
		.temperature = g->last.figures[SL_GPU_TEMPERATURE],
		.clock_mhz = g->last.figures[SL_GPU_CLOCK],
		.corrected_errors = g->last.figures[SL_GPU_SBE],
		.error_code = g->last.figures[SL_GPU_CODE],
	};
}

static void size_rows(struct sl_exporters *all)
{
	uint32_t n_gpus = 0, n = 0, k;

	for (const struct sl_exporter *x = all->exporters; x; x = x->next) {
		sl_gpu_book_list(x->book, &k);
		n_gpus += k;
		n++;
	}
	free(all->rows);
	free(all->exporter_rows);
	all->rows = zalloc(n_gpus, sizeof(*all->rows));
	all->exporter_rows = zalloc(n, sizeof(*all->exporter_rows));
	all->n_rows = all->n_exporter_rows = 0;
}

void sl_exporters_view(struct sl_exporters *all, uint64_t now_us, struct sl_fleet_gpus *out)
{
	size_rows(all);
	for (const struct sl_exporter *x = all->exporters; x; x = x->next) {
		uint32_t n;
		const struct sl_gpu *gpus = sl_gpu_book_list(x->book, &n);

		for (uint32_t i = 0; i < n; i++)
			all->rows[all->n_rows++] = make_row(x, &gpus[i], now_us);
		all->exporter_rows[all->n_exporter_rows++] = (struct sl_fleet_exporter){
			.url = x->url,
			.kind = x->page_us ? sl_gpu_kind_name(x->kind) : NULL,
			.trouble = x->trouble,
			.age_ms = x->page_us ? (int64_t)((now_us - x->page_us) / 1000) : -1,
			.gpus = n,
		};
	}
	*out = (struct sl_fleet_gpus){ all->rows, all->n_rows, all->exporter_rows,
		                       all->n_exporter_rows };
}

/* ---- life ------------------------------------------------------------------ */

static void ignore_report(void *ctx, struct sl_endpoint *ep, bool ok)
{
	/* An exporter's pages say how it is. */
	(void)ctx;
	(void)ep;
	(void)ok;
}

struct sl_exporters *sl_exporters_new(struct sl_loop *loop, struct sl_metrics *metrics,
                                      struct sl_discovery *discovery)
{
	struct sl_exporters *all = zalloc(1, sizeof(*all));

	all->discovery = discovery;
	all->rig = (struct sl_exporter_rig){
		.loop = loop,
		.metrics = metrics,
		.upstreams = sl_upstreams_new(loop, metrics, ignore_report, all),
		.rng.state = 6364136223846793005ull,
		.events = &events,
		.ctx = all,
	};
	return all;
}

void sl_exporters_free(struct sl_exporters *all)
{
	if (!all)
		return;
	drop_users(all);
	for (struct sl_exporter *x = all->exporters; x; x = x->next)
		x->wanted = false;
	end_unwanted(all);
	sl_upstreams_free(all->rig.upstreams);
	for (uint32_t i = 0; i < all->n_ids; i++)
		sl_endpoint_unref(all->by_id[i]);
	free(all->by_id);
	free(all->rows);
	free(all->exporter_rows);
	sl_config_unref(all->config);
	free(all);
}
