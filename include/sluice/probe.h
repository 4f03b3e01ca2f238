/* probe.h: what is true of an engine, judged from its own words.
 *
 * Pure: the prober in gateway/ does the I/O and hands over bytes and times. */
#ifndef SLUICE_PROBE_H
#define SLUICE_PROBE_H

#include "sluice/dialect.h"
#include "sluice/err.h"
#include "sluice/health.h"
#include "sluice/route.h"

/* ---- Prometheus text, streamed --------------------------------------- */

#define SL_PROM_MAX_LABELS 128 /* vLLM 0.32 writes 37 on one line; the rest is dropped */

struct sl_prom_label {
	struct sl_span name;
	struct sl_span value; /* escapes resolved */
};

/* One sample line; all spans borrowed until the callback returns. */
struct sl_prom_sample {
	struct sl_span family; /* the metric name as written */
	const struct sl_prom_label *labels;
	uint32_t n_labels;
	double value; /* may be NaN or infinite */
};

/* Empty if it has no such label. */
struct sl_span sl_prom_label_value(const struct sl_prom_sample *sample, struct sl_span name);

typedef void (*sl_prom_fn)(void *ctx, const struct sl_prom_sample *sample);

/* Which names are wanted; a name that is not is skipped to its line's end
 * without looking at its labels. The answer for a name must not change between
 * two resets. */
typedef bool (*sl_prom_want_fn)(void *ctx, struct sl_span family);

struct sl_prom; /* holds at most one partial line, bounded at 64 KiB */
struct sl_prom *sl_prom_new(sl_prom_want_fn want, sl_prom_fn fn, void *ctx);
/* Names that may be wanted, known beforehand: `want` is asked of others' lines only
 * by chance, which saves most of the work on a page. Copied. */
void sl_prom_expect(struct sl_prom *p, const struct sl_span *names, size_t n);
void sl_prom_free(struct sl_prom *p);
void sl_prom_reset(struct sl_prom *p);
/* Any split of the page is fine. A malformed line is skipped and counted. */
void sl_prom_feed(struct sl_prom *p, const char *data, size_t len);
void sl_prom_finish(struct sl_prom *p);
uint64_t sl_prom_bad_lines(const struct sl_prom *p);

#endif
