/* splice_test.c: edited bodies, exact to the byte, and random ones against
 * what cJSON makes of the same edits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after the four that cmocka needs */
#include <cjson/cJSON.h>
#include <cmocka.h>

#include "scan_help.h"
#include "sluice/splice.h"

#define ROUNDS 20000

/* The edited text, NUL-terminated; owned by the caller. */
static char *written(const struct sl_splice *s)
{
	size_t len = sl_splice_len(s);
	char *out = malloc(len + 1);

	assert_non_null(out);
	assert_int_equal(sl_splice_write(s, out), len);
	out[len] = 0;
	return out;
}

struct edit {
	enum sl_field field;
	const char *value; /* NULL: remove */
};

static void apply(struct sl_splice *s, const struct edit *edits, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (edits[i].value)
			sl_splice_set(s, edits[i].field, sl_span_str(edits[i].value));
		else
			sl_splice_remove(s, edits[i].field);
	}
}

#define CUT(name)                                                                                  \
	{                                                                                          \
		SL_F_##name, NULL                                                                  \
	}
#define SET(name, value)                                                                           \
	{                                                                                          \
		SL_F_##name, value                                                                 \
	}

static const struct {
	const char *before;
	struct edit edits[4];
	size_t n;
	const char *after;
} rows[] = {
	{ "{\"a\":1}", { CUT(USER) }, 1, "{\"a\":1}" },
	{ "{}", { CUT(USER) }, 1, "{}" },
	{ "{\"user\":1}", { CUT(USER) }, 1, "{}" },
	{ " { \"user\" : 1 } ", { CUT(USER) }, 1, " {  } " },
	/* first, middle, last */
	{ "{\"user\":1,\"a\":2,\"b\":3}", { CUT(USER) }, 1, "{\"a\":2,\"b\":3}" },
	{ "{\"a\":2,\"user\":1,\"b\":3}", { CUT(USER) }, 1, "{\"a\":2,\"b\":3}" },
	{ "{\"a\":2,\"b\":3,\"user\":1}", { CUT(USER) }, 1, "{\"a\":2,\"b\":3}" },
	/* what white space is not in the way stays */
	{ "{\n  \"user\" : 1 ,\n  \"a\": 2\n}", { CUT(USER) }, 1, "{\n  \n  \"a\": 2\n}" },
	{ "{\n  \"a\" : 2 ,\n  \"user\": 1\n}", { CUT(USER) }, 1, "{\n  \"a\" : 2 \n}" },
	/* several, next to each other */
	{ "{\"user\":1,\"n\":2,\"a\":3}", { CUT(USER), CUT(N) }, 2, "{\"a\":3}" },
	{ "{\"a\":3,\"user\":1,\"n\":2}", { CUT(USER), CUT(N) }, 2, "{\"a\":3}" },
	{ "{\"a\":3,\"user\":1,\"n\":2}", { CUT(N), CUT(USER) }, 2, "{\"a\":3}" },
	{ "{\"a\":3,\"user\":1,\"n\":2,\"b\":4}", { CUT(N), CUT(USER) }, 2, "{\"a\":3,\"b\":4}" },
	{ "{\"user\":1,\"a\":3,\"n\":2}", { CUT(N), CUT(USER) }, 2, "{\"a\":3}" },
	{ "{\"user\":1,\"n\":2}", { CUT(N), CUT(USER) }, 2, "{}" },
	{ "{ \"user\":1 , \"n\":2 , \"stream\":true }",
	  { CUT(N), CUT(USER), CUT(STREAM) },
	  3,
	  "{    }" },
	{ "{ \"user\":1 , \"n\":2 , \"stream\":true }",
	  { CUT(USER), CUT(STREAM) },
	  2,
	  "{  \"n\":2  }" },
	/* values that look like the end */
	{ "{\"user\":\"},\",\"a\":[\",\"]}", { CUT(USER) }, 1, "{\"a\":[\",\"]}" },
	{ "{\"kv_transfer_params\":{\"x\":[1,{\"user\":2}]},\"user\":1}",
	  { CUT(KV_TRANSFER_PARAMS) },
	  1,
	  "{\"user\":1}" },
	{ "{\"k\\u0076_transfer_params\":{},\"a\":1}",
	  { CUT(KV_TRANSFER_PARAMS) },
	  1,
	  "{\"a\":1}" },
	/* new values */
	{ "{\"a\":1, \"n\" : 2 ,\"b\":3}", { SET(N, "17") }, 1, "{\"a\":1, \"n\" : 17 ,\"b\":3}" },
	{ "{\"n\":2}", { SET(N, "17"), SET(N, "18") }, 2, "{\"n\":18}" },
	{ "{\"n\":2}", { SET(N, "17"), CUT(N) }, 2, "{}" },
	{ "{\"a\":1,\"n\":2}", { CUT(N), SET(N, "17") }, 2, "{\"a\":1,\"n\":17}" },
	/* new members */
	{ "{}", { SET(N, "1") }, 1, "{\"n\":1}" },
	{ " { } ", { SET(N, "1") }, 1, " {\"n\":1 } " },
	{ "{\"a\":1}", { SET(N, "1") }, 1, "{\"n\":1,\"a\":1}" },
	{ "{\"a\":1}", { SET(N, "1"), SET(USER, "\"u\"") }, 2, "{\"n\":1,\"user\":\"u\",\"a\":1}" },
	{ "{\"user\":1}", { SET(N, "1"), CUT(USER) }, 2, "{\"n\":1}" },
	{ "{\"user\":1,\"stream\":true}",
	  { CUT(STREAM), SET(N, "1"), CUT(USER), SET(MAX_TOKENS, "5") },
	  4,
	  "{\"n\":1,\"max_tokens\":5}" },
	{ "{\"a\":1}", { SET(N, "1"), CUT(N) }, 2, "{\"a\":1}" },
	{ "{\"a\":1}", { SET(N, "1"), SET(N, "2") }, 2, "{\"n\":2,\"a\":1}" },
	{ "{\"a\":1}", { SET(N, "1"), SET(USER, "2"), CUT(N) }, 3, "{\"user\":2,\"a\":1}" },
	{ "{\"user\":1,\"n\":2,\"stream\":true}",
	  { CUT(STREAM), SET(N, "3"), SET(MODEL, "\"m\""), CUT(USER) },
	  4,
	  "{\"model\":\"m\",\"n\":3}" },
};

