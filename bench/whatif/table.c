/* table.c: a study on a terminal: one line a policy, at most 120 columns wide
 * unless a number outgrows its column. See report.h. */
#include <stdio.h>

#include "bench/whatif/columns.h"
#include "bench/whatif/report.h"

#define NAME_WIDTH 19

static void print_heads(const struct study *s, FILE *out)
{
	const struct column *c;

	fprintf(out, "%-*s", NAME_WIDTH, "");
	for (size_t k = 0; (c = column_at(s, k)); k++)
		fprintf(out, "%*s", c->width, c->title);
	fprintf(out, "\n%-*s", NAME_WIDTH, "policy");
	for (size_t k = 0; (c = column_at(s, k)); k++)
		fprintf(out, "%*s", c->width, c->unit);
	putc('\n', out);
}

static void print_line(const struct study *s, const struct study_line *line, FILE *out)
{
	const struct column *c;
	bool marked = false;
	char text[40];

	fprintf(out, "%-*s", NAME_WIDTH, line->policy->name);
	for (size_t k = 0; (c = column_at(s, k)); k++) {
		double best = column_best(s, c);

		/* the mark of the one before stands between two columns */
		column_print(c, line, text, sizeof(text));
		fprintf(out, "%*s", c->width - (marked ? 1 : 0), text);
		marked = column_is_best(c, line, best);
		if (marked)
			putc('*', out);
	}
	putc('\n', out);
}

/* What a number in the column does not say. */
static void print_odd_knees(const struct study *s, FILE *out)
{
	for (uint32_t i = 0; i < s->n_lines; i++) {
		const struct study_line *line = &s->lines[i];

		if (line->knee_open)
			fprintf(out, "\n%s: no knee was found, up to the rate that is shown\n",
			        line->policy->name);
		else if (s->knee && line->knee_rps <= 0)
			fprintf(out, "\n%s: no rate is low enough for this SLO\n",
			        line->policy->name);
	}
}

void report_table(const struct report *r, FILE *out)
{
	const struct study *s = r->study;
	const struct world_setup *w = &s->setup;

	fprintf(out,
	        "%s: %u requests at %.2f a second (rate factor %g) to %u engines, seed %llu\n"
	        "SLO: TTFT <= %g ms, TPOT <= %g ms",
	        r->trace, w->workload->n, s->n_lines ? s->lines[0].summary.rate : 0, w->rate_factor,
	        w->fleet->n, (unsigned long long)w->seed, w->slo.ttft_ms, w->slo.tpot_ms);
	if (s->knee)
		fprintf(out, "; knee: the highest rate with %g %% of requests in it",
		        s->good_share * 100);
	fputs("\n\n", out);
	print_heads(s, out);
	for (uint32_t i = 0; i < s->n_lines; i++)
		print_line(s, &s->lines[i], out);
	if (s->n_lines > 1)
		fputs("\n* best of its column\n", out);
	print_odd_knees(s, out);
}
