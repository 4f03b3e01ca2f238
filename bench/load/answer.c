/* answer.c: from response bytes to text, times and a verdict. See answer.h.
 *
 * Chunks are read in place, without a DOM: there are millions of them. Text
 * with escapes in it, and answers that are not streamed, go through cJSON. */
#include "bench/load/answer.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_ERROR_BODY 1024u
#define MAX_BODY (64u * 1024u * 1024u)

static const char *const fail_names[SL_FAIL_COUNT] = {
	[SL_FAIL_NONE] = "none",           [SL_FAIL_ERROR_EVENT] = "error_event",
	[SL_FAIL_BAD_EVENT] = "bad_event", [SL_FAIL_CONNECT] = "connect",
	[SL_FAIL_CLOSED] = "closed",       [SL_FAIL_RESET] = "reset",
	[SL_FAIL_PROTOCOL] = "protocol",   [SL_FAIL_TRUNCATED] = "truncated",
	[SL_FAIL_TIMEOUT] = "timeout",     [SL_FAIL_INTERRUPTED] = "interrupted",
	[SL_FAIL_STATUS] = "status",       [SL_FAIL_NO_DONE] = "no_done",
};

const char *sl_fail_name(enum sl_fail f)
{
	return fail_names[f];
}

void sl_answer_init(struct sl_answer *a, bool stream, uint32_t want_tokens)
{
	*a = (struct sl_answer){ .stream = stream, .want_tokens = want_tokens };
	sl_usage_init(&a->usage);
}

void sl_answer_fini(struct sl_answer *a)
{
	sl_events_fini(&a->events);
	free(a->body.ptr);
	a->body = (struct sl_events_buf){ .ptr = NULL };
}

void sl_answer_expect(struct sl_answer *a, const struct sl_sim_text *said)
{
	a->verifying = true;
	sl_verify_init(&a->verify, said);
}

/* A server's words are shown on a terminal: one line, no control characters. */
static void copy_printable(char *to, size_t size, struct sl_span text)
{
	size_t n = text.len < size ? text.len : size - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = iscntrl((unsigned char)text.ptr[i]) ? ' ' : text.ptr[i];
	to[n] = '\0';
}

/* Keeps the first word on what is wrong. */
static void note(struct sl_answer *a, struct sl_span text)
{
	if (!a->note[0])
		copy_printable(a->note, sizeof(a->note), text);
}

static void bad(struct sl_answer *a, const char *why)
{
	a->bad = true;
	note(a, sl_span_str(why));
}

/* ---- text ---- */

static void take_text(struct sl_answer *a, struct sl_span text)
{
	a->text_bytes += text.len;
	if (a->verifying)
		sl_verify_feed(&a->verify, text);
}

/* quoted: a JSON string with its quotes. False if there is no text in it. */
static bool take_string(struct sl_answer *a, struct sl_span quoted)
{
	cJSON *string;
	bool ok;

	if (quoted.len <= 2 || quoted.ptr[0] != '"')
		return false;
	if (!memchr(quoted.ptr, '\\', quoted.len)) {
		take_text(a, sl_span(quoted.ptr + 1, quoted.len - 2));
		return true;
	}
	string = cJSON_ParseWithLength(quoted.ptr, quoted.len);
	ok = cJSON_IsString(string);
	if (ok)
		take_text(a, sl_span_str(string->valuestring));
	else
		bad(a, "text with an impossible escape");
	cJSON_Delete(string);
	return ok;
}

/* choice: from the first choice on. Completions say `text`, chat a `delta`
 * (streamed) or a `message`; reasoning models think in a member of their own. */
static bool take_choice(struct sl_answer *a, struct sl_span choice)
{
	static const struct sl_span members[] = { { "content", 7 },
		                                  { "reasoning_content", 17 },
		                                  { "reasoning", 9 } };
	struct sl_span key = a->stream ? SL_SPAN("delta") : SL_SPAN("message");
	struct sl_span holder = sl_json_member(choice.ptr, choice.len, key);

	if (holder.len == 0)
		return take_string(a, sl_json_member(choice.ptr, choice.len, SL_SPAN("text")));
	for (size_t i = 0; i < SL_COUNT(members); i++)
		if (take_string(a, sl_json_member(holder.ptr, holder.len, members[i])))
			return true;
	return false;
}

/* One JSON answer or chunk; true if it had text. */
static bool take_json(struct sl_answer *a, struct sl_span json)
{
	struct sl_span choices = sl_json_member(json.ptr, json.len, SL_SPAN("choices"));

	if (memmem(json.ptr, json.len, "\"usage\"", 7))
		sl_usage_read(json.ptr, json.len, &a->usage);
	if (choices.len < 2 || choices.ptr[0] != '[') {
		bad(a, "an event without \"choices\"");
		return false;
	}
	return take_choice(a, sl_span(choices.ptr + 1, choices.len - 1));
}

/* ---- streams ---- */

struct feeding {
	struct sl_answer *answer;
	int64_t now_us;
	struct sl_samples *gaps;
	uint32_t chunks;
};

static bool is_error(struct sl_span data)
{
	struct sl_span error;

	if (!memmem(data.ptr, data.len, "\"error\"", 7))
		return false;
	error = sl_json_member(data.ptr, data.len, SL_SPAN("error"));
	return error.len && (error.ptr[0] == '{' || error.ptr[0] == '"');
}

