/* sse.h: watches a stream of server-sent events without changing it.
 *
 * Bytes pass by untouched; the watcher tells where complete events end and
 * what the gateway must know of them. It holds at most one partial event,
 * bounded (an event longer than that is passed on, unread, and counted). */
#ifndef SLUICE_HTTP_SSE_H
#define SLUICE_HTTP_SSE_H

#include "sluice/err.h"

#define SL_SSE_MAX_EVENT ((size_t)256 * 1024)

/* What an answer says it used; -1 where absent. Read from `usage` of OpenAI
 * answers (prompt_tokens ...) and of Anthropic and Responses ones
 * (input_tokens ..., also inside `message` or `response`). */
struct sl_usage {
	int64_t prompt_tokens;
	int64_t completion_tokens;
	int64_t cached_tokens; /* prompt_tokens_details.cached_tokens */
};
void sl_usage_init(struct sl_usage *u);
/* Reads the usage object of a JSON answer; true if there was one. Members it
 * does not have keep their values, so that events may complete each other. Also
 * usable on a whole non-streaming body. Tolerates any bytes. */
bool sl_usage_read(const char *json, size_t len, struct sl_usage *u);
/* The raw text of a top-level member of a JSON object (engines' answers, e.g.
 * kv_transfer_params, byte for byte), or an empty span. The first of equal
 * names; a name written with escapes is not found. Tolerates any bytes. */
struct sl_span sl_json_member(const char *json, size_t len, struct sl_span key);

struct sl_sse {
	char *part; /* owned: the partial event, NULL when none */
	size_t part_len, part_cap;
	uint64_t events;     /* complete ones with data */
	bool done;           /* [DONE] was seen */
	bool error;          /* an event with a top-level "error" object was seen */
	bool first_is_error; /* ... and it was the first event */
	bool skipping;       /* inside an event past SL_SSE_MAX_EVENT */
	bool mid_line;       /* the last line has bytes but no end yet */
	bool after_cr;       /* an LF now would be the second half of a CRLF */
	uint64_t skipped;
	struct sl_usage usage;
};
void sl_sse_init(struct sl_sse *s);
void sl_sse_fini(struct sl_sse *s);
/* Feeds the next bytes; updates the fields above. Returns the offset in data
 * just past the last block (event or comment) that is complete, or 0 if none
 * ended here. Line ends LF, CRLF and CR are understood; comments are not
 * counted as events. */
size_t sl_sse_feed(struct sl_sse *s, const char *data, size_t len);
/* True if bytes of an unfinished event have passed. */
bool sl_sse_partial(const struct sl_sse *s);

#endif
