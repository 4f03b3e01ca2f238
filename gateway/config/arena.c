/* arena.c: a list of chunks, filled from the front. Refuses to free one
 * object: only all of them, at once. */
#include "gateway/config/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_BYTES 16384

struct conf_chunk {
	struct conf_chunk *next;
	_Alignas(max_align_t) char data[];
};

void conf_arena_init(struct conf_arena *a)
{
	*a = (struct conf_arena){ 0 };
}

void conf_arena_fini(struct conf_arena *a)
{
	while (a->chunks) {
		struct conf_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	conf_arena_init(a);
}

static void add_chunk(struct conf_arena *a, size_t size)
{
	struct conf_chunk *chunk = calloc(1, sizeof(*chunk) + size);

	if (!chunk)
		abort();
	chunk->next = a->chunks;
	a->chunks = chunk;
	a->size = size;
	a->used = 0;
}

void *conf_alloc(struct conf_arena *a, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	size_t need = (size + align - 1) / align * align;
	char *at;

	assert(need >= size);
	if (!a->chunks || a->size - a->used < need)
		add_chunk(a, need > CHUNK_BYTES ? need : CHUNK_BYTES);
	at = a->chunks->data + a->used;
	a->used += need;
	return at;
}

char *conf_strndup(struct conf_arena *a, const char *text, size_t len)
{
	char *copy = conf_alloc(a, len + 1);

	if (len > 0)
		memcpy(copy, text, len);
	return copy;
}

char *conf_sprintf(struct conf_arena *a, const char *format, ...)
{
	va_list args, again;
	char *text;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	assert(len >= 0);
	text = conf_alloc(a, (size_t)len + 1);
	vsnprintf(text, (size_t)len + 1, format, again);
	va_end(again);
	va_end(args);
	return text;
}
