/* buf.c: growing bytes. */
#include "bench/sim/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void sl_sim_buf_fini(struct sl_sim_buf *b)
{
	free(b->ptr);
	*b = (struct sl_sim_buf){ 0 };
}

void sl_sim_buf_reserve(struct sl_sim_buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 256;

	if (b->cap - b->len >= more)
		return;
	while (cap - b->len < more)
		cap *= 2;
	b->ptr = realloc(b->ptr, cap);
	if (!b->ptr)
		abort();
	b->cap = cap;
}

void sl_sim_buf_add(struct sl_sim_buf *b, struct sl_span bytes)
{
	if (!bytes.len)
		return;
	sl_sim_buf_reserve(b, bytes.len);
	memcpy(b->ptr + b->len, bytes.ptr, bytes.len);
	b->len += bytes.len;
}

void sl_sim_buf_str(struct sl_sim_buf *b, const char *str)
{
	sl_sim_buf_add(b, sl_span_str(str));
}

void sl_sim_buf_printf(struct sl_sim_buf *b, const char *format, ...)
{
	va_list args;
	int n;

	sl_sim_buf_reserve(b, 128);
	va_start(args, format);
	n = vsnprintf(b->ptr + b->len, b->cap - b->len, format, args);
	va_end(args);
	if (n < 0)
		abort();
	if ((size_t)n >= b->cap - b->len) {
		sl_sim_buf_reserve(b, (size_t)n + 1);
		va_start(args, format);
		n = vsnprintf(b->ptr + b->len, b->cap - b->len, format, args);
		va_end(args);
	}
	b->len += (size_t)n;
}

static void escape(struct sl_sim_buf *b, unsigned char c)
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (const char *l = letters; *l; l += 2)
		if ((unsigned char)*l == c) {
			sl_sim_buf_printf(b, "\\%c", l[1]);
			return;
		}
	sl_sim_buf_printf(b, "\\u%04x", c);
}

void sl_sim_buf_json(struct sl_sim_buf *b, struct sl_span text)
{
	size_t start = 0;

	sl_sim_buf_str(b, "\"");
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		sl_sim_buf_add(b, sl_span(text.ptr + start, i - start));
		escape(b, c);
		start = i + 1;
	}
	if (start < text.len)
		sl_sim_buf_add(b, sl_span(text.ptr + start, text.len - start));
	sl_sim_buf_str(b, "\"");
}

void sl_sim_buf_drop(struct sl_sim_buf *b, size_t n)
{
	if (!n)
		return;
	memmove(b->ptr, b->ptr + n, b->len - n);
	b->len -= n;
}
