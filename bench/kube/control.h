/* control.h: /stand-in/...: what tests tell the stand-in, and what it knows
 * that a client must find out. docs/kubernetes-stand-in.md describes it. */
#ifndef SLUICE_BENCH_KUBE_CONTROL_H
#define SLUICE_BENCH_KUBE_CONTROL_H

#include "bench/kube/kube.h"

/* False: the path is none of these. */
bool sl_kapi_control_serve(struct sl_kapi *kube, struct sl_sim_conn *conn,
                           const struct sl_kapi_request *r);

#endif
