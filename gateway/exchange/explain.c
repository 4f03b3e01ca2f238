/* explain.c: a decision in one phrase, for the access log. */
#include <stdio.h>

#include "gateway/exchange/exchange.h"

static int say_cache(const struct sl_exchange *x, char *buf, size_t size)
{
	const struct sl_decision *d = &x->decision;

	if (d->chosen.hit_tokens >= 1)
		return snprintf(buf, size, "%.0f of %.0f prompt tokens cached",
		                d->chosen.hit_tokens, d->prompt_tokens);
	return snprintf(buf, size, "%.0f prompt tokens, none cached", d->prompt_tokens);
}

/* What a model that is an adapter (LoRA) has to wait for. */
static int say_adapter(const struct sl_exchange *x, char *buf, size_t size)
{
	double ms = x->decision.chosen.adapter_ms;

	return ms > 0 ? snprintf(buf, size, ", adapter in %.1f ms", ms) : 0;
}

/* Where there is more than one. */
static int say_cluster(const struct sl_exchange *x, char *buf, size_t size)
{
	const struct sl_pool_conf *pool = x->fleet ? sl_fleet_pool(x->fleet, x->decode_ep) : NULL;

	if (!pool || x->fleet->config->n_clusters < 2)
		return 0;
	return snprintf(buf, size, "cluster %s: ", *pool->cluster ? pool->cluster : "none");
}

static int say_cost(const struct sl_exchange *x, char *buf, size_t size)
{
	const struct sl_decision *d = &x->decision;
	const struct sl_candidate *other = d->runner_up < d->n_kept ? &d->kept[d->runner_up] : NULL;

	if (!other)
		return snprintf(buf, size, "; cost %.1f ms; the only choice", d->chosen.cost_ms);
	return snprintf(buf, size, "; cost %.1f ms against %.1f ms for %s on %s", d->chosen.cost_ms,
	                other->cost_ms, sl_placement_name(other->placement),
	                x->other_name ? x->other_name : "");
}

void sl_explain(const struct sl_exchange *x, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	if (x->decision.chosen.placement == SL_PLACE_NONE) {
		snprintf(buf, size, "no engine was free%s%s", x->failures ? " after " : "",
		         x->failures ? sl_err_info(x->last_err)->code : "");
		return;
	}
	if (x->failures)
		n += (size_t)snprintf(buf, size, "after %u failed leg%s (%s): ", x->failures,
		                      x->failures > 1 ? "s" : "", sl_err_info(x->last_err)->code);
	n += (size_t)say_cluster(x, buf + n, size - n);
	n += (size_t)say_cache(x, buf + n, size - n);
	if (n < size)
		n += (size_t)say_adapter(x, buf + n, size - n);
	if (n < size)
		say_cost(x, buf + n, size - n);
}
