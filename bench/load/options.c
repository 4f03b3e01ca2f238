/* options.c: one table of options; it parses, checks and makes the help. */
#include "bench/load/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef const char *(*take_fn)(struct sl_options *o, const char *value);

struct option_row {
	const char *name;
	const char *metavar; /* NULL: takes no value */
	take_fn take;        /* NULL, or what is wrong with the value */
	const char *help;
};

/* ---- values ---- */

static const char *take_count(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n < min || n > max)
		return "is no whole number in its range";
	*out = n;
	return NULL;
}

static const char *take_real(const char *text, double min, double max, double *out)
{
	char *end;
	double x;

	errno = 0;
	x = strtod(text, &end);
	if (end == text || *end || errno || !isfinite(x) || x < min || x > max)
		return "is no number in its range";
	*out = x;
	return NULL;
}

static const char *take_us(const char *text, double unit_us, double min, int64_t *out)
{
	double x = 0;
	const char *why = take_real(text, min, 1e6, &x);

	if (!why)
		*out = (int64_t)(x * unit_us);
	return why;
}

static const char *take_trace(struct sl_options *o, const char *value)
{
	o->trace = value;
	return NULL;
}

static const char *take_url(struct sl_options *o, const char *value)
{
	o->url = value;
	return NULL;
}

static const char *take_json(struct sl_options *o, const char *value)
{
	o->json = value;
	return NULL;
}

static const char *take_model(struct sl_options *o, const char *value)
{
	o->model = value;
	return NULL;
}

static const char *take_limit(struct sl_options *o, const char *value)
{
	uint64_t n = 0;
	const char *why = take_count(value, 1, UINT32_MAX, &n);

	o->limit = n;
	return why;
}

static const char *take_rate(struct sl_options *o, const char *value)
{
	return take_real(value, 1e-6, 1e6, &o->rate_factor);
}

static const char *take_scale(struct sl_options *o, const char *value)
{
	return take_real(value, 1e-4, 16, &o->tokens_scale);
}

static const char *take_seed(struct sl_options *o, const char *value)
{
	return take_count(value, 0, UINT64_MAX, &o->seed);
}

static const char *take_bytes(struct sl_options *o, const char *value)
{
	uint64_t n = o->bytes_per_token;
	const char *why = take_count(value, 1, 64, &n);

	o->bytes_per_token = (uint32_t)n;
	return why;
}

static const char *take_concurrency(struct sl_options *o, const char *value)
{
	uint64_t n = 0;
	const char *why = take_count(value, 1, 1000000, &n);

	o->max_concurrency = (uint32_t)n;
	return why;
}

static const char *take_api(struct sl_options *o, const char *value)
{
	if (!strcmp(value, "chat"))
		o->api = SL_API_CHAT;
	else if (!strcmp(value, "completions"))
		o->api = SL_API_COMPLETIONS;
	else
		return "is neither chat nor completions";
	return NULL;
}

static const char *take_stream(struct sl_options *o, const char *value)
{
	(void)value;
	o->stream = true;
	return NULL;
}

static const char *take_no_stream(struct sl_options *o, const char *value)
{
	(void)value;
	o->stream = false;
	return NULL;
}

static const char *take_verify(struct sl_options *o, const char *value)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return "is neither on nor off";
	o->verify = value[1] == 'n';
	return NULL;
}

static const char *take_timeout(struct sl_options *o, const char *value)
{
	return take_us(value, 1e6, 0.001, &o->timeout_us);
}

static const char *take_spread(struct sl_options *o, const char *value)
{
	return take_us(value, 1e6, 0, &o->spread_us);
}

static const char *take_slo_ttft(struct sl_options *o, const char *value)
{
	return take_us(value, 1e3, 0.001, &o->slo_ttft_us);
}

static const char *take_slo_tpot(struct sl_options *o, const char *value)
{
	return take_us(value, 1e3, 0.001, &o->slo_tpot_us);
}

static const char *take_header(struct sl_options *o, const char *value)
{
	const char *colon = strchr(value, ':');
	size_t old = strlen(o->headers), n = strlen(value);

	if (!colon || colon == value || strpbrk(value, "\r\n"))
		return "is no 'Name: value'";
	o->headers = realloc(o->headers, old + n + 3);
	if (!o->headers)
		abort();
	memcpy(o->headers + old, value, n);
	memcpy(o->headers + old + n, "\r\n", 3);
	return NULL;
}

static const char *take_engines(struct sl_options *o, const char *value)
{
	for (const char *p = value; *p;) {
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
	{ "trace", "FILE", take_trace, "Mooncake JSONL or Azure CSV (required)" },
	{ "url", "URL", take_url, "where to send it, http://HOST:PORT (required)" },
	{ "limit", "N", take_limit, "only the first N requests of the trace" },
	{ "rate-factor", "X", take_rate, "X times as fast as recorded (1)" },
	{ "tokens-scale", "F", take_scale, "prompts, answers and blocks F times as long (1)" },
	{ "bytes-per-token", "N", take_bytes, "bytes of text that stand for a token (4)" },
	{ "seed", "N", take_seed, "for times and text; another seed is a cold run (1)" },
	{ "spread", "S", take_spread,
	  "move each request by U(0, S) seconds (Mooncake 3, Azure 0)" },
	{ "max-concurrency", "N", take_concurrency,
	  "at most N at once; the rest waits (no limit)" },
	{ "model", "NAME", take_model, "the model to ask for (the first of /v1/models)" },
	{ "api", "NAME", take_api, "chat or completions (chat)" },
	{ "stream", NULL, take_stream, "ask for event streams (the default)" },
	{ "no-stream", NULL, take_no_stream, "ask for whole answers" },
	{ "header", "'N: V'", take_header, "a further header field; may be repeated" },
	{ "verify", "on|off", take_verify, "compare with the simulated engine's text (on)" },
	{ "timeout", "S", take_timeout, "seconds that a request may take (600)" },
	{ "slo-ttft", "MS", take_slo_ttft, "goodput counts answers that begin within this" },
	{ "slo-tpot", "MS", take_slo_tpot, "... and whose tokens follow within this" },
	{ "engines", "URLS", take_engines, "engines whose /metrics tell the prefix hit rate" },
	{ "engine-metrics", "URLS", take_engines, "the same; comma-separated or repeated" },
	{ "json", "FILE", take_json, "write the result as JSON (- is standard output)" },
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
		const char *why;

		if (c == 'h') {
			print_help(stdout);
			return 0;
		}
		if (c != 0)
			return 2;
		why = rows[index - 1].take(o, optarg);
		if (why)
			return usage_error(rows[index - 1].name, optarg, why);
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
