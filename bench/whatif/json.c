/* json.c: a study for programs. See report.h; what is not known is null. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>

#include "bench/whatif/report.h"

static void add_number(cJSON *to, const char *key, double x)
{
	if (isfinite(x))
		cJSON_AddNumberToObject(to, key, x);
	else
		cJSON_AddNullToObject(to, key);
}

static void add_spread(cJSON *to, const char *key, const struct spread *s)
{
	cJSON *o = cJSON_AddObjectToObject(to, key);

	add_number(o, "mean", s->mean);
	add_number(o, "p50", s->p50);
	add_number(o, "p90", s->p90);
	add_number(o, "p99", s->p99);
}

/* A JSON number does not hold 64 bits. */
static void add_digest(cJSON *to, const char *key, uint64_t x)
{
	char hex[17];

	snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)x);
	cJSON_AddStringToObject(to, key, hex);
}

static void add_points(cJSON *to, const struct study_line *line)
{
	cJSON *points = cJSON_AddArrayToObject(to, "points");

	for (uint32_t i = 0; i < line->n_points; i++) {
		cJSON *point = cJSON_CreateObject();

		add_number(point, "rate", line->points[i].rate);
		add_number(point, "slo_ok", line->points[i].slo_ok);
		cJSON_AddItemToArray(points, point);
	}
}

static cJSON *line_object(const struct study *s, const struct study_line *line)
{
	const struct summary *x = &line->summary;
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "origin", line->policy->origin);
	add_number(o, "knee_rps", s->knee ? line->knee_rps : NAN);
	if (line->knee_open)
		cJSON_AddBoolToObject(o, "knee_open", true);
	add_number(o, "slo_ok", x->slo_ok);
	add_number(o, "goodput_rps", x->goodput);
	add_number(o, "rate", x->rate);
	add_number(o, "hit_rate", x->hit_rate);
	add_number(o, "imbalance", x->imbalance);
	add_spread(o, "ttft_ms", &x->ttft_ms);
	add_spread(o, "tpot_ms", &x->tpot_ms);
	add_spread(o, "e2e_ms", &x->e2e_ms);
	add_number(o, "kv_usage", x->kv_usage);
	add_number(o, "preemptions", (double)x->preemptions);
	add_number(o, "remote", (double)x->remote);
	add_number(o, "retries", (double)x->retries);
	add_number(o, "failed", x->failed);
	add_digest(o, "decisions", x->decisions);
	if (s->knee)
		add_points(o, line);
	return o;
}

static void add_engines(cJSON *to, const struct fleet *f)
{
	uint32_t n[SL_ROLE_DECODE + 1] = { 0 };
	cJSON *o = cJSON_AddObjectToObject(to, "engines");

	for (uint32_t i = 0; i < f->n; i++)
		n[f->engines[i].role]++;
	add_number(o, "total", f->n);
	add_number(o, "both", n[SL_ROLE_BOTH]);
	add_number(o, "prefill", n[SL_ROLE_PREFILL]);
	add_number(o, "decode", n[SL_ROLE_DECODE]);
}

static void add_head(cJSON *to, const struct report *r)
{
	const struct world_setup *w = &r->study->setup;
	cJSON *slo;

	cJSON_AddStringToObject(to, "trace", r->trace);
	cJSON_AddStringToObject(to, "date", r->date);
	cJSON_AddStringToObject(to, "commit", r->commit);
	cJSON_AddStringToObject(to, "command", r->command);
	add_number(to, "seed", (double)w->seed);
	add_number(to, "requests", w->workload->n);
	add_number(to, "rate_factor", w->rate_factor);
	add_number(to, "replicas", w->replicas);
	add_engines(to, w->fleet);
	slo = cJSON_AddObjectToObject(to, "slo");
	add_number(slo, "ttft_ms", w->slo.ttft_ms);
	add_number(slo, "tpot_ms", w->slo.tpot_ms);
	add_number(slo, "good_share", r->study->good_share);
}

char *report_json(const struct report *r)
{
	const struct study *s = r->study;
	cJSON *root = cJSON_CreateObject();
	cJSON *policies;
	char *text, *line;

	add_head(root, r);
	policies = cJSON_AddObjectToObject(root, "policies");
	for (uint32_t i = 0; i < s->n_lines; i++)
		cJSON_AddItemToObject(policies, s->lines[i].policy->name,
		                      line_object(s, &s->lines[i]));
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	if (!text || asprintf(&line, "%s\n", text) < 0)
		abort();
	cJSON_free(text);
	return line;
}
