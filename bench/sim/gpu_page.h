/* gpu_page.h: the page of a GPU exporter, of one of the kinds that there are. */
#ifndef SLUICE_SIM_GPU_PAGE_H
#define SLUICE_SIM_GPU_PAGE_H

#include "bench/sim/buf.h"
#include "bench/sim/gpu.h"
#include "bench/sim/options.h"

/* What the engines do to their GPUs. */
struct sl_sim_gpu_load {
	bool busy;
	double memory; /* 0 to 1 */
};

struct sl_sim_gpu_view {
	const struct sl_sim_options *opt;   /* borrowed: kind, names, counters */
	const struct sl_sim_gpus *gpus;     /* borrowed */
	const struct sl_sim_gpu_load *load; /* borrowed: one for each engine */
	uint64_t now_us, start_us;
	int64_t unix_ms;
};

void sl_sim_gpu_page(struct sl_sim_buf *b, const struct sl_sim_gpu_view *view);

#endif
