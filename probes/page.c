/* page.c: an engine's /metrics page, reduced to one sl_engine_page.
 *
 * Nouns: a family is a row of a dialect's table (families.h) or of an operator's
 * mapping; a series is a family with its labels, as one engine of the page reports
 * it (data-parallel engines share a page); a signal is made from all series of its
 * best-ranked families.
 *
 * Invariants: of a series that a page holds twice (AIBrix's sidecar does that)
 * the last sample counts. Values that are negative, infinite or NaN are as
 * good as absent. Of the states of its adapters that a page lists, the latest
 * counts; what is kept of it is no longer than a line. At most SERIES_MAX
 * series are kept, whatever a page says. It refuses to derive rates: a page has
 * no time. */
#include <math.h>
#include <stdlib.h>

#include "probes/families.h"
#include "probes/hash.h"
#include "sluice/probe.h"

#define SERIES_MAX 1024  /* 13 signals of 78 engines */
#define SERIES_FIRST 16u /* room at first; powers of two */
#define NAMES_MAX (SL_MAX_SIGNAL_MAPS + 64)

enum how { HOW_SUM, HOW_MEAN, HOW_LAST };

static const enum how hows[SL_SIGNAL_COUNT] = {
#define SL_SIGNAL(id, field, word, how) HOW_##how,
#include "sluice/signals.def"
#undef SL_SIGNAL
};

struct series {
	uint64_t key; /* of its family and labels */
	double value;
	enum sl_signal signal;
	uint8_t rank;
};

struct sl_page_reader {
	struct sl_prom *prom;          /* owned */
	const struct family *families; /* of the dialect */
	size_t n_families;
	struct family *mapped; /* owned, with its texts: the operator's */
	uint32_t n_mapped;
	struct series *series; /* owned */
	uint16_t *slots;       /* owned: twice as many; 0, or a series' index + 1 */
	uint32_t n_series, size;
	uint32_t found;    /* samples that only this dialect has */
	struct states {    /* of its adapters */
		double at; /* when; negative: the page has none */
		double max;
		char *names; /* owned: those that run, then those that wait */
		size_t running_len, waiting_len, size;
	} adapters;
};

/* ---- labels ---------------------------------------------------------- */

static uint64_t hash_span(uint64_t h, struct sl_span s)
{
	return hash_bytes(hash_bytes(h, s), SL_SPAN("\xff")); /* never part of UTF-8: an end */
}

static bool is_listed(const struct sl_page_reader *r, enum family_kind kind, struct sl_span label)
{
	for (size_t i = 0; i < r->n_families; i++)
		if (r->families[i].kind == kind && sl_span_eq(r->families[i].name, label))
			return true;
	return false;
}

/* Which series of its family a sample belongs to. Pages write labels in a
 * fixed order, so their order need not be undone. */
static uint64_t labels_key(const struct sl_page_reader *r, const struct sl_prom_sample *sample)
{
	uint64_t h = hash_span(HASH_BEGIN, sample->family);

	for (uint32_t i = 0; i < sample->n_labels; i++) {
		if (is_listed(r, FAMILY_TWIN, sample->labels[i].name))
			continue;
		h = hash_span(h, sample->labels[i].name);
		h = hash_span(h, sample->labels[i].value);
	}
	return h;
}

