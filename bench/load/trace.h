/* trace.h: a recorded workload: when requests came and how long they were.
 *
 * Formats, told apart by the first line:
 *   Mooncake JSONL  {"timestamp": ms, "input_length": tokens, "output_length":
 *                   tokens, "hash_ids": [block, ...]} a line; a block is 512
 *                   tokens, and equal ids in the same position are the same text
 *   access log      the gateway's own, JSON lines. Where it has `prompt_blocks`,
 *                   equal beginnings of prompts are equal blocks
 *   Azure CSV       TIMESTAMP,ContextTokens,GeneratedTokens
 *   BurstGPT CSV    Timestamp[,Session ID,Elapsed time],Model,Request tokens,
 *                   Response tokens,Total tokens,Log Type; seconds
 * The last two say nothing of prefixes, so every block gets an id of its own.
 *
 * Nothing is guessed: a line that does not say what it must is an error that
 * names file and line. Requests that failed are left out, and counted. */
#ifndef SLUICE_LOAD_TRACE_H
#define SLUICE_LOAD_TRACE_H

#include <stdio.h>

#include "sluice/err.h"

#define SL_TRACE_BLOCK_TOKENS 512u
#define SL_TRACE_MAX_TOKENS (1u << 22) /* of one request, either way */

enum sl_trace_format {
	SL_TRACE_MOONCAKE,
	SL_TRACE_AZURE,
	SL_TRACE_BURSTGPT,
	SL_TRACE_ACCESS_LOG,
	SL_TRACE_SYNTHETIC, /* no file at all */
};

struct sl_trace_row {
	int64_t at_us; /* as recorded; only differences mean anything */
	uint32_t input_tokens;
	uint32_t output_tokens;
	size_t first_block; /* in sl_trace.blocks */
	uint32_t n_blocks;  /* input_tokens / 512, rounded up */
	uint64_t session;   /* equal ones are one conversation; 0: not known */
};

struct sl_trace {
	enum sl_trace_format format;
	int64_t quantum_us;        /* what recorded times were rounded down to; 0: they were not */
	struct sl_trace_row *rows; /* owned; in the file's order */
	size_t n_rows, rows_cap;
	uint64_t *blocks; /* owned; the ids of all rows */
	size_t n_blocks, blocks_cap;
	size_t n_skipped;  /* requests that failed, or that no tokens are known of */
	size_t n_unshared; /* of an access log: rows without prompt_blocks */
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

/* A new row with its input_tokens and blocks, whose ids the caller sets. Both
 * pointers are good until the next call. */
struct sl_trace_row *sl_trace_add(struct sl_trace *t, uint32_t input_tokens, uint64_t **out_blocks);
/* What an operator should know before trusting a replay of it, a line each:
 * requests that were left out, prefixes that are not known. */
void sl_trace_warn(const struct sl_trace *t, const char *command, FILE *out);

#endif
