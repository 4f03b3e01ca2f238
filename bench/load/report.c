/* report.c: the result block and the JSON. See report.h. */
#include "bench/load/report.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#define WIDTH 50

struct metric {
	const char *key;   /* of the JSON */
	const char *label; /* of a line */
	const char *title; /* of a section */
	struct sl_summary summary;
};

enum { TTFT, TPOT, ITL, E2EL, N_METRICS };

struct rates {
	double seconds;
	double requests;
	double goodput;
	double output;
	double total;
	double offered;
};

static double per_second(double n, double seconds)
{
	return seconds > 0 ? n / seconds : 0;
}

static struct rates rates_of(const struct sl_result *r)
{
	struct rates x = { .seconds = (double)r->duration_us / 1e6 };

	x.requests = per_second((double)r->completed, x.seconds);
	x.goodput = per_second((double)r->good, x.seconds);
	x.output = per_second((double)r->output_tokens, x.seconds);
	x.total = per_second((double)(r->input_tokens + r->output_tokens), x.seconds);
	x.offered = per_second((double)r->requests, (double)r->offered_us / 1e6);
	return x;
}

static void summarise(struct sl_result *r, struct metric out[N_METRICS])
{
	out[TTFT] = (struct metric){ "ttft", "TTFT", "Time to First Token",
		                     sl_samples_summarise(&r->ttft) };
	out[TPOT] = (struct metric){ "tpot", "TPOT", "Time per Output Token (excl. 1st token)",
		                     sl_samples_summarise(&r->tpot) };
	out[ITL] = (struct metric){ "itl", "ITL", "Inter-token Latency",
		                    sl_samples_summarise(&r->itl) };
	out[E2EL] = (struct metric){ "e2el", "E2EL", "End-to-end Latency",
		                     sl_samples_summarise(&r->e2e) };
}

static bool has_slo(const struct sl_options *o)
{
	return o->slo_ttft_us || o->slo_tpot_us;
}

/* ---- the block ---- */

static void rule(FILE *out, char c, const char *title)
{
	int len = (int)strlen(title);
	int left = (WIDTH - len) / 2;

	for (int i = 0; i < left; i++)
		putc(c, out);
	fputs(title, out);
	for (int i = left + len; i < WIDTH; i++)
		putc(c, out);
	putc('\n', out);
}

static void count_line(FILE *out, const char *label, uint64_t n)
{
	fprintf(out, "%-40s %llu\n", label, (unsigned long long)n);
}

static void real_line(FILE *out, const char *label, double x)
{
	fprintf(out, "%-40s %.2f\n", label, x);
}

static void section(FILE *out, const struct metric *m)
{
	const struct {
		const char *prefix;
		double ms;
	} lines[] = { { "Mean", m->summary.mean_ms },
		      { "Median", m->summary.median_ms },
		      { "P99", m->summary.p99_ms } };
	char label[40];

	if (m->summary.n == 0)
		return;
	rule(out, '-', m->title);
	for (size_t i = 0; i < SL_COUNT(lines); i++) {
		snprintf(label, sizeof(label), "%s %s (ms):", lines[i].prefix, m->label);
		real_line(out, label, lines[i].ms);
	}
}

/* "connect", "status_503"; false past the last. */
struct reason {
	char name[32];
	uint32_t n;
};

static bool next_reason(const struct sl_result *r, size_t *at, struct reason *out)
{
	for (; *at < SL_FAIL_COUNT + SL_RESULT_MAX_STATUS; (*at)++) {
		bool fail = *at < SL_FAIL_COUNT;
		size_t i = fail ? *at : *at - SL_FAIL_COUNT;

		out->n = fail ? r->fails[i] : r->statuses[i];
		if (out->n == 0 || (fail && i == SL_FAIL_STATUS))
			continue;
		if (fail)
			snprintf(out->name, sizeof(out->name), "%s", sl_fail_name((enum sl_fail)i));
		else
			snprintf(out->name, sizeof(out->name), "status_%zu", i);
		(*at)++;
		return true;
	}
	return false;
}

