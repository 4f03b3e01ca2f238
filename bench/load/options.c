/* options.c: one table of options; it parses, checks and makes the help. */
#include "bench/load/options.h"

#include <stdlib.h>

#include "bench/cli/cli.h"

#define AT(member) offsetof(struct sl_options, member)

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "--limit is a size_t");

/* ---- values ---- */

static const char *take_api(void *to, const char *text, const struct cli_option *option)
{
	(void)option;
	if (!strcmp(text, "chat"))
		*(enum sl_api *)to = SL_API_CHAT;
	else if (!strcmp(text, "completions"))
		*(enum sl_api *)to = SL_API_COMPLETIONS;
	else
		return "is neither chat nor completions";
	return NULL;
}

static const char *take_on_off(void *to, const char *text, const struct cli_option *option)
{
	(void)option;
	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
		return "is neither on nor off";
	*(bool *)to = text[1] == 'n';
	return NULL;
}

static const char *take_header(void *to, const char *text, const struct cli_option *option)
{
	char **headers = to;
	const char *colon = strchr(text, ':');
	size_t old = strlen(*headers), n = strlen(text);

	(void)option;
	if (!colon || colon == text || strpbrk(text, "\r\n"))
		return "is no 'Name: value'";
	*headers = realloc(*headers, old + n + 3);
	if (!*headers)
		abort();
	memcpy(*headers + old, text, n);
	memcpy(*headers + old + n, "\r\n", 3);
	return NULL;
}

static const char *take_engines(void *to, const char *text, const struct cli_option *option)
{
	struct sl_options *o = to;

	(void)option;
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

static const struct cli_option rows[] = {
	{ "trace", "FILE", cli_take_text, AT(trace), 0, 0,
	  "Mooncake JSONL or Azure CSV (required)" },
	{ "url", "URL", cli_take_text, AT(url), 0, 0,
	  "where to send it, http://HOST:PORT (required)" },
	{ "limit", "N", cli_take_u64, AT(limit), 1, UINT32_MAX,
	  "only the first N requests of the trace" },
	{ "rate-factor", "X", cli_take_real, AT(rate_factor), 1e-6, 1e6,
	  "X times as fast as recorded (1)" },
	{ "tokens-scale", "F", cli_take_real, AT(tokens_scale), 1e-4, 16,
	  "prompts, answers and blocks F times as long (1)" },
	{ "bytes-per-token", "N", cli_take_u32, AT(bytes_per_token), 1, 64,
	  "bytes of text that stand for a token (4)" },
	{ "seed", "N", cli_take_u64, AT(seed), 0, 0x1p64,
	  "for times and text; another seed is a cold run (1)" },
	{ "spread", "S", cli_take_seconds, AT(spread_us), 0, 1e6,
	  "move each request by U(0, S) seconds (Mooncake 3, Azure 0)" },
	{ "max-concurrency", "N", cli_take_u32, AT(max_concurrency), 1, 1e6,
	  "at most N at once; the rest waits (no limit)" },
	{ "model", "NAME", cli_take_text, AT(model), 0, 0,
	  "the model to ask for (the first of /v1/models)" },
	{ "api", "NAME", take_api, AT(api), 0, 0, "chat or completions (chat)" },
	{ "stream", NULL, cli_take_true, AT(stream), 0, 0, "ask for event streams (the default)" },
	{ "no-stream", NULL, cli_take_false, AT(stream), 0, 0, "ask for whole answers" },
	{ "header", "'N: V'", take_header, AT(headers), 0, 0,
	  "a further header field; may be repeated" },
	{ "verify", "on|off", take_on_off, AT(verify), 0, 0,
	  "compare with the simulated engine's text (on)" },
	{ "timeout", "S", cli_take_seconds, AT(timeout_us), 0.001, 1e6,
	  "seconds that a request may take (600)" },
	{ "slo-ttft", "MS", cli_take_milliseconds, AT(slo_ttft_us), 0.001, 1e6,
	  "goodput counts answers that begin within this" },
	{ "slo-tpot", "MS", cli_take_milliseconds, AT(slo_tpot_us), 0.001, 1e6,
	  "... and whose tokens follow within this" },
	{ "engines", "URLS", take_engines, 0, 0, 0,
	  "engines whose /metrics tell the prefix hit rate" },
	{ "engine-metrics", "URLS", take_engines, 0, 0, 0,
	  "the same; comma-separated or repeated" },
	{ "json", "FILE", cli_take_text, AT(json), 0, 0,
	  "write the result as JSON (- is standard output)" },
};

static void print_exit_status(FILE *out)
{
	fprintf(out,
	        "\nExit status: 0 every answer came and was right, 1 some did not or were not,\n"
	        "2 the replay could not be done.\n");
}

static const struct cli cli = {
	.command = "sluice-bench replay",
	.usage = "--trace FILE --url URL [OPTION...]\n\n"
	         "Sends a recorded workload at its own pace, whether answers come or not, and\n"
	         "measures and checks the answers.",
	.options = rows,
	.n_options = SL_COUNT(rows),
	.epilog = print_exit_status,
};

static int check(const struct sl_options *o)
{
	if (!o->trace)
		return cli_error(&cli, "trace", NULL, "is missing; --help lists the options");
	if (!o->url)
		return cli_error(&cli, "url", NULL, "is missing; --help lists the options");
	if (!o->stream && (o->slo_ttft_us || o->slo_tpot_us))
		return cli_error(&cli, "slo-ttft", NULL,
		                 "and --slo-tpot need streams, not --no-stream");
	return SL_OPTIONS_RUN;
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
	status = cli_parse(&cli, argc, argv, &o);
	if (status == CLI_RUN)
		status = check(&o);
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
