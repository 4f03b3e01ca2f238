/* grouping.h: which pools belong together. Pure functions of a configuration.
 *
 * Pools that serve the same model form one routing domain: they share a
 * router and its lock. What the engines of a pool serve that no model block
 * and no `model` directive names is only known later: all such pools form one
 * domain, together with those of other clusters, which may be failed over to. */
#ifndef SLUICE_CONTROL_GROUPING_H
#define SLUICE_CONTROL_GROUPING_H

#include "sluice/config.h"

/* The domain's stable name and its router's options. */
void sl_grouping_domain(const struct sl_config *config, const struct sl_pool_conf *pool,
                        char *out_name, size_t size, struct sl_router_options *out_options);
/* Model names that the configuration gives a pool; borrowed, distinct. */
uint32_t sl_grouping_models(const struct sl_config *config, const struct sl_pool_conf *pool,
                            char **out_names, uint32_t max);
/* The number by which routers know the pool's cluster; 0: in none. */
uint32_t sl_grouping_cluster(const struct sl_config *config, const struct sl_pool_conf *pool);
/* All clusters, by that number. */
void sl_grouping_clusters(const struct sl_config *config, struct sl_clusters *out_clusters);
/* Bits of the clusters that may serve a model. */
uint64_t sl_grouping_allowed(const struct sl_config *config, const char *model);
/* The policy of its own block, borrowed; NULL without one: its domain's. */
const enum sl_policy *sl_grouping_policy(const struct sl_config *config, const char *model);
/* Equal for pools with the same kv_group name in the same cluster. */
uint32_t sl_grouping_kv_group(const struct sl_config *config, const struct sl_pool_conf *pool);

#endif
