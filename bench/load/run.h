/* run.h: sends a schedule and adds up the answers.
 *
 * Open loop: a request goes out when it is due, whatever became of those
 * before it, so that a slow server is measured under the load it was given.
 * max_concurrency makes the loop closed where it bites; the schedule lag in
 * the result shows how much. */
#ifndef SLUICE_LOAD_RUN_H
#define SLUICE_LOAD_RUN_H

#include "bench/load/client.h"
#include "bench/load/options.h"
#include "bench/load/progress.h"
#include "bench/load/result.h"
#include "bench/load/schedule.h"

struct sl_run_setup {
	struct event_base *base;
	const struct sl_options *options;
	const struct sl_target *target;
	const struct sl_shape *shape;
	const struct sl_trace *trace;
	const struct sl_due *due; /* one a row */
	const struct sl_progress *progress;
};

/* Returns when every answer is in, or after SIGINT. *result: zeroed before. */
void sl_run(const struct sl_run_setup *setup, struct sl_result *result);

#endif
