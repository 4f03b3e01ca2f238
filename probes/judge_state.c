/* judge_state.c: a judge's life, and the one place where its state changes. */
#include <stdio.h>

#include "probes/judge.h"

void judge_note_cause(struct sl_judge *j, enum sl_reason cause)
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

void judge_end_ejection(struct sl_judge *j)
{
	if (j->placed)
		atomic_fetch_sub(&j->ward->ejected, 1);
	j->placed = false;
	j->ejected = false;
}

bool judge_enter(struct sl_judge *j, enum sl_health health, enum sl_reason cause, uint64_t now_us)
{
	bool was_out = j->health == SL_HEALTH_UNHEALTHY;
	bool is_out = health == SL_HEALTH_UNHEALTHY;

	judge_note_cause(j, cause);
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
	judge_note_cause(j, SL_REASON_NEW);
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