static bool is_part(const struct sl_page_reader *r, const struct sl_prom_sample *sample)
{
	for (uint32_t i = 0; i < sample->n_labels; i++)
		if (sample->labels[i].value.len &&
		    is_listed(r, FAMILY_PART, sample->labels[i].name))
			return true;
	return false;
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

/* ---- series ---------------------------------------------------------- */

static uint16_t *find_slot(const struct sl_page_reader *r, uint64_t key)
{
	uint32_t mask = 2 * r->size - 1;
	uint32_t at = (uint32_t)(key >> 32 ^ key) & mask;

	while (r->slots[at] && r->series[r->slots[at] - 1].key != key)
		at = (at + 1) & mask;
	return &r->slots[at];
}

static void grow_series(struct sl_page_reader *r)
{
	r->size = r->size ? 2 * r->size : SERIES_FIRST;
	r->series = realloc(r->series, r->size * sizeof(*r->series));
	free(r->slots);
	r->slots = calloc(2 * r->size, sizeof(*r->slots));
	if (!r->series || !r->slots)
		abort(); /* at most SERIES_MAX */
	for (uint32_t i = 0; i < r->n_series; i++)
		*find_slot(r, r->series[i].key) = (uint16_t)(i + 1);
}

static void keep_series(struct sl_page_reader *r, const struct series *series)
{
	uint16_t *slot;

	if (!isfinite(series->value) || series->value < 0)
		return;
	if (r->n_series == r->size && r->size < SERIES_MAX)
		grow_series(r);
	slot = find_slot(r, series->key);
	if (*slot) {
		r->series[*slot - 1].value = series->value;
	} else if (r->n_series < r->size) {
		r->series[r->n_series++] = *series;
		*slot = (uint16_t)r->n_series;
	}
}

/* The same labels are another series for each family that reads them. */
static uint64_t series_key(uint64_t labels, enum sl_signal signal, unsigned rank)
{
	return (labels ^ ((uint64_t)signal << 8 | rank)) * 0x9e3779b97f4a7c15u;
}

static void read_series(struct sl_page_reader *r, const struct family *family,
                        const struct sl_prom_sample *sample)
{
	bool own = family >= r->mapped && family < r->mapped + r->n_mapped;
	/* A mapping comes before all, a part after what it is a part of. */
	unsigned rank = own ? 0 : 2 * (family->rank + 1u) + is_part(r, sample);

	keep_series(r, &(struct series){
	                       .key = series_key(labels_key(r, sample), family->signal, rank),
	                       .value = sample->value * family->scale,
	                       .signal = family->signal,
	                       .rank = (uint8_t)rank,
	               });
}

static void keep_config(struct sl_page_reader *r, uint64_t engine, enum sl_signal signal,
                        double value)
{
	keep_series(r, &(struct series){ series_key(engine, signal, 1), value, signal, 1 });
}

/* One engine's KV cache. Its own figure in tokens is better than the product:
 * with hybrid attention a block does not hold block_size tokens of each layer. */
static void read_config(struct sl_page_reader *r, const struct family *family,
                        const struct sl_prom_sample *sample)
{
	double number[CONFIG_COUNT];
	uint64_t engine = hash_span(0, sl_prom_label_value(sample, SL_SPAN("engine")));

	engine = hash_span(engine, sl_prom_label_value(sample, SL_SPAN("dp_rank")));
	for (int i = 0; i < CONFIG_COUNT; i++)
		number[i] = label_number(sl_prom_label_value(sample, family->config[i]));
	if (number[CONFIG_TOKENS] < 0 && number[CONFIG_BLOCK_SIZE] >= 0 &&
	    number[CONFIG_NUM_BLOCKS] >= 0)
		number[CONFIG_TOKENS] = number[CONFIG_BLOCK_SIZE] * number[CONFIG_NUM_BLOCKS];
	keep_config(r, engine, SL_SIGNAL_BLOCK_SIZE, number[CONFIG_BLOCK_SIZE]);
	keep_config(r, engine, SL_SIGNAL_NUM_BLOCKS, number[CONFIG_NUM_BLOCKS]);
	keep_config(r, engine, SL_SIGNAL_KV_CAPACITY_TOKENS, number[CONFIG_TOKENS]);
}

/* ---- adapters -------------------------------------------------------- */

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
	a->max = label_number(sl_prom_label_value(sample, SL_SPAN("max_lora")));
	keep_names(a, sl_prom_label_value(sample, SL_SPAN("running_lora_adapters")),
	           sl_prom_label_value(sample, SL_SPAN("waiting_lora_adapters")));
}

/* ---- samples --------------------------------------------------------- */

static bool is_exposed(const struct family *family)
{
	return family->kind != FAMILY_TWIN && family->kind != FAMILY_PART;
}

static bool is_named(const struct family *families, size_t n, struct sl_span name)
{
	for (size_t i = 0; i < n; i++)
		if (sl_span_eq(families[i].name, name) && is_exposed(&families[i]))
			return true;
	return false;
}

static bool want_family(void *ctx, struct sl_span name)
{
	struct sl_page_reader *r = ctx;

	return is_named(r->families, r->n_families, name) || is_named(r->mapped, r->n_mapped, name);
}

/* Whether the sample is of that family, and a sign of the dialect. */
static bool read_sample(struct sl_page_reader *r, const struct family *family,
                        const struct sl_prom_sample *sample)
{
	if (!is_exposed(family) || !sl_span_eq(family->name, sample->family))
		return false;
	if (family->label.len &&
	    !sl_span_eq(sl_prom_label_value(sample, family->label), family->value))
		return false;
	if (family->kind == FAMILY_SERIES)
		read_series(r, family, sample);
	else if (family->kind == FAMILY_CONFIG)
		read_config(r, family, sample);
	else if (family->kind == FAMILY_ADAPTERS)
		read_adapters(r, sample);
	return !family->shared;
}

static void read_wanted(void *ctx, const struct sl_prom_sample *sample)
{
	struct sl_page_reader *r = ctx;
	bool sign = false;

	for (uint32_t i = 0; i < r->n_mapped; i++)
		sign |= read_sample(r, &r->mapped[i], sample);
	for (size_t i = 0; i < r->n_families; i++)
		sign |= read_sample(r, &r->families[i], sample);
	r->found += sign;
}

