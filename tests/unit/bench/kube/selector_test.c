/* Label and field selectors, the store's history, and continue tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "bench/kube/selector.h"
#include "bench/kube/store.h"
#include "bench/kube/token.h"

static struct sl_kapi_version *pod(const char *name, const char *labels, uint64_t rv)
{
	char json[512];
	cJSON *object;
	struct sl_kapi_version *v;

	snprintf(json, sizeof(json),
	         "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"labels\":%s,"
	         "\"namespace\":\"ns\",\"name\":\"%s\"},\"status\":{\"phase\":\"Running\"}}",
	         labels, name);
	object = cJSON_Parse(json);
	v = sl_kapi_version_new(object, sl_kapi_resource_at(SL_KAPI_PODS), rv);
	cJSON_Delete(object);
	return v;
}

static void labels_match(void **state)
{
	static const struct {
		const char *selector;
		bool matches;
	} rows[] = {
		{ "", true },
		{ "app=x", true },
		{ "app==x,role=decode", true },
		{ "app!=x", false },
		{ "none!=x", true },
		{ "app in (y, x)", true },
		{ "app notin (y,x)", false },
		{ "none notin (x)", true },
		{ "app", true },
		{ "!app", false },
		{ "!none , app", true },
		{ "n>4", true },
		{ "n>5", false },
		{ "n<6", true },
		{ "app>1", false },
		{ "empty=", true },
		{ "empty in ()", true },
		{ "in in (word)", true },
	};
	struct sl_kapi_version *v = pod(
	        "a",
	        "{\"app\":\"x\",\"role\":\"decode\",\"n\":\"5\",\"empty\":\"\",\"in\":\"word\"}",
	        1);

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_kapi_selector s = { 0 };
		char wrong[SL_KAPI_WRONG_BYTES] = "";

		if (!sl_kapi_selector_labels(&s, rows[i].selector, wrong))
			fail_msg("%s: %s", rows[i].selector, wrong);
		if (sl_kapi_selector_match(&s, v) != rows[i].matches)
			fail_msg("%s", rows[i].selector);
	}
	sl_kapi_version_unref(v);
}

static void too_much_is_refused(void **state)
{
	char text[SL_KAPI_SELECTOR_BYTES * 2] = "a in (", wrong[SL_KAPI_WRONG_BYTES];
	struct sl_kapi_selector s = { 0 };
	size_t n = strlen(text);

	(void)state;
	for (unsigned i = 0; i < SL_KAPI_MAX_VALUES + 1; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "v%u,", i);
	snprintf(text + n, sizeof(text) - n, "v)");
	assert_false(sl_kapi_selector_labels(&s, text, wrong));
	memset(&s, 0, sizeof(s));
	n = 0;
	for (unsigned i = 0; i < SL_KAPI_MAX_TERMS + 1; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%sk%u", i ? "," : "", i);
	assert_false(sl_kapi_selector_labels(&s, text, wrong));
}

static void put(struct sl_kapi_store *store, const char *name)
{
	struct sl_kapi_version *v = pod(name, "{}", 1);
	cJSON *object = sl_kapi_version_parse(v);

	sl_kapi_store_put(store, SL_KAPI_PODS, object);
	cJSON_Delete(object);
	sl_kapi_version_unref(v);
}

static void check_view(const struct sl_kapi_store *store, uint64_t rv, const char *names)
{
	struct sl_kapi_set view;
	char seen[64] = "";

	assert_true(sl_kapi_store_view(store, SL_KAPI_PODS, rv, &view));
	for (uint32_t i = 0; i < view.n; i++)
		strcat(seen, view.sorted[i]->name);
	assert_string_equal(seen, names);
	sl_kapi_set_fini(&view);
}

static void views_of_the_past(void **state)
{
	struct sl_kapi_store store;
	struct sl_kapi_set view;

	(void)state;
	sl_kapi_store_init(&store, 4, 10);
	put(&store, "b");                                /* 11 */
	put(&store, "a");                                /* 12 */
	put(&store, "b");                                /* 13 */
	sl_kapi_store_del(&store, SL_KAPI_PODS, "ns/a"); /* 14 */
	check_view(&store, 10, "");
	check_view(&store, 11, "b");
	check_view(&store, 12, "ab");
	check_view(&store, 14, "b");
	put(&store, "c"); /* 15: the history is full, 11 is forgotten */
	assert_int_equal(store.oldest, 11);
	assert_false(sl_kapi_store_view(&store, SL_KAPI_PODS, 10, &view));
	check_view(&store, 12, "ab");
	assert_int_equal(sl_kapi_store_next(&store, 12)->rv, 13);
	assert_null(sl_kapi_store_next(&store, 15));
	sl_kapi_store_compact(&store);
	assert_false(sl_kapi_store_view(&store, SL_KAPI_PODS, 14, &view));
	check_view(&store, 15, "bc");
	sl_kapi_store_fini(&store);
}

static void tokens(void **state)
{
	static const char *const bad[] = { "abc", "", "!!!!", "e30", "eyJydiI6MX0" };
	char token[SL_KAPI_TOKEN_BYTES], behind[SL_KAPI_TOKEN_BYTES];
	int64_t rv;

	(void)state;
	for (int i = 0; i < 4; i++) {
		sl_kapi_token_write(token, i - 1, &"abc"[i % 3]);
		assert_true(sl_kapi_token_read(token, &rv, behind));
		assert_int_equal(rv, i - 1);
		assert_string_equal(behind, &"abc"[i % 3]);
	}
	sl_kapi_token_write(token, 9, "b"); /* as a real server wrote it */
	assert_string_equal(token,
	                    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6OSwic3RhcnQiOiIvYlx1MDAwMCJ9");
	for (size_t i = 0; i < SL_COUNT(bad); i++)
		assert_false(sl_kapi_token_read(bad[i], &rv, behind));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_match),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(views_of_the_past),
		cmocka_unit_test(tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