static void edits_are_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct scanned got;
		struct sl_splice s;
		char *after;

		scan_text(SL_API_CHAT, rows[i].before, strlen(rows[i].before), &got);
		assert_int_equal(got.err, 0);
		sl_splice_init(&s, &got.facts, rows[i].before);
		apply(&s, rows[i].edits, rows[i].n);
		after = written(&s);
		if (strcmp(after, rows[i].after) != 0)
			fail_msg("%s\nbecame %s\nnot    %s", rows[i].before, after, rows[i].after);
		free(after);
	}
}

/* ---- random objects ------------------------------------------------------ */

struct text {
	char bytes[8192];
	size_t len;
};

static void put(struct text *t, const char *piece)
{
	t->len += (size_t)snprintf(t->bytes + t->len, sizeof(t->bytes) - t->len, "%s", piece);
	assert_true(t->len < sizeof(t->bytes));
}

static const char *pick(struct sl_rng *rng, const char *const *of, size_t n)
{
	return of[(sl_rng_next(rng) >> 24) % n];
}

static const char *const spaces[] = { "", "", "", " ", "\n\t", "  " };
static const char *const values[] = {
	"1",
	"-0.5e3",
	"9007199254740993",
	"null",
	"true",
	"[]",
	"{}",
	"\"a,b}\"",
	"[1, {\"n\":2}]",
	"{\"user\":{\"n\":1}}",
	"\"\\\"q\\\\\\u00e9\"",
	"\"\"",
};

/* Fields that may have any kind, so that a random value is no error. */
static bool is_free(int f)
{
	return f != SL_F_MODEL && f != SL_F_STREAM;
}

static void put_member(struct text *t, struct sl_rng *rng, const char *key, bool first)
{
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "%s%s\"%s\"", first ? "" : ",",
	         pick(rng, spaces, SL_COUNT(spaces)), key);
	put(t, quoted);
	put(t, pick(rng, spaces, SL_COUNT(spaces)));
	put(t, ":");
	put(t, pick(rng, spaces, SL_COUNT(spaces)));
	put(t, pick(rng, values, SL_COUNT(values)));
	put(t, pick(rng, spaces, SL_COUNT(spaces)));
}

