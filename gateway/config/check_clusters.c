/* check_clusters.c: what clusters are made of, and that no model is sent where
 * it must not be: a file that would allow it does not load. */
#include <string.h>

#include "gateway/config/checker.h"
#include "gateway/config/nearest.h"
#include "gateway/config/table.h"

/* ---- what a cluster is made of ---------------------------------------- */

static void check_content(struct checker *c, const struct conf_statement *cluster)
{
	const struct conf_statement *gateway = conf_statement_find(cluster, "gateway");
	bool pools = conf_was_meant(cluster, "pool");

	if (!cluster->block)
		return;
	if (!pools && !conf_was_meant(cluster, "gateway"))
		conf_complain(c->report, &cluster->words[0].at, NULL,
		              "this cluster has neither a 'pool' nor a 'gateway'; expected one");
	if (pools && gateway)
		conf_complain(c->report, &gateway->words[0].at, NULL,
		              "gateway: this cluster has pools of its own; expected a cluster "
		              "block for itself");
}

/* ---- references -------------------------------------------------------- */

static const struct sl_cluster_conf *find_cluster(const struct checker *c, const char *name)
{
	for (uint32_t i = 0; i < c->config->n_clusters; i++) {
		const char *own = c->config->clusters[i].name;

		if (own && strcmp(own, name) == 0)
			return &c->config->clusters[i];
	}
	return NULL;
}

static bool in_region(const struct sl_cluster_conf *cluster, const char *region)
{
	return strcmp(cluster->region, region) == 0;
}

static bool has_region(const struct checker *c, const char *region)
{
	for (uint32_t i = 0; i < c->config->n_clusters; i++)
		if (in_region(&c->config->clusters[i], region))
			return true;
	return false;
}

/* A cluster that was misspelt has been complained about. */
static bool clusters_are_broken(const struct checker *c)
{
	for (uint32_t i = 0; i < c->clusters.n; i++)
		if (c->clusters.item[i]->broken || conf_was_broken(c->clusters.item[i], "region"))
			return true;
	return c->clusters.n == 0 && conf_was_meant(c->root, "cluster");
}

static void check_cluster_exists(struct checker *c, const struct conf_word *word)
{
	struct conf_nearest nearest;

	if (word->broken || find_cluster(c, word->text))
		return;
	conf_nearest_init(&nearest, word->text);
	for (uint32_t i = 0; i < c->config->n_clusters; i++)
		conf_nearest_offer(&nearest, c->config->clusters[i].name);
	conf_complain(c->report, &word->at, nearest.best, "clusters: there is no cluster '%s'",
	              conf_show(c->arena, word->text));
}

static void check_region_exists(struct checker *c, const struct conf_word *word)
{
	struct conf_nearest nearest;

	if (word->broken || has_region(c, word->text))
		return;
	conf_nearest_init(&nearest, word->text);
	for (uint32_t i = 0; i < c->config->n_clusters; i++)
		conf_nearest_offer(&nearest, c->config->clusters[i].region);
	conf_complain(c->report, &word->at, nearest.best, "residency: no cluster is in region '%s'",
	              conf_show(c->arena, word->text));
}

/* ---- residency --------------------------------------------------------- */

static bool may_be_in(const struct sl_model_conf *model, const struct sl_cluster_conf *cluster)
{
	for (uint32_t i = 0; i < model->n_residency; i++)
		if (cluster && in_region(cluster, model->residency[i]))
			return true;
	return model->n_residency == 0;
}

static const char *show_place(struct checker *c, const struct sl_cluster_conf *cluster)
{
	if (!cluster)
		return "outside any cluster";
	if (*cluster->region == '\0')
		return conf_sprintf(c->arena, "in cluster '%s', which has no region",
		                    cluster->name);
	return conf_sprintf(c->arena, "in cluster '%s', region '%s'", cluster->name,
	                    cluster->region);
}

static void complain_of_residency(struct checker *c, const struct conf_word *word,
                                  const struct sl_model_conf *model, const char *what,
                                  const struct sl_cluster_conf *cluster)
{
	conf_complain(c->report, &word->at, NULL,
	              "model '%s' must not leave its residency, but %s is %s",
	              conf_show(c->arena, model->name), what, show_place(c, cluster));
}

