/* made_study.h: a study made by hand, with a policy for each name of the real
 * list, whose figures are simple functions of its number. */
#ifndef MADE_STUDY_H
#define MADE_STUDY_H

#include <math.h>
#include <stdlib.h>

#include "bench/whatif/study.h"

static const struct policy made_policies[] = {
	{ .name = POLICY_OURS, .origin = "this gateway" },
#define BASELINE(name_, variable, origin_, scrape) { .name = (name_), .origin = (origin_) },
#include "bench/whatif/baselines.def"
#undef BASELINE
};

#define MADE_REQUESTS 500u
#define MADE_ENGINES 8u

static struct workload made_workload = { .n = MADE_REQUESTS };
static struct fleet_engine made_engines[MADE_ENGINES];
static struct fleet made_fleet = { .engines = made_engines, .n = MADE_ENGINES };

static struct spread made_spread(double mean)
{
	return (struct spread){ mean, mean * 0.8, mean * 1.7, mean * 4 };
}

static void make_summary(struct study_line *l, double k)
{
	l->summary = (struct summary){ .ttft_ms = made_spread(300 + 40 * k),
		                       .tpot_ms = made_spread(11.5 + k),
		                       .e2e_ms = made_spread(4000 + 100 * k),
		                       .slo_ok = 0.991 - 0.01 * k,
		                       .goodput = 12.25 - 0.1 * k,
		                       .hit_rate = 0.45 - 0.01 * k,
		                       .imbalance = 1.05 + 0.02 * k,
		                       .kv_usage = 0.5,
		                       .rate = 12.5,
		                       .remote = 3,
		                       .decisions = UINT64_MAX - (uint64_t)k };
	l->knee_rps = 16 - 0.4 * k;
}

static void make_points(struct study_line *l)
{
	l->n_points = 8;
	for (uint32_t i = 0; i < l->n_points; i++) {
		double rate = l->knee_rps * (0.7 + 0.09 * i);
		double over = fmax(0, rate / l->knee_rps - 0.9);

		l->points[i] = (struct study_point){ rate, fmax(0, 0.99 - 4 * over * over) };
	}
}

static void make_tally(struct tally *t, double k)
{
	*t = (struct tally){ .n = MADE_REQUESTS, .n_slices = 120, .slice_us = 30000000 };
	t->requests = calloc(t->n, sizeof(*t->requests));
	if (!t->requests)
		abort();
	for (uint32_t i = 0; i < t->n; i++)
		t->requests[i] = (struct tally_request){ .done = i % 100 != 99,
			                                 .ttft_ms = (float)((60 + 20 * k) *
			                                                    exp(i * 4.0 / t->n)) };
	for (uint32_t i = 0; i < t->n_slices; i++) {
		double wave = 1 + 0.5 * sin(i / 9.0 + k / 5);

		t->slices[i] = (struct tally_slice){
			.running = (float)(18 * wave + k / 3),
			.running_max = (float)(24 * wave + k),
			.waiting = (float)(wave > 1.3 ? k * wave / 4 : 0),
			.kv_usage = (float)(0.4 * wave),
		};
	}
}

/* The first n_lines policies; made_study_fini. */
static struct study made_study(uint32_t n_lines)
{
	struct study s = { .setup = { .workload = &made_workload,
		                      .fleet = &made_fleet,
		                      .rate_factor = 1,
		                      .seed = 7,
		                      .replicas = 1,
		                      .slo = { 5000, 50 } },
		           .good_share = 0.95,
		           .knee = true,
		           .n_lines = n_lines };

	s.lines = calloc(n_lines, sizeof(*s.lines));
	if (!s.lines)
		abort();
	for (uint32_t i = 0; i < n_lines; i++) {
		s.lines[i].policy = &made_policies[i];
		make_summary(&s.lines[i], i);
		make_points(&s.lines[i]);
		make_tally(&s.lines[i].tally, i);
	}
	return s;
}

static void made_study_fini(struct study *s)
{
	for (uint32_t i = 0; i < s->n_lines; i++)
		free(s->lines[i].tally.requests);
	free(s->lines);
}

#endif
