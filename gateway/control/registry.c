/* registry.c: which engines there are; see registry.h. */
#include "gateway/control/registry_state.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/config/config.h"
#include "gateway/control/grouping.h"
#include "gateway/telemetry/log.h"

/* Engines that go while others come, whose models these may serve. */
#define MAX_PRESUMED_FROM 64

struct sl_registry *sl_registry_new(void)
{
	return zalloc(1, sizeof(struct sl_registry));
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

/* ---- who is wanted ---------------------------------------------------- */

/* Found engines that cannot be used. */
struct left_out {
	uint32_t n;
	char first[REGISTRY_COMPLAINT_MAX]; /* why, of the first */
};

/* A reconcile under way: whom the new configuration wants. */
struct census {
	struct sl_registry *registry;
	struct sl_discovery *discovery;
	struct sl_config *config;
	uint64_t now_us;
	struct sl_engine **buckets; /* owned: members and newcomers, by key */
	size_t mask;
	struct sl_engine *newcomers; /* owned: wanted, made, not yet in service */
	struct sl_tls_context *tls;  /* ref, of tls_of */
	const struct sl_pool_conf *tls_of;
	bool unheard;      /* some source has said nothing so far */
	uint32_t n_wanted; /* engines; no more than SL_MAX_ENDPOINTS */
	struct left_out *left_out;
	char *error;
	size_t error_size;
};

static void enrol(struct census *c, struct sl_engine *m)
{
	struct sl_engine **bucket = &c->buckets[m->key & c->mask];

	m->bucket_next = *bucket;
	*bucket = m;
}

static void census_init(struct census *c)
{
	size_t n = 64, wanted = 0;

	for (struct sl_engine *m = c->registry->members; m; m = m->next)
		wanted++;
	for (uint32_t i = 0; i < c->config->n_pools; i++)
		wanted += c->config->pools[i].n_servers;
	while (n < 2 * wanted)
		n *= 2;
	c->buckets = zalloc(n, sizeof(struct sl_engine *));
	c->mask = n - 1;
	for (struct sl_engine *m = c->registry->members; m; m = m->next) {
		m->wanted = (struct sl_engine_place){ .pool = NULL };
		enrol(c, m);
	}
}

static void census_fini(struct census *c)
{
	while (c->newcomers) {
		struct sl_engine *m = c->newcomers;

		c->newcomers = m->next;
		sl_engine_free(m);
	}
	sl_tls_context_unref(c->tls);
	free(c->buckets);
}

static struct sl_engine *
find_engine(struct census *c, const struct sl_engine_place *at, const struct sl_domain *domain,
            bool (*is_it)(const struct sl_engine *m, const struct sl_engine_place *at))
{
	struct sl_engine *m = c->buckets[sl_engine_key(at) & c->mask];

	while (m && !((m->domain ? m->domain : m->ep->domain) == domain && is_it(m, at)))
		m = m->bucket_next;
	return m;
}

/* ---- where they are --------------------------------------------------- */

/* A name has several addresses perhaps, an engine keeps the one that it has. */
static bool choose_address(const struct sl_engine *m, const struct sl_server_set *addresses,
                           uint16_t port, struct sl_sockaddr *out_addr)
{
	bool found = false;

	for (uint32_t i = addresses->n; i-- > 0;) {
		if (sl_sockaddr_numeric(addresses->servers[i].addr.host, port, out_addr) != 0)
			continue;
		found = true;
		if (m && sl_sockaddr_eq(&m->ep->addr, out_addr))
			break;
	}
	return found;
}

/* A name in the configuration. While nobody has said what it means, an engine
 * that is there stays where it is. */
static bool locate_name(struct census *c, struct sl_engine_place *at,
                        const struct sl_domain *domain)
{
	struct sl_server_set *addresses =
	        sl_discovery_find_host(c->discovery, at->server->addr.host);
	const struct sl_engine *m = find_engine(c, at, domain, sl_engine_is_called);

	if (addresses)
		return choose_address(m, addresses, at->server->addr.port, &at->addr);
	if (m)
		at->addr = m->ep->addr;
	return m != NULL;
}

/* False: nowhere, so far. */
static bool locate(struct census *c, struct sl_engine_place *at, const struct sl_domain *domain)
{
	const struct sl_server_conf *server = at->server;
	const char *host = server->addr.host;

	if (server->found.is && *server->found.address)
		host = server->found.address;
	else if (!server->found.is && sl_host_is_name(host))
		return locate_name(c, at, domain);
	return sl_sockaddr_numeric(host, server->addr.port, &at->addr) == 0;
}

/* A pool's engines share one context; it is the same as before a reload, if
 * nothing about it has changed. */
static bool find_tls(struct census *c, const struct sl_pool_conf *pool)
{
	if (!sl_pool_is_tls(pool))
		return true;
	if (c->tls_of && sl_pool_speaks_alike(c->tls_of, pool))
		return c->tls != NULL; /* what cannot be read is not read for each engine */
	sl_tls_context_unref(c->tls);
	c->tls = NULL;
	for (struct sl_engine *m = c->registry->members; m && !c->tls; m = m->next)
		if (sl_pool_speaks_alike(m->pool, pool))
			c->tls = sl_tls_context_ref(m->ep->tls);
	if (!c->tls)
		c->tls = sl_pool_tls_new(pool, c->error, c->error_size);
	c->tls_of = pool;
	return c->tls != NULL;
}

static int make_newcomer(struct census *c, const struct sl_engine_place *at,
                         struct sl_domain *domain)
{
	struct sl_engine *m;

