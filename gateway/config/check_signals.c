/* check_signals.c: an operator's signals name a metric, of a page that is read. */
#include "gateway/config/checker.h"
#include "gateway/config/table.h"

static void check_signal(struct checker *c, const struct conf_statement *pool,
                         const struct conf_statement *s)
{
	const struct conf_word *page = conf_given(pool, "metrics_path");

	if (!s->object || s->broken)
		return;
	if (!conf_was_meant(s, "family"))
		conf_complain(c->report, &s->words[0].at, NULL,
		              "signal names no metric; expected 'family=METRIC'");
	if (page && strcmp(conf_pool_of(pool)->metrics_path, "off") == 0)
		conf_complain(c->report, &s->words[0].at, NULL,
		              "signal has no effect with 'metrics_path off'");
}

void conf_check_signals(struct checker *c)
{
	for (uint32_t i = 0; i < c->pools.n; i++) {
		const struct conf_statement *pool = c->pools.item[i], *s = pool->first;
		uint32_t n = 0;

		for (; s; s = s->next) {
			if (!s->directive || !s->directive->block ||
			    s->directive->block->inside != CONF_SIGNAL)
				continue;
			if (++n == SL_MAX_SIGNAL_MAPS + 1)
				conf_complain(c->report, &s->words[0].at, NULL,
				              "signal: more than %d of them in a pool",
				              SL_MAX_SIGNAL_MAPS);
			check_signal(c, pool, s);
		}
	}
}
