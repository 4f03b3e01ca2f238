/* ctl.h: the parts of sluicectl: ask the gateway, lay out a table, show the
 * fleet. Everything blocks; the program does one thing and ends. */
#ifndef SLUICE_CTL_H
#define SLUICE_CTL_H

#include <stdio.h>

#include "sluice/base.h"

/* ---- request.c ------------------------------------------------------- */

struct ctl_answer {
	int status;
	char *body; /* owned, NUL-terminated */
	size_t len;
};

/* addr: HOST:PORT, [V6]:PORT, HOST, :PORT or PORT; what is missing is
 * 127.0.0.1 and 9900. 0, or -1 with one line for people in error. */
SL_MUST_CHECK int ctl_request(const char *addr, const char *method, const char *path, char *error,
                              size_t error_size, struct ctl_answer *out_answer);
void ctl_answer_fini(struct ctl_answer *answer);

/* ---- table.c --------------------------------------------------------- */

enum ctl_colour { CTL_PLAIN, CTL_GREEN, CTL_YELLOW, CTL_RED };

struct ctl_column {
	const char *title; /* NULL: the column is not shown */
	bool right;        /* aligned */
	/* On a narrow screen columns are kept in the order of these numbers;
	 * 0 always stays. */
	uint8_t drop;
	bool cut; /* may be shortened instead; at most one column of a table */
};

struct ctl_cell {
	char *text; /* owned */
	enum ctl_colour colour;
};

struct ctl_table {
	const struct ctl_column *columns; /* borrowed */
	uint32_t n_columns;
	struct ctl_cell *cells; /* owned, row by row */
	size_t n_cells, size;
};

void ctl_table_init(struct ctl_table *t, const struct ctl_column *columns, uint32_t n_columns);
void ctl_table_fini(struct ctl_table *t);
/* The next cell, left to right, row by row. Bytes that could drive a terminal
 * become '?'. */
void ctl_table_add(struct ctl_table *t, enum ctl_colour colour, const char *text);
/* width 0: no limit. */
void ctl_table_write(const struct ctl_table *t, FILE *out, uint32_t width, bool colours);

/* ---- status.c -------------------------------------------------------- */

struct ctl_view {
	uint32_t width; /* of the screen, 0: none */
	bool colours;
};

/* Shows what GET /fleet answered. -1 if that is not a fleet. */
SL_MUST_CHECK int ctl_status_write(FILE *out, const char *addr, const char *json, size_t len,
                                   const struct ctl_view *view);
/* The gateway's version out of the same answer; -1 if there is none. */
SL_MUST_CHECK int ctl_fleet_version(const char *json, size_t len, char *out_version, size_t size);

#endif
