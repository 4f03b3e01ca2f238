/* answer.h: what the gateway says itself: OpenAI-shaped errors. */
#ifndef SLUICE_DOWNSTREAM_ANSWER_H
#define SLUICE_DOWNSTREAM_ANSWER_H

#include "gateway/downstream/stream.h"

struct sl_problem {
	int err;                   /* sl_err: gives status, type and code */
	const char *message;       /* NULL: the sentence of err.def */
	const char *param;         /* the field at fault, or NULL */
	const char *allow;         /* of a 405; NULL: what is allowed somewhere */
	struct sl_span request_id; /* echoed; may be empty */
};

/* The JSON body {"error":{...}}, at most size bytes; returns its length. */
size_t sl_problem_body(const struct sl_problem *p, char *buf, size_t size);
/* Answers and finishes the stream. 429 and 503 carry Retry-After; errors that
 * a retry cannot cure carry x-should-retry: false, which SDKs obey. */
void sl_answer_problem(struct sl_stream *s, const struct sl_problem *p);
/* A short JSON body with status 200. */
void sl_answer_json(struct sl_stream *s, const char *body, size_t len, struct sl_span request_id);

#endif
