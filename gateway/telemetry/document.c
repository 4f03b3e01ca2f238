/* document.c: docs/metrics.md and docs/errors.md, made from the tables that
 * make the code, so that they cannot tell another story. */
#include "gateway/telemetry/kinds.h"
#include "gateway/telemetry/metrics.h"
#include "gateway/telemetry/process.h"

static const struct metric_row {
	const char *name;
	enum metric_kind_id kind;
	enum metric_label_id label;
	const char *help;
} metric_rows[] = {
#define SL_METRIC(NAME, name, kind, label, help) { name, METRIC_##kind, METRIC_##label, help },
#include "gateway/telemetry/metrics.def"
#undef SL_METRIC
};

static const struct endpoint_row {
	const char *name, *type, *help;
} endpoint_rows[] = {
#define SL_ENDPOINT_METRIC(name, type, value, help) { name, #type, help },
#include "gateway/telemetry/endpoint.def"
#undef SL_ENDPOINT_METRIC
};

static const struct worker_row {
	const char *name, *type, *help;
} worker_rows[] = {
#define SL_WORKER_METRIC(name, type, value, help) { name, #type, help },
#include "gateway/telemetry/worker.def"
#undef SL_WORKER_METRIC
};

static void table_head(FILE *out)
{
	fputs("| name | type | labels | meaning |\n|---|---|---|---|\n", out);
}

static void write_label_values(FILE *out, enum metric_label_id id)
{
	const struct metric_label *label = metric_label(id);

	fprintf(out, "- `%s`:", label->name);
	for (unsigned i = 0; i < label->n_values; i++)
		fprintf(out, "%s `%s`", i ? "," : "", label->values[i]);
	fputs("\n", out);
}

void sl_metrics_document(FILE *out)
{
	fputs("# Metrics\n\n"
	      "Generated from `gateway/telemetry/*.def`; `GET /metrics` on the admin address\n"
	      "shows them. Counters start at zero with the process; times are in seconds.\n\n"
	      "## The gateway\n\n",
	      out);
	table_head(out);
	for (size_t i = 0; i < SL_COUNT(metric_rows); i++) {
		const char *label = metric_label(metric_rows[i].label)->name;

		fprintf(out, "| `%s` | %s | %s | %s |\n", metric_rows[i].name,
		        metric_kind(metric_rows[i].kind)->type, label ? label : "",
		        metric_rows[i].help);
	}
	fputs("\n## Each endpoint\n\n", out);
	table_head(out);
	for (size_t i = 0; i < SL_COUNT(endpoint_rows); i++)
		fprintf(out, "| `%s` | %s | pool, endpoint, role | %s |\n", endpoint_rows[i].name,
		        endpoint_rows[i].type, endpoint_rows[i].help);
	fputs("\n## Each worker thread\n\n", out);
	table_head(out);
	for (size_t i = 0; i < SL_COUNT(worker_rows); i++)
		fprintf(out, "| `%s` | %s | worker | %s |\n", worker_rows[i].name,
		        worker_rows[i].type, worker_rows[i].help);
	fputs("\n## The process\n\n", out);
	table_head(out);
	process_metrics_document(out);
	fputs("\n## Label values\n\n", out);
	for (int id = METRIC_PLACEMENT; id <= METRIC_CLASS; id++)
		write_label_values(out, (enum metric_label_id)id);
	fputs("- `code`: see [errors.md](errors.md)\n", out);
}

void sl_errors_document(FILE *out)
{
	fputs("# Errors\n\n"
	      "Generated from `include/sluice/err.def`. What the gateway itself answers when a\n"
	      "request fails; an engine's own answers are passed on as they are. The body is\n"
	      "OpenAI's form: `{\"error\":{\"message\":…,\"type\":…,\"code\":…}}`. The code is "
	      "also the\n"
	      "value of the label `code` in [metrics.md](metrics.md) and of `error` in the access\n"
	      "log.\n\n"
	      "| code | status | type | meaning |\n|---|---|---|---|\n",
	      out);
	for (int i = 0; i < SL_ERR_COUNT; i++) {
		const struct sl_err_info *info = sl_err_info(-1 - i);

		fprintf(out, "| `%s` | %d | `%s` | %s |\n", info->code, info->status, info->type,
		        info->text);
	}
}
