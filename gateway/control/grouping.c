/* grouping.c: see grouping.h. */
#include "gateway/control/grouping.h"

#include <stdio.h>
#include <stdlib.h>

static bool has_name(char *const *names, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* A model block lists this pool by name. */
static bool lists_pool(const struct sl_model_conf *model, const struct sl_pool_conf *pool)
{
	return !pool->gateway && has_name(model->pools, model->n_pools, pool->name);
}

uint32_t sl_grouping_models(const struct sl_config *config, const struct sl_pool_conf *pool,
                            char **out_names, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < pool->n_models && n < max; i++)
		if (!has_name(out_names, n, pool->models[i]))
			out_names[n++] = pool->models[i];
	for (uint32_t i = 0; i < config->n_models && n < max; i++)
		if (lists_pool(&config->models[i], pool) &&
		    !has_name(out_names, n, config->models[i].name))
			out_names[n++] = config->models[i].name;
	return n;
}

static bool serves(const struct sl_config *config, const struct sl_pool_conf *pool,
                   const char *name)
{
	char *names[256];
	uint32_t n = sl_grouping_models(config, pool, names, (uint32_t)SL_COUNT(names));

	return has_name(names, n, name);
}

static bool is_tied(const struct sl_config *config, const struct sl_pool_conf *pool)
{
	char *names[1];

	return sl_grouping_models(config, pool, names, 1) > 0;
}

static bool share_model(const struct sl_config *config, const struct sl_pool_conf *a,
                        const struct sl_pool_conf *b)
{
	char *names[256];
	uint32_t n = sl_grouping_models(config, a, names, (uint32_t)SL_COUNT(names));

	for (uint32_t i = 0; i < n; i++)
		if (serves(config, b, names[i]))
			return true;
	return false;
}

static bool tied_together(const struct sl_config *config, const struct sl_pool_conf *a,
                          const struct sl_pool_conf *b)
{
	bool a_tied = is_tied(config, a), b_tied = is_tied(config, b);

	if (a_tied && b_tied)
		return share_model(config, a, b);
	return a_tied == b_tied || strcmp(a->cluster, b->cluster) != 0;
}

/* Marks in group[] every pool that reaches `from` over shared models. */
static void collect(const struct sl_config *config, uint32_t from, bool *group)
{
	bool grown = true;

	group[from] = true;
	while (grown) {
		grown = false;
		for (uint32_t i = 0; i < config->n_pools; i++) {
			for (uint32_t k = 0; k < config->n_pools && !group[i]; k++) {
				if (group[k] &&
				    tied_together(config, &config->pools[i], &config->pools[k])) {
					group[i] = true;
					grown = true;
				}
			}
		}
	}
}

static bool serves_in(const struct sl_config *config, const bool *group, const char *model)
{
	for (uint32_t i = 0; i < config->n_pools; i++)
		if (group[i] && serves(config, &config->pools[i], model))
			return true;
	return false;
}

/* The first model block of the group decides. A group whose models are only
 * known later takes the first block that names no pools. */
static const struct sl_model_conf *deciding_model(const struct sl_config *config, const bool *group,
                                                  bool tied)
{
	for (uint32_t i = 0; i < config->n_models; i++) {
		const struct sl_model_conf *model = &config->models[i];

		if (tied ? serves_in(config, group, model->name) : model->n_pools == 0)
			return model;
	}
	return NULL;
}

void sl_grouping_domain(const struct sl_config *config, const struct sl_pool_conf *pool,
                        char *out_name, size_t size, struct sl_router_options *out_options)
{
	bool *group = calloc(config->n_pools, sizeof(*group));
	uint32_t first = 0;
	const struct sl_model_conf *model;
	const char *profile = config->default_profile;

	if (!group)
		abort();
	collect(config, (uint32_t)(pool - config->pools), group);
	while (!group[first])
		first++;
	snprintf(out_name, size, "%s/%s", config->pools[first].cluster, config->pools[first].name);
	sl_router_options_default(out_options);
	model = deciding_model(config, group, is_tied(config, pool));
	if (model) {
		out_options->policy = model->policy;
		if (*model->profile)
			profile = model->profile;
	}
	if (sl_profile_find(profile))
		out_options->profile = sl_profile_find(profile);
	free(group);
}

uint32_t sl_grouping_kv_group(const struct sl_config *config, const struct sl_pool_conf *pool)
{
	/* The first pool of that name stands for the group. */
	for (uint32_t i = 0; i < config->n_pools; i++)
		if (!strcmp(config->pools[i].kv_group, pool->kv_group) &&
		    !strcmp(config->pools[i].cluster, pool->cluster))
			return i;
	return 0;
}

/* ---- clusters ---------------------------------------------------------- */

uint32_t sl_grouping_cluster(const struct sl_config *config, const struct sl_pool_conf *pool)
{
	for (uint32_t i = 0; i < config->n_clusters; i++)
		if (!strcmp(config->clusters[i].name, pool->cluster))
			return i + 1;
	return 0;
}

void sl_grouping_clusters(const struct sl_config *config, struct sl_clusters *out_clusters)
{
	*out_clusters = (struct sl_clusters){
		.n = config->n_clusters + 1,
		.failback_us = config->failback_delay_us,
		.ramp_us = config->failback_ramp_us,
	};
	out_clusters->priority[0] = 1;
	for (uint32_t i = 0; i < config->n_clusters; i++)
		out_clusters->priority[i + 1] = config->clusters[i].priority;
}

static const struct sl_model_conf *find_model(const struct sl_config *config, const char *name)
{
	for (uint32_t i = 0; i < config->n_models; i++)
		if (!strcmp(config->models[i].name, name))
			return &config->models[i];
	return NULL;
}

const enum sl_policy *sl_grouping_policy(const struct sl_config *config, const char *name)
{
	const struct sl_model_conf *model = find_model(config, name);

	return model ? &model->policy : NULL;
}

uint64_t sl_grouping_allowed(const struct sl_config *config, const char *name)
{
	const struct sl_model_conf *model = find_model(config, name);
	uint64_t allowed = 0;

	if (!model || (model->n_clusters == 0 && model->n_residency == 0))
		return UINT64_MAX;
	for (uint32_t i = 0; i < config->n_clusters; i++) {
		const struct sl_cluster_conf *cluster = &config->clusters[i];
		bool listed = model->n_clusters == 0 ||
		              has_name(model->clusters, model->n_clusters, cluster->name);
		bool resident = model->n_residency == 0 ||
		                has_name(model->residency, model->n_residency, cluster->region);

		if (listed && resident)
			allowed |= 1ull << (i + 1);
	}
	return allowed;
}
