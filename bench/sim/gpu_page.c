/* gpu_page.c: the pages of dcgm-exporter, AMD's device-metrics-exporter and
 * Ascend's npu-exporter, by one table. */
#include "bench/sim/gpu_page.h"

#include <stdlib.h>

enum set { DEFAULT, MORE };
enum type { GAUGE, COUNTER, REAL };
enum { DCGM = SL_SIM_GPU_DCGM, AMD = SL_SIM_GPU_AMD, ASCEND = SL_SIM_GPU_ASCEND };

/* A number of MiB that the weights take, and the cache's share of the rest. */
#define FB_USED (16000 + (int64_t)(load->memory * 52000))

struct family {
	enum sl_sim_gpu_kind kind;
	enum set set;
	enum type type;
	const char *name, *new_name, *help;
};

static const struct family families[] = {
#define SL_SIM_GPU_FAMILY(kind, set, type, name, new_name, help, value)                            \
	{ (enum sl_sim_gpu_kind)kind, set, type, name, new_name, help },
#include "bench/sim/gpu_families.def"
#undef SL_SIM_GPU_FAMILY
};

#define N_FAMILIES SL_COUNT(families)

/* All values of one GPU, in the order of the table. */
static void read_values(const struct sl_sim_gpu_view *v, const struct sl_sim_gpu *g,
                        const struct sl_sim_gpu_load *load, double out[N_FAMILIES])
{
	const double values[] = {
#define SL_SIM_GPU_FAMILY(kind, set, type, name, new_name, help, value) (double)(value),
#include "bench/sim/gpu_families.def"
#undef SL_SIM_GPU_FAMILY
	};

	memcpy(out, values, sizeof(values));
}

struct page {
	struct sl_sim_buf *out;
	const struct sl_sim_gpu_view *v;
};

