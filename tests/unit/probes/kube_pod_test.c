/* kube_pod_test.c: which engines a Pod makes under each preset. */
#include "tests/unit/probes/kube.h"

#define SIDECAR(extra)                                                                             \
	"\"initContainers\":[{\"name\":\"llm-d-routing-sidecar\",\"image\":"                       \
	"\"llm-d-router-disagg-sidecar:v0.10.0\",\"restartPolicy\":\"Always\",\"args\":["          \
	"\"--port=8000\"" extra "],\"ports\":[{\"containerPort\":8000}]}],"
#define PORTS_8000_METRICS                                                                         \
	"\"containers\":[{\"name\":\"log\"},{\"name\":\"main\",\"image\":\"i\",\"ports\":["        \
	"{\"name\":\"metrics\",\"containerPort\":9090},{\"containerPort\":8000}]}]"
#define NO_PORTS "\"containers\":[{\"name\":\"main\",\"image\":\"i\"}]"
#define ROLE(role) "\"llm-d.ai/role\":\"" role "\""
#define AIBRIX(more) "\"model.aibrix.ai/name\":\"qwen\"" more

enum { PLAIN = SL_KUBE_PLAIN, LLMISVC = SL_KUBE_KSERVE_LLMISVC, ISVC = SL_KUBE_KSERVE_ISVC };
enum { LLM_D = SL_KUBE_LLM_D, BRIX = SL_KUBE_AIBRIX };

