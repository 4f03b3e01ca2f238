/* columns.c: see columns.h. */
#include "bench/whatif/columns.h"

#include <math.h>
#include <stdio.h>

#define VALUE(name, expression)                                                                    \
	static double name(const struct study_line *l)                                             \
	{                                                                                          \
		return (expression);                                                               \
	}

VALUE(slo_ok, l->summary.slo_ok * 100)
VALUE(goodput, l->summary.goodput)
VALUE(knee, l->knee_rps)
VALUE(ttft_mean, l->summary.ttft_ms.mean)
VALUE(ttft_p50, l->summary.ttft_ms.p50)
VALUE(ttft_p99, l->summary.ttft_ms.p99)
VALUE(tpot_mean, l->summary.tpot_ms.mean)
VALUE(tpot_p99, l->summary.tpot_ms.p99)
VALUE(e2e_p50, l->summary.e2e_ms.p50 / 1e3)
VALUE(e2e_p99, l->summary.e2e_ms.p99 / 1e3)
VALUE(hit_rate, l->summary.hit_rate * 100)
VALUE(imbalance, l->summary.imbalance)
VALUE(failed, (double)l->summary.failed)
#undef VALUE

static const struct column columns[] = {
	{ "in SLO", "%", 2, 1, 8, slo_ok },         { "goodput", "req/s", 2, 1, 8, goodput },
	{ "knee", "req/s", 2, 1, 8, knee },         { "TTFT", "mean ms", 0, -1, 9, ttft_mean },
	{ "TTFT", "p50 ms", 0, -1, 8, ttft_p50 },   { "TTFT", "p99 ms", 0, -1, 9, ttft_p99 },
	{ "TPOT", "mean ms", 1, -1, 8, tpot_mean }, { "TPOT", "p99 ms", 1, -1, 7, tpot_p99 },
	{ "E2E", "p50 s", 1, -1, 7, e2e_p50 },      { "E2E", "p99 s", 1, -1, 7, e2e_p99 },
	{ "hits", "%", 1, 1, 6, hit_rate },         { "imbal.", "max/avg", 2, -1, 8, imbalance },
	{ "failed", "", 0, -1, 8, failed },
};

static bool is_shown(const struct study *s, const struct column *c)
{
	if (c->value == knee)
		return s->knee;
	if (c->value != failed)
		return true;
	for (uint32_t i = 0; i < s->n_lines; i++)
		if (s->lines[i].summary.failed)
			return true;
	return false;
}

const struct column *column_at(const struct study *s, size_t k)
{
	for (size_t i = 0; i < SL_COUNT(columns); i++)
		if (is_shown(s, &columns[i]) && k-- == 0)
			return &columns[i];
	return NULL;
}

/* What the reader sees: 12.04 and 12.01 are equal where one decimal shows. */
static double shown(const struct column *c, const struct study_line *line)
{
	double scale = c->decimals == 0 ? 1 : c->decimals == 1 ? 10 : 100;
	double x = c->value(line);

	return isfinite(x) ? round(x * scale) / scale : NAN;
}

double column_best(const struct study *s, const struct column *c)
{
	double best = NAN;

	if (c->better == 0 || s->n_lines < 2)
		return NAN;
	for (uint32_t i = 0; i < s->n_lines; i++) {
		double x = shown(c, &s->lines[i]);

		if (!isnan(x) && (isnan(best) || (x - best) * c->better > 0))
			best = x;
	}
	return best;
}

bool column_is_best(const struct column *c, const struct study_line *line, double best)
{
	return !isnan(best) && shown(c, line) == best;
}

void column_print(const struct column *c, const struct study_line *line, char *out, size_t size)
{
	double x = shown(c, line);

	if (isnan(x))
		snprintf(out, size, "-");
	else
		snprintf(out, size, "%.*f", c->decimals, x);
}
