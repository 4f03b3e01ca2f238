/* hold.c: see hold.h. */
#include "gateway/downstream/hold.h"

#include "gateway/downstream/session.h"

/* All that is granted, then. */
static long long grant(struct sl_sessions *all, struct sl_hold *hold, size_t bytes)
{
	long long grown = (long long)bytes - (long long)hold->granted;

	hold->granted = bytes;
	sl_metric_add(all->metrics, SL_M_ANSWER_BYTES_HELD, grown);
	return atomic_fetch_add_explicit(&all->hold->bytes, grown, memory_order_relaxed) + grown;
}

bool sl_hold_set(struct sl_sessions *all, struct sl_hold *hold, size_t bytes)
{
	size_t need = bytes && bytes < SL_HOLD_LEAST && !hold->last ? SL_HOLD_LEAST : bytes;

	hold->waits = bytes;
	if (!all->hold || need == hold->granted)
		return true;
	if (need > hold->granted)
		return grant(all, hold, need) <= (long long)all->config->answer_memory;
	if (hold->last || !sl_hold_pressed(all))
		(void)grant(all, hold, need);
	return true;
}

void sl_hold_end(struct sl_sessions *all, struct sl_hold *hold)
{
	hold->waits = 0;
	if (hold->granted)
		(void)grant(all, hold, 0);
}

bool sl_hold_pressed(const struct sl_sessions *all)
{
	return all->hold && atomic_load_explicit(&all->hold->bytes, memory_order_relaxed) >
	                            (long long)(all->config->answer_memory / 2);
}
