/* access.h: one JSON line a request. Lengths and ids, never content. */
#ifndef SLUICE_TELEMETRY_ACCESS_H
#define SLUICE_TELEMETRY_ACCESS_H

#include "sluice/err.h"
#include "sluice/route.h"

/* Borrowed strings; negative numbers and NULL are left out of the line. */
struct sl_access {
	uint64_t wall_us; /* when the head arrived, Unix time */
	struct sl_span request_id;
	struct sl_span client; /* address:port */
	const char *protocol;  /* "http/1.1", "h2" */
	struct sl_span method, path;
	struct sl_span model;
	const char *placement;        /* sl_placement_name */
	const char *prefill, *decode; /* endpoint names */
	const char *why;              /* one phrase: "2304 cached tokens, 12 ms cheaper than ..." */
	int status;
	int err;           /* sl_err, 0 none */
	const char *end;   /* "done", "client_gone", "broken", ... */
	uint32_t attempts; /* legs sent */
	double ttft_ms, duration_ms, prefill_ms, predicted_ttft_ms, waited_ms;
	int64_t body_bytes, sent_bytes;
	int64_t prompt_tokens, completion_tokens, cached_tokens;
	double predicted_cached_tokens;
	bool stream;
	/* The prompt's chain; logged only where a prompt key was given. */
	const struct sl_block *blocks;
	uint32_t n_blocks;
	uint64_t prompt_bytes;
};

/* A writer per thread: lines gather in memory and leave in one write per loop
 * turn (flush) or when 64 KiB are full. dest as sl_config.access_log says;
 * "off" makes everything a no-op. A path is opened for appending; _reopen
 * (SIGUSR1) opens it again after a rotation. */
struct sl_access_log;
struct sl_access_log *sl_access_log_new(const char *dest);
/* From now on lines have prompt_bytes and prompt_blocks; see prompt_hash.h. */
void sl_access_log_prompt_key(struct sl_access_log *log, struct sl_span secret);
void sl_access_log_free(struct sl_access_log *log);
bool sl_access_log_on(const struct sl_access_log *log);
void sl_access_log_add(struct sl_access_log *log, const struct sl_access *a);
void sl_access_log_flush(struct sl_access_log *log);
void sl_access_log_reopen(struct sl_access_log *log);
/* Appends s as a JSON string with quotes; invalid UTF-8 becomes U+FFFD. For
 * this log, the admin pages and the gateway's own error bodies. Returns bytes
 * written, at most 6 * s.len + 2. */
size_t sl_json_quote(char *out, struct sl_span s);

#endif
