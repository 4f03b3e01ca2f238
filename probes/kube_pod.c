/* kube_pod.c: the engines of one Pod.
 *
 * A pod that is gone, has ended or has no address is no engine. One that is not
 * ready, or on its way out, is one that gets no new requests (`hold`): what it
 * is answering goes on. A pod has an engine for each port that the InferencePool
 * or llm-d's active-ports names.
 *
 * We talk to engines, not to the routing sidecar of llm-d and KServe: our hand-off
 * is the one that the sidecar would run. A pod that has one, known by its name
 * or image, or as an init container that stays and declares the port in
 * question, is talked to on the port behind it. */
#include <stdio.h>
#include <stdlib.h>

#include "probes/hash.h"
#include "probes/kube_object.h"
#include "probes/kube_preset.h"

#define ACTIVE_PORTS "llm-d.ai/active-ports"

struct pod {
	const struct sl_kube_rules *rules;
	const struct kube_preset *preset;
	struct kube_identity id;
	const cJSON *spec, *status;
};

struct ports {
	uint16_t at[SL_KUBE_PORTS];
	uint32_t n;
};

/* ---- containers ------------------------------------------------------ */

static bool has_word(const cJSON *container, const char *word)
{
	return strstr(kube_text(container, "name"), word) ||
	       strstr(kube_text(container, "image"), word);
}

static bool is_router(const cJSON *container)
{
	return has_word(container, "routing-sidecar") || has_word(container, "disagg-sidecar") ||
	       has_word(container, "routing-proxy");
}

static bool declares(const cJSON *container, uint16_t port)
{
	const cJSON *p = kube_first(kube_find(container, "ports"));

	while (p && kube_port(kube_find(p, "containerPort")) != port)
		p = p->next;
	return p != NULL;
}

/* The port that a container serves at. 0: it declares none but `except`. */
static uint16_t served_port(const cJSON *container, uint16_t except)
{
	return kube_served_port(container, "containerPort", except);
}

static const cJSON *containers(const struct pod *pod)
{
	return kube_first(kube_find(pod->spec, "containers"));
}

/* The one that declares the port, else the first; never the sidecar. */
static const cJSON *engine_container(const struct pod *pod, uint16_t port)
{
	const cJSON *first = NULL;

	for (const cJSON *c = containers(pod); c; c = c->next) {
		if (is_router(c))
			continue;
		if (port && declares(c, port))
			return c;
		if (!first)
			first = c;
	}
	return first;
}

/* What stands before the engine at this port, or NULL. */
static const cJSON *sidecar_at(const struct pod *pod, uint16_t port)
{
	const cJSON *c = kube_first(kube_find(pod->spec, "initContainers"));

	for (; c; c = c->next)
		if (!strcmp(kube_text(c, "restartPolicy"), "Always") && declares(c, port))
			return c;
	for (c = containers(pod); c; c = c->next)
		if (is_router(c) && declares(c, port))
			return c;
	return NULL;
}

/* "--vllm-port=8001", "--model-server-port=8200": where the sidecar passes on to. */
static uint16_t port_in_arguments(const cJSON *sidecar)
{
	static const char *const names[] = { "--vllm-port=", "--model-server-port=" };
	const cJSON *arg = kube_first(kube_find(sidecar, "args"));

	for (; arg; arg = arg->next) {
		const char *text = cJSON_GetStringValue(arg);

		for (size_t i = 0; text && i < SL_COUNT(names); i++)
			if (!strncmp(text, names[i], strlen(names[i])))
				return kube_port_text(text + strlen(names[i]));
	}
	return 0;
}

static uint16_t port_behind(const struct pod *pod, const cJSON *sidecar, uint16_t port)
{
	uint16_t behind = port_in_arguments(sidecar);

	if (!behind)
		behind = served_port(engine_container(pod, 0), port);
	return behind ? behind : pod->preset->behind_port;
}

/* Rank r of a data-parallel engine is r ports further, on both sides. */
static void look_behind_sidecar(const struct pod *pod, struct ports *ports)
{
	uint16_t first = ports->n ? ports->at[0] : 0;
	const cJSON *sidecar = first ? sidecar_at(pod, first) : NULL;
	uint16_t behind = sidecar ? port_behind(pod, sidecar, first) : 0;

	for (uint32_t i = 0; behind && i < ports->n; i++)
		ports->at[i] = (uint16_t)(behind + ports->at[i] - first);
}

/* ---- ports ----------------------------------------------------------- */

static bool in_ports(const struct ports *ports, uint16_t port)
{
	for (uint32_t i = 0; i < ports->n; i++)
		if (ports->at[i] == port)
			return true;
	return false;
}

