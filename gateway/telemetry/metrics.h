/* metrics.h: counters and histograms, one block per thread, summed on scrape.
 *
 * metrics.def is the one table: name, kind, label, help. A thread only writes
 * its own block (relaxed atomic adds), so the data path takes no lock. */
#ifndef SLUICE_TELEMETRY_METRICS_H
#define SLUICE_TELEMETRY_METRICS_H

#include <stdio.h>

#include "sluice/err.h"

enum sl_metric {
#define SL_METRIC(NAME, name, kind, label, help) SL_M_##NAME,
#include "gateway/telemetry/metrics.def"
#undef SL_METRIC
	SL_M_COUNT
};

/* Label indexes of PROTOCOL, LEG and CLASS. ERROR's are enum sl_err_index
 * (-1 - code), PLACEMENT's are enum sl_placement. */
enum sl_metric_protocol { SL_MP_H1, SL_MP_H2 };
enum sl_metric_leg { SL_ML_PREFILL, SL_ML_DECODE };
enum sl_metric_class { SL_MC_2XX, SL_MC_4XX, SL_MC_5XX };
/* Of an HTTP status. What is neither an error of the client nor of a server
 * (1xx, 3xx) counts as 2xx. */
static inline enum sl_metric_class sl_metric_class(int status)
{
	return status < 400 ? SL_MC_2XX : status < 500 ? SL_MC_4XX : SL_MC_5XX;
}

struct sl_metrics; /* one thread's block */

/* Registers a block for the calling thread; owned by the registry until exit,
 * so what a finished thread counted stays counted. Only the thread that
 * registered it may write to it. */
struct sl_metrics *sl_metrics_thread(void);
/* Counter or gauge without a label; n may be negative for a gauge. */
void sl_metric_add(struct sl_metrics *m, enum sl_metric id, int64_t n);
/* The same with a label value's index: an sl_err index, a placement, ... as
 * the metric's row in metrics.def says. Out of range: counted as the last. */
void sl_metric_add_at(struct sl_metrics *m, enum sl_metric id, unsigned label, int64_t n);
/* Histogram, in seconds (or tokens, as the row says). */
void sl_metric_observe(struct sl_metrics *m, enum sl_metric id, double value);
/* Sums over all threads, for tests and /fleet. Of a histogram: how often it
 * was observed. */
int64_t sl_metric_sum(enum sl_metric id, unsigned label);
/* The Prometheus text of everything in metrics.def. Metric names hold no ':'. */
void sl_metrics_write(FILE *out);
/* docs/metrics.md and docs/errors.md, from the tables. */
void sl_metrics_document(FILE *out);
void sl_errors_document(FILE *out);

#endif