/* ---- adding up ------------------------------------------------------- */

struct total {
	double sum, last;
	uint32_t n;
	uint8_t rank;
};

static void add_up(const struct sl_page_reader *r, struct total totals[SL_SIGNAL_COUNT])
{
	for (uint32_t i = 0; i < r->n_series; i++) {
		const struct series *s = &r->series[i];
		struct total *t = &totals[s->signal];

		if (t->n && s->rank > t->rank)
			continue;
		if (s->rank < t->rank)
			t->n = 0;
		if (!t->n)
			t->sum = 0;
		t->rank = s->rank;
		t->sum += s->value;
		t->last = s->value;
		t->n++;
	}
}

static double figure(const struct total *t, enum how how)
{
	if (!t->n)
		return -1;
	if (how == HOW_SUM)
		return t->sum;
	return how == HOW_MEAN ? t->sum / t->n : t->last;
}

int sl_page_reader_finish(struct sl_page_reader *r, struct sl_engine_page *out_page)
{
	struct total totals[SL_SIGNAL_COUNT] = { 0 };
	struct sl_engine_page page;

	sl_prom_finish(r->prom);
	if (!r->found)
		return SL_E_BAD_HTTP;
	add_up(r, totals);
	page = (struct sl_engine_page){
#define SL_SIGNAL(id, field, word, how)                                                            \
	.field = figure(&totals[SL_SIGNAL_##id], hows[SL_SIGNAL_##id]),
#include "sluice/signals.def"
#undef SL_SIGNAL
		.max_adapters = r->adapters.max,
		.families = r->found,
	};
	if (page.kv_capacity_tokens < 0 && page.block_size >= 0 && page.num_blocks >= 0)
		page.kv_capacity_tokens = page.block_size * page.num_blocks;
	*out_page = page;
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

/* ---- life ------------------------------------------------------------ */

static void forget_adapters(struct states *a)
{
	a->at = a->max = -1;
	a->running_len = a->waiting_len = 0;
}

static struct sl_span copy_text(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		abort();
	return sl_span_str(copy);
}

static struct family map_family(const struct sl_signal_map *map)
{
	return (struct family){
		.name = copy_text(map->family),
		.signal = map->signal,
		.scale = map->scale,
		.label = copy_text(map->match.label),
		.value = copy_text(map->match.value),
	};
}

static void free_mapped(struct sl_page_reader *r)
{
	for (uint32_t i = 0; i < r->n_mapped; i++) {
		free((void *)(uintptr_t)r->mapped[i].name.ptr);
		free((void *)(uintptr_t)r->mapped[i].label.ptr);
		free((void *)(uintptr_t)r->mapped[i].value.ptr);
	}
	free(r->mapped);
}

static void expect_names(struct sl_page_reader *r)
{
	struct sl_span names[NAMES_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < r->n_mapped; i++)
		names[n++] = r->mapped[i].name;
	for (size_t i = 0; i < r->n_families && n < NAMES_MAX; i++)
		if (is_exposed(&r->families[i]))
			names[n++] = r->families[i].name;
	sl_prom_expect(r->prom, names, n);
}

struct sl_page_reader *sl_page_reader_new_mapped(enum sl_engine_kind kind,
                                                 const struct sl_signal_map *maps, uint32_t n_maps)
{
	struct sl_page_reader *r = calloc(1, sizeof(*r));

	if (n_maps > SL_MAX_SIGNAL_MAPS)
		n_maps = SL_MAX_SIGNAL_MAPS;
	if (!r || !(r->mapped = calloc(n_maps + 1, sizeof(*r->mapped))))
		abort();
	for (; r->n_mapped < n_maps; r->n_mapped++)
		r->mapped[r->n_mapped] = map_family(&maps[r->n_mapped]);
	r->families = families_of(kind, &r->n_families);
	r->prom = sl_prom_new(want_family, read_wanted, r);
	expect_names(r);
	forget_adapters(&r->adapters);
	return r;
}

struct sl_page_reader *sl_page_reader_new(enum sl_engine_kind kind)
{
	return sl_page_reader_new_mapped(kind, NULL, 0);
}

void sl_page_reader_free(struct sl_page_reader *r)
{
	if (!r)
		return;
	sl_prom_free(r->prom);
	free_mapped(r);
	free(r->series);
	free(r->slots);
	free(r->adapters.names);
	free(r);
}

void sl_page_reader_reset(struct sl_page_reader *r)
{
	sl_prom_reset(r->prom);
	if (r->n_series)
		memset(r->slots, 0, 2 * r->size * sizeof(*r->slots));
	r->n_series = 0;
	r->found = 0;
	forget_adapters(&r->adapters);
}

void sl_page_reader_feed(struct sl_page_reader *r, const char *data, size_t len)
{
	sl_prom_feed(r->prom, data, len);
}
