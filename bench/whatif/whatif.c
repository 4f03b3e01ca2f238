/* whatif.c: `sluice-bench whatif`: reads a trace, simulates, reports. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/whatif/generate.h"
#include "bench/whatif/options.h"
#include "bench/whatif/plan.h"
#include "bench/whatif/report.h"

#define EXIT_UNUSABLE 2

struct whatif {
	struct options options;
	struct sl_trace trace;
	struct workload workload;
	struct fleet fleet;
	const struct policy **policies; /* owned; NULL-terminated */
	struct study study;
	char *command; /* owned */
	char date[16];
};

static int read_trace(struct whatif *w)
{
	const struct options *o = &w->options;
	char err[512];
	int code;

	if (generate_is_spec(o->trace))
		code = generate_trace(o->trace, err, sizeof(err), &w->trace);
	else
		code = sl_trace_open(o->trace, o->limit, err, sizeof(err), &w->trace);
	if (code < 0) {
		fprintf(stderr, "sluice-bench whatif: %s\n", err);
		return EXIT_UNUSABLE;
	}
	if (o->limit && w->trace.n_rows > o->limit)
		w->trace.n_rows = o->limit;
	sl_trace_warn(&w->trace, "sluice-bench whatif", stderr);
	return 0;
}

/* A burst is given in simulated time, and applied at the recorded rate. */
static void make_workload(struct whatif *w)
{
	const struct options *o = &w->options;
	struct workload_options opt = {
		.seed = o->seed,
		.spread_us = o->spread_us,
		.burst = { .from_us = (int64_t)((double)o->burst.from_us * o->rate_factor),
		           .for_us = (int64_t)((double)o->burst.for_us * o->rate_factor),
		           .factor = o->burst.factor },
	};

	workload_init(&w->workload, &w->trace, &opt);
}

static void make_study(struct whatif *w)
{
	const struct options *o = &w->options;
	struct study *s = &w->study;

	*s = (struct study){ .good_share = o->good_share,
		             .knee = o->knee,
		             .threads = o->threads,
		             .quiet = o->quiet };
	s->setup = (struct world_setup){
		.workload = &w->workload,
		.fleet = &w->fleet,
		.rate_factor = o->rate_factor,
		.seed = o->seed,
		.replicas = o->replicas,
		.replica_delay_us =
		        o->replica_delay_us < 0 ? WORLD_CUT_OFF : (uint64_t)o->replica_delay_us,
		.scrape_us = (uint64_t)o->scrape_us,
		.warmup_us = (uint64_t)o->warmup_us,
		.slo = { o->slo_ttft_ms, o->slo_tpot_ms },
	};
	while (w->policies[s->n_lines])
		s->n_lines++;
	s->lines = calloc(s->n_lines, sizeof(*s->lines));
	if (!s->lines)
		abort();
	for (uint32_t i = 0; i < s->n_lines; i++)
		s->lines[i].policy = w->policies[i];
}

/* ---- reporting -------------------------------------------------------------- */

static int write_file(const char *path, const void *r, void (*write)(const void *r, FILE *out))
{
	FILE *out = strcmp(path, "-") ? fopen(path, "w") : stdout;
	int bad;

	if (!out) {
		fprintf(stderr, "sluice-bench whatif: %s: %s\n", path, strerror(errno));
		return EXIT_UNUSABLE;
	}
	write(r, out);
	bad = out == stdout ? fflush(out) : fclose(out);
	if (bad)
		fprintf(stderr, "sluice-bench whatif: %s: %s\n", path, strerror(errno));
	return bad ? EXIT_UNUSABLE : 0;
}

static void write_json(const void *r, FILE *out)
{
	char *json = report_json(r);

	fputs(json, out);
	free(json);
}

static void write_plan_json(const void *r, FILE *out)
{
	char *json = plan_json(r);

	fputs(json, out);
	free(json);
}

static void write_html(const void *r, FILE *out)
{
	report_html(r, out);
}

static int report(struct whatif *w)
{
	const struct options *o = &w->options;
	struct report r = { .study = &w->study,
		            .trace = o->trace,
		            .command = w->command,
		            .date = w->date,
		            .commit = o->commit };
	bool json_on_stdout = o->json && !strcmp(o->json, "-");
	int status = 0;

	report_table(&r, json_on_stdout ? stderr : stdout);
	if (o->json)
		status = write_file(o->json, &r, write_json);
	if (o->html && !status)
		status = write_file(o->html, &r, write_html);
	return status;
}

/* ---- a plan ----------------------------------------------------------------- */

/* The fleet is what is asked for; --engines is the most it may be. */
static void make_plan(struct whatif *w, struct plan_setup *out_setup, struct plan *out_plan)
{
	const struct options *o = &w->options;

	*out_setup = (struct plan_setup){
		.world = w->study.setup,
		.engine = { .profile = &o->profile, .slow = 1, .kv_factor = o->kv_factor },
		.transfer_latency_ms = w->fleet.transfer_latency_ms,
		.transfer_bytes_per_ms = w->fleet.transfer_bytes_per_ms,
		.good_share = o->good_share,
		.max_engines = o->engines,
		.threads = o->threads,
		.quiet = o->quiet,
	};
	out_setup->world.policy = w->policies[0];
	plan_run(out_setup, out_plan);
}

static int plan(struct whatif *w)
{
	const struct options *o = &w->options;
	bool json_on_stdout = o->json && !strcmp(o->json, "-");
	struct plan_setup setup;
	struct plan found;
	struct plan_report r = { &setup, &found, o->trace, w->command };

	make_plan(w, &setup, &found);
	plan_table(&r, json_on_stdout ? stderr : stdout);
	return o->json ? write_file(o->json, &r, write_plan_json) : 0;
}

/* ---- main ------------------------------------------------------------------- */

static char *join_words(int argc, char **argv)
{
	size_t n = sizeof("sluice-bench");
	char *text;

	for (int i = 0; i < argc; i++)
		n += strlen(argv[i]) + 1;
	text = malloc(n);
	if (!text)
		abort();
	strcpy(text, "sluice-bench");
	for (int i = 0; i < argc; i++)
		strcat(strcat(text, " "), argv[i]);
	return text;
}

static void note_date(struct whatif *w)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(w->date, sizeof(w->date), "%Y-%m-%d", &tm);
}

static int simulate(struct whatif *w)
{
	const struct options *o = &w->options;
	int status;

	make_workload(w);
	options_fleet(o, &w->fleet);
	make_study(w);
	if (o->plan) {
		status = plan(w);
	} else {
		study_run(&w->study);
		status = report(w);
	}
	study_fini(&w->study);
	fleet_fini(&w->fleet);
	workload_fini(&w->workload);
	return status;
}

int sl_bench_whatif(int argc, char **argv)
{
	struct whatif w = { .command = NULL };
	int status = options_parse(argc, argv, &w.options);

	if (status != OPTIONS_RUN)
		return status;
	w.command = join_words(argc, argv);
	note_date(&w);
	w.policies = options_policies(&w.options);
	status = w.policies ? read_trace(&w) : EXIT_UNUSABLE;
	if (!status) {
		status = simulate(&w);
		sl_trace_fini(&w.trace);
	}
	free(w.policies);
	free(w.command);
	options_fini(&w.options);
	return status;
}
