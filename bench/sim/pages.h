/* pages.h: answering a page of numbers, with all that can be wrong with it. */
#ifndef SLUICE_SIM_PAGES_H
#define SLUICE_SIM_PAGES_H

#include "bench/sim/dialect.h"

/* Of a route that is a page. */
void sl_sim_pages_answer(struct sl_sim_conn *conn, struct sl_sim_engine *e,
                         const struct sl_sim_route *route);
/* Where the fault metrics_redirect leads to: /metrics/. */
void sl_sim_pages_answer_moved(struct sl_sim_conn *conn, struct sl_sim_engine *e,
                               const struct sl_sim_route *route);
/* The engine's faults have changed: pages that stand still do so from now. */
void sl_sim_pages_heed_faults(struct sl_sim_engine *e);

#endif
