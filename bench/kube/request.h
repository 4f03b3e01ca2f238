/* request.h: what a request asks for: its path, its parameters, who asks. */
#ifndef SLUICE_BENCH_KUBE_REQUEST_H
#define SLUICE_BENCH_KUBE_REQUEST_H

#include "bench/kube/selector.h"
#include "bench/sim/conn.h"

enum sl_kapi_verb {
	SL_KAPI_GET,
	SL_KAPI_LIST,
	SL_KAPI_WATCH,
	SL_KAPI_CREATE,
	SL_KAPI_UPDATE,
	SL_KAPI_PATCH,
	SL_KAPI_DELETE,
	SL_KAPI_NO_VERB,
};

#define SL_KAPI_PARAM_BYTES SL_KAPI_SELECTOR_BYTES

struct sl_kapi_request {
	char method[16], token[1100], agent[64], content_type[80];
	char path[1024], query[8192]; /* as they came */
	bool indent;                  /* curl and browsers get JSON to read */

	/* Of the path; resource NULL: it names none. */
	const struct sl_kapi_resource *resource;
	enum sl_kapi_verb verb;
	char namespace_[254], name[254];
	bool status; /* the subresource */
	bool group_known;
};

/* False: the head does not parse (the connection has seen it parse before, so
 * it is too long for the fields above). */
SL_MUST_CHECK bool sl_kapi_request_read(struct sl_kapi_request *out,
                                        const struct sl_sim_conn *conn);

/* The decoded value of a parameter, "" if it is not there. False: it is longer
 * than the buffer. */
bool sl_kapi_request_param(const struct sl_kapi_request *r, const char *name,
                           char out_value[SL_KAPI_PARAM_BYTES]);
/* "true", "1"; absent is false. */
bool sl_kapi_request_flag(const struct sl_kapi_request *r, const char *name);
const char *sl_kapi_verb_name(enum sl_kapi_verb verb);

#endif
