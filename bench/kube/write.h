/* write.h: POST, PUT, PATCH (merge patches alone) and DELETE of objects, and
 * of their status. Objects are taken as they are: beyond kind, name and
 * namespace nothing is validated. */
#ifndef SLUICE_KUBE_WRITE_H
#define SLUICE_KUBE_WRITE_H

#include "bench/kube/kube.h"

void sl_kube_create(struct sl_kube *kube, struct sl_sim_conn *conn,
                    const struct sl_kube_request *r);
void sl_kube_update(struct sl_kube *kube, struct sl_sim_conn *conn,
                    const struct sl_kube_request *r);
void sl_kube_patch(struct sl_kube *kube, struct sl_sim_conn *conn, const struct sl_kube_request *r);
void sl_kube_delete(struct sl_kube *kube, struct sl_sim_conn *conn,
                    const struct sl_kube_request *r);

/* metadata.deletionTimestamp and its grace period. */
void sl_kube_mark_terminating(cJSON *object, unsigned grace_s);

#endif
