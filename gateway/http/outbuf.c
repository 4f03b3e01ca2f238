/* outbuf.c: see outbuf.h. Sent bytes are given up from the front; what is left
 * is moved down only when that makes the room a reallocation would have to. */
#include "gateway/http/outbuf.h"

#include <stdlib.h>

#define MIN_CAPACITY ((size_t)512)
#define LARGE ((size_t)128 * 1024)
#define KEEP_CAPACITY ((size_t)256 * 1024)

static void move_to(struct sl_outbuf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : MIN_CAPACITY;
	char *data;

	/* Large ones belong to peers that do not read: no more than a quarter too much. */
	while (cap < need)
		cap *= 2;
	if (cap > LARGE && need + need / 4 < cap)
		cap = need + need / 4;
	data = malloc(cap);
	if (!data)
		abort();
	if (b->len > b->off)
		memcpy(data, b->data + b->off, b->len - b->off);
	free(b->data);
	*b = (struct sl_outbuf){ .data = data, .len = b->len - b->off, .cap = cap };
}

void sl_outbuf_grow(struct sl_outbuf *b, size_t n)
{
	size_t used = sl_outbuf_size(b);

	/* moving pays only when less is kept than was given up */
	if (b->cap - used >= n && used <= b->off) {
		memcpy(b->data, b->data + b->off, used);
		b->off = 0;
		b->len = used;
	} else {
		move_to(b, used + n);
	}
}

void sl_outbuf_drain(struct sl_outbuf *b, size_t n)
{
	b->off += n;
	if (b->off < b->len)
		return;
	b->off = 0;
	b->len = 0;
	if (b->cap > KEEP_CAPACITY)
		sl_outbuf_fini(b);
}

void sl_outbuf_fini(struct sl_outbuf *b)
{
	free(b->data);
	*b = (struct sl_outbuf){ .data = NULL };
}
