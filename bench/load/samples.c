/* samples.c: exact statistics over all samples. See samples.h. */
#include "bench/load/samples.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define MAX_RECENT 512

void sl_samples_fini(struct sl_samples *s)
{
	free(s->us);
	*s = (struct sl_samples){ .us = NULL };
}

void sl_samples_add(struct sl_samples *s, int64_t us)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 256;
		s->us = reallocarray(s->us, s->cap, sizeof(*s->us));
		if (!s->us)
			abort();
	}
	s->us[s->n++] = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

double sl_samples_percentile(const struct sl_samples *s, double percent)
{
	double rank, below;
	size_t i;

	if (s->n == 0)
		return 0;
	rank = percent / 100 * (double)(s->n - 1);
	below = floor(rank);
	i = (size_t)below;
	if (i + 1 >= s->n)
		return s->us[s->n - 1];
	return s->us[i] + (rank - below) * ((double)s->us[i + 1] - s->us[i]);
}

static double mean_of(const struct sl_samples *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->us[i];
	return sum / (double)s->n;
}

static double deviation_of(const struct sl_samples *s, double mean)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += (s->us[i] - mean) * (s->us[i] - mean);
	return sqrt(sum / (double)s->n);
}

struct sl_summary sl_samples_summarise(struct sl_samples *s)
{
	struct sl_summary sum = { .n = s->n };
	double mean;

	if (s->n == 0)
		return sum;
	qsort(s->us, s->n, sizeof(*s->us), by_value);
	mean = mean_of(s);
	sum.mean_ms = mean / 1000;
	sum.std_ms = deviation_of(s, mean) / 1000;
	sum.median_ms = sl_samples_percentile(s, 50) / 1000;
	sum.p90_ms = sl_samples_percentile(s, 90) / 1000;
	sum.p95_ms = sl_samples_percentile(s, 95) / 1000;
	sum.p99_ms = sl_samples_percentile(s, 99) / 1000;
	sum.max_ms = s->us[s->n - 1] / 1000.0;
	return sum;
}

double sl_samples_recent_median(const struct sl_samples *s, size_t last)
{
	uint32_t recent[MAX_RECENT];
	struct sl_samples copy = { .us = recent };

	assert(last <= MAX_RECENT);
	copy.n = s->n < last ? s->n : last;
	if (copy.n == 0)
		return 0;
	memcpy(recent, s->us + s->n - copy.n, copy.n * sizeof(*recent));
	qsort(recent, copy.n, sizeof(*recent), by_value);
	return sl_samples_percentile(&copy, 50);
}
