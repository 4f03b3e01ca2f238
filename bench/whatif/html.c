/* html.c: a study as one page: what came out in a sentence, pictures, the
 * table, and how to repeat it. See report.h; the pictures are plot.h's. */
#include <math.h>
#include <stdlib.h>

#include "bench/whatif/columns.h"
#include "bench/whatif/curves.h"
#include "bench/whatif/plot.h"
#include "bench/whatif/report.h"

static const char page_style[] =
        ":root{color-scheme:light dark}"
        "body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;"
        "color:#222;background:#fff}"
        "h1{font-size:1.5em;margin:0}h2{font-size:1.15em;margin:2em 0 .5em}.dim{color:#666}"
        "svg{width:100%;height:auto;display:block}"
        ".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:1em}"
        ".wide{overflow-x:auto}"
        "table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}"
        "th,td{padding:.25em .6em;text-align:right;border-bottom:1px solid #ddd;"
        "white-space:nowrap}"
        "th:first-child,td:first-child{text-align:left}"
        "tr.ours{background:#fdecea}td.best{font-weight:700}"
        "pre{overflow-x:auto;padding:.7em;background:#f4f4f4;border-radius:4px}"
        "@media (prefers-color-scheme:dark){body{color:#ddd;background:#161616}.dim{color:#999}"
        "th,td{border-color:#333}tr.ours{background:#3a1c1a}pre{background:#222}}";

static bool is_ours(const struct study_line *l)
{
	return !strcmp(l->policy->name, POLICY_OURS);
}

/* ---- head ------------------------------------------------------------ */

static const struct study_line *best_of(const struct study *s, bool ours)
{
	const struct study_line *best = NULL;

	for (uint32_t i = 0; i < s->n_lines; i++) {
		const struct study_line *l = &s->lines[i];

		if (is_ours(l) == ours && (!best || curves_merit(s, l) > curves_merit(s, best)))
			best = l;
	}
	return best;
}

static void put_verdict(const struct study *s, FILE *out)
{
	const struct study_line *ours = best_of(s, true), *other = best_of(s, false);

	if (!ours || !other)
		return;
	if (s->knee)
		fprintf(out,
		        "<p><b>" POLICY_OURS
		        "</b> keeps %g %% of requests in SLO up to <b>%.2f</b> "
		        "requests a second; the best other policy, ",
		        s->good_share * 100, ours->knee_rps);
	else
		fprintf(out,
		        "<p><b>" POLICY_OURS
		        "</b> keeps <b>%.2f %%</b> of requests in SLO; the best "
		        "other policy, ",
		        ours->summary.slo_ok * 100);
	plot_text(out, other->policy->name);
	fprintf(out, s->knee ? ", up to %.2f.</p>\n" : ", %.2f %%.</p>\n",
	        s->knee ? other->knee_rps : other->summary.slo_ok * 100);
}

static void put_head(const struct report *r, FILE *out)
{
	const struct study *s = r->study;
	const struct world_setup *w = &s->setup;

	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta name=\"viewport\" content=\"width=device-width\"><title>What if: ",
	      out);
	plot_text(out, r->trace);
	fprintf(out, "</title><style>%s\n", page_style);
	plot_style(out);
	fputs("</style></head><body>\n<h1>What if: ", out);
	plot_text(out, r->trace);
	fprintf(out,
	        "</h1>\n<p class=\"dim\">%u requests at %.2f a second (rate factor %g), %u "
	        "engines, "
	        "seed %llu; SLO: TTFT at most %g ms, mean TPOT at most %g ms; ",
	        w->workload->n, s->n_lines ? s->lines[0].summary.rate : 0, w->rate_factor,
	        w->fleet->n, (unsigned long long)w->seed, w->slo.ttft_ms, w->slo.tpot_ms);
	plot_text(out, r->date);
	if (*r->commit) {
		fputs(", commit ", out);
		plot_text(out, r->commit);
	}
	fputs("</p>\n", out);
	put_verdict(s, out);
}

/* ---- table ----------------------------------------------------------- */

static void put_row(const struct study *s, const struct study_line *l, FILE *out)
{
	const struct column *c;
	char text[40];

	fprintf(out, "<tr%s><td title=\"", is_ours(l) ? " class=\"ours\"" : "");
	plot_text(out, l->policy->origin);
	fputs("\">", out);
	plot_text(out, l->policy->name);
	fputs("</td>", out);
	for (size_t k = 0; (c = column_at(s, k)); k++) {
		double best = column_best(s, c);

		column_print(c, l, text, sizeof(text));
		fprintf(out, "<td%s>%s</td>", column_is_best(c, l, best) ? " class=\"best\"" : "",
		        text);
	}
	fputs("</tr>\n", out);
}

