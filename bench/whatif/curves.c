/* curves.c: see curves.h. */
#include "bench/whatif/curves.h"

#include <math.h>
#include <stdlib.h>

#define CDF_POINTS 200
#define MOST_POINTS 201
_Static_assert(TALLY_SLICES <= MOST_POINTS && STUDY_MAX_POINTS <= MOST_POINTS,
               "a line's points must fit");

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static float *sorted_ttfts(const struct tally *t, size_t *out_n)
{
	float *ms = calloc((size_t)t->n + 1, sizeof(*ms));
	size_t n = 0;

	if (!ms)
		abort();
	for (uint32_t i = t->first; i < t->n; i++)
		if (t->requests[i].done && isfinite(t->requests[i].ttft_ms))
			ms[n++] = t->requests[i].ttft_ms;
	qsort(ms, n, sizeof(*ms), by_value);
	*out_n = n;
	return ms;
}

/* Of all requests: with failed ones the line does not reach 100 %. */
static size_t cdf_points(const struct tally *t, double *x, double *y)
{
	size_t n, points;
	float *ms = sorted_ttfts(t, &n);

	points = n < CDF_POINTS + 1 ? n : CDF_POINTS + 1;
	for (size_t i = 0; i < points; i++) {
		size_t k = points > 1 ? (n - 1) * i / (points - 1) : 0;

		x[i] = (double)ms[k] > 0.01 ? (double)ms[k] : 0.01;
		y[i] = (double)(k + 1) / (t->n - t->first) * 100;
	}
	free(ms);
	return points;
}

static double slice_value(const struct tally_slice *s, enum curve kind)
{
	switch (kind) {
	case CURVE_RUNNING:
		return (double)s->running;
	case CURVE_RUNNING_MAX:
		return (double)s->running_max;
	case CURVE_WAITING:
		return (double)s->waiting;
	default:
		return (double)s->kv_usage * 100;
	}
}

static size_t slice_points(const struct tally *t, enum curve kind, double *x, double *y)
{
	for (uint32_t i = 0; i < t->n_slices; i++) {
		x[i] = (i + 0.5) * (double)t->slice_us / 1e6;
		y[i] = slice_value(&t->slices[i], kind);
	}
	return t->n_slices;
}

/* Up to the first that is below the picture. */
static size_t knee_points(const struct study *s, const struct study_line *l, double *x, double *y)
{
	double floor = curves_knee_floor(s);
	size_t n = 0;

	while (n < l->n_points) {
		x[n] = l->points[n].rate;
		y[n] = l->points[n].slo_ok * 100;
		if (y[n++] <= floor)
			break;
	}
	return n;
}

static struct plot_line line_of(const struct study *s, const struct study_line *l, enum curve kind,
                                double *points)
{
	double *x = points, *y = points + MOST_POINTS;
	size_t n;

	if (kind == CURVE_KNEE)
		n = knee_points(s, l, x, y);
	else if (kind == CURVE_TTFT)
		n = cdf_points(&l->tally, x, y);
	else
		n = slice_points(&l->tally, kind, x, y);
	return (struct plot_line){
		.name = l->policy->name, .x = x, .y = y, .n = n, .dots = kind == CURVE_KNEE
	};
}

double curves_merit(const struct study *s, const struct study_line *line)
{
	return s->knee ? line->knee_rps : line->summary.slo_ok;
}

struct rank {
	uint32_t line, style;
	double merit;
};

static int by_merit(const void *a, const void *b)
{
	const struct rank *m = a, *n = b;

	if (m->style == 0 || n->style == 0)
		return (m->style == 0) - (n->style == 0);
	if (m->merit < n->merit || m->merit > n->merit)
		return m->merit < n->merit ? -1 : 1;
	return m->line > n->line ? -1 : 1;
}

/* A policy has the same style in all pictures of a study. */
static struct rank *ranks_new(const struct study *s)
{
	struct rank *ranks = calloc((size_t)s->n_lines + 1, sizeof(*ranks));
	uint32_t others = 0;

	if (!ranks)
		abort();
	for (uint32_t i = 0; i < s->n_lines; i++) {
		bool ours = !strcmp(s->lines[i].policy->name, POLICY_OURS);

		ranks[i] = (struct rank){ i, 0, curves_merit(s, &s->lines[i]) };
		if (!ours)
			ranks[i].style = 1 + others++ % (PLOT_STYLES - 1);
	}
	qsort(ranks, s->n_lines, sizeof(*ranks), by_merit);
	return ranks;
}

void curves_init(struct curves *c, const struct study *s, enum curve kind)
{
	size_t room = (size_t)s->n_lines + 1;
	struct rank *ranks = ranks_new(s);

	c->lines = calloc(room, sizeof(*c->lines));
	c->points = calloc(room * 2 * MOST_POINTS, sizeof(*c->points));
	c->n = s->n_lines;
	if (!c->lines || !c->points)
		abort();
	for (size_t i = 0; i < c->n; i++) {
		c->lines[i] =
		        line_of(s, &s->lines[ranks[i].line], kind, c->points + i * 2 * MOST_POINTS);
		c->lines[i].style = ranks[i].style;
	}
	free(ranks);
}

void curves_fini(struct curves *c)
{
	free(c->lines);
	free(c->points);
}

double curves_knee_floor(const struct study *s)
{
	return fmax(0, floor((s->good_share - STUDY_CURVE_DEPTH) * 20 + 1e-9) * 5);
}
