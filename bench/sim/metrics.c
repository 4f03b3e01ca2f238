/* metrics.c: the /metrics page of vLLM 0.32, with this engine's values. */
#include "bench/sim/metrics.h"

#include <math.h>
#include <stdio.h>

#include "bench/sim/sim.h"

/* Upper bounds, ascending; the first 0 ends a table. */
static const double xfer_bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.2,
	                              0.3,   0.5,  0.75,  1.0,  5.0,   0 };
static const double post_bounds[] = { 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 0 };
static const double byte_bounds[] = { 2e3, 4e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 0 };
static const double descriptor_bounds[] = { 10, 20, 30, 50, 75, 100, 200, 400, 1000, 2000, 0 };
static const double length_bounds[] = { 1,    2,    5,    10,    20,    50,    100,    200, 500,
	                                1000, 2000, 5000, 10000, 20000, 50000, 100000, 0 };
static const double iteration_bounds[] = { 1,   8,    16,   32,   64,   128,   256,
	                                   512, 1024, 2048, 4096, 8192, 16384, 0 };
static const double n_bounds[] = { 1, 2, 5, 10, 20, 0 };
static const double ttft_bounds[] = { .001, .005, .01, .02, .04, .06, .08, .1,  .25, .5,   .75, 1,
	                              2.5,  5,    7.5, 10,  20,  40,  80,  160, 640, 2560, 0 };
static const double itl_bounds[] = { .01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
	                             .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80, 0 };
static const double request_bounds[] = { .3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,   20,
	                                 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680, 0 };

static const struct {
	const char *name;
	const double *bounds;
	const char *help;
} hists[] = {
#define SL_SIM_HIST(id, name, bounds, help) { name, bounds, help },
#include "bench/sim/histograms.def"
#undef SL_SIM_HIST
};

void sl_sim_observe_many(struct sl_sim_metrics *m, enum sl_sim_hist which, double value, uint64_t n)
{
	struct sl_sim_histogram *h = &m->hists[which];
	const double *bounds = hists[which].bounds;
	unsigned i = 0;

	while (bounds[i] > 0 && value > bounds[i])
		i++;
	h->buckets[bounds[i] > 0 ? i : SL_SIM_MAX_BUCKETS] += n;
	h->count += n;
	h->sum += value * (double)n;
}

void sl_sim_observe(struct sl_sim_metrics *m, enum sl_sim_hist which, double value)
{
	sl_sim_observe_many(m, which, value, 1);
}

void sl_sim_add_float(struct sl_sim_buf *b, double value)
{
	char text[40];

	if (value == floor(value) && fabs(value) < 1e6)
		snprintf(text, sizeof(text), "%.1f", value);
	else
		snprintf(text, sizeof(text), "%.15g", value);
	sl_sim_buf_str(b, text);
}

struct page {
	struct sl_sim_buf *out;
	const char *model;
};

static void put_family(struct page *p, const char *name, const char *type, const char *help)
{
	sl_sim_buf_printf(p->out, "# HELP vllm:%s %s\n# TYPE vllm:%s %s\n", name, help, name, type);
}

/* label: `reason="x"` after model_name, or "". */
static void put_value(struct page *p, const char *name, const char *before, const char *after,
                      double value)
{
	sl_sim_buf_printf(p->out, "vllm:%s{engine=\"0\"%s%s,model_name=\"%s\"%s%s} ", name,
	                  *before ? "," : "", before, p->model, *after ? "," : "", after);
	sl_sim_add_float(p->out, value);
	sl_sim_buf_str(p->out, "\n");
}

static void put_gauge(struct page *p, const char *name, const char *help, double value)
{
	put_family(p, name, "gauge", help);
	put_value(p, name, "", "", value);
}

static void put_counter(struct page *p, const char *name, const char *help, double value,
                        double created_s)
{
	char full[96];

	snprintf(full, sizeof(full), "%s_total", name);
	put_family(p, full, "counter", help);
	put_value(p, full, "", "", value);
	snprintf(full, sizeof(full), "%s_created", name);
	put_family(p, full, "gauge", help);
	put_value(p, full, "", "", created_s);
}

static void put_histogram(struct page *p, const struct sl_sim_metrics *m, unsigned which)
{
	const struct sl_sim_histogram *h = &m->hists[which];
	const double *bounds = hists[which].bounds;
	char bucket[96], le[40];
	uint64_t sum = 0;

	put_family(p, hists[which].name, "histogram", hists[which].help);
	snprintf(bucket, sizeof(bucket), "%s_bucket", hists[which].name);
	for (unsigned i = 0; bounds[i] > 0; i++) {
		struct sl_sim_buf number = { 0 };

		sum += h->buckets[i];
		sl_sim_add_float(&number, bounds[i]);
		snprintf(le, sizeof(le), "le=\"%.*s\"", (int)number.len, number.ptr);
		put_value(p, bucket, le, "", (double)sum);
		sl_sim_buf_fini(&number);
	}
	put_value(p, bucket, "le=\"+Inf\"", "", (double)h->count);
	snprintf(bucket, sizeof(bucket), "%s_count", hists[which].name);
	put_value(p, bucket, "", "", (double)h->count);
	snprintf(bucket, sizeof(bucket), "%s_sum", hists[which].name);
	put_value(p, bucket, "", "", h->sum);
}

