/* answer.h: answers as the API server writes them. */
#ifndef SLUICE_BENCH_KUBE_ANSWER_H
#define SLUICE_BENCH_KUBE_ANSWER_H

#include "bench/kube/request.h"

/* A body of JSON; indented for readers. */
void sl_kapi_answer(struct sl_sim_conn *conn, const struct sl_kapi_request *r, int status,
                    struct sl_span json);
void sl_kapi_answer_text(struct sl_sim_conn *conn, int status, const char *text);
/* The head of a stream without an end of its own, sent at once. */
void sl_kapi_answer_stream(struct sl_sim_conn *conn);

/* A Status object. Members that are NULL or 0 are left out. */
struct sl_kapi_status {
	int code;
	const char *reason, *message;
	const char *name, *group, *kind, *uid; /* details */
	bool details;                          /* is there, though empty */
	const char *cause_reason, *cause_message, *cause_field;
	const char *next; /* metadata.continue */
	unsigned retry_after_s;
};

void sl_kapi_status_put(struct sl_sim_buf *out, const struct sl_kapi_status *status);
void sl_kapi_answer_status(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                           const struct sl_kapi_status *status);
/* 400 with this message. */
void sl_kapi_answer_bad(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                        const char *message);

/* Go's way with JSON strings: < > & are escaped too. */
void sl_kapi_put_string(struct sl_sim_buf *out, const char *text);

#endif
