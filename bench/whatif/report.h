/* report.h: a study for people and for programs: table, JSON, HTML page. */
#ifndef SLUICE_WHATIF_REPORT_H
#define SLUICE_WHATIF_REPORT_H

#include <stdio.h>

#include "bench/whatif/study.h"

struct report {
	const struct study *study; /* run */
	const char *trace;         /* its name */
	const char *command;       /* the command line that repeats it */
	const char *date;          /* 2026-01-31 */
	const char *commit;        /* "" when not known */
};

void report_table(const struct report *r, FILE *out);
/* {"policies":{NAME:{"knee_rps","slo_ok","hit_rate","imbalance","ttft_ms":{"mean",
 * "p50","p90","p99"},"tpot_ms":{...},"e2e_ms":{...},...}}, ...} and a line end;
 * the caller frees it. */
char *report_json(const struct report *r);
/* One self-contained page: nothing is loaded from elsewhere. */
void report_html(const struct report *r, FILE *out);

#endif
