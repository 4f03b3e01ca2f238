/* study.c: see study.h. */
#include "bench/whatif/study.h"

#include <math.h>
#include <stdlib.h>

#include "bench/whatif/jobs.h"
#include "bench/whatif/progress.h"

#define KNEE_STEP 1.4        /* while the knee is not bracketed */
#define KNEE_PRECISION 1.006 /* between the bracket's ends, when it is found */
#define KNEE_TRIES 16u
#define KNEE_RUNS 10u /* about as many as it takes */

struct running {
	struct study *study;
	struct progress progress;
	uint8_t *roles; /* owned; by engine */
};

static void run_once(struct running *r, const struct policy *policy, double rate_factor,
                     double stop_below, struct tally *out_tally)
{
	struct world_setup setup = r->study->setup;

	setup.policy = policy;
	setup.rate_factor = rate_factor;
	setup.stop_below = stop_below;
	setup.progress = progress_requests;
	setup.progress_ctx = &r->progress;
	world_run(&setup, out_tally);
	progress_run_done(&r->progress, setup.workload->n);
}

/* ---- the knee --------------------------------------------------------------- */

static int by_rate(const void *a, const void *b)
{
	const struct study_point *x = a, *y = b;

	return x->rate < y->rate ? -1 : x->rate > y->rate;
}

/* A point of the curve; true if enough was good. Of an abandoned run the rest
 * may have been good, for all that is known. */
static bool is_good(struct running *r, struct study_line *line, double rate_factor)
{
	const struct study *s = r->study;
	struct tally tally;
	double share;

	run_once(r, line->policy, rate_factor, fmax(0, s->good_share - STUDY_CURVE_DEPTH), &tally);
	share = tally_best_share(&tally);
	if (line->n_points < STUDY_MAX_POINTS)
		line->points[line->n_points++] = (struct study_point){
			.rate = rate_factor * workload_rate(s->setup.workload),
			.slo_ok = share,
		};
	tally_fini(&tally);
	return share >= s->good_share;
}

/* Widens the bracket until one end is good and the other is not. False: all that
 * was tried was the same. */
static bool bracket_knee(struct running *r, struct study_line *line, double *low, double *high)
{
	double step = KNEE_STEP;
	bool up = is_good(r, line, *low);

	for (uint32_t i = 0; i < KNEE_TRIES; i++, step *= step < 2 ? 1.1 : 1) {
		double next = up ? *high * step : *low / step;
		bool turned = is_good(r, line, next) != up;

		if (!turned || up)
			*high = next;
		if (!turned || !up)
			*low = next;
		if (turned)
			return true;
	}
	return false;
}

static double narrow_knee(struct running *r, struct study_line *line, double low, double high)
{
	while (high / low > KNEE_PRECISION) {
		double middle = sqrt(low * high);

		if (is_good(r, line, middle))
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void find_knee(struct running *r, struct study_line *line)
{
	double low = r->study->setup.rate_factor, high = low, first = low, knee = 0;

	if (bracket_knee(r, line, &low, &high)) {
		knee = narrow_knee(r, line, low, high);
	} else if (high > first) {
		knee = high;
		line->knee_open = true;
	}
	line->knee_rps = knee * workload_rate(r->study->setup.workload);
	qsort(line->points, line->n_points, sizeof(line->points[0]), by_rate);
}

/* ---- jobs ------------------------------------------------------------------- */

/* Knees first: they take longest. */
static void run_job(void *ctx, uint32_t job)
{
	struct running *r = ctx;
	struct study *s = r->study;
	struct study_line *line = &s->lines[job % s->n_lines];

	if (s->knee && job < s->n_lines) {
		find_knee(r, line);
		return;
	}
	run_once(r, line->policy, s->setup.rate_factor, 0, &line->tally);
	tally_summarize(&line->tally, &s->setup.slo, r->roles, &line->summary);
}

void study_run(struct study *s)
{
	const struct fleet *fleet = s->setup.fleet;
	uint32_t runs = s->n_lines * (s->knee ? KNEE_RUNS + 1 : 1);
	struct running r = { .study = s, .roles = calloc(fleet->n, 1) };

	if (!r.roles)
		abort();
	for (uint32_t i = 0; i < fleet->n; i++)
		r.roles[i] = (uint8_t)fleet->engines[i].role;
	progress_init(&r.progress, stderr, s->quiet, runs, s->setup.workload->n);
	jobs_run(s->threads, s->n_lines * (s->knee ? 2 : 1), run_job, &r);
	progress_fini(&r.progress);
	free(r.roles);
}

void study_fini(struct study *s)
{
	for (uint32_t i = 0; i < s->n_lines; i++)
		tally_fini(&s->lines[i].tally);
	free(s->lines);
	s->lines = NULL;
}
