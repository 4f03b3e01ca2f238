/* alloc.h: memory of the routing state. Its size is bounded by the number of
 * endpoints and by index_max_entries_per_endpoint, both the operator's, so
 * having none left is fatal and callers need not look. */
#ifndef SLUICE_ROUTING_ALLOC_H
#define SLUICE_ROUTING_ALLOC_H

#include <assert.h>
#include <stdlib.h>

#include "sluice/base.h"

/* realloc for n > 0 items of `size`; new bytes are undefined. */
static inline void *alloc_resize(void *ptr, size_t n, size_t size)
{
	void *grown;

	assert(n > 0 && size > 0);
	grown = n > SIZE_MAX / size ? NULL : realloc(ptr, n * size);

	if (!grown)
		abort();
	return grown;
}

/* The same for an array that grew from `before` to `after` items, the new
 * ones zero. */
static inline void *alloc_extend(void *ptr, size_t before, size_t after, size_t size)
{
	unsigned char *grown = alloc_resize(ptr, after, size);

	memset(grown + before * size, 0, (after - before) * size);
	return grown;
}

static inline void *alloc_zero(size_t n, size_t size)
{
	void *ptr = calloc(n, size);

	if (!ptr)
		abort();
	return ptr;
}

#endif
