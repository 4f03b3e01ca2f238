/* trace.c: the readers of recorded workloads. See trace.h for the formats.
 *
 * A trace is a file the operator chose, read once before anything is sent;
 * lines are bounded, so that a wrong file is refused rather than swallowed. */
#include "bench/load/trace.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#define MAX_LINE (4u * 1024u * 1024u)
#define MAX_EXACT 9007199254740992.0 /* 2^53: what a JSON number holds exactly */
#define AZURE_HEADER "TIMESTAMP,ContextTokens,GeneratedTokens"

struct reader {
	struct sl_trace trace;
	const char *name;
	size_t line;
	char *err;
	size_t err_size;
};

typedef int (*row_fn)(struct reader *r, char *line, size_t len);

static int SL_PRINTF(3, 4) complain(struct reader *r, int code, const char *fmt, ...)
{
	int n = snprintf(r->err, r->err_size, "%s:%zu: ", r->name, r->line);
	va_list args;

	va_start(args, fmt);
	if (n >= 0 && (size_t)n < r->err_size)
		vsnprintf(r->err + n, r->err_size - (size_t)n, fmt, args);
	va_end(args);
	return code;
}

static void *grown(void *array, size_t *cap, size_t want, size_t item)
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

static uint64_t *add_blocks(struct sl_trace *t, size_t n)
{
	t->blocks = grown(t->blocks, &t->blocks_cap, t->n_blocks + n, sizeof(*t->blocks));
	t->n_blocks += n;
	return t->blocks + t->n_blocks - n;
}

static struct sl_trace_row *add_row(struct sl_trace *t)
{
	t->rows = grown(t->rows, &t->rows_cap, t->n_rows + 1, sizeof(*t->rows));
	return &t->rows[t->n_rows++];
}

static uint32_t blocks_of(uint32_t tokens)
{
	return (tokens + SL_TRACE_BLOCK_TOKENS - 1) / SL_TRACE_BLOCK_TOKENS;
}

/* ---- Mooncake ---- */

static bool is_whole(const cJSON *item, double min, double max)
{
	return cJSON_IsNumber(item) && item->valuedouble >= min && item->valuedouble <= max &&
	       item->valuedouble == floor(item->valuedouble);
}

static int read_number(struct reader *r, const cJSON *object, const char *key, double min,
                       double max, double *out_value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	if (!item)
		return complain(r, SL_E_BAD_FIELD, "no \"%s\"", key);
	if (!is_whole(item, min, max))
		return complain(r, SL_E_BAD_FIELD,
		                "\"%s\" must be a whole number from %.0f to %.0f", key, min, max);
	*out_value = item->valuedouble;
	return 0;
}

static int read_hash_ids(struct reader *r, const cJSON *object, struct sl_trace_row *row)
{
	const cJSON *ids = cJSON_GetObjectItemCaseSensitive(object, "hash_ids");
	const cJSON *id;
	uint32_t want = blocks_of(row->input_tokens);
	uint64_t *to;

	if (!cJSON_IsArray(ids))
		return complain(r, SL_E_BAD_FIELD, "no \"hash_ids\" array");
	if ((uint32_t)cJSON_GetArraySize(ids) != want)
		return complain(r, SL_E_BAD_FIELD, "%d hash_ids for %u tokens, expected %u",
		                cJSON_GetArraySize(ids), row->input_tokens, want);
	cJSON_ArrayForEach(id, ids)
	{
		if (!is_whole(id, 0, MAX_EXACT))
			return complain(r, SL_E_BAD_FIELD, "a hash id is no whole number");
	}
	row->first_block = r->trace.n_blocks;
	row->n_blocks = want;
	to = add_blocks(&r->trace, want);
	cJSON_ArrayForEach(id, ids) *to++ = (uint64_t)id->valuedouble;
	return 0;
}

static int read_mooncake_object(struct reader *r, const cJSON *object)
{
	struct sl_trace_row row;
	double at_ms, input, output;
	int err;

	err = read_number(r, object, "timestamp", 0, MAX_EXACT / 1000, &at_ms);
	if (!err)
		err = read_number(r, object, "input_length", 1, SL_TRACE_MAX_TOKENS, &input);
	if (!err)
		err = read_number(r, object, "output_length", 1, SL_TRACE_MAX_TOKENS, &output);
	if (err)
		return err;
	row = (struct sl_trace_row){ .at_us = (int64_t)at_ms * 1000,
		                     .input_tokens = (uint32_t)input,
		                     .output_tokens = (uint32_t)output };
	err = read_hash_ids(r, object, &row);
	if (!err)
		*add_row(&r->trace) = row;
	return err;
}

