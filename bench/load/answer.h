/* answer.h: reads one answer of an OpenAI-compatible server: the text, when it
 * came, the usage, and whether it is what it should be.
 *
 * A *chunk* is an event with text in it (the opening one with the role alone
 * is none). TTFT and the gaps are taken at chunks. An answer fails for one
 * reason, the first that applies of sl_fail; one that does not fail may still
 * be a mismatch: not the text, or not as many tokens, as was asked for. */
#ifndef SLUICE_LOAD_ANSWER_H
#define SLUICE_LOAD_ANSWER_H

#include "bench/load/client.h"
#include "bench/load/events.h"
#include "bench/load/samples.h"
#include "bench/load/verify.h"
#include "gateway/http/sse.h"

enum sl_fail {
	SL_FAIL_NONE,
	SL_FAIL_ERROR_EVENT, /* the stream said "error" */
	SL_FAIL_BAD_EVENT,   /* not what an OpenAI-compatible server sends, or behind [DONE] */
	SL_FAIL_CONNECT,
	SL_FAIL_CLOSED,
	SL_FAIL_RESET,
	SL_FAIL_PROTOCOL,
	SL_FAIL_TRUNCATED,
	SL_FAIL_TIMEOUT,
	SL_FAIL_INTERRUPTED, /* by whoever runs the replay */
	SL_FAIL_STATUS,      /* other than 200 */
	SL_FAIL_NO_DONE,     /* the stream ended properly, but without [DONE] */
	SL_FAIL_COUNT
};
/* "connect", "no_done", ... */
const char *sl_fail_name(enum sl_fail f);

struct sl_answer {
	/* Set by _init. */
	bool stream;
	bool verifying;
	uint32_t want_tokens;
	/* Found on the way. */
	int status;
	bool done;
	bool error;
	bool bad;
	uint32_t chunks;
	uint64_t text_bytes;
	int64_t first_us, last_us; /* of chunks; 0 before the first */
	struct sl_usage usage;
	struct sl_verify verify;
	struct sl_events events;
	struct sl_events_buf body; /* of an answer that is not streamed; the start of an error's */
	char note[160];            /* what the server said was wrong */
};

void sl_answer_init(struct sl_answer *a, bool stream, uint32_t want_tokens);
void sl_answer_fini(struct sl_answer *a);
/* Verifies from here on. Again when the request is sent anew. */
void sl_answer_expect(struct sl_answer *a, const struct sl_sim_text *said);
void sl_answer_head(struct sl_answer *a, const struct sl_head *head);
/* gaps: takes the time since the previous chunk. Returns the chunks in it. */
uint32_t sl_answer_data(struct sl_answer *a, struct sl_span content, int64_t now_us,
                        struct sl_samples *gaps);
/* The call is over. */
enum sl_fail sl_answer_end(struct sl_answer *a, enum sl_call_end end);

/* Of an answer that did not fail. False: out_why says why not, in one line. */
bool sl_answer_matches(const struct sl_answer *a, char *out_why, size_t size);
/* As usage says; without it, the chunks. */
uint32_t sl_answer_output_tokens(const struct sl_answer *a);

#endif
