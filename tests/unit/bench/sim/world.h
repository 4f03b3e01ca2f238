/* world.h: an engine with 100 free blocks, for tests of the pages it shows. */
#ifndef SLUICE_TEST_SIM_WORLD_H
#define SLUICE_TEST_SIM_WORLD_H

#include <stdlib.h>

#include "bench/sim/dialect.h"

struct world {
	struct sl_sim sim;
	struct sl_sim_engine engine;
};

/* opt: beside what all of them have: one model, the sizes of blocks and context. */
static inline struct world *world_new(struct sl_sim_options opt)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sl_sim_batch_limits limits = { 16, 512, 8, 0 };

	opt.n_models = 1;
	opt.block_tokens = 16;
	opt.kv_blocks = 101;
	opt.max_model_len = 1000;
	w->sim.opt = opt;
	w->engine.sim = &w->sim;
	w->engine.kv = sl_sim_kv_new(101);
	w->engine.metrics.created_s = 1795225995;
	sl_sim_batch_init(&w->engine.batch, &limits, w->engine.kv);
	return w;
}

static inline void world_free(struct world *w)
{
	sl_sim_batch_fini(&w->engine.batch);
	sl_sim_kv_free(w->engine.kv);
	for (size_t i = 0; i < SL_COUNT(w->sim.templates); i++)
		sl_sim_template_fini(&w->sim.templates[i]);
	free(w);
}

#endif
