/* engine_life.h: an engine and all who have come to it: where it listens, and
 * what its clients see of its death, its restart and its stop. */
#ifndef SLUICE_SIM_ENGINE_LIFE_H
#define SLUICE_SIM_ENGINE_LIFE_H

#include "bench/sim/engine.h"

/* Opens or closes the listener, as faults and health say. 0, or -1 with errno
 * set. */
int sl_sim_engine_listen(struct sl_sim_engine *e);
/* Its faults have changed: goes on with what they hold up no longer. */
void sl_sim_engine_heed_faults(struct sl_sim_engine *e);
/* The core dies: requests under way fail, nobody can connect any more. */
void sl_sim_engine_die(struct sl_sim_engine *e);
/* As if the process had been started anew: see sl_sim_engine_renew. `asking`
 * (or NULL) is the one connection that is not cut. */
void sl_sim_engine_restart(struct sl_sim_engine *e, const struct sl_sim_conn *asking);
/* What SIGTERM does to one engine. */
void sl_sim_engine_stop(struct sl_sim_engine *e, enum sl_sim_stop how,
                        const struct sl_sim_conn *asking);
/* True if nothing is left to wait for. */
bool sl_sim_engine_stopped(const struct sl_sim_engine *e);
/* Does not listen, cuts everybody, ends all work. Only fini may follow. */
void sl_sim_engine_close(struct sl_sim_engine *e);

#endif
