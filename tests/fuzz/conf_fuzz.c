/* conf_fuzz.c: any text either gives errors or a configuration whose dump is
 * a configuration with the same dump. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The dump without comments, which hold the origins. */
static char *dump_of(const struct sl_config *config)
{
	char *text = NULL, *line, *rest, *plain = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	sl_config_dump(config, out);
	fclose(out);
	out = open_memstream(&plain, &len);
	for (rest = text; (line = strsep(&rest, "\n"));) {
		char *last = NULL;

		for (char *hit = strstr(line, " # "); hit; hit = strstr(hit + 1, " # "))
			last = hit;
		if (last && line[strspn(line, " ")] != '#')
			*last = '\0';
		while (*line && line[strlen(line) - 1] == ' ')
			line[strlen(line) - 1] = '\0';
		fprintf(out, "%s\n", line);
	}
	fclose(out);
	free(text);
	return plain;
}

static void check_dump(const struct sl_config *config)
{
	char *dump = dump_of(config), *again;
	struct sl_config_errors errors;
	struct sl_config *reread = sl_config_parse("fuzz", dump, strlen(dump), &errors);

	if (!reread) {
		fprintf(stderr, "%s%s", dump, errors.text);
		abort();
	}
	again = dump_of(reread);
	assert(strcmp(dump, again) == 0);
	sl_config_errors_fini(&errors);
	sl_config_unref(reread);
	free(dump);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sl_config_errors errors;
	struct sl_config *config;

	if (len > 1u << 16) /* a dump is longer, and must stay within the limits */
		return 0;
	config = sl_config_parse("fuzz", (const char *)data, len, &errors);
	assert((config == NULL) == (errors.count > 0));
	assert((errors.count > 0) == (*errors.text != '\0'));
	if (config)
		check_dump(config);
	sl_config_errors_fini(&errors);
	sl_config_unref(config);
	return 0;
}
