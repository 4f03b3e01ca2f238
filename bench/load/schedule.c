/* schedule.c: de-quantises, sorts and scales a trace's times. */
#include "bench/load/schedule.h"

#include <stdlib.h>

#include "bench/load/prompt.h"

#define SCHEDULE_STREAM 0x7363686564756c65ull /* keeps its draws apart from the prompts' */

static int by_time(const void *a, const void *b)
{
	const struct sl_due *x = a, *y = b;

	if (x->at_us != y->at_us)
		return x->at_us < y->at_us ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static int64_t draw_below(struct sl_rng *rng, int64_t limit_us)
{
	double u = (double)(sl_rng_next(rng) >> 11) / 9007199254740992.0;

	return (int64_t)(u * (double)limit_us);
}

struct sl_due *sl_schedule_new(const struct sl_trace *t, uint64_t seed, int64_t spread_us,
                               double rate_factor)
{
	struct sl_rng rng = sl_prompt_rng(seed, SCHEDULE_STREAM);
	struct sl_due *due = calloc(t->n_rows, sizeof(*due));
	int64_t first_us;

	if (!due)
		abort();
	for (size_t i = 0; i < t->n_rows; i++) {
		due[i].at_us = t->rows[i].at_us + draw_below(&rng, spread_us);
		due[i].row = (uint32_t)i;
	}
	qsort(due, t->n_rows, sizeof(*due), by_time);
	first_us = due[0].at_us;
	for (size_t i = 0; i < t->n_rows; i++)
		due[i].at_us = (int64_t)((double)(due[i].at_us - first_us) / rate_factor);
	return due;
}
