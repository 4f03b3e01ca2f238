/* admin.h: the /sim paths: what an engine saw, and what it shall do wrong. */
#ifndef SLUICE_SIM_ADMIN_H
#define SLUICE_SIM_ADMIN_H

#include "bench/sim/engine.h"

/* On an engine's own port it is that engine that is asked; on the admin port
 * ?engine=K of the sim's. False: there is no such path. */
SL_MUST_CHECK bool sl_sim_admin_at_engine(struct sl_sim_conn *conn, struct sl_sim_engine *e);
SL_MUST_CHECK bool sl_sim_admin_at_port(struct sl_sim_conn *conn, struct sl_sim *sim);

#endif
