/* message.h: a row of the trace as an HTTP/1.1 request, and what the simulated
 * engine must answer to it.
 *
 * A message is made when its request is due and freed when it is sent, so
 * memory follows what is on its way, not the trace. Making it again gives the
 * same bytes. */
#ifndef SLUICE_LOAD_MESSAGE_H
#define SLUICE_LOAD_MESSAGE_H

#include "bench/load/trace.h"
#include "bench/sim/text.h"
#include "sluice/facts.h"

/* How rows become requests; the same for a whole run. All strings borrowed. */
struct sl_shape {
	enum sl_api api; /* CHAT or COMPLETIONS */
	bool stream;
	uint32_t bytes_per_token;
	double tokens_scale; /* of input, output and block lengths alike */
	uint64_t seed;
	const char *model;
	const char *host;      /* for the Host field */
	const char *base_path; /* what precedes /v1/..., "" or "/x" */
	const char *headers;   /* further fields, each ended by CRLF, or "" */
};

struct sl_message {
	char *base;      /* owned: free() it */
	const char *ptr; /* the message's first byte, inside base */
	size_t len;
};

/* At least 1 each. A scaled prompt keeps its blocks: every whole block becomes
 * 512 x scale tokens. */
uint32_t sl_shape_input_tokens(const struct sl_shape *s, const struct sl_trace_row *row);
uint32_t sl_shape_output_tokens(const struct sl_shape *s, const struct sl_trace_row *row);

/* out_said: the simulated model behind this prompt, about to answer. */
void sl_message_make(const struct sl_shape *s, const struct sl_trace *t, size_t row,
                     struct sl_message *out_message, struct sl_sim_text *out_said);

/* A GET without body. */
void sl_message_get(const char *host, const char *base_path, const char *path, const char *headers,
                    struct sl_message *out_message);

#endif
