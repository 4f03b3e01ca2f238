/* kube_stream_test.c: lists and frames cut into objects, at every split. */
#include "tests/unit/probes/kube.h"

/* "O:JSON|" for an object, "M:JSON|" for a list's metadata. */
struct parts {
	char text[4096];
	size_t len, largest;
	unsigned n;
};

static void collect(void *ctx, enum sl_kube_part part, struct sl_span json)
{
	struct parts *p = ctx;

	p->n++;
	if (json.len > p->largest)
		p->largest = json.len;
	if (p->len + json.len + 4 > sizeof(p->text))
		return;
	p->len +=
	        (size_t)snprintf(p->text + p->len, sizeof(p->text) - p->len, "%c:%.*s|",
	                         part == SL_KUBE_PART_OBJECT ? 'O' : 'M', (int)json.len, json.ptr);
}

static const struct {
	enum sl_kube_shape shape;
	const char *bytes, *parts;
	int result;
} cases[] = {
	{ SL_KUBE_LIST,
	  "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"7\","
	  "\"continue\":\"x}\"},\"items\":[{\"metadata\":{\"name\":\"a\"}},{\"b\":[1,{\"c\":"
	  "2}]}]}\n",
	  "M:{\"resourceVersion\":\"7\",\"continue\":\"x}\"}|O:{\"metadata\":{\"name\":\"a\"}}|O:{"
	  "\"b\":[1,{\"c\":2}]}|",
	  0 },
	/* printed prettily, and the metadata last */
	{ SL_KUBE_LIST,
	  "{\n  \"items\" : [\n    { \"a\": \"\\\"}]\\\\\" }\n  ],\n \"metadata\" : { } }",
	  "O:{ \"a\": \"\\\"}]\\\\\" }|M:{ }|", 0 },
	{ SL_KUBE_LIST, "{\"metadata\":{},\"items\":null}", "M:{}|", 0 },
	{ SL_KUBE_LIST, "{\"metadata\":{},\"items\":[]}", "M:{}|", 0 },
	/* other arrays of objects, and strings that look like keys, are no items */
	{ SL_KUBE_LIST,
	  "{\"x\":[{\"items\":[{\"y\":1}]}],\"items\":\"metadata\",\"z\":[\"items\",[{}],{}]}", "",
	  0 },
	/* what nobody reads is emptied, a string of that name is not */
	{ SL_KUBE_LIST,
	  "{\"items\":[{\"metadata\":{\"managedFields\":[{\"a\":[{}]},\"]\"],\"name\":\"n\","
	  "\"labels\":{\"env\":\"prod\"}},\"env\":{\"k\":{}},\"volumes\":[]}]}",
	  "O:{\"metadata\":{\"managedFields\":[],\"name\":\"n\",\"labels\":{\"env\":\"prod\"}},"
	  "\"env\":{},\"volumes\":[]}|",
	  0 },
	{ SL_KUBE_LIST, "{\"items\":[{\"a\":1}", "O:{\"a\":1}|", SL_E_BAD_JSON },
	{ SL_KUBE_LIST, "", "", SL_E_BAD_JSON },
	{ SL_KUBE_LIST, "<html>", "", SL_E_BAD_JSON },
	{ SL_KUBE_LIST, "{}{}", "", SL_E_BAD_JSON },
	{ SL_KUBE_LIST, "{}}", "", SL_E_BAD_JSON },
	{ SL_KUBE_OBJECTS,
	  "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"managedFields\":[1]}}}\n{\"type\":"
	  "\"x\"}{ }\r\n",
	  "O:{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"managedFields\":[]}}}|O:{\"type\":"
	  "\"x\"}|O:{ }|",
	  0 },
	{ SL_KUBE_OBJECTS, "", "", 0 },
	{ SL_KUBE_OBJECTS, "{\"a\":\"", "", SL_E_BAD_JSON },
	{ SL_KUBE_OBJECTS, "{\"a\":1}\nerror: no", "O:{\"a\":1}|", SL_E_BAD_JSON },
	{ SL_KUBE_OBJECTS, "[{}]", "", SL_E_BAD_JSON },
};

static void check(const char *bytes, size_t first, size_t second, size_t i)
{
	struct parts parts = { .len = 0 };
	struct sl_kube_stream *s = sl_kube_stream_new(collect, &parts);

	sl_kube_stream_reset(s, cases[i].shape);
	sl_kube_stream_feed(s, bytes, first);
	sl_kube_stream_feed(s, bytes + first, second - first);
	sl_kube_stream_feed(s, bytes + second, strlen(bytes) - second);
	assert_string_equal(parts.text, cases[i].parts);
	assert_int_equal(sl_kube_stream_finish(s), cases[i].result);
	assert_int_equal(sl_kube_stream_skipped(s), 0);
	sl_kube_stream_free(s);
}

static void test_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		size_t len = strlen(cases[i].bytes);

		for (size_t first = 0; first <= len; first++)
			for (size_t second = first; second <= len; second++)
				check(cases[i].bytes, first, second, i);
	}
}

static void feed_str(struct sl_kube_stream *s, const char *text)
{
	sl_kube_stream_feed(s, text, strlen(text));
}

/* An object past the limit is left out; its neighbours are not. */
static void test_too_large(void **state)
{
	static char filler[65536];
	struct parts parts = { .len = 0 };
	struct sl_kube_stream *s = sl_kube_stream_new(collect, &parts);

	(void)state;
	memset(filler, 'x', sizeof(filler));
	sl_kube_stream_reset(s, SL_KUBE_LIST);
	feed_str(s, "{\"items\":[{\"a\":1},{\"b\":\"");
	for (unsigned i = 0; i < 25; i++)
		sl_kube_stream_feed(s, filler, sizeof(filler));
	feed_str(s, "\"},{\"managedFields\":[\"");
	for (unsigned i = 0; i < 25; i++)
		sl_kube_stream_feed(s, filler, sizeof(filler));
	feed_str(s, "\"]},{\"c\":1}]}");
	assert_string_equal(parts.text, "O:{\"a\":1}|O:{\"managedFields\":[]}|O:{\"c\":1}|");
	assert_int_equal(sl_kube_stream_finish(s), 0);
	assert_int_equal(sl_kube_stream_skipped(s), 1);
	/* the count stays, what was gathered does not */
	sl_kube_stream_feed(s, "{", 1);
	sl_kube_stream_reset(s, SL_KUBE_OBJECTS);
	feed_str(s, "{}");
	assert_int_equal(sl_kube_stream_finish(s), 0);
	assert_int_equal(sl_kube_stream_skipped(s), 1);
	sl_kube_stream_free(s);
}

static void test_just_large_enough(void **state)
{
	size_t len = SL_KUBE_OBJECT_MAX;
	char *object = malloc(len + 1);
	struct parts parts = { .len = 0 };
	struct sl_kube_stream *s = sl_kube_stream_new(collect, &parts);

	(void)state;
	memset(object, ' ', len + 1);
	object[0] = '{';
	object[len - 1] = '}';
	sl_kube_stream_feed(s, object, len);
	assert_int_equal(parts.n, 1);
	assert_int_equal(parts.largest, len);
	object[len - 1] = ' ';
	object[len] = '}';
	sl_kube_stream_feed(s, object, len + 1);
	assert_int_equal(parts.n, 1);
	assert_int_equal(sl_kube_stream_skipped(s), 1);
	sl_kube_stream_free(s);
	free(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_just_large_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
