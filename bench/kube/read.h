/* read.h: GET of one object, and lists. */
#ifndef SLUICE_BENCH_KUBE_READ_H
#define SLUICE_BENCH_KUBE_READ_H

#include "bench/kube/kube.h"

void sl_kapi_get(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r);
void sl_kapi_list(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r);

/* "pods "a" not found", with its details. */
void sl_kapi_answer_not_found(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                              const char *name);
/* The object that the request names, or NULL. Borrowed until a change. */
struct sl_kapi_version *sl_kapi_named(const struct sl_kapi *kube, const struct sl_kapi_request *r);

#endif
