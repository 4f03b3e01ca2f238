/* h2_end.h: one end of an HTTP/2 connection under test, and what it saw. */
#ifndef SLUICE_TEST_H2_END_H
#define SLUICE_TEST_H2_END_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/http/h2.h"

#define MAX_SEEN 64

struct seen {
	struct sl_h2_stream *stream;
	char method[16], path[64], authority[64], cookie[64], mark[64];
	int status, version;
	int64_t content_length;
	uint32_t n_fields;
	size_t body;
	uint32_t sum; /* of the body's bytes, position dependent */
	int heads, ends, closes, drains;
	size_t drained_to; /* what was still waiting then */
	int close_err;
	uint32_t close_code;
};

/* One end: what its events said, and how it answers. */
struct end {
	struct sl_h2 *h2;
	struct seen seen[MAX_SEEN];
	uint32_t n;
	int bad_heads, last_bad, goaways;
	bool refuse, answer_bad, hoard; /* hoard: consume nothing */
	bool echo;                      /* answer 200 with `answer_len` bytes at on_end */
	bool echo_in_head;              /* ... already inside on_head */
	size_t answer_len;
	size_t hoarded;
};

static char pattern_at(size_t i)
{
	return (char)('a' + i * 7 % 26 + i / 1000 % 3);
}

static uint32_t sum_of(size_t from, const char *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)(unsigned char)data[i] * (uint32_t)((from + i) % 9973 + 1);
	return sum;
}

static char *make_body(size_t len)
{
	char *body = malloc(len + 1);

	assert_non_null(body);
	for (size_t i = 0; i < len; i++)
		body[i] = pattern_at(i);
	return body;
}

static void copy_span(char *to, size_t cap, struct sl_span from)
{
	size_t n = from.len < cap ? from.len : cap - 1;

	if (n)
		memcpy(to, from.ptr, n);
	to[n] = '\0';
}

static void copy_field(char *to, size_t cap, const struct sl_head *head, const char *name)
{
	const struct sl_hfield *f = sl_head_find(head, sl_span_str(name));

	if (f)
		copy_span(to, cap, f->value);
}

static void answer(struct end *e, struct sl_h2_stream *s)
{
	static const struct sl_hfield fields[] = {
		{ { "content-type", 12 }, { "application/json", 16 }, SL_FC_CONTENT_TYPE },
		{ { "x-request-id", 12 }, { "r-1", 3 }, SL_FC_REQUEST_ID },
		{ { "connection", 10 }, { "keep-alive", 10 }, SL_FC_HOP },
	};
	char *body = make_body(e->answer_len);

	assert_int_equal(sl_h2_respond(e->h2, s, 200, fields, 3, e->answer_len == 0), 0);
	if (e->answer_len) {
		sl_h2_write(e->h2, s, body, e->answer_len);
		sl_h2_finish(e->h2, s);
	}
	free(body);
}

static void *on_head(void *ctx, struct sl_h2_stream *s, const struct sl_head *head, bool end)
{
	struct end *e = ctx;
	struct seen *x = sl_h2_stream_user(s);

	(void)end;
	if (!x)
		x = &e->seen[e->n++ % MAX_SEEN];
	if (!head->status)
		memset(x, 0, sizeof(*x));
	x->stream = s;
	copy_span(x->method, sizeof(x->method), head->method);
	copy_span(x->path, sizeof(x->path), head->path);
	copy_span(x->authority, sizeof(x->authority), head->authority);
	copy_field(x->cookie, sizeof(x->cookie), head, "cookie");
	copy_field(x->mark, sizeof(x->mark), head, "x-mark");
	x->status = head->status;
	x->version = head->version;
	x->content_length = head->content_length;
	x->n_fields = head->n_fields;
	x->heads++;
	if (e->refuse)
		return NULL;
	if (e->echo_in_head)
		answer(e, s);
	return x;
}

static bool on_bad_head(void *ctx, struct sl_h2_stream *s, int err)
{
	struct end *e = ctx;

	e->bad_heads++;
	e->last_bad = err;
	if (!e->answer_bad)
		return false;
	assert_int_equal(sl_h2_respond(e->h2, s, 400, NULL, 0, false), 0);
	sl_h2_write(e->h2, s, "no", 2);
	sl_h2_finish(e->h2, s);
	return true;
}

static void on_data(void *ctx, void *user, const char *data, size_t len)
{
	struct end *e = ctx;
	struct seen *x = user;

	assert_non_null(x);
	x->sum += sum_of(x->body, data, len);
	x->body += len;
	if (e->hoard)
		e->hoarded += len;
	else
		sl_h2_consume(e->h2, x->stream, len);
}

static void on_end(void *ctx, void *user)
{
	struct end *e = ctx;
	struct seen *x = user;

	x->ends++;
	if (e->echo)
		answer(e, x->stream);
}

static void on_close(void *ctx, void *user, int err, uint32_t code)
{
	struct seen *x = user;

	(void)ctx;
	if (!x)
		return;
	x->closes++;
	x->close_err = err;
	x->close_code = code;
	x->stream = NULL;
}

static void on_drained(void *ctx, void *user, size_t pending)
{
	struct seen *x = user;

	(void)ctx;
	x->drains++;
	x->drained_to = pending;
}

static void on_goaway(void *ctx)
{
	((struct end *)ctx)->goaways++;
}

static const struct sl_h2_events events = {
	on_head, on_bad_head, on_data, on_end, on_close, on_drained, on_goaway,
};

static const struct sl_h2_limits limits = {
	.head = { 16384, 100, 4096 },
	.max_streams = 10,
	.stream_window = 256 * 1024,
	.connection_window = 1024 * 1024,
};

#endif
