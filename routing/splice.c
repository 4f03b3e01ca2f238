/* splice.c: edits of a JSON object as cuts and insertions in its text.
 *
 * Removing a member takes out its key, its value, what is between them, and
 * one comma: the one behind it, or, for members after which no member stays,
 * the one before it. So for `{A, B, C}` without B and C the cuts are `, B` and
 * `, C`; without A and B they are `A,` and `B,`; of all three there remains
 * what white space stood outside. Which comma it is depends on the other
 * removals; therefore sl_splice_remove only notes the member, and the cuts are
 * made when the result is measured or written. */
#include <assert.h>

#include "routing/scan_state.h"

#define CUTS (SL_F_COUNT + SL_SPLICE_MAX)

/* What is really done, in the order of the body. */
struct cuts {
	struct sl_edit cut[CUTS];
	uint32_t n;
	bool nothing_left; /* no member of the original stays */
};

void sl_splice_init(struct sl_splice *s, const struct sl_facts *facts, const char *body)
{
	memset(s, 0, offsetof(struct sl_splice, edit));
	s->facts = facts;
	s->body = body;
}

static struct sl_span field_key(enum sl_field f)
{
	return sl_span_str(sl_field_key(f));
}

static void drop_edit(struct sl_splice *s, uint32_t off)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->edit[i].off == off) {
			s->edit[i] = s->edit[--s->n];
			return;
		}
}

static void drop_insert(struct sl_splice *s, struct sl_span key)
{
	for (uint32_t i = 0; i < s->n_insert; i++)
		if (sl_span_eq(s->insert[i].key, key)) {
			s->n_insert--;
			memmove(&s->insert[i], &s->insert[i + 1],
			        (s->n_insert - i) * sizeof(s->insert[0]));
			return;
		}
}

void sl_splice_remove(struct sl_splice *s, enum sl_field f)
{
	drop_insert(s, field_key(f));
	if (!sl_facts_has(s->facts, f))
		return;
	drop_edit(s, s->facts->member[f].value_off);
	s->removed[f] = true;
}

void sl_splice_set(struct sl_splice *s, enum sl_field f, struct sl_span json)
{
	const struct sl_member *m = &s->facts->member[f];

	if (sl_facts_has(s->facts, f)) {
		drop_edit(s, m->value_off);
		assert(s->n < SL_SPLICE_MAX);
		s->edit[s->n++] = (struct sl_edit){ m->value_off, m->value_end, json };
		s->removed[f] = false;
		return;
	}
	drop_insert(s, field_key(f));
	assert(s->n_insert < SL_COUNT(s->insert));
	s->insert[s->n_insert].key = field_key(f);
	s->insert[s->n_insert].value = json;
	s->n_insert++;
}

/* ---- from notes to cuts -------------------------------------------------- */

/* The first byte from off on that is no white space. The scanner has seen the
 * object's end, so there is one; the same holds backwards for its start. */
static uint32_t forward(const char *body, uint32_t off)
{
	while (scan_is_space(body[off]))
		off++;
	return off;
}

static uint32_t backward(const char *body, uint32_t off)
{
	while (scan_is_space(body[off]))
		off--;
	return off;
}

/* Keeps the list in the order of the body. Each piece is short: a request has
 * few edits, and they are noted in any order. */
static void add_cut(struct cuts *cuts, struct sl_edit cut)
{
	uint32_t i = cuts->n++;

	assert(i < CUTS);
	for (; i > 0 && cuts->cut[i - 1].off > cut.off; i--)
		cuts->cut[i] = cuts->cut[i - 1];
	cuts->cut[i] = cut;
}

/* Gives each member in the list, still from key to value, its comma. Going
 * backwards, a member ends the object if no comma follows it, or only members
 * that end the object do. */
static void take_commas(struct cuts *cuts, const char *body)
{
	uint32_t next = 0; /* where the member behind begins, if it ends the object */
	bool ends;

	for (uint32_t i = cuts->n; i-- > 0;) {
		struct sl_edit *cut = &cuts->cut[i];
		uint32_t before = backward(body, cut->off - 1);
		uint32_t behind = forward(body, cut->end);
		uint32_t key = cut->off;

		ends = body[behind] == '}' || (next && forward(body, behind + 1) == next);
		next = ends ? key : 0;
		if (!ends)
			cut->end = behind + 1;
		else if (body[before] == ',')
			cut->off = before;
		cuts->nothing_left = ends && body[before] == '{';
	}
}

static void make_cuts(const struct sl_splice *s, struct cuts *cuts)
{
	cuts->n = 0;
	cuts->nothing_left = s->facts->object_empty;
	for (int f = 0; f < SL_F_COUNT; f++) {
		const struct sl_member *m = &s->facts->member[f];

		if (s->removed[f])
			add_cut(cuts, (struct sl_edit){ m->key_off, m->value_end, { "", 0 } });
	}
	take_commas(cuts, s->body);
	for (uint32_t i = 0; i < s->n; i++)
		add_cut(cuts, s->edit[i]);
}

/* ---- the result ---------------------------------------------------------- */

/* Copies unless out is NULL, and returns where the next piece goes. */
static size_t put(char *out, size_t at, const char *bytes, size_t len)
{
	if (out && len)
		memcpy(out + at, bytes, len);
	return at + len;
}

static size_t put_inserts(const struct sl_splice *s, bool nothing_left, char *out, size_t at)
{
	for (uint32_t i = 0; i < s->n_insert; i++) {
		at = put(out, at, "\"", 1);
		at = put(out, at, s->insert[i].key.ptr, s->insert[i].key.len);
		at = put(out, at, "\":", 2);
		at = put(out, at, s->insert[i].value.ptr, s->insert[i].value.len);
		if (i + 1 < s->n_insert || !nothing_left)
			at = put(out, at, ",", 1);
	}
	return at;
}

static size_t compose(const struct sl_splice *s, char *out)
{
	uint32_t from = s->facts->object_off + 1;
	struct cuts cuts;
	size_t at;

	make_cuts(s, &cuts);
	at = put(out, 0, s->body, from);
	at = put_inserts(s, cuts.nothing_left, out, at);
	for (uint32_t i = 0; i < cuts.n; i++) {
		const struct sl_edit *cut = &cuts.cut[i];

		at = put(out, at, s->body + from, cut->off - from);
		at = put(out, at, cut->with.ptr, cut->with.len);
		from = cut->end;
	}
	return put(out, at, s->body + from, s->facts->body_len - from);
}

size_t sl_splice_len(const struct sl_splice *s)
{
	return compose(s, NULL);
}

size_t sl_splice_write(const struct sl_splice *s, char *out)
{
	return compose(s, out);
}
