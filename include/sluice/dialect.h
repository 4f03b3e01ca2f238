/* dialect.h: what kinds of engines there are, where each tells what, and what
 * its answers mean.
 *
 * Pure: the prober in gateway/ asks and hands over bytes. */
#ifndef SLUICE_DIALECT_H
#define SLUICE_DIALECT_H

#include "sluice/base.h"
#include "sluice/err.h"

enum sl_engine_kind {
	SL_ENGINE_AUTO, /* not known yet: ask */
	SL_ENGINE_VLLM,
	SL_ENGINE_SGLANG,
	SL_ENGINE_TRTLLM,
	SL_ENGINE_TGI,
	SL_ENGINE_LLAMACPP,
	SL_ENGINE_OLLAMA,
	SL_ENGINE_TRITON,
	SL_ENGINE_KSERVE,  /* KServe's model server */
	SL_ENGINE_GENERIC, /* OpenAI's API, and no page that we know */
	SL_ENGINE_KIND_COUNT
};
const char *sl_engine_kind_name(enum sl_engine_kind k);
/* AUTO if no kind has that name. */
enum sl_engine_kind sl_engine_kind_find(struct sl_span name);

/* ---- where it tells what --------------------------------------------- */

/* What an answer is read as, when its status is 200. */
enum sl_answer_form {
	SL_ANSWER_NOTHING, /* the status says it all */
	SL_ANSWER_PAGE,    /* Prometheus text, of the dialect's families */
	SL_ANSWER_LOADS,   /* JSON: a load for each data-parallel rank */
	SL_ANSWER_MODELS,  /* OpenAI's list */
};

enum sl_probe_question {
	SL_ASK_HEALTH, /* a healthy answer may tell the load at once */
	SL_ASK_LOAD,
	SL_ASK_MODELS,
	SL_QUESTION_COUNT
};

struct sl_probe_path {
	const char *path;
	enum sl_answer_form form;
};

/* Where a question is asked, k = 0, 1, ... in the order of trying: the first one
 * that the engine has (neither 404, 405 nor 501) is kept to. NULL past the last. */
const struct sl_probe_path *sl_dialect_path(enum sl_engine_kind kind,
                                            enum sl_probe_question question, unsigned k);
/* What an engine's OpenAI API is below: "" or "/openai". Static. */
const char *sl_dialect_prefix(enum sl_engine_kind kind);
/* Where its load page is; 0: the engine's own port. */
uint16_t sl_dialect_metrics_port(enum sl_engine_kind kind);
/* Such a status says that there is nothing at that path. */
bool sl_probe_path_missing(int status);

/* ---- signals --------------------------------------------------------- */

enum sl_signal {
#define SL_SIGNAL(id, field, word, how) SL_SIGNAL_##id,
#include "sluice/signals.def"
#undef SL_SIGNAL
	SL_SIGNAL_COUNT
};

/* Everything an engine said of its load at one time. Absent: negative. */
struct sl_engine_page {
	double running; /* requests, summed over the engines of a page */
	double waiting;
	double kv_usage; /* mean over engines, 0..1 */
	double block_size;
	double num_blocks;
	double kv_capacity_tokens; /* its own word, else block_size * num_blocks */
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
/* All absent. */
void sl_engine_page_clear(struct sl_engine_page *page);
double sl_engine_page_signal(const struct sl_engine_page *page, enum sl_signal signal);
/* Whether another process wrote `now`: by its start time, and where that is not
 * known by counters that fall. */
bool sl_engine_page_restarted(const struct sl_engine_page *before,
                              const struct sl_engine_page *now);

/* A label that a sample must have, with its value; label "": any sample will do. */
struct sl_label_match {
	char *label;
	char *value;
};

/* An operator's word: where a signal is found. */
struct sl_signal_map {
	enum sl_signal signal;
	char *family;
	struct sl_label_match match;
	double scale; /* what a sample is multiplied with */
};

/* ---- pages ----------------------------------------------------------- */

struct sl_page_reader; /* a sl_prom with a dialect's table */
struct sl_page_reader *sl_page_reader_new(enum sl_engine_kind kind);
/* A signal that a map gives is not taken from the kind's own families. Maps are
 * copied; at most SL_MAX_SIGNAL_MAPS are used. */
#define SL_MAX_SIGNAL_MAPS 32
struct sl_page_reader *sl_page_reader_new_mapped(enum sl_engine_kind kind,
                                                 const struct sl_signal_map *maps, uint32_t n_maps);
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

/* ---- JSON ------------------------------------------------------------ */

/* SGLang's /v1/loads, or its older /get_load, summed over the ranks. 0, or
 * BAD_JSON if it is neither. */
SL_MUST_CHECK int sl_loads_parse(const char *json, size_t len, struct sl_engine_page *out_page);

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

/* ---- detection ------------------------------------------------------- */

#define SL_DETECT_BYTES 4096 /* of each answer's body that are looked at */

/* Plain data; zero is the beginning. */
struct sl_detect {
	uint8_t next;      /* question */
	bool named_models; /* /v1/models has a list that is not OpenAI's */
	bool guarded;      /* it wants a key that we do not have */
	bool troubled;     /* an answer was a server's error: it may be starting */
	enum sl_engine_kind kind;
};
/* The path to ask for next; NULL: kind says what it is, GENERIC if nothing is
 * known of it (and if it was troubled, it had better be asked again later).
 * At most five, and none of them makes an engine generate. */
const char *sl_detect_ask(const struct sl_detect *d);
/* What that path was answered with: its first bytes. */
void sl_detect_answer(struct sl_detect *d, int status, struct sl_span body);

#endif
