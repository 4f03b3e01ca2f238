/* resource.h: the resources that the stand-in knows, one table. */
#ifndef SLUICE_BENCH_KUBE_RESOURCE_H
#define SLUICE_BENCH_KUBE_RESOURCE_H

#include "sluice/base.h"

enum sl_kapi_kind { SL_KAPI_PODS, SL_KAPI_SLICES, SL_KAPI_POOLS, SL_KAPI_KINDS };

struct sl_kapi_resource {
	enum sl_kapi_kind index;
	const char *group, *version, *plural, *kind;
	const char *api_version; /* group/version, or version alone */
	/* A custom resource: keys in alphabetical order, and items of lists
	 * name their kind. */
	bool custom;
	/* What a BOOKMARK's object has behind its metadata. */
	const char *empty;
	/* Fields that a fieldSelector may name besides metadata.name and
	 * metadata.namespace; ends with NULL. */
	const char *fields[4];
	/* What is said of others: before and after the name. */
	const char *no_field[2];
};

const struct sl_kapi_resource *sl_kapi_resource_at(enum sl_kapi_kind index);
/* By "" (or a group), its version and its plural; NULL: none. */
const struct sl_kapi_resource *sl_kapi_resource_find(struct sl_span group, struct sl_span version,
                                                     struct sl_span plural);
/* "pods", "endpointslices.discovery.k8s.io": as messages name it. */
const char *sl_kapi_resource_full_name(const struct sl_kapi_resource *resource);
/* True if there are resources of this group and version. */
bool sl_kapi_group_exists(struct sl_span group, struct sl_span version);

#endif
