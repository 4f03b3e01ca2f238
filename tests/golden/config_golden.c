/* config_golden.c: configuration texts against stored results.
 *
 *   good FILE      loads; -T is FILE's .dump, and -T of -T is the same
 *   bad FILE       does not load; the errors are FILE's .err
 *   example FILE   loads, and -T of -T is the same
 *   defaults FILE  states nothing but defaults
 *   document       docs/configuration.md is what the table says
 *
 * Run in tests/golden/config, whose path is shown as $HERE. With
 * SLUICE_UPDATE_GOLDEN set, stored results are written instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/config/config.h"

static const char minimal[] = "listen 8080; pool { server 127.0.0.1:8000; }\n";

static void *must(void *p, const char *what)
{
	if (!p) {
		perror(what);
		exit(2);
	}
	return p;
}

static FILE *open_text(char **text, size_t *len)
{
	return must(open_memstream(text, len), "open_memstream");
}

static char *read_file(const char *path)
{
	FILE *in = fopen(path, "rb"), *out;
	char *text, buf[4096];
	size_t len, n;

	if (!in)
		return must(strdup(""), "strdup");
	out = open_text(&text, &len);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		fwrite(buf, 1, n, out);
	fclose(in);
	fclose(out);
	return text;
}

static void write_file(const char *path, const char *text)
{
	FILE *out = must(fopen(path, "wb"), path);

	fputs(text, out);
	fclose(out);
}

/* Where the tree lies is no part of a result. */
static char *without_here(const char *text)
{
	char *here = must(getcwd(NULL, 0), "getcwd"), *result;
	const char *hit;
	size_t len;
	FILE *out = open_text(&result, &len);

	while ((hit = strstr(text, here))) {
		fprintf(out, "%.*s$HERE", (int)(hit - text), text);
		text = hit + strlen(here);
	}
	fputs(text, out);
	fclose(out);
	free(here);
	return result;
}

/* Each line without the comment that names its origin. */
static char *without_origins(const char *text)
{
	char *copy = must(strdup(text), "strdup"), *rest = copy, *line, *result;
	size_t len;
	FILE *out = open_text(&result, &len);

	while ((line = strsep(&rest, "\n"))) {
		char *last = NULL;

		for (char *hit = strstr(line, " # "); hit; hit = strstr(hit + 1, " # "))
			last = hit;
		if (last && line[strspn(line, " ")] != '#') {
			while (last > line && last[-1] == ' ')
				last--;
			*last = '\0';
		}
		fprintf(out, "%s\n", line);
	}
	fclose(out);
	free(copy);
	return result;
}

static char *dump_of(const struct sl_config *config)
{
	char *text;
	size_t len;
	FILE *out = open_text(&text, &len);

	sl_config_dump(config, out);
	fclose(out);
	return text;
}

static int differ(const char *what, const char *expected, const char *got)
{
	if (strcmp(expected, got) == 0)
		return 0;
	fprintf(stderr, "%s differs\n--- expected\n%s--- got\n%s", what, expected, got);
	return 1;
}

static int compare_stored(const char *path, const char *got)
{
	char *clean = without_here(got), *expected;
	int result;

	if (getenv("SLUICE_UPDATE_GOLDEN"))
		write_file(path, clean);
	expected = read_file(path);
	result = differ(path, expected, clean);
	free(expected);
	free(clean);
	return result;
}

static char *stored_name(const char *path, const char *suffix)
{
	const char *dot = strrchr(path, '.');
	char *name;
	size_t len;
	FILE *out = open_text(&name, &len);

	fprintf(out, "%.*s%s", (int)(dot - path), path, suffix);
	fclose(out);
	return name;
}

/* NULL, and a word about it, if it does not load. */
static struct sl_config *load(const char *path)
{
	struct sl_config_errors errors;
	struct sl_config *config = sl_config_load(path, &errors);

	if (!config || errors.count != 0)
		fprintf(stderr, "%s should load:\n%s", path, errors.text);
	sl_config_errors_fini(&errors);
	return config;
}

