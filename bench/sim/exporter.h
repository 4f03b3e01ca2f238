/* exporter.h: the GPU exporter of a process: a port of its own with a page
 * about all GPUs of the process's engines, and POST /sim/gpu, which changes
 * what it says.
 *
 * GPUs exist only where there is an exporter. */
#ifndef SLUICE_SIM_EXPORTER_H
#define SLUICE_SIM_EXPORTER_H

#include "bench/sim/engine.h"
#include "bench/sim/gpu.h"

struct sl_sim_exporter {
	struct sl_sim *sim; /* borrowed */
	struct sl_sim_gpus gpus;
	struct sl_sim_listener listener;
	struct sl_sim_conn_list conns;
	struct sl_sim_buf kept;       /* the page that stands still */
	struct sl_sim_gpu_load *load; /* owned: one for each engine */
	uint64_t start_us;
};

/* 0, or -1 with errno set: it does not listen. To be finished in either case. */
SL_MUST_CHECK int sl_sim_exporter_init(struct sl_sim_exporter *x, struct sl_sim *sim);
void sl_sim_exporter_fini(struct sl_sim_exporter *x);

/* /sim/gpu, on any port: GET lists the GPUs, POST changes them. */
void sl_sim_exporter_serve(struct sl_sim_conn *conn, struct sl_sim *sim);

#endif
