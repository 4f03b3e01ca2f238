/* shape_text.c: values that are text: names, paths, hosts. */
#include "gateway/config/address.h"
#include "gateway/config/nearest.h"
#include "gateway/config/table.h"

#define MAX_NAME 64
#define MAX_MODEL 256

void conf_write_word(FILE *out, const char *text)
{
	bool bare = *text && *text != '#' && !strpbrk(text, " \t;{}\"'\\$");

	if (bare) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (strchr("\"\\$", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static bool write_text(FILE *out, const struct conf_directive *d, const void *field)
{
	const char *text = *(char *const *)field;

	(void)d;
	if (!text || !*text)
		return false;
	conf_write_word(out, text);
	return true;
}

static bool keep_text(const struct conf_reader *reader, const struct conf_word *word,
                      const char *problem, void *field)
{
	if (*word->text == '\0')
		problem = "is empty";
	if (problem) {
		conf_mismatch(reader, word, problem);
		return false;
	}
	*(char **)field = conf_strndup(reader->arena, word->text, strlen(word->text));
	return true;
}

static bool read_level(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	if (conf_find_word(reader->directive, word->text) < 0) {
		conf_mismatch(reader, word, "is unknown");
		return false;
	}
	return keep_text(reader, word, NULL, field);
}

static bool is_name(const char *text)
{
	for (; *text; text++) {
		bool alpha = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');

		if (!alpha && !(*text >= '0' && *text <= '9') && !strchr("-_.", *text))
			return false;
	}
	return true;
}

static bool read_name(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	const char *problem = NULL;

	if (!is_name(word->text) || strlen(word->text) > MAX_NAME)
		problem = "is not a name";
	return keep_text(reader, word, problem, field);
}

static bool read_model(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	return keep_text(reader, word, strlen(word->text) > MAX_MODEL ? "is too long" : NULL,
	                 field);
}

static bool read_host(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	return keep_text(reader, word, conf_host_problem(word->text), field);
}

static bool read_profile(const struct conf_reader *reader, const struct conf_word *word,
                         void *field)
{
	const struct sl_profile *profile;
	struct conf_nearest nearest;
	char *known = conf_sprintf(reader->arena, "%s", "");

	if (sl_profile_find(word->text))
		return keep_text(reader, word, NULL, field);
	conf_nearest_init(&nearest, word->text);
	for (size_t k = 0; (profile = sl_profile_at(k)); k++) {
		conf_nearest_offer(&nearest, profile->name);
		known = conf_sprintf(reader->arena, "%s%s%s", known, *known ? ", " : "",
		                     profile->name);
	}
	conf_complain(reader->report, &word->at, nearest.best,
	              "%s: there is no profile '%s'; there are %s", reader->directive->name,
	              conf_show(reader->arena, word->text), known);
	return false;
}

static bool read_file(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	if (*word->text == '\0')
		return keep_text(reader, word, NULL, field);
	*(char **)field = conf_source_resolve(reader->arena, word->at.source, word->text);
	return true;
}

static bool read_log(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	if (conf_find_word(reader->directive, word->text) >= 0)
		return keep_text(reader, word, NULL, field);
	/* A misspelt word must not become a file's name. */
	if (*word->text && !strchr(word->text, '/')) {
		conf_mismatch(reader, word, "is no path");
		return false;
	}
	return read_file(reader, word, field);
}

static bool is_url_path(const char *text)
{
	if (*text++ != '/')
		return false;
	for (; *text; text++) {
		if (*text <= ' ' || *text > '~' || strchr("#\"<>\\^`{|}", *text))
			return false;
	}
	return true;
}

static bool read_url_path(const struct conf_reader *reader, const struct conf_word *word,
                          void *field)
{
	int k = conf_find_word(reader->directive, word->text);

	if (k == 0) {
		*(char **)field = conf_strndup(reader->arena, "", 0);
		return true;
	}
	return keep_text(reader, word,
	                 k > 0 || is_url_path(word->text) ? NULL : "is no path of a URL", field);
}

static bool write_url_path(FILE *out, const struct conf_directive *d, const void *field)
{
	if (!write_text(out, d, field) && d->words)
		fputs(d->words[0], out);
	return true;
}

const struct conf_shape conf_shape_level = { "", NULL, NULL, read_level, write_text };
const struct conf_shape conf_shape_name = {
	"NAME", "a name of at most 64 letters, digits, '-', '_' and '.'", NULL, read_name,
	write_text
};
const struct conf_shape conf_shape_model = { "MODEL", "the name of a model, at most 256 bytes",
	                                     NULL, read_model, write_text };
const struct conf_shape conf_shape_profile = { "PROFILE", "the name of a profile", NULL,
	                                       read_profile, write_text };
const struct conf_shape conf_shape_host = { "HOST", "a host name or an IP address", NULL, read_host,
	                                    write_text };
const struct conf_shape conf_shape_file = { "FILE", "the path of a file", NULL, read_file,
	                                    write_text };
const struct conf_shape conf_shape_log = { "FILE", "the path of a file, with a '/' in it", NULL,
	                                   read_log, write_text };
const struct conf_shape conf_shape_url_path = { "PATH", "a path such as /health", NULL,
	                                        read_url_path, write_url_path };
