/* gen.h: a generation: an inference request from its body to the last byte of
 * its answer. It belongs to its client's connection (whose job it is), and its
 * choices own sequences in the engine's batch.
 *
 * gen_start.h begins it, gen_step.h takes it on, gen_say.h speaks for it. */
#ifndef SLUICE_SIM_GEN_H
#define SLUICE_SIM_GEN_H

#include "bench/sim/engine.h"
#include "bench/sim/render.h"

struct sl_sim_pull;

struct sl_sim_choice {
	struct sl_sim_gen *gen;
	struct sl_sim_seq *seq;   /* owned; NULL once it was let go of */
	struct sl_sim_pull *pull; /* owned while blocks are on the way */
	uint32_t index;           /* prompt * n + k, as in the answer */
	uint32_t sent;            /* tokens */
	bool ended, closed;       /* generated all; said all */
	bool cut;                 /* ended by a stop of the engine */
	uint64_t token_us;        /* of its last token */
};

struct sl_sim_gen {
	struct sl_sim_gen *next, **list; /* the one of the engine's lists that it is in, or NULL */
	struct sl_sim_conn *conn;        /* borrowed; the owner */
	struct sl_sim_engine *engine;    /* borrowed */
	struct sl_sim_request request;
	struct sl_sim_faults faults; /* those that it met */
	struct sl_sim_answer answer;
	char id[300];
	struct sl_sim_choice *choices; /* owned */
	uint32_t n_choices, n_open, n_unsaid;
	uint32_t tokens_out; /* said */
	bool role_said, silent;
	struct sl_sim_buf held;      /* an event that waits for another (coalesce) */
	struct sl_sim_buf kv_params; /* what a prefill leg answers, JSON */
	struct event timer;          /* error_after_ms */
};

/* A choice's own prompt, of those in its request's body. */
const struct sl_sim_prompt *sl_sim_choice_prompt(const struct sl_sim_choice *choice);

/* It has something to say when the engine's steps are done. */
void sl_sim_gen_mark_dirty(struct sl_sim_gen *gen);
/* It is silent, and not worked on, until the engine does not hang any more. */
void sl_sim_gen_hang(struct sl_sim_gen *gen);
/* The first of an engine's list, which is in it no more; NULL if there is none. */
struct sl_sim_gen *sl_sim_gen_take(struct sl_sim_gen **list);
/* The prompt's and the answer's tokens so far, as the client knows them. */
struct sl_sim_usage sl_sim_gen_usage(const struct sl_sim_gen *gen);

/* The client is gone: counts that, and frees it. The connection forgets it. */
void sl_sim_gen_abort(struct sl_sim_gen *gen);
/* Takes it from its connection and from the engine, and frees it. Nothing is
 * said; the caller completes the answer. */
void sl_sim_gen_detach(struct sl_sim_gen *gen);
/* Of one that has no choices yet. */
void sl_sim_gen_free(struct sl_sim_gen *gen);

#endif
