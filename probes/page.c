/* page.c: an engine's /metrics page, reduced to one sl_engine_page.
 *
 * Nouns: a dialect is a table of families (one .def file an engine kind); a
 * series is a family with its labels, as one engine of the page reports it
 * (data-parallel engines share a page); a field is a member of sl_engine_page,
 * made from all series of its best-ranked family.
 *
 * Invariants: of a series that a page holds twice (AIBrix's sidecar does that)
 * the last sample counts. Values that are negative, infinite or NaN are as
 * good as absent. Of the states of its adapters that a page lists, the latest
 * counts; a line is bounded, and so is what is kept of it. At most SERIES_MAX series are kept,
 * whatever a page says. It refuses to derive rates: a page has no time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sluice/probe.h"

#define SERIES_MAX 1024 /* 13 fields of 78 engines */

enum how { HOW_SUM, HOW_MEAN, HOW_LAST };

struct family {
	struct sl_span name;
	enum how how;
	uint8_t rank;
	/* Its labels count, not its value; or NULL. */
	void (*labels)(struct sl_page_reader *r, const struct sl_prom_sample *sample);
	bool shared;  /* any program exposes it: no sign of the dialect */
	size_t field; /* offset in sl_engine_page */
};

#define FIELD(member) offsetof(struct sl_engine_page, member)
#define PAGE_SERIES(member, how, rank, name)                                                       \
	{ { name, sizeof(name) - 1 }, HOW_##how, rank, NULL, false, FIELD(member) },
#define PAGE_CONFIG(name) { { name, sizeof(name) - 1 }, HOW_LAST, 0, read_config, false, 0 },
#define PAGE_ADAPTERS(name) { { name, sizeof(name) - 1 }, HOW_LAST, 0, read_adapters, false, 0 },

static void read_config(struct sl_page_reader *r, const struct sl_prom_sample *sample);
static void read_adapters(struct sl_page_reader *r, const struct sl_prom_sample *sample);

static const struct family families_vllm[] = {
#include "probes/vllm.def"
	{ { "process_start_time_seconds", 26 }, HOW_LAST, 0, NULL, true, FIELD(start_time_s) },
};

/* The labels of a PAGE_CONFIG line become series of these. */
static const struct family config_block_size = { .how = HOW_MEAN, .field = FIELD(block_size) };
static const struct family config_num_blocks = { .how = HOW_SUM, .field = FIELD(num_blocks) };
static const struct family config_capacity = { .how = HOW_SUM, .field = FIELD(kv_capacity_tokens) };

static const struct dialect {
	const char *name;
	const struct family *families;
	size_t n_families;
} dialects[SL_ENGINE_KIND_COUNT] = {
	[SL_ENGINE_VLLM] = { "vllm", families_vllm, SL_COUNT(families_vllm) },
	[SL_ENGINE_GENERIC] = { "generic", NULL, 0 },
};

struct series {
	const struct family *family;
	uint64_t key; /* of its labels */
	double value;
};

struct sl_page_reader {
	const struct dialect *dialect;
	struct sl_prom *prom;        /* owned */
	const struct family *wanted; /* of the line being read */
	struct series *series;       /* owned */
	uint32_t n_series, size;
	uint32_t found;    /* samples that only this dialect has */
	struct states {    /* of its adapters */
		double at; /* when; negative: the page has none */
		double max;
		char *names; /* owned: those that run, then those that wait */
		size_t running_len, waiting_len, size;
	} adapters;
};

const char *sl_engine_kind_name(enum sl_engine_kind k)
{
	return (size_t)k < SL_COUNT(dialects) ? dialects[k].name : "invalid";
}

/* ---- collecting ------------------------------------------------------ */

static bool want_family(void *ctx, struct sl_span name)
{
	struct sl_page_reader *r = ctx;

	for (size_t i = 0; i < r->dialect->n_families; i++) {
		if (sl_span_eq(r->dialect->families[i].name, name)) {
			r->wanted = &r->dialect->families[i];
			return true;
		}
	}
	return false;
}

static uint64_t hash_span(uint64_t h, struct sl_span s)
{
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001b3ull;
	return (h ^ 0xff) * 0x100000001b3ull; /* never part of UTF-8: ends a span */
}

/* Which series of its family a sample belongs to. Pages write labels in a
 * fixed order, so their order need not be undone. */
static uint64_t labels_key(const struct sl_prom_sample *sample)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (uint32_t i = 0; i < sample->n_labels; i++) {
		h = hash_span(h, sample->labels[i].name);
		h = hash_span(h, sample->labels[i].value);
	}
	return h;
}

