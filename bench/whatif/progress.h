/* progress.h: one line on a terminal that tells how far a study is: a bar, the
 * runs, simulated requests per second, the time left. Where the stream is no
 * terminal there is none.
 *
 * Any thread may tell of progress; whoever finds the line old draws it. */
#ifndef SLUICE_WHATIF_PROGRESS_H
#define SLUICE_WHATIF_PROGRESS_H

#include <stdatomic.h>
#include <stdio.h>

#include "sluice/base.h"

struct progress {
	FILE *out;
	bool live; /* out is a terminal, and it was not told to be quiet */
	uint64_t began_us;
	uint32_t requests; /* of one run */
	_Atomic uint32_t runs;
	_Atomic uint32_t runs_done;
	_Atomic uint64_t simulated; /* requests */
	_Atomic uint64_t skipped;   /* requests of runs that were stopped early */
	_Atomic uint64_t next_draw_us;
};

/* requests: of each run. */
void progress_init(struct progress *p, FILE *out, bool quiet, uint32_t runs, uint32_t requests);
/* More runs than were foreseen. */
void progress_more(struct progress *p, uint32_t runs);
/* Requests that have ended; ctx is a struct progress, as world_setup wants it. */
void progress_requests(void *ctx, uint32_t ended);
/* A run is over that ended so many requests; the rest was not needed. */
void progress_run_done(struct progress *p, uint32_t ended);
/* Takes the line away. */
void progress_fini(struct progress *p);

/* The line itself; out holds at least 120 bytes. */
void progress_format(char *out, size_t size, const struct progress *p, uint64_t elapsed_us);

#endif