static const struct {
	int preset;
	const char *pod, *engines;
	const char *why; /* there is none */
} cases[] = {
	/* states */
	{ PLAIN, POD("a", "", "\"nodeName\":\"n1\"," MAIN(9000), AT("10.0.0.1")),
	  "10.0.0.1:9000 llm/a/u-a node=n1;", "" },
	{ PLAIN,
	  POD("a", "", "\"nodeName\":\"n1\"," MAIN(9000),
	      "\"hostIP\":\"192.0.2.7\"," AT("10.0.0.1")),
	  "10.0.0.1:9000 llm/a/u-a node=n1@192.0.2.7;", "" },
	{ PLAIN, POD("a", "", MAIN(9000), AT("fd00::1")), "fd00::1:9000 llm/a/u-a;", "" },
	{ PLAIN,
	  POD("a", "", MAIN(9000),
	      "\"podIPs\":[{\"ip\":\"10.0.0.2\"},{\"ip\":\"fd00::2\"}],\"conditions\":[{\"type\":"
	      "\"Ready\",\"status\":\"True\"}]"),
	  "10.0.0.2:9000 llm/a/u-a;", "" },
	{ PLAIN, POD("a", "", MAIN(9000), UNREADY("10.0.0.1")),
	  "10.0.0.1:9000 llm/a/u-a hold=the pod is not ready;", "" },
	{ PLAIN, POD("a", "", MAIN(9000), "\"phase\":\"Pending\",\"podIP\":\"10.0.0.1\""),
	  "10.0.0.1:9000 llm/a/u-a hold=the pod is not ready;", "" },
	{ PLAIN,
	  "{\"metadata\":{\"namespace\":\"llm\",\"name\":\"a\",\"uid\":\"u\",\"deletionTimestamp\":"
	  "\"2026-01-01T00:00:00Z\"},\"spec\":{" MAIN(9000) "},\"status\":{" AT("10.0.0.1") "}}",
	  "10.0.0.1:9000 llm/a/u hold=the pod is terminating;", "" },
	{ PLAIN, POD("a", "", MAIN(9000), "\"phase\":\"Pending\""), "",
	  "the pod has no address yet" },
	{ PLAIN, POD("a", "", MAIN(9000), "\"phase\":\"Failed\",\"podIP\":\"10.0.0.1\""), "",
	  "the pod has ended" },
	{ PLAIN, POD("a", "", MAIN(9000), "\"phase\":\"Succeeded\",\"podIP\":\"10.0.0.1\""), "",
	  "the pod has ended" },
	{ PLAIN, POD("a", "", MAIN(9000), AT("evil.example")), "", "the pod's address is none" },
	/* ports of an unknown stack */
	{ PLAIN, POD("a", "", NO_PORTS, AT("10.0.0.1")), "", "no port is known: set 'port'" },
	{ PLAIN,
	  POD("a", "",
	      "\"containers\":[{\"name\":\"m\",\"ports\":[{\"containerPort\":5555,\"protocol\":"
	      "\"UDP\"},{\"containerPort\":9090},{\"name\":\"http-api\",\"containerPort\":8080}]}]",
	      AT("10.0.0.1")),
	  "10.0.0.1:8080 llm/a/u-a;", "" },
	{ PLAIN,
	  POD("a", "", "\"containers\":[{\"ports\":[{\"containerPort\":70000}]}]", AT("::1")), "",
	  "no port is known: set 'port'" },
	{ PLAIN, POD("a", ROLE("decode"), MAIN(9000), AT("10.0.0.1")), "10.0.0.1:9000 llm/a/u-a;",
	  "" },
	/* KServe: roles, the routing sidecar, engines of several pods */
	{ LLMISVC, POD("p", ROLE("prefill"), MAIN(8000), AT("10.0.0.1")),
	  "10.0.0.1:8000 llm/p/u-p role=prefill group=@image;", "" },
	{ LLMISVC, POD("d", ROLE("decode"), SIDECAR("") MAIN(8001), AT("10.0.0.1")),
	  "10.0.0.1:8001 llm/d/u-d role=decode group=@image;", "" },
	{ LLMISVC, POD("d", ROLE("decode"), SIDECAR("") NO_PORTS, AT("10.0.0.1")),
	  "10.0.0.1:8001 llm/d/u-d role=decode group=@image;", "" },
	{ LLMISVC, POD("d", ROLE("decode"), SIDECAR(",\"--vllm-port=8042\"") NO_PORTS, AT("::1")),
	  "::1:8042 llm/d/u-d role=decode group=@image;", "" },
	{ LLMISVC, POD("b", "", PORTS_8000_METRICS, AT("10.0.0.1")),
	  "10.0.0.1:8000 llm/b/u-b group=@image;", "" },
	{ LLMISVC, POD("b", ROLE("both"), NO_PORTS, AT("10.0.0.1")),
	  "10.0.0.1:8000 llm/b/u-b role=both group=@image;", "" },
	{ LLMISVC,
	  POD("w", "\"leaderworkerset.sigs.k8s.io/worker-index\":\"1\"", NO_PORTS, AT("10.0.0.1")),
	  "", "a worker of an engine of several pods, without a port of its own" },
	{ LLMISVC,
	  POD("w", "\"leaderworkerset.sigs.k8s.io/worker-index\":\"1\"", MAIN(8000),
	      AT("10.0.0.1")),
	  "10.0.0.1:8000 llm/w/u-w group=@image;", "" },
	{ LLMISVC,
	  POD("l", "\"leaderworkerset.sigs.k8s.io/worker-index\":\"0\"", NO_PORTS, AT("10.0.0.1")),
	  "10.0.0.1:8000 llm/l/u-l group=@image;", "" },
	{ ISVC, POD("i", "\"serving.kserve.io/inferenceservice\":\"x\"", MAIN(8080), AT("::1")),
	  "::1:8080 llm/i/u-i group=@image;", "" },
	{ ISVC, POD("i", "", MAIN(8080), AT("::1")), "",
	  "without the label that the preset asks for" },
	/* llm-d: every value of the role, the engine, data-parallel ranks */
	{ LLM_D, POD("a", ROLE("prefill-decode"), NO_PORTS, AT("10.0.0.1")),
	  "10.0.0.1:8000 llm/a/u-a role=both group=@image;", "" },
	{ LLM_D, POD("a", ROLE("encode-prefill-decode"), NO_PORTS, AT("10.0.0.1")),
	  "10.0.0.1:8000 llm/a/u-a role=both group=@image;", "" },
	{ LLM_D, POD("a", ROLE("encode-prefill"), NO_PORTS, AT("10.0.0.1")),
	  "10.0.0.1:8000 llm/a/u-a role=prefill group=@image;", "" },
	{ LLM_D, POD("a", ROLE("encode"), NO_PORTS, AT("10.0.0.1")), "", "it only encodes images" },
	{ LLM_D, POD("a", ROLE("new"), NO_PORTS, AT("10.0.0.1")),
	  "10.0.0.1:8000 llm/a/u-a group=@image;", "" },
	{ LLM_D, POD("a", "", NO_PORTS, AT("10.0.0.1")), "",
	  "without the label that the preset asks for" },
	{ LLM_D,
	  POD("a", ROLE("decode") ",\"llm-d.ai/engine-type\":\"sglang\"", MAIN(8200),
	      AT("10.0.0.1")),
	  "10.0.0.1:8200 llm/a/u-a role=decode group=@image engine=sglang;", "" },
	{ LLM_D, POD("a", ROLE("decode"), SIDECAR("") NO_PORTS, AT("10.0.0.1")),
	  "10.0.0.1:8200 llm/a/u-a role=decode group=@image;", "" },
	{ LLM_D,
	  "{\"metadata\":{\"namespace\":\"llm\",\"name\":\"a\",\"uid\":\"u\",\"labels\":{" ROLE(
	          "decode") "},\"annotations\":{\"llm-d.ai/active-ports\":\"8000, 8002,x\"}},"
	                    "\"spec\":{" NO_PORTS "},\"status\":{" AT("10.0.0.1") "}}",
	  "10.0.0.1:8000 llm/a/u:8000 role=decode group=@image;10.0.0.1:8002 llm/a/u:8002 "
	  "role=decode group=@image;",
	  "" },
	{ LLM_D,
	  "{\"metadata\":{\"namespace\":\"llm\",\"name\":\"a\",\"uid\":\"u\",\"labels\":{" ROLE(
	          "decode") "},\"annotations\":{\"llm-d.ai/active-ports\":\"8000,8001\"}},"
	                    "\"spec\":{" SIDECAR("")
	                            MAIN(8200) "},\"status\":{" AT("10.0.0.1") "}}",
	  "10.0.0.1:8200 llm/a/u:8200 role=decode group=@image;10.0.0.1:8201 llm/a/u:8201 "
	  "role=decode group=@image;",
	  "" },
	/* AIBrix */
	{ BRIX,
	  POD("a",
	      AIBRIX(",\"model.aibrix.ai/port\":\"8010\",\"model.aibrix.ai/metric-port\":\"9100\","
	             "\"model.aibrix.ai/engine\":\"trtllm\""),
	      NO_PORTS, AT("10.0.0.1")),
	  "10.0.0.1:8010 llm/a/u-a group=@image engine=trtllm model=qwen metrics=9100;", "" },
	{ BRIX,
	  "{\"metadata\":{\"namespace\":\"llm\",\"name\":\"a\",\"uid\":\"u\",\"annotations\":{"
	  "\"model.aibrix.ai/name\":\"org/qwen\"}},\"spec\":{" NO_PORTS
	  "},\"status\":{" AT("10.0.0.1") "}}",
	  "10.0.0.1:8000 llm/a/u group=@image model=org/qwen;", "" },
	{ BRIX,
	  POD("a", AIBRIX(",\"role-name\":\"combined\",\"roleset-name\":\"rs-0\""), NO_PORTS,
	      AT("10.0.0.1")),
	  "10.0.0.1:8000 llm/a/u-a role=both group=rs-0@image model=qwen;", "" },
	{ BRIX,
	  POD("a", AIBRIX(",\"stormservice.orchestration.aibrix.ai/pod-group-index\":\"1\""),
	      NO_PORTS, AT("10.0.0.1")),
	  "", "not the first of its pod group" },
	{ BRIX,
	  POD("a", AIBRIX(",\"stormservice.orchestration.aibrix.ai/pod-group-index\":\"0\""),
	      NO_PORTS, AT("10.0.0.1")),
	  "10.0.0.1:8000 llm/a/u-a group=@image model=qwen;", "" },
	{ BRIX, POD("a", AIBRIX(",\"ray.io/node-type\":\"worker\""), NO_PORTS, AT("10.0.0.1")), "",
	  "a Ray worker" },
	/* nothing at all */
	{ PLAIN, "{\"metadata\":{\"namespace\":\"llm\",\"name\":\"a\"}}", "",
	  "the pod has no address yet" },
	{ PLAIN,
	  "{\"metadata\":{\"name\":\"a\",\"labels\":[]},\"spec\":[],\"status\":{\"podIP\":\"::1\","
	  "\"conditions\":\"Ready\"}}",
	  "", "no port is known: set 'port'" },
};