static int check_fixpoint(const char *dump)
{
	struct sl_config_errors errors;
	struct sl_config *config = sl_config_parse("dump", dump, strlen(dump), &errors);
	char *first = without_origins(dump), *again, *second;
	int result;

	if (!config) {
		fprintf(stderr, "the dump should load:\n%s", errors.text);
		exit(1);
	}
	again = dump_of(config);
	second = without_origins(again);
	result = differ("the dump of the dump", first, second);
	sl_config_errors_fini(&errors);
	sl_config_unref(config);
	free(first);
	free(again);
	free(second);
	return result;
}

static int run_good(const char *path)
{
	struct sl_config *config = load(path);
	char *name = stored_name(path, ".dump"), *dump;
	int result;

	if (!config)
		return 1;
	dump = dump_of(config);
	result = compare_stored(name, dump) + check_fixpoint(dump);
	sl_config_unref(config);
	free(dump);
	free(name);
	return result != 0;
}

static int run_bad(const char *path)
{
	struct sl_config_errors errors;
	struct sl_config *config = sl_config_load(path, &errors);
	char *name = stored_name(path, ".err");
	int result;

	if (config || errors.count == 0) {
		fprintf(stderr, "%s should not load\n", path);
		return 1;
	}
	result = compare_stored(name, errors.text);
	sl_config_errors_fini(&errors);
	free(name);
	return result;
}

static int run_example(const char *path)
{
	struct sl_config *config = load(path);
	char *dump;
	int result;

	if (!config)
		return 1;
	dump = dump_of(config);
	result = check_fixpoint(dump);
	sl_config_unref(config);
	free(dump);
	return result;
}

static char *plain_dump(const char *text)
{
	struct sl_config_errors errors;
	struct sl_config *config = sl_config_parse("text", text, strlen(text), &errors);
	char *dump, *plain;

	if (!config) {
		fputs(errors.text, stderr);
		exit(1);
	}
	dump = dump_of(config);
	plain = without_origins(dump);
	sl_config_errors_fini(&errors);
	sl_config_unref(config);
	free(dump);
	return plain;
}

static int run_defaults(const char *path)
{
	char *text, *with, *without;
	size_t len;
	FILE *out = open_text(&text, &len);
	int result;

	fprintf(out, "include %s;\n%s", path, minimal);
	fclose(out);
	with = plain_dump(text);
	without = plain_dump(minimal);
	result = differ(path, without, with);
	free(text);
	free(with);
	free(without);
	return result;
}

static int run_document(const char *path)
{
	char *text, *stored;
	size_t len;
	FILE *out = open_text(&text, &len);
	int result;

	(void)path;
	sl_config_document(out);
	fclose(out);
	if (getenv("SLUICE_UPDATE_GOLDEN"))
		write_file(SOURCE_DIR "/docs/configuration.md", text);
	stored = read_file(SOURCE_DIR "/docs/configuration.md");
	result = strcmp(stored, text) != 0;
	if (result)
		fputs("docs/configuration.md is behind; run this with SLUICE_UPDATE_GOLDEN=1\n",
		      stderr);
	free(stored);
	free(text);
	return result;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const char *path);
	} modes[] = {
		{ "good", run_good },         { "bad", run_bad },
		{ "example", run_example },   { "defaults", run_defaults },
		{ "document", run_document },
	};

	setenv("GOLDEN_HOST", "10.9.8.7", 1);
	setenv("GOLDEN_EMPTY", "", 1);
	setenv("GOLDEN_KEY", "sk-from-the-environment", 1);
	setenv("GOLDEN_BELL", "a\ab", 1);
	unsetenv("GOLDEN_UNSET");
	for (size_t i = 0; i < SL_COUNT(modes); i++) {
		if (argc > 1 && strcmp(argv[1], modes[i].name) == 0)
			return modes[i].run(argc > 2 ? argv[2] : "");
	}
	fputs("usage: golden-config good|bad|example|defaults|document [FILE]\n", stderr);
	return 2;
}
