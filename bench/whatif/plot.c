/* plot.c: scales, ticks, lines and their names. See plot.h. */
#include "bench/whatif/plot.h"

#include <math.h>

#define LEFT 58.0
#define TOP 34.0
#define BOTTOM 44.0
#define RIGHT 26.0
#define RIGHT_NAMES 190.0
#define NAME_STEP 17.0

struct scale {
	double least, most; /* of the data */
	double from, to;    /* on the picture */
	bool log;
};

struct canvas {
	const struct plot *p;
	struct scale x, y;
	FILE *out;
};

/* ---- scales ---------------------------------------------------------- */

static bool is_shown(const struct plot *p, double x, double y)
{
	return isfinite(x) && isfinite(y) && (!p->log_x || x > 0);
}

static double at(const struct scale *s, double v)
{
	double part = s->log ? log(v / s->least) / log(s->most / s->least)
	                     : (v - s->least) / (s->most - s->least);

	return s->from + part * (s->to - s->from);
}

/* 1, 2 or 5 times a power of ten, so that there are at most `most` ticks. */
static double tick_step(double span, double most)
{
	double step = 1;

	while (step * most < span)
		step *= 10;
	while (step / 10 * most >= span)
		step /= 10;
	if (step / 5 * most >= span)
		return step / 5;
	return step / 2 * most >= span ? step / 2 : step;
}

static void find_range(const struct plot *p, struct scale *x, struct scale *y)
{
	bool any = false;

	for (size_t i = 0; i < p->n; i++) {
		for (size_t k = 0; k < p->lines[i].n; k++) {
			double px = p->lines[i].x[k], py = p->lines[i].y[k];

			if (!is_shown(p, px, py))
				continue;
			x->least = any ? fmin(x->least, px) : px;
			x->most = any ? fmax(x->most, px) : px;
			y->least = any ? fmin(y->least, py) : py;
			y->most = any ? fmax(y->most, py) : py;
			any = true;
		}
	}
	if (!any) {
		*x = (struct scale){ .least = 1, .most = 10 };
		*y = (struct scale){ .least = 0, .most = 1 };
	}
}

/* Both ends on a tick, and never the same. */
static void round_out(struct scale *s, double ticks)
{
	double step;

	if (!(s->most > s->least)) {
		s->least -= s->least != 0 ? fabs(s->least) * 0.1 : 0;
		s->most += s->most != 0 ? fabs(s->most) * 0.1 : 1;
	}
	step = tick_step(s->most - s->least, ticks);
	s->least = floor(s->least / step + 1e-9) * step;
	s->most = ceil(s->most / step - 1e-9) * step;
}

static void round_out_log(struct scale *s)
{
	double low = 1, high = 1;

	while (low > s->least)
		low /= 10;
	while (low * 10 <= s->least)
		low *= 10;
	for (high = low; high < s->most;)
		high *= 10;
	if (high <= low)
		high = low * 10;
	/* half an empty decade at either end is worth more as picture */
	s->least = low * 5 <= s->least ? low * 5 : low * 2 <= s->least ? low * 2 : low;
	s->most = high / 5 >= s->most && high / 5 > s->least ? high / 5
	          : high / 2 >= s->most                      ? high / 2
	                                                     : high;
}

static struct canvas canvas_of(const struct plot *p, FILE *out)
{
	struct canvas c = { .p = p, .out = out };

	find_range(p, &c.x, &c.y);
	if (!isnan(p->y_least))
		c.y.least = p->y_least;
	if (!isnan(p->y_most))
		c.y.most = p->y_most;
	round_out(&c.y, 6);
	if (p->log_x)
		round_out_log(&c.x);
	else
		round_out(&c.x, p->width > 500 ? 9 : 5);
	c.x.log = p->log_x;
	c.x.from = LEFT;
	c.x.to = p->width - (p->names ? RIGHT_NAMES : RIGHT);
	c.y.from = p->height - BOTTOM;
	c.y.to = TOP;
	return c;
}

/* ---- axes ------------------------------------------------------------ */

static void x_tick(const struct canvas *c, double v, bool named)
{
	double x = at(&c->x, v);

	fprintf(c->out, "<path class=\"gr\" d=\"M%.1f %.1fV%.1f\"/>", x, c->y.from, c->y.to);
	if (named)
		fprintf(c->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g</text>", x,
		        c->y.from + 16, v);
}

static void log_ticks(const struct canvas *c)
{
	double decades = log10(c->x.most / c->x.least);

	for (double d = 1e-9; d <= c->x.most; d *= 10) {
		for (int k = 1; k < 10; k += k == 1 ? 1 : k == 2 ? 3 : 5) {
			double v = d * k;

			if (v >= c->x.least * (1 - 1e-9) && v <= c->x.most * (1 + 1e-9))
				x_tick(c, v, k == 1 || decades < 5);
		}
	}
}

static void linear_ticks(const struct canvas *c)
{
	double step = tick_step(c->x.most - c->x.least, c->p->width > 500 ? 9 : 5);
	int n = (int)lround((c->x.most - c->x.least) / step);

	for (int i = 0; i <= n; i++)
		x_tick(c, c->x.least + i * step, true);
}

