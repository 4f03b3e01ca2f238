/* health_words.c: states of health and their reasons in words. */
#include "sluice/health.h"

static const char *const health_names[] = {
	[SL_HEALTH_UNKNOWN] = "unknown",
	[SL_HEALTH_HEALTHY] = "healthy",
	[SL_HEALTH_DEGRADED] = "degraded",
	[SL_HEALTH_UNHEALTHY] = "unhealthy",
};

static const struct {
	const char *label, *text;
} reasons[] = {
#define SL_REASON(NAME, label, text) { label, text },
#include "sluice/reasons.def"
#undef SL_REASON
};

const char *sl_reason_label(enum sl_reason r)
{
	return (size_t)r < SL_COUNT(reasons) ? reasons[r].label : "invalid";
}

const char *sl_reason_text(enum sl_reason r)
{
	return (size_t)r < SL_COUNT(reasons) ? reasons[r].text : "invalid";
}

const char *sl_health_name(enum sl_health h)
{
	return (size_t)h < SL_COUNT(health_names) ? health_names[h] : "invalid";
}
