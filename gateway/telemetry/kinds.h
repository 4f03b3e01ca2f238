/* kinds.h: what the KIND and LABEL columns of metrics.def stand for.
 *
 * A metric is an array of 64-bit cells: one per label value, or, for a
 * histogram, one per bucket (the last is +Inf) and one for the sum, which
 * holds the bits of a double. */
#ifndef SLUICE_TELEMETRY_KINDS_H
#define SLUICE_TELEMETRY_KINDS_H

#include "gateway/telemetry/limits.h"
#include "sluice/err.h"
#include "sluice/gpu.h"
#include "sluice/health.h"

/* Upper bounds of the buckets, ascending, without +Inf. */
#define METRIC_BOUNDS_SECONDS                                                                      \
	0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320
#define METRIC_BOUNDS_MICROS                                                                       \
	1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2
#define METRIC_BOUNDS_TOKENS                                                                       \
	1, 4, 16, 64, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144

enum metric_kind_id {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_SECONDS,
	METRIC_MICROS,
	METRIC_TOKENS,
};

struct metric_kind {
	const char *type;     /* Prometheus' word */
	const double *bounds; /* NULL unless a histogram */
	unsigned n_bounds;
};

enum metric_label_id {
	METRIC_NONE,
	METRIC_ERROR,
	METRIC_PLACEMENT,
	METRIC_PROTOCOL,
	METRIC_LEG,
	METRIC_LIMIT,
	METRIC_CLASS,
	METRIC_GPU_STATE,
	METRIC_GPU_CAUSE,
	METRIC_REASON,
};

#define METRIC_VALUES_NONE 1
#define METRIC_VALUES_ERROR SL_ERR_COUNT
#define METRIC_VALUES_PLACEMENT 4
#define METRIC_VALUES_PROTOCOL 2
#define METRIC_VALUES_LEG 2
#define METRIC_VALUES_LIMIT SL_LIMIT_COUNT
#define METRIC_VALUES_CLASS 3
#define METRIC_VALUES_GPU_STATE SL_GPU_STATE_COUNT
#define METRIC_VALUES_GPU_CAUSE SL_GPU_CAUSE_COUNT
#define METRIC_VALUES_REASON SL_REASON_COUNT

struct metric_label {
	const char *name; /* NULL: no label */
	const char *const *values;
	unsigned n_values;
};

const struct metric_kind *metric_kind(enum metric_kind_id id);
const struct metric_label *metric_label(enum metric_label_id id);

#endif
