/* template.c: see template.h. Labels, ports and containers are those that the
 * stacks write; the rest makes a pod as large as they are. */
#include "bench/kube/template.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define N_ENV 48

static const struct sl_kapi_template table[] = {
	{ "kserve-llmisvc", "KServe LLMInferenceService", "app.kubernetes.io/name", "llm-d.ai/role",
	  ",\"app.kubernetes.io/component\":\"llminferenceservice-workload\""
	  ",\"app.kubernetes.io/part-of\":\"llminferenceservice\""
	  ",\"kserve.io/component\":\"workload\"",
	  true, false },
	{ "aibrix", "AIBrix StormService", "model.aibrix.ai/name", "role-name",
	  ",\"model.aibrix.ai/engine\":\"vllm\",\"model.aibrix.ai/port\":\"8000\"", false, true },
	{ "llm-d", "llm-d model service", "llm-d.ai/model", "llm-d.ai/role",
	  ",\"llm-d.ai/inferenceServing\":\"true\",\"llm-d.ai/engine-type\":\"vllm\"", true,
	  false },
	{ "plain", "a Deployment", "app", NULL, "", false, false },
};

const struct sl_kapi_template *sl_kapi_template_at(size_t i)
{
	return i < SL_COUNT(table) ? &table[i] : NULL;
}

const struct sl_kapi_template *sl_kapi_template_find(const char *name)
{
	for (size_t i = 0; i < SL_COUNT(table); i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

void sl_kapi_template_address(struct sl_kapi *kube, char out[48])
{
	struct in_addr a = { htonl(kube->opt.first_address + ++kube->addresses) };

	inet_ntop(AF_INET, &a, out, 48);
}

/* ---- managedFields --------------------------------------------------- */

static void put_fields(struct sl_sim_buf *out, const cJSON *value);

/* The items of a list with names are fields by name; others are one field. */
static void put_named_items(struct sl_sim_buf *out, const cJSON *array)
{
	const cJSON *item;

	sl_sim_buf_str(out, "{\".\":{}");
	cJSON_ArrayForEach(item, array)
	{
		const char *name =
		        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));

		if (!name)
			continue;
		sl_sim_buf_printf(out, ",\"k:{\\\"name\\\":\\\"%s\\\"}\":", name);
		put_fields(out, item);
	}
	sl_sim_buf_str(out, "}");
}

/* Depth is bounded by cJSON's own limit of nesting. */
static void put_fields(struct sl_sim_buf *out, const cJSON *value)
{
	const cJSON *item;

	if (cJSON_IsArray(value)) {
		put_named_items(out, value);
		return;
	}
	sl_sim_buf_str(out, "{");
	if (cJSON_IsObject(value) && value->child)
		sl_sim_buf_str(out, "\".\":{}");
	if (cJSON_IsObject(value))
		cJSON_ArrayForEach(item, value)
		{
			sl_sim_buf_printf(out, ",\"f:%s\":", item->string);
			put_fields(out, item);
		}
	sl_sim_buf_str(out, "}");
}

static void put_manager(struct sl_sim_buf *out, const char *manager, const char *rest,
                        const char *part, const cJSON *value)
{
	char now[24];

	sl_kapi_time_text(now);
	sl_sim_buf_printf(out,
	                  "{\"manager\":\"%s\",\"operation\":\"Update\",\"apiVersion\":\"v1\","
	                  "\"time\":\"%s\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:%s\":",
	                  manager, now, part);
	put_fields(out, value);
	sl_sim_buf_printf(out, "}%s}", rest);
}

void sl_kapi_template_manage(cJSON *object)
{
	cJSON *metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	struct sl_sim_buf json = { 0 };

	sl_sim_buf_str(&json, "[");
	put_manager(&json, "kube-controller-manager", "", "spec",
	            cJSON_GetObjectItemCaseSensitive(object, "spec"));
	sl_sim_buf_str(&json, ",");
	put_manager(&json, "kubelet", ",\"subresource\":\"status\"", "status",
	            cJSON_GetObjectItemCaseSensitive(object, "status"));
	sl_sim_buf_str(&json, "]");
	cJSON_DeleteItemFromObjectCaseSensitive(metadata, "managedFields");
	cJSON_AddItemToObject(metadata, "managedFields", cJSON_ParseWithLength(json.ptr, json.len));
	sl_sim_buf_fini(&json);
}

/* ---- a pod ----------------------------------------------------------- */

struct pod {
	const struct sl_kapi_template *t;
	const char *service, *namespace_, *role;
	char name[200], ip[48], uid[40], owner[40], now[24];
	unsigned number, node;
	uint16_t port; /* the engine's */
};

