/* metrics.h: what an engine counts, and the page that shows it.
 *
 * Gauges are read from the engine when the page is made; counters that the
 * scheduler or the hand-offs keep are read from there. Here is the rest. */
#ifndef SLUICE_SIM_METRICS_H
#define SLUICE_SIM_METRICS_H

#include "bench/sim/buf.h"

enum sl_sim_hist {
#define SL_SIM_HIST(id, name, bounds, help) SL_SIM_H_##id,
#include "bench/sim/histograms.def"
#undef SL_SIM_HIST
	SL_SIM_N_HISTS
};

#define SL_SIM_MAX_BUCKETS 24

struct sl_sim_histogram {
	uint64_t buckets[SL_SIM_MAX_BUCKETS + 1]; /* not cumulative; the last is +Inf's */
	uint64_t count;
	double sum;
};

enum sl_sim_finish {
	SL_SIM_STOPPED,
	SL_SIM_LENGTH,
	SL_SIM_ABORTED,
	SL_SIM_FAILED,
	SL_SIM_N_FINISHES
};

struct sl_sim_metrics {
	struct sl_sim_histogram hists[SL_SIM_N_HISTS];
	uint64_t finished[SL_SIM_N_FINISHES];
	uint64_t prompt_tokens, local_tokens, cached_tokens, fetched_tokens;
	uint64_t generation_tokens;
	uint64_t rejected; /* by --max-queued */
	uint64_t failed_transfers;
	uint64_t http[3][3];                   /* chat, completions, embeddings x 2xx, 4xx, 5xx */
	double flops, read_bytes, write_bytes; /* estimates, as vLLM's */
	double created_s;                      /* Unix time */
};

void sl_sim_observe(struct sl_sim_metrics *m, enum sl_sim_hist which, double value);
/* n equal values. */
void sl_sim_observe_many(struct sl_sim_metrics *m, enum sl_sim_hist which, double value,
                         uint64_t n);

/* As prometheus_client writes a float: 3.0, 1.843201e+06, 0.25. */
void sl_sim_add_float(struct sl_sim_buf *b, double value);

struct sl_sim_engine;
void sl_sim_metrics_page(struct sl_sim_buf *b, const struct sl_sim_engine *e);

#endif
