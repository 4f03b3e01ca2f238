/* pull.h: fetching the KV blocks of one sequence from the engine that
 * prefilled its prompt: asking for them until an answer comes, and the time
 * that moving them takes. */
#ifndef SLUICE_SIM_PULL_H
#define SLUICE_SIM_PULL_H

#include "bench/sim/engine.h"

struct sl_sim_pull;

enum sl_sim_pull_news {
	SL_SIM_PULL_STALE,   /* the blocks on the way are not the right ones */
	SL_SIM_PULL_ARRIVED, /* the pull is over, and freed */
	SL_SIM_PULL_FAILED,  /* so it is then */
};

struct sl_sim_pull_want {
	const struct sl_sim_kv_params *params; /* borrowed until the pull is over */
	const struct sl_sim_seq *seq;          /* so is this */
	uint64_t prompt_hash;
	void (*tell)(void *arg, enum sl_sim_pull_news news);
	void *arg;
};

/* Only STALE may be told before this returns. */
struct sl_sim_pull *sl_sim_pull_start(struct sl_sim_engine *e, const struct sl_sim_pull_want *want);
/* Stops it and frees it; neither side is told. */
void sl_sim_pull_cancel(struct sl_sim_pull *p);

#endif
