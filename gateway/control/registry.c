/* registry.c: which engines there are; see registry.h. */
#include "gateway/control/registry_state.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/config/config.h"
#include "gateway/control/grouping.h"

struct sl_registry *sl_registry_new(void)
{
	return registry_zalloc(1, sizeof(struct sl_registry));
}

/* ---- endpoints ------------------------------------------------------- */

static uint32_t take_id(struct sl_registry *r)
{
	for (uint32_t i = 0; i < r->n_ids; i++) {
		struct sl_endpoint *ep = r->by_id[i];

		if (!ep)
			return i;
		/* Nobody else holds it, and no member can: it was removed. */
		if (atomic_load(&ep->refs) == 1) {
			sl_endpoint_unref(ep);
			r->by_id[i] = NULL;
			return i;
		}
	}
	r->by_id = realloc(r->by_id, (r->n_ids + 1) * sizeof(*r->by_id));
	if (!r->by_id)
		abort();
	r->by_id[r->n_ids] = NULL;
	return r->n_ids++;
}

static void format_name(const struct sl_addr_conf *addr, char *name)
{
	bool v6 = strchr(addr->host, ':') != NULL;

	snprintf(name, SL_ENDPOINT_NAME_MAX, "%s%s%s:%u", v6 ? "[" : "", addr->host, v6 ? "]" : "",
	         addr->port);
}

static struct sl_tls_context *upstream_tls(const struct sl_pool_conf *pool, char *error,
                                           size_t error_size)
{
	unsigned alpn = pool->protocol == SL_UP_H2_TLS ? SL_ALPN_H2 : SL_ALPN_H1;

	return sl_tls_client_context(pool->tls_ca, pool->tls_verify, alpn, error, error_size);
}

static bool is_tls(const struct sl_pool_conf *pool)
{
	return pool->protocol == SL_UP_H2_TLS || pool->protocol == SL_UP_H1_TLS;
}

/* A pool that is asked rarely cannot be called silent after a fixed time. */
static struct sl_health_policy health_policy(const struct sl_pool_conf *pool)
{
	struct sl_health_policy policy = pool->health;
	uint64_t least = 3 * pool->probe_interval_us + pool->probe_timeout_us;

	if (policy.stale_us < least)
		policy.stale_us = least;
	/* Of another gateway's engines its time says nothing. */
	if (pool->gateway)
		policy.slow_factor = 0;
	return policy;
}

/* NULL with error filled in. Not yet in a domain. */
static struct sl_endpoint *make_endpoint(const struct sl_pool_conf *pool,
                                         const struct sl_server_conf *server, uint64_t now_us,
                                         char *error, size_t error_size)
{
	struct sl_endpoint *ep = registry_zalloc(1, sizeof(*ep));
	int rc = sl_sockaddr_resolve(server->addr.host, server->addr.port, &ep->addr);

	atomic_init(&ep->refs, 1);
	pthread_mutex_init(&ep->judge_lock, NULL);
	format_name(&server->addr, ep->name);
	ep->protocol = pool->protocol;
	ep->policy = health_policy(pool);
	ep->tls_server_name =
	        strdup(*pool->tls_server_name ? pool->tls_server_name : server->addr.host);
	sl_judge_init(&ep->judge, now_us);
	atomic_init(&ep->health, (int)ep->judge.health);
	if (rc != 0)
		snprintf(error, error_size, "server %s: %s", ep->name, gai_strerror(rc));
	else if (is_tls(pool))
		ep->tls = upstream_tls(pool, error, error_size);
	if (rc != 0 || (is_tls(pool) && !ep->tls)) {
		sl_endpoint_unref(ep);
		return NULL;
	}
	return ep;
}

/* ---- members --------------------------------------------------------- */

void sl_engine_free(struct sl_engine *m)
{
	sl_endpoint_unref(m->ep);
	for (uint32_t i = 0; i < m->n_models; i++)
		free(m->models[i]);
	free(m->models);
	free(m->adapters);
	free(m->probe_lines);
	free(m);
}

