/* jobs.h: many independent jobs on all cores.
 *
 * Each job writes only what is its own, so results do not depend on the number
 * of threads or on who runs what. */
#ifndef SLUICE_WHATIF_JOBS_H
#define SLUICE_WHATIF_JOBS_H

#include "sluice/base.h"

/* Calls fn(ctx, 0..n-1), each once, in about that order, and returns when all
 * are done. threads 0: one for each online processor; the caller's thread
 * works, too. */
void jobs_run(uint32_t threads, uint32_t n, void (*fn)(void *ctx, uint32_t job), void *ctx);

#endif