static void put_table(const struct study *s, FILE *out)
{
	const struct column *c;

	fputs("<h2>All figures</h2>\n<div class=\"wide\"><table><tr><th>policy</th>", out);
	for (size_t k = 0; (c = column_at(s, k)); k++)
		fprintf(out, "<th>%s<br><span class=\"dim\">%s</span></th>", c->title, c->unit);
	fputs("</tr>\n", out);
	for (uint32_t i = 0; i < s->n_lines; i++)
		put_row(s, &s->lines[i], out);
	fputs("</table></div>\n<p class=\"dim\">Bold: best of its column. Imbalance: computing "
	      "time "
	      "of the busiest engine over the mean, within a role.</p>\n",
	      out);
}

/* ---- pictures -------------------------------------------------------- */

static void put_curves(const struct study *s, enum curve kind, struct plot plot, FILE *out)
{
	struct curves c;

	curves_init(&c, s, kind);
	plot.lines = c.lines;
	plot.n = c.n;
	plot_svg(&plot, out);
	curves_fini(&c);
}

static void put_knees(const struct study *s, FILE *out)
{
	char label[32];

	if (!s->knee)
		return;
	snprintf(label, sizeof(label), "%g %%", s->good_share * 100);
	fputs("<h2>How much load each policy carries</h2>\n", out);
	put_curves(s, CURVE_KNEE,
	           (struct plot){ .id = "knee",
	                          .title = "Share of requests in SLO by offered rate",
	                          .text = "One line a policy; where it crosses the dashed line is "
	                                  "its knee. Further right is better.",
	                          .x_title = "requests per second",
	                          .y_title = "% of requests in SLO",
	                          .y_least = curves_knee_floor(s),
	                          .y_most = 100,
	                          .mark = s->good_share * 100,
	                          .mark_title = label,
	                          .width = 1140,
	                          .height = 460,
	                          .names = true },
	           out);
	fputs("<p class=\"dim\">A run is given up when it must end below the picture: there a line "
	      "leaves it.</p>\n",
	      out);
}

static void put_ttft(const struct study *s, FILE *out)
{
	fputs("<h2>Time to first token</h2>\n", out);
	put_curves(
	        s, CURVE_TTFT,
	        (struct plot){ .id = "ttft",
	                       .title = "Distribution of TTFT at the asked rate",
	                       .text = "One line a policy: the share of all requests whose first "
	                               "token had come by then. Further left is better.",
	                       .x_title = "milliseconds (logarithmic)",
	                       .y_title = "% of requests",
	                       .log_x = true,
	                       .y_least = 0,
	                       .y_most = 100,
	                       .mark = NAN,
	                       .width = 1140,
	                       .height = 460,
	                       .names = true },
	        out);
}

static void put_load(const struct study *s, FILE *out)
{
	static const struct {
		enum curve curve;
		const char *id, *title, *text, *y_title;
	} pictures[] = {
		{ CURVE_RUNNING, "running", "Running sequences, mean of the engines",
		  "Sequences in a step, over time.", "sequences" },
		{ CURVE_RUNNING_MAX, "fullest", "Running sequences of the fullest engine",
		  "Sequences in a step of the engine that has most, over time.", "sequences" },
		{ CURVE_WAITING, "waiting", "Waiting requests, mean of the engines",
		  "Requests in the engines' queues, over time.", "requests" },
		{ CURVE_KV, "kv", "KV memory in use, mean of the engines",
		  "Share of the KV memory that requests hold, over time.", "% of KV memory" },
	};

	fputs("<h2>Load over time at the asked rate</h2>\n<div class=\"two\">\n", out);
	for (size_t i = 0; i < SL_COUNT(pictures); i++)
		put_curves(s, pictures[i].curve,
		           (struct plot){ .id = pictures[i].id,
		                          .title = pictures[i].title,
		                          .text = pictures[i].text,
		                          .x_title = "seconds",
		                          .y_title = pictures[i].y_title,
		                          .y_least = 0,
		                          .y_most = NAN,
		                          .mark = NAN,
		                          .width = 560,
		                          .height = 300 },
		           out);
	fputs("</div>\n<p class=\"dim\">Colours as above; the thick line is " POLICY_OURS ".</p>\n",
	      out);
}

void report_html(const struct report *r, FILE *out)
{
	put_head(r, out);
	put_knees(r->study, out);
	put_table(r->study, out);
	put_ttft(r->study, out);
	put_load(r->study, out);
	fputs("<h2>Repeat it</h2>\n<pre>", out);
	plot_text(out, r->command);
	fputs("</pre>\n</body></html>\n", out);
}