/* Known members in random order, unknown ones (x1, x2 ...) among them. */
static void make_object(struct text *t, struct sl_rng *rng)
{
	int order[SL_F_COUNT];
	size_t n = sl_rng_next(rng) % 7;
	unsigned strangers = sl_rng_next(rng) % 3;
	bool first = true;

	for (int i = 0; i < SL_F_COUNT; i++)
		order[i] = i;
	for (int i = SL_F_COUNT - 1; i > 0; i--) {
		int j = (int)(sl_rng_next(rng) % (unsigned)(i + 1));
		int swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	t->len = 0;
	put(t, pick(rng, spaces, SL_COUNT(spaces)));
	put(t, "{");
	put(t, pick(rng, spaces, SL_COUNT(spaces)));
	for (size_t i = 0; i < n; i++) {
		char key[8];

		if (is_free(order[i])) {
			put_member(t, rng, sl_field_key((enum sl_field)order[i]), first);
			first = false;
		}
		if (sl_rng_next(rng) % 4 >= strangers)
			continue;
		snprintf(key, sizeof(key), "x%zu", i);
		put_member(t, rng, key, first);
		first = false;
	}
	put(t, "}");
}

/* The same edit on both sides. */
static void edit_both(struct sl_splice *s, cJSON *want, struct sl_rng *rng)
{
	enum sl_field f = (enum sl_field)(sl_rng_next(rng) % SL_F_COUNT);
	const char *key;
	const char *value = pick(rng, values, SL_COUNT(values));
	uint64_t what = (sl_rng_next(rng) >> 20) % 8;

	/* Mostly members that are there: otherwise hardly any would be hit. */
	for (int tries = 0; tries < 20 && what != 0 && !sl_facts_has(s->facts, f); tries++)
		f = (enum sl_field)(sl_rng_next(rng) % SL_F_COUNT);
	key = sl_field_key(f);
	if (what < 2 && is_free(f) && s->n_insert < SL_COUNT(s->insert)) {
		sl_splice_set(s, f, sl_span_str(value));
		cJSON_DeleteItemFromObjectCaseSensitive(want, key);
		cJSON_AddItemToObject(want, key, cJSON_Parse(value));
		return;
	}
	sl_splice_remove(s, f);
	cJSON_DeleteItemFromObjectCaseSensitive(want, key);
}

/* Members that no edit named still stand there, letter for letter. */
static void expect_strangers_survive(const char *before, const char *after)
{
	for (const char *at = strstr(before, "\"x"); at; at = strstr(at + 1, "\"x")) {
		char stranger[64];
		const char *end = strpbrk(at, ",}\n");

		snprintf(stranger, sizeof(stranger), "%.*s", (int)(end - at), at);
		assert_non_null(strstr(after, stranger));
	}
}

static void random_edits_mean_the_same(void **state)
{
	struct sl_rng rng = { 20261121 };
	static struct text before;
	struct scanned got;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		unsigned edits = sl_rng_next(&rng) % 8;
		struct sl_splice s;
		cJSON *want;
		cJSON *have;
		char *after;

		make_object(&before, &rng);
		scan_text(SL_API_OTHER, before.bytes, before.len, &got);
		assert_int_equal(got.err, 0);
		want = cJSON_Parse(before.bytes);
		sl_splice_init(&s, &got.facts, before.bytes);
		while (edits--)
			edit_both(&s, want, &rng);
		after = written(&s);
		have = cJSON_Parse(after);
		if (!have || !cJSON_Compare(have, want, true) ||
		    cJSON_GetArraySize(have) != cJSON_GetArraySize(want))
			fail_msg("round %d:\n%s\nbecame\n%s", round, before.bytes, after);
		expect_strangers_survive(before.bytes, after);
		scan_text(SL_API_OTHER, after, strlen(after), &got);
		assert_int_equal(got.err, 0);
		cJSON_Delete(want);
		cJSON_Delete(have);
		free(after);
	}
}

static void nothing_named_nothing_changed(void **state)
{
	const char *text = " {\"a\" : 1e400, \"n\":\t2 , \"z\":[ ] }\n";
	struct scanned got;
	struct sl_splice s;
	char *after;

	(void)state;
	scan_text(SL_API_CHAT, text, strlen(text), &got);
	sl_splice_init(&s, &got.facts, text);
	after = written(&s);
	assert_string_equal(after, text);
	free(after);
}

static void fields_are_named(void **state)
{
	(void)state;
	assert_string_equal(sl_field_key(SL_F_MODEL), "model");
	assert_string_equal(sl_field_key(SL_F_DISAGGREGATED_PARAMS), "disaggregated_params");
	assert_true(sl_field_private(SL_F_KV_TRANSFER_PARAMS));
	assert_true(sl_field_private(SL_F_BOOTSTRAP_ROOM));
	assert_false(sl_field_private(SL_F_CACHE_SALT));
}

/* A body may hold all private members at once, and the largest set of edits
 * that a splice takes fits into it. */
static void all_fields_can_go(void **state)
{
	static struct text t;
	struct scanned got;
	struct sl_splice s;
	char *after;

	(void)state;
	t.len = 0;
	for (int f = 0; f < SL_F_COUNT; f++) {
		put(&t, f ? "," : "{");
		put(&t, "\"");
		put(&t, sl_field_key((enum sl_field)f));
		put(&t, "\":null");
	}
	put(&t, "}");
	scan_text(SL_API_CHAT, t.bytes, t.len, &got);
	assert_int_equal(got.err, 0);
	sl_splice_init(&s, &got.facts, t.bytes);
	for (int f = 0; f < SL_SPLICE_MAX; f++)
		sl_splice_set(&s, (enum sl_field)f, SL_SPAN("1"));
	for (int f = SL_F_COUNT - 1; f >= 0; f--)
		sl_splice_remove(&s, (enum sl_field)f);
	after = written(&s);
	assert_string_equal(after, "{}");
	free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits_are_exact),
		cmocka_unit_test(random_edits_mean_the_same),
		cmocka_unit_test(nothing_named_nothing_changed),
		cmocka_unit_test(fields_are_named),
		cmocka_unit_test(all_fields_can_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
