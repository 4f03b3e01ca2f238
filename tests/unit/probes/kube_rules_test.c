/* kube_rules_test.c: what is asked of the server, byte for byte. */
#include "tests/unit/probes/kube.h"

static const struct {
	enum sl_kube_preset preset;
	const char *service, *selector;
	const char *query; /* decoded by hand: %3D is =, %2C is a comma, %2F a slash */
} cases[] = {
	{ SL_KUBE_PLAIN, "", "", "" },
	{ SL_KUBE_PLAIN, "", "app in (a,b),!x", "labelSelector=app%20in%20%28a%2Cb%29%2C%21x&" },
	{ SL_KUBE_KSERVE_LLMISVC, "llama", "",
	  "labelSelector=app.kubernetes.io%2Fpart-of%3Dllminferenceservice%2C"
	  "kserve.io%2Fcomponent%3Dworkload%2Capp.kubernetes.io%2Fname%3Dllama&" },
	{ SL_KUBE_KSERVE_ISVC, "", "zone=a", "labelSelector=component%3Dpredictor%2Czone%3Da&" },
	{ SL_KUBE_KSERVE_ISVC, "", "",
	  "labelSelector=component%3Dpredictor%2Cserving.kserve.io%2Finferenceservice&" },
	{ SL_KUBE_LLM_D, "", "", "labelSelector=llm-d.ai%2Frole&" },
	{ SL_KUBE_LLM_D, "m", "", "labelSelector=llm-d.ai%2Fmodel%3Dm&" },
	{ SL_KUBE_AIBRIX, "qwen", "zone=a",
	  "labelSelector=model.aibrix.ai%2Fname%3Dqwen%2Czone%3Da&" },
	{ SL_KUBE_AIBRIX, "", "zone=a", "labelSelector=zone%3Da&" },
};

static void expect_path(char *path, const char *before, const char *query, const char *after)
{
	char wanted[1024];

	snprintf(wanted, sizeof(wanted), "%s?%s%s", before, query, after);
	assert_string_equal(path, wanted);
	free(path);
}

static void test_pods(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct sl_discover_conf conf = kube_conf(cases[i].preset);
		struct sl_kube_rules rules;

		conf.service = (char *)(uintptr_t)cases[i].service;
		conf.selector = (char *)(uintptr_t)cases[i].selector;
		sl_kube_rules_init(&rules, &conf);
		expect_path(sl_kube_list_path(&rules, SL_KUBE_PODS, "llm", 500, ""),
		            "/api/v1/namespaces/llm/pods", cases[i].query, "limit=500");
		expect_path(sl_kube_list_path(&rules, SL_KUBE_PODS, "*", 500, "a+/="),
		            "/api/v1/pods", cases[i].query, "limit=500&continue=a%2B%2F%3D");
		expect_path(sl_kube_watch_path(&rules, SL_KUBE_PODS, "llm", "12 3", 310),
		            "/api/v1/namespaces/llm/pods", cases[i].query,
		            "watch=1&allowWatchBookmarks=true&resourceVersion=12%203&"
		            "timeoutSeconds=310");
	}
}

static void test_slices(void **state)
{
	static char service[] = "llama";
	struct sl_discover_conf conf = kube_conf(SL_KUBE_PLAIN);
	struct sl_kube_rules rules;

	(void)state;
	conf.watch = SL_WATCH_SLICES;
	conf.service = service;
	sl_kube_rules_init(&rules, &conf);
	expect_path(sl_kube_list_path(&rules, SL_KUBE_SLICES, "llm", 0, ""),
	            "/apis/discovery.k8s.io/v1/namespaces/llm/endpointslices",
	            "labelSelector=kubernetes.io%2Fservice-name%3Dllama&", "");
}

static void take(void *ctx, const struct sl_kube_object *o)
{
	sl_kube_rules_take_pool(ctx, o);
}

static const struct {
	const char *pool, *query;
	uint16_t port;
} pools[] = {
	{ "{\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"x\",\"b/c\":\"y\",\"n\":1}},"
	  "\"targetPorts\":[{\"number\":8000}]}}",
	  "labelSelector=app%3Dx%2Cb%2Fc%3Dy%2Czone%3Da&", 8000 },
	{ "{\"spec\":{\"selector\":{\"app\":\"x\"},\"targetPortNumber\":8200}}",
	  "labelSelector=app%3Dx%2Czone%3Da&", 8200 },
	{ "{\"spec\":{\"selector\":{\"matchLabels\":{}},\"targetPorts\":[{\"number\":0}]}}",
	  "labelSelector=zone%3Da&", 0 },
};

/* Its selector stands for the preset's, the operator's is kept. */
static void test_pools(void **state)
{
	static char name[] = "pool", zone[] = "zone=a";
	const struct sl_kube_sink sink = { take, NULL };
	struct sl_discover_conf conf = kube_conf(SL_KUBE_LLM_D);
	struct sl_kube_rules rules;

	(void)state;
	conf.inference_pool = name;
	conf.selector = zone;
	sl_kube_rules_init(&rules, &conf);
	expect_path(sl_kube_list_path(&rules, SL_KUBE_POOLS, "llm", 0, ""),
	            "/apis/inference.networking.k8s.io/v1/namespaces/llm/inferencepools",
	            "fieldSelector=metadata.name%3Dpool&", "");
	expect_path(sl_kube_list_path(&rules, SL_KUBE_POOLS_OLD, "llm", 0, ""),
	            "/apis/inference.networking.x-k8s.io/v1alpha2/namespaces/llm/inferencepools",
	            "fieldSelector=metadata.name%3Dpool&", "");
	for (size_t i = 0; i < SL_COUNT(pools); i++) {
		assert_int_equal(sl_kube_item_read(sl_span_str(pools[i].pool), &sink, &rules), 0);
		expect_path(sl_kube_list_path(&rules, SL_KUBE_PODS, "llm", 0, ""),
		            "/api/v1/namespaces/llm/pods", pools[i].query, "");
		assert_int_equal(rules.n_pool_ports, pools[i].port != 0);
		assert_int_equal(rules.pool_ports[0], pools[i].port);
	}
	sl_kube_rules_fini(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
