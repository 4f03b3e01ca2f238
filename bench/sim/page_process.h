/* page_process.h: what the Python client library says of its process. */
#ifndef SLUICE_SIM_PAGE_PROCESS_H
#define SLUICE_SIM_PAGE_PROCESS_H

#include "bench/sim/engine.h"
#include "bench/sim/page.h"

void sl_sim_page_process(struct sl_sim_page *p, const struct sl_sim_engine *e);

#endif
