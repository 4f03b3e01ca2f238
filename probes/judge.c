/* judge.c: whether an endpoint may be used: its states, probes and silence.
 *
 * One judge per endpoint: plain data, driven by news (a probe's result, a live
 * request's fate, a page, the passing of time). Every change of state goes
 * through judge_enter(), so since_us and reason always fit the state. What
 * live traffic brings about is in traffic.c, how long and how many in eject.c.
 *
 * Invariants: good and bad are never both above zero; an endpoint that was
 * once healthy needs `rise` good probes in a row to be so again, a new one, or
 * one whose ejection is over, a single one. Live traffic can only take an
 * endpoint out, never bring it back: requests are not sent to an unhealthy one,
 * so a late success is an old one. It refuses to guess at DEGRADED: that needs
 * knowledge of the GPU which neither probes nor connections give. What another
 * gateway says is never enough to take an endpoint out: it makes the next probe
 * decisive. */
#include "probes/judge.h"

#include <stdio.h>

/* ---- tables ---------------------------------------------------------- */

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

static const struct {
	const char *name;
	enum sl_reason cause;
} probe_results[] = {
	[SL_PROBE_OK] = { "ok", SL_REASON_PROBED },
	[SL_PROBE_REFUSED] = { "refused", SL_REASON_REFUSED },
	[SL_PROBE_TIMEOUT] = { "timeout", SL_REASON_TIMEOUT },
	[SL_PROBE_STATUS] = { "status", SL_REASON_STATUS },
	[SL_PROBE_BROKEN] = { "broken", SL_REASON_BROKEN },
};

const char *sl_reason_label(enum sl_reason r)
{
	return (size_t)r < SL_COUNT(reasons) ? reasons[r].label : "invalid";
}

const char *sl_reason_text(enum sl_reason r)
{
	return (size_t)r < SL_COUNT(reasons) ? reasons[r].text : "invalid";
}

const char *sl_probe_result_name(enum sl_probe_result r)
{
	return (size_t)r < SL_COUNT(probe_results) ? probe_results[r].name : "invalid";
}

const char *sl_health_name(enum sl_health h)
{
	return (size_t)h < SL_COUNT(health_names) ? health_names[h] : "invalid";
}

void sl_health_policy_default(struct sl_health_policy *p)
{
	*p = (struct sl_health_policy){
		.rise = 2,
		.fall = 3,
		.passive_fall = 3,
		.stale_us = 5000000,
		.failure_rate = 0.2,
		.failure_requests = 10,
		.slow_factor = 3,
		.stuck_us = 5000000,
		.ejection_us = 10000000,
		.ejection_max_us = 300000000,
		.max_ejected = 0.5,
		.slow_start_us = 10000000,
	};
}

/* ---- statuses -------------------------------------------------------- */

void sl_status_set_add(struct sl_status_set *s, int from, int to)
{
	for (int status = from; status <= to; status++)
		s->bits[(status - SL_STATUS_MIN) / 64] |= 1ull << (status - SL_STATUS_MIN) % 64;
}

bool sl_status_set_has(const struct sl_status_set *s, int status)
{
	return status >= SL_STATUS_MIN && status <= SL_STATUS_MAX &&
	       s->bits[(status - SL_STATUS_MIN) / 64] >> (status - SL_STATUS_MIN) % 64 & 1;
}

/* ---- states ---------------------------------------------------------- */

static void note_cause(struct sl_judge *j, enum sl_reason cause)
{
	j->cause = cause;
	snprintf(j->reason, sizeof(j->reason), "%s", sl_reason_text(cause));
}

static void count_out(struct sl_judge *j, bool out)
{
	if (j->ward && out)
		atomic_fetch_add(&j->ward->out, 1);
	else if (j->ward)
		atomic_fetch_sub(&j->ward->out, 1);
}

bool judge_enter(struct sl_judge *j, enum sl_health health, enum sl_reason cause, uint64_t now_us)
{
	bool was_out = j->health == SL_HEALTH_UNHEALTHY;
	bool is_out = health == SL_HEALTH_UNHEALTHY;

	note_cause(j, cause);
	if (j->health == health)
		return false;
	if (was_out)
		judge_end_ejection(j);
	if (was_out != is_out)
		count_out(j, is_out);
	j->health = health;
	j->suspected = false;
	j->since_us = now_us;
	j->changes++;
	if (health == SL_HEALTH_HEALTHY) {
		j->ever_healthy = true;
		j->passive_bad = 0;
		window_clear(&j->window);
	}
	return true;
}

