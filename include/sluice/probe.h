/* probe.h: what is true of an engine, judged from its own words.
 *
 * Pure: the prober in gateway/ does the I/O and hands over bytes and times. */
#ifndef SLUICE_PROBE_H
#define SLUICE_PROBE_H

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

typedef void (*sl_prom_fn)(void *ctx, const struct sl_prom_sample *sample);

/* Which names are wanted; a name that is not is skipped to its line's end
 * without looking at its labels. The answer for a name must not change between
 * two resets. */
typedef bool (*sl_prom_want_fn)(void *ctx, struct sl_span family);

struct sl_prom; /* holds at most one partial line, bounded at 64 KiB */
struct sl_prom *sl_prom_new(sl_prom_want_fn want, sl_prom_fn fn, void *ctx);
void sl_prom_free(struct sl_prom *p);
void sl_prom_reset(struct sl_prom *p);
/* Any split of the page is fine. A malformed line is skipped and counted. */
void sl_prom_feed(struct sl_prom *p, const char *data, size_t len);
void sl_prom_finish(struct sl_prom *p);
uint64_t sl_prom_bad_lines(const struct sl_prom *p);

/* ---- engine dialects ------------------------------------------------- */

enum sl_engine_kind {
	SL_ENGINE_VLLM,
	SL_ENGINE_GENERIC, /* no metrics page that we know */
	SL_ENGINE_KIND_COUNT
};
const char *sl_engine_kind_name(enum sl_engine_kind k);

/* Everything one /metrics page said. Absent: negative. */
struct sl_engine_page {
	double running; /* summed over engines on the page */
	double waiting;
	double kv_usage; /* mean over engines, 0..1 */
	double block_size;
	double num_blocks;
	double kv_capacity_tokens; /* block_size * num_blocks, summed */
	double prefix_hits;        /* counters, tokens */
	double prefix_queries;
	double preemptions;
	double kv_expired;   /* nixl_num_kv_expired_reqs_total */
	double start_time_s; /* process_start_time_seconds */
	double generation_tokens;
	double prompt_tokens;
	double max_adapters; /* LoRA adapters computed at once */
	uint32_t families;   /* wanted samples that were found */
};

struct sl_page_reader; /* a sl_prom with a dialect's table */
struct sl_page_reader *sl_page_reader_new(enum sl_engine_kind kind);
void sl_page_reader_free(struct sl_page_reader *r);
void sl_page_reader_reset(struct sl_page_reader *r);
void sl_page_reader_feed(struct sl_page_reader *r, const char *data, size_t len);
/* 0, or BAD_HTTP if the page held none of the dialect's families. */
SL_MUST_CHECK int sl_page_reader_finish(struct sl_page_reader *r, struct sl_engine_page *out_page);

/* The adapters (LoRA) that the page tells of: names, separated by commas, empty
 * if it tells of none. Borrowed until the next reset; after finish. */
struct sl_page_adapters {
	struct sl_span running, waiting;
};
struct sl_page_adapters sl_page_reader_adapters(const struct sl_page_reader *r);

/* A model of a /v1/models answer. */
struct sl_model_card {
	struct sl_span id;
	struct sl_span parent; /* of an adapter (LoRA): its base model; else empty */
};
/* The models of a /v1/models answer (OpenAI's list: data[].id; an object without
 * one, such as KServe's {"models":[...]}, holds none: 0). Calls fn for
 * each; returns their number, or BAD_JSON. */
SL_MUST_CHECK int sl_models_parse(const char *json, size_t len,
                                  void (*fn)(void *ctx, const struct sl_model_card *card),
                                  void *ctx);

#endif
