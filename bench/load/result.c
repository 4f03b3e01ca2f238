/* result.c: what a replay adds up. */
#include "bench/load/result.h"

#include <stdlib.h>

void sl_result_fini(struct sl_result *r)
{
	free(r->per_second);
	r->per_second = NULL;
	r->n_seconds = 0;
	sl_samples_fini(&r->ttft);
	sl_samples_fini(&r->tpot);
	sl_samples_fini(&r->itl);
	sl_samples_fini(&r->e2e);
	sl_samples_fini(&r->lag);
}

void sl_result_add_chunks(struct sl_result *r, int64_t at_us, uint32_t chunks)
{
	size_t second = at_us < 0 ? 0 : (size_t)(at_us / 1000000);

	if (second >= r->n_seconds) {
		size_t n = second + 64;

		r->per_second = reallocarray(r->per_second, n, sizeof(*r->per_second));
		if (!r->per_second)
			abort();
		memset(r->per_second + r->n_seconds, 0,
		       (n - r->n_seconds) * sizeof(*r->per_second));
		r->n_seconds = n;
	}
	r->per_second[second] += chunks;
}

uint32_t sl_result_peak_per_second(const struct sl_result *r)
{
	uint32_t peak = 0;

	for (size_t i = 0; i < r->n_seconds; i++)
		if (r->per_second[i] > peak)
			peak = r->per_second[i];
	return peak;
}

bool sl_result_ok(const struct sl_result *r)
{
	return r->failed == 0 && r->mismatches == 0 && !r->interrupted;
}