static struct sl_span find_label(const struct sl_prom_sample *sample, struct sl_span name)
{
	for (uint32_t i = 0; i < sample->n_labels; i++)
		if (sl_span_eq(sample->labels[i].name, name))
			return sample->labels[i].value;
	return sl_span(NULL, 0);
}

static void keep_series(struct sl_page_reader *r, const struct family *family, uint64_t key,
                        double value)
{
	if (!isfinite(value) || value < 0)
		return;
	for (uint32_t i = 0; i < r->n_series; i++) {
		if (r->series[i].key == key && r->series[i].family == family) {
			r->series[i].value = value;
			return;
		}
	}
	if (r->n_series == SERIES_MAX)
		return;
	if (r->n_series == r->size) {
		r->size = r->size ? 2 * r->size : 32;
		r->series = realloc(r->series, r->size * sizeof(*r->series));
		if (!r->series)
			abort(); /* at most SERIES_MAX */
	}
	r->series[r->n_series++] = (struct series){ family, key, value };
}

/* A whole number in a label; -1 for "None" and all else. */
static double label_number(struct sl_span text)
{
	double value = 0;

	if (!text.len || text.len > 15)
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return -1;
		value = 10 * value + (text.ptr[i] - '0');
	}
	return value;
}

/* One engine's KV cache. Its own figure in tokens is better than the product:
 * with hybrid attention a block does not hold block_size tokens of each layer. */
static void read_config(struct sl_page_reader *r, const struct sl_prom_sample *sample)
{
	double block_size = label_number(find_label(sample, SL_SPAN("block_size")));
	double num_blocks = label_number(find_label(sample, SL_SPAN("num_gpu_blocks")));
	double tokens = label_number(find_label(sample, SL_SPAN("kv_cache_size_tokens")));
	uint64_t engine = hash_span(0, find_label(sample, SL_SPAN("engine")));

	if (tokens < 0 && block_size >= 0 && num_blocks >= 0)
		tokens = block_size * num_blocks;
	keep_series(r, &config_block_size, engine, block_size);
	keep_series(r, &config_num_blocks, engine, num_blocks);
	keep_series(r, &config_capacity, engine, tokens);
}

static void keep_names(struct states *a, struct sl_span running, struct sl_span waiting)
{
	size_t size = running.len + waiting.len;

	if (size > a->size) {
		a->names = realloc(a->names, size);
		if (!a->names)
			abort(); /* less than a line */
		a->size = size;
	}
	if (running.len)
		memcpy(a->names, running.ptr, running.len);
	if (waiting.len)
		memcpy(a->names + running.len, waiting.ptr, waiting.len);
	a->running_len = running.len;
	a->waiting_len = waiting.len;
}

static void read_adapters(struct sl_page_reader *r, const struct sl_prom_sample *sample)
{
	struct states *a = &r->adapters;

	if (!isfinite(sample->value) || sample->value < 0 || sample->value < a->at)
		return;
	a->at = sample->value;
	a->max = label_number(find_label(sample, SL_SPAN("max_lora")));
	keep_names(a, find_label(sample, SL_SPAN("running_lora_adapters")),
	           find_label(sample, SL_SPAN("waiting_lora_adapters")));
}

