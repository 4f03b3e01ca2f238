/* fleet_page.c: what is known of every endpoint, for people's tools (JSON) and
 * for Prometheus. Rows come from the control thread; nothing is kept here. */
#include <math.h>

#include "gateway/admin/admin.h"
#include "gateway/admin/json.h"
#include "sluice/gpu.h"

static const char *role_name(enum sl_role role)
{
	static const char *const names[] = {
		[SL_ROLE_BOTH] = "both",
		[SL_ROLE_PREFILL] = "prefill",
		[SL_ROLE_DECODE] = "decode",
	};

	return (size_t)role < SL_COUNT(names) ? names[role] : "invalid";
}

/* ---- JSON ------------------------------------------------------------ */

static void put_member_str(FILE *out, const char *key, const char *value)
{
	fprintf(out, ",\"%s\":", key);
	json_put_str(out, value);
}

static void put_member(FILE *out, const char *key, double value)
{
	fprintf(out, ",\"%s\":", key);
	json_put_known(out, value);
}

static void put_names(FILE *out, const char *key, const char *const *names, uint32_t n)
{
	fprintf(out, ",\"%s\":[", key);
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			fputc(',', out);
		json_put_str(out, names[i]);
	}
	fputc(']', out);
}

static void put_identity(FILE *out, const struct sl_fleet_row *row)
{
	fputs("{\"endpoint\":", out);
	json_put_str(out, row->endpoint);
	put_member_str(out, "pool", row->pool);
	put_member_str(out, "cluster", row->cluster);
	put_member_str(out, "role", role_name(row->view.spec.role));
	put_member_str(out, "engine", row->engine);
	put_member_str(out, "connector", row->connector);
	put_member_str(out, "health", sl_health_name(row->view.health));
	put_member_str(out, "reason", row->reason);
	put_member(out, "since_ms", (double)row->health_since_ms);
	put_member(out, "ejections", row->ejections);
	put_member(out, "returns_in_ms", row->ejected ? (double)row->returns_in_ms : -1.0);
	fprintf(out, ",\"slow_start\":%s", row->view.slow_start ? "true" : "false");
	fprintf(out, ",\"draining\":%s", row->view.draining ? "true" : "false");
	if (row->gpus) {
		put_member_str(out, "gpu_state", row->gpus);
		put_member_str(out, "gpu_reason", row->gpu_reason);
		put_member(out, "gpus", row->n_gpus);
		put_member(out, "derate", row->view.derate);
	}
	if (row->held)
		put_member_str(out, "held", row->held);
}

/* What the engine said counts only if it said something. */
static double said(const struct sl_fleet_row *row, double value)
{
	return row->sample_age_ms < 0 ? -1 : value;
}

static void put_said(FILE *out, const struct sl_fleet_row *row)
{
	put_member(out, "sample_age_ms", (double)row->sample_age_ms);
	put_member(out, "running", said(row, row->page.running));
	put_member(out, "waiting", said(row, row->page.waiting));
	put_member(out, "prompt_tokens", said(row, row->page.prompt_tokens));
	put_member(out, "generation_tokens", said(row, row->page.generation_tokens));
	put_member(out, "prefix_queries", said(row, row->page.prefix_queries));
	put_member(out, "prefix_hits", said(row, row->page.prefix_hits));
}

static void put_endpoint(FILE *out, const struct sl_fleet_row *row)
{
	const struct sl_endpoint_view *view = &row->view;

	put_identity(out, row);
	put_member(out, "inflight", view->inflight);
	put_member(out, "peers_inflight", view->peers_inflight);
	put_member(out, "prefilling", view->prefilling);
	put_member(out, "queue_ms", view->queue_ms);
	put_member(out, "context_tokens", view->context_tokens);
	put_member(out, "kv_capacity_tokens", view->kv_capacity_tokens);
	put_member(out, "kv_usage", view->kv_usage);
	put_member(out, "slowness", view->slowness);
	put_member(out, "gamma", view->gamma);
	put_member(out, "index_entries", view->index_entries);
	put_member(out, "index_bytes", (double)view->index_bytes);
	put_member(out, "dispatched", (double)view->dispatched);
	put_member(out, "adapters_loaded", view->adapters_loaded);
	put_member(out, "max_adapters", view->max_adapters ? view->max_adapters : -1.0);
	put_said(out, row);
	put_names(out, "models", row->models, row->n_models);
	fputc('}', out);
}

static void put_model(FILE *out, const struct sl_fleet_model *model)
{
	fputs("{\"name\":", out);
	json_put_str(out, model->name);
	put_names(out, "aliases", model->aliases, model->n_aliases);
	put_names(out, "clusters", model->clusters, model->n_clusters);
	put_member(out, "bytes_per_token", model->view.bytes_per_token);
	put_member(out, "output_tokens", model->view.output_tokens);
	put_member(out, "requests", (double)model->view.requests);
	fputc('}', out);
}

static void put_redis(FILE *out, const struct sl_fleet_redis *redis)
{
	fputs(",\"redis\":{\"url\":", out);
	json_put_str(out, redis->url);
	fprintf(out, ",\"connected\":%s", redis->connected ? "true" : "false");
	put_member_str(out, "reason", redis->reason);
	put_member(out, "since_ms", (double)redis->since_ms);
	put_member(out, "peers", redis->peers);
	put_member(out, "heard_ms", (double)redis->heard_ms);
	fputc('}', out);
}

