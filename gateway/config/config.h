/* config.h: operators' files in, an immutable sl_config or all errors out.
 *
 * One table (directives.def) describes every directive; the parser, the
 * checks, -T and docs/configuration.md are made from it. */
#ifndef SLUICE_GATEWAY_CONFIG_H
#define SLUICE_GATEWAY_CONFIG_H

#include <stdio.h>

#include "sluice/config.h"

/* Everything wrong with a set of files, formatted for people:
 *   FILE:LINE:COL: error: MESSAGE
 *       the offending line
 *           ^~~~
 *   followed by "did you mean 'x'?" where there is a near word. */
struct sl_config_errors {
	char *text; /* owned, NUL-terminated; "" when there is none */
	uint32_t count;
};

/* Reads a file and what it includes. NULL if there is any error; errors is
 * filled in either way and must be freed with sl_config_errors_fini. */
struct sl_config *sl_config_load(const char *path, struct sl_config_errors *errors);
/* The same from memory, named `path` in messages; for tests and fuzzing. */
struct sl_config *sl_config_parse(const char *path, const char *text, size_t len,
                                  struct sl_config_errors *errors);
void sl_config_errors_fini(struct sl_config_errors *errors);

/* Reference-counted, thread-safe. */
struct sl_config *sl_config_ref(struct sl_config *config);
void sl_config_unref(struct sl_config *config);

/* -T: the effective configuration in the grammar itself, every directive with
 * its origin ("# default" or "# file:line") and secrets redacted. */
void sl_config_dump(const struct sl_config *config, FILE *out);
/* docs/configuration.md, from the table. */
void sl_config_document(FILE *out);
/* Directives that need a restart and differ between the two; the names, comma
 * separated, into buf. Returns their number. */
uint32_t sl_config_restart_needed(const struct sl_config *a, const struct sl_config *b, char *buf,
                                  size_t size);

#endif