static void put_head(struct page *p, const char *name, const char *type, const char *help)
{
	sl_sim_buf_printf(p->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* "namespace/prefix" of --gpu-pods: pods are prefix-0, prefix-1, ... */
static void put_pod(struct page *p, uint32_t engine, const char *format)
{
	const char *pods = p->v->opt->gpu_pods;
	const char *slash = pods ? strchr(pods, '/') : NULL;

	if (slash)
		sl_sim_buf_printf(p->out, format, (int)(slash - pods), pods, slash + 1, engine);
}

static void put_dcgm_labels(struct page *p, uint32_t i)
{
	uint32_t engine = i / p->v->gpus->per_engine;

	sl_sim_buf_printf(p->out,
	                  "{gpu=\"%u\",UUID=\"%s\",pci_bus_id=\"00000000:%02X:00.0\","
	                  "device=\"nvidia%u\",modelName=\"NVIDIA H100 80GB HBM3\","
	                  "hostname=\"%s\",DCGM_FI_DRIVER_VERSION=\"570.124.06\"",
	                  i, p->v->gpus->all[i].uuid, (i * 3 + 7) & 0xff, i, p->v->opt->gpu_host);
	put_pod(p, engine, ",container=\"vllm\",namespace=\"%.*s\",pod=\"%s-%u\"");
}

static void put_amd_labels(struct page *p, uint32_t i)
{
	sl_sim_buf_str(p->out, "{card_model=\"102-G30211-0C\"");
	put_pod(p, i / p->v->gpus->per_engine,
	        ",container=\"vllm\",namespace=\"%.*s\",pod=\"%s-%u\"");
	sl_sim_buf_printf(p->out,
	                  ",gpu_compute_partition_type=\"spx\",gpu_id=\"%u\","
	                  "gpu_partition_id=\"0\",hostname=\"%s\",serial_number=\"%s\"",
	                  i, p->v->opt->gpu_host, p->v->gpus->all[i].serial);
}

static void put_ascend_labels(struct page *p, uint32_t i)
{
	sl_sim_buf_printf(p->out,
	                  "{id=\"%u\",model_name=\"910B3\",pcie_bus_info=\"0000:%02X:00.0\","
	                  "vdie_id=\"%.40s\"",
	                  i, (i * 3 + 7) & 0xff, p->v->gpus->all[i].uuid + 4);
	put_pod(p, i / p->v->gpus->per_engine,
	        ",container_name=\"vllm\",namespace=\"%.*s\",pod_name=\"%s-%u\"");
}

static void put_labels(struct page *p, uint32_t i)
{
	static void (*const by_kind[])(struct page * p, uint32_t i) = {
		[SL_SIM_GPU_DCGM] = put_dcgm_labels,
		[SL_SIM_GPU_DCGM_NEW] = put_dcgm_labels,
		[SL_SIM_GPU_AMD] = put_amd_labels,
		[SL_SIM_GPU_ASCEND] = put_ascend_labels,
	};

	by_kind[p->v->opt->gpu_kind](p, i);
}

/* Ascend's exporter says when, too. */
static void end_line(struct page *p)
{
	if (p->v->opt->gpu_kind == SL_SIM_GPU_ASCEND)
		sl_sim_buf_printf(p->out, " %lld", (long long)p->v->unix_ms);
	sl_sim_buf_str(p->out, "\n");
}

static void put_value(struct page *p, const struct family *f, const struct sl_sim_gpu *gpu,
                      double value)
{
	if (gpu->sentinel && f->type == REAL)
		sl_sim_buf_str(p->out, "} 140737488355328.000000");
	else if (gpu->sentinel)
		sl_sim_buf_str(p->out, "} 9223372036854775794");
	else if (f->type == REAL)
		sl_sim_buf_printf(p->out, "} %.6f", value);
	else
		sl_sim_buf_printf(p->out, "} %.0f", value);
	end_line(p);
}

static bool is_shown(const struct page *p, const struct family *f)
{
	enum sl_sim_gpu_kind kind = p->v->opt->gpu_kind;

	if (kind == SL_SIM_GPU_DCGM_NEW)
		kind = SL_SIM_GPU_DCGM;
	return f->kind == kind && (f->set == DEFAULT || p->v->opt->gpu_all);
}

static void put_family(struct page *p, size_t k, const double (*values)[N_FAMILIES])
{
	const struct family *f = &families[k];
	bool renamed = p->v->opt->gpu_kind == SL_SIM_GPU_DCGM_NEW && f->new_name;
	const char *name = renamed ? f->new_name : f->name;

	put_head(p, name, f->type == COUNTER ? "counter" : "gauge", f->help);
	for (uint32_t i = 0; i < p->v->gpus->n; i++) {
		const struct sl_sim_gpu *gpu = &p->v->gpus->all[i];

		if (gpu->vanished)
			continue;
		sl_sim_buf_str(p->out, name);
		put_labels(p, i);
		put_value(p, f, gpu, values[i][k]);
	}
}

/* ---- DCGM's own health: DCGM_EXP_* ------------------------------------- */

static void put_xid_counts(struct page *p, uint32_t i)
{
	const struct sl_sim_gpu *gpu = &p->v->gpus->all[i];

	for (size_t k = 0; k < SL_SIM_GPU_XIDS; k++) {
		uint32_t xid = gpu->events[k].xid;
		uint32_t n = sl_sim_gpu_xid_count(gpu, xid, p->v->now_us);
		bool before = false;

		for (size_t j = 0; j < k; j++)
			before |= gpu->events[j].xid == xid;
		if (!n || before)
			continue;
		sl_sim_buf_str(p->out, "DCGM_EXP_XID_ERRORS_COUNT");
		put_labels(p, i);
		sl_sim_buf_printf(p->out, ",window_size_in_ms=\"300000\",xid=\"%u\"} %u\n", xid, n);
	}
}

static void put_health_status(struct page *p, uint32_t i)
{
	for (size_t k = 0; k < SL_SIM_GPU_WATCHES; k++) {
		uint32_t value = p->v->gpus->all[i].health[k];

		sl_sim_buf_str(p->out, "DCGM_EXP_GPU_HEALTH_STATUS");
		put_labels(p, i);
		sl_sim_buf_printf(p->out, ",health_watch=\"%s\",health_error_code=\"%s\"} %u\n",
		                  sl_sim_gpu_watches[k], value ? "DCGM_FR_UNKNOWN" : "DCGM_FR_OK",
		                  value);
	}
}

static void put_clock_events(struct page *p, uint32_t i)
{
	const struct sl_sim_gpu *gpu = &p->v->gpus->all[i];
	const struct {
		const char *event;
		bool on;
	} rows[] = { { "hw_thermal", gpu->thermal }, { "hw_power_brake", gpu->power } };

	for (size_t k = 0; k < SL_COUNT(rows); k++) {
		if (!rows[k].on)
			continue;
		sl_sim_buf_str(p->out, "DCGM_EXP_CLOCK_EVENTS_COUNT");
		put_labels(p, i);
		sl_sim_buf_printf(p->out, ",clock_event=\"%s\",window_size_in_ms=\"300000\"} 1\n",
		                  rows[k].event);
	}
}

static void put_dcgm_health(struct page *p)
{
	static const struct {
		const char *name, *help;
		void (*put)(struct page *p, uint32_t i);
	} rows[] = {
		{ "DCGM_EXP_XID_ERRORS_COUNT",
		  "Count of XID Errors within user-specified time "
		  "window (see xid-count-window-size param).",
		  put_xid_counts },
		{ "DCGM_EXP_GPU_HEALTH_STATUS", "GPU health status.", put_health_status },
		{ "DCGM_EXP_CLOCK_EVENTS_COUNT",
		  "Count of clock events within the user-specified "
		  "time window (see clock-events-count-window-size "
		  "param).",
		  put_clock_events },
	};

	for (size_t k = 0; k < SL_COUNT(rows); k++) {
		put_head(p, rows[k].name, "gauge", rows[k].help);
		for (uint32_t i = 0; i < p->v->gpus->n; i++)
			if (!p->v->gpus->all[i].vanished)
				rows[k].put(p, i);
	}
}

void sl_sim_gpu_page(struct sl_sim_buf *b, const struct sl_sim_gpu_view *view)
{
	struct page p = { b, view };
	double(*values)[N_FAMILIES] = calloc(view->gpus->n + 1, sizeof(*values));
	bool dcgm = view->opt->gpu_kind == SL_SIM_GPU_DCGM ||
	            view->opt->gpu_kind == SL_SIM_GPU_DCGM_NEW;

	if (!values)
		abort();
	for (uint32_t i = 0; i < view->gpus->n; i++)
		read_values(view, &view->gpus->all[i], &view->load[i / view->gpus->per_engine],
		            values[i]);
	for (size_t k = 0; k < N_FAMILIES && !view->gpus->empty; k++)
		if (is_shown(&p, &families[k]))
			put_family(&p, k, (const double(*)[N_FAMILIES])values);
	if (dcgm && view->opt->gpu_all && !view->gpus->empty)
		put_dcgm_health(&p);
	free(values);
}
