/* gen_start.h: an inference request as it comes in: the faults that it meets,
 * its checks, its sequences. */
#ifndef SLUICE_SIM_GEN_START_H
#define SLUICE_SIM_GEN_START_H

#include "bench/sim/engine.h"
#include "bench/sim/request.h"

/* Answers conn's request, now or by and by; then the generation is its job.
 * False if it was such that the engine's core must die of it; that was said. */
SL_MUST_CHECK bool sl_sim_gen_start(struct sl_sim_conn *conn, struct sl_sim_engine *e,
                                    enum sl_sim_api api);

#endif
