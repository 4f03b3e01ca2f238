/* pull.h: fetching KV blocks from the engine that prefilled a prompt.
 *
 * The side channel: an engine of this process is asked directly, another
 * process by POST /sim/kv on remote_host:remote_port, which in this simulator
 * is the engine's own port. */
#ifndef SLUICE_SIM_PULL_H
#define SLUICE_SIM_PULL_H

#include "bench/sim/gen.h"

enum sl_sim_pull_op {
	SL_SIM_PULL_OPEN,    /* handshake: are the blocks there? */
	SL_SIM_PULL_RELEASE, /* read, or not wanted any more */
	SL_SIM_PULL_BEAT,    /* still wanted: prolong the lease */
};

enum sl_sim_pull_verdict {
	SL_SIM_PULL_OK,
	SL_SIM_PULL_STALE,    /* no such hand-off (any more), or of another prompt */
	SL_SIM_PULL_STRANGER, /* another engine lives here, or another version */
	SL_SIM_PULL_SILENT,   /* the engine hangs: ask again */
	SL_SIM_PULL_DOWN,     /* nobody answers */
};

struct sl_sim_pull_question {
	enum sl_sim_pull_op op;
	const char *engine_id, *request_id, *kv_version;
	uint64_t prompt_hash;
};

/* The prefill side's answer. */
enum sl_sim_pull_verdict sl_sim_pull_answer(struct sl_sim_engine *e,
                                            const struct sl_sim_pull_question *q);
/* POST /sim/kv */
void sl_sim_pull_serve(struct sl_sim_conn *conn);

/* Begins to fetch a choice's blocks; ends in sl_sim_batch_fetched or
 * sl_sim_gen_fail. */
void sl_sim_pull_start(struct sl_sim_choice *choice);
/* Stops it, if it is under way; the prefill side is not told. */
void sl_sim_pull_cancel(struct sl_sim_choice *choice);
/* Tells the prefill side that nobody will read these blocks. */
void sl_sim_pull_release(struct sl_sim_engine *e, const struct sl_sim_kv_params *params);
/* Prolongs the lease of what waits here to be fetched. */
void sl_sim_pull_beat(struct sl_sim_choice *choice);
/* Forgets the words to other processes that are still on their way. */
void sl_sim_pull_fini(struct sl_sim *sim);

#endif
