/* kube_object.h: parsed objects of an API server, for the files that know what
 * stands in them. Everything is a view: nothing outlives the object. */
#ifndef PROBES_KUBE_OBJECT_H
#define PROBES_KUBE_OBJECT_H

#include <cjson/cJSON.h>

#include "sluice/kube.h"

static inline const cJSON *kube_json(const struct sl_kube_object *o)
{
	return (const cJSON *)(const void *)o;
}

static inline const struct sl_kube_object *kube_object(const cJSON *json)
{
	return (const struct sl_kube_object *)(const void *)json;
}

/* All take NULL, and answer NULL, "" or 0 where there is nothing of the kind. */
static inline const cJSON *kube_find(const cJSON *json, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(json, name);
}
static inline const char *kube_text(const cJSON *json, const char *name)
{
	const char *text = cJSON_GetStringValue(kube_find(json, name));

	return text ? text : "";
}
/* The first element of an array, the first member of an object. */
static inline const cJSON *kube_first(const cJSON *json)
{
	return cJSON_IsArray(json) || cJSON_IsObject(json) ? json->child : NULL;
}
uint16_t kube_port(const cJSON *number);
/* "8000"; 0 if it is no port. */
uint16_t kube_port_text(const char *text);
/* Of the `ports` of a container or a slice, each with its number under `key`: the one
 * named http, else the first, but not `except`; 0: none. */
uint16_t kube_served_port(const cJSON *owner, const char *key, uint16_t except);
/* An IPv4 or IPv6 address, and never a name that would have to be looked up. */
bool kube_is_address(const char *text);

/* What every object says of itself. */
struct kube_identity {
	const char *namespace_, *name, *uid;
	const cJSON *labels, *annotations;
	bool terminating; /* it was deleted, and is on its way out */
};
struct kube_identity kube_identity_of(const struct sl_kube_object *o);
/* The longest text of somebody else's that is kept: Kubernetes takes no longer name. */
#define KUBE_TEXT_MAX 253
/* As kube_text, but "" for a longer one. */
const char *kube_short_text(const cJSON *json, const char *name);
/* A label, or else an annotation; "" for neither. key NULL: "". */
const char *kube_mark(const struct kube_identity *id, const char *key);

/* The engines of one object, and why there is none. */
struct kube_engines {
	struct sl_server_set *set; /* owned */
	const char *why;           /* static, "" if there is one */
	char *pair;                /* owned; "" */
};
/* Fills what is all zero. */
void kube_pod_engines(const struct sl_kube_rules *rules, const struct sl_kube_object *pod,
                      struct kube_engines *out);
void kube_slice_engines(const struct sl_kube_rules *rules, const struct sl_kube_object *slice,
                        struct kube_engines *out);

#endif
