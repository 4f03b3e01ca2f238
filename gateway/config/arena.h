/* arena.h: memory that lives exactly as long as one configuration.
 *
 * Everything read from an operator's files (texts, words, statements, the
 * structs made of them) comes from one arena and goes with it. The files are
 * bounded at 4 MiB in all, so running out of memory is not a peer's choice:
 * it aborts. */
#ifndef SLUICE_CONFIG_ARENA_H
#define SLUICE_CONFIG_ARENA_H

#include "sluice/base.h"

struct conf_arena {
	struct conf_chunk *chunks; /* owned */
	size_t used, size;         /* of the first chunk */
};

void conf_arena_init(struct conf_arena *a);
void conf_arena_fini(struct conf_arena *a);
/* Zeroed, aligned for any object; never NULL. */
void *conf_alloc(struct conf_arena *a, size_t size);
/* A NUL-terminated copy. */
char *conf_strndup(struct conf_arena *a, const char *text, size_t len);
char *conf_sprintf(struct conf_arena *a, const char *format, ...) SL_PRINTF(2, 3);

#endif