static void put_source(FILE *out, const struct sl_fleet_source *source)
{
	fputs("{\"source\":", out);
	json_put_str(out, source->name);
	put_member(out, "engines", source->engines);
	put_member(out, "synced_ms", (double)source->synced_ms);
	if (source->trouble)
		put_member_str(out, "trouble", source->trouble);
	fputc('}', out);
}

static void put_worker(FILE *out, uint32_t i, const struct sl_worker_row *row)
{
	fprintf(out, "%s{\"worker\":%u", i ? ",\n" : "\n", i);
	put_member(out, "live", row->live);
	put_member(out, "connections", row->connections);
	put_member(out, "unspoken", row->unspoken);
	put_member(out, "given", (double)row->given);
	fputc('}', out);
}

static void put_event(FILE *out, uint32_t i, const struct sl_fleet_event *e)
{
	fprintf(out, "%s{\"time_ms\":%llu", i ? ",\n" : "\n", (unsigned long long)e->wall_ms);
	put_member_str(out, "endpoint", e->endpoint);
	put_member_str(out, "from", sl_health_name(e->from));
	put_member_str(out, "to", sl_health_name(e->to));
	put_member_str(out, "cause", sl_reason_label(e->cause));
	put_member_str(out, "reason", e->reason);
	fputc('}', out);
}

void sl_fleet_write(FILE *out, const struct sl_fleet_page *page)
{
	fputs("{\"version\":", out);
	json_put_str(out, page->version);
	if (page->redis)
		put_redis(out, page->redis);
	fputs(",\"endpoints\":[", out);
	for (uint32_t i = 0; i < page->n_rows; i++) {
		fputs(i ? ",\n" : "\n", out);
		put_endpoint(out, &page->rows[i]);
	}
	fputs("],\"models\":[", out);
	for (uint32_t i = 0; i < page->n_models; i++) {
		fputs(i ? ",\n" : "\n", out);
		put_model(out, &page->models[i]);
	}
	fputs("],\"sources\":[", out);
	for (uint32_t i = 0; i < page->n_sources; i++) {
		fputs(i ? ",\n" : "\n", out);
		put_source(out, &page->sources[i]);
	}
	fputs("],\"workers\":[", out);
	for (uint32_t i = 0; i < page->n_workers; i++)
		put_worker(out, i, &page->workers[i]);
	fputs("],\"events\":[", out);
	for (uint32_t i = 0; i < page->n_events; i++)
		put_event(out, i, &page->events[i]);
	fputc(']', out);
	if (page->gpus.n_exporters)
		sl_fleet_gpus_write(out, &page->gpus);
	fputs("}\n", out);
}

/* ---- Prometheus ------------------------------------------------------ */

static int endpoint_up(const struct sl_fleet_row *row)
{
	return row->view.health == SL_HEALTH_HEALTHY || row->view.health == SL_HEALTH_DEGRADED;
}

/* 0 healthy, 1 degraded, 2 failed. */
static double gpu_state(const struct sl_fleet_row *row)
{
	for (int i = 0; row->gpus && i < SL_GPU_STATE_COUNT; i++)
		if (strcmp(row->gpus, sl_gpu_state_name((enum sl_gpu_state)i)) == 0)
			return i;
	return -1;
}

static const struct family {
	const char *name, *type, *help;
} families[] = {
#define SL_ENDPOINT_METRIC(name, type, value, help) { name, #type, help },
#include "gateway/telemetry/endpoint.def"
#undef SL_ENDPOINT_METRIC
};

static double family_value(size_t index, const struct sl_fleet_row *row)
{
	const double values[] = {
#define SL_ENDPOINT_METRIC(name, type, value, help) (double)(value),
#include "gateway/telemetry/endpoint.def"
#undef SL_ENDPOINT_METRIC
	};

	return values[index];
}

static void put_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; value && *value; value++) {
		if (*value == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*value == '\\' || *value == '"')
			fputc('\\', out);
		fputc(*value, out);
	}
	fputc('"', out);
}

static void put_sample(FILE *out, const char *family, const struct sl_fleet_row *row, double value)
{
	if (!isfinite(value) || value < 0)
		return;
	fprintf(out, "%s{", family);
	put_label(out, "pool", row->pool);
	fputc(',', out);
	put_label(out, "endpoint", row->endpoint);
	fputc(',', out);
	put_label(out, "role", role_name(row->view.spec.role));
	fprintf(out, "} %.15g\n", value);
}

void sl_fleet_metrics_write(FILE *out, const struct sl_fleet_row *rows, uint32_t n_rows)
{
	for (size_t i = 0; i < SL_COUNT(families) && n_rows; i++) {
		fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", families[i].name, families[i].help,
		        families[i].name, families[i].type);
		for (uint32_t k = 0; k < n_rows; k++)
			put_sample(out, families[i].name, &rows[k], family_value(i, &rows[k]));
	}
}

void sl_worker_metrics_write(FILE *out, const struct sl_worker_row *rows, uint32_t n_rows)
{
#define SL_WORKER_METRIC(name, type, value, help)                                                  \
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, #type);                     \
	for (uint32_t i = 0; i < n_rows; i++) {                                                    \
		const struct sl_worker_row *row = &rows[i];                                        \
                                                                                                   \
		fprintf(out, "%s{worker=\"%u\"} %llu\n", name, i, (unsigned long long)(value));    \
	}
#include "gateway/telemetry/worker.def"
#undef SL_WORKER_METRIC
}
