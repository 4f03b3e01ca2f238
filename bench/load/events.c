/* events.c: lines out of pieces, events out of lines. See events.h. */
#include "bench/load/events.h"

#include <stdlib.h>

void sl_events_fini(struct sl_events *e)
{
	free(e->line.ptr);
	free(e->data.ptr);
	*e = (struct sl_events){ .has_data = false };
}

bool sl_events_partial(const struct sl_events *e)
{
	return e->line.len > 0 || e->has_data;
}

static int append(struct sl_events_buf *b, struct sl_span bytes)
{
	if (bytes.len > SL_EVENTS_MAX - b->len)
		return SL_E_BODY_TOO_LARGE;
	if (b->cap - b->len < bytes.len) {
		size_t cap = b->cap ? b->cap : 512;

		while (cap - b->len < bytes.len)
			cap *= 2;
		b->ptr = realloc(b->ptr, cap);
		if (!b->ptr)
			abort();
		b->cap = cap;
	}
	if (bytes.len)
		memcpy(b->ptr + b->len, bytes.ptr, bytes.len);
	b->len += bytes.len;
	return 0;
}

static int take_data(struct sl_events *e, struct sl_span value)
{
	int err = 0;

	if (value.len && value.ptr[0] == ' ')
		value = sl_span(value.ptr + 1, value.len - 1);
	if (e->has_data)
		err = append(&e->data, SL_SPAN("\n"));
	e->has_data = true;
	return err ? err : append(&e->data, value);
}

/* line without its LF. Other fields than data, and comments, mean nothing here. */
static int take_line(struct sl_events *e, struct sl_span line,
                     void (*fn)(void *ctx, struct sl_span data), void *ctx)
{
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (line.len >= 5 && memcmp(line.ptr, "data:", 5) == 0)
		return take_data(e, sl_span(line.ptr + 5, line.len - 5));
	if (line.len == 0 && e->has_data) {
		fn(ctx, sl_span(e->data.ptr, e->data.len));
		e->data.len = 0;
		e->has_data = false;
	}
	return 0;
}

static int end_line(struct sl_events *e, struct sl_span rest,
                    void (*fn)(void *ctx, struct sl_span data), void *ctx)
{
	int err;

	if (e->line.len == 0)
		return take_line(e, rest, fn, ctx);
	err = append(&e->line, rest);
	if (!err)
		err = take_line(e, sl_span(e->line.ptr, e->line.len), fn, ctx);
	e->line.len = 0;
	return err;
}

int sl_events_feed(struct sl_events *e, struct sl_span bytes,
                   void (*fn)(void *ctx, struct sl_span data), void *ctx)
{
	const char *p = bytes.ptr, *end = bytes.ptr + bytes.len;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		int err;

		if (!lf)
			return append(&e->line, sl_span(p, (size_t)(end - p)));
		err = end_line(e, sl_span(p, (size_t)(lf - p)), fn, ctx);
		if (err)
			return err;
		p = lf + 1;
	}
	return 0;
}