static void counts(const struct sl_report *r, FILE *out)
{
	const struct sl_options *o = r->options;
	const struct sl_result *res = r->result;
	struct rates x = rates_of(res);

	count_line(out, "Successful requests:", res->completed);
	count_line(out, "Failed requests:", res->failed);
	if (o->verify)
		count_line(out, "Mismatched answers:", res->mismatches);
	if (o->max_concurrency)
		count_line(out, "Maximum request concurrency:", o->max_concurrency);
	real_line(out, "Request rate configured (RPS):", x.offered);
	real_line(out, "Benchmark duration (s):", x.seconds);
	count_line(out, "Total input tokens:", res->input_tokens);
	count_line(out, "Total generated tokens:", res->output_tokens);
	real_line(out, "Request throughput (req/s):", x.requests);
	if (has_slo(o))
		real_line(out, "Request goodput (req/s):", x.goodput);
	real_line(out, "Output token throughput (tok/s):", x.output);
	if (o->stream)
		real_line(out,
		          "Peak output token throughput (tok/s):", sl_result_peak_per_second(res));
	real_line(out, "Peak concurrent requests:", (double)res->peak_live);
	real_line(out, "Total token throughput (tok/s):", x.total);
}

static double percent(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

/* What a replay adds to the block of `vllm bench serve`. */
static void replay_section(const struct sl_report *r, FILE *out)
{
	const struct sl_result *res = r->result;
	struct reason reason;
	char label[48];

	rule(out, '-', "Replay");
	if (res->engines_scraped)
		real_line(out, "Prefix cache hit rate, engines (%):",
		          percent(res->prefix_hits, res->prefix_queries));
	real_line(out, "Cached prompt tokens, usage (%):",
	          percent((double)res->cached_tokens, (double)res->input_tokens));
	real_line(out, "P99 schedule lag (ms):", sl_samples_summarise(&r->result->lag).p99_ms);
	count_line(out, "Connections:", res->connections);
	if (res->resent)
		count_line(out, "Sent again on a fresh connection:", res->resent);
	for (size_t at = 0; next_reason(res, &at, &reason);) {
		snprintf(label, sizeof(label), "Failed, %s:", reason.name);
		count_line(out, label, reason.n);
	}
}

void sl_report_text(const struct sl_report *r, FILE *out)
{
	struct metric metrics[N_METRICS];

	summarise(r->result, metrics);
	rule(out, '=',
	     r->result->interrupted ? " Serving Benchmark Result (interrupted) "
	                            : " Serving Benchmark Result ");
	counts(r, out);
	for (size_t i = 0; i < N_METRICS; i++)
		section(out, &metrics[i]);
	replay_section(r, out);
	rule(out, '=', "");
}

/* ---- JSON ---- */

static void add_or_null(cJSON *o, const char *key, bool known, double value)
{
	if (known)
		cJSON_AddNumberToObject(o, key, value);
	else
		cJSON_AddNullToObject(o, key);
}

static void add_setting(cJSON *o, const struct sl_report *r)
{
	const struct sl_options *opt = r->options;
	const char *backend = opt->api == SL_API_CHAT ? "openai-chat" : "openai";
	char seed[24];

	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)opt->seed);
	cJSON_AddStringToObject(o, "date", r->date);
	cJSON_AddStringToObject(o, "backend", backend);
	cJSON_AddStringToObject(o, "endpoint_type", backend);
	cJSON_AddStringToObject(o, "model_id", r->model);
	cJSON_AddNumberToObject(o, "num_prompts", (double)r->result->requests);
	cJSON_AddNumberToObject(o, "request_rate", rates_of(r->result).offered);
	cJSON_AddNullToObject(o, "burstiness"); /* the trace's own */
	add_or_null(o, "max_concurrency", opt->max_concurrency, opt->max_concurrency);
	cJSON_AddStringToObject(o, "trace", opt->trace);
	cJSON_AddStringToObject(o, "url", opt->url);
	cJSON_AddBoolToObject(o, "stream", opt->stream);
	cJSON_AddBoolToObject(o, "verify", opt->verify);
	cJSON_AddNumberToObject(o, "rate_factor", opt->rate_factor);
	cJSON_AddNumberToObject(o, "tokens_scale", opt->tokens_scale);
	cJSON_AddNumberToObject(o, "bytes_per_token", opt->bytes_per_token);
	cJSON_AddRawToObject(o, "seed", seed); /* 64 bits are more than a double holds */
}

