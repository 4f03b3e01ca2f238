/* report.h: a result for people and for programs.
 *
 * The block is laid out, and the JSON keys are named, as those of
 * `vllm bench serve`, so that eyes and scripts which know it find their way. */
#ifndef SLUICE_LOAD_REPORT_H
#define SLUICE_LOAD_REPORT_H

#include <stdio.h>

#include "bench/load/options.h"
#include "bench/load/result.h"

struct sl_report {
	const struct sl_options *options;
	struct sl_result *result; /* its samples get sorted */
	const char *model;
	const char *date; /* 20260131-235959 */
};

void sl_report_text(const struct sl_report *r, FILE *out);
/* One JSON object and a line end; the caller frees it. */
char *sl_report_json(const struct sl_report *r);

#endif