static void y_ticks(const struct canvas *c)
{
	double step = tick_step(c->y.most - c->y.least, 6);
	int n = (int)lround((c->y.most - c->y.least) / step);

	for (int i = 0; i <= n; i++) {
		double v = c->y.least + i * step, y = at(&c->y, v);

		fprintf(c->out, "<path class=\"gr\" d=\"M%.1f %.1fH%.1f\"/>", c->x.from, y,
		        c->x.to);
		fprintf(c->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%g</text>",
		        c->x.from - 6, y + 4, fabs(v) < step * 1e-6 ? 0 : v);
	}
}

static void put_text(const struct canvas *c, double x, double y, const char *more, const char *text)
{
	fprintf(c->out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, more);
	plot_text(c->out, text);
	fputs("</text>", c->out);
}

static void draw_axes(const struct canvas *c)
{
	const struct plot *p = c->p;

	if (p->log_x)
		log_ticks(c);
	else
		linear_ticks(c);
	y_ticks(c);
	fprintf(c->out, "<path class=\"ax\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n", c->x.from, c->y.to,
	        c->y.from, c->x.to);
	put_text(c, c->x.from - 40, 18, "class=\"pt\"", p->title);
	put_text(c, (c->x.from + c->x.to) / 2, p->height - 8, "text-anchor=\"middle\"", p->x_title);
	put_text(c, c->x.to, TOP - 8, "text-anchor=\"end\"", p->y_title);
	if (isnan(p->mark))
		return;
	fprintf(c->out, "<path class=\"mk\" d=\"M%.1f %.1fH%.1f\"/>", c->x.from, at(&c->y, p->mark),
	        c->x.to);
	put_text(c, c->x.from + 6, at(&c->y, p->mark) - 4, "", p->mark_title);
}

/* ---- lines ----------------------------------------------------------- */

static void draw_dots(const struct canvas *c, const struct plot_line *l)
{
	unsigned style = (unsigned)(l->style % PLOT_STYLES);

	for (size_t k = 0; k < l->n; k++)
		if (is_shown(c->p, l->x[k], l->y[k]))
			fprintf(c->out, "<circle class=\"f%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"/>",
			        style, at(&c->x, l->x[k]), at(&c->y, l->y[k]),
			        style ? "1.8" : "3.2");
}

static void draw_line(const struct canvas *c, const struct plot_line *l)
{
	unsigned style = (unsigned)(l->style % PLOT_STYLES);
	char step = 'M';

	fprintf(c->out, "<path class=\"ln s%u d%u\" d=\"", style, style);
	for (size_t k = 0; k < l->n; k++) {
		if (!is_shown(c->p, l->x[k], l->y[k]))
			continue;
		fprintf(c->out, "%c%.1f %.1f", step, at(&c->x, l->x[k]), at(&c->y, l->y[k]));
		step = 'L';
	}
	fputs("\"><title>", c->out);
	plot_text(c->out, l->name);
	fputs("</title></path>\n", c->out);
	if (l->dots)
		draw_dots(c, l);
}

/* ---- names ----------------------------------------------------------- */

/* The line that is drawn last, above all others, is named first. */
static void draw_names(const struct canvas *c)
{
	double x = c->x.to + 14, y = TOP + 6;
	char class[16];

	for (size_t i = c->p->n; i-- > 0; y += NAME_STEP) {
		unsigned style = (unsigned)(c->p->lines[i].style % PLOT_STYLES);

		fprintf(c->out, "<path class=\"ln s%u d%u\" d=\"M%.1f %.1fh22\"/>", style, style, x,
		        y);
		snprintf(class, sizeof(class), "class=\"t%u\"", style);
		put_text(c, x + 28, y + 4, class, c->p->lines[i].name);
	}
	putc('\n', c->out);
}

/* What lies outside of the axes is not seen. */
static void open_clip(const struct canvas *c)
{
	fprintf(c->out,
	        "<clipPath id=\"%s-c\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>"
	        "</clipPath><g clip-path=\"url(#%s-c)\">\n",
	        c->p->id, c->x.from - 4, c->y.to - 4, c->x.to - c->x.from + 8,
	        c->y.from - c->y.to + 8, c->p->id);
}

void plot_svg(const struct plot *p, FILE *out)
{
	struct canvas c = canvas_of(p, out);

	fprintf(out,
	        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "
	        "aria-labelledby=\"%s-t %s-d\"><title id=\"%s-t\">",
	        p->width, p->height, p->id, p->id, p->id);
	plot_text(out, p->title);
	fprintf(out, "</title><desc id=\"%s-d\">", p->id);
	plot_text(out, p->text);
	fputs("</desc>\n", out);
	draw_axes(&c);
	open_clip(&c);
	for (size_t i = 0; i < p->n; i++)
		draw_line(&c, &p->lines[i]);
	fputs("</g>\n", out);
	if (p->names)
		draw_names(&c);
	fputs("</svg>\n", out);
}
