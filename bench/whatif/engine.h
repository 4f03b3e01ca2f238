/* engine.h: one engine of a what-if run: the simulated engine's own batch, KV
 * pool and step times (bench/sim), without its network.
 *
 * A *leg* is a request's work on one engine; sequences point to it. */
#ifndef SLUICE_WHATIF_ENGINE_H
#define SLUICE_WHATIF_ENGINE_H

#include "bench/sim/batch.h"
#include "bench/sim/model.h"
#include "bench/whatif/fleet.h"
#include "bench/whatif/workload.h"

/* A decode engine asks for blocks before it moves them: a round trip over a new
 * connection, as measured between two simulated engines of one machine. */
#define ENGINE_ASK_US 350u

enum leg_part {
	LEG_WHOLE,   /* the only one */
	LEG_PREFILL, /* its first token is the gateway's, its blocks are kept */
	LEG_DECODE,  /* fetches what the other has computed */
};

struct leg {
	struct sl_sim_seq *seq; /* owned while live; NULL: none */
	uint32_t request;
	uint32_t engine;
	enum leg_part part;
};

struct engine {
	const struct fleet_engine *spec; /* borrowed */
	struct sl_sim_kv *kv;            /* owned */
	struct sl_sim_batch batch;
	struct sl_sim_model model;
	bool up;
	uint32_t epoch;       /* another one each time that it goes down */
	uint64_t nic_free_us; /* when the last transfer has left or entered its NIC */
	uint64_t busy_us;     /* time in which it computed */
};

void engine_init(struct engine *e, const struct fleet *fleet, uint32_t number);
/* Nothing may be under way, and no block held. */
void engine_fini(struct engine *e);
/* Cache and counters of a process that has just started. */
void engine_restart(struct engine *e);

/* A leg begins there. output_tokens: at least 1. */
void engine_add(struct engine *e, struct leg *leg, const struct workload *w, uint32_t output_tokens,
                uint64_t now_us);
/* Takes it out, or sees to it that it ends with the step under way. */
void engine_abort(struct engine *e, struct leg *leg);
/* The process dies: every leg is taken out, and told of. */
void engine_kill(struct engine *e, uint64_t now_us, void (*lost)(void *ctx, struct leg *leg),
                 void *ctx);
/* It can hold the request's prompt and answer at all. */
bool engine_fits(const struct engine *e, const struct workload_request *rq);
/* Plans the next step. True: engine_end_step is due in *out_us. */
bool engine_begin_step(struct engine *e, uint64_t now_us, uint64_t *out_us);
/* When blocks of this many tokens, sent by `from` to `to` from now on, arrive;
 * each NIC moves one hand-off after the other. */
uint64_t engine_transfer(struct engine *from, struct engine *to, uint32_t tokens, uint64_t now_us);
/* Prompt tokens whose KV it really has now. */
uint32_t engine_cached_tokens(const struct engine *e, const struct workload *w, uint32_t request);
/* What its metrics page would say. */
void engine_sample(const struct engine *e, uint64_t now_us, struct sl_load_sample *out_sample);

#endif