static void ports_add(struct ports *ports, uint16_t port)
{
	if (port && ports->n < SL_KUBE_PORTS && !in_ports(ports, port))
		ports->at[ports->n++] = port;
}

/* "8000,8001" */
static struct ports active_ports(const char *text)
{
	struct ports ports = { 0 };

	while (*text) {
		size_t blanks = strspn(text, ", "), len = strcspn(text + blanks, ", ");
		char word[8];

		text += blanks;
		if (len && len < sizeof(word)) {
			memcpy(word, text, len);
			word[len] = '\0';
			ports_add(&ports, kube_port_text(word));
		}
		text += len;
	}
	return ports;
}

/* Those of the InferencePool that the pod says are in use. */
static struct ports pool_ports(const struct sl_kube_rules *rules, const char *active)
{
	const struct ports wanted = active_ports(active);
	struct ports ports = { 0 };

	for (uint32_t i = 0; i < rules->n_pool_ports; i++)
		if (!*active || in_ports(&wanted, rules->pool_ports[i]))
			ports_add(&ports, rules->pool_ports[i]);
	return ports;
}

/* Without the operator's, the pool's or a mark's word: what containers declare. */
static uint16_t usual_port(const struct pod *pod)
{
	uint16_t usual = pod->preset->port, served;

	for (const cJSON *c = containers(pod); usual && c; c = c->next)
		if (declares(c, usual))
			return usual;
	if (usual && sidecar_at(pod, usual))
		return usual;
	served = served_port(engine_container(pod, 0), 0);
	return served ? served : usual;
}

static struct ports ports_of(const struct pod *pod)
{
	const struct sl_kube_rules *rules = pod->rules;
	const char *active = kube_mark(&pod->id, ACTIVE_PORTS);
	struct ports ports = { 0 };

	if (rules->conf->port) {
		ports_add(&ports, (uint16_t)rules->conf->port);
		return ports;
	}
	if (rules->n_pool_ports)
		ports = pool_ports(rules, active);
	else if (*active)
		ports = active_ports(active);
	else
		ports_add(&ports, kube_port_text(kube_mark(&pod->id, pod->preset->port_key)));
	if (!ports.n && !rules->n_pool_ports)
		ports_add(&ports, usual_port(pod));
	look_behind_sidecar(pod, &ports);
	return ports;
}

/* ---- what it is ------------------------------------------------------ */

static const char *choose(const char *of_operator, const char *of_preset)
{
	return *of_operator ? of_operator : of_preset;
}

static const struct {
	const char *word;
	enum sl_role role;
} roles[] = {
	{ "prefill", SL_ROLE_PREFILL },
	{ "decode", SL_ROLE_DECODE },
	{ "both", SL_ROLE_BOTH },
	{ "prefill-decode", SL_ROLE_BOTH },
	{ "encode-prefill", SL_ROLE_PREFILL },
	{ "encode-prefill-decode", SL_ROLE_BOTH },
};

static void set_role(const struct pod *pod, struct sl_found *found)
{
	const char *key = choose(pod->rules->conf->role_label, pod->preset->role_key);
	const char *word = kube_mark(&pod->id, key);

	for (size_t i = 0; i < SL_COUNT(roles); i++) {
		if (strcmp(word, roles[i].word) != 0)
			continue;
		found->has_role = true;
		found->role = roles[i].role;
		return;
	}
	if (*word && pod->preset->other_is_both) {
		found->has_role = true;
		found->role = SL_ROLE_BOTH;
	}
}

static const char *pair_of(const struct pod *pod)
{
	return kube_mark(&pod->id, choose(pod->rules->conf->pair_label, pod->preset->pair_key));
}

/* "PAIR", "PAIR@IMAGE", "@IMAGE" or "". */
static void set_group(const struct pod *pod, uint16_t port, struct sl_found *found)
{
	const char *image = kube_text(engine_container(pod, port), "image");
	char hash[24] = "", *group;

	if (pod->preset->by_image && *image)
		snprintf(hash, sizeof(hash), "@%016llx",
		         (unsigned long long)hash_bytes(HASH_BEGIN, sl_span_str(image)));
	if (asprintf(&group, "%s%s", pair_of(pod), hash) < 0)
		abort();
	sl_server_set_text(&found->kv_group, sl_span_str(group));
	free(group);
}

/* The stacks' names for engines, where they are not ours. */
static const char *engine_name(const char *theirs)
{
	return strcmp(theirs, "trtllm-serve") ? theirs : "trtllm";
}

