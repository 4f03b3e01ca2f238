/* check.h: what directives must be to each other: names that are defined
 * once, references to something, values that fit together. */
#ifndef SLUICE_CONFIG_CHECK_H
#define SLUICE_CONFIG_CHECK_H

#include "gateway/config/report.h"
#include "gateway/config/syntax.h"
#include "sluice/config.h"

/* After conf_bind. What rests on a statement that was complained about is not
 * complained about again. */
void conf_check(struct conf_arena *a, struct conf_report *report, const struct conf_statement *root,
                const struct sl_config *config);

#endif