static void test_presets(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct sl_discover_conf conf = kube_conf((enum sl_kube_preset)cases[i].preset);
		struct sl_kube_rules rules;
		struct sl_kube_store *store;
		struct sl_kube_counts counts;

		sl_kube_rules_init(&rules, &conf);
		store = sl_kube_store_new(&rules);
		kube_add(store, cases[i].pod);
		kube_expect(store, cases[i].engines);
		counts = sl_kube_store_counts(store);
		assert_string_equal(counts.why, cases[i].why);
		assert_int_equal(counts.objects, 1);
		assert_int_equal(counts.idle, *cases[i].why != '\0');
		sl_kube_store_free(store);
		sl_kube_rules_fini(&rules);
	}
}

static char port_pod[] = POD("a", "\"r\":\"prefill\",\"zone\":\"z\",\"m\":\"small\"",
                             SIDECAR("") MAIN(8001), AT("10.0.0.1"));

/* What the operator says comes before what the preset does. */
static void test_the_operator_decides(void **state)
{
	static char role[] = "r", pair[] = "zone", model[] = "m";
	struct sl_discover_conf conf = kube_conf(SL_KUBE_PLAIN);
	struct sl_kube_rules rules;
	struct sl_kube_store *store;

	(void)state;
	conf.role_label = role;
	conf.pair_label = pair;
	conf.model_label = model;
	conf.port = 8000;
	conf.metrics_port = 9400;
	sl_kube_rules_init(&rules, &conf);
	store = sl_kube_store_new(&rules);
	kube_add(store, port_pod);
	kube_expect(store,
	            "10.0.0.1:8000 llm/a/u-a role=prefill group=z model=small metrics=9400;");
	sl_kube_store_free(store);
}

