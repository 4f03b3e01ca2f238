/* engine.c: see engine.h. */
#include "gateway/control/engine.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/control/grouping.h"
#include "gateway/control/zalloc.h"
#include "gateway/exchange/fleet.h"
#include "gateway/telemetry/log.h"

/* ---- its endpoint ---------------------------------------------------- */

bool sl_pool_is_tls(const struct sl_pool_conf *pool)
{
	return pool->protocol == SL_UP_H2_TLS || pool->protocol == SL_UP_H1_TLS;
}

struct sl_tls_context *sl_pool_tls_new(const struct sl_pool_conf *pool, char *error,
                                       size_t error_size)
{
	unsigned alpn = pool->protocol == SL_UP_H2_TLS ? SL_ALPN_H2 : SL_ALPN_H1;

	return sl_tls_client_context(pool->tls_ca, pool->tls_verify, alpn, error, error_size);
}

bool sl_pool_speaks_alike(const struct sl_pool_conf *a, const struct sl_pool_conf *b)
{
	return a->protocol == b->protocol && !strcmp(a->tls_ca, b->tls_ca) &&
	       a->tls_verify == b->tls_verify && !strcmp(a->tls_server_name, b->tls_server_name);
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

static struct sl_endpoint *make_endpoint(const struct sl_engine_place *at,
                                         struct sl_tls_context *tls, uint64_t now_us)
{
	const struct sl_pool_conf *pool = at->pool;
	const struct sl_addr_conf *addr = &at->server->addr;
	char name[SL_ENDPOINT_NAME_MAX];
	struct sl_endpoint *ep;

	sl_endpoint_format_name(addr->host, addr->port, name);
	ep = sl_endpoint_new(name, &at->addr, pool->protocol, tls ? sl_tls_context_ref(tls) : NULL,
	                     *pool->tls_server_name ? pool->tls_server_name : addr->host, now_us);
	ep->policy = health_policy(pool);
	return ep;
}

/* ---- life ------------------------------------------------------------ */

struct sl_engine *sl_engine_new(const struct sl_engine_place *at, struct sl_tls_context *tls,
                                uint64_t now_us)
{
	struct sl_engine *m = zalloc(1, sizeof(*m));

	m->ep = make_endpoint(at, tls, now_us);
	sl_engine_move(m, at);
	return m;
}

static void forget_presumed(struct sl_engine *m)
{
	for (uint32_t i = 0; i < m->n_presumed; i++)
		free(m->presumed[i]);
	free(m->presumed);
	m->presumed = NULL;
	m->n_presumed = 0;
}

static bool is_presumed(const struct sl_engine *m, const char *name)
{
	for (uint32_t i = 0; i < m->n_presumed; i++)
		if (!strcmp(m->presumed[i], name))
			return true;
	return false;
}

void sl_engine_presume(struct sl_engine *m, const struct sl_engine *gone)
{
	for (uint32_t i = 0; i < gone->n_models; i++) {
		if (is_presumed(m, gone->models[i]))
			continue;
		m->presumed = realloc(m->presumed, (m->n_presumed + 1) * sizeof(char *));
		if (!m->presumed)
			abort();
		m->presumed[m->n_presumed++] = strdup(gone->models[i]);
	}
}

void sl_engine_free(struct sl_engine *m)
{
	sl_endpoint_unref(m->ep);
	forget_presumed(m);
	for (uint32_t i = 0; i < m->n_models; i++)
		free(m->models[i]);
	free(m->models);
	free(m->adapters);
	free(m->probe_lines);
	sl_server_set_unref(m->set);
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
	m->models = zalloc(n, sizeof(*m->models));
	m->adapters = zalloc(n, sizeof(*m->adapters));
	for (uint32_t i = 0; i < n; i++) {
		m->models[i] = strdup(names[i]);
		m->adapters[i] = adapters && adapters[i];
	}
	m->n_models = n;
	m->models_known = true;
	forget_presumed(m);
	return true;
}

static void hold(struct sl_endpoint *ep, const struct sl_found *found)
{
	if (atomic_exchange(&ep->held, found->hold) == found->hold)
		return;
	if (found->hold)
		sl_info("engine %s gets no new requests: %s", ep->name, found->why);
	else
		sl_info("engine %s may get requests again", ep->name);
}

void sl_engine_move(struct sl_engine *m, const struct sl_engine_place *to)
{
	struct sl_server_set *old = m->set;

	m->pool = to->pool;
	m->server = to->server;
	m->set = to->set ? sl_server_set_ref(to->set) : NULL;
	m->role = to->server->found.has_role ? to->server->found.role : to->pool->role;
	sl_server_set_unref(old);
	atomic_store(&m->ep->prefills_only, m->role == SL_ROLE_PREFILL);
	hold(m->ep, &to->server->found);
}

uint64_t sl_engine_key(const struct sl_engine_place *at)
{
	uint64_t hash = sl_name_hash(0, sl_span_str(at->pool->cluster));

	hash = sl_name_hash(hash, sl_span_str(at->pool->name));
	hash = sl_name_hash(hash, sl_span_str(at->server->addr.host));
	return hash + at->server->addr.port;
}

/* An address that is given again is another engine. */
static const char *id_of(const struct sl_server_conf *server)
{
	return server->found.is ? server->found.id : "";
}

bool sl_engine_is_at(const struct sl_engine *m, const struct sl_engine_place *at)
{
	return sl_sockaddr_eq(&m->ep->addr, &at->addr) && sl_engine_is_called(m, at);
}

bool sl_engine_is_called(const struct sl_engine *m, const struct sl_engine_place *at)
{
	return m->server->addr.port == at->server->addr.port &&
	       !strcmp(m->server->addr.host, at->server->addr.host) &&
	       !strcmp(id_of(m->server), id_of(at->server)) &&
	       !strcmp(m->pool->name, at->pool->name) &&
	       !strcmp(m->pool->cluster, at->pool->cluster) &&
	       sl_pool_speaks_alike(m->pool, at->pool);
}

/* ---- what is said of it ---------------------------------------------- */

/* Of CLUSTER/POOL/ADDRESS, by which gateways name engines to each other. */
static uint64_t identity_of(const struct sl_pool_conf *pool, const struct sl_endpoint *ep)
{
	uint64_t hash = sl_name_hash(0, sl_span_str(pool->cluster));

	hash = sl_name_hash(hash, sl_span_str(pool->name));
	return sl_name_hash(hash, sl_span_str(ep->name));
}

/* The pool's, divided further by what the source says. */
static uint32_t kv_group_of(const struct sl_config *config, const struct sl_engine *m)
{
	uint32_t group = sl_grouping_kv_group(config, m->pool);

	if (!m->set || !*m->server->found.kv_group)
		return group;
	return (uint32_t)sl_name_hash(group, sl_span_str(m->server->found.kv_group)) | 1u << 31;
}

struct sl_endpoint_spec sl_engine_spec(const struct sl_config *config, const struct sl_engine *m)
{
	const struct sl_pool_conf *pool = m->pool;
	const struct sl_server_conf *server = m->server;

	return (struct sl_endpoint_spec){
		.role = m->role,
		.kv_group = kv_group_of(config, m),
		.max_concurrent =
		        server->max_concurrent ? server->max_concurrent : pool->max_concurrent,
		.remote_prefill = pool->connector == SL_CONNECTOR_NIXL,
		.gateway = pool->gateway,
		.cluster = sl_grouping_cluster(config, pool),
		.slow_start_us = pool->health.slow_start_us,
		.identity = identity_of(pool, m->ep),
	};
}

/* Names that the configuration gives the pool, directly or by a model block; else
 * the one that its source gives it. */
static void apply_given_models(const struct sl_config *config, struct sl_engine *m)
{
	char *names[256];
	uint32_t n = sl_grouping_models(config, m->pool, names, (uint32_t)SL_COUNT(names));

	if (n == 0 && m->set && *m->server->found.model)
		names[n++] = m->server->found.model;
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
	m->probe_lines = zalloc(size, 1);
	if (m->pool->gateway)
		n = (size_t)snprintf(m->probe_lines, size, "%s", hop);
	if (*m->pool->api_key)
		snprintf(m->probe_lines + n, size - n, "%s%s\r\n", key, m->pool->api_key);
}

void sl_engine_configure(struct sl_engine *m, const struct sl_config *config)
{
	pthread_mutex_lock(&m->ep->judge_lock);
	m->ep->policy = health_policy(m->pool);
	pthread_mutex_unlock(&m->ep->judge_lock);
	apply_given_models(config, m);
	apply_probe_lines(m);
}
