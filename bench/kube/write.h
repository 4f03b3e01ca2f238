/* write.h: POST, PUT, PATCH (merge patches alone) and DELETE of objects, and
 * of their status. Objects are taken as they are: beyond kind, name and
 * namespace nothing is validated. */
#ifndef SLUICE_BENCH_KUBE_WRITE_H
#define SLUICE_BENCH_KUBE_WRITE_H

#include "bench/kube/kube.h"

void sl_kapi_create(struct sl_kapi *kube, struct sl_sim_conn *conn,
                    const struct sl_kapi_request *r);
void sl_kapi_update(struct sl_kapi *kube, struct sl_sim_conn *conn,
                    const struct sl_kapi_request *r);
void sl_kapi_patch(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r);
void sl_kapi_delete(struct sl_kapi *kube, struct sl_sim_conn *conn,
                    const struct sl_kapi_request *r);

/* metadata.deletionTimestamp and its grace period. */
void sl_kapi_mark_terminating(cJSON *object, unsigned grace_s);

#endif
