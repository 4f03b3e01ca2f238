/* window.c: how many of the last ten seconds' live requests went badly.
 *
 * Totals are noted once a second, by whoever looks; the present total minus the
 * one of ten seconds ago is the window. A total that is too old to compare with
 * is none: then the window begins now, which only makes it patient. */
#include "probes/judge.h"

#define STEP_US 1000000u
#define WINDOW_US 10000000u

void window_clear(struct sl_window *w)
{
	w->n = 0;
}

static struct sl_window_step totals(const struct sl_tally *tally, uint64_t now_us)
{
	return (struct sl_window_step){
		.at_us = now_us,
		.ok = atomic_load_explicit(&tally->ok, memory_order_relaxed),
		.bad = atomic_load_explicit(&tally->bad, memory_order_relaxed),
	};
}

void window_note(struct sl_window *w, const struct sl_tally *tally, uint64_t now_us)
{
	if (!tally || (w->n && now_us < w->steps[w->newest].at_us + STEP_US))
		return;
	w->newest = w->n ? (w->newest + 1) % SL_WINDOW_STEPS : 0;
	w->steps[w->newest] = totals(tally, now_us);
	if (w->n < SL_WINDOW_STEPS)
		w->n++;
}

/* The oldest note that is young enough, or NULL. */
static const struct sl_window_step *begin(const struct sl_window *w, uint64_t now_us)
{
	const struct sl_window_step *found = NULL;

	for (uint32_t i = 0; i < w->n; i++) {
		const struct sl_window_step *s =
		        &w->steps[(w->newest + SL_WINDOW_STEPS - i) % SL_WINDOW_STEPS];

		if (s->at_us + WINDOW_US + STEP_US < now_us)
			break;
		found = s;
	}
	return found;
}

struct window_counts window_counts(const struct sl_window *w, const struct sl_tally *tally,
                                   uint64_t now_us)
{
	const struct sl_window_step *from = begin(w, now_us);
	struct sl_window_step to;

	if (!from || !tally)
		return (struct window_counts){ 0, 0 };
	to = totals(tally, now_us);
	return (struct window_counts){ to.ok + to.bad - from->ok - from->bad, to.bad - from->bad };
}