static void put_gauges(struct page *p, const struct sl_sim_engine *e)
{
	uint32_t waiting = e->batch.waiting.n + e->batch.fetching.n;

	put_gauge(p, "num_requests_running", "Number of requests in model execution batches.",
	          e->batch.running.n);
	put_gauge(p, "num_requests_waiting", "Number of requests waiting to be processed.",
	          waiting);
	put_family(p, "num_requests_waiting_by_reason", "gauge",
	           "Number of waiting requests by reason.");
	put_value(p, "num_requests_waiting_by_reason", "", "reason=\"capacity\"",
	          e->batch.waiting.n);
	put_value(p, "num_requests_waiting_by_reason", "", "reason=\"deferred\"",
	          e->batch.fetching.n);
	put_gauge(p, "kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.",
	          sl_sim_kv_usage(e->kv));
}

static void put_counters(struct page *p, const struct sl_sim_engine *e)
{
	const struct sl_sim_metrics *m = &e->metrics;
	const struct sl_sim_batch *b = &e->batch;
	const struct {
		const char *name, *help;
		uint64_t value;
	} rows[] = {
		{ "prefix_cache_queries",
		  "Prefix cache queries, in terms of number of queried tokens.",
		  b->prefix_queries_tokens },
		{ "prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.",
		  b->prefix_hits_tokens },
		{ "external_prefix_cache_queries",
		  "External prefix cache queries from KV connector.", b->external_queries_tokens },
		{ "external_prefix_cache_hits", "External prefix cache hits from KV connector.",
		  b->external_hits_tokens },
		{ "num_preemptions", "Cumulative number of preemption from the engine.",
		  b->preemptions },
		{ "prompt_tokens", "Number of prefill tokens processed.", m->prompt_tokens },
		{ "prompt_tokens_cached", "Number of cached prompt tokens.", m->cached_tokens },
		{ "generation_tokens", "Number of generation tokens processed.",
		  m->generation_tokens },
		{ "nixl_num_failed_transfers", "Number of failed NIXL KV Cache transfers.",
		  m->failed_transfers },
		{ "nixl_num_kv_expired_reqs",
		  "Number of requests whose KV expired before being read.", e->handoffs.expired },
		{ "admission_rejections", "Requests rejected by admission control.", m->rejected },
	};

	for (size_t i = 0; i < SL_COUNT(rows); i++)
		put_counter(p, rows[i].name, rows[i].help, (double)rows[i].value, m->created_s);
}

static void put_labelled(struct page *p, const struct sl_sim_engine *e)
{
	static const char *const reasons[] = { "stop", "length", "abort", "error" };
	const struct sl_sim_metrics *m = &e->metrics;
	const struct {
		const char *source;
		uint64_t value;
	} sources[] = { { "local_compute", m->local_tokens },
		        { "local_cache_hit", m->cached_tokens },
		        { "external_kv_transfer", m->fetched_tokens } };
	char label[64];

	put_family(p, "request_success_total", "counter",
	           "Count of successfully processed requests.");
	for (unsigned i = 0; i < SL_SIM_N_FINISHES; i++) {
		snprintf(label, sizeof(label), "finished_reason=\"%s\"", reasons[i]);
		put_value(p, "request_success_total", label, "", (double)m->finished[i]);
	}
	put_family(p, "prompt_tokens_by_source_total", "counter",
	           "Number of prompt tokens by source.");
	for (unsigned i = 0; i < SL_COUNT(sources); i++) {
		snprintf(label, sizeof(label), "source=\"%s\"", sources[i].source);
		put_value(p, "prompt_tokens_by_source_total", "", label, (double)sources[i].value);
	}
}

static void put_config(struct page *p, const struct sl_sim_engine *e)
{
	const struct sl_sim_options *opt = &e->sim->opt;

	put_family(p, "cache_config_info", "gauge", "Information of the LLMEngine CacheConfig");
	sl_sim_buf_printf(
	        p->out,
	        "vllm:cache_config_info{block_size=\"%u\",cache_dtype=\"auto\","
	        "enable_prefix_caching=\"True\",engine=\"0\",gpu_memory_utilization=\"0.92\","
	        "kv_cache_size_tokens=\"%u\",num_cpu_blocks=\"None\",num_gpu_blocks=\"%u\","
	        "prefix_caching_hash_algo=\"sha256\",sliding_window=\"None\"} 1.0\n",
	        opt->block_tokens, opt->block_tokens * opt->kv_blocks, opt->kv_blocks);
}

static void put_process(struct page *p, const struct sl_sim_engine *e)
{
	sl_sim_buf_str(p->out,
	               "# HELP process_start_time_seconds Start time of the process since unix "
	               "epoch in seconds.\n# TYPE process_start_time_seconds gauge\n"
	               "process_start_time_seconds ");
	sl_sim_add_float(p->out, e->metrics.created_s);
	sl_sim_buf_str(p->out, "\n");
}

void sl_sim_metrics_page(struct sl_sim_buf *b, const struct sl_sim_engine *e)
{
	struct page page = { b, e->sim->opt.models[0] };

	put_process(&page, e);
	put_gauges(&page, e);
	put_counters(&page, e);
	put_labelled(&page, e);
	for (unsigned i = 0; i < SL_SIM_N_HISTS; i++)
		put_histogram(&page, &e->metrics, i);
	put_config(&page, e);
}
