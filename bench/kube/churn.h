/* churn.h: changes as a cluster makes them: pods that lose and gain their
 * readiness, get other addresses, leave a selector and return, change roles,
 * terminate and go, and new ones. */
#ifndef SLUICE_KUBE_CHURN_H
#define SLUICE_KUBE_CHURN_H

#include "bench/kube/kube.h"

enum sl_kube_change {
	SL_KUBE_CHANGE_READY,
	SL_KUBE_CHANGE_ADDRESS,
	SL_KUBE_CHANGE_LABEL,
	SL_KUBE_CHANGE_DELETE, /* first it terminates, at the next such change it is gone */
	SL_KUBE_CHANGE_CREATE, /* as long as there are fewer than at first */
	SL_KUBE_CHANGES,
};

const char *sl_kube_change_name(enum sl_kube_change change);

void sl_kube_churn_init(struct sl_kube *kube);
void sl_kube_churn_fini(struct sl_kube *kube);
/* 0 per second: it stops. */
void sl_kube_churn_set(struct sl_kube *kube, double per_s, unsigned kinds);
/* So many changes, now. */
void sl_kube_churn_make(struct sl_kube *kube, unsigned n, unsigned kinds);

#endif