	if (!find_tls(c, at->pool))
		return -1;
	m = sl_engine_new(at, sl_pool_is_tls(at->pool) ? c->tls : NULL, c->now_us);
	m->wanted = *at;
	m->domain = domain;
	m->key = sl_engine_key(at);
	m->next = c->newcomers;
	c->newcomers = m;
	enrol(c, m);
	return 0;
}

/* What stands twice, in two sources of a pool, is one engine. */
static int want(struct census *c, const struct sl_engine_place *at, struct sl_domain *domain)
{
	struct sl_engine *m = find_engine(c, at, domain, sl_engine_is_at);

	if (m && m->wanted.server)
		return 0;
	/* A router has room for no more. */
	if (c->n_wanted == SL_MAX_ENDPOINTS) {
		snprintf(c->error, c->error_size, "there are more than %u engines",
		         SL_MAX_ENDPOINTS);
		return -1;
	}
	if (!m && make_newcomer(c, at, domain) < 0)
		return -1;
	if (m)
		m->wanted = *at;
	c->n_wanted++;
	return 0;
}

static int want_configured(struct census *c, const struct sl_pool_conf *pool,
                           struct sl_domain *domain)
{
	for (uint32_t k = 0; k < pool->n_servers; k++) {
		struct sl_engine_place at = { .pool = pool, .server = &pool->servers[k] };

		if (!locate(c, &at, domain))
			c->unheard = true;
		else if (want(c, &at, domain) < 0)
			return -1;
	}
	return 0;
}

static void leave_out(struct census *c, const struct sl_pool_conf *pool, const char *host,
                      const char *why)
{
	if (c->left_out->n++ == 0)
		snprintf(c->left_out->first, sizeof(c->left_out->first), "pool %s: %s: %s",
		         pool->name, host, why);
}

/* One that cannot be used is no reason to leave the others out. */
static void want_found(struct census *c, const struct sl_pool_conf *pool, struct sl_server_set *set,
                       struct sl_domain *domain)
{
	for (uint32_t k = 0; k < set->n; k++) {
		struct sl_engine_place at = { .pool = pool,
			                      .server = &set->servers[k],
			                      .set = set };
		const char *host = at.server->addr.host;

		if (!locate(c, &at, domain))
			leave_out(c, pool, host, "is no address");
		else if (want(c, &at, domain) < 0)
			leave_out(c, pool, host, c->error);
	}
}

/* A source of the pool has said nothing so far: who was found before stays. */
static void keep_found(struct census *c, const struct sl_pool_conf *pool,
                       const struct sl_domain *domain)
{
	for (struct sl_engine *m = c->registry->members; m; m = m->next)
		if (m->set && !m->wanted.server && m->ep->domain == domain &&
		    !strcmp(m->pool->name, pool->name) &&
		    !strcmp(m->pool->cluster, pool->cluster) &&
		    sl_pool_speaks_alike(m->pool, pool) && c->n_wanted < SL_MAX_ENDPOINTS) {
			m->wanted =
			        (struct sl_engine_place){ pool, m->server, m->set, m->ep->addr };
			c->n_wanted++;
		}
}

static int want_pool(struct census *c, const struct sl_pool_conf *pool)
{
	struct sl_domain *domain = get_domain(c->registry, c->config, pool);
	bool heard_all = true;

	if (want_configured(c, pool, domain) < 0)
		return -1;
	for (uint32_t k = 0; k < pool->n_discovers; k++) {
		struct sl_server_set *set = sl_discovery_find(c->discovery, &pool->discovers[k]);

		if (set)
			want_found(c, pool, set, domain);
		else
			heard_all = false;
	}
	if (!heard_all) {
		c->unheard = true;
		keep_found(c, pool, domain);
	}
	return 0;
}

/* ---- what becomes of them -------------------------------------------- */

static void enter_service(struct sl_registry *r, const struct sl_config *config,
                          struct sl_engine *m)
{
	struct sl_endpoint_spec spec = sl_engine_spec(config, m);
	struct sl_endpoint *ep = m->ep;

