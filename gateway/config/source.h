/* source.h: the text of one file, and places in it.
 *
 * A place is what an error points at and what -T names as an origin. Sources
 * live in the configuration's arena; places borrow them. */
#ifndef SLUICE_CONFIG_SOURCE_H
#define SLUICE_CONFIG_SOURCE_H

#include <sys/types.h>

#include "gateway/config/arena.h"

/* All files of one configuration together. */
#define CONF_MAX_BYTES (4u << 20)

struct conf_source {
	char *path; /* as the operator wrote it */
	char *text; /* not NUL-terminated by contract; secrets are blotted out */
	uint32_t len;
	uint32_t order; /* 0 is the main file; errors are sorted by it */
	dev_t device;   /* what tells an include loop; 0 for text from memory */
	ino_t inode;
	const struct conf_source *includer; /* NULL: none */
};

struct conf_place {
	const struct conf_source *source; /* NULL: nowhere, as for a default */
	uint32_t offset;
	uint32_t len;
	uint32_t line; /* from 1; 0: the file as a whole */
};

/* Takes a copy of the text. */
struct conf_source *conf_source_new(struct conf_arena *a, const char *path, const char *text,
                                    size_t len);
/* Reads a regular file of at most `budget` bytes. NULL on failure, with a
 * static sentence in out_problem. */
struct conf_source *conf_source_read(struct conf_arena *a, const char *path, size_t budget,
                                     const char **out_problem);
/* A path as seen from the file it is written in. */
char *conf_source_beside(struct conf_arena *a, const struct conf_source *source, const char *path);
/* The same, absolute, so that it means the same in a dump stored elsewhere. */
char *conf_source_resolve(struct conf_arena *a, const struct conf_source *source, const char *path);
/* Characters (not bytes) before the place on its line, plus one. */
uint32_t conf_place_column(const struct conf_place *place);
/* Makes the bytes unreadable for every later message. */
void conf_place_blot(const struct conf_place *place);

#endif
