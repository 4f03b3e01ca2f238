/* hold.c: see hold.h. */
#include "gateway/downstream/hold.h"

#include "gateway/downstream/session.h"

bool sl_hold_set(struct sl_sessions *all, size_t *held, size_t bytes)
{
	long long grown = (long long)bytes - (long long)*held, total;

	*held = bytes;
	if (grown == 0 || !all->hold)
		return true;
	total = atomic_fetch_add_explicit(&all->hold->bytes, grown, memory_order_relaxed) + grown;
	sl_metric_add(all->metrics, SL_M_ANSWER_BYTES_HELD, grown);
	return grown < 0 || total <= (long long)all->config->answer_memory;
}

bool sl_hold_pressed(const struct sl_sessions *all)
{
	return all->hold && atomic_load_explicit(&all->hold->bytes, memory_order_relaxed) >
	                            (long long)(all->config->answer_memory / 2);
}