	ep->id = take_id(r);
	r->by_id[ep->id] = sl_endpoint_ref(ep);
	sl_domain_add(m->domain, ep, &spec);
	sl_wards_join(&r->wards, ep, m->pool);
	m->domain = NULL;
	m->next = r->members;
	r->members = m;
}

static void apply_hold(const struct sl_engine *m)
{
	sl_domain_lock(m->ep->domain);
	sl_router_endpoint_drain(m->ep->domain->router, m->ep->slot, sl_endpoint_drains(m->ep));
	sl_domain_unlock(m->ep->domain);
}

static void keep_in_service(const struct sl_config *config, struct sl_engine *m)
{
	struct sl_endpoint_spec spec;

	sl_engine_move(m, &m->wanted);
	spec = sl_engine_spec(config, m);
	sl_domain_lock(m->ep->domain);
	sl_router_endpoint_update(m->ep->domain->router, m->ep->slot, &spec);
	sl_domain_unlock(m->ep->domain);
}

static void remove_unwanted(struct sl_registry *r)
{
	struct sl_engine **at = &r->members;

	while (*at) {
		struct sl_engine *m = *at;

		if (m->wanted.server) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		atomic_store(&m->ep->removed, true);
		sl_domain_del(m->ep->domain, m->ep);
		sl_wards_leave(m->ep);
		m->next = r->removed;
		r->removed = m;
	}
}

/* The same words about it as before: nothing to tell anybody. */
static bool is_unchanged(const struct sl_registry *r, const struct sl_config *config,
                         const struct sl_engine *m)
{
	return config == r->config && m->wanted.pool == m->pool &&
	       sl_server_equal(m->wanted.server, m->server);
}

static void settle_members(struct sl_registry *r, const struct sl_config *config)
{
	for (struct sl_engine *m = r->members; m; m = m->next) {
		if (!m->wanted.server)
			continue;
		if (is_unchanged(r, config, m)) {
			sl_engine_move(m, &m->wanted);
			continue;
		}
		keep_in_service(config, m);
		sl_engine_configure(m, config);
		apply_hold(m);
	}
}

/* Who else could serve what those served that it perhaps replaces? Requests for
 * it wait until it has said so. */
static void presume_models(struct sl_engine *m, const struct sl_engine *removed)
{
	uint32_t looked_at = 0;

	for (; removed && looked_at < MAX_PRESUMED_FROM; removed = removed->next, looked_at++)
		if (removed->ep->domain == m->domain)
			sl_engine_presume(m, removed);
}

static void reverse(struct sl_engine **list)
{
	struct sl_engine *reversed = NULL;

	while (*list) {
		struct sl_engine *m = *list;

		*list = m->next;
		m->next = reversed;
		reversed = m;
	}
	*list = reversed;
}

/* Told when it changes: sources may find others ten times a second. */
static void tell_left_out(struct census *c)
{
	struct sl_registry *r = c->registry;
	const struct left_out *now = c->left_out;
	bool same = now->n == r->n_left_out && !strcmp(now->first, r->left_out);

	if (now->n && !same)
		sl_warn("%u engines are left out, first of %s", now->n, now->first);
	r->n_left_out = now->n;
	memcpy(r->left_out, now->first, sizeof(r->left_out));
}

static void settle(struct census *c)
{
	struct sl_registry *r = c->registry;

	if (c->config != r->config)
		update_domains(r, c->config);
	settle_members(r, c->config);
	remove_unwanted(r);
	reverse(&c->newcomers); /* the first of the file enters first */
	while (c->newcomers) {
		struct sl_engine *m = c->newcomers;

		c->newcomers = m->next;
		presume_models(m, r->removed);
		enter_service(r, c->config, m);
		sl_engine_configure(m, c->config);
		apply_hold(m);
	}
	/* Removed members point into the old configuration until they are taken. */
	sl_config_ref(c->config);
	sl_config_unref(r->config);
	r->config = c->config;
	r->unheard = c->unheard;
}

int sl_registry_reconcile(struct sl_registry *r, struct sl_config *config,
                          struct sl_discovery *discovery, uint64_t now_us, char *error,
                          size_t error_size)
{
	struct left_out left_out = { .n = 0 };
	struct census c = {
		.registry = r,
		.left_out = &left_out,
		.discovery = discovery,
		.config = config,
		.now_us = now_us,
		.error = error,
		.error_size = error_size,
	};
	int rc = 0;

	census_init(&c);
	/* First everything that can fail, without touching what is in service. */
	for (uint32_t i = 0; i < config->n_pools && rc == 0; i++)
		rc = want_pool(&c, &config->pools[i]);
	if (rc == 0) {
		settle(&c);
		tell_left_out(&c);
	}
	census_fini(&c);
	return rc;
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
	sl_wards_fini(&r->wards);
	free(r->by_id);
	free(r->rows);
	sl_config_unref(r->config);
	free(r);
}
