/* metrics_page.h: an engine's /metrics page. */
#ifndef SLUICE_SIM_METRICS_PAGE_H
#define SLUICE_SIM_METRICS_PAGE_H

#include "bench/sim/engine.h"

void sl_sim_metrics_page(struct sl_sim_buf *b, struct sl_sim_engine *e);

#endif
