/* exporters.h: the exporters that tell of GPUs, whose GPUs these are, and what
 * follows for the engines that compute on them. Control thread only. */
#ifndef SLUICE_CONTROL_EXPORTERS_H
#define SLUICE_CONTROL_EXPORTERS_H

#include "gateway/admin/admin.h"
#include "gateway/control/engine.h"
#include "gateway/discovery/discovery.h"
#include "gateway/net/loop.h"
#include "gateway/telemetry/metrics.h"

struct sl_exporters;

/* discovery: borrowed; it follows the names that are hosts of exporters. */
struct sl_exporters *sl_exporters_new(struct sl_loop *loop, struct sl_metrics *metrics,
                                      struct sl_discovery *discovery);
void sl_exporters_free(struct sl_exporters *all);
/* The engines in service, and how to learn of their GPUs. An exporter that is
 * still wanted goes on with what it knows. */
void sl_exporters_apply(struct sl_exporters *all, struct sl_config *config,
                        const struct sl_engine *engines);
/* For /fleet; borrowed until the next turn. */
void sl_exporters_view(struct sl_exporters *all, uint64_t now_us, struct sl_fleet_gpus *out);

#endif
