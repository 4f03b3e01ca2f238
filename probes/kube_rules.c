/* kube_rules.c: what the server is asked: paths, label selectors, and an
 * InferencePool's own selector and ports.
 *
 * Selectors are sent to the server, so that it sends no more than we need. An
 * InferencePool's stands for the preset's; the operator's is added to either. */
#include <stdio.h>
#include <stdlib.h>

#include "probes/kube_object.h"
#include "probes/kube_preset.h"

static const struct sl_kube_names names[] = {
	[SL_KUBE_PODS] = { "", "v1", "pods" },
	[SL_KUBE_SLICES] = { "discovery.k8s.io", "v1", "endpointslices" },
	[SL_KUBE_POOLS] = { "inference.networking.k8s.io", "v1", "inferencepools" },
	[SL_KUBE_POOLS_OLD] = { "inference.networking.x-k8s.io", "v1alpha2", "inferencepools" },
};

const struct sl_kube_names *sl_kube_names(enum sl_kube_resource r)
{
	return &names[r];
}

/* ---- text that grows ------------------------------------------------- */

struct text {
	char *ptr; /* owned, NUL-terminated */
	size_t len, size;
};

static void text_add(struct text *t, const char *bytes, size_t len)
{
	if (t->len + len + 1 > t->size) {
		t->size = 2 * (t->len + len + 1);
		t->ptr = realloc(t->ptr, t->size);
		if (!t->ptr)
			abort(); /* as long as what was configured, or an object */
	}
	memcpy(t->ptr + t->len, bytes, len);
	t->len += len;
	t->ptr[t->len] = '\0';
}

static void text_put(struct text *t, const char *more)
{
	text_add(t, more, strlen(more));
}

/* As part of a query. */
static void text_encode(struct text *t, const char *more)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                            "0123456789-._~";
	char code[4];

	for (; *more; more++) {
		if (strchr(plain, *more)) {
			text_add(t, more, 1);
			continue;
		}
		snprintf(code, sizeof(code), "%%%02X", (unsigned)(unsigned char)*more);
		text_add(t, code, 3);
	}
}

static void text_term(struct text *t, const char *term)
{
	if (t->len && *term)
		text_put(t, ",");
	text_put(t, term);
}

/* ---- InferencePool --------------------------------------------------- */

void sl_kube_rules_init(struct sl_kube_rules *rules, const struct sl_discover_conf *conf)
{
	*rules = (struct sl_kube_rules){ .conf = conf };
}

void sl_kube_rules_fini(struct sl_kube_rules *rules)
{
	free(rules->pool_selector);
	rules->pool_selector = NULL;
}

/* v1 has the labels in matchLabels, v1alpha2 in the selector itself. */
static char *selector_in(const cJSON *spec)
{
	const cJSON *selector = kube_find(spec, "selector");
	const cJSON *label = kube_find(selector, "matchLabels");
	struct text t = { 0 };

	text_put(&t, "");
	for (label = kube_first(label ? label : selector); label; label = label->next) {
		const char *value = cJSON_GetStringValue(label);

		if (!value)
			continue;
		text_term(&t, label->string);
		text_put(&t, "=");
		text_put(&t, value);
	}
	return t.ptr;
}

static uint32_t ports_in(const cJSON *spec, uint16_t ports[SL_KUBE_PORTS])
{
	const cJSON *target = kube_first(kube_find(spec, "targetPorts"));
	uint16_t old = kube_port(kube_find(spec, "targetPortNumber"));
	uint32_t n = 0;

	for (; target && n < SL_KUBE_PORTS; target = target->next) {
		uint16_t port = kube_port(kube_find(target, "number"));

		if (port)
			ports[n++] = port;
	}
	if (!n && old)
		ports[n++] = old;
	return n;
}

