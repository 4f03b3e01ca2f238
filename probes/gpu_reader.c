/* gpu_reader.c: an exporter's page, reduced to one reading a GPU.
 *
 * Nouns: a family is a row of probes/gpu/<maker>.def; all makers' families
 * are looked for, so that nobody has to say whose exporter it is. A GPU is told by its
 * UUID or serial; where a page has neither, by its host and number.
 *
 * Invariants: of several series of one GPU and family (pods that share it, its
 * instances, its links) the largest value counts. What is negative, not finite
 * or one of DCGM's blanks is absent. At most SL_GPU_PAGE_MAX GPUs, whatever a
 * page says. It refuses to judge: a page has no time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sluice/gpu.h"
#include "sluice/probe.h"

struct family {
	struct sl_span name, other; /* two names of the same thing */
	enum sl_gpu_kind kind;
	enum sl_gpu_figure figure;
	/* Reads its labels beside its value; else NULL. */
	void (*labels)(struct sl_gpu_reading *g, const struct sl_prom_sample *sample);
};

static void read_xid_count(struct sl_gpu_reading *g, const struct sl_prom_sample *sample);
static void read_watch(struct sl_gpu_reading *g, const struct sl_prom_sample *sample);
static void read_clock_event(struct sl_gpu_reading *g, const struct sl_prom_sample *sample);
static void read_residency(struct sl_gpu_reading *g, const struct sl_prom_sample *sample);
static void read_clock(struct sl_gpu_reading *g, const struct sl_prom_sample *sample);