static void put_metadata(struct sl_sim_buf *out, const struct pod *p)
{
	sl_sim_buf_printf(out,
	                  "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\","
	                  "\"generateName\":\"%s-%s-7c9f8d6b5-\",\"namespace\":\"%s\","
	                  "\"uid\":\"%s\",\"creationTimestamp\":\"%s\",\"labels\":{\"%s\":\"%s\"%s",
	                  p->name, p->service, p->role, p->namespace_, p->uid, p->now,
	                  p->t->service_label, p->service, p->t->labels);
	if (p->t->role_label)
		sl_sim_buf_printf(out, ",\"%s\":\"%s\"", p->t->role_label, p->role);
	if (p->t->sets)
		sl_sim_buf_printf(out, ",\"roleset-name\":\"%s-roleset-%u\"", p->service,
		                  p->number / 2);
	sl_sim_buf_printf(out,
	                  ",\"pod-template-hash\":\"7c9f8d6b5\"},\"annotations\":{"
	                  "\"kubectl.kubernetes.io/restartedAt\":\"%s\","
	                  "\"prometheus.io/path\":\"/metrics\",\"prometheus.io/port\":\"%u\","
	                  "\"prometheus.io/scrape\":\"true\"},\"ownerReferences\":[{"
	                  "\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":"
	                  "\"%s-%s-7c9f8d6b5\",\"uid\":\"%s\",\"controller\":true,"
	                  "\"blockOwnerDeletion\":true}]},",
	                  p->now, p->port, p->service, p->role, p->owner);
}

static void put_env(struct sl_sim_buf *out)
{
	sl_sim_buf_str(out, "\"env\":[{\"name\":\"POD_IP\",\"valueFrom\":{\"fieldRef\":{"
	                    "\"apiVersion\":\"v1\",\"fieldPath\":\"status.podIP\"}}}");
	for (unsigned i = 0; i < N_ENV; i++)
		sl_sim_buf_printf(out,
		                  ",{\"name\":\"VLLM_SETTING_%02u\",\"value\":\"value of "
		                  "setting %02u, with a \\\"quote\\\" and a } brace\"}",
		                  i, i);
	sl_sim_buf_str(out, "],");
}

static void put_probe(struct sl_sim_buf *out, const char *name, uint16_t port, unsigned period_s,
                      unsigned failures)
{
	sl_sim_buf_printf(out,
	                  "\"%s\":{\"httpGet\":{\"path\":\"/health\",\"port\":%u,\"scheme\":"
	                  "\"HTTP\"},\"timeoutSeconds\":1,\"periodSeconds\":%u,"
	                  "\"successThreshold\":1,\"failureThreshold\":%u},",
	                  name, port, period_s, failures);
}

static void put_sidecar(struct sl_sim_buf *out)
{
	sl_sim_buf_str(out, "\"initContainers\":[{\"name\":\"llm-d-routing-sidecar\",\"image\":"
	                    "\"ghcr.io/llm-d/llm-d-router-disagg-sidecar:v0.10.0\",\"args\":["
	                    "\"--port=8000\",\"--vllm-port=8001\",\"--kv-connector=nixlv2\","
	                    "\"--enable-ssrf-protection=true\"],\"ports\":[{\"containerPort\":8000,"
	                    "\"protocol\":\"TCP\"}],\"resources\":{},\"restartPolicy\":\"Always\","
	                    "\"imagePullPolicy\":\"IfNotPresent\"}],");
}

