/* scan_fuzz.c: any bytes as a request body.
 *
 * Input: one byte for the path ('0' chat, '1' completions, '2' embeddings, '3'
 * other), one for how the body is cut, then the body. Held against each other:
 *   - the body whole, in pieces that move, and under every skipping loop;
 *   - cJSON, which must accept what the scanner accepts, with equal members;
 *   - the body without its private members, and itself. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "sluice/scan.h"
#include "sluice/splice.h"

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct result {
	int err;
	size_t offset;
	const char *field;
	struct sl_facts facts;
	struct sl_scan *scan; /* owns facts.blocks */
};

static void keep(struct result *r, int err)
{
	r->err = err;
	r->offset = err ? sl_scan_offset(r->scan) : 0;
	r->field = err ? sl_scan_field(r->scan) : "";
}

static void scan_whole(struct result *r, enum sl_api api, const char *body, size_t len)
{
	int err;

	memset(&r->facts, 0, sizeof(r->facts));
	sl_scan_reset(r->scan, api);
	err = sl_scan_feed(r->scan, body, 0, len);
	keep(r, err ? err : sl_scan_finish(r->scan, body, &r->facts));
}

static void scan_cut(struct result *r, enum sl_api api, const char *body, size_t len, uint8_t how)
{
	struct sl_rng rng = { (uint64_t)how + 1 };
	char *moved = NULL;
	size_t at = 0;
	int err = 0;

	memset(&r->facts, 0, sizeof(r->facts));
	sl_scan_reset(r->scan, api);
	while (at < len && !err) {
		size_t take = 1 + sl_rng_next(&rng) % (1u << how % 9);
		char *next;

		take = take < len - at ? take : len - at;
		next = malloc(at + take);
		MUST(next);
		memcpy(next, body, at + take);
		free(moved);
		moved = next;
		err = sl_scan_feed(r->scan, moved, at, take);
		at += take;
	}
	keep(r, err ? err : sl_scan_finish(r->scan, moved, &r->facts));
	free(moved);
}

static void must_equal(const struct result *a, const struct result *b)
{
	const struct sl_facts *x = &a->facts;
	const struct sl_facts *y = &b->facts;

	MUST(a->err == b->err && a->offset == b->offset && !strcmp(a->field, b->field));
	for (int f = 0; f < SL_F_COUNT && !a->err; f++)
		MUST(x->member[f].key_off == y->member[f].key_off &&
		     x->member[f].value_off == y->member[f].value_off &&
		     x->member[f].value_end == y->member[f].value_end &&
		     x->member[f].kind == y->member[f].kind);
	MUST(x->body_len == y->body_len && x->object_off == y->object_off);
	MUST(x->object_empty == y->object_empty && x->stream == y->stream);
	MUST(x->include_usage == y->include_usage && x->multimodal == y->multimodal);
	MUST(x->has_tools == y->has_tools && x->structured == y->structured);
	MUST(x->token_prompt == y->token_prompt && x->prompts == y->prompts && x->n == y->n);
	MUST(x->max_tokens == y->max_tokens && x->turns == y->turns);
	MUST(x->prompt_bytes == y->prompt_bytes);
	MUST(x->prompt_tokens_exact == y->prompt_tokens_exact && x->n_blocks == y->n_blocks);
	for (uint32_t i = 0; i < x->n_blocks; i++)
		MUST(x->blocks[i].hash == y->blocks[i].hash &&
		     x->blocks[i].end_bytes == y->blocks[i].end_bytes);
}

/* cJSON refuses lone surrogates and numbers of more than 63 characters, and
 * ends a string at \u0000; there it is no judge. */
static bool cjson_can_judge(const char *body, size_t len)
{
	size_t digits = 0;

	for (size_t i = 0; i < len; i++) {
		digits = body[i] && strchr("0123456789+-.eE", body[i]) ? digits + 1 : 0;
		if (digits > 60)
			return false;
		if (body[i] != '\\' || i + 5 >= len || body[i + 1] != 'u')
			continue;
		if (!memcmp(body + i + 2, "0000", 4) || (body[i + 2] | 0x20) == 'd')
			return false;
	}
	return true;
}

