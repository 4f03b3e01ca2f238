/* traffic.c: what live requests say of an endpoint, alone and beside its pool.
 *
 * Refused connections in a row: dead. Failures in a row, too large a share of
 * the last ten seconds, or slowness that the rest of the pool does not share:
 * ejected. On trial after an ejection the first failure is enough. */
#include <stdio.h>
#include <stdlib.h>

#include "probes/judge.h"

static bool fails_in_a_row(const struct sl_judge *j, const struct sl_health_policy *p,
                           uint64_t now_us)
{
	uint32_t enough = now_us < j->trial_us ? 1 : p->passive_fall;

	return p->passive_fall && j->passive_bad >= enough;
}

/* One failure alone is no rate. */
static bool fails_too_often(const struct sl_health_policy *p, struct window_counts seen)
{
	return p->failure_rate > 0 && seen.bad > 1 && seen.all >= p->failure_requests &&
	       (double)seen.bad >= p->failure_rate * (double)seen.all;
}

static bool eject_for_rate(struct sl_judge *j, const struct sl_health_policy *p,
                           struct window_counts seen, uint64_t now_us)
{
	if (!judge_eject(j, p, SL_REASON_FAILURE_RATE, true, now_us))
		return false;
	snprintf(j->reason, sizeof(j->reason), "%.0f%% of %llu live requests failed",
	         100.0 * (double)seen.bad / (double)seen.all, (unsigned long long)seen.all);
	return true;
}

bool sl_judge_traffic(struct sl_judge *j, const struct sl_health_policy *p, enum sl_fate fate,
                      uint64_t now_us)
{
	struct window_counts seen;

	if (fate == SL_FATE_OK) {
		j->passive_bad = 0;
		j->last_ok_us = now_us;
		return false;
	}
	j->good = 0;
	if (j->passive_bad < UINT32_MAX)
		j->passive_bad++;
	window_note(&j->window, j->tally, now_us);
	if (j->health == SL_HEALTH_UNHEALTHY)
		return false;
	if (fails_in_a_row(j, p, now_us))
		return fate == SL_FATE_REFUSED
		               ? judge_enter(j, SL_HEALTH_UNHEALTHY, SL_REASON_UNREACHABLE, now_us)
		               : judge_eject(j, p, SL_REASON_FAILING, true, now_us);
	seen = window_counts(&j->window, j->tally, now_us);
	return fails_too_often(p, seen) && eject_for_rate(j, p, seen, now_us);
}

bool sl_judge_slow(struct sl_judge *j, const struct sl_health_policy *p, double ratio,
                   uint64_t now_us)
{
	if (p->slow_factor <= 0 || ratio < p->slow_factor || j->health != SL_HEALTH_HEALTHY ||
	    !judge_eject(j, p, SL_REASON_SLOW, true, now_us))
		return false;
	snprintf(j->reason, sizeof(j->reason), "%.1f times as slow as its pool", ratio);
	return true;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double sl_outlier_median(double *values, uint32_t n)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof(*values), compare);
	return values[(n - 1) / 2];
}
