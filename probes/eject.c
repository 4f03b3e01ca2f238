/* eject.c: who is taken out for serving badly, for how long, and how many of a
 * pool at once.
 *
 * The first ejection lasts ejection_us, each further one twice as long as the
 * one before, up to ejection_max_us; each FORGET_TIMES ejection_us in service
 * take one doubling back. Of a pool at most max_ejected of the members are
 * ejected at a time, at least one may be, and an ejection never takes the last
 * that is left. When probes and ejections together have taken all out, those
 * that were only ejected are called back: a bad answer is better than none. An
 * engine that stands still is not: no answer is no better than that. */
#include <stdio.h>

#include "probes/judge.h"

#define FORGET_TIMES 6u
#define DOUBLINGS_MAX 20u

/* ---- places ---------------------------------------------------------- */

static uint32_t places(uint32_t members, double share)
{
	uint32_t n = (uint32_t)(share * members);

	if (n == 0 && share > 0)
		n = 1;
	return n < members ? n : members ? members - 1 : 0;
}

/* Never more than there are places, whoever else ejects at the same time. */
static bool take_place(struct sl_ward *ward, double share)
{
	uint32_t members = atomic_load(&ward->members);

	if (atomic_load(&ward->out) + 1 >= members)
		return false;
	if (atomic_fetch_add(&ward->ejected, 1) < places(members, share))
		return true;
	atomic_fetch_sub(&ward->ejected, 1);
	return false;
}

void judge_end_ejection(struct sl_judge *j)
{
	if (j->placed)
		atomic_fetch_sub(&j->ward->ejected, 1);
	j->placed = false;
	j->ejected = false;
}

/* ---- time ------------------------------------------------------------ */

static void forgive(struct sl_judge *j, const struct sl_health_policy *p, uint64_t now_us)
{
	uint64_t good_us = p->ejection_us * FORGET_TIMES;
	uint64_t served_us = now_us > j->since_us ? now_us - j->since_us : 0;
	uint64_t n = good_us ? served_us / good_us : 0;

	j->doublings -= n < j->doublings ? (uint32_t)n : j->doublings;
}

static uint64_t ejection_time_us(const struct sl_judge *j, const struct sl_health_policy *p)
{
	uint64_t max_us = p->ejection_max_us > p->ejection_us ? p->ejection_max_us : p->ejection_us;
	uint64_t us = p->ejection_us;

	for (uint32_t i = 0; i < j->doublings && us < max_us; i++)
		us *= 2;
	return us < max_us ? us : max_us;
}

/* ---- out and in ------------------------------------------------------ */

bool judge_eject(struct sl_judge *j, const struct sl_health_policy *p, enum sl_reason cause,
                 bool capped, uint64_t now_us)
{
	if (j->health == SL_HEALTH_UNHEALTHY)
		return false;
	if (capped && j->ward && !take_place(j->ward, p->max_ejected)) {
		j->spared++;
		return false;
	}
	if (j->health == SL_HEALTH_HEALTHY)
		forgive(j, p, now_us);
	judge_enter(j, SL_HEALTH_UNHEALTHY, cause, now_us);
	j->placed = capped && j->ward;
	j->ejected = true;
	j->ejections++;
	j->return_us = now_us + ejection_time_us(j, p);
	j->good = 0;
	if (j->doublings < DOUBLINGS_MAX)
		j->doublings++;
	return true;
}

static bool nobody_is_left(const struct sl_judge *j)
{
	return j->ward && j->cause != SL_REASON_STUCK &&
	       atomic_load(&j->ward->out) >= atomic_load(&j->ward->members);
}

bool judge_return(struct sl_judge *j, const struct sl_health_policy *p, uint64_t now_us)
{
	enum sl_reason cause = SL_REASON_RETURNED;

	if (nobody_is_left(j))
		cause = SL_REASON_RECALLED;
	else if (now_us < j->return_us || (j->cause == SL_REASON_STUCK && judge_stands_still(j)))
		return false;
	judge_enter(j, SL_HEALTH_HEALTHY, cause, now_us);
	j->trial_us = now_us + p->slow_start_us;
	return true;
}
