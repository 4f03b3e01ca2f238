/* registry_view.c: what others see of the registry: a fleet for the workers,
 * rows for the pages. */
#include "gateway/config/config.h"
#include "gateway/control/grouping.h"
#include "gateway/control/registry_state.h"
#include "gateway/telemetry/log.h"

/* ---- the fleet ------------------------------------------------------- */

static struct sl_route *find_route(struct sl_fleet *fleet, const char *name)
{
	for (uint32_t i = 0; i < fleet->n_routes; i++)
		if (!strcmp(fleet->routes[i].name, name))
			return &fleet->routes[i];
	return NULL;
}

/* Valid until the next one is added. */
static struct sl_route *add_route(struct sl_fleet *fleet, const char *name, const char *target,
                                  struct sl_domain *domain, uint32_t model)
{
	struct sl_route *route = find_route(fleet, name);

	if (route) {
		if (route->domain != domain)
			sl_warn("model %s is served by two groups of pools; only the first is used",
			        name);
		return route;
	}
	fleet->routes = realloc(fleet->routes, (fleet->n_routes + 1) * sizeof(*fleet->routes));
	if (!fleet->routes)
		abort();
	route = &fleet->routes[fleet->n_routes++];
	*route = (struct sl_route){
		.name = strdup(name),
		.target = strdup(target),
		.domain = domain,
		.model = model,
		.alias = strcmp(name, target) != 0,
	};
	return route;
}

/* Requests for these wait: the router knows nobody who serves them. */
static void route_presumed(struct sl_fleet *fleet, const struct sl_engine *m)
{
	struct sl_domain *d = m->ep->domain;

	fleet->learning = true;
	for (uint32_t i = 0; i < m->n_presumed; i++) {
		uint32_t id;

		sl_domain_lock(d);
		id = sl_router_model(d->router, sl_span_str(m->presumed[i]));
		sl_domain_unlock(d);
		add_route(fleet, m->presumed[i], m->presumed[i], d, id)->local |= !m->pool->gateway;
	}
}

/* Tells the router what an engine serves and gives every name a route. */
static void route_member(struct sl_fleet *fleet, const struct sl_engine *m)
{
	struct sl_domain *d = m->ep->domain;
	uint32_t ids[256];
	uint32_t n = 0;

	sl_domain_lock(d);
	for (uint32_t i = 0; i < m->n_models && n < SL_COUNT(ids); i++) {
		ids[n] = sl_router_model(d->router, sl_span_str(m->models[i]));
		if (m->adapters[i])
			sl_router_model_adapter(d->router, ids[n], true);
		sl_router_model_clusters(d->router, ids[n],
		                         sl_grouping_allowed(fleet->config, m->models[i]));
		sl_router_model_policy(d->router, ids[n],
		                       sl_grouping_policy(fleet->config, m->models[i]));
		n++;
	}
	sl_router_endpoint_models(d->router, m->ep->slot, ids, n);
	sl_domain_unlock(d);
	for (uint32_t i = 0; i < n; i++)
		add_route(fleet, m->models[i], m->models[i], d, ids[i])->local |= !m->pool->gateway;
	if (!m->models_known)
		route_presumed(fleet, m);
}

static void route_aliases(struct sl_fleet *fleet)
{
	const struct sl_config *config = fleet->config;

	for (uint32_t i = 0; i < config->n_models; i++) {
		const struct sl_model_conf *model = &config->models[i];
		struct sl_route *route = find_route(fleet, model->name);
		struct sl_route target;

		if (!route)
			continue;
		target = *route;
		for (uint32_t k = 0; k < model->n_aliases; k++)
			add_route(fleet, model->aliases[k], model->name, target.domain,
			          target.model)
			        ->local |= target.local;
	}
}

static uint32_t count_members(const struct sl_registry *r)
{
	uint32_t n = 0;

	for (const struct sl_engine *m = r->members; m; m = m->next)
		n++;
	return n;
}

struct sl_fleet *sl_registry_fleet(struct sl_registry *r)
{
	struct sl_fleet *fleet = zalloc(1, sizeof(*fleet));

	atomic_init(&fleet->refs, 1);
	fleet->config = sl_config_ref(r->config);
	fleet->learning = r->unheard;
	fleet->endpoints = zalloc(count_members(r), sizeof(*fleet->endpoints));
	fleet->n_ids = r->n_ids;
	fleet->pool_of = zalloc(r->n_ids, sizeof(*fleet->pool_of));
	for (struct sl_engine *m = r->members; m; m = m->next) {
		fleet->endpoints[fleet->n_endpoints++] = sl_endpoint_ref(m->ep);
		fleet->pool_of[m->ep->id] = m->pool;
		route_member(fleet, m);
	}
	route_aliases(fleet);
	sl_fleet_seal(fleet);
	return fleet;
}