#define SPAN_OF(text)                                                                              \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
#define GPU_FAMILY(figure, name, other)                                                            \
	{ SPAN_OF(name), SPAN_OF(other), KIND, SL_GPU_##figure, NULL },
#define GPU_LABELLED(reader, name) { SPAN_OF(name), SPAN_OF(""), KIND, SL_GPU_XID, reader },

static const struct family families[] = {
#define KIND SL_GPU_DCGM
#include "probes/gpu/dcgm.def"
#undef KIND
#define KIND SL_GPU_AMD
#include "probes/gpu/amd.def"
#undef KIND
#define KIND SL_GPU_ASCEND
#include "probes/gpu/ascend.def"
#undef KIND
};

/* What a label tells; of several that tell the same, the lowest rank counts.
 * A scraper in between renames those that it sets itself to exported_*. */
enum tells { TELLS_UUID, TELLS_INDEX, TELLS_HOST, TELLS_NAMESPACE, TELLS_POD, TELLS_COUNT };
static const struct label {
	struct sl_span name;
	enum tells tells;
	uint8_t rank;
} labels[] = {
	{ SPAN_OF("UUID"), TELLS_UUID, 0 },
	{ SPAN_OF("uuid"), TELLS_UUID, 1 },
	{ SPAN_OF("gpu_uuid"), TELLS_UUID, 2 },
	{ SPAN_OF("serial_number"), TELLS_UUID, 3 },
	{ SPAN_OF("vdie_id"), TELLS_UUID, 4 },
	{ SPAN_OF("gpu"), TELLS_INDEX, 0 },
	{ SPAN_OF("gpu_id"), TELLS_INDEX, 1 },
	{ SPAN_OF("id"), TELLS_INDEX, 2 },
	{ SPAN_OF("hostname"), TELLS_HOST, 0 },
	{ SPAN_OF("Hostname"), TELLS_HOST, 1 },
	{ SPAN_OF("node"), TELLS_HOST, 2 },
	{ SPAN_OF("exported_namespace"), TELLS_NAMESPACE, 0 },
	{ SPAN_OF("pod_namespace"), TELLS_NAMESPACE, 1 },
	{ SPAN_OF("namespace"), TELLS_NAMESPACE, 2 },
	{ SPAN_OF("exported_pod"), TELLS_POD, 0 },
	{ SPAN_OF("pod_name"), TELLS_POD, 1 },
	{ SPAN_OF("pod"), TELLS_POD, 2 },
};

struct sl_gpu_reader {
	struct sl_prom *prom;        /* owned */
	const struct family *wanted; /* of the line being read */
	struct sl_gpu_reading *gpus; /* owned */
	uint32_t n_gpus, size;
	uint32_t at; /* the GPU of the line before */
	uint32_t found[SL_GPU_KIND_COUNT];
};

const char *sl_gpu_kind_name(enum sl_gpu_kind k)
{
	static const char *const names[] = {
		[SL_GPU_DCGM] = "dcgm",
		[SL_GPU_AMD] = "amd",
		[SL_GPU_ASCEND] = "ascend",
	};

	return (size_t)k < SL_COUNT(names) ? names[k] : "invalid";
}

/* ---- labels ---------------------------------------------------------- */

static void copy_text(char *out, size_t size, struct sl_span text)
{
	size_t n = text.len < size ? text.len : size - 1;

	if (n)
		memcpy(out, text.ptr, n);
	out[n] = '\0';
}

static void look_at_labels(const struct sl_prom_sample *sample, struct sl_span out[TELLS_COUNT])
{
	uint8_t rank[TELLS_COUNT];

	memset(rank, UINT8_MAX, sizeof(rank));
	memset(out, 0, TELLS_COUNT * sizeof(*out));
	for (uint32_t i = 0; i < sample->n_labels; i++) {
		for (size_t k = 0; k < SL_COUNT(labels); k++) {
			const struct label *l = &labels[k];

			if (l->rank >= rank[l->tells] || !sample->labels[i].value.len ||
			    !sl_span_eq(l->name, sample->labels[i].name))
				continue;
			rank[l->tells] = l->rank;
			out[l->tells] = sample->labels[i].value;
		}
	}
}

static bool make_key(const struct sl_span told[TELLS_COUNT], char out[SL_GPU_KEY_MAX])
{
	struct sl_span host = told[TELLS_HOST], index = told[TELLS_INDEX];

	if (told[TELLS_UUID].len)
		copy_text(out, SL_GPU_KEY_MAX, told[TELLS_UUID]);
	else if (index.len)
		snprintf(out, SL_GPU_KEY_MAX, "%.*s/%.*s", (int)(host.len < 64 ? host.len : 64),
		         host.len ? host.ptr : "", (int)(index.len < 16 ? index.len : 16),
		         index.ptr);
	else
		return false;
	return true;
}

static void keep_owner(struct sl_gpu_reading *g, struct sl_span namespace_, struct sl_span pod)
{
	struct sl_gpu_owner owner;

	if (!pod.len)
		return;
	memset(&owner, 0, sizeof(owner));
	copy_text(owner.namespace_, sizeof(owner.namespace_), namespace_);
	copy_text(owner.pod, sizeof(owner.pod), pod);
	for (uint32_t i = 0; i < g->n_owners; i++)
		if (memcmp(&g->owners[i], &owner, sizeof(owner)) == 0)
			return;
	if (g->n_owners < SL_GPU_OWNERS)
		g->owners[g->n_owners++] = owner;
}

/* ---- GPUs ------------------------------------------------------------ */

static struct sl_gpu_reading *add_gpu(struct sl_gpu_reader *r, const char *key)
{
	struct sl_gpu_reading *g;

	if (r->n_gpus == SL_GPU_PAGE_MAX)
		return NULL;
	if (r->n_gpus == r->size) {
		r->size = r->size ? 2 * r->size : 8;
		r->gpus = realloc(r->gpus, r->size * sizeof(*r->gpus));
		if (!r->gpus)
			abort(); /* at most SL_GPU_PAGE_MAX */
	}
	r->at = r->n_gpus++;
	g = &r->gpus[r->at];
	memset(g, 0, sizeof(*g));
	memcpy(g->key, key, sizeof(g->key));
	for (size_t i = 0; i < SL_GPU_FIGURE_COUNT; i++)
		g->figures[i] = (double)NAN;
	return g;
}

/* A family lists the GPUs in the same order as the one before it. */
static struct sl_gpu_reading *find_gpu(struct sl_gpu_reader *r, const char *key)
{
	for (uint32_t i = 0; i < r->n_gpus; i++) {
		uint32_t k = (r->at + i) % r->n_gpus;

		if (strcmp(r->gpus[k].key, key) == 0) {
			r->at = k;
			return &r->gpus[k];
		}
	}
	return NULL;
}

static struct sl_gpu_reading *gpu_of(struct sl_gpu_reader *r, const struct sl_prom_sample *sample)
{
	struct sl_span told[TELLS_COUNT];
	struct sl_gpu_reading *g;
	char key[SL_GPU_KEY_MAX] = "";

	look_at_labels(sample, told);
	if (!make_key(told, key))
		return NULL;
	g = find_gpu(r, key);
	if (!g)
		g = add_gpu(r, key);
	if (!g)
		return NULL;
	if (!*g->host)
		copy_text(g->host, sizeof(g->host), told[TELLS_HOST]);
	if (!*g->index)
		copy_text(g->index, sizeof(g->index), told[TELLS_INDEX]);
	keep_owner(g, told[TELLS_NAMESPACE], told[TELLS_POD]);
	return g;
}

/* ---- values ---------------------------------------------------------- */

/* DCGM writes what a GPU does not support, or did not tell, as one of these. */
static bool is_blank(double value)
{
	return !isfinite(value) || value < 0 || value >= 9.2e18 ||          /* 64 bits */
	       (value >= 2147483632.0 && value <= 2147483647.0) ||          /* 32 bits */
	       (value >= 140737488355328.0 && value < 140737488355344.0) || /* floating point */
	       value == 4294967295.0;                                       /* npu-exporter's */
}

static void keep_largest(struct sl_gpu_reading *g, enum sl_gpu_figure figure, double value)
{
	if (!(g->figures[figure] >= value))
		g->figures[figure] = value;
}

/* A whole number in a label; 0 for all else. */
static uint32_t label_number(struct sl_span text)
{
	uint32_t value = 0;

	if (text.len > 9)
		return 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return 0;
		value = 10 * value + (uint32_t)(text.ptr[i] - '0');
	}
	return value;
}

