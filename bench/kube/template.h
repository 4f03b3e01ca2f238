/* template.h: pods as the controllers of a stack make them. */
#ifndef SLUICE_BENCH_KUBE_TEMPLATE_H
#define SLUICE_BENCH_KUBE_TEMPLATE_H

#include "bench/kube/kube.h"

struct sl_kapi_template {
	const char *name, *help;
	/* The label that a client selects by, whose value is the service. */
	const char *service_label;
	const char *role_label; /* NULL: pods have no roles */
	const char *labels;     /* more of them: ,"key":"value" */
	bool sidecar;           /* decode pods: a routing sidecar on 8000, the engine on 8001 */
	bool sets;              /* pairing domains: roleset-name */
};

/* NULL: there is none of this name. */
const struct sl_kapi_template *sl_kapi_template_find(const char *name);
const struct sl_kapi_template *sl_kapi_template_at(size_t i); /* NULL behind the last */

/* The next pod: running and ready, with an address of its own. Owned by the
 * caller. */
cJSON *sl_kapi_template_pod(struct sl_kapi *kube);
/* "10.0.0.7": the next one that no pod had. */
void sl_kapi_template_address(struct sl_kapi *kube, char out[48]);
/* managedFields by what the object has now. */
void sl_kapi_template_manage(cJSON *object);

#endif
