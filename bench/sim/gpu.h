/* gpu.h: the simulated GPUs of a process, and what goes wrong with them.
 *
 * Engine K has the GPUs K*n to K*n + n-1; all of them are on one host. A GPU
 * keeps its UUID for good: it follows from the host's name, the engine's port
 * and the GPU's number. What is injected stays until it is taken back or the
 * GPU is reset; an XID is an event, and the last one is shown until then, as
 * DCGM does. Of the exporter itself there are four faults.
 *
 * Pure: time comes in as an argument. */
#ifndef SLUICE_SIM_GPU_H
#define SLUICE_SIM_GPU_H

#include "sluice/base.h"

struct cJSON;

#define SL_SIM_GPU_XIDS 16 /* events that are remembered */
#define SL_SIM_GPU_WATCHES 13

struct sl_sim_gpu {
	char uuid[48]; /* "GPU-..." */
	char serial[16];
	bool vanished;      /* not on the page */
	bool sentinel;      /* all its values are blank ones */
	bool thermal;       /* hardware slows it down: heat */
	bool power;         /* ... power brake */
	uint32_t xid;       /* the last; 0: none */
	uint32_t clock_mhz; /* 0: the usual, or that of a throttled GPU */
	uint64_t sbe, dbe, nvlink_errors;
	uint32_t row_remap_failure, row_remap_pending, remapped_rows;
	uint32_t recovery_action;
	uint32_t health[SL_SIM_GPU_WATCHES]; /* 0, 10: warning, 20: failure */
	double slow;                         /* its engine's steps take so many times longer */
	struct {
		uint32_t xid;
		uint64_t at_us;
	} events[SL_SIM_GPU_XIDS];     /* xid 0: none */
	uint32_t n_events;             /* since the start */
	uint64_t thermal_us, power_us; /* throttled, before since_us */
	uint64_t since_us;
};

struct sl_sim_gpus {
	struct sl_sim_gpu *all; /* owned */
	uint32_t n, per_engine;
	/* Of the exporter. */
	bool down;       /* does not listen */
	bool hang;       /* answers nothing */
	bool empty;      /* a page without a GPU */
	bool stale;      /* the page stands still */
	uint32_t status; /* instead of 200; 0 */
};

void sl_sim_gpus_init(struct sl_sim_gpus *g, const char *host, uint16_t first_port,
                      uint32_t engines, uint32_t per_engine);
void sl_sim_gpus_fini(struct sl_sim_gpus *g);

/* Does what the object says: see docs/simulated-engine.md. NULL, or what is
 * wrong (static text), and then nothing was changed. */
SL_MUST_CHECK const char *sl_sim_gpus_read(struct sl_sim_gpus *g, const struct cJSON *json,
                                           uint64_t now_us);

/* How many times longer its steps take: by the slowest of its GPUs. */
double sl_sim_gpus_slow(const struct sl_sim_gpus *g, uint32_t engine);

#define SL_SIM_GPU_CLOCK_MHZ 1980
uint32_t sl_sim_gpu_clock_mhz(const struct sl_sim_gpu *gpu);
uint64_t sl_sim_gpu_thermal_us(const struct sl_sim_gpu *gpu, uint64_t now_us);
uint64_t sl_sim_gpu_power_us(const struct sl_sim_gpu *gpu, uint64_t now_us);
/* Events of this XID in the five minutes before now. */
uint32_t sl_sim_gpu_xid_count(const struct sl_sim_gpu *gpu, uint32_t xid, uint64_t now_us);
/* Whether an exporter that says only yes or no (AMD's, Ascend's) says no. */
bool sl_sim_gpu_ill(const struct sl_sim_gpu *gpu);

extern const char *const sl_sim_gpu_watches[SL_SIM_GPU_WATCHES];

#endif
