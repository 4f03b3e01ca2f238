/* resource.c: see resource.h. */
#include "bench/kube/resource.h"

#define GIE "inference.networking.k8s.io"

static const struct sl_kapi_resource table[SL_KAPI_KINDS] = {
	[SL_KAPI_PODS] = { SL_KAPI_PODS,
	                   "",
	                   "v1",
	                   "pods",
	                   "Pod",
	                   "v1",
	                   false,
	                   ",\"spec\":{\"containers\":null},\"status\":{}",
	                   { "status.phase", "status.podIP", "spec.nodeName" },
	                   { "field label not supported: ", "" } },
	[SL_KAPI_SLICES] = { SL_KAPI_SLICES,
	                     "discovery.k8s.io",
	                     "v1",
	                     "endpointslices",
	                     "EndpointSlice",
	                     "discovery.k8s.io/v1",
	                     false,
	                     ",\"addressType\":\"\",\"endpoints\":null,\"ports\":null",
	                     { NULL },
	                     { "\"", "\" is not a known field selector: only \"metadata.name\", "
	                             "\"metadata.namespace\"" } },
	[SL_KAPI_POOLS] = { SL_KAPI_POOLS,
	                    GIE,
	                    "v1",
	                    "inferencepools",
	                    "InferencePool",
	                    GIE "/v1",
	                    true,
	                    "",
	                    { NULL },
	                    { "field label not supported: ", "" } },
};

static const char *const full_names[SL_KAPI_KINDS] = {
	[SL_KAPI_PODS] = "pods",
	[SL_KAPI_SLICES] = "endpointslices.discovery.k8s.io",
	[SL_KAPI_POOLS] = ("inferencepools." GIE),
};

const struct sl_kapi_resource *sl_kapi_resource_at(enum sl_kapi_kind index)
{
	return &table[index];
}

static bool in_group(const struct sl_kapi_resource *r, struct sl_span group, struct sl_span version)
{
	return sl_span_eq(group, sl_span_str(r->group)) &&
	       sl_span_eq(version, sl_span_str(r->version));
}

const struct sl_kapi_resource *sl_kapi_resource_find(struct sl_span group, struct sl_span version,
                                                     struct sl_span plural)
{
	for (size_t i = 0; i < SL_COUNT(table); i++)
		if (in_group(&table[i], group, version) &&
		    sl_span_eq(plural, sl_span_str(table[i].plural)))
			return &table[i];
	return NULL;
}

bool sl_kapi_group_exists(struct sl_span group, struct sl_span version)
{
	for (size_t i = 0; i < SL_COUNT(table); i++)
		if (in_group(&table[i], group, version))
			return true;
	return false;
}

const char *sl_kapi_resource_full_name(const struct sl_kapi_resource *resource)
{
	return full_names[resource->index];
}
