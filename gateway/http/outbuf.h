/* outbuf.h: bytes on their way out, in one contiguous buffer, so that framing
 * and payload of everything that a loop turn produced leave in one send. */
#ifndef SLUICE_HTTP_OUTBUF_H
#define SLUICE_HTTP_OUTBUF_H

#include "sluice/base.h"

/* Bytes [off .. len) are still to be sent. */
struct sl_outbuf {
	char *data; /* owned */
	size_t off, len, cap;
};
/* Compacts or grows to room for n more bytes. Aborts on OOM. */
void sl_outbuf_grow(struct sl_outbuf *b, size_t n);
/* Where the next n bytes may be written. */
static inline char *sl_outbuf_reserve(struct sl_outbuf *b, size_t n)
{
	if (b->cap - b->len < n)
		sl_outbuf_grow(b, n);
	return b->data + b->len;
}
static inline void sl_outbuf_add(struct sl_outbuf *b, const void *data, size_t n)
{
	if (n == 0)
		return;
	memcpy(sl_outbuf_reserve(b, n), data, n);
	b->len += n;
}
/* n bytes were sent. An empty buffer larger than 256 KiB is given back. */
void sl_outbuf_drain(struct sl_outbuf *b, size_t n);
void sl_outbuf_fini(struct sl_outbuf *b);
static inline size_t sl_outbuf_size(const struct sl_outbuf *b)
{
	return b->len - b->off;
}
/* What is still to be sent; valid until the buffer changes. */
static inline struct sl_span sl_outbuf_span(const struct sl_outbuf *b)
{
	return b->data ? sl_span(b->data + b->off, sl_outbuf_size(b)) : sl_span("", 0);
}

#endif
