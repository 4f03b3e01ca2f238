/* gen.h: an inference request from its body to the last byte of its answer. */
#ifndef SLUICE_SIM_GEN_H
#define SLUICE_SIM_GEN_H

#include "bench/sim/conn.h"
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
	struct sl_sim_gen *next_dirty;
	bool dirty;
	struct sl_sim_conn *conn;     /* borrowed; the owner */
	struct sl_sim_engine *engine; /* borrowed */
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

/* Answers conn's request, now or by and by. */
void sl_sim_gen_start(struct sl_sim_conn *conn, enum sl_sim_api api);
/* The client is gone. Called by its connection, which then forgets it. */
void sl_sim_gen_abort(struct sl_sim_gen *gen);
/* A step gave its sequence a token, or ended it. */
void sl_sim_gen_stepped(struct sl_sim_choice *choice, uint64_t now_us);
/* It cannot go on: an error event, or a 500. Frees it. */
void sl_sim_gen_fail(struct sl_sim_gen *gen, const char *message);
/* As a vLLM that is told to stop may do: ends with finish_reason "abort". */
void sl_sim_gen_cut(struct sl_sim_gen *gen);
/* Takes it from its connection and from the engine, and frees it. Nothing is
 * said; the caller completes the answer. */
void sl_sim_gen_detach(struct sl_sim_gen *gen);

/* ---- say.c ---------------------------------------------------------------- */

/* Says what there is to say. May end the generation and free it. */
void sl_sim_gen_flush(struct sl_sim_gen *gen);
/* The prompt's and the answer's tokens so far, as the client knows them. */
struct sl_sim_usage sl_sim_gen_usage(const struct sl_sim_gen *gen);

/* ---- fast.c --------------------------------------------------------------- */

/* --fast: a fixed answer at once: no model, no KV cache, no JSON parser. */
void sl_sim_fast_answer(struct sl_sim_conn *conn, enum sl_sim_api api);

#endif
