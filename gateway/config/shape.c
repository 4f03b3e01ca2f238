/* shape.c: values that are one of several words, or numbers with units. */
#include "gateway/config/shape.h"

#include <assert.h>
#include <math.h>
#include <unistd.h>

#include "gateway/config/nearest.h"
#include "gateway/config/table.h"

#define PERCENT_PARTS 100000.0 /* thousandths of a percent in 1.0 */

/* ---- messages --------------------------------------------------------- */

static char *join_words(struct conf_arena *a, const struct conf_directive *d, const char *rest)
{
	char *text = conf_sprintf(a, "%s", "");

	for (const char *const *w = d->words; w && *w; w++) {
		const char *gap = *text == '\0' ? "" : w[1] || rest ? ", " : " or ";

		text = conf_sprintf(a, "%s%s%s", text, gap, *w);
	}
	if (!rest)
		return text;
	return *text ? conf_sprintf(a, "%s or %s", text, rest) : conf_sprintf(a, "%s", rest);
}

char *conf_expected(struct conf_arena *a, const struct conf_directive *d)
{
	const struct conf_units *units = d->shape->units;
	char min[32], max[32];

	if (!units)
		return join_words(a, d, d->shape->expected);
	return join_words(a, d,
	                  conf_sprintf(a, "%s, from %s to %s", units->expected,
	                               conf_units_format(units, d->min, min, sizeof(min)),
	                               conf_units_format(units, d->max, max, sizeof(max))));
}

void conf_mismatch(const struct conf_reader *reader, const struct conf_word *word,
                   const char *problem)
{
	const struct conf_directive *d = reader->directive;

	conf_complain(reader->report, &word->at,
	              d->words ? conf_nearest_of(word->text, d->words) : NULL,
	              "%s: '%s' %s; expected %s", d->name, conf_show(reader->arena, word->text),
	              problem, conf_expected(reader->arena, d));
}

/* ---- words ------------------------------------------------------------ */

int conf_find_word(const struct conf_directive *d, const char *text)
{
	for (int i = 0; d->words && d->words[i]; i++) {
		if (strcmp(d->words[i], text) == 0)
			return i;
	}
	return -1;
}

static bool read_index(const struct conf_reader *reader, const struct conf_word *word,
                       int *out_index)
{
	int index = conf_find_word(reader->directive, word->text);

	if (index < 0) {
		conf_mismatch(reader, word, "is unknown");
		return false;
	}
	*out_index = index;
	return true;
}

static bool read_choice(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	int index;
	unsigned value;

	_Static_assert(sizeof(enum sl_role) == sizeof(value), "an enum is an unsigned int");
	if (!read_index(reader, word, &index))
		return false;
	value = (unsigned)index;
	memcpy(field, &value, sizeof(value));
	return true;
}

static bool write_choice(FILE *out, const struct conf_directive *d, const void *field)
{
	unsigned value;

	memcpy(&value, field, sizeof(value));
	fputs(d->words[value], out);
	return true;
}

static bool read_protocol(const struct conf_reader *reader, const struct conf_word *word,
                          void *field)
{
	struct sl_listen_conf *listen = field;
	int index;

	if (!read_index(reader, word, &index))
		return false;
	listen->h2c_only = index == 1;
	listen->h1_only = index == 2;
	return true;
}

static bool write_protocol(FILE *out, const struct conf_directive *d, const void *field)
{
	const struct sl_listen_conf *listen = field;

	fputs(d->words[listen->h2c_only ? 1 : listen->h1_only ? 2 : 0], out);
	return true;
}

static bool read_flag(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	bool on = strcmp(word->text, "on") == 0;

	if (!on && strcmp(word->text, "off") != 0) {
		conf_mismatch(reader, word, "is neither");
		return false;
	}
	*(bool *)field = on;
	return true;
}

static bool write_flag(FILE *out, const struct conf_directive *d, const void *field)
{
	(void)d;
	fputs(*(const bool *)field ? "on" : "off", out);
	return true;
}

/* ---- numbers ---------------------------------------------------------- */

static bool read_number(const struct conf_reader *reader, const struct conf_word *word,
                        uint64_t *out_value)
{
	const struct conf_directive *d = reader->directive;
	const char *problem;
	uint64_t value;

	problem = conf_units_parse(d->shape->units, word->text, &value);
	if (!problem && value < d->min)
		problem = "is too small";
	if (!problem && value > d->max)
		problem = "is too large";
	if (problem) {
		conf_mismatch(reader, word, problem);
		return false;
	}
	*out_value = value;
	return true;
}

static bool write_number(FILE *out, const struct conf_directive *d, uint64_t value)
{
	char text[32];

	fputs(conf_units_format(d->shape->units, value, text, sizeof(text)), out);
	return true;
}

static bool read_u32(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	uint64_t value;

	assert(reader->directive->max <= UINT32_MAX);
	if (!read_number(reader, word, &value))
		return false;
	*(uint32_t *)field = (uint32_t)value;
	return true;
}

static bool write_u32(FILE *out, const struct conf_directive *d, const void *field)
{
	return write_number(out, d, *(const uint32_t *)field);
}

static bool read_u64(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	return read_number(reader, word, field);
}

static bool write_u64(FILE *out, const struct conf_directive *d, const void *field)
{
	return write_number(out, d, *(const uint64_t *)field);
}

static bool read_percent(const struct conf_reader *reader, const struct conf_word *word,
                         void *field)
{
	uint64_t value;

	if (!read_number(reader, word, &value))
		return false;
	*(double *)field = (double)value / PERCENT_PARTS;
	return true;
}

static bool write_percent(FILE *out, const struct conf_directive *d, const void *field)
{
	return write_number(out, d, (uint64_t)llround(*(const double *)field * PERCENT_PARTS));
}

static bool read_threads(const struct conf_reader *reader, const struct conf_word *word,
                         void *field)
{
	const struct conf_directive *d = reader->directive;
	long cores;

	if (conf_find_word(d, word->text) < 0)
		return read_u32(reader, word, field);
	cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (cores < (long)d->min)
		cores = (long)d->min;
	*(uint32_t *)field = cores > (long)d->max ? (uint32_t)d->max : (uint32_t)cores;
	return true;
}

/* ---- the shapes ------------------------------------------------------- */

const struct conf_shape conf_shape_flag = { "on \\| off", "on or off", NULL, read_flag,
	                                    write_flag };
const struct conf_shape conf_shape_count = { "N", NULL, &conf_counts, read_u32, write_u32 };
const struct conf_shape conf_shape_threads = { "N", NULL, &conf_counts, read_threads, write_u32 };
const struct conf_shape conf_shape_size32 = { "SIZE", NULL, &conf_sizes, read_u32, write_u32 };
const struct conf_shape conf_shape_size64 = { "SIZE", NULL, &conf_sizes, read_u64, write_u64 };
const struct conf_shape conf_shape_duration = { "DURATION", NULL, &conf_durations, read_u64,
	                                        write_u64 };
const struct conf_shape conf_shape_percent = { "PERCENT", NULL, &conf_percents, read_percent,
	                                       write_percent };
const struct conf_shape conf_shape_choice = { "", NULL, NULL, read_choice, write_choice };
const struct conf_shape conf_shape_protocol = { "", NULL, NULL, read_protocol, write_protocol };
