/* pd.h: hand-offs between a prefill and a decode engine, as NIXL's pull
 * connector makes them: their parameters on the wire, and, on the prefill
 * side, the blocks that are pinned until they are read or their lease ends.
 *
 * Pure. Who talks to whom is pull.h's matter. */
#ifndef SLUICE_SIM_PD_H
#define SLUICE_SIM_PD_H

#include "bench/sim/buf.h"
#include "bench/sim/kv.h"

struct cJSON;

/* kv_transfer_params of a request. Strings are owned. */
struct sl_sim_kv_params {
	bool do_remote_decode;  /* prefill leg: keep the blocks for another engine */
	bool do_remote_prefill; /* decode leg: fetch them from another engine */
	bool fatal;             /* an object that kills vLLM's engine core */
	char *engine_id, *request_id, *host;
	int port; /* -1: not a port number */
	uint32_t n_blocks;
};

/* False if it is neither absent, null nor an object (a 400). */
SL_MUST_CHECK bool sl_sim_kv_params_read(struct sl_sim_kv_params *p, const struct cJSON *json);
void sl_sim_kv_params_fini(struct sl_sim_kv_params *p);

/* Blocks that wait to be read. */
struct sl_sim_handoff {
	struct sl_sim_handoff *next, *prev;
	char *request_id; /* owned */
	uint32_t *blocks; /* owned; each held once */
	uint32_t n_blocks;
	uint32_t tokens;
	uint64_t prompt_hash; /* what a reader must be asking for */
	uint64_t until_us;    /* end of the lease */
};

struct sl_sim_handoffs {
	struct sl_sim_handoff *first;
	uint32_t n;
	uint32_t n_blocks; /* pinned in total */
	uint64_t expired;  /* nobody came in time */
	uint64_t late;     /* readers that came after that */
};

/* Takes the blocks. */
struct sl_sim_handoff *sl_sim_handoff_add(struct sl_sim_handoffs *all, const char *request_id,
                                          uint32_t *blocks, uint32_t n_blocks, uint64_t until_us);
struct sl_sim_handoff *sl_sim_handoff_find(const struct sl_sim_handoffs *all,
                                           const char *request_id);
/* Read, or given up: its blocks are let go. */
void sl_sim_handoff_del(struct sl_sim_handoffs *all, struct sl_sim_handoff *h,
                        struct sl_sim_kv *kv);
/* Deletes what has run out by now; returns how many. UINT64_MAX: all. */
uint32_t sl_sim_handoff_expire(struct sl_sim_handoffs *all, struct sl_sim_kv *kv, uint64_t now_us);
/* When the next one runs out; UINT64_MAX if there is none. */
uint64_t sl_sim_handoff_next_us(const struct sl_sim_handoffs *all);

/* What the answer to a prefill leg says, byte for byte as vLLM 0.32 does. */
struct sl_sim_handoff_place {
	const char *engine_id, *host;
	uint16_t port;
	int64_t cached_tokens; /* -1: left out, as for more than one output token */
};
void sl_sim_handoff_render(struct sl_sim_buf *b, const struct sl_sim_handoff *h,
                           const struct sl_sim_handoff_place *place);

#endif
