/* kube_frame_test.c: frames of a watch, a list's own words, and failures, as a
 * Kubernetes 1.3x API server writes them. */
#include "tests/unit/probes/kube.h"

struct seen {
	unsigned puts, dels;
};

static void put(void *ctx, const struct sl_kube_object *o)
{
	assert_non_null(o);
	((struct seen *)ctx)->puts++;
}

static void del(void *ctx, const struct sl_kube_object *o)
{
	assert_non_null(o);
	((struct seen *)ctx)->dels++;
}

static const struct sl_kube_sink sink = { put, del };

static const struct {
	const char *json;
	enum sl_kube_event event;
	const char *version; /* afterwards; it was "1" */
	unsigned puts, dels;
	int code;
	const char *message;
} frames[] = {
	{ "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"8\"}}"
	  "}",
	  SL_KUBE_CHANGED, "8", 1, 0, 0, "" },
	{ "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"resourceVersion\":\"opaque/9\"}}}",
	  SL_KUBE_CHANGED, "opaque/9", 1, 0, 0, "" },
	{ "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"resourceVersion\":\"10\"}}}",
	  SL_KUBE_CHANGED, "10", 0, 1, 0, "" },
	{ "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{"
	  "\"resourceVersion\":\"11\",\"creationTimestamp\":null},\"spec\":{\"containers\":null},"
	  "\"status\":{}}}",
	  SL_KUBE_BOOKMARK, "11", 0, 0, 0, "" },
	{ "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"12\","
	  "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}",
	  SL_KUBE_INITIAL, "12", 0, 0, 0, "" },
	{ "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{"
	  "},\"status\":\"Failure\",\"message\":\"too old resource version: 3 (9)\",\"reason\":"
	  "\"Expired\",\"code\":410}}",
	  SL_KUBE_EXPIRED, "1", 0, 0, 410, "too old resource version: 3 (9)" },
	{ "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"message\":\"etcd\\nis "
	  "\\u00e9\",\"code\":500}}",
	  SL_KUBE_ERROR, "1", 0, 0, 500, "etcd is   " },
	{ "{\"type\":\"ERROR\",\"object\":{}}", SL_KUBE_ERROR, "1", 0, 0, 0, "" },
	{ "{\"type\":\"PATCHED\",\"object\":{\"metadata\":{\"resourceVersion\":\"8\"}}}",
	  SL_KUBE_UNKNOWN, "1", 0, 0, 0, "" },
	/* without a version nobody knows where to go on */
	{ "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}", SL_KUBE_UNKNOWN, "1",
	  0, 0, 0, "" },
	{ "{\"type\":\"ADDED\"}", SL_KUBE_UNKNOWN, "1", 0, 0, 0, "" },
	{ "{\"type\":\"ADDED\",\"object\":[]}", SL_KUBE_UNKNOWN, "1", 0, 0, 0, "" },
	{ "{\"type\":", SL_KUBE_UNKNOWN, "1", 0, 0, 0, "" },
	{ "[]", SL_KUBE_UNKNOWN, "1", 0, 0, 0, "" },
};

static void test_frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(frames); i++) {
		struct sl_kube_status status = { 0 };
		struct seen seen = { 0, 0 };
		char *version = strdup("1");

		assert_int_equal(sl_kube_frame_read(sl_span_str(frames[i].json), &sink, &seen,
		                                    &version, &status),
		                 frames[i].event);
		assert_string_equal(version, frames[i].version);
		assert_int_equal(seen.puts, frames[i].puts);
		assert_int_equal(seen.dels, frames[i].dels);
		assert_int_equal(status.code, frames[i].code);
		assert_string_equal(status.message, frames[i].message);
		free(version);
	}
}

static void test_listings(void **state)
{
	struct sl_kube_listing l = { 0 };

	(void)state;
	assert_int_equal(sl_kube_listing_read(&l, SL_SPAN("{\"resourceVersion\":\"7\",\"continue\":"
	                                                  "\"a+/=\",\"remainingItemCount\":9}")),
	                 0);
	assert_string_equal(l.version, "7");
	assert_string_equal(l.next, "a+/=");
	assert_int_equal(sl_kube_listing_read(&l, SL_SPAN("{\"resourceVersion\":\"8\"}")), 0);
	assert_string_equal(l.version, "8");
	assert_string_equal(l.next, "");
	assert_int_equal(sl_kube_listing_read(&l, SL_SPAN("\"8\"")), SL_E_BAD_JSON);
	assert_string_equal(l.version, "8");
	sl_kube_listing_fini(&l);
}

static void test_refusals(void **state)
{
	struct sl_kube_status status;
	char *long_one;

	(void)state;
	sl_kube_status_read(SL_SPAN("{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":"
	                            "\"pods is forbidden: User \\\"x\\\" cannot list\",\"reason\":"
	                            "\"Forbidden\",\"code\":403}"),
	                    &status);
	assert_int_equal(status.code, 403);
	assert_string_equal(status.message, "pods is forbidden: User \"x\" cannot list");
	sl_kube_status_read(SL_SPAN("<html>502 Bad Gateway</html>"), &status);
	assert_int_equal(status.code, 0);
	assert_string_equal(status.message, "");
	assert_true(asprintf(&long_one, "{\"message\":\"%0999d\"}", 0) > 0);
	sl_kube_status_read(sl_span_str(long_one), &status);
	assert_int_equal(strlen(status.message), SL_KUBE_MESSAGE_MAX - 1);
	free(long_one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_listings),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
