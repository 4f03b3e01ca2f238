/* metrics_page.c: the /metrics page of vLLM 0.32: every family in its order,
 * help and _created series included, labels sorted, with this engine's
 * values. The interpreter's own families are there and say nothing. */
#include "bench/sim/metrics_page.h"

#include <stdio.h>

#include "bench/sim/page_process.h"

enum kind { GAUGE, COUNTER, MODEL_COUNTER, NIXL_GAUGE, NIXL_COUNTER, HISTOGRAM, NIXL_HISTOGRAM };

/* Which vLLM shows it. */
enum since { ALL, NEW, OLD };

struct family {
	enum kind kind;
	enum since since;
	const char *name, *label, *values, *help;
	double (*get)(const struct sl_sim_engine *e, unsigned k);
	enum sl_sim_hist hist;
};

#define SL_SIM_HISTOGRAM(id, since)
#define SL_SIM_NIXL_HISTOGRAM(id)
#define SL_SIM_FAMILY(kind, since, name, label, values, help, value)                               \
	static double get_##name(const struct sl_sim_engine *e, unsigned k)                        \
	{                                                                                          \
		const struct sl_sim_metrics *m = &e->metrics;                                      \
                                                                                                   \
		(void)m;                                                                           \
		(void)k;                                                                           \
		return (double)(value);                                                            \
	}
#include "bench/sim/families.def"
#undef SL_SIM_FAMILY
#undef SL_SIM_HISTOGRAM
#undef SL_SIM_NIXL_HISTOGRAM

