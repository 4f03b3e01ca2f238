/* nearest.h: which known word a misspelt one was probably meant to be. */
#ifndef SLUICE_CONFIG_NEAREST_H
#define SLUICE_CONFIG_NEAREST_H

#include "sluice/base.h"

struct conf_nearest {
	const char *word;  /* borrowed: what was written */
	const char *best;  /* borrowed: the nearest word offered, NULL: none is near */
	uint32_t distance; /* of the best */
};

void conf_nearest_init(struct conf_nearest *n, const char *word);
void conf_nearest_offer(struct conf_nearest *n, const char *candidate);
/* The nearest of a NULL-terminated list, or NULL. */
const char *conf_nearest_of(const char *word, const char *const *words);
/* Insertions, deletions, replacements and swaps of neighbours, ASCII case
 * ignored (optimal string alignment). UINT32_MAX if a word is over-long. */
uint32_t conf_edit_distance(const char *a, const char *b);

#endif
