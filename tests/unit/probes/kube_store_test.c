/* kube_store_test.c: what was heard, in any order, is what there is. */
#include "tests/unit/probes/kube.h"

struct rig {
	struct sl_discover_conf conf;
	struct sl_kube_rules rules;
	struct sl_kube_store *store;
};

static struct rig *rig_new(enum sl_kube_preset preset, enum sl_kube_watch watch)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->conf = kube_conf(preset);
	r->conf.watch = watch;
	sl_kube_rules_init(&r->rules, &r->conf);
	r->store = sl_kube_store_new(&r->rules);
	return r;
}

static void rig_free(struct rig *r)
{
	sl_kube_store_free(r->store);
	sl_kube_rules_fini(&r->rules);
	free(r);
}

static const char pod_a[] = POD("a", "", MAIN(8000), AT("10.0.0.1"));
static const char pod_b[] = POD("b", "", MAIN(8000), AT("10.0.0.2"));
static const char pod_b_moved[] = POD("b", "", MAIN(8000), AT("10.0.0.9"));
static const char pod_b_annotated[] = POD("b", "\"x\":\"y\"", MAIN(8000), AT("10.0.0.2"));
static const char pod_c[] = POD("c", "", MAIN(8000), "\"phase\":\"Pending\"");
#define A "10.0.0.1:8000 llm/a/u-a;"
#define B "10.0.0.2:8000 llm/b/u-b;"

static void test_order_does_not_matter(void **state)
{
	struct rig *r = rig_new(SL_KUBE_PLAIN, SL_WATCH_PODS);

	(void)state;
	kube_add(r->store, pod_b);
	kube_add(r->store, pod_c);
	kube_add(r->store, pod_a);
	kube_expect(r->store, A B);
	rig_free(r);
}

static void test_changes(void **state)
{
	struct rig *r = rig_new(SL_KUBE_PLAIN, SL_WATCH_PODS);

	(void)state;
	assert_false(sl_kube_store_changed(r->store));
	kube_add(r->store, pod_a);
	kube_add(r->store, pod_b);
	assert_true(sl_kube_store_changed(r->store));
	assert_false(sl_kube_store_changed(r->store));
	kube_add(r->store, pod_b_annotated); /* means nothing to us */
	assert_false(sl_kube_store_changed(r->store));
	kube_add(r->store, pod_b_moved); /* the old address is gone with it */
	assert_true(sl_kube_store_changed(r->store));
	kube_expect(r->store, A "10.0.0.9:8000 llm/b/u-b;");
	kube_remove(r->store, pod_b_moved);
	assert_true(sl_kube_store_changed(r->store));
	kube_remove(r->store, pod_b_moved);
	assert_false(sl_kube_store_changed(r->store));
	kube_expect(r->store, A);
	rig_free(r);
}

/* The end of a pod is not that of its successor of the same name. */
static void test_uids(void **state)
{
	static const char successor[] =
	        "{\"metadata\":{\"namespace\":\"llm\",\"name\":\"a\",\"uid\":\"second\"},\"spec\":"
	        "{" MAIN(8000) "},\"status\":{" AT("10.0.0.1") "}}";
	struct rig *r = rig_new(SL_KUBE_PLAIN, SL_WATCH_PODS);

	(void)state;
	kube_add(r->store, pod_a);
	kube_add(r->store, successor);
	kube_expect(r->store, "10.0.0.1:8000 llm/a/second;");
	kube_remove(r->store, pod_a);
	kube_expect(r->store, "10.0.0.1:8000 llm/a/second;");
	kube_remove(r->store, successor);
	kube_expect(r->store, "");
	rig_free(r);
}

static void test_lists_are_all_there_is(void **state)
{
	struct rig *r = rig_new(SL_KUBE_PLAIN, SL_WATCH_PODS);

	(void)state;
	kube_add(r->store, pod_a);
	kube_add(r->store, pod_b);
	kube_add(r->store, pod_c);
	assert_true(sl_kube_store_changed(r->store));

	sl_kube_store_begin(r->store); /* breaks off, and begins again */
	kube_add(r->store, pod_b);
	kube_expect(r->store, A B);
	sl_kube_store_begin(r->store);
	kube_add(r->store, pod_a);
	kube_expect(r->store, A B);
	sl_kube_store_end(r->store);
	kube_expect(r->store, A);
	assert_true(sl_kube_store_changed(r->store));
	assert_int_equal(sl_kube_store_counts(r->store).objects, 1);

	sl_kube_store_begin(r->store);
	kube_add(r->store, pod_a);
	sl_kube_store_end(r->store);
	assert_false(sl_kube_store_changed(r->store));
	rig_free(r);
}

