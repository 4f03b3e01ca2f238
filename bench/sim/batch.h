/* batch.h: continuous batching of one simulated engine, step by step.
 *
 * A *sequence* is one prompt and the answer to it. It waits, runs, and ends;
 * or, if another engine has prefilled it, it waits, is fetched, waits again,
 * and runs. In every *step* the running sequences compute: first those that
 * decode (one token each), then the prefills, in chunks, and then waiting
 * ones are admitted in the order of their arrival, all within the token
 * budget, the sequence limit and the free KV blocks. A running sequence that
 * finds no block preempts the youngest running one, which gives up its blocks
 * and recomputes later (vLLM's V1 scheduler; the head of the line waits for
 * memory, nobody passes it). At most so many different adapters (LoRA) run at
 * once; a sequence whose adapter would be one more is passed by those behind it.
 *
 * How long a step takes is not said here: see model.h. The caller begins a
 * step, lets its time pass, ends it, and reads what it did.
 *
 * Pure: time comes in as arguments (microseconds of any monotonic clock), so
 * a discrete-event simulation can drive it as well as the server does. */
#ifndef SLUICE_SIM_BATCH_H
#define SLUICE_SIM_BATCH_H

#include "bench/sim/kv.h"
#include "bench/sim/text.h"

enum sl_sim_seq_state {
	SL_SIM_SEQ_NEW,      /* not added yet */
	SL_SIM_SEQ_WAITING,  /* for blocks and a place */
	SL_SIM_SEQ_FETCHING, /* has blocks; their contents are on the way */
	SL_SIM_SEQ_FETCHED,  /* waiting, contents there */
	SL_SIM_SEQ_RUNNING,
	SL_SIM_SEQ_ENDED, /* out of the batch */
};

struct sl_sim_seq {
	struct sl_sim_seq *next, *prev; /* batch's, in the list of its state */
	enum sl_sim_seq_state state;
	void *owner; /* the caller's; NULL when abandoned */

	/* Its contents: tokens, of which the text goes on; or, where nobody
	 * reads what is said, a name for each full block of the prompt. */
	uint32_t *tokens; /* owned: the prompt, then the answer; NULL: named */
	uint32_t cap_tokens;
	struct sl_sim_text text;
	const uint64_t *names; /* borrowed: chained hashes */
	uint32_t n_names;
	uint32_t n_prompt;
	uint32_t n_output;
	uint32_t max_output; /* 0: prefill only (embeddings) */
	uint64_t salt;       /* parent hash of the first block */
	bool remote;         /* another engine has prefilled the prompt */
	bool keep;           /* blocks stay held when it ends well (hand-off) */
	uint32_t adapter;    /* 1 to SL_SIM_MAX_ADAPTERS; 0: the base model */

	uint32_t computed; /* tokens whose KV exists */
	uint32_t chunk;    /* tokens it computes in the step under way */
	uint32_t *blocks;  /* owned; each held once */
	uint32_t n_blocks, cap_blocks;
	uint64_t chain; /* hash of the last published block */
	uint32_t n_published;

	bool in_step;
	bool aborted;
	bool got_token; /* the step that ended gave it one */
	bool admitted;  /* has had blocks before */
	bool ran;
	bool told;               /* the caller knows that it is to be fetched */
	uint32_t cached_tokens;  /* of the prompt, found here at first admission */
	uint32_t fetched_tokens; /* of the prompt, from another engine */
	uint32_t preemptions;
	uint64_t added_us, scheduled_us, first_token_us, last_token_us;
};

/* Copies the prompt (n > 0 tokens); text must hold it, too. */
struct sl_sim_seq *sl_sim_seq_new(const uint32_t *prompt, uint32_t n, uint32_t max_output,
                                  const struct sl_sim_text *text);
/* A sequence without tokens. names: of its full blocks, until it is freed. */
struct sl_sim_seq *sl_sim_seq_new_named(const uint64_t *names, uint32_t n_names, uint32_t n_prompt,
                                        uint32_t max_output);
