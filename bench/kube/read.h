/* read.h: GET of one object, and lists. */
#ifndef SLUICE_KUBE_READ_H
#define SLUICE_KUBE_READ_H

#include "bench/kube/kube.h"

void sl_kube_get(struct sl_kube *kube, struct sl_sim_conn *conn, const struct sl_kube_request *r);
void sl_kube_list(struct sl_kube *kube, struct sl_sim_conn *conn, const struct sl_kube_request *r);

/* "pods "a" not found", with its details. */
void sl_kube_answer_not_found(struct sl_sim_conn *conn, const struct sl_kube_request *r,
                              const char *name);
/* The object that the request names, or NULL. Borrowed until a change. */
struct sl_kube_version *sl_kube_named(const struct sl_kube *kube, const struct sl_kube_request *r);

#endif
