/* units.h: numbers as operators write them.
 *
 * A unit is required wherever a number could be misread: `10` is no duration.
 * Pure: text in, number out, or a sentence about what is wrong. */
#ifndef SLUICE_CONFIG_UNITS_H
#define SLUICE_CONFIG_UNITS_H

#include "sluice/base.h"

struct conf_unit {
	const char *suffix;
	uint64_t factor;
};

struct conf_units {
	const char *expected;         /* "a duration such as 250ms, 10s or 5m" */
	const struct conf_unit *unit; /* smallest first, ends with a NULL suffix */
	uint64_t fraction;            /* 0: whole numbers only; else the least fraction's inverse */
	bool ignore_case;
};

extern const struct conf_units conf_durations; /* microseconds */
extern const struct conf_units conf_sizes;     /* bytes */
extern const struct conf_units conf_percents;  /* thousandths of a percent */
extern const struct conf_units conf_counts;

/* NULL and out_value, or what is wrong with the text ("has no unit"), static. */
const char *conf_units_parse(const struct conf_units *units, const char *text, uint64_t *out_value);
/* In the largest unit that keeps the number whole; parses to the same value.
 * Returns buf. */
char *conf_units_format(const struct conf_units *units, uint64_t value, char *buf, size_t size);

#endif
