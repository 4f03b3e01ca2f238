/* cli.h: command lines from one table of options: parsing, checking, help. */
#ifndef SLUICE_CLI_H
#define SLUICE_CLI_H

#include <stdio.h>

#include "sluice/base.h"

struct cli_option;

/* Puts the value where `to` points. NULL, or what is wrong with it ("is no
 * ..."); static. */
typedef const char *(*cli_take_fn)(void *to, const char *value, const struct cli_option *option);

struct cli_option {
	const char *name;    /* without the dashes */
	const char *metavar; /* NULL: takes no value */
	cli_take_fn take;
	size_t at;       /* of the member that it sets */
	double min, max; /* of a number, as it is written */
	const char *help;
};

struct cli {
	const char *command; /* "sluice-bench replay" */
	const char *usage;   /* what follows it, and a line or two of what it does */
	const struct cli_option *options;
	size_t n_options;
	void (*epilog)(FILE *out); /* after the options; or NULL */
};

/* How a parse went; anything else is an exit status, and all is said. */
#define CLI_RUN (-1)

/* Options of argv[1..] into the struct `to`. */
int cli_parse(const struct cli *cli, int argc, char **argv, void *to);
/* Says what is wrong with an option; value may be NULL. Returns 2. */
int cli_error(const struct cli *cli, const char *option, const char *value, const char *why);

/* The usual values. Whole numbers are uint32_t or uint64_t, reals double,
 * times int64_t microseconds; texts are borrowed from argv. */
const char *cli_take_u32(void *to, const char *text, const struct cli_option *option);
const char *cli_take_u64(void *to, const char *text, const struct cli_option *option);
const char *cli_take_real(void *to, const char *text, const struct cli_option *option);
const char *cli_take_seconds(void *to, const char *text, const struct cli_option *option);
const char *cli_take_milliseconds(void *to, const char *text, const struct cli_option *option);
const char *cli_take_text(void *to, const char *text, const struct cli_option *option);
const char *cli_take_true(void *to, const char *text, const struct cli_option *option);
const char *cli_take_false(void *to, const char *text, const struct cli_option *option);
/* "5ms", "30s", "2m", "0.5s". */
const char *cli_take_duration(void *to, const char *text, const struct cli_option *option);

/* The same for a part of a text: a number or a duration up to `end`'s
 * character, which out_rest then points behind. False: there is none. */
bool cli_read_real(const char *text, double *out, const char **out_rest);
bool cli_read_duration(const char *text, int64_t *out_us, const char **out_rest);

#endif