/* ---- rolesets -------------------------------------------------------- */

#define MEMBER(name, role, set, ip)                                                                \
	POD(name,                                                                                  \
	    "\"model.aibrix.ai/name\":\"q\",\"role-name\":\"" role "\",\"roleset-name\":\"" set    \
	    "\"",                                                                                  \
	    "", AT(ip))

static void test_rolesets(void **state)
{
	static const char prefill[] = MEMBER("p", "prefill", "rs-0", "10.0.0.1");
	static const char decode[] = MEMBER("d", "decode", "rs-0", "10.0.0.2");
	static const char lonely[] = MEMBER("x", "decode", "rs-1", "10.0.0.3");
	struct rig *r = rig_new(SL_KUBE_AIBRIX, SL_WATCH_PODS);

	(void)state;
	kube_add(r->store, prefill);
	kube_add(r->store, lonely);
	kube_expect(r->store,
	            "10.0.0.1:8000 llm/p/u-p role=prefill hold=its roleset has no decode engine "
	            "group=rs-0 model=q;"
	            "10.0.0.3:8000 llm/x/u-x role=decode hold=its roleset has no prefill engine "
	            "group=rs-1 model=q;");
	assert_true(sl_kube_store_changed(r->store));
	kube_add(r->store, decode);
	assert_true(sl_kube_store_changed(r->store));
	kube_expect(r->store,
	            "10.0.0.2:8000 llm/d/u-d role=decode group=rs-0 model=q;"
	            "10.0.0.1:8000 llm/p/u-p role=prefill group=rs-0 model=q;"
	            "10.0.0.3:8000 llm/x/u-x role=decode hold=its roleset has no prefill engine "
	            "group=rs-1 model=q;");
	kube_add(r->store, MEMBER("c", "combined", "rs-2", "10.0.0.4"));
	kube_remove(r->store, prefill);
	kube_remove(r->store, lonely);
	kube_expect(r->store,
	            "10.0.0.4:8000 llm/c/u-c role=both group=rs-2 model=q;"
	            "10.0.0.2:8000 llm/d/u-d role=decode hold=its roleset has no prefill engine "
	            "group=rs-0 model=q;");
	rig_free(r);
}

/* ---- EndpointSlices -------------------------------------------------- */

#define SLICE(name, ports, endpoints)                                                              \
	"{\"addressType\":\"IPv4\",\"metadata\":{\"namespace\":\"llm\",\"name\":\"" name           \
	"\",\"uid\":\"u-" name "\"},\"ports\":" ports ",\"endpoints\":[" endpoints "]}"
#define HTTP                                                                                       \
	"[{\"name\":\"m\",\"port\":9090},{\"name\":\"http\",\"port\":8000,\"protocol\":\"TCP\"}]"
#define POD_REF(name)                                                                              \
	"\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"llm\",\"name\":\"" name                   \
	"\",\"uid\":\"u-" name "\"}"
#define READY(ready, serving, terminating)                                                         \
	"\"conditions\":{\"ready\":" #ready ",\"serving\":" #serving                               \
	",\"terminating\":" #terminating "}"

static void test_slices(void **state)
{
	struct rig *r = rig_new(SL_KUBE_PLAIN, SL_WATCH_SLICES);

	(void)state;
	kube_add(
	        r->store,
	        SLICE("s", HTTP,
	              "{\"addresses\":[\"10.0.0.1\"],\"nodeName\":\"n\"," READY(
	                      true, true,
	                      false) "," POD_REF("a") "},"
	                                              "{\"addresses\":[\"10.0.0.2\"]"
	                                              "," READY(false, true, true) "," POD_REF(
	                                                      "b") "},"
	                                                           "{\"addresses\":[\"10.0."
	                                                           "0.3\"]," READY(false, false,
	                                                                           false) "},"
	                                                                                  "{\"addre"
	                                                                                  "sses\":["
	                                                                                  "\"10.0."
	                                                                                  "0.4\"],"
	                                                                                  "\"condit"
	                                                                                  "ions\":{"
	                                                                                  "}},"
	                                                                                  "{\"addre"
	                                                                                  "sses\":["
	                                                                                  "\"host."
	                                                                                  "example"
	                                                                                  "\"]},{"
	                                                                                  "\"addres"
	                                                                                  "ses\":[]"
	                                                                                  "},{}"));
	kube_expect(r->store, "10.0.0.3:8000 llm/10.0.0.3 hold=the endpoint is not ready;"
	                      "10.0.0.4:8000 llm/10.0.0.4;"
	                      "10.0.0.1:8000 llm/a/u-a node=n;"
	                      "10.0.0.2:8000 llm/b/u-b hold=the endpoint is terminating;");
	rig_free(r);
}

