/* trace_reader.h: what the readers of the formats share. A reader takes one
 * line at a time and adds rows. */
#ifndef SLUICE_LOAD_TRACE_READER_H
#define SLUICE_LOAD_TRACE_READER_H

#include "bench/load/trace.h"

struct trace_reader {
	struct sl_trace trace;
	const char *name;
	size_t line;
	char *err;
	size_t err_size;
	bool with_session; /* BurstGPT: the newer columns */
	bool fractions;    /* BurstGPT: times that are no whole seconds */
	/* Access log: rows' prompt_blocks, until all are read. */
	struct trace_marks *marks; /* owned; by row */
	size_t marks_cap;
	uint32_t *mark_ids; /* owned */
	size_t n_mark_ids, mark_ids_cap;
};

/* Where a row's prompt_blocks are, and of how many bytes they were. */
struct trace_marks {
	size_t first;
	uint32_t n;
	uint64_t prompt_bytes;
};

/* A format. Lines are without their end, and not empty. */
struct trace_format {
	const char *title; /* for "neither ... nor ..." */
	/* Whether the first line, which is not read again if it is a header, is of
	 * this format. */
	bool (*begins)(struct trace_reader *r, char *line, size_t len);
	bool has_header;
	int (*read)(struct trace_reader *r, char *line, size_t len);
	void (*end)(struct trace_reader *r); /* all is read; or NULL */
	enum sl_trace_format format;
	int64_t quantum_us; /* see sl_trace */
};

extern const struct trace_format trace_mooncake;
extern const struct trace_format trace_access_log;
extern const struct trace_format trace_azure;
extern const struct trace_format trace_burstgpt;

/* Writes "NAME:LINE: ..." and returns code. */
int trace_complain(struct trace_reader *r, int code, const char *fmt, ...) SL_PRINTF(3, 4);
void *trace_grown(void *array, size_t *cap, size_t want, size_t item);
uint32_t trace_blocks_of(uint32_t tokens);
/* An id that no other block of the trace has. */
uint64_t trace_own_id(const struct sl_trace_row *row, uint32_t i);

/* Members of a JSON line; what is missing or wrong is an error. */
struct cJSON;
bool trace_is_whole(const struct cJSON *item, double min, double max);
int trace_read_number(struct trace_reader *r, const struct cJSON *object, const char *key,
                      double min, double max, double *out_value);

#endif
