/* report.h: everything wrong with a set of files, collected, then shown in
 * reading order. */
#ifndef SLUICE_CONFIG_REPORT_H
#define SLUICE_CONFIG_REPORT_H

#include "gateway/config/source.h"

#define CONF_MAX_PROBLEMS 200

struct conf_problem {
	struct conf_place place;
	const char *message;
	const char *near_word; /* "did you mean 'near_word'?"; NULL: nothing is near */
	uint32_t order;        /* of discovery, so that sorting is stable */
};

struct conf_report {
	struct conf_arena *arena; /* borrowed; holds the messages */
	struct conf_problem problems[CONF_MAX_PROBLEMS];
	uint32_t n_kept;
	uint32_t total; /* those beyond the limit are only counted */
};

void conf_report_init(struct conf_report *report, struct conf_arena *a);
/* One error. A word near to what was written may be offered, or NULL. */
void conf_complain(struct conf_report *report, const struct conf_place *place,
                   const char *near_word, const char *format, ...) SL_PRINTF(4, 5);
/* A word as it may stand in a message: cut if it is long. */
const char *conf_show(struct conf_arena *a, const char *text);
/* All of it as one text for people, owned by the caller (malloc). */
char *conf_report_text(struct conf_report *report);

#endif
