/* progress.c: what an engine's page shows of its core: whether it moves. */
#include "probes/judge.h"
#include "sluice/probe.h"

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
