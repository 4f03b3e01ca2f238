/* metrics.h: what an engine counts. metrics_page.h shows it.
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
	uint64_t
	        buckets[SL_SIM_MAX_BUCKETS]; /* not cumulative; what is past the last is in count */
	uint64_t count;
	double sum;
};

/* The first values of vllm:request_success's finished_reason. */
enum sl_sim_finish {
	SL_SIM_STOPPED,
	SL_SIM_LENGTH,
	SL_SIM_ABORTED, /* never counted: nor does vLLM */
	SL_SIM_FAILED,
	SL_SIM_N_FINISHES
};

/* Answers of one path, as prometheus-fastapi-instrumentator counts them. */
#define SL_SIM_N_HANDLERS 3
struct sl_sim_http_count {
	uint64_t by_class[6]; /* [2]: 2xx */
	double request_bytes, response_bytes;
	struct sl_sim_histogram seconds;
};

struct sl_sim_metrics {
	struct sl_sim_histogram hists[SL_SIM_N_HISTS];
	uint64_t finished[SL_SIM_N_FINISHES];
	uint64_t prompt_tokens, local_tokens, cached_tokens, fetched_tokens;
	uint64_t generation_tokens;
	uint64_t rejected; /* by --max-queued */
	uint64_t failed_transfers;
	struct sl_sim_http_count http[SL_SIM_N_HANDLERS]; /* chat, completions, embeddings */
	double created_s;                                 /* Unix time */
};

void sl_sim_observe(struct sl_sim_metrics *m, enum sl_sim_hist which, double value);
void sl_sim_count_http(struct sl_sim_metrics *m, unsigned handler, int status, double seconds,
                       double request_bytes, double response_bytes);

/* A histogram's name and bounds (ascending, ended by 0), for its page. */
struct sl_sim_hist_info {
	const char *name;
	const double *bounds;
	const char *help;
};
const struct sl_sim_hist_info *sl_sim_hist_info(enum sl_sim_hist which);
extern const double sl_sim_http_bounds[];

/* As prometheus_client writes a float: 3.0, 1.843201e+06, 0.25. */
void sl_sim_add_float(struct sl_sim_buf *b, double value);

#endif
