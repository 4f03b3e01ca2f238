/* churn.h: changes as a cluster makes them: pods that lose and gain their
 * readiness, get other addresses, leave a selector and return, change roles,
 * terminate and go, and new ones. */
#ifndef SLUICE_BENCH_KUBE_CHURN_H
#define SLUICE_BENCH_KUBE_CHURN_H

#include "bench/kube/kube.h"

enum sl_kapi_change {
	SL_KAPI_CHANGE_READY,
	SL_KAPI_CHANGE_ADDRESS,
	SL_KAPI_CHANGE_LABEL,
	SL_KAPI_CHANGE_DELETE, /* first it terminates, at the next such change it is gone */
	SL_KAPI_CHANGE_CREATE, /* as long as there are fewer than at first */
	SL_KAPI_CHANGES,
};

const char *sl_kapi_change_name(enum sl_kapi_change change);

void sl_kapi_churn_init(struct sl_kapi *kube);
void sl_kapi_churn_fini(struct sl_kapi *kube);
/* 0 per second: it stops. */
void sl_kapi_churn_set(struct sl_kapi *kube, double per_s, unsigned kinds);
/* So many changes, now. */
void sl_kapi_churn_make(struct sl_kapi *kube, unsigned n, unsigned kinds);

#endif
