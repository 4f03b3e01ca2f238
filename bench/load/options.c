/* options.c: one table of options; it parses, checks and makes the help. */
#include "bench/load/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct option_row;

/* Puts the value where `to` points. NULL, or what is wrong with it. */
typedef const char *(*take_fn)(void *to, const char *value, const struct option_row *row);

struct option_row {
	const char *name;
	const char *metavar; /* NULL: takes no value */
	take_fn take;
	size_t at;       /* of the member that it sets */
	double min, max; /* of a number, as it is written */
	const char *help;
};

#define AT(member) offsetof(struct sl_options, member)

/* ---- values ---- */

static const char *take_u64(void *to, const char *text, const struct option_row *row)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || (double)n < row->min ||
	    (double)n > row->max)
		return "is no whole number in its range";
	*(uint64_t *)to = n;
	return NULL;
}

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "--limit is a size_t");

/* The row's greatest number must be one of 32 bits. */
static const char *take_u32(void *to, const char *text, const struct option_row *row)
{
	uint64_t n = 0;
	const char *why = take_u64(&n, text, row);

	if (!why)
		*(uint32_t *)to = (uint32_t)n;
	return why;
}

static const char *take_real(void *to, const char *text, const struct option_row *row)
{
	char *end;
	double x;

	errno = 0;
	x = strtod(text, &end);
	if (end == text || *end || errno || !isfinite(x) || x < row->min || x > row->max)
		return "is no number in its range";
	*(double *)to = x;
	return NULL;
}

static const char *take_us(int64_t *to, const char *text, const struct option_row *row,
                           double unit_us)
{
	double x = 0;
	const char *why = take_real(&x, text, row);

	if (!why)
		*to = (int64_t)(x * unit_us);
	return why;
}

static const char *take_seconds(void *to, const char *text, const struct option_row *row)
{
	return take_us(to, text, row, 1e6);
}

static const char *take_milliseconds(void *to, const char *text, const struct option_row *row)
{
	return take_us(to, text, row, 1e3);
}

static const char *take_text(void *to, const char *text, const struct option_row *row)
{
	(void)row;
	*(const char **)to = text;
	return NULL;
}

static const char *take_api(void *to, const char *text, const struct option_row *row)
{
	(void)row;
	if (!strcmp(text, "chat"))
		*(enum sl_api *)to = SL_API_CHAT;
	else if (!strcmp(text, "completions"))
		*(enum sl_api *)to = SL_API_COMPLETIONS;
	else
		return "is neither chat nor completions";
	return NULL;
}

static const char *take_true(void *to, const char *text, const struct option_row *row)
{
	(void)text;
	(void)row;
	*(bool *)to = true;
	return NULL;
}

static const char *take_false(void *to, const char *text, const struct option_row *row)
{
	(void)text;
	(void)row;
	*(bool *)to = false;
	return NULL;
}

static const char *take_on_off(void *to, const char *text, const struct option_row *row)
{
	(void)row;
	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
		return "is neither on nor off";
	*(bool *)to = text[1] == 'n';
	return NULL;
}

static const char *take_header(void *to, const char *text, const struct option_row *row)
{
	char **headers = to;
	const char *colon = strchr(text, ':');
	size_t old = strlen(*headers), n = strlen(text);

	(void)row;
	if (!colon || colon == text || strpbrk(text, "\r\n"))
		return "is no 'Name: value'";
	*headers = realloc(*headers, old + n + 3);
	if (!*headers)
		abort();
	memcpy(*headers + old, text, n);
	memcpy(*headers + old + n, "\r\n", 3);
	return NULL;
}

static const char *take_engines(void *to, const char *text, const struct option_row *row)
{
	struct sl_options *o = to;

	(void)row;
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, ",");

		if (n && o->n_engines == SL_OPTIONS_MAX_ENGINES)
			return "names too many engines";
		if (n) {
			char *url = strndup(p, n);

			if (!url)
				abort();
			o->engines[o->n_engines++] = url;
		}
		p += n + (p[n] == ',');
	}
	return NULL;
}

/* ---- the table ---- */

