/* study.h: many what-if runs over one workload and fleet, on all cores.
 *
 * A *study* has a *line* for each policy: one run at the asked rate, and, if
 * asked, the knee: the highest rate at which the share in SLO is at least
 * `good_share`, by bisection over the rate factor. */
#ifndef SLUICE_WHATIF_STUDY_H
#define SLUICE_WHATIF_STUDY_H

#include "bench/whatif/world.h"

#define STUDY_MAX_POINTS 32
/* How far below the good share a knee's curve is true. Runs that end lower are
 * stopped, and show where the curve leaves the picture. */
#define STUDY_CURVE_DEPTH 0.15

struct study_point {   /* of a knee curve */
	double rate;   /* requests per second */
	double slo_ok; /* an upper bound where the run was stopped early */
};

struct study_line {
	const struct policy *policy;
	struct summary summary; /* at the asked rate factor */
	double knee_rps;        /* 0: not asked for, or no rate is low enough */
	bool knee_open;         /* higher than all that was tried: that is knee_rps */
	struct study_point points[STUDY_MAX_POINTS]; /* ascending by rate */
	uint32_t n_points;
	struct tally tally; /* of the run at the asked rate */
};

struct study {
	struct world_setup setup; /* policy is set per line */
	double good_share;        /* 0.95 */
	bool knee;
	uint32_t threads;         /* 0: all cores */
	struct study_line *lines; /* owned */
	uint32_t n_lines;
	bool quiet; /* no progress bar */
};

/* Runs all lines; shows progress on stderr where that is a terminal. */
void study_run(struct study *s);
void study_fini(struct study *s);

#endif
