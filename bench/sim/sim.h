/* sim.h: the objects of the running simulator, and who owns whom.
 *
 *   sim (the process)
 *    +- engines, each with its KV cache, batch, hand-offs, counters, faults
 *    |   +- connections of its clients
 *    |       +- at most one generation (gen): an inference request under way
 *    |           +- choices: one sequence each, perhaps being fetched (pull)
 *    +- connections of the admin listener
 *    +- graveyard: what was closed in this turn of the loop
 *
 * One thread, one event base. Nothing is freed inside its own callback. */
#ifndef SLUICE_SIM_SIM_H
#define SLUICE_SIM_SIM_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "bench/sim/buf.h"
#include "bench/sim/faults.h"
#include "bench/sim/metrics.h"
#include "bench/sim/model.h"
#include "bench/sim/options.h"
#include "bench/sim/pd.h"

struct sl_sim_conn;
struct sl_sim_gen;

struct sl_sim_listener {
	int fd; /* -1: closed */
	struct event event;
};

struct sl_sim_conn_list {
	struct sl_sim_conn *first;
	uint32_t n;
};

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
};

struct sl_sim_engine {
	struct sl_sim *sim; /* borrowed */
	uint32_t index;
	uint16_t port;
	char id[40]; /* a new one at every start */
	struct sl_sim_listener listener;
	struct sl_sim_conn_list conns;

	struct sl_sim_kv *kv; /* owned */
	struct sl_sim_batch batch;
	struct sl_sim_model model;
	struct sl_sim_handoffs handoffs;
	struct sl_sim_metrics metrics;
	struct sl_sim_faults faults;
	struct sl_sim_tally tally;

	struct event step_timer, lease_timer, beat_timer;
	bool advancing;           /* inside the loop over steps */
	uint64_t step_end_us;     /* of the step under way */
	uint64_t nic_free_us;     /* transfers to here queue up */
	uint64_t abort_us;        /* when the last client left whose sequence still computed */
	struct sl_sim_gen *dirty; /* has something to say */
	char last_peer[40];       /* id of the engine that it last fetched from */

	bool dead; /* its core has died: refuses connections */
	bool stopping;
	enum sl_sim_stop stop;

	struct sl_sim_buf last_head, last_body; /* of the last inference request */
};

struct sl_sim {
	struct event_base *base;
	struct sl_sim_options opt;
	struct sl_sim_engine *engines; /* owned; opt.count */
	struct sl_sim_listener admin;
	struct sl_sim_conn_list admin_conns;
	struct sl_sim_conn *graveyard;
	struct event sweep, stop_signals[2], stop_timer;
	struct sl_rng rng;
	char fingerprint[40];
	uint64_t started_us;
	bool stopping;

	/* The same for everybody within a second. */
	int64_t date_s;
	char date[40];
	struct sl_sim_fast {
		struct sl_sim_buf whole, prefill, stream;
	} fast[2];               /* --fast: completion, chat; made at first need */
	struct sl_sim_ask *asks; /* words to other processes that nobody waits for */
};

/* Monotonic, and Unix time. */
uint64_t sl_sim_now_us(void);
int64_t sl_sim_unix_s(void);
/* The date header's value, made once a second. */
const char *sl_sim_date(struct sl_sim *sim);
struct timeval sl_sim_timeval(uint64_t us);

/* ---- engine.c: lifetime and time ---------------------------------------- */

void sl_sim_engine_init(struct sl_sim_engine *e, struct sl_sim *sim, uint32_t index);
void sl_sim_engine_fini(struct sl_sim_engine *e);
/* Something changed that may let work go on. */
void sl_sim_engine_kick(struct sl_sim_engine *e);
/* The core dies: requests under way fail, nobody can connect any more. */
void sl_sim_engine_die(struct sl_sim_engine *e);
/* As if the process had been started anew: nothing cached, a new id, alive.
 * `asking` (or NULL) is the one connection that is not cut. */
void sl_sim_engine_restart(struct sl_sim_engine *e, const struct sl_sim_conn *asking);
/* What SIGTERM does to one engine. */
void sl_sim_engine_stop(struct sl_sim_engine *e, enum sl_sim_stop how,
                        const struct sl_sim_conn *asking);
/* True if nothing is left to wait for. */
bool sl_sim_engine_stopped(const struct sl_sim_engine *e);
/* Opens or closes the listener, as faults and health say. 0 or -1. */
int sl_sim_engine_listen(struct sl_sim_engine *e);
/* A lease began, or changed. */
void sl_sim_engine_lease(struct sl_sim_engine *e);
/* Requests may wait here whose blocks other engines hold: prolong the leases
 * from time to time. */
void sl_sim_engine_heed_leases(struct sl_sim_engine *e);
/* The engine of this process with this address, or NULL. */
struct sl_sim_engine *sl_sim_engine_find(struct sl_sim *sim, const char *host, int port);

/* ---- server.c: listening ------------------------------------------------ */

SL_MUST_CHECK int sl_sim_listen(struct sl_sim *sim, struct sl_sim_listener *l,
                                const struct sl_sim_address *address, event_callback_fn accepted,
                                void *arg);
void sl_sim_listener_close(struct sl_sim_listener *l);
/* Accepts what waits; calls make for each. */
void sl_sim_accept(int fd, void (*make)(int fd, void *arg), void *arg);

/* ---- api.c -------------------------------------------------------------- */

/* A whole request has arrived. */
void sl_sim_api_handle(struct sl_sim_conn *conn);
/* ---- admin.c: the /sim paths; false: there is no such path. ------------- */
SL_MUST_CHECK bool sl_sim_admin_handle(struct sl_sim_conn *conn);

#endif
