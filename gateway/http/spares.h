/* spares.h: memory of ended things of one size, kept for the next ones, so
 * that a request does not allocate. One thread's. What is taken has the bytes
 * of what was given. A storm leaves many: tidying now and then frees those that
 * nobody has needed since the last time, half of them at a time. */
#ifndef SLUICE_HTTP_SPARES_H
#define SLUICE_HTTP_SPARES_H

#include <stdlib.h>

#include "sluice/base.h"

struct sl_spares {
	void *first; /* owned; each begins with the next */
	uint32_t n;
	uint32_t least; /* there were, since it was tidied */
};

#define SL_SPARES_MAX 1024u /* that are kept */
#define SL_SPARES_FEW 32u   /* not worth freeing */

static inline void *sl_spares_take(struct sl_spares *s, size_t size)
{
	void *memory = s->first;

	if (memory) {
		memcpy(&s->first, memory, sizeof(s->first));
		if (--s->n < s->least)
			s->least = s->n;
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

static inline void sl_spares_drop(struct sl_spares *s, uint32_t n)
{
	for (; n; n--) {
		void *memory = s->first;

		memcpy(&s->first, memory, sizeof(s->first));
		free(memory);
		s->n--;
	}
}

static inline void sl_spares_tidy(struct sl_spares *s)
{
	if (s->least > SL_SPARES_FEW)
		sl_spares_drop(s, s->least / 2);
	s->least = s->n;
}

static inline void sl_spares_fini(struct sl_spares *s)
{
	sl_spares_drop(s, s->n);
}

#endif
