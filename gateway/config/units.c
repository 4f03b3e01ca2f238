/* units.c: one reader and one writer for four systems of units. */
#include "gateway/config/units.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#define PERCENT 1000 /* thousandths */

static const struct conf_unit duration_units[] = {
	{ "ms", 1000 }, { "s", 1000000 }, { "m", 60000000 }, { "h", 3600000000 }, { NULL, 0 },
};
static const struct conf_unit size_units[] = {
	{ "b", 1 }, { "k", 1u << 10 }, { "M", 1u << 20 }, { "G", 1u << 30 }, { NULL, 0 },
};
static const struct conf_unit percent_units[] = { { "%", PERCENT }, { NULL, 0 } };
static const struct conf_unit count_units[] = { { "", 1 }, { NULL, 0 } };

const struct conf_units conf_durations = {
	.expected = "a duration such as 250ms, 10s or 5m",
	.unit = duration_units,
};
const struct conf_units conf_sizes = {
	.expected = "a size such as 512b, 64k, 32M or 1G",
	.unit = size_units,
	.ignore_case = true,
};
const struct conf_units conf_percents = {
	.expected = "a percentage such as 20%",
	.unit = percent_units,
	.fraction = PERCENT,
};
const struct conf_units conf_counts = {
	.expected = "a whole number",
	.unit = count_units,
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits at *at; false if they overflow. */
static bool read_digits(const char **at, uint64_t *out_value)
{
	uint64_t value = 0;

	for (; is_digit(**at); (*at)++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value))
			return false;
	}
	*out_value = value;
	return true;
}

static const struct conf_unit *find_unit(const struct conf_units *units, const char *suffix)
{
	for (const struct conf_unit *u = units->unit; u->suffix; u++) {
		if (strcmp(suffix, u->suffix) == 0 ||
		    (units->ignore_case && strcasecmp(suffix, u->suffix) == 0))
			return u;
	}
	return NULL;
}

/* ".25" in parts of the unit; only what `fraction` can hold exactly. */
static const char *read_fraction(const struct conf_units *units, const char **at,
                                 uint64_t *out_parts)
{
	uint64_t scale = units->fraction;

	*out_parts = 0;
	if (**at != '.')
		return NULL;
	if (units->fraction == 0)
		return "is not a whole number";
	if (!is_digit((*at)[1]))
		return "is not a number";
	for ((*at)++; is_digit(**at); (*at)++) {
		if (scale < 10)
			return "has too many decimals";
		scale /= 10;
		*out_parts += (uint64_t)(**at - '0') * scale;
	}
	return NULL;
}

const char *conf_units_parse(const struct conf_units *units, const char *text, uint64_t *out_value)
{
	const struct conf_unit *unit;
	const char *at = text, *problem;
	uint64_t whole, parts, value;

	if (text[0] == '-' && is_digit(text[1]))
		return "is negative";
	if (!is_digit(text[0]))
		return "is not a number";
	if (!read_digits(&at, &whole))
		return "is too large";
	problem = read_fraction(units, &at, &parts);
	if (problem)
		return problem;
	unit = find_unit(units, at);
	if (!unit && *at == '\0' && whole == 0 && parts == 0)
		unit = units->unit; /* nothing is nothing in every unit */
	if (!unit)
		return *at == '\0'             ? "has no unit"
		       : units == &conf_counts ? "is not a plain number"
		                               : "has an unknown unit";
	if (__builtin_mul_overflow(whole, unit->factor, &value) ||
	    __builtin_add_overflow(value, parts, &value))
		return "is too large";
	*out_value = value;
	return NULL;
}

/* ".5" for 500 thousandths; "" for none. */
static const char *format_fraction(const struct conf_units *units, uint64_t parts, char buf[24])
{
	size_t len = 0;

	buf[len++] = '.';
	for (uint64_t scale = units->fraction; parts > 0; parts %= scale) {
		scale /= 10;
		buf[len++] = (char)('0' + parts / scale);
	}
	buf[len] = '\0';
	return len > 1 ? buf : "";
}

char *conf_units_format(const struct conf_units *units, uint64_t value, char *buf, size_t size)
{
	const struct conf_unit *best = units->unit;
	uint64_t parts = value % best->factor;
	char fraction[24];
	int len;

	assert(parts == 0 || units->fraction > 0);
	for (const struct conf_unit *u = units->unit; u->suffix; u++) {
		if (value != 0 && value % u->factor == 0)
			best = u;
	}
	if (value == 0 && units != &conf_percents)
		len = snprintf(buf, size, "0");
	else
		len = snprintf(buf, size, "%" PRIu64 "%s%s", value / best->factor,
		               format_fraction(units, parts, fraction), best->suffix);
	assert(len > 0 && (size_t)len < size);
	(void)len;
	return buf;
}
