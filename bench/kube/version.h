/* version.h: one version of an object: its text, and what is asked of it.
 *
 * Versions never change; a change makes a new one. They are counted, because
 * the history, and lists of older resource versions, hold them. */
#ifndef SLUICE_BENCH_KUBE_VERSION_H
#define SLUICE_BENCH_KUBE_VERSION_H

#include <cjson/cJSON.h>

#include "bench/kube/resource.h"
#include "bench/sim/buf.h"

struct sl_kapi_label {
	char *key, *value; /* owned */
};

/* What a client must believe of a pod. Empty texts: it has none. */
struct sl_kapi_facts {
	char phase[16], ip[48], node[64], role[32];
	uint16_t port;
	bool ready, terminating;
};

struct sl_kapi_version {
	uint32_t refs;
	uint64_t rv;
	char *text; /* owned: {"kind":... in the server's order of keys */
	size_t len;
	size_t rv_at, rv_len; /* the digits of its resourceVersion in the text */
	char *key;            /* owned: "namespace/name" */
	const char *name;     /* in the key */
	size_t ns_len;
	char uid[40];
	struct sl_kapi_label *labels; /* owned */
	uint32_t n_labels;
	struct sl_kapi_facts facts;
};

/* The object with this resource version, one reference. It must have
 * metadata.name and metadata.namespace; it is put in order, no more. */
struct sl_kapi_version *sl_kapi_version_new(cJSON *object, const struct sl_kapi_resource *resource,
                                            uint64_t rv);
struct sl_kapi_version *sl_kapi_version_ref(struct sl_kapi_version *version);
/* May be NULL. */
void sl_kapi_version_unref(struct sl_kapi_version *version);

/* The value, or NULL. */
const char *sl_kapi_version_label(const struct sl_kapi_version *version, const char *key);
/* Of a field selector; "" if it has none. */
const char *sl_kapi_version_field(const struct sl_kapi_version *version, const char *field);
bool sl_kapi_version_in(const struct sl_kapi_version *version, struct sl_span namespace_);
/* Its text with another resource version (a DELETED event's). */
void sl_kapi_version_put(struct sl_sim_buf *out, const struct sl_kapi_version *version,
                         uint64_t rv);
cJSON *sl_kapi_version_parse(const struct sl_kapi_version *version);

#endif
