/* curves.h: what a study's pictures draw: one line a policy, better ones
 * later and ours last, so that it lies above the others. */
#ifndef SLUICE_WHATIF_CURVES_H
#define SLUICE_WHATIF_CURVES_H

#include "bench/whatif/plot.h"
#include "bench/whatif/study.h"

enum curve {
	CURVE_KNEE,    /* % in SLO over requests per second */
	CURVE_TTFT,    /* % of requests over ms */
	CURVE_RUNNING, /* over seconds, as the rest */
	CURVE_RUNNING_MAX,
	CURVE_WAITING,
	CURVE_KV, /* % */
};

struct curves {
	struct plot_line *lines; /* owned, as the points */
	double *points;
	size_t n;
};

/* What a policy is ranked by: its knee if there is one, else its share in SLO. */
double curves_merit(const struct study *s, const struct study_line *line);
void curves_init(struct curves *c, const struct study *s, enum curve kind);
void curves_fini(struct curves *c);
/* Where the knee picture's y axis begins, in %. */
double curves_knee_floor(const struct study *s);

#endif
