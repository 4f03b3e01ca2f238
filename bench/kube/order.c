/* order.c: see order.h. A shape is an object's keys, in order, each with the
 * shape of its value (or of its items, if it is an array). Keys that a shape
 * does not know stay behind the others, as they came. */
#include "bench/kube/order.h"

#include <stdlib.h>

struct shape;

struct member {
	const char *key;
	const struct shape *shape; /* NULL: left as it is */
};

struct shape {
	const struct member *members; /* NULL: by the alphabet */
	size_t n;
	const char *added, *added_json; /* a member that is there always; or NULL */
};

#define SHAPE(table, ...)                                                                          \
	{                                                                                          \
		table, SL_COUNT(table), __VA_ARGS__                                                \
	}

static const struct shape map = { NULL, 0, NULL, NULL };

static const struct member metadata_keys[] = {
	{ "name", NULL },
	{ "generateName", NULL },
	{ "namespace", NULL },
	{ "uid", NULL },
	{ "resourceVersion", NULL },
	{ "generation", NULL },
	{ "creationTimestamp", NULL },
	{ "deletionTimestamp", NULL },
	{ "deletionGracePeriodSeconds", NULL },
	{ "labels", &map },
	{ "annotations", &map },
	{ "ownerReferences", NULL },
	{ "finalizers", NULL },
	{ "managedFields", NULL },
};
static const struct shape metadata = SHAPE(metadata_keys, NULL, NULL);

static const struct member port_keys[] = {
	{ "name", NULL },
	{ "hostPort", NULL },
	{ "containerPort", NULL },
	{ "protocol", NULL },
};
static const struct shape port = SHAPE(port_keys, NULL, NULL);

static const struct member container_keys[] = {
	{ "name", NULL },
	{ "image", NULL },
	{ "command", NULL },
	{ "args", NULL },
	{ "workingDir", NULL },
	{ "ports", &port },
	{ "envFrom", NULL },
	{ "env", NULL },
	{ "resources", NULL },
	{ "restartPolicy", NULL },
	{ "volumeMounts", NULL },
	{ "livenessProbe", NULL },
	{ "readinessProbe", NULL },
	{ "startupProbe", NULL },
	{ "lifecycle", NULL },
	{ "terminationMessagePath", NULL },
	{ "terminationMessagePolicy", NULL },
	{ "imagePullPolicy", NULL },
	{ "securityContext", NULL },
};
static const struct shape container = SHAPE(container_keys, "resources", "{}");

static const struct member pod_spec_keys[] = {
	{ "volumes", NULL },
	{ "initContainers", &container },
	{ "containers", &container },
	{ "restartPolicy", NULL },
	{ "terminationGracePeriodSeconds", NULL },
	{ "dnsPolicy", NULL },
	{ "nodeSelector", &map },
	{ "serviceAccountName", NULL },
	{ "serviceAccount", NULL },
	{ "nodeName", NULL },
	{ "securityContext", NULL },
};
static const struct shape pod_spec = SHAPE(pod_spec_keys, NULL, NULL);

static const struct member condition_keys[] = {
	{ "type", NULL },          { "status", NULL },
	{ "lastProbeTime", NULL }, { "lastTransitionTime", NULL },
	{ "reason", NULL },        { "message", NULL },
};
static const struct shape condition = SHAPE(condition_keys, "lastProbeTime", "null");

static const struct member pod_status_keys[] = {
	{ "phase", NULL },
	{ "conditions", &condition },
	{ "message", NULL },
	{ "reason", NULL },
	{ "hostIP", NULL },
	{ "hostIPs", NULL },
	{ "podIP", NULL },
	{ "podIPs", NULL },
	{ "startTime", NULL },
	{ "initContainerStatuses", NULL },
	{ "containerStatuses", NULL },
	{ "qosClass", NULL },
};
static const struct shape pod_status = SHAPE(pod_status_keys, NULL, NULL);

static const struct member pod_keys[] = {
	{ "kind", NULL },      { "apiVersion", NULL },    { "metadata", &metadata },
	{ "spec", &pod_spec }, { "status", &pod_status },
};

