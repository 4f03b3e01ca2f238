/* ask.h: the side channel between engines: what a decode engine asks the
 * engine that prefilled a prompt, and how it asks one of another process.
 *
 * Such a question is one small HTTP request, POST /sim/kv, on a connection of
 * its own; the answer is read until that process closes it. */
#ifndef SLUICE_SIM_ASK_H
#define SLUICE_SIM_ASK_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "bench/sim/buf.h"

struct cJSON;

enum sl_sim_ask_op {
	SL_SIM_ASK_OPEN,    /* handshake: are the blocks there? */
	SL_SIM_ASK_RELEASE, /* read, or not wanted any more */
	SL_SIM_ASK_BEAT,    /* still wanted: prolong the lease */
};

enum sl_sim_verdict {
	SL_SIM_VERDICT_OK,
	SL_SIM_VERDICT_STALE,    /* no such hand-off (any more), or of another prompt */
	SL_SIM_VERDICT_STRANGER, /* another engine lives here, or another version */
	SL_SIM_VERDICT_SILENT,   /* the engine hangs: ask again */
	SL_SIM_VERDICT_DOWN,     /* nobody answers */
};

/* Strings are borrowed, and not NULL. */
struct sl_sim_question {
	enum sl_sim_ask_op op;
	const char *engine_id, *request_id, *kv_version;
	uint64_t prompt_hash;
};

/* Of the body of a POST /sim/kv: what is missing is empty. Borrows from json. */
struct sl_sim_question sl_sim_question_read(const struct cJSON *json);
/* The body that answers it. */
void sl_sim_verdict_render(struct sl_sim_buf *b, enum sl_sim_verdict verdict);

struct sl_sim_ask {
	struct event_base *base; /* borrowed */
	struct event read_event, write_event;
	int fd; /* -1: not asking */
	struct sl_sim_buf out, in;
	size_t out_at;
	void (*answered)(void *arg, enum sl_sim_verdict verdict);
	void *arg;
};

/* `answered` is told the verdict once for each question that was begun and
 * not closed; it may free the ask. */
void sl_sim_ask_init(struct sl_sim_ask *a, struct event_base *base,
                     void (*answered)(void *arg, enum sl_sim_verdict verdict), void *arg);
/* Asks. False if there is nobody to ask; then nobody will answer. */
SL_MUST_CHECK bool sl_sim_ask_begin(struct sl_sim_ask *a, const char *host, int port,
                                    const struct sl_sim_question *q);
/* Does not want to know any more; harmless when nothing was asked. */
void sl_sim_ask_fini(struct sl_sim_ask *a);

#endif
