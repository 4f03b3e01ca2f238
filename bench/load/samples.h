/* samples.h: every measured time is kept, so percentiles are exact.
 *
 * Microseconds in 32 bits: four bytes a sample, up to 71 minutes; the whole
 * Mooncake trace has four million gaps between tokens, 16 MB. */
#ifndef SLUICE_LOAD_SAMPLES_H
#define SLUICE_LOAD_SAMPLES_H

#include "sluice/base.h"

struct sl_samples {
	uint32_t *us; /* owned */
	size_t n, cap;
};

/* In milliseconds, as `vllm bench serve` reports; all 0 without samples. */
struct sl_summary {
	size_t n;
	double mean_ms, median_ms, std_ms; /* of the population, not of a sample of it */
	double p90_ms, p95_ms, p99_ms;
	double max_ms;
};

void sl_samples_fini(struct sl_samples *s);
/* A negative time counts as 0, one past the range as its end. */
void sl_samples_add(struct sl_samples *s, int64_t us);
/* Sorts the samples. */
struct sl_summary sl_samples_summarise(struct sl_samples *s);
/* Of sorted samples, in microseconds: linear between the two nearest ranks,
 * numpy's default, so that numbers compare with those of other tools. */
double sl_samples_percentile(const struct sl_samples *s, double percent);
/* The median of the newest `last` samples before any sorting, in microseconds. */
double sl_samples_recent_median(const struct sl_samples *s, size_t last);

#endif