static void take(void *ctx, const struct sl_kube_object *o)
{
	assert_true(sl_kube_rules_take_pool(ctx, o));
}

static void take_again(void *ctx, const struct sl_kube_object *o)
{
	assert_false(sl_kube_rules_take_pool(ctx, o));
}

/* An InferencePool's ports are those of sidecars too, and only active ones count. */
static void test_pool_ports(void **state)
{
	static char name[] = "pool";
	static const char pool[] = "{\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"x\"}},"
	                           "\"targetPorts\":[{\"number\":8000},{\"number\":8001}]}}";
	const struct sl_kube_sink sink = { take, NULL }, again = { take_again, NULL };
	struct sl_discover_conf conf = kube_conf(SL_KUBE_LLM_D);
	struct sl_kube_rules rules;
	struct sl_kube_store *store;

	(void)state;
	conf.inference_pool = name;
	sl_kube_rules_init(&rules, &conf);
	assert_int_equal(sl_kube_item_read(SL_SPAN(pool), &sink, &rules), 0);
	assert_int_equal(sl_kube_item_read(SL_SPAN(pool), &again, &rules), 0);
	store = sl_kube_store_new(&rules);
	kube_add(store, POD("a", "", NO_PORTS, AT("10.0.0.1")));
	kube_expect(store, "10.0.0.1:8000 llm/a/u-a:8000 group=@image;"
	                   "10.0.0.1:8001 llm/a/u-a:8001 group=@image;");
	kube_add(store, POD("a", "\"llm-d.ai/active-ports\":\"8001\"", NO_PORTS, AT("10.0.0.1")));
	kube_expect(store, "10.0.0.1:8001 llm/a/u-a group=@image;");
	kube_add(store, POD("a", "", SIDECAR("") MAIN(8200), AT("10.0.0.1")));
	kube_expect(store, "10.0.0.1:8200 llm/a/u-a:8200 group=@image;"
	                   "10.0.0.1:8201 llm/a/u-a:8201 group=@image;");
	sl_kube_store_free(store);
	sl_kube_rules_fini(&rules);
}

static char *group_of(const char *pod)
{
	struct sl_discover_conf conf = kube_conf(SL_KUBE_LLM_D);
	struct sl_kube_rules rules;
	struct sl_kube_store *store;
	struct sl_server_set *set;
	char *group;

	sl_kube_rules_init(&rules, &conf);
	store = sl_kube_store_new(&rules);
	kube_add(store, pod);
	set = sl_kube_store_engines(store);
	assert_int_equal(set->n, 1);
	group = strdup(set->servers[0].found.kv_group);
	sl_server_set_unref(set);
	sl_kube_store_free(store);
	return group;
}

/* Of the engine's container, not of the sidecar's. */
static void test_groups_follow_images(void **state)
{
	char *a = group_of(POD("a", ROLE("decode"), SIDECAR("") MAIN(8200), AT("10.0.0.1")));
	char *b = group_of(POD("b", ROLE("prefill"), MAIN(8000), AT("10.0.0.1")));
	char *c = group_of(POD("c", ROLE("prefill"),
	                       "\"containers\":[{\"name\":\"main\",\"image\":\"vllm:2\"}]",
	                       AT("10.0.0.1")));

	(void)state;
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	free(a);
	free(b);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_the_operator_decides),
		cmocka_unit_test(test_pool_ports),
		cmocka_unit_test(test_groups_follow_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
