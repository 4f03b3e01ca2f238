/* peer.h: an engine and its peers: the prefill side of a hand-off, and the
 * words that the decode side does not wait to be answered.
 *
 * An engine of this process is spoken to directly, another process by ask.h
 * on remote_host:remote_port, which in this simulator is the engine's own
 * port. */
#ifndef SLUICE_SIM_PEER_H
#define SLUICE_SIM_PEER_H

#include "bench/sim/ask.h"
#include "bench/sim/engine.h"

/* The engine of this process with this address, or NULL. */
struct sl_sim_engine *sl_sim_peer_find(struct sl_sim *sim, const char *host, int port);

/* The prefill side's answer. */
enum sl_sim_verdict sl_sim_peer_answer(struct sl_sim_engine *e, const struct sl_sim_question *q);
/* The same to another process: POST /sim/kv. */
void sl_sim_peer_serve(struct sl_sim_conn *conn, struct sl_sim_engine *e);

/* What e, the decode side, asks about a hand-off. Borrows from both. */
struct sl_sim_question sl_sim_peer_question(const struct sl_sim_engine *e, enum sl_sim_ask_op op,
                                            const struct sl_sim_kv_params *params);
/* Says so to the prefill side: nobody will read these blocks any more; they
 * are still wanted. */
void sl_sim_peer_release(struct sl_sim_engine *e, const struct sl_sim_kv_params *params);
void sl_sim_peer_beat(struct sl_sim_engine *e, const struct sl_sim_kv_params *params);
/* Forgets the words to other processes that are still on their way. */
void sl_sim_peer_fini(struct sl_sim *sim);

#endif
