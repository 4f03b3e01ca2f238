/* engine.h: the core of an engine: a batch and a KV cache, and the time that
 * their steps take. Steps follow each other as long as there is work.
 *
 * Those who put sequences into the batch own them (seq->owner), and are told
 * by the engine's ops what became of them. A sequence whose owner let go of it
 * while it computed is freed when its step ends. */
#ifndef SLUICE_SIM_ENGINE_H
#define SLUICE_SIM_ENGINE_H

#include "bench/sim/adapters.h"
#include "bench/sim/faults.h"
#include "bench/sim/listener.h"
#include "bench/sim/metrics.h"
#include "bench/sim/model.h"
#include "bench/sim/pd.h"
#include "bench/sim/sim.h"

struct sl_sim_gen;

#define SL_SIM_MAX_PAGES 5 /* of a dialect */

/* What tests want to know of an engine. */
struct sl_sim_tally {
	uint64_t requests; /* inference requests that came in */
	uint64_t prefill_legs, decode_legs, local;
	uint64_t aborted;      /* client gone */
	int64_t last_abort_us; /* from its leaving to the end of the work; -1 */
	uint64_t tokens_sent;
	uint64_t pulls_served, pulls_refused, released;
	uint64_t corrupted;   /* answers from blocks that were not the right ones */
	uint64_t connections; /* accepted */
	uint64_t adapter_loads;
	uint64_t pages, health_checks; /* answered */
};

/* `owner` is a sequence's, and not NULL. */
struct sl_sim_engine_ops {
	/* The step that ended gave it a token, or ended it. */
	void (*stepped)(void *owner, uint64_t now_us);
	/* It has blocks: they are to be filled by sl_sim_batch_fetched. */
	void (*fetch)(void *owner);
	/* It still waits for that: prolong the lease. */
	void (*beat)(void *owner);
	/* It does not hang (any more): go on with what waited for that. */
	void (*resume)(struct sl_sim_engine *e);
	/* All steps that were due have ended. */
	void (*flush)(struct sl_sim_engine *e);
};

struct sl_sim_engine {
	struct sl_sim *sim;                  /* borrowed */
	const struct sl_sim_engine_ops *ops; /* borrowed for good */
	uint32_t index;
	uint16_t port;
	char id[40]; /* a new one at every start */

	struct sl_sim_kv *kv; /* owned */
	struct sl_sim_batch batch;
	struct sl_sim_adapters adapters;
	struct sl_sim_model model;
	struct sl_sim_handoffs handoffs;
	struct sl_sim_metrics metrics;
	struct sl_sim_faults faults;
	struct sl_sim_tally tally;

	struct event step_timer, lease_timer, beat_timer;
	bool advancing;       /* inside the loop over steps */
	uint64_t step_end_us; /* of the step under way */
	uint64_t nic_free_us; /* transfers to here queue up */
	uint64_t abort_us;    /* when the last client left whose sequence still computed */
	char last_peer[40];   /* id of the engine that it last fetched from */

	double gpu_slow; /* a throttled GPU: steps take so many times longer */

	bool dead; /* its core has died: refuses connections */
	bool stopping;
	enum sl_sim_stop stop;

	struct sl_sim_buf kept[SL_SIM_MAX_PAGES]; /* pages.c's: those that stand still */
	uint64_t drained_steps;                   /* TensorRT-LLM's: read already */

	/* engine_life.c's. */
	struct sl_sim_listener listener;
	struct sl_sim_conn_list conns;
	bool has_metrics_port; /* its dialect's page is there */
	struct sl_sim_listener metrics_listener;
	struct sl_sim_conn_list metrics_conns;
	/* The generations'. */
	struct sl_sim_gen *dirty;               /* those that have something to say */
	struct sl_sim_gen *hung;                /* those that came while it hung, in order */
	struct sl_sim_buf last_head, last_body; /* of the last inference request */
};

/* Its ops and its list of connections are the caller's to fill in. */
void sl_sim_engine_init(struct sl_sim_engine *e, struct sl_sim *sim, uint32_t index);
/* No sequence may have an owner any more, here and in renew. */
void sl_sim_engine_fini(struct sl_sim_engine *e);
/* Nothing cached, nothing counted, no faults, a new id, alive. */
void sl_sim_engine_renew(struct sl_sim_engine *e);
/* Ends the step under way, and all leases. */
void sl_sim_engine_halt(struct sl_sim_engine *e);

/* Something changed that may let work go on. */
void sl_sim_engine_kick(struct sl_sim_engine *e);
/* A lease began, or changed. */
void sl_sim_engine_lease(struct sl_sim_engine *e);
/* Requests may wait here whose blocks other engines hold: prolong the leases
 * from time to time. */
void sl_sim_engine_heed_leases(struct sl_sim_engine *e);

#endif
