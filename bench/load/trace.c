/* trace.c: a trace, and what all its readers have in common. See trace.h.
 *
 * A trace is a file the operator chose, read once before anything is sent;
 * lines are bounded, so that a wrong file is refused rather than swallowed. */
#include "bench/load/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "bench/load/trace_reader.h"

#define MAX_LINE (4u * 1024u * 1024u)

int trace_complain(struct trace_reader *r, int code, const char *fmt, ...)
{
	int n = snprintf(r->err, r->err_size, "%s:%zu: ", r->name, r->line);
	va_list args;

	va_start(args, fmt);
	if (n >= 0 && (size_t)n < r->err_size)
		vsnprintf(r->err + n, r->err_size - (size_t)n, fmt, args);
	va_end(args);
	return code;
}

/* ---- rows ------------------------------------------------------------ */

void *trace_grown(void *array, size_t *cap, size_t want, size_t item)
{
	size_t n = *cap ? *cap : 1024;

	if (want <= *cap)
		return array;
	while (n < want)
		n *= 2;
	array = reallocarray(array, n, item);
	if (!array)
		abort();
	*cap = n;
	return array;
}

uint32_t trace_blocks_of(uint32_t tokens)
{
	return (tokens + SL_TRACE_BLOCK_TOKENS - 1) / SL_TRACE_BLOCK_TOKENS;
}

struct sl_trace_row *sl_trace_add(struct sl_trace *t, uint32_t input_tokens, uint64_t **out_blocks)
{
	uint32_t n = trace_blocks_of(input_tokens);
	struct sl_trace_row *row;

	t->rows = trace_grown(t->rows, &t->rows_cap, t->n_rows + 1, sizeof(*t->rows));
	t->blocks = trace_grown(t->blocks, &t->blocks_cap, t->n_blocks + n, sizeof(*t->blocks));
	row = &t->rows[t->n_rows++];
	*row = (struct sl_trace_row){ .input_tokens = input_tokens,
		                      .first_block = t->n_blocks,
		                      .n_blocks = n };
	*out_blocks = t->blocks + t->n_blocks;
	t->n_blocks += n;
	return row;
}

uint64_t trace_own_id(const struct sl_trace_row *row, uint32_t i)
{
	return (uint64_t)1 << 40 | (row->first_block + i);
}

void sl_trace_warn(const struct sl_trace *t, const char *command, FILE *out)
{
	if (t->n_skipped)
		fprintf(out,
		        "%s: %zu lines of requests that failed, or whose tokens are not known, "
		        "were left out\n",
		        command, t->n_skipped);
	if (t->n_unshared)
		fprintf(out,
		        "%s: %zu of %zu requests say nothing of their prefix "
		        "(access_log_prompt_key): "
		        "they are taken to share none\n",
		        command, t->n_unshared, t->n_rows);
}

/* ---- lines ----------------------------------------------------------- */

static const struct trace_format *const formats[] = {
	&trace_access_log,
	&trace_mooncake,
	&trace_azure,
	&trace_burstgpt,
};

static const struct trace_format *find_format(struct trace_reader *r, char *line, size_t len)
{
	for (size_t i = 0; i < SL_COUNT(formats); i++) {
		if (formats[i]->begins(r, line, len)) {
			r->trace.format = formats[i]->format;
			r->trace.quantum_us = formats[i]->quantum_us;
			return formats[i];
		}
	}
	return NULL;
}

static size_t trimmed(char *line, size_t len)
{
	while (len && strchr("\r\n \t", line[len - 1]))
		len--;
	line[len] = '\0';
	return len;
}

static int read_line(struct trace_reader *r, const struct trace_format **format, char *line,
                     ssize_t raw_len)
{
	size_t len;

	r->line++;
	if ((size_t)raw_len > MAX_LINE)
		return trace_complain(r, SL_E_BODY_TOO_LARGE, "a line of %zd bytes", raw_len);
	if (memchr(line, '\0', (size_t)raw_len))
		return trace_complain(r, SL_E_BAD_FIELD, "a NUL byte: not a trace");
	len = trimmed(line, (size_t)raw_len);
	if (len == 0)
		return 0;
	if (*format)
		return (*format)->read(r, line, len);
	*format = find_format(r, line, len);
	if (!*format)
		return trace_complain(r, SL_E_BAD_FIELD, "neither %s nor %s nor %s",
		                      trace_mooncake.title, trace_azure.title,
		                      trace_burstgpt.title);
	return (*format)->has_header ? 0 : (*format)->read(r, line, len);
}

static int read_lines(struct trace_reader *r, FILE *in, size_t limit)
{
	const struct trace_format *format = NULL;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int code = 0;

	while (!code && (limit == 0 || r->trace.n_rows < limit) &&
	       (len = getline(&line, &cap, in)) >= 0)
		code = read_line(r, &format, line, len);
	free(line);
	if (!code && r->trace.n_rows == 0) {
		r->line++;
		code = trace_complain(r, SL_E_BAD_FIELD, "the trace ends without a request");
	}
	if (!code && format->end)
		format->end(r);
	return code;
}

int sl_trace_read(FILE *in, const char *name, size_t limit, char *err, size_t err_size,
                  struct sl_trace *out_trace)
{
	struct trace_reader r = { .name = name, .err = err, .err_size = err_size };
	int code = read_lines(&r, in, limit);

	free(r.marks);
	free(r.mark_ids);
	if (code)
		sl_trace_fini(&r.trace);
	else
		*out_trace = r.trace;
	return code;
}

int sl_trace_open(const char *path, size_t limit, char *err, size_t err_size,
                  struct sl_trace *out_trace)
{
	FILE *in = fopen(path, "r");
	int code;

	if (!in) {
		snprintf(err, err_size, "cannot open the trace %s: %s", path, strerror(errno));
		return SL_E_NO_ROUTE;
	}
	code = sl_trace_read(in, path, limit, err, err_size, out_trace);
	fclose(in);
	return code;
}

void sl_trace_fini(struct sl_trace *t)
{
	free(t->rows);
	free(t->blocks);
	*t = (struct sl_trace){ .rows = NULL };
}