/* One engine, whatever the slices it stands in. */
static void test_slices_overlap(void **state)
{
	struct rig *r = rig_new(SL_KUBE_PLAIN, SL_WATCH_SLICES);

	(void)state;
	kube_add(r->store, SLICE("six", HTTP, "{\"addresses\":[\"fd00::1\"]," POD_REF("a") "}"));
	kube_expect(r->store, "fd00::1:8000 llm/a/u-a;");
	kube_add(r->store, SLICE("four", HTTP, "{\"addresses\":[\"10.0.0.1\"]," POD_REF("a") "}"));
	kube_expect(r->store, "10.0.0.1:8000 llm/a/u-a;");
	kube_add(r->store, SLICE("three", HTTP,
	                         "{\"addresses\":[\"10.0.0.1\"]," READY(
	                                 false, false, false) "," POD_REF("a") "}"));
	kube_expect(r->store, "10.0.0.1:8000 llm/a/u-a;");
	kube_add(r->store, SLICE("four", "[]", ""));
	kube_expect(r->store, "10.0.0.1:8000 llm/a/u-a hold=the endpoint is not ready;");
	assert_string_equal(sl_kube_store_counts(r->store).why, "no port is known: set 'port'");
	kube_add(r->store, SLICE("four", HTTP, ""));
	assert_string_equal(sl_kube_store_counts(r->store).why, "the slice has no endpoints");
	rig_free(r);
}

/* ---- many ------------------------------------------------------------ */

static void test_random_changes(void **state)
{
	struct rig *r = rig_new(SL_KUBE_PLAIN, SL_WATCH_PODS);
	struct sl_rng rng = { 42 };
	bool there[64] = { false };
	char *wanted;
	size_t len;
	FILE *out = open_memstream(&wanted, &len);

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		unsigned pod = (unsigned)(sl_rng_next(&rng) % 64);
		char *json;

		assert_true(
		        asprintf(&json,
		                 "{\"metadata\":{\"namespace\":\"n%u\",\"name\":\"p%02u\"},"
		                 "\"spec\":{" MAIN(8000) "},\"status\":{\"podIP\":\"10.0.0.%u\","
		                                         "\"conditions\":[{\"type\":\"Ready\","
		                                         "\"status\":\"True\"}]}}",
		                 pod % 3, pod, pod) > 0);
		there[pod] = sl_rng_next(&rng) % 2;
		if (there[pod])
			kube_add(r->store, json);
		else
			kube_remove(r->store, json);
		free(json);
	}
	for (unsigned n = 0; n < 3; n++)
		for (unsigned pod = n; pod < 64; pod += 3)
			if (there[pod])
				fprintf(out, "10.0.0.%u:8000 n%u/p%02u/;", pod, n, pod);
	fclose(out);
	kube_expect(r->store, wanted);
	free(wanted);
	rig_free(r);
}

/* A server that lies without an end, and one with a name as long as an object. */
static void test_bounds(void **state)
{
	struct rig *r = rig_new(SL_KUBE_PLAIN, SL_WATCH_PODS);
	static char name[1000], json[2000];

	(void)state;
	sl_kube_store_begin(r->store);
	for (unsigned i = 0; i < SL_KUBE_MAX_OBJECTS + 5; i++) {
		snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"p%06u\"}}", i);
		kube_add(r->store, json);
	}
	assert_int_equal(sl_kube_store_counts(r->store).objects, SL_KUBE_MAX_OBJECTS);
	assert_int_equal(sl_kube_store_counts(r->store).left_out, 5);
	kube_add(r->store, "{\"metadata\":{\"name\":\"p000007\",\"uid\":\"2\"}}"); /* not new */
	kube_remove(r->store, "{\"metadata\":{\"name\":\"p000007\",\"uid\":\"2\"}}");
	memset(name, 'x', sizeof(name) - 1);
	snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"}}", name);
	kube_add(r->store, json);
	assert_int_equal(sl_kube_store_counts(r->store).objects, SL_KUBE_MAX_OBJECTS - 1);
	assert_int_equal(sl_kube_store_counts(r->store).left_out, 6);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_uids),
		cmocka_unit_test(test_lists_are_all_there_is),
		cmocka_unit_test(test_rolesets),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_slices_overlap),
		cmocka_unit_test(test_random_changes),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
