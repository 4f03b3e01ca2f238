/* cli.c: see cli.h. */
#include "bench/cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>

#define MAX_OPTIONS 64u

/* ---- values ----------------------------------------------------------------- */

bool cli_read_real(const char *text, double *out, const char **out_rest)
{
	char *end;
	double x;

	errno = 0;
	x = strtod(text, &end);
	if (end == text || errno || !isfinite(x))
		return false;
	*out = x;
	*out_rest = end;
	return true;
}

bool cli_read_duration(const char *text, int64_t *out_us, const char **out_rest)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = { { "us", 1 }, { "ms", 1e3 }, { "s", 1e6 }, { "m", 6e7 } };
	const char *rest;
	double x;

	if (!cli_read_real(text, &x, &rest) || !(x >= 0 && x < 1e9))
		return false;
	for (size_t i = 0; i < SL_COUNT(units); i++) {
		size_t n = strlen(units[i].unit);

		if (strncmp(rest, units[i].unit, n) != 0)
			continue;
		*out_us = (int64_t)(x * units[i].us);
		*out_rest = rest + n;
		return true;
	}
	return false;
}

const char *cli_take_u64(void *to, const char *text, const struct cli_option *option)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || (double)n < option->min ||
	    (double)n > option->max)
		return "is no whole number in its range";
	*(uint64_t *)to = n;
	return NULL;
}

/* The option's greatest number must be one of 32 bits. */
const char *cli_take_u32(void *to, const char *text, const struct cli_option *option)
{
	uint64_t n = 0;
	const char *why = cli_take_u64(&n, text, option);

	if (!why)
		*(uint32_t *)to = (uint32_t)n;
	return why;
}

const char *cli_take_real(void *to, const char *text, const struct cli_option *option)
{
	const char *rest;
	double x;

	if (!cli_read_real(text, &x, &rest) || *rest || x < option->min || x > option->max)
		return "is no number in its range";
	*(double *)to = x;
	return NULL;
}

static const char *take_us(int64_t *to, const char *text, const struct cli_option *option,
                           double unit_us)
{
	double x = 0;
	const char *why = cli_take_real(&x, text, option);

	if (!why)
		*to = (int64_t)(x * unit_us);
	return why;
}

const char *cli_take_seconds(void *to, const char *text, const struct cli_option *option)
{
	return take_us(to, text, option, 1e6);
}

const char *cli_take_milliseconds(void *to, const char *text, const struct cli_option *option)
{
	return take_us(to, text, option, 1e3);
}

const char *cli_take_duration(void *to, const char *text, const struct cli_option *option)
{
	const char *rest;
	int64_t us;

	(void)option;
	if (!cli_read_duration(text, &us, &rest) || *rest)
		return "is no duration like 5ms, 30s or 2m";
	*(int64_t *)to = us;
	return NULL;
}

const char *cli_take_text(void *to, const char *text, const struct cli_option *option)
{
	(void)option;
	*(const char **)to = text;
	return NULL;
}

const char *cli_take_true(void *to, const char *text, const struct cli_option *option)
{
	(void)text;
	(void)option;
	*(bool *)to = true;
	return NULL;
}

const char *cli_take_false(void *to, const char *text, const struct cli_option *option)
{
	(void)text;
	(void)option;
	*(bool *)to = false;
	return NULL;
}

/* ---- the table --------------------------------------------------------------- */

static void print_help(const struct cli *cli, FILE *out)
{
	fprintf(out, "usage: %s %s\n\n", cli->command, cli->usage);
	for (size_t i = 0; i < cli->n_options; i++) {
		const struct cli_option *option = &cli->options[i];
		char left[40];

		snprintf(left, sizeof(left), "--%s %s", option->name,
		         option->metavar ? option->metavar : "");
		fprintf(out, "  %-24s %s\n", left, option->help);
	}
	if (cli->epilog)
		cli->epilog(out);
}

int cli_error(const struct cli *cli, const char *option, const char *value, const char *why)
{
	fprintf(stderr, "%s: --%s%s%s%s %s\n", cli->command, option, value ? " '" : "",
	        value ? value : "", value ? "'" : "", why);
	return 2;
}

int cli_parse(const struct cli *cli, int argc, char **argv, void *to)
{
	struct option longs[MAX_OPTIONS + 2] = { { "help", no_argument, NULL, 'h' } };
	int c, index;

	for (size_t i = 0; i < cli->n_options && i < MAX_OPTIONS; i++)
		longs[i + 1] =
		        (struct option){ cli->options[i].name,
			                 cli->options[i].metavar ? required_argument : no_argument,
			                 NULL, 0 };
	optind = 0; /* glibc: from the start, whatever parsed before */
	while ((c = getopt_long(argc, argv, "h", longs, &index)) != -1) {
		const struct cli_option *option;
		const char *why;

		if (c == 'h') {
			print_help(cli, stdout);
			return 0;
		}
		if (c != 0)
			return 2;
		option = &cli->options[index - 1];
		why = option->take((char *)to + option->at, optarg, option);
		if (why)
			return cli_error(cli, option->name, optarg, why);
	}
	if (optind < argc) {
		fprintf(stderr, "%s: what is '%s'? Options begin with --\n", cli->command,
		        argv[optind]);
		return 2;
	}
	return CLI_RUN;
}
