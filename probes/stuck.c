/* stuck.c: engines that answer probes and have stopped working.
 *
 * The HTTP side of an engine answers /health while its core stands still. What
 * tells is a request that waits for its first event far longer than was
 * predicted while the engine has said nothing on any of our streams, and while
 * the counters of its page do not move or the page itself is not had any more.
 * A long prefill makes its engine silent, too: the prediction allows for it,
 * a request that waits alone is given twice as long, and without a page that
 * bears it out a single request is never enough, nor is one that does not
 * stream, of whose progress nothing is seen. */
#include <stdio.h>

#include "probes/judge.h"
#include "sluice/probe.h"

#define PREDICTION_TIMES 4u

/* ---- the page -------------------------------------------------------- */

void sl_judge_page(struct sl_judge *j, const struct sl_engine_page *page, uint64_t now_us)
{
	struct sl_progress *was = &j->progress;
	/* A batch that fills the cache works, even before it has counted a token. */
	bool moved = was->generation_tokens != page->generation_tokens ||
	             was->prompt_tokens != page->prompt_tokens || page->kv_usage > was->kv_usage;
	bool other = moved || was->kv_usage != page->kv_usage || was->running != page->running;

	*was = (struct sl_progress){
		.generation_tokens = page->generation_tokens,
		.prompt_tokens = page->prompt_tokens,
		.kv_usage = page->kv_usage,
		.running = page->running,
		.moved_us = moved ? now_us : was->moved_us,
		.other_us = other ? now_us : was->other_us,
		/* A page without these counters bears nothing out. */
		.seen_us = page->generation_tokens >= 0 ? now_us : 0,
	};
}

bool judge_stands_still(const struct sl_judge *j)
{
	const struct sl_progress *page = &j->progress;

	return page->seen_us > j->since_us && page->other_us <= j->since_us && page->running > 0;
}

/* ---- waits ----------------------------------------------------------- */

uint64_t sl_stuck_limit_us(const struct sl_health_policy *p, const struct sl_waiting *w)
{
	return (p->stuck_us + PREDICTION_TIMES * w->predicted_us) * (w->alone ? 2 : 1);
}

static uint64_t latest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The page was read and told of nothing since, or it was read once and is not
 * answered any more. */
static bool page_bears_out(const struct sl_judge *j, const struct sl_health_policy *p,
                           uint64_t quiet_from_us, uint64_t now_us)
{
	uint64_t seen_us = j->progress.seen_us;

	return seen_us > quiet_from_us || (p->stale_us && seen_us + p->stale_us < now_us);
}

bool sl_judge_waiting(struct sl_judge *j, const struct sl_health_policy *p,
                      const struct sl_waiting *w, uint64_t now_us)
{
	uint64_t quiet_from_us = latest(w->sent_us, latest(w->life_us, j->progress.moved_us));
	uint64_t quiet_us = now_us > quiet_from_us ? now_us - quiet_from_us : 0;
	bool has_page = j->progress.seen_us > 0;

	if (!p->stuck_us || quiet_us < sl_stuck_limit_us(p, w))
		return false;
	if (has_page ? !page_bears_out(j, p, quiet_from_us, now_us) : w->alone || !w->streamed)
		return false;
	if (!judge_eject(j, p, SL_REASON_STUCK, !has_page, now_us))
		return false;
	snprintf(j->reason, sizeof(j->reason), "no first token for %llu s",
	         (unsigned long long)((now_us - w->sent_us) / 1000000));
	return true;
}