bool sl_engine_set_models(struct sl_engine *m, char **names, const bool *adapters, uint32_t n)
{
	bool same = m->models_known && m->n_models == n;

	for (uint32_t i = 0; same && i < n; i++)
		same = strcmp(m->models[i], names[i]) == 0 &&
		       m->adapters[i] == (adapters && adapters[i]);
	if (same)
		return false;
	for (uint32_t i = 0; i < m->n_models; i++)
		free(m->models[i]);
	free(m->models);
	free(m->adapters);
	m->models = registry_zalloc(n, sizeof(*m->models));
	m->adapters = registry_zalloc(n, sizeof(*m->adapters));
	for (uint32_t i = 0; i < n; i++) {
		m->models[i] = strdup(names[i]);
		m->adapters[i] = adapters && adapters[i];
	}
	m->n_models = n;
	m->models_known = true;
	return true;
}

/* The same engine: what it is called and how it is spoken to. */
static bool is_same(const struct sl_engine *m, const struct sl_pool_conf *pool,
                    const struct sl_server_conf *server, const struct sl_domain *domain)
{
	const struct sl_pool_conf *old = m->pool;

	return m->ep->domain == domain && m->server->addr.port == server->addr.port &&
	       !strcmp(m->server->addr.host, server->addr.host) && !strcmp(old->name, pool->name) &&
	       !strcmp(old->cluster, pool->cluster) && old->protocol == pool->protocol &&
	       !strcmp(old->tls_ca, pool->tls_ca) && old->tls_verify == pool->tls_verify &&
	       !strcmp(old->tls_server_name, pool->tls_server_name);
}

static struct sl_engine *find_member(struct sl_registry *r, const struct sl_pool_conf *pool,
                                     const struct sl_server_conf *server,
                                     const struct sl_domain *domain)
{
	for (struct sl_engine *m = r->members; m; m = m->next)
		if (!m->next_server && is_same(m, pool, server, domain))
			return m;
	return NULL;
}

/* Of CLUSTER/POOL/ADDRESS, by which gateways name engines to each other. */
static uint64_t identity_of(const struct sl_pool_conf *pool, const struct sl_endpoint *ep)
{
	uint64_t hash = sl_name_hash(0, sl_span_str(pool->cluster));

	hash = sl_name_hash(hash, sl_span_str(pool->name));
	return sl_name_hash(hash, sl_span_str(ep->name));
}

static struct sl_endpoint_spec make_spec(const struct sl_config *config,
                                         const struct sl_pool_conf *pool,
                                         const struct sl_server_conf *server,
                                         const struct sl_endpoint *ep)
{
	return (struct sl_endpoint_spec){
		.role = pool->role,
		.kv_group = sl_grouping_kv_group(config, pool),
		.max_concurrent =
		        server->max_concurrent ? server->max_concurrent : pool->max_concurrent,
		.remote_prefill = pool->connector == SL_CONNECTOR_NIXL,
		.gateway = pool->gateway,
		.cluster = sl_grouping_cluster(config, pool),
		.slow_start_us = pool->health.slow_start_us,
		.identity = identity_of(pool, ep),
	};
}

/* Names that the configuration gives the pool, directly or by a model block. */
static void apply_configured_models(const struct sl_config *config, struct sl_engine *m)
{
	char *names[256];
	uint32_t n = sl_grouping_models(config, m->pool, names, (uint32_t)SL_COUNT(names));

	m->models_fixed = n > 0;
	if (n)
		sl_engine_set_models(m, names, NULL, n);
}

/* What another gateway is asked, it is asked about its own engines. */
static void apply_probe_lines(struct sl_engine *m)
{
	static const char key[] = "authorization: Bearer ", hop[] = SL_HOPS_LINE;
	size_t size = sizeof(key) + sizeof(hop) + strlen(m->pool->api_key) + 2, n = 0;

	free(m->probe_lines);
	m->probe_lines = registry_zalloc(size, 1);
	if (m->pool->gateway)
		n = (size_t)snprintf(m->probe_lines, size, "%s", hop);
	if (*m->pool->api_key)
		snprintf(m->probe_lines + n, size - n, "%s%s\r\n", key, m->pool->api_key);
}

/* ---- reconcile ------------------------------------------------------- */

