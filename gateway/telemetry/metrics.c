/* metrics.c: one block of cells per thread, a registry of blocks, the
 * Prometheus text.
 *
 * The layout of a block is made from metrics.def by the compiler, so adding a
 * row is all it takes to add a metric. A cell has one writer, its block's
 * thread: adding is a relaxed load and a relaxed store, no locked instruction.
 * The registry's lock is taken to register a thread and to walk the list;
 * blocks are never freed. It refuses labels that are not known when it is
 * compiled. */
#include "gateway/telemetry/metrics.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/telemetry/kinds.h"
#include "gateway/telemetry/process.h"

#define N_BOUNDS(...) (sizeof((double[]){ __VA_ARGS__ }) / sizeof(double))
#define CELLS_COUNTER 1
#define CELLS_GAUGE 1
#define CELLS_SECONDS (N_BOUNDS(METRIC_BOUNDS_SECONDS) + 2)
#define CELLS_MICROS (N_BOUNDS(METRIC_BOUNDS_MICROS) + 2)
#define CELLS_TOKENS (N_BOUNDS(METRIC_BOUNDS_TOKENS) + 2)

typedef _Atomic int64_t metric_cell;

struct sl_metrics {
	struct sl_metrics *next;
#define SL_METRIC(NAME, name, kind, label, help)                                                   \
	metric_cell NAME[CELLS_##kind * METRIC_VALUES_##label];
#include "gateway/telemetry/metrics.def"
#undef SL_METRIC
};

static const struct metric {
	const char *name;
	const char *help;
	enum metric_kind_id kind;
	enum metric_label_id label;
	size_t offset; /* of its cells in a block */
} metrics[SL_M_COUNT] = {
#define SL_METRIC(NAME, name, kind, label, help)                                                   \
	{ name, help, METRIC_##kind, METRIC_##label, offsetof(struct sl_metrics, NAME) },
#include "gateway/telemetry/metrics.def"
#undef SL_METRIC
};

static struct {
	pthread_mutex_t lock;
	struct sl_metrics *blocks;
} registry = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct sl_metrics *sl_metrics_thread(void)
{
	struct sl_metrics *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	pthread_mutex_lock(&registry.lock);
	m->next = registry.blocks;
	registry.blocks = m;
	pthread_mutex_unlock(&registry.lock);
	return m;
}

static metric_cell *cells_of(struct sl_metrics *m, const struct metric *metric)
{
	return (metric_cell *)((char *)m + metric->offset);
}

static void cell_add(metric_cell *cell, int64_t n)
{
	int64_t old = atomic_load_explicit(cell, memory_order_relaxed);

	atomic_store_explicit(cell, old + n, memory_order_relaxed);
}

static double cell_double(int64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void cell_add_double(metric_cell *cell, double n)
{
	double sum = cell_double(atomic_load_explicit(cell, memory_order_relaxed)) + n;
	int64_t bits;

	memcpy(&bits, &sum, sizeof(bits));
	atomic_store_explicit(cell, bits, memory_order_relaxed);
}

void sl_metric_add(struct sl_metrics *m, enum sl_metric id, int64_t n)
{
	sl_metric_add_at(m, id, 0, n);
}

void sl_metric_add_at(struct sl_metrics *m, enum sl_metric id, unsigned label, int64_t n)
{
	unsigned n_values = metric_label(metrics[id].label)->n_values;

	assert(!metric_kind(metrics[id].kind)->bounds);
	if (label >= n_values)
		label = n_values - 1;
	cell_add(cells_of(m, &metrics[id]) + label, n);
}

void sl_metric_observe(struct sl_metrics *m, enum sl_metric id, double value)
{
	const struct metric_kind *kind = metric_kind(metrics[id].kind);
	metric_cell *cells = cells_of(m, &metrics[id]);
	unsigned bucket = 0;

	assert(kind->bounds);
	if (!isfinite(value))
		return; /* would spoil the sum for ever */
	while (bucket < kind->n_bounds && value > kind->bounds[bucket])
		bucket++;
	cell_add(&cells[bucket], 1);
	cell_add_double(&cells[kind->n_bounds + 1], value);
}

/* ---- reading --------------------------------------------------------- */

static int64_t sum_cell(const struct metric *metric, unsigned index)
{
	int64_t sum = 0;

	pthread_mutex_lock(&registry.lock);
	for (struct sl_metrics *m = registry.blocks; m; m = m->next)
		sum += atomic_load_explicit(cells_of(m, metric) + index, memory_order_relaxed);
	pthread_mutex_unlock(&registry.lock);
	return sum;
}

static double sum_cell_double(const struct metric *metric, unsigned index)
{
	double sum = 0;

	pthread_mutex_lock(&registry.lock);
	for (struct sl_metrics *m = registry.blocks; m; m = m->next)
		sum += cell_double(
		        atomic_load_explicit(cells_of(m, metric) + index, memory_order_relaxed));
	pthread_mutex_unlock(&registry.lock);
	return sum;
}

int64_t sl_metric_sum(enum sl_metric id, unsigned label)
{
	const struct metric_kind *kind = metric_kind(metrics[id].kind);
	unsigned n_values = metric_label(metrics[id].label)->n_values;
	int64_t count = 0;

	if (!kind->bounds)
		return sum_cell(&metrics[id], label < n_values ? label : n_values - 1);
	for (unsigned i = 0; i <= kind->n_bounds; i++)
		count += sum_cell(&metrics[id], i);
	return count;
}

static void write_values(FILE *out, const struct metric *metric)
{
	const struct metric_label *label = metric_label(metric->label);

	if (!label->name) {
		fprintf(out, "%s %lld\n", metric->name, (long long)sum_cell(metric, 0));
		return;
	}
	for (unsigned i = 0; i < label->n_values; i++)
		fprintf(out, "%s{%s=\"%s\"} %lld\n", metric->name, label->name, label->values[i],
		        (long long)sum_cell(metric, i));
}

static void write_histogram(FILE *out, const struct metric *metric)
{
	const struct metric_kind *kind = metric_kind(metric->kind);
	int64_t count = 0;

	for (unsigned i = 0; i < kind->n_bounds; i++) {
		count += sum_cell(metric, i);
		fprintf(out, "%s_bucket{le=\"%g\"} %lld\n", metric->name, kind->bounds[i],
		        (long long)count);
	}
	count += sum_cell(metric, kind->n_bounds);
	fprintf(out, "%s_bucket{le=\"+Inf\"} %lld\n", metric->name, (long long)count);
	fprintf(out, "%s_sum %.9g\n", metric->name, sum_cell_double(metric, kind->n_bounds + 1));
	fprintf(out, "%s_count %lld\n", metric->name, (long long)count);
}

void sl_metrics_write(FILE *out)
{
	for (size_t i = 0; i < SL_COUNT(metrics); i++) {
		const struct metric *metric = &metrics[i];
		const struct metric_kind *kind = metric_kind(metric->kind);

		fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
		        metric->name, kind->type);
		if (kind->bounds)
			write_histogram(out, metric);
		else
			write_values(out, metric);
	}
	process_metrics_write(out);
}
