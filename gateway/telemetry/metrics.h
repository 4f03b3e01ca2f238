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

struct sl_metrics; /* one thread's block */

/* Registers a block for the calling thread; owned by the registry until exit. */
struct sl_metrics *sl_metrics_thread(void);
/* Counter or gauge without a label; n may be negative for a gauge. */
void sl_metric_add(struct sl_metrics *m, enum sl_metric id, int64_t n);
/* The same with a label value's index: an sl_err index, a placement, ... as
 * the metric's row in metrics.def says. Out of range: counted as the last. */
void sl_metric_add_at(struct sl_metrics *m, enum sl_metric id, unsigned label, int64_t n);
/* Histogram, in seconds (or tokens, as the row says). */
void sl_metric_observe(struct sl_metrics *m, enum sl_metric id, double value);
/* Sums over all threads, for tests and /fleet. */
int64_t sl_metric_sum(enum sl_metric id, unsigned label);
/* The Prometheus text of everything in metrics.def. Metric names hold no ':'. */
void sl_metrics_write(FILE *out);
/* docs/metrics.md */
void sl_metrics_document(FILE *out);

#endif
