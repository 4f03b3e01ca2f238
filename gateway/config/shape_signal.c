/* shape_signal.c: what a signal is read from: a Prometheus metric, a label, a
 * factor. */
#include <math.h>
#include <stdlib.h>

#include "gateway/config/arena.h"
#include "gateway/config/table.h"

#define MAX_TEXT 256
#define MAX_FACTOR 1e12

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
static const char name_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
static const char family_chars[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789:";

static bool read_family(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	size_t len = strlen(word->text);

	if (len == 0 || len > MAX_TEXT || strspn(word->text, family_chars) != len ||
	    (word->text[0] >= '0' && word->text[0] <= '9')) {
		conf_mismatch(reader, word, "is no metric's name");
		return false;
	}
	*(char **)field = conf_strndup(reader->arena, word->text, len);
	return true;
}

static bool write_family(FILE *out, const struct conf_directive *d, const void *field)
{
	const char *text = *(char *const *)field;

	(void)d;
	if (!*text)
		return false;
	conf_write_word(out, text);
	return true;
}

static bool read_match(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	const char *equals = strchr(word->text, '=');
	size_t len = equals ? (size_t)(equals - word->text) : 0;

	if (len == 0 || strspn(word->text, name_chars) != len || !strchr(letters, *word->text) ||
	    strlen(word->text) > MAX_TEXT) {
		conf_mismatch(reader, word, "is no label with a value");
		return false;
	}
	*(struct sl_label_match *)field = (struct sl_label_match){
		conf_strndup(reader->arena, word->text, len),
		conf_strndup(reader->arena, equals + 1, strlen(equals + 1)),
	};
	return true;
}

static bool write_match(FILE *out, const struct conf_directive *d, const void *field)
{
	const struct sl_label_match *match = field;
	char text[MAX_TEXT + 2];

	(void)d;
	if (!*match->label)
		return false;
	snprintf(text, sizeof(text), "%s=%s", match->label, match->value);
	conf_write_word(out, text);
	return true;
}

static bool read_factor(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	char *end;
	double value = strtod(word->text, &end);

	/* strtod takes more than numbers as people write them. */
	if (*end || strspn(word->text, "0123456789.eE+-") != strlen(word->text) || !(value > 0) ||
	    value > MAX_FACTOR) {
		conf_mismatch(reader, word, "is no such number");
		return false;
	}
	*(double *)field = value;
	return true;
}

static bool write_factor(FILE *out, const struct conf_directive *d, const void *field)
{
	double value = *(const double *)field;
	char text[32];

	(void)d;
	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) < value || strtod(text, NULL) > value)
		snprintf(text, sizeof(text), "%.17g", value);
	fputs(text, out);
	return true;
}

const struct conf_shape conf_shape_family = {
	"METRIC", "the name of a Prometheus metric, such as vllm:num_requests_running", NULL,
	read_family, write_family
};
const struct conf_shape conf_shape_match = { "LABEL=VALUE", "LABEL=VALUE, such as state=running",
	                                     NULL, read_match, write_match };
const struct conf_shape conf_shape_factor = { "NUMBER", "a number above 0, such as 0.01", NULL,
	                                      read_factor, write_factor };