static void read_wanted(void *ctx, const struct sl_prom_sample *sample)
{
	struct sl_page_reader *r = ctx;

	if (!r->wanted->shared)
		r->found++;
	if (r->wanted->labels)
		r->wanted->labels(r, sample);
	else
		keep_series(r, r->wanted, labels_key(sample), sample->value);
}

/* ---- adding up ------------------------------------------------------- */

static uint8_t best_rank(const struct sl_page_reader *r, size_t field)
{
	uint8_t best = UINT8_MAX;

	for (uint32_t i = 0; i < r->n_series; i++) {
		const struct family *family = r->series[i].family;

		if (family->field == field && family->rank < best)
			best = family->rank;
	}
	return best;
}

static double combine(const struct sl_page_reader *r, size_t field)
{
	uint8_t rank = best_rank(r, field);
	enum how how = HOW_LAST;
	double sum = 0, last = -1;
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n_series; i++) {
		const struct family *family = r->series[i].family;

		if (family->field != field || family->rank != rank)
			continue;
		how = family->how;
		last = r->series[i].value;
		sum += last;
		n++;
	}
	if (how == HOW_SUM)
		return sum;
	return how == HOW_MEAN ? sum / n : last;
}

int sl_page_reader_finish(struct sl_page_reader *r, struct sl_engine_page *out_page)
{
	sl_prom_finish(r->prom);
	if (!r->found)
		return SL_E_BAD_HTTP;
	*out_page = (struct sl_engine_page){
		.running = combine(r, FIELD(running)),
		.waiting = combine(r, FIELD(waiting)),
		.kv_usage = combine(r, FIELD(kv_usage)),
		.block_size = combine(r, FIELD(block_size)),
		.num_blocks = combine(r, FIELD(num_blocks)),
		.kv_capacity_tokens = combine(r, FIELD(kv_capacity_tokens)),
		.prefix_hits = combine(r, FIELD(prefix_hits)),
		.prefix_queries = combine(r, FIELD(prefix_queries)),
		.preemptions = combine(r, FIELD(preemptions)),
		.kv_expired = combine(r, FIELD(kv_expired)),
		.start_time_s = combine(r, FIELD(start_time_s)),
		.generation_tokens = combine(r, FIELD(generation_tokens)),
		.prompt_tokens = combine(r, FIELD(prompt_tokens)),
		.max_adapters = r->adapters.max,
		.families = r->found,
	};
	return 0;
}

struct sl_page_adapters sl_page_reader_adapters(const struct sl_page_reader *r)
{
	const struct states *a = &r->adapters;
	struct sl_page_adapters out = { { "", 0 }, { "", 0 } };

	if (a->running_len)
		out.running = sl_span(a->names, a->running_len);
	if (a->waiting_len)
		out.waiting = sl_span(a->names + a->running_len, a->waiting_len);
	return out;
}

static void forget_adapters(struct states *a)
{
	a->at = a->max = -1;
	a->running_len = a->waiting_len = 0;
}

struct sl_page_reader *sl_page_reader_new(enum sl_engine_kind kind)
{
	struct sl_page_reader *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->dialect = &dialects[kind];
	r->prom = sl_prom_new(want_family, read_wanted, r);
	forget_adapters(&r->adapters);
	return r;
}

void sl_page_reader_free(struct sl_page_reader *r)
{
	if (!r)
		return;
	sl_prom_free(r->prom);
	free(r->series);
	free(r->adapters.names);
	free(r);
}

void sl_page_reader_reset(struct sl_page_reader *r)
{
	sl_prom_reset(r->prom);
	r->n_series = 0;
	r->found = 0;
	forget_adapters(&r->adapters);
}

void sl_page_reader_feed(struct sl_page_reader *r, const char *data, size_t len)
{
	sl_prom_feed(r->prom, data, len);
}
