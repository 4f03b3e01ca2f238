/* kinds.c: the fixed buckets and the small fixed label sets of the metrics. */
#include "gateway/telemetry/kinds.h"

static const double bounds_seconds[] = { METRIC_BOUNDS_SECONDS };
static const double bounds_micros[] = { METRIC_BOUNDS_MICROS };
static const double bounds_tokens[] = { METRIC_BOUNDS_TOKENS };

static const struct metric_kind kinds[] = {
	[METRIC_COUNTER] = { "counter", NULL, 0 },
	[METRIC_GAUGE] = { "gauge", NULL, 0 },
	[METRIC_SECONDS] = { "histogram", bounds_seconds, SL_COUNT(bounds_seconds) },
	[METRIC_MICROS] = { "histogram", bounds_micros, SL_COUNT(bounds_micros) },
	[METRIC_TOKENS] = { "histogram", bounds_tokens, SL_COUNT(bounds_tokens) },
};

static const char *const error_values[] = {
#define SL_ERR(name, status, type, code, text) code,
#include "sluice/err.def"
#undef SL_ERR
};
/* In the order of enum sl_placement and of the enums in metrics.h. */
static const char *const placement_values[] = { "none", "aggregated", "local", "remote" };
static const char *const protocol_values[] = { "http/1.1", "h2" };
static const char *const leg_values[] = { "prefill", "decode" };
static const char *const limit_values[] = {
#define SL_LIMIT(name, level, label, directives, then) label,
#include "gateway/telemetry/limits.def"
#undef SL_LIMIT
};
static const char *const gpu_state_values[] = { "healthy", "degraded", "failed" };
static const char *const gpu_cause_values[] = {
#define SL_GPU_CAUSE(NAME, label, text) label,
#include "sluice/gpu_cause.def"
#undef SL_GPU_CAUSE
};
static const char *const reason_values[] = {
#define SL_REASON(NAME, label, text) label,
#include "sluice/reasons.def"
#undef SL_REASON
};
static const char *const class_values[] = { "2xx", "4xx", "5xx" };

_Static_assert(SL_COUNT(placement_values) == METRIC_VALUES_PLACEMENT, "placements");
_Static_assert(SL_COUNT(protocol_values) == METRIC_VALUES_PROTOCOL, "protocols");
_Static_assert(SL_COUNT(leg_values) == METRIC_VALUES_LEG, "legs");
_Static_assert(SL_COUNT(gpu_state_values) == METRIC_VALUES_GPU_STATE, "states of GPUs");
_Static_assert(SL_COUNT(class_values) == METRIC_VALUES_CLASS, "classes");

static const struct metric_label labels[] = {
	[METRIC_NONE] = { NULL, NULL, METRIC_VALUES_NONE },
	[METRIC_ERROR] = { "code", error_values, METRIC_VALUES_ERROR },
	[METRIC_PLACEMENT] = { "placement", placement_values, METRIC_VALUES_PLACEMENT },
	[METRIC_PROTOCOL] = { "protocol", protocol_values, METRIC_VALUES_PROTOCOL },
	[METRIC_LEG] = { "leg", leg_values, METRIC_VALUES_LEG },
	[METRIC_LIMIT] = { "limit", limit_values, METRIC_VALUES_LIMIT },
	[METRIC_GPU_STATE] = { "state", gpu_state_values, METRIC_VALUES_GPU_STATE },
	[METRIC_GPU_CAUSE] = { "cause", gpu_cause_values, METRIC_VALUES_GPU_CAUSE },
	[METRIC_REASON] = { "reason", reason_values, METRIC_VALUES_REASON },
	[METRIC_CLASS] = { "class", class_values, METRIC_VALUES_CLASS },
};

const struct metric_kind *metric_kind(enum metric_kind_id id)
{
	return &kinds[id];
}

const struct metric_label *metric_label(enum metric_label_id id)
{
	return &labels[id];
}
