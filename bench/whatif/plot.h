/* plot.h: lines in a coordinate system, as SVG that stands in a page.
 *
 * Colours come from the page's style sheet (plot_style), so that one picture
 * serves light and dark. Lines are told apart by colour and by dashes; the one
 * that matters is thick. Names stand at the right, in
 * the reverse order of drawing. */
#ifndef SLUICE_WHATIF_PLOT_H
#define SLUICE_WHATIF_PLOT_H

#include <stdio.h>

#include "sluice/base.h"

#define PLOT_STYLES 25 /* colours with their dashes; number 0 is the thick one */

struct plot_line {
	const char *name; /* borrowed, as the points */
	const double *x, *y;
	size_t n;
	uint32_t style; /* modulo PLOT_STYLES */
	bool dots;      /* the points were measured, and are few */
};

struct plot {
	const char *id;           /* of the picture in the page */
	const char *title, *text; /* text tells a screen reader what is seen */
	const char *x_title, *y_title;
	bool log_x;
	double y_least; /* the axis begins there, or at what is drawn if that is NaN */
	double y_most;  /* the same for its end */
	double mark;    /* a horizontal line with a label; NaN: none */
	const char *mark_title;
	int width, height;
	bool names;                    /* at the right */
	const struct plot_line *lines; /* borrowed; later ones are drawn above */
	size_t n;
};

/* Points that are no finite numbers, or not above 0 on a log axis, are left out. */
void plot_svg(const struct plot *p, FILE *out);
/* The style sheet for all pictures, without the element around it. */
void plot_style(FILE *out);
/* Text for HTML, with what has a meaning there escaped. */
void plot_text(FILE *out, const char *text);

#endif
