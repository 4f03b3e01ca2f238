/* timing.h: what the micro-benchmarks share: the clock, what a set of samples
 * comes to, and the rows that are printed and written as JSON.
 *
 * Every call is timed by itself, the clock's own cost (some 20 ns) included.
 * Of several rounds the one with the best p99 counts: the others measure the
 * machine's other work. */
#ifndef SLUICE_BENCH_MICRO_TIMING_H
#define SLUICE_BENCH_MICRO_TIMING_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sluice/base.h"

#define TIMING_MAX_ROWS 256

struct timing {
	double mean_us, p50_us, p99_us;
};

struct timing_row {
	const char *operation; /* borrowed, for the program's life */
	const char *fleet;     /* the same */
	uint32_t endpoints;
	uint32_t tokens;
	struct timing timing;
};

struct timing_report {
	struct timing_row rows[TIMING_MAX_ROWS];
	size_t n;
};

static inline uint64_t timing_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline void *timing_need(void *ptr)
{
	if (!ptr)
		abort();
	return ptr;
}

static inline int timing_ascending(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sorts the samples. */
static inline struct timing timing_sum_up(uint32_t *ns, uint32_t n)
{
	double sum = 0;

	qsort(ns, n, sizeof(*ns), timing_ascending);
	for (uint32_t i = 0; i < n; i++)
		sum += ns[i];
	return (struct timing){ sum / n / 1000, ns[n / 2] / 1000.0, ns[n - 1 - n / 100] / 1000.0 };
}

/* Of the rounds of one case; *best is all zero before the first. */
static inline void timing_keep_better(struct timing *best, struct timing t)
{
	if (best->p99_us <= 0 || t.p99_us < best->p99_us)
		*best = t;
}

static inline void timing_report_add(struct timing_report *report, struct timing_row row)
{
	if (report->n == TIMING_MAX_ROWS)
		abort();
	report->rows[report->n++] = row;
}

/* 0, or 1 after an error, which is printed. */
static inline int timing_report_write(const struct timing_report *report, const char *path)
{
	FILE *out = fopen(path, "w");

	if (!out) {
		perror(path);
		return 1;
	}
	fprintf(out, "[\n");
	for (size_t i = 0; i < report->n; i++) {
		const struct timing_row *row = &report->rows[i];

		fprintf(out,
		        "  {\"operation\": \"%s\", \"fleet\": \"%s\", \"endpoints\": %u, "
		        "\"tokens\": %u, \"mean_us\": %.3f, \"p50_us\": %.3f, \"p99_us\": "
		        "%.3f}%s\n",
		        row->operation, row->fleet, row->endpoints, row->tokens,
		        row->timing.mean_us, row->timing.p50_us, row->timing.p99_us,
		        i + 1 < report->n ? "," : "");
	}
	fprintf(out, "]\n");
	return fclose(out) != 0;
}

/* [--json FILE] [--quick]; false: something else. */
static inline bool timing_options(int argc, char **argv, const char **out_json, bool *out_quick)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick"))
			*out_quick = true;
		else if (!strcmp(argv[i], "--json") && i + 1 < argc)
			*out_json = argv[++i];
		else
			return false;
	}
	return true;
}

/* ---- prompts, cut as the scanner cuts ------------------------------------ */

static inline uint32_t timing_block_bytes(uint32_t at)
{
	return at < 4096 ? 256 : at < 32768 ? 1024 : at < 1048576 ? 4096 : 16384;
}

#endif
