/* dump.h: the effective configuration in its own grammar. */
#ifndef SLUICE_CONFIG_DUMP_H
#define SLUICE_CONFIG_DUMP_H

#include <stdio.h>

#include "gateway/config/table.h"

/* What a statement with a block made, all directives inside it, one a line;
 * each with its origin unless plain. */
void conf_dump_statement(FILE *out, const struct conf_statement *s, bool plain);
/* Everything inside a block (or the root). */
void conf_dump_inside(FILE *out, const struct conf_statement *s, unsigned context, bool plain);
/* The value of one directive in an object, as text (malloc); NULL: not given. */
char *conf_dump_value(const struct conf_directive *d, const void *object);

#endif
