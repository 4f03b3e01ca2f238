/* gen_say.h: what a generation sends, when it has something to say: events of
 * a stream, or one whole answer; and the faults that spoil a stream.
 *
 * All tokens that a choice has since it was last asked make one event, so
 * they come together when the process is busy, as they do in vLLM. */
#ifndef SLUICE_SIM_GEN_SAY_H
#define SLUICE_SIM_GEN_SAY_H

#include "bench/sim/gen.h"

/* What 0.32 says for nearly every failure behind the API server. */
#define SL_SIM_INTERNAL_ERROR "Internal server error"

/* Says what there is to say. May end the generation and free it. */
void sl_sim_gen_flush(struct sl_sim_gen *gen);
/* It cannot go on: an error event, or a 500. Frees it. */
void sl_sim_gen_fail(struct sl_sim_gen *gen, const char *message);
/* As a vLLM that is told to stop may do: ends with finish_reason "abort". */
void sl_sim_gen_cut(struct sl_sim_gen *gen);

#endif