static void note_chunk(struct feeding *f)
{
	struct sl_answer *a = f->answer;

	if (a->chunks == 0)
		a->first_us = f->now_us;
	else
		sl_samples_add(f->gaps, f->now_us - a->last_us);
	a->last_us = f->now_us;
	a->chunks++;
	f->chunks++;
}

static void on_event(void *ctx, struct sl_span data)
{
	struct feeding *f = ctx;
	struct sl_answer *a = f->answer;

	if (a->done) {
		bad(a, "an event behind [DONE]");
	} else if (sl_span_eq(data, SL_SPAN("[DONE]"))) {
		a->done = true;
	} else if (is_error(data)) {
		a->error = true;
		note(a, data);
	} else if (take_json(a, data)) {
		note_chunk(f);
	}
}

/* ---- the response ---- */

void sl_answer_head(struct sl_answer *a, const struct sl_head *head)
{
	a->status = head->status;
	if (head->status == 200 && a->stream && !head->event_stream)
		bad(a, "no text/event-stream");
}

static void keep_body(struct sl_answer *a, struct sl_span content, size_t max)
{
	struct sl_events_buf *b = &a->body;
	size_t n = content.len < max - b->len ? content.len : max - b->len;

	if (n == 0)
		return;
	if (b->cap - b->len < n) {
		b->cap = 2 * b->cap + n;
		b->ptr = realloc(b->ptr, b->cap);
		if (!b->ptr)
			abort();
	}
	memcpy(b->ptr + b->len, content.ptr, n);
	b->len += n;
}

uint32_t sl_answer_data(struct sl_answer *a, struct sl_span content, int64_t now_us,
                        struct sl_samples *gaps)
{
	struct feeding f = { a, now_us, gaps, 0 };

	if (a->status != 200)
		keep_body(a, content, MAX_ERROR_BODY);
	else if (!a->stream)
		keep_body(a, content, MAX_BODY);
	else if (!a->bad && sl_events_feed(&a->events, content, on_event, &f) < 0)
		bad(a, "an event of many megabytes");
	return f.chunks;
}

static enum sl_fail fail_of_call(enum sl_call_end end)
{
	static const enum sl_fail fails[] = {
		[SL_CALL_OK] = SL_FAIL_NONE,           [SL_CALL_CONNECT] = SL_FAIL_CONNECT,
		[SL_CALL_CLOSED] = SL_FAIL_CLOSED,     [SL_CALL_RESET] = SL_FAIL_RESET,
		[SL_CALL_PROTOCOL] = SL_FAIL_PROTOCOL, [SL_CALL_TRUNCATED] = SL_FAIL_TRUNCATED,
		[SL_CALL_TIMEOUT] = SL_FAIL_TIMEOUT,   [SL_CALL_CANCELLED] = SL_FAIL_INTERRUPTED,
	};

	return fails[end];
}

enum sl_fail sl_answer_end(struct sl_answer *a, enum sl_call_end end)
{
	struct sl_span body = sl_span(a->body.ptr, a->body.len);

	if (a->error)
		return SL_FAIL_ERROR_EVENT;
	if (end == SL_CALL_OK && a->status != 200) {
		note(a, body);
		return SL_FAIL_STATUS;
	}
	if (end == SL_CALL_OK && !a->stream && (body.len == 0 || !take_json(a, body)))
		bad(a, "an answer without text");
	if (a->bad)
		return SL_FAIL_BAD_EVENT;
	if (end != SL_CALL_OK)
		return fail_of_call(end);
	if (a->stream && sl_events_partial(&a->events))
		return SL_FAIL_TRUNCATED;
	return a->stream && !a->done ? SL_FAIL_NO_DONE : SL_FAIL_NONE;
}

/* ---- the verdict ---- */

uint32_t sl_answer_output_tokens(const struct sl_answer *a)
{
	if (a->usage.completion_tokens >= 0 && a->usage.completion_tokens <= UINT32_MAX)
		return (uint32_t)a->usage.completion_tokens;
	return a->chunks;
}

bool sl_answer_matches(const struct sl_answer *a, char *out_why, size_t size)
{
	const struct sl_verify *v = &a->verify;
	uint64_t want_bytes = (uint64_t)a->want_tokens * SL_SIM_TOKEN_BYTES;
	char got[SL_VERIFY_QUOTE + 1];

	if (!a->verifying)
		return true;
	copy_printable(got, sizeof(got), sl_span(v->got, v->got_len));
	if (v->differs && v->differs_at < want_bytes)
		snprintf(out_why, size, "byte %" PRIu64 ": expected \"%.*s\", got \"%s\"",
		         v->differs_at, SL_VERIFY_QUOTE, v->want, got);
	else if (a->text_bytes != want_bytes)
		snprintf(out_why, size,
		         "%" PRIu64 " bytes of text for %u tokens, expected %" PRIu64,
		         a->text_bytes, a->want_tokens, want_bytes);
	else if (a->usage.completion_tokens != (int64_t)a->want_tokens)
		snprintf(out_why, size, "usage says %" PRId64 " completion tokens, expected %u",
		         a->usage.completion_tokens, a->want_tokens);
	else
		return true;
	return false;
}
