/* filter.h: which objects a list or a watch is about. */
#ifndef SLUICE_BENCH_KUBE_FILTER_H
#define SLUICE_BENCH_KUBE_FILTER_H

#include "bench/kube/answer.h"

struct sl_kapi_filter {
	char namespace_[254]; /* empty: all */
	struct sl_kapi_selector labels, fields;
};

/* By the request's path, labelSelector and fieldSelector; false: it was
 * answered with 400. */
SL_MUST_CHECK bool sl_kapi_filter_read(struct sl_kapi_filter *out, struct sl_sim_conn *conn,
                                       const struct sl_kapi_request *r);
bool sl_kapi_filter_match(const struct sl_kapi_filter *f, const struct sl_kapi_version *v);

/* A whole number among the parameters, 0 if it is absent; false: it was
 * answered with 400. */
SL_MUST_CHECK bool sl_kapi_number_param(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                                        const char *name, int64_t *out);
/* resourceVersion; false: it was answered with 500, as the real one does. */
SL_MUST_CHECK bool sl_kapi_version_param(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                                         uint64_t *out);

#endif
