/* probe.h: what is true of an engine, judged from its own words.
 *
 * Pure: the prober in gateway/ does the I/O and hands over bytes and times. */
#ifndef SLUICE_PROBE_H
#define SLUICE_PROBE_H

#include "sluice/dialect.h"
#include "sluice/err.h"
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

/* ---- health ---------------------------------------------------------- */

struct sl_health_policy {
	uint32_t rise;         /* good probes in a row to be healthy, 2 (1 at start) */
	uint32_t fall;         /* bad ones in a row to be unhealthy, 3 */
	uint32_t passive_fall; /* refused connections in a row that count as down at once, 3 */
	uint64_t stale_us;     /* no answer for this long: unknown; twice that: unhealthy */
};
void sl_health_policy_default(struct sl_health_policy *p);

enum sl_probe_result {
	SL_PROBE_OK,
	SL_PROBE_REFUSED, /* connect failed */
	SL_PROBE_TIMEOUT,
	SL_PROBE_STATUS, /* an answer other than expected */
	SL_PROBE_BROKEN, /* closed or not HTTP */
};
const char *sl_probe_result_name(enum sl_probe_result r);

/* One endpoint's judge. Plain data, zero-initialise through _init. */
struct sl_judge {
	enum sl_health health;
	uint32_t good, bad; /* in a row */
	uint32_t passive_bad;
	bool ever_healthy;
	bool suspected; /* by another gateway; the next probe decides */
	uint64_t last_ok_us;
	uint64_t since_us;  /* of the present state */
	const char *reason; /* of the present state; static */
};
void sl_judge_init(struct sl_judge *j, uint64_t now_us);
/* Each returns true if the state changed. */
bool sl_judge_probe(struct sl_judge *j, const struct sl_health_policy *p,
                    enum sl_probe_result result, uint64_t now_us);
/* What live traffic saw: ok, or a connect failure or reset before any byte. */
bool sl_judge_traffic(struct sl_judge *j, const struct sl_health_policy *p, bool ok,
                      uint64_t now_us);
bool sl_judge_tick(struct sl_judge *j, const struct sl_health_policy *p, uint64_t now_us);
/* Another gateway found it dead. Until the next probe, which decides alone, it
 * is used only where there is nothing better. Nothing that is out already, and
 * nothing that is not known, can be suspected. */
bool sl_judge_suspect(struct sl_judge *j, uint64_t now_us);
const char *sl_health_name(enum sl_health h);

#endif