static const struct sl_model_conf *find_model(const struct checker *c, const char *name)
{
	for (uint32_t i = 0; i < c->config->n_models; i++)
		if (c->config->models[i].name && !strcmp(c->config->models[i].name, name))
			return &c->config->models[i];
	return NULL;
}

/* A pool or a gateway that says that it serves the model. */
static void check_listed_models(struct checker *c, const struct conf_statement *block)
{
	const struct sl_cluster_conf *cluster = find_cluster(c, conf_pool_of(block)->cluster);

	for (const struct conf_statement *s = block->first; s; s = s->next) {
		if (s->broken || strcmp(s->words[0].text, "model") != 0)
			continue;
		for (uint32_t i = 1; i < s->n_words; i++) {
			const struct sl_model_conf *model = find_model(c, s->words[i].text);

			if (model && !may_be_in(model, cluster))
				complain_of_residency(c, &s->words[i], model, "this", cluster);
		}
	}
}

static const struct sl_pool_conf *find_pool(const struct checker *c, const char *name)
{
	for (uint32_t i = 0; i < c->pools.n; i++)
		if (strcmp(conf_pool_of(c->pools.item[i])->name, name) == 0)
			return conf_pool_of(c->pools.item[i]);
	return NULL;
}

static bool lists_cluster(const struct sl_model_conf *model, const char *cluster)
{
	for (uint32_t i = 0; i < model->n_clusters; i++)
		if (strcmp(model->clusters[i], cluster) == 0)
			return true;
	return false;
}

static void check_named_pool(struct checker *c, const struct sl_model_conf *model,
                             const struct conf_word *word)
{
	const struct sl_pool_conf *pool = find_pool(c, word->text);
	const struct sl_cluster_conf *cluster = pool ? find_cluster(c, pool->cluster) : NULL;

	if (!pool)
		return;
	if (!may_be_in(model, cluster))
		complain_of_residency(c, word, model,
		                      conf_sprintf(c->arena, "pool '%s'", word->text), cluster);
	else if (model->n_clusters && !lists_cluster(model, pool->cluster))
		conf_complain(c->report, &word->at, NULL,
		              "pools: pool '%s' is %s, which is not among this model's clusters",
		              conf_show(c->arena, word->text), show_place(c, cluster));
}

static void check_named_cluster(struct checker *c, const struct sl_model_conf *model,
                                const struct conf_word *word)
{
	const struct sl_cluster_conf *cluster = find_cluster(c, word->text);

	if (cluster && !may_be_in(model, cluster))
		complain_of_residency(c, word, model, "this", cluster);
}

/* ---- a model ----------------------------------------------------------- */

static void check_model(struct checker *c, const struct conf_statement *block)
{
	const struct sl_model_conf *model = block->object;

	for (const struct conf_statement *s = block->first; s; s = s->next) {
		const char *name = s->words[0].text;

		for (uint32_t i = 1; !s->broken && i < s->n_words; i++) {
			if (strcmp(name, "clusters") == 0) {
				check_cluster_exists(c, &s->words[i]);
				check_named_cluster(c, model, &s->words[i]);
			} else if (strcmp(name, "residency") == 0) {
				check_region_exists(c, &s->words[i]);
			} else if (strcmp(name, "pools") == 0) {
				check_named_pool(c, model, &s->words[i]);
			}
		}
	}
}

void conf_check_clusters(struct checker *c)
{
	for (uint32_t i = 0; i < c->clusters.n; i++)
		check_content(c, c->clusters.item[i]);
	if (clusters_are_broken(c))
		return;
	for (uint32_t i = 0; i < c->models.n; i++)
		if (!c->models.item[i]->broken)
			check_model(c, c->models.item[i]);
	for (uint32_t i = 0; i < c->pools.n; i++)
		check_listed_models(c, c->pools.item[i]);
	for (uint32_t i = 0; i < c->gateways.n; i++)
		check_listed_models(c, c->gateways.item[i]);
}
