/* resource.h: the resources that the stand-in knows, one table. */
#ifndef SLUICE_KUBE_RESOURCE_H
#define SLUICE_KUBE_RESOURCE_H

#include "sluice/base.h"

enum sl_kube_kind { SL_KUBE_PODS, SL_KUBE_SLICES, SL_KUBE_POOLS, SL_KUBE_KINDS };

struct sl_kube_resource {
	enum sl_kube_kind index;
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

const struct sl_kube_resource *sl_kube_resource_at(enum sl_kube_kind index);
/* By "" (or a group), its version and its plural; NULL: none. */
const struct sl_kube_resource *sl_kube_resource_find(struct sl_span group, struct sl_span version,
                                                     struct sl_span plural);
/* "pods", "endpointslices.discovery.k8s.io": as messages name it. */
const char *sl_kube_resource_full_name(const struct sl_kube_resource *resource);
/* True if there are resources of this group and version. */
bool sl_kube_group_exists(struct sl_span group, struct sl_span version);

#endif
