/* error.h: whole answers that say why not, in vLLM's shape. */
#ifndef SLUICE_SIM_ERROR_H
#define SLUICE_SIM_ERROR_H

#include "bench/sim/conn.h"

/* {"error": ...}; param and extra as in render.h and conn.h. */
void sl_sim_error_reply(struct sl_sim_conn *conn, int status, const char *type, const char *param,
                        struct sl_span message, const char *extra);

#endif
