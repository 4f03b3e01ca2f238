/* bind.h: statements to structs.
 *
 * Every directive's place, arguments and values are checked against the
 * table; defaults are put in first. What several directives mean together is
 * check.h's business. */
#ifndef SLUICE_CONFIG_BIND_H
#define SLUICE_CONFIG_BIND_H

#include "gateway/config/syntax.h"
#include "sluice/config.h"

/* Fills in config from the tree and ties the tree's statements to the objects
 * they made. A statement that was complained about is marked broken. */
void conf_bind(struct conf_arena *a, struct conf_report *report, struct conf_statement *root,
               struct sl_config *config);
/* The defaults of a context's directives (and of the blocks inside that fill
 * in the same struct). */
void conf_bind_defaults(struct conf_arena *a, unsigned context, void *object);

#endif