static const struct option_row rows[] = {
	{ "trace", "FILE", take_text, AT(trace), 0, 0, "Mooncake JSONL or Azure CSV (required)" },
	{ "url", "URL", take_text, AT(url), 0, 0, "where to send it, http://HOST:PORT (required)" },
	{ "limit", "N", take_u64, AT(limit), 1, UINT32_MAX,
	  "only the first N requests of the trace" },
	{ "rate-factor", "X", take_real, AT(rate_factor), 1e-6, 1e6,
	  "X times as fast as recorded (1)" },
	{ "tokens-scale", "F", take_real, AT(tokens_scale), 1e-4, 16,
	  "prompts, answers and blocks F times as long (1)" },
	{ "bytes-per-token", "N", take_u32, AT(bytes_per_token), 1, 64,
	  "bytes of text that stand for a token (4)" },
	{ "seed", "N", take_u64, AT(seed), 0, 0x1p64,
	  "for times and text; another seed is a cold run (1)" },
	{ "spread", "S", take_seconds, AT(spread_us), 0, 1e6,
	  "move each request by U(0, S) seconds (Mooncake 3, Azure 0)" },
	{ "max-concurrency", "N", take_u32, AT(max_concurrency), 1, 1e6,
	  "at most N at once; the rest waits (no limit)" },
	{ "model", "NAME", take_text, AT(model), 0, 0,
	  "the model to ask for (the first of /v1/models)" },
	{ "api", "NAME", take_api, AT(api), 0, 0, "chat or completions (chat)" },
	{ "stream", NULL, take_true, AT(stream), 0, 0, "ask for event streams (the default)" },
	{ "no-stream", NULL, take_false, AT(stream), 0, 0, "ask for whole answers" },
	{ "header", "'N: V'", take_header, AT(headers), 0, 0,
	  "a further header field; may be repeated" },
	{ "verify", "on|off", take_on_off, AT(verify), 0, 0,
	  "compare with the simulated engine's text (on)" },
	{ "timeout", "S", take_seconds, AT(timeout_us), 0.001, 1e6,
	  "seconds that a request may take (600)" },
	{ "slo-ttft", "MS", take_milliseconds, AT(slo_ttft_us), 0.001, 1e6,
	  "goodput counts answers that begin within this" },
	{ "slo-tpot", "MS", take_milliseconds, AT(slo_tpot_us), 0.001, 1e6,
	  "... and whose tokens follow within this" },
	{ "engines", "URLS", take_engines, 0, 0, 0,
	  "engines whose /metrics tell the prefix hit rate" },
	{ "engine-metrics", "URLS", take_engines, 0, 0, 0,
	  "the same; comma-separated or repeated" },
	{ "json", "FILE", take_text, AT(json), 0, 0,
	  "write the result as JSON (- is standard output)" },
};

static void print_help(FILE *out)
{
	fprintf(out, "usage: sluice-bench replay --trace FILE --url URL [OPTION...]\n\n"
	             "Sends a recorded workload at its own pace, whether answers come or not, and\n"
	             "measures and checks the answers.\n\n");
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s %s", rows[i].name,
		         rows[i].metavar ? rows[i].metavar : "");
		fprintf(out, "  %-24s %s\n", left, rows[i].help);
	}
	fprintf(out,
	        "\nExit status: 0 every answer came and was right, 1 some did not or were not,\n"
	        "2 the replay could not be done.\n");
}

static int usage_error(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "sluice-bench replay: --%s%s%s%s %s\n", option, value ? " '" : "",
	        value ? value : "", value ? "'" : "", why);
	return 2;
}

static int check(const struct sl_options *o)
{
	if (!o->trace)
		return usage_error("trace", NULL, "is missing; --help lists the options");
	if (!o->url)
		return usage_error("url", NULL, "is missing; --help lists the options");
	if (!o->stream && (o->slo_ttft_us || o->slo_tpot_us))
		return usage_error("slo-ttft", NULL,
		                   "and --slo-tpot need streams, not --no-stream");
	return SL_OPTIONS_RUN;
}

static int take_all(int argc, char **argv, struct sl_options *o)
{
	struct option longs[SL_COUNT(rows) + 2] = { { "help", no_argument, NULL, 'h' } };
	int c, index;

	for (size_t i = 0; i < SL_COUNT(rows); i++)
		longs[i + 1] = (struct option){ rows[i].name,
			                        rows[i].metavar ? required_argument : no_argument,
			                        NULL, 0 };
	optind = 0; /* glibc: from the start, whatever parsed before */
	while ((c = getopt_long(argc, argv, "h", longs, &index)) != -1) {
		const struct option_row *row;
		const char *why;

		if (c == 'h') {
			print_help(stdout);
			return 0;
		}
		if (c != 0)
			return 2;
		row = &rows[index - 1];
		why = row->take((char *)o + row->at, optarg, row);
		if (why)
			return usage_error(row->name, optarg, why);
	}
	if (optind < argc) {
		fprintf(stderr, "sluice-bench replay: what is '%s'? Options begin with --\n",
		        argv[optind]);
		return 2;
	}
	return check(o);
}

int sl_options_parse(int argc, char **argv, struct sl_options *out_options)
{
	struct sl_options o = {
		.rate_factor = 1,
		.tokens_scale = 1,
		.seed = 1,
		.bytes_per_token = SL_SIM_TOKEN_BYTES,
		.stream = true,
		.verify = true,
		.timeout_us = 600 * 1000000LL,
		.spread_us = -1,
		.headers = strdup(""),
	};
	int status;

	if (!o.headers)
		abort();
	status = take_all(argc, argv, &o);
	if (status == SL_OPTIONS_RUN)
		*out_options = o;
	else
		sl_options_fini(&o);
	return status;
}

void sl_options_fini(struct sl_options *o)
{
	free(o->headers);
	for (size_t i = 0; i < o->n_engines; i++)
		free(o->engines[i]);
}