static const struct member endpoint_conditions_keys[] = {
	{ "ready", NULL },
	{ "serving", NULL },
	{ "terminating", NULL },
};
static const struct shape endpoint_conditions = SHAPE(endpoint_conditions_keys, NULL, NULL);

static const struct member endpoint_keys[] = {
	{ "addresses", NULL }, { "conditions", &endpoint_conditions }, { "hostname", NULL },
	{ "targetRef", NULL }, { "deprecatedTopology", NULL },         { "nodeName", NULL },
	{ "zone", NULL },
};
static const struct shape endpoint = SHAPE(endpoint_keys, NULL, NULL);

static const struct member slice_port_keys[] = {
	{ "name", NULL },
	{ "protocol", NULL },
	{ "port", NULL },
	{ "appProtocol", NULL },
};
static const struct shape slice_port = SHAPE(slice_port_keys, NULL, NULL);

static const struct member slice_keys[] = {
	{ "kind", NULL },        { "apiVersion", NULL },     { "metadata", &metadata },
	{ "addressType", NULL }, { "endpoints", &endpoint }, { "ports", &slice_port },
};

static const struct shape kinds[SL_KAPI_KINDS] = {
	[SL_KAPI_PODS] = SHAPE(pod_keys, "status", "{}"),
	[SL_KAPI_SLICES] = SHAPE(slice_keys, NULL, NULL),
};

/* ---- sorting --------------------------------------------------------- */

struct ranked {
	cJSON *item;
	size_t rank; /* in the shape; those that it does not know keep their order */
};

static size_t rank_of(const struct shape *shape, const cJSON *item, size_t at)
{
	for (size_t i = 0; i < shape->n; i++)
		if (!strcmp(shape->members[i].key, item->string))
			return i;
	return shape->n + at;
}

static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return (x->rank > y->rank) - (x->rank < y->rank);
}

static int by_name(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return strcmp(x->item->string, y->item->string);
}

/* The object's members in a new order. */
static void relink(cJSON *object, const struct ranked *sorted, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cJSON_DetachItemViaPointer(object, sorted[i].item);
	for (size_t i = 0; i < n; i++) {
		char *name = sorted[i].item->string;

		sorted[i].item->string = NULL;
		cJSON_AddItemToObject(object, name, sorted[i].item);
		free(name);
	}
}

static void sort(cJSON *object, const struct shape *shape)
{
	size_t n = (size_t)cJSON_GetArraySize(object), i = 0;
	struct ranked *all;
	cJSON *item;

	if (n < 2)
		return;
	all = calloc(n, sizeof(*all));
	if (!all)
		abort();
	cJSON_ArrayForEach(item, object)
	{
		all[i] = (struct ranked){ item, rank_of(shape, item, i) };
		i++;
	}
	qsort(all, n, sizeof(*all), shape->members ? by_rank : by_name);
	relink(object, all, n);
	free(all);
}

static void shape_value(cJSON *value, const struct shape *shape);

static void shape_object(cJSON *object, const struct shape *shape)
{
	if (shape->added && !cJSON_HasObjectItem(object, shape->added))
		cJSON_AddItemToObject(object, shape->added, cJSON_Parse(shape->added_json));
	sort(object, shape);
	for (size_t i = 0; i < shape->n; i++)
		if (shape->members[i].shape)
			shape_value(cJSON_GetObjectItemCaseSensitive(object, shape->members[i].key),
			            shape->members[i].shape);
}

static void shape_value(cJSON *value, const struct shape *shape)
{
	cJSON *item;

	if (cJSON_IsObject(value))
		shape_object(value, shape);
	else if (cJSON_IsArray(value))
		cJSON_ArrayForEach(item, value) if (cJSON_IsObject(item)) shape_object(item, shape);
}

/* Depth is bounded by cJSON's own limit of nesting. */
static void sort_all(cJSON *value)
{
	cJSON *item;

	if (cJSON_IsObject(value))
		sort(value, &map);
	cJSON_ArrayForEach(item, value) sort_all(item);
}

void sl_kapi_order(cJSON *object, const struct sl_kapi_resource *resource)
{
	if (resource->custom)
		sort_all(object);
	else
		shape_object(object, &kinds[resource->index]);
}
