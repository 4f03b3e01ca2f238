/* judge.h: what judge.c and the files that eject share. Private to this folder. */
#ifndef SLUICE_PROBES_JUDGE_H
#define SLUICE_PROBES_JUDGE_H

#include "sluice/health.h"

/* The only writer of health, since_us and cause. True if the state changed. */
bool judge_enter(struct sl_judge *j, enum sl_health health, enum sl_reason cause, uint64_t now_us);

/* eject.c. Takes it out if it is in and its pool has a place. capped: whether
 * the pool's share counts. */
bool judge_eject(struct sl_judge *j, const struct sl_health_policy *p, enum sl_reason cause,
                 bool capped, uint64_t now_us);
/* Its place in the pool's share is free; it stays what it is. */
void judge_end_ejection(struct sl_judge *j);
/* A probe of an ejected one went well; true if it is in again. */
bool judge_return(struct sl_judge *j, const struct sl_health_policy *p, uint64_t now_us);

/* window.c. */
void window_clear(struct sl_window *w);
void window_note(struct sl_window *w, const struct sl_tally *tally, uint64_t now_us);
struct window_counts {
	uint64_t all, bad;
};
struct window_counts window_counts(const struct sl_window *w, const struct sl_tally *tally,
                                   uint64_t now_us);

/* stuck.c: its page bears out that it still stands still. */
bool judge_stands_still(const struct sl_judge *j);

#endif