static void put_spec(struct sl_sim_buf *out, const struct pod *p)
{
	sl_sim_buf_str(out, "\"spec\":{\"volumes\":[{\"name\":\"dshm\",\"emptyDir\":{\"medium\":"
	                    "\"Memory\",\"sizeLimit\":\"1Gi\"}},{\"name\":\"model-cache\","
	                    "\"emptyDir\":{\"sizeLimit\":\"20Gi\"}}],");
	if (p->port != 8000)
		put_sidecar(out);
	sl_sim_buf_printf(out,
	                  "\"containers\":[{\"name\":\"main\",\"image\":"
	                  "\"ghcr.io/llm-d/llm-d-cuda:v0.5.0\",\"command\":[\"vllm\",\"serve\"],"
	                  "\"args\":[\"--served-model-name\",\"%s\",\"--port\",\"%u\","
	                  "\"--kv-transfer-config\",\"{\\\"kv_connector\\\":\\\"NixlConnector\\\","
	                  "\\\"kv_role\\\":\\\"kv_both\\\"}\"],\"ports\":[{\"name\":\"http\","
	                  "\"containerPort\":%u,\"protocol\":\"TCP\"}],",
	                  p->service, p->port, p->port);
	put_env(out);
	sl_sim_buf_str(out, "\"resources\":{\"limits\":{\"cpu\":\"16\",\"memory\":\"128Gi\","
	                    "\"nvidia.com/gpu\":\"1\"},\"requests\":{\"cpu\":\"8\",\"memory\":"
	                    "\"64Gi\",\"nvidia.com/gpu\":\"1\"}},\"volumeMounts\":[{\"name\":"
	                    "\"dshm\",\"mountPath\":\"/dev/shm\"},{\"name\":\"model-cache\","
	                    "\"mountPath\":\"/models\"}],");
	put_probe(out, "livenessProbe", p->port, 10, 3);
	put_probe(out, "readinessProbe", p->port, 1, 2);
	put_probe(out, "startupProbe", p->port, 10, 60);
	sl_sim_buf_printf(
	        out,
	        "\"terminationMessagePath\":\"/dev/termination-log\","
	        "\"terminationMessagePolicy\":\"FallbackToLogsOnError\","
	        "\"imagePullPolicy\":\"IfNotPresent\"}],\"restartPolicy\":\"Always\","
	        "\"terminationGracePeriodSeconds\":60,\"dnsPolicy\":\"ClusterFirst\","
	        "\"serviceAccountName\":\"default\",\"serviceAccount\":\"default\","
	        "\"nodeName\":\"gpu-node-%03u\",\"schedulerName\":\"default-scheduler\","
	        "\"tolerations\":[{\"key\":\"nvidia.com/gpu\",\"operator\":\"Exists\","
	        "\"effect\":\"NoSchedule\"}],\"priority\":0,\"enableServiceLinks\":true},",
	        p->node);
}

static void put_conditions(struct sl_sim_buf *out, const char *since)
{
	static const char *const types[] = { "PodReadyToStartContainers", "Initialized", "Ready",
		                             "ContainersReady", "PodScheduled" };

	sl_sim_buf_str(out, "\"conditions\":[");
	for (size_t i = 0; i < SL_COUNT(types); i++)
		sl_sim_buf_printf(out,
		                  "%s{\"type\":\"%s\",\"status\":\"True\",\"lastProbeTime\":null,"
		                  "\"lastTransitionTime\":\"%s\"}",
		                  i ? "," : "", types[i], since);
	sl_sim_buf_str(out, "],");
}

static void put_status(struct sl_sim_buf *out, const struct pod *p)
{
	sl_sim_buf_str(out, "\"status\":{\"phase\":\"Running\",");
	put_conditions(out, p->now);
	sl_sim_buf_printf(out,
	                  "\"hostIP\":\"192.0.2.%u\",\"hostIPs\":[{\"ip\":\"192.0.2.%u\"}],"
	                  "\"podIP\":\"%s\",\"podIPs\":[{\"ip\":\"%s\"}],\"startTime\":\"%s\","
	                  "\"containerStatuses\":[{\"name\":\"main\",\"state\":{\"running\":{"
	                  "\"startedAt\":\"%s\"}},\"lastState\":{},\"ready\":true,"
	                  "\"restartCount\":0,\"image\":\"ghcr.io/llm-d/llm-d-cuda:v0.5.0\","
	                  "\"imageID\":\"ghcr.io/llm-d/llm-d-cuda@sha256:"
	                  "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592\","
	                  "\"started\":true}],\"qosClass\":\"Burstable\"}}",
	                  p->node % 250 + 1, p->node % 250 + 1, p->ip, p->ip, p->now, p->now);
}

static void choose(struct sl_kapi *kube, struct pod *p)
{
	p->t = kube->opt.template;
	p->service = kube->opt.service;
	p->namespace_ = kube->opt.namespace_;
	p->number = kube->made++;
	p->node = p->number / 8;
	p->role = !p->t->role_label ? "server" : p->number % 2 ? "decode" : "prefill";
	p->port = p->t->sidecar && p->number % 2 ? 8001 : 8000;
	snprintf(p->name, sizeof(p->name), "%.100s-%s-7c9f8d6b5-%05u", p->service, p->role,
	         p->number);
	sl_kapi_template_address(kube, p->ip);
	sl_kapi_uuid(kube, p->uid);
	sl_kapi_uuid(kube, p->owner);
	sl_kapi_time_text(p->now);
}

cJSON *sl_kapi_template_pod(struct sl_kapi *kube)
{
	struct sl_sim_buf json = { 0 };
	struct pod pod = { 0 };
	cJSON *object;

	choose(kube, &pod);
	put_metadata(&json, &pod);
	put_spec(&json, &pod);
	put_status(&json, &pod);
	object = cJSON_ParseWithLength(json.ptr, json.len);
	sl_sim_buf_fini(&json);
	if (!object)
		abort();
	sl_kapi_template_manage(object);
	return object;
}
