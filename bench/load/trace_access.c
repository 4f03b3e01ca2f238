/* trace_access.c: the gateway's access log as a trace. See trace.h, and
 * docs/operations.md for the log.
 *
 * `prompt_blocks` are salted hashes of the prompt's beginnings, eight hex
 * digits each, at fixed offsets in bytes: every boundary of the router's hash
 * chain that is a multiple of MARK_BYTES. A trace's blocks are of 512 tokens.
 * So all is read first, then the log's own bytes per token lay the blocks over
 * the bytes: one ratio for all rows, or equal beginnings would be cut at
 * different places. A block takes the hash of the boundary nearest to its end.
 *
 * The lines are in the order in which requests ended; who replays them sorts. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <time.h>

#include "bench/load/trace_reader.h"
#include "routing/chain.h"

#define MARK_BYTES 2048u
#define MARK_DIGITS 8u

/* ---- lines ----------------------------------------------------------- */

static const char *string_of(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static bool read_time(const char *text, int64_t *out_us)
{
	struct tm tm = { .tm_isdst = 0 };
	const char *p = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t scale = 100000, us = 0;

	if (!p)
		return false;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			us += (*p - '0') * scale;
	*out_us = (int64_t)timegm(&tm) * 1000000 + us;
	return true;
}

/* A count of tokens, or 0. */
static uint32_t tokens_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return trace_is_whole(item, 1, SL_TRACE_MAX_TOKENS) ? (uint32_t)item->valuedouble : 0;
}

static bool read_hex(const char *text, uint32_t *out)
{
	uint32_t x = 0;

	for (unsigned i = 0; i < MARK_DIGITS; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			x = x << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			x = x << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = x;
	return true;
}

static int read_marks(struct trace_reader *r, const cJSON *object, struct trace_marks *out)
{
	const char *hex = string_of(object, "prompt_blocks");
	size_t len = hex ? strlen(hex) : 0;
	double bytes = 0;
	int err;

	*out = (struct trace_marks){ .first = r->n_mark_ids, .n = (uint32_t)(len / MARK_DIGITS) };
	if (!hex)
		return 0;
	err = trace_read_number(r, object, "prompt_bytes", 0, UINT32_MAX, &bytes);
	if (err)
		return err;
	r->mark_ids = trace_grown(r->mark_ids, &r->mark_ids_cap, r->n_mark_ids + out->n,
	                          sizeof(*r->mark_ids));
	for (uint32_t i = 0; i < out->n; i++)
		if (!read_hex(hex + i * MARK_DIGITS, &r->mark_ids[r->n_mark_ids + i]))
			len = 1;
	if (len % MARK_DIGITS)
		return trace_complain(r, SL_E_BAD_FIELD,
		                      "\"prompt_blocks\" is not made of groups of %u hex digits",
		                      MARK_DIGITS);
	r->n_mark_ids += out->n;
	out->prompt_bytes = (uint64_t)bytes;
	return 0;
}

/* Only whole answers are requests: of others nobody knows how long they were. */
static bool is_whole_answer(const cJSON *object)
{
	const char *end = string_of(object, "end");

	return end && !strcmp(end, "done") && tokens_of(object, "prompt_tokens") &&
	       tokens_of(object, "completion_tokens");
}

static int read_entry(struct trace_reader *r, const cJSON *object)
{
	struct trace_marks marks;
	struct sl_trace_row *row;
	uint64_t *blocks;
	int64_t at_us;
	int err;

	if (!read_time(string_of(object, "time"), &at_us))
		return trace_complain(r, SL_E_BAD_FIELD,
		                      "no \"time\" like 2026-01-02T03:04:05.678Z");
	if (!is_whole_answer(object)) {
		r->trace.n_skipped++;
		return 0;
	}
	err = read_marks(r, object, &marks);
	if (err)
		return err;
	row = sl_trace_add(&r->trace, tokens_of(object, "prompt_tokens"), &blocks);
	row->at_us = at_us;
	row->output_tokens = tokens_of(object, "completion_tokens");
	r->marks = trace_grown(r->marks, &r->marks_cap, r->trace.n_rows, sizeof(*r->marks));
	r->marks[r->trace.n_rows - 1] = marks;
	r->trace.n_unshared += marks.prompt_bytes == 0;
	return 0;
}

static int read_access(struct trace_reader *r, char *line, size_t len)
{
	cJSON *object = cJSON_ParseWithLengthOpts(line, len + 1, NULL, 1);
	int err;

	if (!cJSON_IsObject(object))
		err = trace_complain(r, SL_E_BAD_JSON, "not a JSON object");
	else
		err = read_entry(r, object);
	cJSON_Delete(object);
	return err;
}

static bool begins_access(struct trace_reader *r, char *line, size_t len)
{
	cJSON *object = line[0] == '{' ? cJSON_ParseWithLength(line, len + 1) : NULL;
	bool begins = string_of(object, "time") != NULL;

	(void)r;
	cJSON_Delete(object);
	return begins;
}

/* ---- blocks ---------------------------------------------------------- */

/* End of the boundary behind `end` that is logged. */
static uint64_t next_mark(uint64_t end)
{
	do {
		end += chain_block_bytes(end);
	} while (end % MARK_BYTES);
	return end;
}

static double bytes_per_token(const struct trace_reader *r)
{
	double bytes = 0, tokens = 0;

	for (size_t i = 0; i < r->trace.n_rows; i++) {
		if (r->marks[i].prompt_bytes == 0)
			continue;
		bytes += (double)r->marks[i].prompt_bytes;
		tokens += r->trace.rows[i].input_tokens;
	}
	return tokens > 0 ? bytes / tokens : 1;
}

/* Both grow, so one walk along the marks will do. Behind the last mark the
 * text is the request's own, as far as is known. */
static void name_blocks(struct trace_reader *r, size_t at, double block_bytes)
{
	const struct sl_trace_row *row = &r->trace.rows[at];
	const struct trace_marks *marks = &r->marks[at];
	uint64_t mark = next_mark(0), after = next_mark(mark);
	uint32_t k = 0;

	for (uint32_t i = 0; i < row->n_blocks; i++) {
		double end = (i + 1) * block_bytes;

		for (; k < marks->n && end > ((double)mark + (double)after) / 2; k++) {
			mark = after;
			after = next_mark(mark);
		}
		r->trace.blocks[row->first_block + i] =
		        k < marks->n ? r->mark_ids[marks->first + k] : trace_own_id(row, i);
	}
}

static void end_access(struct trace_reader *r)
{
	double block_bytes = bytes_per_token(r) * SL_TRACE_BLOCK_TOKENS;

	for (size_t i = 0; i < r->trace.n_rows; i++)
		name_blocks(r, i, block_bytes);
}

const struct trace_format trace_access_log = {
	.begins = begins_access,
	.read = read_access,
	.end = end_access,
	.format = SL_TRACE_ACCESS_LOG,
};
