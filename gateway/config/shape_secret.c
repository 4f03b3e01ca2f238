/* shape_secret.c: values that are used but never shown, by reference or not. */
#include <stdlib.h>

#include "gateway/config/table.h"

#define MAX_SECRET 8192

static const char *read_secret_file(const struct conf_reader *reader, const struct conf_word *word,
                                    char **out_text)
{
	const char *path = conf_source_resolve(reader->arena, word->at.source, word->text + 5);
	const char *problem;
	struct conf_source *file = conf_source_read(reader->arena, path, MAX_SECRET, &problem);
	size_t len;

	if (!file)
		return conf_sprintf(reader->arena, "cannot read %s: %s", path, problem);
	len = file->len;
	while (len > 0 && (file->text[len - 1] == '\n' || file->text[len - 1] == '\r'))
		len--;
	*out_text = conf_strndup(reader->arena, file->text, len);
	return strlen(*out_text) == len ? NULL : "a zero byte in the file";
}

static const char *resolve_secret(const struct conf_reader *reader, const struct conf_word *word,
                                  char **out_text)
{
	const char *value;

	if (strncmp(word->text, "file:", 5) == 0)
		return read_secret_file(reader, word, out_text);
	if (strncmp(word->text, "env:", 4) == 0) {
		value = getenv(word->text + 4);
		if (!value)
			return conf_sprintf(reader->arena, "the environment variable %s is not set",
			                    word->text + 4);
	} else {
		value = word->text;
	}
	*out_text = conf_strndup(reader->arena, value, strlen(value));
	return NULL;
}

/* It goes into a header field: visible ASCII only. No message shows it. */
static bool read_secret(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	char *text = NULL;
	const char *problem = resolve_secret(reader, word, &text);

	if (!problem && *text == '\0')
		problem = "the secret is empty";
	for (const char *c = text; c && *c && !problem; c++) {
		if (*c <= ' ' || *c > '~')
			problem = "the secret holds a space, a control character or no ASCII";
	}
	if (problem) {
		conf_complain(reader->report, &word->at, NULL, "%s: %s", reader->directive->name,
		              problem);
		return false;
	}
	*(char **)field = text;
	return true;
}

static bool write_secret(FILE *out, const struct conf_directive *d, const void *field)
{
	const char *text = *(char *const *)field;

	(void)d;
	if (!text || !*text)
		return false;
	fputs("***", out);
	return true;
}

const struct conf_shape conf_shape_secret = { "SECRET", "file:PATH, env:NAME or the secret itself",
	                                      NULL, read_secret, write_secret };