void sl_judge_init(struct sl_judge *j, uint64_t now_us)
{
	*j = (struct sl_judge){
		.health = SL_HEALTH_UNKNOWN,
		.last_ok_us = now_us,
		.since_us = now_us,
	};
	note_cause(j, SL_REASON_NEW);
}

void sl_judge_join(struct sl_judge *j, struct sl_ward *ward, const struct sl_tally *tally)
{
	j->ward = ward;
	j->tally = tally;
	if (j->health == SL_HEALTH_UNHEALTHY)
		count_out(j, true);
}

void sl_judge_leave(struct sl_judge *j)
{
	judge_end_ejection(j);
	if (j->health == SL_HEALTH_UNHEALTHY)
		count_out(j, false);
	j->ward = NULL;
	j->tally = NULL;
}

/* ---- probes ---------------------------------------------------------- */

static bool probe_good(struct sl_judge *j, const struct sl_health_policy *p, uint64_t now_us)
{
	uint32_t needed = j->ever_healthy && !j->suspected ? p->rise : 1;

	j->bad = 0;
	if (j->good < UINT32_MAX)
		j->good++;
	j->last_ok_us = now_us;
	if (j->ejected)
		return judge_return(j, p, now_us);
	if (j->health == SL_HEALTH_HEALTHY || j->good < needed)
		return false;
	return judge_enter(j, SL_HEALTH_HEALTHY, SL_REASON_PROBED, now_us);
}

/* Not only bad at its work but gone: what counts from now on is probes. */
static bool die(struct sl_judge *j, enum sl_reason cause, uint64_t now_us)
{
	judge_end_ejection(j);
	note_cause(j, cause);
	j->since_us = now_us;
	j->changes++;
	return true;
}

static bool probe_bad(struct sl_judge *j, const struct sl_health_policy *p, enum sl_reason cause,
                      uint64_t now_us)
{
	bool down;

	j->good = 0;
	if (j->bad < UINT32_MAX)
		j->bad++;
	down = j->bad >= p->fall || j->suspected;
	if (j->ejected)
		return (down || cause == SL_REASON_REFUSED) && die(j, cause, now_us);
	if (!down)
		return false;
	/* An endpoint already down gets the newest reason, which is no change. */
	return judge_enter(j, SL_HEALTH_UNHEALTHY, cause, now_us);
}

bool sl_judge_probe(struct sl_judge *j, const struct sl_health_policy *p,
                    enum sl_probe_result result, uint64_t now_us)
{
	if (result == SL_PROBE_OK)
		return probe_good(j, p, now_us);
	return probe_bad(j, p, probe_results[result].cause, now_us);
}

bool sl_judge_tick(struct sl_judge *j, const struct sl_health_policy *p, uint64_t now_us)
{
	uint64_t silent_us = now_us > j->last_ok_us ? now_us - j->last_ok_us : 0;

	window_note(&j->window, j->tally, now_us);
	if (!p->stale_us || j->health == SL_HEALTH_UNHEALTHY || silent_us < p->stale_us)
		return false;
	j->good = 0;
	if (silent_us / 2 >= p->stale_us)
		return judge_enter(j, SL_HEALTH_UNHEALTHY, SL_REASON_SILENT, now_us);
	if (j->health == SL_HEALTH_UNKNOWN)
		return false;
	return judge_enter(j, SL_HEALTH_UNKNOWN, SL_REASON_STALE, now_us);
}

bool sl_judge_suspect(struct sl_judge *j, uint64_t now_us)
{
	if (j->health != SL_HEALTH_HEALTHY && j->health != SL_HEALTH_DEGRADED)
		return false;
	judge_enter(j, SL_HEALTH_UNKNOWN, SL_REASON_SUSPECTED, now_us);
	j->suspected = true;
	return true;
}

void sl_judge_restarted(struct sl_judge *j)
{
	judge_end_ejection(j);
	j->ever_healthy = false;
	j->doublings = 0;
	j->passive_bad = 0;
	window_clear(&j->window);
	j->progress = (struct sl_progress){ 0 };
}