/* ---- the pages' view ------------------------------------------------- */

static uint64_t ms_between(uint64_t from_us, uint64_t to_us)
{
	return to_us > from_us ? (to_us - from_us) / 1000 : 0;
}

static void fill_row(struct sl_engine *m, uint64_t now_us, struct sl_fleet_row *row)
{
	static const char *const connectors[] = { "none", "nixl" };
	struct sl_endpoint *ep = m->ep;

	*row = (struct sl_fleet_row){
		.endpoint = ep->name,
		.pool = m->pool->name,
		.cluster = m->pool->cluster,
		.engine = sl_engine_kind_name(m->kind),
		.connector = connectors[m->pool->connector],
		.held = m->server->found.hold ? m->server->found.why : NULL,
		.sample_age_ms = m->page_us ? (int64_t)((now_us - m->page_us) / 1000) : -1,
		.page = m->page,
		.models = (const char *const *)m->models,
		.n_models = m->n_models,
	};
	if (ep->gpus.known) {
		row->gpus = sl_gpu_state_name((enum sl_gpu_state)atomic_load(&ep->gpus.state));
		row->gpu_reason = ep->gpus.reason;
		row->n_gpus = ep->gpus.n;
	}
	pthread_mutex_lock(&ep->judge_lock);
	memcpy(row->reason, ep->judge.reason, sizeof(row->reason));
	row->health_since_ms = ms_between(ep->judge.since_us, now_us);
	row->ejected = ep->judge.ejected;
	row->returns_in_ms = ms_between(now_us, ep->judge.return_us);
	row->ejections = ep->judge.ejections;
	row->spared = ep->judge.spared;
	pthread_mutex_unlock(&ep->judge_lock);
	sl_domain_lock(ep->domain);
	sl_router_endpoint_view(ep->domain->router, ep->slot, now_us, &row->view);
	sl_domain_unlock(ep->domain);
}

uint32_t sl_registry_rows(struct sl_registry *r, uint64_t now_us, struct sl_fleet_row **out_rows)
{
	uint32_t n = count_members(r), at = n;

	if (n > r->n_rows) {
		free(r->rows);
		r->rows = zalloc(n, sizeof(*r->rows));
		r->n_rows = n;
	}
	/* Members are listed newest first; the page shows the file's order. */
	for (uint32_t p = r->config->n_pools; p-- > 0;)
		for (struct sl_engine *m = r->members; m; m = m->next)
			if (m->pool == &r->config->pools[p])
				fill_row(m, now_us, &r->rows[--at]);
	*out_rows = r->rows;
	return n;
}

static bool is_listed(const struct sl_fleet_model *models, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(models[i].name, name))
			return true;
	return false;
}

static struct sl_fleet_model make_model(const struct sl_registry *r, const struct sl_engine *m,
                                        char *name)
{
	struct sl_fleet_model model = { .name = name };
	struct sl_domain *d = m->ep->domain;

	for (uint32_t i = 0; i < r->config->n_models; i++) {
		if (!strcmp(r->config->models[i].name, name)) {
			model.aliases = (const char *const *)r->config->models[i].aliases;
			model.n_aliases = r->config->models[i].n_aliases;
		}
	}
	sl_domain_lock(d);
	sl_router_model_view(d->router, sl_router_model(d->router, sl_span_str(name)), &model.view);
	sl_domain_unlock(d);
	for (uint32_t i = 0; i < r->config->n_clusters; i++)
		if (model.view.clusters >> (i + 1) & 1)
			model.clusters[model.n_clusters++] = r->config->clusters[i].name;
	return model;
}

uint32_t sl_registry_models(struct sl_registry *r, struct sl_fleet_model *out, uint32_t max)
{
	uint32_t n = 0;

	for (const struct sl_engine *m = r->members; m; m = m->next)
		for (uint32_t i = 0; i < m->n_models && n < max; i++)
			if (!is_listed(out, n, m->models[i]))
				out[n++] = make_model(r, m, m->models[i]);
	return n;
}

bool sl_registry_ready(struct sl_registry *r)
{
	for (const struct sl_engine *m = r->members; m; m = m->next) {
		if (m->n_models && m->role != SL_ROLE_PREFILL && sl_endpoint_ready(m->ep))
			return true;
	}
	return false;
}
