/* gpu_page.c: the part of /fleet that is about GPUs. */
#include "gateway/admin/admin.h"
#include "gateway/admin/json.h"

static void put_str(FILE *out, const char *key, const char *value)
{
	fprintf(out, ",\"%s\":", key);
	json_put_str(out, value);
}

static void put_number(FILE *out, const char *key, double value)
{
	fprintf(out, ",\"%s\":", key);
	json_put_known(out, value);
}

static void put_exporter(FILE *out, const struct sl_fleet_exporter *x)
{
	fputs("{\"url\":", out);
	json_put_str(out, x->url);
	put_str(out, "kind", x->kind);
	put_str(out, "trouble", x->trouble);
	put_number(out, "age_ms", (double)x->age_ms);
	put_number(out, "gpus", x->gpus);
	fputc('}', out);
}

static void put_gpu(FILE *out, const struct sl_fleet_gpu *g)
{
	fputs("{\"gpu\":", out);
	json_put_str(out, g->gpu);
	put_str(out, "host", g->host);
	put_str(out, "exporter", g->exporter);
	put_str(out, "state", g->state);
	put_str(out, "reason", g->reason);
	put_number(out, "since_ms", (double)g->since_ms);
	put_number(out, "derate", g->derate);
	put_number(out, "xid", g->xid);
	put_number(out, "error_code", g->error_code);
	put_number(out, "temperature", g->temperature);
	put_number(out, "clock_mhz", g->clock_mhz);
	put_number(out, "corrected_errors", g->corrected_errors);
	fputc('}', out);
}

void sl_fleet_gpus_write(FILE *out, const struct sl_fleet_gpus *gpus)
{
	fputs(",\"gpu_exporters\":[", out);
	for (uint32_t i = 0; i < gpus->n_exporters; i++) {
		fputs(i ? ",\n" : "\n", out);
		put_exporter(out, &gpus->exporters[i]);
	}
	fputs("],\"gpus\":[", out);
	for (uint32_t i = 0; i < gpus->n_gpus; i++) {
		fputs(i ? ",\n" : "\n", out);
		put_gpu(out, &gpus->gpus[i]);
	}
	fputc(']', out);
}
