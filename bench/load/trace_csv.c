/* trace_csv.c: the traces that are tables: Azure's and BurstGPT's. See trace.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "bench/load/trace_reader.h"

#define AZURE_HEADER "TIMESTAMP,ContextTokens,GeneratedTokens"
#define BURSTGPT_HEADER                                                                            \
	"Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log " \
	"Type"
#define BURSTGPT_OLD_HEADER "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type"

/* Nothing is known of its text. */
static struct sl_trace_row *add_unshared(struct sl_trace *t, uint32_t input_tokens)
{
	uint64_t *blocks;
	struct sl_trace_row *row = sl_trace_add(t, input_tokens, &blocks);

	for (uint32_t i = 0; i < row->n_blocks; i++)
		blocks[i] = trace_own_id(row, i);
	return row;
}

/* ---- Azure ----------------------------------------------------------- */

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

static int read_azure(struct trace_reader *r, char *line, size_t len)
{
	struct sl_trace_row *row;
	uint32_t input, output;
	const char *p = line;
	int64_t at_us;

	(void)len;
	if (!read_stamp(p, &at_us, &p))
		return trace_complain(r, SL_E_BAD_FIELD,
		                      "no time like 2023-11-16 18:15:46.6805900");
	if (!read_tokens(p + 1, ',', &input, &p) || !read_tokens(p, '\0', &output, &p))
		return trace_complain(r, SL_E_BAD_FIELD,
		                      "expected " AZURE_HEADER ", tokens from 1 to %u",
		                      SL_TRACE_MAX_TOKENS);
	row = add_unshared(&r->trace, input);
	row->at_us = at_us;
	row->output_tokens = output;
	return 0;
}

static bool begins_azure(struct trace_reader *r, char *line, size_t len)
{
	(void)r;
	(void)len;
	return !strcmp(line, AZURE_HEADER);
}

const struct trace_format trace_azure = {
	.title = "an Azure one (" AZURE_HEADER ")",
	.begins = begins_azure,
	.has_header = true,
	.read = read_azure,
	.format = SL_TRACE_AZURE,
};

/* ---- BurstGPT -------------------------------------------------------- */

enum { B_TIME, B_SESSION, B_ELAPSED, B_MODEL, B_REQUEST, B_RESPONSE, B_TOTAL, B_TYPE, B_FIELDS };

static size_t split(char *line, char *out[B_FIELDS])
{
	size_t n = 0;

	for (char *p = line; p; n++) {
		char *comma = strchr(p, ',');

		if (n < B_FIELDS)
			out[n] = p;
		if (comma)
			*comma++ = '\0';
		p = comma;
	}
	return n;
}

/* The older files lack two columns. */
static bool split_burstgpt(const struct trace_reader *r, char *line, char *out[B_FIELDS])
{
	char *raw[B_FIELDS];
	size_t n = split(line, raw);
	size_t missing = r->with_session ? 0 : B_MODEL - B_SESSION;
	static char empty[1];

	if (n != B_FIELDS - missing)
		return false;
	out[B_TIME] = raw[B_TIME];
	out[B_SESSION] = r->with_session ? raw[B_SESSION] : empty;
	for (size_t i = B_MODEL; i < B_FIELDS; i++)
		out[i] = raw[i - missing];
	return true;
}

/* pandas writes whole numbers as 12.0 where others of the column are missing. */
static bool read_real(const char *text, double most, double *out_x)
{
	char *end;
	double x;

	errno = 0;
	x = strtod(text, &end);
	if (*text < '0' || *text > '9' || *end || errno || !(x <= most))
		return false;
	*out_x = x;
	return true;
}

/* FNV-1a; 0 is for none. */
static uint64_t session_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	if (!*text)
		return 0;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ull;
	return hash ? hash : 1;
}

static int read_burstgpt(struct trace_reader *r, char *line, size_t len)
{
	char *field[B_FIELDS];
	double seconds, request, response;
	struct sl_trace_row *row;

	(void)len;
	if (!split_burstgpt(r, line, field))
		return trace_complain(r, SL_E_BAD_FIELD, "expected the columns of the first line");
	if (!read_real(field[B_TIME], 1e12, &seconds))
		return trace_complain(r, SL_E_BAD_FIELD, "'%s' is no time in seconds",
		                      field[B_TIME]);
	if (!read_real(field[B_REQUEST], SL_TRACE_MAX_TOKENS, &request) ||
	    !read_real(field[B_RESPONSE], SL_TRACE_MAX_TOKENS, &response) ||
	    request != floor(request) || response != floor(response))
		return trace_complain(r, SL_E_BAD_FIELD,
		                      "Request and Response tokens must be whole numbers up to %u",
		                      SL_TRACE_MAX_TOKENS);
	r->fractions |= seconds != floor(seconds);
	if (request < 1 || response < 1) { /* it says so where the request failed */
		r->trace.n_skipped++;
		return 0;
	}
	row = add_unshared(&r->trace, (uint32_t)request);
	row->at_us = (int64_t)llround(seconds * 1e6);
	row->output_tokens = (uint32_t)response;
	row->session = session_of(field[B_SESSION]);
	return 0;
}

static bool begins_burstgpt(struct trace_reader *r, char *line, size_t len)
{
	(void)len;
	r->with_session = !strcmp(line, BURSTGPT_HEADER);
	return r->with_session || !strcmp(line, BURSTGPT_OLD_HEADER);
}

static void end_burstgpt(struct trace_reader *r)
{
	r->trace.quantum_us = r->fractions ? 0 : 1000000;
}

const struct trace_format trace_burstgpt = {
	.title = "a BurstGPT one (Timestamp,...,Request tokens,Response tokens,...)",
	.begins = begins_burstgpt,
	.has_header = true,
	.read = read_burstgpt,
	.end = end_burstgpt,
	.format = SL_TRACE_BURSTGPT,
};
