/* spares.h: memory of ended things of one size, kept for the next ones, so
 * that a request does not allocate. One thread's. What is taken has the bytes
 * of what was given. */
#ifndef SLUICE_HTTP_SPARES_H
#define SLUICE_HTTP_SPARES_H

#include <stdlib.h>

#include "sluice/base.h"

struct sl_spares {
	void *first; /* owned; each begins with the next */
	uint32_t n;
};

#define SL_SPARES_MAX 1024u /* that are kept */

static inline void *sl_spares_take(struct sl_spares *s, size_t size)
{
	void *memory = s->first;

	if (memory) {
		memcpy(&s->first, memory, sizeof(s->first));
		s->n--;
		return memory;
	}
	memory = malloc(size);
	if (!memory)
		abort();
	return memory;
}

static inline void sl_spares_give(struct sl_spares *s, void *memory)
{
	bool keep = s->n < SL_SPARES_MAX;

#ifdef __SANITIZE_ADDRESS__
	keep = false; /* it shall see every use of what has ended */
#endif
	if (!keep) {
		free(memory);
		return;
	}
	memcpy(memory, &s->first, sizeof(s->first));
	s->first = memory;
	s->n++;
}

static inline void sl_spares_fini(struct sl_spares *s)
{
	while (s->first) {
		void *memory = s->first;

		memcpy(&s->first, memory, sizeof(s->first));
		free(memory);
	}
	s->n = 0;
}

#endif