/* Not by cJSON_Compare: duplicate members differ from themselves there. */
static bool same_text(const cJSON *a, const cJSON *b)
{
	char *x = cJSON_PrintUnformatted(a);
	char *y = cJSON_PrintUnformatted(b);
	bool same;

	MUST(x && y);
	same = !strcmp(x, y);
	cJSON_free(x);
	cJSON_free(y);
	return same;
}

static void must_mean_the_same(const struct sl_facts *facts, const char *body, size_t len)
{
	const char *end;
	cJSON *all = cJSON_ParseWithLengthOpts(body, len, &end, false);

	MUST(all && cJSON_IsObject(all));
	MUST(facts->object_empty == (all->child == NULL));
	for (int f = 0; f < SL_F_COUNT; f++) {
		const struct sl_member *m = &facts->member[f];
		cJSON *want = cJSON_GetObjectItemCaseSensitive(all, sl_field_key((enum sl_field)f));
		cJSON *have;

		MUST((want != NULL) == sl_facts_has(facts, (enum sl_field)f));
		if (!want)
			continue;
		MUST(m->key_off < m->value_off && m->value_off < m->value_end &&
		     m->value_end < len);
		have = cJSON_ParseWithLength(body + m->value_off, m->value_end - m->value_off);
		MUST(have && same_text(have, want));
		cJSON_Delete(have);
	}
	cJSON_Delete(all);
}

static void must_splice(struct result *before, struct result *after, enum sl_api api,
                        const char *body)
{
	struct sl_splice s;
	char *out;
	size_t len;

	sl_splice_init(&s, &before->facts, body);
	for (int f = 0; f < SL_F_COUNT; f++)
		if (sl_field_private((enum sl_field)f))
			sl_splice_remove(&s, (enum sl_field)f);
	sl_splice_set(&s, SL_F_STREAM_OPTIONS, SL_SPAN("{\"include_usage\":true}"));
	len = sl_splice_len(&s);
	out = malloc(len);
	MUST(out && sl_splice_write(&s, out) == len);
	scan_whole(after, api, out, len);
	MUST(after->err == 0 && after->facts.include_usage);
	MUST(after->facts.prompt_bytes == before->facts.prompt_bytes);
	MUST(after->facts.n_blocks == before->facts.n_blocks);
	for (int f = 0; f < SL_F_COUNT; f++) {
		const struct sl_member *a = &before->facts.member[f];
		const struct sl_member *b = &after->facts.member[f];

		if (f == SL_F_STREAM_OPTIONS)
			continue;
		if (sl_field_private((enum sl_field)f)) {
			MUST(b->value_end == 0);
			continue;
		}
		MUST(a->value_end - a->value_off == b->value_end - b->value_off);
		MUST(!memcmp(body + a->value_off, out + b->value_off, a->value_end - a->value_off));
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const loops[] = { "scalar", "sse2", "avx2", "neon" };
	static struct result whole, other;
	enum sl_api api;
	char *body;

	if (len < 2)
		return 0;
	if (!whole.scan) {
		whole.scan = sl_scan_new();
		other.scan = sl_scan_new();
	}
	api = (enum sl_api)(data[0] & 3);
	len -= 2;
	body = malloc(len ? len : 1);
	MUST(body);
	memcpy(body, data + 2, len);

	scan_whole(&whole, api, body, len);
	scan_cut(&other, api, body, len, data[1]);
	must_equal(&whole, &other);
	for (size_t i = 0; i < SL_COUNT(loops); i++) {
		if (!sl_scan_simd_use(loops[i]))
			continue;
		scan_whole(&other, api, body, len);
		must_equal(&whole, &other);
	}
	if (!whole.err && cjson_can_judge(body, len))
		must_mean_the_same(&whole.facts, body, len);
	if (!whole.err)
		must_splice(&whole, &other, api, body);
	free(body);
	return 0;
}
