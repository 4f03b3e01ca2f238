/* judge.c: whether an endpoint may be used, from probes and live traffic.
 *
 * One judge per endpoint: plain data, driven by three kinds of news (a probe's
 * result, a live request's fate, the passing of time). Every change of state
 * goes through enter(), so since_us and reason always fit the state.
 *
 * Invariants: good and bad are never both above zero; an endpoint that was
 * once healthy needs `rise` good probes in a row to be so again, a new one
 * needs a single one. Live traffic can only take an endpoint out, never bring
 * it back: requests are not sent to an unhealthy one, so a late success is an
 * old one. It refuses to guess at DEGRADED: that needs knowledge of the GPU
 * which neither probes nor connections give. What another gateway says is
 * never enough to take an endpoint out: it makes the next probe decisive. */
#include "sluice/probe.h"

static const char *const health_names[] = {
	[SL_HEALTH_UNKNOWN] = "unknown",
	[SL_HEALTH_HEALTHY] = "healthy",
	[SL_HEALTH_DEGRADED] = "degraded",
	[SL_HEALTH_UNHEALTHY] = "unhealthy",
};

static const struct {
	const char *name;
	const char *reason;
} probe_results[] = {
	[SL_PROBE_OK] = { "ok", "probe ok" },
	[SL_PROBE_REFUSED] = { "refused", "connection refused" },
	[SL_PROBE_TIMEOUT] = { "timeout", "probe timed out" },
	[SL_PROBE_STATUS] = { "status", "unexpected probe status" },
	[SL_PROBE_BROKEN] = { "broken", "broken probe answer" },
};

void sl_health_policy_default(struct sl_health_policy *p)
{
	*p = (struct sl_health_policy){
		.rise = 2,
		.fall = 3,
		.passive_fall = 3,
		.stale_us = 5000000,
	};
}

const char *sl_probe_result_name(enum sl_probe_result r)
{
	return (size_t)r < SL_COUNT(probe_results) ? probe_results[r].name : "invalid";
}

const char *sl_health_name(enum sl_health h)
{
	return (size_t)h < SL_COUNT(health_names) ? health_names[h] : "invalid";
}

/* The only writer of health, since_us and reason. */
static bool enter(struct sl_judge *j, enum sl_health health, const char *reason, uint64_t now_us)
{
	bool changed = j->health != health;

	j->reason = reason;
	if (!changed)
		return false;
	j->health = health;
	j->suspected = false;
	j->since_us = now_us;
	if (health == SL_HEALTH_HEALTHY) {
		j->ever_healthy = true;
		j->passive_bad = 0;
	}
	return true;
}

void sl_judge_init(struct sl_judge *j, uint64_t now_us)
{
	*j = (struct sl_judge){
		.health = SL_HEALTH_UNKNOWN,
		.last_ok_us = now_us,
		.since_us = now_us,
		.reason = "not probed yet",
	};
}

static bool probe_good(struct sl_judge *j, const struct sl_health_policy *p, uint64_t now_us)
{
	uint32_t needed = j->ever_healthy && !j->suspected ? p->rise : 1;

	j->bad = 0;
	if (j->good < UINT32_MAX)
		j->good++;
	j->last_ok_us = now_us;
	if (j->health == SL_HEALTH_HEALTHY || j->good < needed)
		return false;
	return enter(j, SL_HEALTH_HEALTHY, probe_results[SL_PROBE_OK].reason, now_us);
}

static bool probe_bad(struct sl_judge *j, const struct sl_health_policy *p, const char *reason,
                      uint64_t now_us)
{
	j->good = 0;
	if (j->bad < UINT32_MAX)
		j->bad++;
	if (j->bad < p->fall && !j->suspected)
		return false;
	/* An endpoint already down gets the newest reason, which is no change. */
	return enter(j, SL_HEALTH_UNHEALTHY, reason, now_us);
}

bool sl_judge_probe(struct sl_judge *j, const struct sl_health_policy *p,
                    enum sl_probe_result result, uint64_t now_us)
{
	if (result == SL_PROBE_OK)
		return probe_good(j, p, now_us);
	return probe_bad(j, p, probe_results[result].reason, now_us);
}

bool sl_judge_traffic(struct sl_judge *j, const struct sl_health_policy *p, bool ok,
                      uint64_t now_us)
{
	if (ok) {
		j->passive_bad = 0;
		j->last_ok_us = now_us;
		return false;
	}
	j->good = 0;
	if (j->passive_bad < UINT32_MAX)
		j->passive_bad++;
	if (j->health == SL_HEALTH_UNHEALTHY || !p->passive_fall ||
	    j->passive_bad < p->passive_fall)
		return false;
	return enter(j, SL_HEALTH_UNHEALTHY, "live requests refused or reset", now_us);
}

bool sl_judge_tick(struct sl_judge *j, const struct sl_health_policy *p, uint64_t now_us)
{
	uint64_t silent_us = now_us > j->last_ok_us ? now_us - j->last_ok_us : 0;

	if (!p->stale_us || j->health == SL_HEALTH_UNHEALTHY || silent_us < p->stale_us)
		return false;
	j->good = 0;
	if (silent_us / 2 >= p->stale_us)
		return enter(j, SL_HEALTH_UNHEALTHY, "no answer for too long", now_us);
	if (j->health == SL_HEALTH_UNKNOWN)
		return false;
	return enter(j, SL_HEALTH_UNKNOWN, "no recent answer", now_us);
}

bool sl_judge_suspect(struct sl_judge *j, uint64_t now_us)
{
	if (j->health != SL_HEALTH_HEALTHY && j->health != SL_HEALTH_DEGRADED)
		return false;
	enter(j, SL_HEALTH_UNKNOWN, "found dead by another gateway", now_us);
	j->suspected = true;
	return true;
}