static void read_xid_count(struct sl_gpu_reading *g, const struct sl_prom_sample *sample)
{
	uint32_t xid = label_number(sl_prom_label_value(sample, SL_SPAN("xid"))), i = 0;

	if (!xid)
		return;
	while (i < g->n_xids && g->xids[i].xid != xid)
		i++;
	if (i == SL_GPU_XIDS)
		return;
	if (i == g->n_xids)
		g->xids[g->n_xids++] = (struct sl_gpu_xid_count){ xid, 0 };
	if (sample->value > g->xids[i].count)
		g->xids[i].count = sample->value;
}

static void read_watch(struct sl_gpu_reading *g, const struct sl_prom_sample *sample)
{
	if (g->figures[SL_GPU_WATCH] >= sample->value)
		return;
	g->figures[SL_GPU_WATCH] = sample->value;
	copy_text(g->watch, sizeof(g->watch), sl_prom_label_value(sample, SL_SPAN("health_watch")));
}

static void add_clock_events(struct sl_gpu_reading *g, double n)
{
	double *sum = &g->figures[SL_GPU_CLOCK_EVENTS];

	*sum = (isnan(*sum) ? 0 : *sum) + n;
}

/* Only what the hardware does; a cap on power is normal under load. */
static void read_clock_event(struct sl_gpu_reading *g, const struct sl_prom_sample *sample)
{
	static const struct sl_span ill[] = { SPAN_OF("hw_slowdown"), SPAN_OF("hw_thermal"),
		                              SPAN_OF("hw_power_brake") };
	struct sl_span event = sl_prom_label_value(sample, SL_SPAN("clock_event"));

	for (size_t i = 0; i < SL_COUNT(ill); i++)
		if (sl_span_eq(event, ill[i]))
			add_clock_events(g, sample->value);
}

/* AMD's time under limits of heat, in ticks of its own: that it grows is enough. */
static void read_residency(struct sl_gpu_reading *g, const struct sl_prom_sample *sample)
{
	add_clock_events(g, sample->value);
}

/* Of AMD's clocks the one that computes. */
static void read_clock(struct sl_gpu_reading *g, const struct sl_prom_sample *sample)
{
	struct sl_span type = sl_prom_label_value(sample, SL_SPAN("clock_type"));

	if (!type.len || sl_span_eq(type, SL_SPAN("GPU_CLOCK_TYPE_SYSTEM")))
		keep_largest(g, SL_GPU_CLOCK, sample->value);
}

/* ---- the page --------------------------------------------------------- */

static bool want_family(void *ctx, struct sl_span name)
{
	struct sl_gpu_reader *r = ctx;

	if (!name.len)
		return false;
	/* Most lines are of the same family as the one before. */
	if (r->wanted && (sl_span_eq(name, r->wanted->name) || sl_span_eq(name, r->wanted->other)))
		return true;
	for (size_t i = 0; i < SL_COUNT(families); i++) {
		if (sl_span_eq(name, families[i].name) ||
		    (families[i].other.len && sl_span_eq(name, families[i].other))) {
			r->wanted = &families[i];
			return true;
		}
	}
	return false;
}

static void read_wanted(void *ctx, const struct sl_prom_sample *sample)
{
	struct sl_gpu_reader *r = ctx;
	struct sl_gpu_reading *g = gpu_of(r, sample);

	/* A GPU that tells nothing but blanks is there all the same. */
	if (!g)
		return;
	r->found[r->wanted->kind]++;
	if (is_blank(sample->value))
		return;
	if (r->wanted->labels)
		r->wanted->labels(g, sample);
	else
		keep_largest(g, r->wanted->figure, sample->value);
}

int sl_gpu_reader_finish(struct sl_gpu_reader *r, struct sl_gpu_page *out_page)
{
	enum sl_gpu_kind kind = SL_GPU_DCGM;

	sl_prom_finish(r->prom);
	if (!r->n_gpus)
		return SL_E_BAD_HTTP;
	for (int k = 0; k < SL_GPU_KIND_COUNT; k++)
		if (r->found[k] > r->found[kind])
			kind = (enum sl_gpu_kind)k;
	*out_page = (struct sl_gpu_page){ r->gpus, r->n_gpus, kind };
	return 0;
}

struct sl_gpu_reader *sl_gpu_reader_new(void)
{
	struct sl_gpu_reader *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->prom = sl_prom_new(want_family, read_wanted, r);
	return r;
}

void sl_gpu_reader_free(struct sl_gpu_reader *r)
{
	if (!r)
		return;
	sl_prom_free(r->prom);
	free(r->gpus);
	free(r);
}

void sl_gpu_reader_reset(struct sl_gpu_reader *r)
{
	sl_prom_reset(r->prom);
	r->n_gpus = r->at = 0;
	memset(r->found, 0, sizeof(r->found));
}

void sl_gpu_reader_feed(struct sl_gpu_reader *r, const char *data, size_t len)
{
	sl_prom_feed(r->prom, data, len);
}