static struct sl_domain *find_domain(struct sl_registry *r, const char *name)
{
	struct sl_domain *d = r->domains;

	while (d && strcmp(d->name, name) != 0)
		d = d->next;
	return d;
}

static struct sl_domain *get_domain(struct sl_registry *r, const struct sl_config *config,
                                    const struct sl_pool_conf *pool)
{
	struct sl_router_options options;
	char name[512];
	struct sl_domain *d;

	sl_grouping_domain(config, pool, name, sizeof(name), &options);
	d = find_domain(r, name);
	if (d)
		return d;
	d = sl_domain_new(r->domains ? r->domains->id + 1 : 0, name, &options);
	d->next = r->domains;
	r->domains = d;
	return d;
}

static void update_domains(struct sl_registry *r, const struct sl_config *config)
{
	struct sl_router_options options;
	struct sl_clusters clusters;
	char name[512];

	sl_grouping_clusters(config, &clusters);
	for (uint32_t i = 0; i < config->n_pools; i++) {
		struct sl_domain *d;

		sl_grouping_domain(config, &config->pools[i], name, sizeof(name), &options);
		d = find_domain(r, name);
		sl_domain_lock(d);
		sl_router_set_options(d->router, &options);
		sl_router_clusters(d->router, &clusters);
		sl_domain_unlock(d);
	}
}

/* A wanted server that has no member yet, made but not in service. */
struct newcomer {
	struct newcomer *next;
	struct sl_engine *member;
	struct sl_domain *domain;
};

static struct newcomer *make_newcomer(const struct sl_pool_conf *pool,
                                      const struct sl_server_conf *server, struct sl_domain *domain,
                                      uint64_t now_us, char *error, size_t error_size)
{
	struct sl_endpoint *ep = make_endpoint(pool, server, now_us, error, error_size);
	struct newcomer *n;

	if (!ep)
		return NULL;
	n = registry_zalloc(1, sizeof(*n));
	n->domain = domain;
	n->member = registry_zalloc(1, sizeof(*n->member));
	n->member->ep = ep;
	n->member->pool = pool;
	n->member->server = server;
	return n;
}

static void drop_newcomers(struct newcomer *list)
{
	while (list) {
		struct newcomer *next = list->next;

		sl_engine_free(list->member);
		free(list);
		list = next;
	}
}

static struct sl_ward *get_ward(struct sl_registry *r, const struct sl_pool_conf *pool,
                                const struct sl_domain *domain)
{
	struct registry_ward *w = r->wards;

	while (w && (w->domain != domain || strcmp(w->pool, pool->name) != 0 ||
	             strcmp(w->cluster, pool->cluster) != 0))
		w = w->next;
	if (w)
		return &w->ward;
	w = registry_zalloc(1, sizeof(*w));
	w->domain = domain;
	w->pool = strdup(pool->name);
	w->cluster = strdup(pool->cluster);
	w->next = r->wards;
	r->wards = w;
	return &w->ward;
}

static void join_ward(struct sl_endpoint *ep, struct sl_ward *ward)
{
	atomic_fetch_add(&ward->members, 1);
	pthread_mutex_lock(&ep->judge_lock);
	sl_judge_join(&ep->judge, ward, &ep->tally);
	pthread_mutex_unlock(&ep->judge_lock);
}

static void leave_ward(struct sl_endpoint *ep)
{
	pthread_mutex_lock(&ep->judge_lock);
	atomic_fetch_sub(&ep->judge.ward->members, 1);
	sl_judge_leave(&ep->judge);
	pthread_mutex_unlock(&ep->judge_lock);
}

static void enter_service(struct sl_registry *r, const struct sl_config *config, struct newcomer *n)
{
	struct sl_endpoint_spec spec =
	        make_spec(config, n->member->pool, n->member->server, n->member->ep);
	struct sl_endpoint *ep = n->member->ep;

	ep->id = take_id(r);
	r->by_id[ep->id] = sl_endpoint_ref(ep);
	sl_domain_add(n->domain, ep, &spec);
	join_ward(ep, get_ward(r, n->member->pool, n->domain));
	n->member->next = r->members;
	r->members = n->member;
	free(n);
}