static int read_mooncake(struct reader *r, char *line, size_t len)
{
	cJSON *object = cJSON_ParseWithLengthOpts(line, len + 1, NULL, 1);
	int err;

	if (!cJSON_IsObject(object))
		err = complain(r, SL_E_BAD_JSON, "not a JSON object");
	else
		err = read_mooncake_object(r, object);
	cJSON_Delete(object);
	return err;
}

/* ---- Azure ---- */

/* 2023-11-16 18:15:46.6805900, seven or fewer decimals, perhaps with a zone:
 * every trace stays in one, so it does not matter. */
static bool read_stamp(const char *text, int64_t *out_us, const char **out_end)
{
	struct tm tm = { .tm_isdst = 0 };
	const char *p = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
	int64_t scale = 100000, us = 0;

	if (!p)
		return false;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			us += (*p - '0') * scale;
	*out_us = (int64_t)timegm(&tm) * 1000000 + us;
	*out_end = strchr(p, ',');
	return *out_end != NULL;
}

static bool read_tokens(const char *text, char end, uint32_t *out_tokens, const char **out_end)
{
	char *stop;
	unsigned long n;

	if (*text < '0' || *text > '9')
		return false;
	n = strtoul(text, &stop, 10);
	if (*stop != end || n == 0 || n > SL_TRACE_MAX_TOKENS)
		return false;
	*out_tokens = (uint32_t)n;
	*out_end = stop + (end != '\0');
	return true;
}

static int read_azure(struct reader *r, char *line, size_t len)
{
	struct sl_trace *t = &r->trace;
	struct sl_trace_row row = { .first_block = t->n_blocks };
	const char *p = line;
	uint64_t *to;

	(void)len;
	if (r->line == 1)
		return 0;
	if (!read_stamp(p, &row.at_us, &p))
		return complain(r, SL_E_BAD_FIELD, "no time like 2023-11-16 18:15:46.6805900");
	if (!read_tokens(p + 1, ',', &row.input_tokens, &p) ||
	    !read_tokens(p, '\0', &row.output_tokens, &p))
		return complain(
		        r, SL_E_BAD_FIELD,
		        "expected TIMESTAMP,ContextTokens,GeneratedTokens, tokens from 1 to %u",
		        SL_TRACE_MAX_TOKENS);
	row.n_blocks = blocks_of(row.input_tokens);
	to = add_blocks(t, row.n_blocks);
	for (uint32_t i = 0; i < row.n_blocks; i++)
		to[i] = row.first_block + i;
	*add_row(t) = row;
	return 0;
}

/* ---- lines ---- */

static row_fn row_reader(struct reader *r, const char *line)
{
	if (line[0] == '{') {
		r->trace.format = SL_TRACE_MOONCAKE;
		return read_mooncake;
	}
	if (!strcmp(line, AZURE_HEADER)) {
		r->trace.format = SL_TRACE_AZURE;
		return read_azure;
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

static int read_line(struct reader *r, row_fn *read, char *line, ssize_t raw_len)
{
	size_t len;

	r->line++;
	if ((size_t)raw_len > MAX_LINE)
		return complain(r, SL_E_BODY_TOO_LARGE, "a line of %zd bytes", raw_len);
	if (memchr(line, '\0', (size_t)raw_len))
		return complain(r, SL_E_BAD_FIELD, "a NUL byte: not a trace");
	len = trimmed(line, (size_t)raw_len);
	if (len == 0)
		return 0;
	if (!*read)
		*read = row_reader(r, line);
	if (!*read)
		return complain(r, SL_E_BAD_FIELD,
		                "neither a Mooncake trace (JSON lines) nor an "
		                "Azure one (" AZURE_HEADER ")");
	return (*read)(r, line, len);
}

int sl_trace_read(FILE *in, const char *name, size_t limit, char *err, size_t err_size,
                  struct sl_trace *out_trace)
{
	struct reader r = { .name = name, .err = err, .err_size = err_size };
	row_fn read = NULL;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int code = 0;

	while (!code && (limit == 0 || r.trace.n_rows < limit) &&
	       (len = getline(&line, &cap, in)) >= 0)
		code = read_line(&r, &read, line, len);
	free(line);
	if (!code && r.trace.n_rows == 0) {
		r.line++;
		code = complain(&r, SL_E_BAD_FIELD, "the trace ends without a request");
	}
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
