/* kube_slice.c: the engines of one EndpointSlice: addresses of a Service, with
 * what Kubernetes thinks of them, and nothing of models or roles.
 *
 * An endpoint is named after its pod, so that one which stands in two slices,
 * as happens while it moves and with both address families, is one engine. */
#include <stdio.h>
#include <stdlib.h>

#include "probes/kube_object.h"

struct slice {
	const struct sl_kube_rules *rules;
	struct kube_identity id;
	uint16_t port;
};

/* Absent conditions are true: what is not known is taken to be well. */
static bool condition(const cJSON *endpoint, const char *name, bool otherwise)
{
	const cJSON *value = kube_find(kube_find(endpoint, "conditions"), name);

	return cJSON_IsBool(value) ? cJSON_IsTrue(value) : otherwise;
}

static const char *why_hold(const cJSON *endpoint)
{
	if (condition(endpoint, "terminating", false))
		return "the endpoint is terminating";
	return condition(endpoint, "ready", true) ? "" : "the endpoint is not ready";
}

/* The operator's, else what it serves. */
static uint16_t port_of(const struct sl_discover_conf *conf, const cJSON *slice)
{
	return conf->port ? (uint16_t)conf->port : kube_served_port(slice, "port", 0);
}

static char *name_of(const struct slice *slice, const cJSON *target, const char *address)
{
	char *name;
	int n;

	if (*kube_short_text(target, "uid"))
		n = asprintf(&name, "%s/%s/%s", slice->id.namespace_,
		             kube_short_text(target, "name"), kube_short_text(target, "uid"));
	else
		n = asprintf(&name, "%s/%s", slice->id.namespace_, address);
	if (n < 0)
		abort();
	return name;
}

/* All addresses of an endpoint are the same backend: the first is used. */
static void add_endpoint(const struct slice *slice, const cJSON *endpoint,
                         struct sl_server_set *set)
{
	const char *address = cJSON_GetStringValue(kube_first(kube_find(endpoint, "addresses")));
	const cJSON *target = kube_find(endpoint, "targetRef");
	struct sl_server_conf *server;
	char *name;

	if (!address || !kube_is_address(address))
		return;
	name = name_of(slice, target, address);
	server = sl_server_set_add(set, sl_span_str(address), slice->port, sl_span_str(name));
	free(name);
	server->found.why = why_hold(endpoint);
	server->found.hold = *server->found.why != '\0';
	server->found.metrics_port = (uint16_t)slice->rules->conf->metrics_port;
	sl_server_set_text(&server->found.node, sl_span_str(kube_short_text(endpoint, "nodeName")));
	if (strcmp(kube_text(target, "kind"), "Pod") != 0)
		return;
	sl_server_set_text(&server->found.namespace_, sl_span_str(slice->id.namespace_));
	sl_server_set_text(&server->found.pod, sl_span_str(kube_short_text(target, "name")));
}

void kube_slice_engines(const struct sl_kube_rules *rules, const struct sl_kube_object *o,
                        struct kube_engines *out)
{
	const cJSON *json = kube_json(o), *endpoint = kube_first(kube_find(json, "endpoints"));
	const struct slice slice = {
		.rules = rules,
		.id = kube_identity_of(o),
		.port = port_of(rules->conf, json),
	};

	out->set = sl_server_set_new();
	out->pair = strdup("");
	out->why = slice.port ? "the slice has no endpoints" : "no port is known: set 'port'";
	for (; slice.port && endpoint; endpoint = endpoint->next)
		add_endpoint(&slice, endpoint, out->set);
	if (out->set->n)
		out->why = "";
}