static void add_failures(cJSON *o, const struct sl_result *res)
{
	cJSON *failures = cJSON_AddObjectToObject(o, "failures");
	struct reason reason;

	for (size_t at = 0; next_reason(res, &at, &reason);)
		cJSON_AddNumberToObject(failures, reason.name, reason.n);
}

static void add_counts(cJSON *o, const struct sl_report *r)
{
	const struct sl_result *res = r->result;
	struct rates x = rates_of(res);

	cJSON_AddNumberToObject(o, "duration", x.seconds);
	cJSON_AddNumberToObject(o, "completed", (double)res->completed);
	cJSON_AddNumberToObject(o, "failed", (double)res->failed);
	add_or_null(o, "mismatches", r->options->verify, (double)res->mismatches);
	cJSON_AddBoolToObject(o, "interrupted", res->interrupted);
	add_failures(o, res);
	cJSON_AddNumberToObject(o, "total_input_tokens", (double)res->input_tokens);
	cJSON_AddNumberToObject(o, "total_output_tokens", (double)res->output_tokens);
	cJSON_AddNumberToObject(o, "request_throughput", x.requests);
	add_or_null(o, "request_goodput", has_slo(r->options), x.goodput);
	cJSON_AddNumberToObject(o, "output_throughput", x.output);
	cJSON_AddNumberToObject(o, "total_token_throughput", x.total);
	add_or_null(o, "max_output_tokens_per_s", r->options->stream,
	            sl_result_peak_per_second(res));
	cJSON_AddNumberToObject(o, "max_concurrent_requests", (double)res->peak_live);
	cJSON_AddNumberToObject(o, "connections", (double)res->connections);
	cJSON_AddNumberToObject(o, "resent", (double)res->resent);
}

static void add_caching(cJSON *o, const struct sl_result *res)
{
	bool known = res->engines_scraped;
	double rate = percent((double)res->cached_tokens, (double)res->input_tokens) / 100;

	/* The engines' own counters, or else what they told in their answers. */
	if (known)
		rate = percent(res->prefix_hits, res->prefix_queries) / 100;
	add_or_null(o, "hit_rate", known ? res->prefix_queries > 0 : res->cached_told, rate);
	add_or_null(o, "prefix_cache_hits", known, res->prefix_hits);
	add_or_null(o, "prefix_cache_queries", known, res->prefix_queries);
	cJSON_AddNumberToObject(o, "total_cached_tokens", (double)res->cached_tokens);
}

static void add_metric(cJSON *o, const char *name, const struct sl_summary *s)
{
	const struct {
		const char *prefix;
		double ms;
	} values[] = { { "mean", s->mean_ms }, { "median", s->median_ms }, { "std", s->std_ms },
		       { "p90", s->p90_ms },   { "p95", s->p95_ms },       { "p99", s->p99_ms },
		       { "max", s->max_ms } };
	char key[32];

	for (size_t i = 0; i < SL_COUNT(values); i++) {
		snprintf(key, sizeof(key), "%s_%s_ms", values[i].prefix, name);
		add_or_null(o, key, s->n > 0, values[i].ms);
	}
}

char *sl_report_json(const struct sl_report *r)
{
	cJSON *o = cJSON_CreateObject();
	struct sl_summary lag = sl_samples_summarise(&r->result->lag);
	struct metric metrics[N_METRICS];
	char *text;

	summarise(r->result, metrics);
	add_setting(o, r);
	add_counts(o, r);
	add_caching(o, r->result);
	for (size_t i = 0; i < N_METRICS; i++)
		add_metric(o, metrics[i].key, &metrics[i].summary);
	add_metric(o, "schedule_lag", &lag);
	text = cJSON_Print(o);
	cJSON_Delete(o);
	if (!text)
		abort();
	return text;
}
