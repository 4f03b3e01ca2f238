/* api.h: which path is what, and what vLLM says to the wrong ones. */
#ifndef SLUICE_SIM_API_H
#define SLUICE_SIM_API_H

#include "bench/sim/conn.h"

/* Of an engine's own port; the list's owner is that engine. */
extern const struct sl_sim_conn_ops sl_sim_api_ops;
/* Of the admin port, which has the /sim paths only; the owner is the sim. */
extern const struct sl_sim_conn_ops sl_sim_api_admin_ops;

#endif
