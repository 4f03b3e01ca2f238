/* tally.c: see tally.h. */
#include "bench/whatif/tally.h"

#include <stdlib.h>

#include "sluice/route.h"

static void *calloc_or_die(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

void tally_init(struct tally *t, uint32_t n_requests, uint32_t n_engines)
{
	*t = (struct tally){ .n = n_requests, .n_engines = n_engines };
	t->requests = calloc_or_die(n_requests, sizeof(*t->requests));
	t->busy_ms = calloc_or_die(n_engines, sizeof(*t->busy_ms));
	t->dispatched = calloc_or_die(n_engines, sizeof(*t->dispatched));
}

void tally_fini(struct tally *t)
{
	free(t->requests);
	free(t->busy_ms);
	free(t->dispatched);
	*t = (struct tally){ 0 };
}

static bool is_good(const struct tally_request *rq, const struct slo *slo)
{
	return rq->done && rq->ttft_ms <= slo->ttft_ms && rq->tpot_ms <= slo->tpot_ms;
}

void tally_note(struct tally *t, uint32_t request, struct tally_request end, const struct slo *slo)
{
	t->requests[request] = end;
	t->n_bad += request >= t->first && !is_good(&end, slo);
}

double tally_best_share(const struct tally *t)
{
	return t->n > t->first ? 1 - (double)t->n_bad / (t->n - t->first) : 0;
}

/* ---- quantiles -------------------------------------------------------------- */

static void swap(float *a, float *b)
{
	float x = *a;

	*a = *b;
	*b = x;
}

/* Puts the k-th smallest in its place, smaller ones before it. */
static void select_kth(float *v, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		float pivot = v[low + (high - low) / 2];
		size_t i = low, j = high;

		while (i <= j) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i > j)
				break;
			swap(&v[i++], &v[j]);
			if (j == 0)
				break;
			j--;
		}
		if (k <= j)
			high = j;
		else if (k >= i)
			low = i;
		else
			return;
	}
}

double tally_quantile(float *values, size_t n, double q)
{
	size_t k;

	if (n == 0)
		return 0;
	k = (size_t)(q * (double)(n - 1) + 0.5);
	select_kth(values, n, k);
	return (double)values[k];
}

static struct spread spread_of(float *values, size_t n)
{
	struct spread s = { 0 };

	for (size_t i = 0; i < n; i++)
		s.mean += (double)values[i];
	if (n)
		s.mean /= (double)n;
	s.p50 = tally_quantile(values, n, 0.50);
	s.p90 = tally_quantile(values, n, 0.90);
	s.p99 = tally_quantile(values, n, 0.99);
	return s;
}

/* ---- summary ---------------------------------------------------------------- */

static double imbalance_of_role(const struct tally *t, const uint8_t *roles, uint8_t role)
{
	double sum = 0, max = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n_engines; i++) {
		if (roles[i] != role)
			continue;
		n++;
		sum += t->busy_ms[i];
		if (t->busy_ms[i] > max)
			max = t->busy_ms[i];
	}
	return sum > 0 ? max * n / sum : 0;
}

static double imbalance_of(const struct tally *t, const uint8_t *roles)
{
	static const uint8_t all[] = { SL_ROLE_BOTH, SL_ROLE_PREFILL, SL_ROLE_DECODE };
	double worst = 0;

	for (size_t i = 0; i < SL_COUNT(all); i++) {
		double x = imbalance_of_role(t, roles, all[i]);

		if (x > worst)
			worst = x;
	}
	return worst;
}

static void summarize_times(const struct tally *t, struct summary *out)
{
	float *values = calloc_or_die((size_t)t->n * 3, sizeof(*values));
	float *ttft = values, *tpot = values + t->n, *e2e = values + (size_t)t->n * 2;
	size_t n = 0, n_tpot = 0;

	for (uint32_t i = t->first; i < t->n; i++) {
		const struct tally_request *rq = &t->requests[i];

		if (!rq->done)
			continue;
		ttft[n] = rq->ttft_ms;
		e2e[n++] = rq->e2e_ms;
		if (rq->output_tokens > 1)
			tpot[n_tpot++] = rq->tpot_ms;
	}
	out->ttft_ms = spread_of(ttft, n);
	out->e2e_ms = spread_of(e2e, n);
	out->tpot_ms = spread_of(tpot, n_tpot);
	free(values);
}

void tally_summarize(const struct tally *t, const struct slo *slo, const uint8_t *roles,
                     struct summary *out)
{
	double cached = 0, prompt = 0, seconds = (double)t->arrivals_us / 1e6;
	uint32_t counted = t->n - t->first, good = 0, done = 0, ttft_ok = 0, tpot_ok = 0;

	*out = (struct summary){ .kv_usage = t->kv_usage,
		                 .preemptions = t->preemptions,
		                 .remote = t->remote,
		                 .retries = t->retries,
		                 .decisions = t->decisions };
	for (uint32_t i = t->first; i < t->n; i++) {
		const struct tally_request *rq = &t->requests[i];

		done += rq->done;
		good += is_good(rq, slo);
		ttft_ok += rq->done && rq->ttft_ms <= slo->ttft_ms;
		tpot_ok += rq->done && rq->tpot_ms <= slo->tpot_ms;
		cached += rq->cached_tokens;
		prompt += rq->prompt_tokens;
	}
	out->failed = counted - done;
	if (counted) {
		out->slo_ok = (double)good / counted;
		out->ttft_ok = (double)ttft_ok / counted;
		out->tpot_ok = (double)tpot_ok / counted;
	}
	out->hit_rate = prompt > 0 ? cached / prompt : 0;
	if (seconds > 0) {
		out->goodput = out->slo_ok * t->n / seconds;
		out->rate = t->n / seconds;
	}
	out->imbalance = imbalance_of(t, roles);
	summarize_times(t, out);
}
