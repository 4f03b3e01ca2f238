/* trace.h: a recorded workload: when requests came and how long they were.
 *
 * Two formats, told apart by the file's first byte:
 *   Mooncake JSONL  {"timestamp": ms, "input_length": tokens, "output_length":
 *                   tokens, "hash_ids": [block, ...]} a line; a block is 512
 *                   tokens, and equal ids in the same position are the same text
 *   Azure CSV       TIMESTAMP,ContextTokens,GeneratedTokens; says nothing of
 *                   prefixes, so every block gets an id of its own
 *
 * Nothing is guessed: a line that does not say what it must is an error that
 * names file and line. */
#ifndef SLUICE_LOAD_TRACE_H
#define SLUICE_LOAD_TRACE_H

#include <stdio.h>

#include "sluice/err.h"

#define SL_TRACE_BLOCK_TOKENS 512u
#define SL_TRACE_MAX_TOKENS (1u << 22) /* of one request, either way */

enum sl_trace_format { SL_TRACE_MOONCAKE, SL_TRACE_AZURE };

struct sl_trace_row {
	int64_t at_us; /* as recorded; only differences mean anything */
	uint32_t input_tokens;
	uint32_t output_tokens;
	size_t first_block; /* in sl_trace.blocks */
	uint32_t n_blocks;  /* input_tokens / 512, rounded up */
};

struct sl_trace {
	enum sl_trace_format format;
	struct sl_trace_row *rows; /* owned; in the file's order */
	size_t n_rows, rows_cap;
	uint64_t *blocks; /* owned; the ids of all rows */
	size_t n_blocks, blocks_cap;
};

/* Reads at most `limit` requests (0: all). name is for messages. 0, or
 * negative with one line in err ("trace.jsonl:7: ..."). A trace without any
 * request is an error. */
SL_MUST_CHECK int sl_trace_read(FILE *in, const char *name, size_t limit, char *err,
                                size_t err_size, struct sl_trace *out_trace);
/* The same from a path; a file that cannot be opened is NO_ROUTE. */
SL_MUST_CHECK int sl_trace_open(const char *path, size_t limit, char *err, size_t err_size,
                                struct sl_trace *out_trace);
void sl_trace_fini(struct sl_trace *t);

#endif
