/* version.c: see version.h. */
#include "bench/kube/version.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/kube/order.h"

#define TEXT_BYTES 16384 /* most pods have less */

static const cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(get(object, key));

	return text ? text : "";
}

/* ---- facts ----------------------------------------------------------- */

static uint16_t first_port(const cJSON *container)
{
	const cJSON *port = get(cJSON_GetArrayItem(get(container, "ports"), 0), "containerPort");

	return cJSON_IsNumber(port) ? (uint16_t)port->valuedouble : 0;
}

/* The model server's: the label that says it, or the port of the first
 * container that has one (in a decode pod with a routing sidecar, which is an
 * init container that stays, that is the engine behind it). */
static uint16_t port_of(const cJSON *object)
{
	const cJSON *labels = get(get(object, "metadata"), "labels"), *c;
	const char *said = text_of(labels, "model.aibrix.ai/port");

	if (*said)
		return (uint16_t)strtoul(said, NULL, 10);
	cJSON_ArrayForEach(
	        c, get(get(object, "spec"), "containers")) if (first_port(c)) return first_port(c);
	return 0;
}

static bool is_ready(const cJSON *status)
{
	const cJSON *c;

	cJSON_ArrayForEach(
	        c, get(status,
	               "conditions")) if (!strcmp(text_of(c, "type"),
	                                          "Ready")) return !strcmp(text_of(c, "status"),
	                                                                   "True");
	return false;
}

static void read_facts(struct sl_kapi_facts *f, const cJSON *object)
{
	const cJSON *metadata = get(object, "metadata"), *status = get(object, "status");
	const cJSON *labels = get(metadata, "labels");
	const char *role = text_of(labels, "llm-d.ai/role");

	if (!*role)
		role = text_of(labels, "role-name");
	snprintf(f->role, sizeof(f->role), "%s", role);
	snprintf(f->phase, sizeof(f->phase), "%s", text_of(status, "phase"));
	snprintf(f->ip, sizeof(f->ip), "%s", text_of(status, "podIP"));
	snprintf(f->node, sizeof(f->node), "%s", text_of(get(object, "spec"), "nodeName"));
	f->port = port_of(object);
	f->ready = is_ready(status);
	f->terminating = *text_of(metadata, "deletionTimestamp");
}

/* ---- life ------------------------------------------------------------ */

static void read_labels(struct sl_kapi_version *v, const cJSON *labels)
{
	const cJSON *item;

	v->labels = calloc((size_t)cJSON_GetArraySize(labels) + 1, sizeof(*v->labels));
	if (!v->labels)
		abort();
	cJSON_ArrayForEach(item, labels)
	{
		struct sl_kapi_label *l = &v->labels[v->n_labels];

		if (!cJSON_IsString(item))
			continue;
		l->key = strdup(item->string);
		l->value = strdup(item->valuestring);
		if (!l->key || !l->value)
			abort();
		v->n_labels++;
	}
}

static void name_it(struct sl_kapi_version *v, const cJSON *metadata)
{
	const char *ns = text_of(metadata, "namespace"), *name = text_of(metadata, "name");
	size_t size = strlen(ns) + strlen(name) + 2;

	assert(*ns && *name);
	v->key = malloc(size);
	if (!v->key)
		abort();
	snprintf(v->key, size, "%s/%s", ns, name);
	v->ns_len = strlen(ns);
	v->name = v->key + v->ns_len + 1;
	snprintf(v->uid, sizeof(v->uid), "%s", text_of(metadata, "uid"));
}

static void set_rv(cJSON *metadata, uint64_t rv)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)rv);
	cJSON_DeleteItemFromObjectCaseSensitive(metadata, "resourceVersion");
	cJSON_AddStringToObject(metadata, "resourceVersion", digits);
}

static void write_text(struct sl_kapi_version *v, const cJSON *object)
{
	static const char mark[] = "\"resourceVersion\":\"";
	const char *at;

	v->text = cJSON_PrintBuffered(object, TEXT_BYTES, false);
	if (!v->text)
		abort();
	v->len = strlen(v->text);
	at = strstr(v->text, mark);
	assert(at);
	v->rv_at = (size_t)(at - v->text) + sizeof(mark) - 1;
	v->rv_len = strspn(v->text + v->rv_at, "0123456789");
}

struct sl_kapi_version *sl_kapi_version_new(cJSON *object, const struct sl_kapi_resource *resource,
                                            uint64_t rv)
{
	cJSON *metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	struct sl_kapi_version *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	v->refs = 1;
	v->rv = rv;
	set_rv(metadata, rv);
	sl_kapi_order(object, resource);
	write_text(v, object);
	name_it(v, metadata);
	read_labels(v, get(metadata, "labels"));
	read_facts(&v->facts, object);
	return v;
}

struct sl_kapi_version *sl_kapi_version_ref(struct sl_kapi_version *version)
{
	version->refs++;
	return version;
}

void sl_kapi_version_unref(struct sl_kapi_version *version)
{
	if (!version || --version->refs)
		return;
	for (uint32_t i = 0; i < version->n_labels; i++) {
		free(version->labels[i].key);
		free(version->labels[i].value);
	}
	free(version->labels);
	free(version->text);
	free(version->key);
	free(version);
}

/* ---- asking it ------------------------------------------------------- */

const char *sl_kapi_version_label(const struct sl_kapi_version *version, const char *key)
{
	for (uint32_t i = 0; i < version->n_labels; i++)
		if (!strcmp(version->labels[i].key, key))
			return version->labels[i].value;
	return NULL;
}

const char *sl_kapi_version_field(const struct sl_kapi_version *version, const char *field)
{
	const struct {
		const char *field, *value;
	} rows[] = {
		{ "metadata.name", version->name },
		{ "status.phase", version->facts.phase },
		{ "status.podIP", version->facts.ip },
		{ "spec.nodeName", version->facts.node },
	};

	for (size_t i = 0; i < SL_COUNT(rows); i++)
		if (!strcmp(rows[i].field, field))
			return rows[i].value;
	return "";
}

bool sl_kapi_version_in(const struct sl_kapi_version *version, struct sl_span namespace_)
{
	return !namespace_.len || sl_span_eq(namespace_, sl_span(version->key, version->ns_len));
}

void sl_kapi_version_put(struct sl_sim_buf *out, const struct sl_kapi_version *version, uint64_t rv)
{
	size_t after = version->rv_at + version->rv_len;

	sl_sim_buf_add(out, sl_span(version->text, version->rv_at));
	sl_sim_buf_printf(out, "%llu", (unsigned long long)rv);
	sl_sim_buf_add(out, sl_span(version->text + after, version->len - after));
}

cJSON *sl_kapi_version_parse(const struct sl_kapi_version *version)
{
	cJSON *object = cJSON_ParseWithLength(version->text, version->len);

	if (!object)
		abort();
	return object;
}