/* Of an ended or new sequence whose blocks were let go or taken. */
void sl_sim_seq_free(struct sl_sim_seq *seq);
/* The blocks of a kept sequence: the caller owns array and references. */
uint32_t *sl_sim_seq_take_blocks(struct sl_sim_seq *seq, uint32_t *out_n);

#define SL_SIM_MAX_ADAPTERS 64

struct sl_sim_batch_limits {
	uint32_t block_tokens;
	uint32_t step_tokens;  /* budget of a step (max_num_batched_tokens) */
	uint32_t max_seqs;     /* running at once (max_num_seqs) */
	uint32_t max_adapters; /* running at once (max_loras); 0: no limit */
};

/* What a step computes: all that its duration depends on. */
struct sl_sim_work {
	uint32_t tokens; /* through the linear layers */
	uint32_t prefill_tokens;
	double prefill_square; /* sum of c * (h + c/2) over the prefill chunks */
	uint32_t decodes;      /* sequences that decode */
	double decode_context; /* their tokens in total */
};

struct sl_sim_seq_list {
	struct sl_sim_seq *first, *last;
	uint32_t n;
};

struct sl_sim_batch {
	struct sl_sim_batch_limits limits;
	struct sl_sim_kv *kv; /* borrowed for the batch's life */
	struct sl_sim_seq_list waiting, fetching, running;
	struct sl_sim_seq **step; /* owned: who computes in this step; after it, who did */
	uint32_t n_step;
	bool stepping;
	uint32_t n_fetched; /* of the waiting */
	uint32_t n_untold;  /* of the fetching: next_fetch has not returned them */
	uint32_t adapters[SL_SIM_MAX_ADAPTERS + 1]; /* running sequences of each */
	uint32_t n_adapters;                        /* that have some */

	/* Totals since the start. */
	uint64_t preemptions;
	uint64_t prefix_queries_tokens, prefix_hits_tokens;
	uint64_t external_queries_tokens, external_hits_tokens;
	uint64_t steps;
};

void sl_sim_batch_init(struct sl_sim_batch *b, const struct sl_sim_batch_limits *limits,
                       struct sl_sim_kv *kv);
/* All sequences must have ended. */
void sl_sim_batch_fini(struct sl_sim_batch *b);

/* The last of the line. The caller keeps ownership of the sequence, but may
 * free it only once it has ended. */
void sl_sim_batch_add(struct sl_sim_batch *b, struct sl_sim_seq *seq, uint64_t now_us);

/* Plans the next step. True if there is something to compute; then the caller
 * ends the step when work's time has passed. Sequences may have begun to be
 * fetched in either case. Not while a step is under way. */
bool sl_sim_batch_begin(struct sl_sim_batch *b, uint64_t now_us, struct sl_sim_work *out_work);
/* The step is done: b->step[0..n_step) took part. Each one's got_token,
 * aborted and state say what came of it; ended ones are the caller's. Valid
 * until the next begin. */
void sl_sim_batch_end(struct sl_sim_batch *b, uint64_t now_us);

/* Waiting sequences whose adapter may not run now. */
uint32_t sl_sim_batch_deferred(const struct sl_sim_batch *b);
/* Waiting sequences that are to be fetched and have no blocks for it yet. */
uint32_t sl_sim_batch_unfetched(const struct sl_sim_batch *b);
/* A sequence that began to be fetched and was not returned before; NULL if
 * there is none. seq->fetched_tokens says how many tokens it misses. */
struct sl_sim_seq *sl_sim_batch_next_fetch(struct sl_sim_batch *b);
/* Its blocks have arrived. */
void sl_sim_batch_fetched(struct sl_sim_batch *b, struct sl_sim_seq *seq);

/* Takes a sequence out. True: it has ended. False: it computes in the step
 * under way and will be among that step's, aborted, at its end. */
bool sl_sim_batch_abort(struct sl_sim_batch *b, struct sl_sim_seq *seq);

#endif