static bool is_ready(const struct pod *pod)
{
	const cJSON *c = kube_first(kube_find(pod->status, "conditions"));

	while (c && strcmp(kube_text(c, "type"), "Ready") != 0)
		c = c->next;
	return !strcmp(kube_text(c, "status"), "True");
}

static void set_hold(const struct pod *pod, struct sl_found *found)
{
	if (pod->id.terminating)
		found->why = "the pod is terminating";
	else if (!is_ready(pod))
		found->why = "the pod is not ready";
	found->hold = *found->why != '\0';
}

static const char *address_of(const struct pod *pod)
{
	const char *ip = kube_text(pod->status, "podIP");

	return *ip ? ip : kube_text(kube_first(kube_find(pod->status, "podIPs")), "ip");
}

/* ---- whether it is one ----------------------------------------------- */

static bool declares_any(const struct pod *pod)
{
	return served_port(engine_container(pod, 0), 0) != 0;
}

static const char *why_helper(const struct pod *pod)
{
	for (const struct kube_helper *h = pod->preset->helpers; h->label; h++) {
		const char *value = kube_mark(&pod->id, h->label);

		if (!*value || (h->value && strcmp(value, h->value) != 0) ||
		    (h->except && !strcmp(value, h->except)) ||
		    (h->unless_port && declares_any(pod)))
			continue;
		return h->why;
	}
	return NULL;
}

/* NULL: it is an engine, as far as can be said without its ports. */
static const char *why_none(const struct pod *pod)
{
	const char *phase = kube_text(pod->status, "phase");
	const char *needs = *pod->rules->conf->inference_pool ? NULL : pod->preset->needs;

	if (needs && !*kube_mark(&pod->id, needs))
		return "without the label that the preset asks for";
	if (!strcmp(phase, "Failed") || !strcmp(phase, "Succeeded"))
		return "the pod has ended";
	if (!*address_of(pod))
		return "the pod has no address yet";
	if (!kube_is_address(address_of(pod)))
		return "the pod's address is none";
	return why_helper(pod);
}

/* ---- engines --------------------------------------------------------- */

/* One of several ports has it in its id, because that must tell them apart. */
static void add_engine(const struct pod *pod, const struct ports *ports, uint32_t i,
                       struct sl_server_set *set)
{
	const struct sl_discover_conf *conf = pod->rules->conf;
	const struct kube_preset *preset = pod->preset;
	const struct kube_identity *id = &pod->id;
	uint16_t metrics = kube_port_text(kube_mark(id, preset->metrics_key));
	struct sl_server_conf *server;
	char *name;

	if (asprintf(&name, ports->n > 1 ? "%s/%s/%s:%u" : "%s/%s/%s", id->namespace_, id->name,
	             id->uid, ports->at[i]) < 0)
		abort();
	server = sl_server_set_add(set, sl_span_str(address_of(pod)), ports->at[i],
	                           sl_span_str(name));
	free(name);
	server->found.metrics_port = conf->metrics_port ? (uint16_t)conf->metrics_port : metrics;
	sl_server_set_text(&server->found.namespace_, sl_span_str(id->namespace_));
	sl_server_set_text(&server->found.pod, sl_span_str(id->name));
	sl_server_set_text(&server->found.node,
	                   sl_span_str(kube_short_text(pod->spec, "nodeName")));
	sl_server_set_text(&server->found.node_address,
	                   sl_span_str(kube_short_text(pod->status, "hostIP")));
	sl_server_set_text(&server->found.engine,
	                   sl_span_str(engine_name(kube_mark(id, preset->engine_key))));
	sl_server_set_text(
	        &server->found.model,
	        sl_span_str(kube_mark(id, choose(conf->model_label, preset->model_key))));
	set_role(pod, &server->found);
	set_group(pod, ports->at[i], &server->found);
	set_hold(pod, &server->found);
}

void kube_pod_engines(const struct sl_kube_rules *rules, const struct sl_kube_object *o,
                      struct kube_engines *out)
{
	const struct pod pod = {
		.rules = rules,
		.preset = kube_preset_of(rules->conf),
		.id = kube_identity_of(o),
		.spec = kube_find(kube_json(o), "spec"),
		.status = kube_find(kube_json(o), "status"),
	};
	const char *why = why_none(&pod);
	struct ports ports = { 0 };

	out->set = sl_server_set_new();
	out->pair = strdup(pair_of(&pod));
	if (!why) {
		ports = ports_of(&pod);
		why = ports.n ? "" : "no port is known: set 'port'";
	}
	out->why = why;
	for (uint32_t i = 0; i < ports.n; i++)
		add_engine(&pod, &ports, i, out->set);
}
