/* engine_page.c: what an engine said of its load, signal by signal. */
#include "sluice/dialect.h"

static const size_t offsets[SL_SIGNAL_COUNT] = {
#define SL_SIGNAL(id, field, word, how) offsetof(struct sl_engine_page, field),
#include "sluice/signals.def"
#undef SL_SIGNAL
};

void sl_engine_page_clear(struct sl_engine_page *page)
{
	*page = (struct sl_engine_page){ .max_adapters = -1 };
#define SL_SIGNAL(id, field, word, how) page->field = -1;
#include "sluice/signals.def"
#undef SL_SIGNAL
}

double sl_engine_page_signal(const struct sl_engine_page *page, enum sl_signal signal)
{
	return *(const double *)(const void *)((const char *)page + offsets[signal]);
}

bool sl_engine_page_restarted(const struct sl_engine_page *before, const struct sl_engine_page *now)
{
	static const enum sl_signal counters[] = {
		SL_SIGNAL_PREFIX_HITS,       SL_SIGNAL_PREFIX_QUERIES, SL_SIGNAL_PREEMPTIONS,
		SL_SIGNAL_GENERATION_TOKENS, SL_SIGNAL_PROMPT_TOKENS,
	};

	/* Written with a hundredth of a second, which is not always the same. */
	if (before->start_time_s > 0 && now->start_time_s > 0)
		return now->start_time_s > before->start_time_s + 1;
	for (size_t i = 0; i < SL_COUNT(counters); i++) {
		double had = sl_engine_page_signal(before, counters[i]);
		double has = sl_engine_page_signal(now, counters[i]);

		if (has >= 0 && has < had)
			return true;
	}
	return false;
}