bool sl_kube_rules_take_pool(struct sl_kube_rules *rules, const struct sl_kube_object *pool)
{
	const cJSON *spec = kube_find(kube_json(pool), "spec");
	uint16_t ports[SL_KUBE_PORTS] = { 0 };
	char *selector = selector_in(spec);
	uint32_t n = ports_in(spec, ports);

	if (rules->pool_selector && !strcmp(rules->pool_selector, selector) &&
	    rules->n_pool_ports == n && !memcmp(rules->pool_ports, ports, sizeof(ports))) {
		free(selector);
		return false;
	}
	free(rules->pool_selector);
	rules->pool_selector = selector;
	rules->n_pool_ports = n;
	memcpy(rules->pool_ports, ports, sizeof(ports));
	return true;
}

/* ---- selectors ------------------------------------------------------- */

static void preset_terms(struct text *t, const struct sl_discover_conf *conf)
{
	const struct kube_preset *preset = kube_preset_of(conf);

	text_term(t, preset->selector);
	if (preset->service_key && *conf->service) {
		text_term(t, preset->service_key);
		text_put(t, "=");
		text_put(t, conf->service);
	} else if (preset->needs && !*conf->selector) {
		/* with a selector it may be an annotation, which none can ask for */
		text_term(t, preset->needs);
	}
}

static void pod_terms(struct text *t, const struct sl_kube_rules *rules)
{
	const struct sl_discover_conf *conf = rules->conf;

	if (rules->pool_selector)
		text_term(t, rules->pool_selector);
	else
		preset_terms(t, conf);
	text_term(t, conf->selector);
}

static void slice_terms(struct text *t, const struct sl_kube_rules *rules)
{
	text_put(t, "kubernetes.io/service-name=");
	text_put(t, rules->conf->service);
	text_term(t, rules->conf->selector);
}

static void selector_query(struct text *path, const struct sl_kube_rules *rules,
                           enum sl_kube_resource r)
{
	struct text terms = { 0 };

	text_put(&terms, "");
	if (r == SL_KUBE_PODS) {
		pod_terms(&terms, rules);
	} else if (r == SL_KUBE_SLICES) {
		slice_terms(&terms, rules);
	} else {
		text_put(&terms, "metadata.name=");
		text_put(&terms, rules->conf->inference_pool);
	}
	if (terms.len) {
		text_put(path, r == SL_KUBE_PODS || r == SL_KUBE_SLICES ? "labelSelector="
		                                                        : "fieldSelector=");
		text_encode(path, terms.ptr);
		text_put(path, "&");
	}
	free(terms.ptr);
}

/* ---- paths ----------------------------------------------------------- */

static struct text path_begin(const struct sl_kube_rules *rules, enum sl_kube_resource r,
                              const char *namespace_)
{
	struct text t = { 0 };

	text_put(&t, *names[r].group ? "/apis/" : "/api/");
	text_put(&t, names[r].group);
	text_put(&t, *names[r].group ? "/" : "");
	text_put(&t, names[r].version);
	if (strcmp(namespace_, "*") != 0) {
		text_put(&t, "/namespaces/");
		text_encode(&t, namespace_);
	}
	text_put(&t, "/");
	text_put(&t, names[r].plural);
	text_put(&t, "?");
	selector_query(&t, rules, r);
	return t;
}

/* Without a resourceVersion: the newest there is. A cached list (=0) may be older
 * than what was watched, and would bring back what is gone. */
char *sl_kube_list_path(const struct sl_kube_rules *rules, enum sl_kube_resource r,
                        const char *namespace_, uint32_t limit, const char *next)
{
	struct text t = path_begin(rules, r, namespace_);
	char number[32] = "";

	if (limit)
		snprintf(number, sizeof(number), "limit=%u", limit);
	text_put(&t, number);
	if (*next) {
		text_put(&t, "&continue=");
		text_encode(&t, next);
	}
	return t.ptr;
}

char *sl_kube_watch_path(const struct sl_kube_rules *rules, enum sl_kube_resource r,
                         const char *namespace_, const char *version, uint32_t timeout_s)
{
	struct text t = path_begin(rules, r, namespace_);
	char number[32];

	text_put(&t, "watch=1&allowWatchBookmarks=true&resourceVersion=");
	text_encode(&t, version);
	snprintf(number, sizeof(number), "&timeoutSeconds=%u", timeout_s);
	text_put(&t, number);
	return t.ptr;
}
