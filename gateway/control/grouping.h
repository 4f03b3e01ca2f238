/* grouping.h: which pools belong together. Pure functions of a configuration.
 *
 * Pools that serve the same model form one routing domain: they share a
 * router and its lock. Pools that no model block and no `model` directive
 * ties to others form one domain per cluster, because what their engines
 * serve is only known later. */
#ifndef SLUICE_CONTROL_GROUPING_H
#define SLUICE_CONTROL_GROUPING_H

#include "sluice/config.h"

/* The domain's stable name and its router's options. */
void sl_grouping_domain(const struct sl_config *config, const struct sl_pool_conf *pool,
                        char *out_name, size_t size, struct sl_router_options *out_options);
/* Model names that the configuration gives a pool; borrowed, distinct. */
uint32_t sl_grouping_models(const struct sl_config *config, const struct sl_pool_conf *pool,
                            char **out_names, uint32_t max);
/* Equal for pools with the same kv_group name. */
uint32_t sl_grouping_kv_group(const struct sl_config *config, const struct sl_pool_conf *pool);

#endif
