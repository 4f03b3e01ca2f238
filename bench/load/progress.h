/* progress.h: one line on a terminal that tells how a replay is going. Where
 * standard error is no terminal there is none; notes are printed either way. */
#ifndef SLUICE_LOAD_PROGRESS_H
#define SLUICE_LOAD_PROGRESS_H

#include <stdio.h>

#include "bench/load/result.h"

struct sl_progress {
	FILE *out;
	bool live; /* out is a terminal */
};

void sl_progress_init(struct sl_progress *p, FILE *out);
/* Draws the line anew. left_us: until the last request is due. */
void sl_progress_draw(const struct sl_progress *p, const struct sl_result *r, size_t live_requests,
                      int64_t elapsed_us, int64_t left_us);
void sl_progress_clear(const struct sl_progress *p);
/* A line of its own; ended here. */
void sl_progress_note(const struct sl_progress *p, const char *fmt, ...) SL_PRINTF(2, 3);

/* The line itself, for a width; out holds at least 160 bytes. */
void sl_progress_format(char *out, size_t size, const struct sl_result *r, size_t live_requests,
                        int64_t elapsed_us, int64_t left_us);

#endif
