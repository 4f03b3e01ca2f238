/* kube_preset.c: see kube_preset.h. The names are the stacks' own: KServe's
 * constants, llm-d's router, AIBrix's model labels. */
#include "probes/kube_preset.h"

/* Of a group of pods that is one engine only the leader has a server, unless
 * each rank serves, which its declared port tells. */
#define LEADER_WORKER_SET                                                                          \
	{                                                                                          \
		"leaderworkerset.sigs.k8s.io/worker-index", NULL, "0", true,                       \
		        "a worker of an engine of several pods, without a port of its own"         \
	}

static const struct kube_helper no_helpers[] = { { 0 } };
static const struct kube_helper llm_d_helpers[] = {
	LEADER_WORKER_SET,
	{ "llm-d.ai/role", "encode", NULL, false, "it only encodes images" },
	{ 0 },
};
static const struct kube_helper aibrix_helpers[] = {
	{ "stormservice.orchestration.aibrix.ai/pod-group-index", NULL, "0", false,
	  "not the first of its pod group" },
	{ "ray.io/node-type", "worker", NULL, false, "a Ray worker" },
	{ 0 },
};

static const struct kube_preset presets[SL_KUBE_PRESET_COUNT] = {
	[SL_KUBE_PLAIN] = {
		.selector = "",
		.helpers = no_helpers,
	},
	[SL_KUBE_KSERVE_LLMISVC] = {
		.selector = "app.kubernetes.io/part-of=llminferenceservice,"
			    "kserve.io/component=workload",
		.service_key = "app.kubernetes.io/name",
		.role_key = "llm-d.ai/role",
		.by_image = true,
		.engine_key = "llm-d.ai/engine-type",
		.port = 8000,
		.behind_port = 8001,
		.helpers = llm_d_helpers,
	},
	[SL_KUBE_KSERVE_ISVC] = {
		.selector = "component=predictor",
		.service_key = "serving.kserve.io/inferenceservice",
		.needs = "serving.kserve.io/inferenceservice",
		.by_image = true,
		.port = 8080,
		.helpers = no_helpers,
	},
	[SL_KUBE_LLM_D] = {
		.selector = "",
		.service_key = "llm-d.ai/model",
		.needs = "llm-d.ai/role",
		.role_key = "llm-d.ai/role",
		.by_image = true,
		.engine_key = "llm-d.ai/engine-type",
		.port = 8000,
		.behind_port = 8200,
		.helpers = llm_d_helpers,
	},
	[SL_KUBE_AIBRIX] = {
		.selector = "",
		.service_key = "model.aibrix.ai/name",
		.needs = "model.aibrix.ai/name",
		.role_key = "role-name",
		.other_is_both = true,
		.model_key = "model.aibrix.ai/name",
		.pair_key = "roleset-name",
		.whole_pairs = true,
		.by_image = true,
		.port_key = "model.aibrix.ai/port",
		.metrics_key = "model.aibrix.ai/metric-port",
		.engine_key = "model.aibrix.ai/engine",
		.port = 8000,
		.helpers = aibrix_helpers,
	},
};

const struct kube_preset *kube_preset_of(const struct sl_discover_conf *conf)
{
	return &presets[conf->preset];
}