static void keep_in_service(const struct sl_config *config, struct sl_engine *m)
{
	struct sl_endpoint_spec spec = make_spec(config, m->next_pool, m->next_server, m->ep);

	m->pool = m->next_pool;
	m->server = m->next_server;
	pthread_mutex_lock(&m->ep->judge_lock);
	m->ep->policy = health_policy(m->pool);
	pthread_mutex_unlock(&m->ep->judge_lock);
	sl_domain_lock(m->ep->domain);
	sl_router_endpoint_update(m->ep->domain->router, m->ep->slot, &spec);
	sl_domain_unlock(m->ep->domain);
}

static void remove_unwanted(struct sl_registry *r)
{
	struct sl_engine **at = &r->members;

	while (*at) {
		struct sl_engine *m = *at;

		if (m->next_server) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		atomic_store(&m->ep->removed, true);
		sl_domain_del(m->ep->domain, m->ep);
		leave_ward(m->ep);
		m->next = r->removed;
		r->removed = m;
	}
}

/* The member that serves what the configuration says here, or a newcomer. */
static int match(struct sl_registry *r, const struct sl_pool_conf *pool,
                 const struct sl_server_conf *server, struct sl_domain *domain, uint64_t now_us,
                 struct newcomer **newcomers, char *error, size_t error_size)
{
	struct sl_engine *m = find_member(r, pool, server, domain);
	struct newcomer *n;

	if (m) {
		m->next_pool = pool;
		m->next_server = server;
		return 0;
	}
	n = make_newcomer(pool, server, domain, now_us, error, error_size);
	if (!n)
		return -1;
	n->next = *newcomers;
	*newcomers = n;
	return 0;
}

int sl_registry_reconcile(struct sl_registry *r, struct sl_config *config, uint64_t now_us,
                          char *error, size_t error_size)
{
	struct newcomer *newcomers = NULL;

	for (struct sl_engine *m = r->members; m; m = m->next)
		m->next_server = NULL;
	/* First everything that can fail, without touching what is in service. */
	for (uint32_t i = 0; i < config->n_pools; i++) {
		const struct sl_pool_conf *pool = &config->pools[i];
		struct sl_domain *domain = get_domain(r, config, pool);

		for (uint32_t k = 0; k < pool->n_servers; k++) {
			if (match(r, pool, &pool->servers[k], domain, now_us, &newcomers, error,
			          error_size) < 0) {
				drop_newcomers(newcomers);
				return -1;
			}
		}
	}
	update_domains(r, config);
	for (struct sl_engine *m = r->members; m; m = m->next)
		if (m->next_server)
			keep_in_service(config, m);
	remove_unwanted(r);
	while (newcomers) {
		struct newcomer *n = newcomers;

		newcomers = n->next;
		enter_service(r, config, n);
	}
	for (struct sl_engine *m = r->members; m; m = m->next) {
		apply_configured_models(config, m);
		apply_probe_lines(m);
	}
	/* Removed members point into the old configuration until they are taken. */
	sl_config_ref(config);
	sl_config_unref(r->config);
	r->config = config;
	return 0;
}

struct sl_engine *sl_registry_engines(struct sl_registry *r)
{
	return r->members;
}

struct sl_engine *sl_registry_take_removed(struct sl_registry *r)
{
	struct sl_engine *list = r->removed;

	r->removed = NULL;
	return list;
}

void sl_registry_free(struct sl_registry *r)
{
	while (r->members) {
		struct sl_engine *m = r->members;

		r->members = m->next;
		sl_engine_free(m);
	}
	for (uint32_t i = 0; i < r->n_ids; i++)
		sl_endpoint_unref(r->by_id[i]);
	while (r->domains) {
		struct sl_domain *d = r->domains;

		r->domains = d->next;
		sl_domain_free(d);
	}
	while (r->wards) {
		struct registry_ward *w = r->wards;

		r->wards = w->next;
		free(w->pool);
		free(w->cluster);
		free(w);
	}
	free(r->by_id);
	free(r->rows);
	sl_config_unref(r->config);
	free(r);
}