static const struct family families[] = {
#define SL_SIM_FAMILY(kind, since, name, label, values, help, value)                               \
	{ kind, since, #name, label, values, help, get_##name, 0 },
#define SL_SIM_HISTOGRAM(id, since)                                                                \
	{ HISTOGRAM, since, NULL, NULL, NULL, NULL, NULL, SL_SIM_H_##id },
#define SL_SIM_NIXL_HISTOGRAM(id)                                                                  \
	{ NIXL_HISTOGRAM, NEW, NULL, NULL, NULL, NULL, NULL, SL_SIM_H_##id },
#include "bench/sim/families.def"
#undef SL_SIM_FAMILY
#undef SL_SIM_HISTOGRAM
#undef SL_SIM_NIXL_HISTOGRAM
};

struct page {
	struct sl_sim_page *out;
	const struct sl_sim_engine *engine;
	struct sl_sim_buf model; /* the model_name label, escaped */
};

static void put_value(struct page *p, double value)
{
	sl_sim_page_value(p->out, value);
}

static void put_head(struct page *p, const char *prefix, const char *name, const char *suffix,
                     const char *type, const char *help)
{
	sl_sim_page_head(p->out, prefix, name, suffix, type, help);
}

/* Labels in the alphabet's order: engine, finished_reason, le, model_name, the rest. */
static void put_series(struct page *p, const struct family *f, const char *suffix,
                       struct sl_span label_value, double value)
{
	bool early = f->label && strcmp(f->label, "model_name") < 0;

	sl_sim_page_printf(p->out, "vllm:%s%s{%s", f->name, suffix,
	                   f->kind == MODEL_COUNTER ? "" : "engine=\"0\",");
	if (early)
		sl_sim_page_printf(p->out, "%s=\"%.*s\",", f->label, (int)label_value.len,
		                   label_value.ptr);
	sl_sim_page_text(p->out, sl_sim_buf_span(&p->model));
	if (f->label && !early)
		sl_sim_page_printf(p->out, ",%s=\"%.*s\"", f->label, (int)label_value.len,
		                   label_value.ptr);
	sl_sim_page_text(p->out, SL_SPAN("}"));
	put_value(p, value);
}

static void put_all_series(struct page *p, const struct family *f, const char *suffix, bool created)
{
	const char *at = f->values;

	for (unsigned k = 0;; k++) {
		size_t n = strcspn(at, "|");

		put_series(p, f, suffix, sl_span(at, n),
		           created ? p->engine->metrics.created_s : f->get(p->engine, k));
		if (!at[n])
			return;
		at += n + 1;
	}
}

static void put_family(struct page *p, const struct family *f)
{
	if (f->kind == GAUGE || f->kind == NIXL_GAUGE) {
		put_head(p, "vllm:", f->name, "", "gauge", f->help);
		put_all_series(p, f, "", false);
		return;
	}
	put_head(p, "vllm:", f->name, "_total", "counter", f->help);
	put_all_series(p, f, "_total", false);
	put_head(p, "vllm:", f->name, "_created", "gauge", f->help);
	put_all_series(p, f, "_created", true);
}

/* `labels` go in front of le, `more` behind it. */
static void put_histogram(struct page *p, const struct sl_sim_histogram *h, const double *bounds,
                          const char *name, const char *labels, const char *more)
{
	uint64_t sum = 0;

	for (unsigned i = 0; bounds[i] > 0; i++) {
		sum += h->buckets[i];
		sl_sim_page_printf(p->out, "%s_bucket{%sle=\"", name, labels);
		sl_sim_page_bound(p->out, bounds[i]);
		sl_sim_page_printf(p->out, "\"%s}", more);
		put_value(p, (double)sum);
	}
	sl_sim_page_printf(p->out, "%s_bucket{%sle=\"+Inf\"%s}", name, labels, more);
	put_value(p, (double)h->count);
}

static void put_engine_histogram(struct page *p, enum sl_sim_hist which)
{
	static const char *const suffixes[] = { "_count", "_sum" };
	const struct sl_sim_hist_info *info = sl_sim_hist_info(which);
	const struct sl_sim_histogram *h = &p->engine->metrics.hists[which];
	struct family f = { .kind = HISTOGRAM, .name = info->name, .values = "" };
	struct sl_sim_buf name = { 0 }, more = { 0 };

	if (p->out->recording) {
		sl_sim_buf_printf(&name, "vllm:%s%c", info->name, 0);
		sl_sim_buf_printf(&more, ",%.*s%c", (int)p->model.len, p->model.ptr, 0);
	}
	put_head(p, "vllm:", info->name, "", "histogram", info->help);
	put_histogram(p, h, info->bounds, name.ptr, "engine=\"0\",", more.ptr);
	put_series(p, &f, suffixes[0], sl_span("", 0), (double)h->count);
	put_series(p, &f, suffixes[1], sl_span("", 0), h->sum);
	put_head(p, "vllm:", info->name, "_created", "gauge", info->help);
	put_series(p, &f, "_created", sl_span("", 0), p->engine->metrics.created_s);
	sl_sim_buf_fini(&name);
	sl_sim_buf_fini(&more);
}

static void put_families(struct page *p)
{
	const struct sl_sim_options *opt = &p->engine->sim->opt;
	enum since other = opt->dialect == SL_SIM_VLLM_0_10 ? NEW : OLD;

	for (size_t i = 0; i < SL_COUNT(families); i++) {
		const struct family *f = &families[i];
		bool nixl = f->kind == NIXL_GAUGE || f->kind == NIXL_COUNTER ||
		            f->kind == NIXL_HISTOGRAM;

		if ((nixl && !opt->connector) || f->since == other)
			continue;
		if (f->kind == HISTOGRAM || f->kind == NIXL_HISTOGRAM)
			put_engine_histogram(p, f->hist);
		else
			put_family(p, f);
	}
}

/* ---- the cache's, the adapters', the HTTP server's ------------------ */

/* Every field of CacheConfig is a label; here are those that anybody reads. */
static void put_config(struct page *p)
{
	const struct sl_sim_options *opt = &p->engine->sim->opt;
	uint32_t tokens = opt->block_tokens * opt->kv_blocks;

	put_head(p, "vllm:", "cache_config_info", "", "gauge",
	         "Information of the LLMEngine CacheConfig");
	sl_sim_page_printf(
	        p->out,
	        "vllm:cache_config_info{_block_size_resolved=\"True\",block_size=\"%u\","
	        "cache_dtype=\"auto\",enable_prefix_caching=\"True\",engine=\"0\","
	        "gpu_memory_utilization=\"0.92\",is_attention_free=\"False\","
	        "kv_cache_max_concurrency=\"%.1f\",kv_cache_memory_bytes=\"None\","
	        "kv_cache_size_tokens=\"%u\",kv_offloading_backend=\"native\","
	        "mamba_block_size=\"None\",num_cpu_blocks=\"None\",num_gpu_blocks=\"%u\","
	        "num_gpu_blocks_override=\"None\",prefix_caching_hash_algo=\"sha256\","
	        "sliding_window=\"None\",user_specified_block_size=\"True\"} 1.0\n",
	        opt->block_tokens, (double)tokens / opt->max_model_len, tokens, opt->kv_blocks);
}

static void put_escaped(struct page *p, struct sl_span text)
{
	struct sl_sim_buf b = { 0 };

	sl_sim_label_escape(&b, text);
	sl_sim_page_text(p->out, sl_sim_buf_span(&b));
	sl_sim_buf_fini(&b);
}

/* The names of the adapters that sequences of a list have, each once. */
static void put_adapters(struct page *p, const struct sl_sim_seq_list *list)
{
	const struct sl_sim_options *opt = &p->engine->sim->opt;
	bool has[SL_SIM_MAX_ADAPTERS + 1] = { false };
	const char *comma = "";

	for (const struct sl_sim_seq *seq = list->first; seq; seq = seq->next)
		has[seq->adapter] = true;
	for (uint32_t i = 0; i < opt->n_loras; i++) {
		if (!has[i + 1])
			continue;
		sl_sim_page_text(p->out, sl_span_str(comma));
		put_escaped(p, opt->loras[i]);
		comma = ",";
	}
}

static void put_lora_state(struct page *p, const struct sl_sim_seq_list *running,
                           const struct sl_sim_seq_list *waiting, double since_s)
{
	sl_sim_page_printf(p->out,
	                   "vllm:lora_requests_info{max_lora=\"%u\",running_lora_adapters=\"",
	                   p->engine->sim->opt.max_loras);
	put_adapters(p, running);
	sl_sim_page_text(p->out, SL_SPAN("\",waiting_lora_adapters=\""));
	put_adapters(p, waiting);
	sl_sim_page_text(p->out, SL_SPAN("\"}"));
	put_value(p, since_s);
}

/* vLLM's page keeps a series for every state that there has been; here are the
 * first one and the present one. */
static void put_loras(struct page *p)
{
	static const struct sl_sim_seq_list none;
	const struct sl_sim_batch *b = &p->engine->batch;

	if (!p->engine->sim->opt.n_loras)
		return;
	put_head(p, "vllm:", "lora_requests_info", "", "gauge", "Running stats on lora requests.");
	if (b->n_adapters)
		put_lora_state(p, &b->running, &b->waiting, (double)sl_sim_unix_s());
	put_lora_state(p, &none, &none, p->engine->metrics.created_s - 1);
}

static const char *const handlers[SL_SIM_N_HANDLERS] = { "/v1/chat/completions", "/v1/completions",
	                                                 "/v1/embeddings" };

static void put_http_summary(struct page *p, const char *name, const char *help, bool request)
{
	put_head(p, "", name, "", "summary", help);
	for (size_t i = 0; i < SL_SIM_N_HANDLERS; i++) {
		const struct sl_sim_http_count *c = &p->engine->metrics.http[i];

		if (!c->seconds.count)
			continue;
		sl_sim_page_printf(p->out, "%s_count{handler=\"%s\"}", name, handlers[i]);
		put_value(p, (double)c->seconds.count);
		sl_sim_page_printf(p->out, "%s_sum{handler=\"%s\"}", name, handlers[i]);
		put_value(p, request ? c->request_bytes : c->response_bytes);
	}
}

static void put_http_totals(struct page *p)
{
	put_head(p, "", "http_requests_total", "", "counter",
	         "Total number of requests by method, status and handler.");
	for (size_t i = 0; i < SL_SIM_N_HANDLERS; i++)
		for (unsigned class = 1; class < 6; class ++) {
			uint64_t n = p->engine->metrics.http[i].by_class[class];

			if (!n)
				continue;
			sl_sim_page_printf(p->out,
			                   "http_requests_total{handler=\"%s\",method=\"POST\","
			                   "status=\"%uxx\"}",
			                   handlers[i], class);
			put_value(p, (double)n);
		}
}

static void put_http(struct page *p)
{
	put_http_totals(p);
	put_http_summary(p, "http_request_size_bytes",
	                 "Content length of incoming requests by handler. Only value of header is "
	                 "respected. Otherwise ignored. No percentile calculated. ",
	                 true);
	put_http_summary(p, "http_response_size_bytes",
	                 "Content length of outgoing responses by handler. Only value of header is "
	                 "respected. Otherwise ignored. No percentile calculated. ",
	                 false);
	put_head(p, "", "http_request_duration_seconds", "", "histogram",
	         "Latency with only few buckets by handler. Made to be only used if aggregation by "
	         "handler is important. ");
	for (size_t i = 0; i < SL_SIM_N_HANDLERS; i++) {
		const struct sl_sim_histogram *h = &p->engine->metrics.http[i].seconds;
		char labels[64];

		if (!h->count)
			continue;
		snprintf(labels, sizeof(labels), "handler=\"%s\",", handlers[i]);
		put_histogram(p, h, sl_sim_http_bounds, "http_request_duration_seconds", labels,
		              ",method=\"POST\"");
		sl_sim_page_printf(p->out, "http_request_duration_seconds_count{%smethod=\"POST\"}",
		                   labels);
		put_value(p, (double)h->count);
		sl_sim_page_printf(p->out, "http_request_duration_seconds_sum{%smethod=\"POST\"}",
		                   labels);
		put_value(p, h->sum);
	}
}

static void begin(struct page *page, struct sl_sim_page *p, const struct sl_sim_engine *e)
{
	*page = (struct page){ .out = p, .engine = e };
	if (!p->recording)
		return;
	sl_sim_buf_str(&page->model, "model_name=\"");
	sl_sim_label_escape(&page->model, sl_span_str(e->sim->opt.models[0]));
	sl_sim_buf_str(&page->model, "\"");
}

/* What looks the same on each page of the process, but for the values. */
static void walk_fixed(struct sl_sim_page *p, const void *engine)
{
	struct page page;

	begin(&page, p, engine);
	sl_sim_page_process(p, engine);
	put_families(&page);
	sl_sim_buf_fini(&page.model);
}

static void walk_rest(struct sl_sim_page *p, const void *engine)
{
	struct page page;

	begin(&page, p, engine);
	put_loras(&page);
	put_config(&page);
	put_http(&page);
	sl_sim_buf_fini(&page.model);
}

/* Which series the rest of the page has: one bit for each that comes and goes.
 * Never 0. */
static uint64_t shape_of(const struct sl_sim_engine *e)
{
	uint64_t shape = 1;

	for (size_t i = 0; i < SL_SIM_N_HANDLERS; i++)
		for (unsigned class = 1; class < 6; class ++)
			shape = shape << 1 | (e->metrics.http[i].by_class[class] > 0);
	return shape;
}

/* Adapters' names are text, and change. */
static void put_rest(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	struct sl_sim_template *kept = &e->sim->templates[1];
	struct sl_sim_template once = { 0 };
	uint64_t shape = shape_of(e);

	if (e->sim->opt.n_loras) {
		sl_sim_page_make(b, &once, SL_SIM_NUMBERS_PYTHON, walk_rest, e);
		sl_sim_template_fini(&once);
		return;
	}
	if (e->sim->rest_shape != shape)
		sl_sim_template_fini(kept);
	e->sim->rest_shape = shape;
	sl_sim_page_make(b, kept, SL_SIM_NUMBERS_PYTHON, walk_rest, e);
}

void sl_sim_metrics_page(struct sl_sim_buf *b, struct sl_sim_engine *e)
{
	sl_sim_page_make(b, &e->sim->templates[0], SL_SIM_NUMBERS_PYTHON, walk_fixed, e);
	put_rest(b, e);
}
