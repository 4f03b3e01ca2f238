/* columns.h: the figures of a study's line that a table shows, in one place
 * for the terminal and the page. */
#ifndef SLUICE_WHATIF_COLUMNS_H
#define SLUICE_WHATIF_COLUMNS_H

#include "bench/whatif/study.h"

struct column {
	const char *title; /* "TTFT p99" */
	const char *unit;  /* "ms"; "" for none */
	int decimals;
	int better; /* 1: more is better, -1: less is, 0: neither */
	int width;
	double (*value)(const struct study_line *line);
};

/* The k-th column of this study; NULL past the end. */
const struct column *column_at(const struct study *s, size_t k);
/* The best figure of a column, as it is printed: equal ones all are best. NaN
 * if the column has none or there is only one line. */
double column_best(const struct study *s, const struct column *c);
/* The value as text, "-" if it is no number. */
void column_print(const struct column *c, const struct study_line *line, char *out, size_t size);
bool column_is_best(const struct column *c, const struct study_line *line, double best);

#endif
