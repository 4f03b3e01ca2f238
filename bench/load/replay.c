/* replay.c: `sluice-bench replay`: reads a trace, finds the server and its
 * model, runs, and reports. Everything that can be wrong before the first
 * request is one line on standard error and exit status 2. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/load/fetch.h"
#include "bench/load/report.h"
#include "bench/load/run.h"

#define EXIT_UNUSABLE 2

struct replay {
	struct sl_options options;
	struct sl_trace trace;
	struct sl_target target;
	struct sl_target *engines; /* owned: options.n_engines */
	struct event_base *base;   /* owned */
	struct sl_due *due;        /* owned */
	char *model;               /* owned */
	struct sl_prefix_counters before;
	struct sl_result result;
	char err[512];
};

static void complain(const struct replay *r)
{
	fprintf(stderr, "sluice-bench replay: %s\n", r->err);
}

/* Thousands of streams are thousands of descriptors. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int find_target(struct replay *r, const char *url, struct sl_target *out_target)
{
	struct sl_target t;
	int err = sl_target_parse(url, r->err, sizeof(r->err), &t);

	if (!err)
		err = sl_target_resolve(&t, r->err, sizeof(r->err));
	if (!err)
		*out_target = t;
	return err;
}

static int find_engines(struct replay *r)
{
	size_t n = r->options.n_engines;
	int err = 0;

	r->engines = calloc(n + 1, sizeof(*r->engines));
	if (!r->engines)
		abort();
	for (size_t i = 0; i < n && !err; i++) {
		char *base_path = r->engines[i].base_path;
		size_t len;

		err = find_target(r, r->options.engines[i], &r->engines[i]);
		/* both the engine's URL and its page's will do */
		len = strlen(base_path);
		if (len >= 8 && !strcmp(base_path + len - 8, "/metrics"))
			base_path[len - 8] = '\0';
	}
	return err;
}

/* The sum over all engines. */
static int scrape(struct replay *r, struct sl_prefix_counters *out_sum)
{
	struct sl_prefix_counters sum = { 0, 0 }, one;

	for (size_t i = 0; i < r->options.n_engines; i++) {
		int err = sl_fetch_counters(r->base, &r->engines[i], r->err, sizeof(r->err), &one);

		if (err)
			return err;
		sum.hits += one.hits;
		sum.queries += one.queries;
	}
	*out_sum = sum;
	return 0;
}

static int find_model(struct replay *r)
{
	if (!r->options.model)
		return sl_fetch_model(r->base, &r->target, r->options.headers, r->err,
		                      sizeof(r->err), &r->model);
	r->model = strdup(r->options.model);
	if (!r->model)
		abort();
	return 0;
}

static int64_t spread_of(const struct replay *r)
{
	if (r->options.spread_us >= 0)
		return r->options.spread_us;
	return r->trace.quantum_us;
}

/* A result that cannot be written is better known before the hour of load. */
static int check_json(struct replay *r)
{
	const char *path = r->options.json;
	FILE *out;

	if (!path || !strcmp(path, "-"))
		return 0;
	out = fopen(path, "a");
	if (!out) {
		snprintf(r->err, sizeof(r->err), "cannot write %s: %s", path, strerror(errno));
		return SL_E_NO_ROUTE;
	}
	fclose(out);
	return 0;
}

static int prepare(struct replay *r)
{
	const struct sl_options *o = &r->options;
	int err;

	err = sl_trace_open(o->trace, o->limit, r->err, sizeof(r->err), &r->trace);
	if (!err)
		sl_trace_warn(&r->trace, "sluice-bench replay", stderr);
	if (!err)
		err = check_json(r);
	if (!err)
		err = find_target(r, o->url, &r->target);
	if (!err)
		err = find_engines(r);
	if (!err)
		err = find_model(r);
	if (!err)
		err = scrape(r, &r->before);
	if (!err)
		r->due = sl_schedule_new(&r->trace, o->seed, spread_of(r), o->rate_factor);
	return err;
}

static void run(struct replay *r)
{
	const struct sl_options *o = &r->options;
	struct sl_shape shape = {
		.api = o->api,
		.stream = o->stream,
		.bytes_per_token = o->bytes_per_token,
		.tokens_scale = o->tokens_scale,
		.seed = o->seed,
		.model = r->model,
		.host = r->target.host,
		.base_path = r->target.base_path,
		.headers = o->headers,
	};
	struct sl_progress progress;
	struct sl_run_setup setup = {
		r->base, o, &r->target, &shape, &r->trace, r->due, &progress
	};

	sl_progress_init(&progress, stderr);
	sl_run(&setup, &r->result);
}

/* A failure here leaves the hit rate unknown; the measurement stands. */
static void read_engines_again(struct replay *r)
{
	struct sl_prefix_counters after = { 0 };

	if (r->options.n_engines == 0)
		return;
	if (scrape(r, &after) < 0) {
		complain(r);
		return;
	}
	if (after.queries < r->before.queries || after.hits < r->before.hits) {
		snprintf(r->err, sizeof(r->err),
		         "an engine's counters went back (restarted?), the hit rate is unknown");
		complain(r);
		return;
	}
	r->result.engines_scraped = true;
	r->result.prefix_hits = after.hits - r->before.hits;
	r->result.prefix_queries = after.queries - r->before.queries;
}

static int write_json(const struct replay *r, const struct sl_report *report)
{
	const char *path = r->options.json;
	bool to_stdout = !strcmp(path, "-");
	FILE *out = to_stdout ? stdout : fopen(path, "w");
	char *text;
	bool bad;

	if (!out) {
		perror(path);
		return EXIT_UNUSABLE;
	}
	text = sl_report_json(report);
	bad = fprintf(out, "%s\n", text) < 0;
	free(text);
	if (to_stdout ? fflush(out) : fclose(out))
		bad = true;
	if (bad)
		perror(path);
	return bad ? EXIT_UNUSABLE : 0;
}

static int report(struct replay *r)
{
	bool json_on_stdout = r->options.json && !strcmp(r->options.json, "-");
	time_t now = time(NULL);
	struct tm tm;
	char date[32];
	struct sl_report rep = { &r->options, &r->result, r->model, date };
	int status = 0;

	localtime_r(&now, &tm);
	strftime(date, sizeof(date), "%Y%m%d-%H%M%S", &tm);
	sl_report_text(&rep, json_on_stdout ? stderr : stdout);
	if (r->options.json)
		status = write_json(r, &rep);
	if (status)
		return status;
	return sl_result_ok(&r->result) ? 0 : 1;
}

static void fini(struct replay *r)
{
	sl_result_fini(&r->result);
	sl_trace_fini(&r->trace);
	free(r->engines);
	free(r->due);
	free(r->model);
	event_base_free(r->base);
	sl_options_fini(&r->options);
}

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		abort();
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (!base)
		abort();
	return base;
}

int sl_bench_replay(int argc, char **argv)
{
	struct replay r = { .model = NULL };
	int status = sl_options_parse(argc, argv, &r.options);

	if (status != SL_OPTIONS_RUN)
		return status;
	r.base = new_base();
	raise_file_limit();
	if (prepare(&r) < 0) {
		complain(&r);
		status = EXIT_UNUSABLE;
	} else {
		run(&r);
		read_engines_again(&r);
		status = report(&r);
	}
	fini(&r);
	return status;
}
