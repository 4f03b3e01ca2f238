/* zalloc.h: zeroed memory of a size that the configuration or a source decides. */
#ifndef SLUICE_CONTROL_ZALLOC_H
#define SLUICE_CONTROL_ZALLOC_H

#include <stdlib.h>

/* Never NULL, also for none. */
static inline void *zalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

#endif
