/* plan_report.c: a plan for people and programs. See plan.h. */
#include <cjson/cJSON.h>
#include <stdlib.h>

#include "bench/whatif/plan.h"

static void put_split(const struct plan_try *t, char *out, size_t size)
{
	if (t->prefill)
		snprintf(out, size, "%u prefill + %u decode", t->prefill, t->engines - t->prefill);
	else
		snprintf(out, size, "all do both");
}

static const char *mark_of(const struct plan *p, const struct plan_try *t)
{
	if (!t->prefill && t->engines == p->aggregated)
		return "  <- smallest aggregated";
	if (t->prefill && t->engines == p->disaggregated && t->prefill == p->prefill)
		return "  <- smallest disaggregated";
	return "";
}

static void put_answer(const struct plan_report *r, const char *kind, uint32_t engines, FILE *out)
{
	if (engines)
		fprintf(out, "smallest %s fleet: %u engines", kind, engines);
	else
		fprintf(out, "no %s fleet of up to %u engines will do", kind,
		        r->setup->max_engines);
}

void plan_table(const struct plan_report *r, FILE *out)
{
	const struct plan *p = r->plan;
	const struct world_setup *w = &r->setup->world;
	char split[48];

	fprintf(out,
	        "%s: %u requests at rate factor %g, routed by %s\n"
	        "wanted: %g %% with TTFT <= %g ms and TPOT <= %g ms\n\n"
	        "engines  %-24s  in SLO %%  TTFT p99 ms  TPOT p99 ms  hits %%\n",
	        r->trace, w->workload->n, w->rate_factor, w->policy->name,
	        r->setup->good_share * 100, w->slo.ttft_ms, w->slo.tpot_ms, "split");
	for (uint32_t i = 0; i < p->n_rows; i++) {
		const struct plan_try *t = &p->rows[i];

		put_split(t, split, sizeof(split));
		fprintf(out, "%7u  %-24s  %8.2f  %11.0f  %11.1f  %6.1f%s\n", t->engines, split,
		        t->slo_ok * 100, t->ttft_p99_ms, t->tpot_p99_ms, t->hit_rate * 100,
		        mark_of(p, t));
	}
	putc('\n', out);
	put_answer(r, "aggregated", p->aggregated, out);
	fputs("; ", out);
	put_answer(r, "disaggregated", p->disaggregated, out);
	if (p->disaggregated)
		fprintf(out, ", %u of them for prefills", p->prefill);
	fprintf(out, " (%u runs)\n", p->runs);
}

static void add_fleet(cJSON *to, const char *key, uint32_t engines, uint32_t prefill)
{
	cJSON *o;

	if (!engines) {
		cJSON_AddNullToObject(to, key);
		return;
	}
	o = cJSON_AddObjectToObject(to, key);
	cJSON_AddNumberToObject(o, "engines", engines);
	cJSON_AddNumberToObject(o, "prefill", prefill);
	cJSON_AddNumberToObject(o, "decode", prefill ? engines - prefill : 0);
}

static cJSON *try_object(const struct plan_try *t)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddNumberToObject(o, "engines", t->engines);
	cJSON_AddNumberToObject(o, "prefill", t->prefill);
	cJSON_AddNumberToObject(o, "decode", t->prefill ? t->engines - t->prefill : 0);
	cJSON_AddNumberToObject(o, "slo_ok", t->slo_ok);
	cJSON_AddNumberToObject(o, "ttft_p99_ms", t->ttft_p99_ms);
	cJSON_AddNumberToObject(o, "tpot_p99_ms", t->tpot_p99_ms);
	cJSON_AddNumberToObject(o, "hit_rate", t->hit_rate);
	return o;
}

char *plan_json(const struct plan_report *r)
{
	const struct plan *p = r->plan;
	const struct world_setup *w = &r->setup->world;
	cJSON *root = cJSON_CreateObject(), *rows;
	char *text, *line;

	cJSON_AddStringToObject(root, "trace", r->trace);
	cJSON_AddStringToObject(root, "command", r->command);
	cJSON_AddStringToObject(root, "policy", w->policy->name);
	cJSON_AddNumberToObject(root, "seed", (double)w->seed);
	cJSON_AddNumberToObject(root, "requests", w->workload->n);
	cJSON_AddNumberToObject(root, "rate_factor", w->rate_factor);
	cJSON_AddNumberToObject(root, "good_share", r->setup->good_share);
	cJSON_AddNumberToObject(root, "runs", p->runs);
	add_fleet(root, "smallest_aggregated", p->aggregated, 0);
	add_fleet(root, "smallest_disaggregated", p->disaggregated, p->prefill);
	rows = cJSON_AddArrayToObject(root, "fleets");
	for (uint32_t i = 0; i < p->n_rows; i++)
		cJSON_AddItemToArray(rows, try_object(&p->rows[i]));
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	if (!text || asprintf(&line, "%s\n", text) < 0)
		abort();
	cJSON_free(text);
	return line;
}
