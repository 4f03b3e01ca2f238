/* selector.c: see selector.h. The grammar and the messages are those of
 * k8s.io/apimachinery's label selectors; where it takes nonsense ("a in ()"
 * is a set of one empty value), so does this. */
#include "bench/kube/selector.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum token {
	END,
	WORD,
	BANG,
	COMMA,
	OPEN,
	CLOSE,
	EQUAL,
	DOUBLE_EQUAL,
	NOT_EQUAL,
	LESS,
	GREATER,
	IN,
	NOT_IN,
};

struct reader {
	struct sl_kapi_selector *s;
	const char *at;
	enum token token;
	char word[SL_KAPI_WRONG_BYTES / 2]; /* the token's text */
	char *wrong;
};

static const char operators[] = "in, notin, =, ==, !=, gt, lt";

/* ---- tokens ---------------------------------------------------------- */

static bool is_special(char c)
{
	return c && strchr("!=(),<>", c);
}

static enum token special(const struct reader *r)
{
	static const struct {
		const char *text;
		enum token token;
	} table[] = {
		{ "==", DOUBLE_EQUAL }, { "!=", NOT_EQUAL }, { "=", EQUAL },
		{ "!", BANG },          { ",", COMMA },      { "(", OPEN },
		{ ")", CLOSE },         { "<", LESS },       { ">", GREATER },
	};

	for (size_t i = 0; i < SL_COUNT(table); i++)
		if (!strncmp(r->at, table[i].text, strlen(table[i].text)))
			return table[i].token;
	return END;
}

/* Puts the next token into the reader. keys: in and notin are words. */
static void advance(struct reader *r, bool keys)
{
	size_t n = 0;

	while (isspace((unsigned char)*r->at))
		r->at++;
	if (!*r->at) {
		r->token = END;
	} else if (is_special(*r->at)) {
		r->token = special(r);
		n = r->token == DOUBLE_EQUAL || r->token == NOT_EQUAL ? 2 : 1;
	} else {
		while (r->at[n] && !is_special(r->at[n]) && !isspace((unsigned char)r->at[n]))
			n++;
		r->token = WORD;
	}
	snprintf(r->word, sizeof(r->word), "%.*s", (int)n, r->at);
	if (r->token == WORD && !keys)
		r->token = !strcmp(r->word, "in") ? IN : !strcmp(r->word, "notin") ? NOT_IN : WORD;
	r->at += n;
}

/* ---- complaints ------------------------------------------------------ */

static bool complain(const struct reader *r, const char *before, const char *expected)
{
	snprintf(r->wrong, SL_KAPI_WRONG_BYTES, "%sfound '%s'%s", before, r->word, expected);
	return false;
}

static bool complain_term(const struct reader *r, const char *expected)
{
	return complain(r, "unable to parse requirement: ", expected);
}

static bool is_name(const char *text, size_t n)
{
	if (!n || n > 63 || !isalnum((unsigned char)text[0]) ||
	    !isalnum((unsigned char)text[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
			return false;
	return true;
}

static bool check_key(const struct reader *r)
{
	const char *slash = strchr(r->word, '/'), *name = slash ? slash + 1 : r->word;

	if (is_name(name, strlen(name)))
		return true;
	snprintf(r->wrong, SL_KAPI_WRONG_BYTES,
	         "unable to parse requirement: <nil>: Invalid value: \"%.64s\": name part must "
	         "consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
	         "an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
	         "used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
	         r->word);
	return false;
}

static bool check_value(const struct reader *r, const char *key, unsigned number, const char *value)
{
	if (!*value || is_name(value, strlen(value)))
		return true;
	snprintf(r->wrong, SL_KAPI_WRONG_BYTES,
	         "unable to parse requirement: values[%u][%.40s]: Invalid value: \"%.64s\": a "
	         "valid label must be an empty string or consist of alphanumeric characters, '-', "
	         "'_' or '.', and must start and end with an alphanumeric character (e.g. "
	         "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
	         "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
	         number, key, value);
	return false;
}

/* ---- terms ----------------------------------------------------------- */

static bool too_long(const struct reader *r)
{
	snprintf(r->wrong, SL_KAPI_WRONG_BYTES, "the stand-in takes no selector of this length");
	return false;
}

static const char *keep(struct reader *r, const char *word)
{
	struct sl_kapi_selector *s = r->s;
	size_t n = strlen(word) + 1;
	char *kept = s->text + s->used;

	if (sizeof(s->text) - s->used < n)
		return NULL;
	memcpy(kept, word, n);
	s->used += n;
	return kept;
}

static bool add_value(struct reader *r, struct sl_kapi_term *term, const char *word)
{
	const char *kept = keep(r, word);

	if (!kept || r->s->n_values == SL_KAPI_MAX_VALUES)
		return too_long(r);
	r->s->values[r->s->n_values++] = kept;
	term->n_values++;
	return true;
}

/* What is between the brackets; the reader is at "(". */
static bool read_set(struct reader *r, struct sl_kapi_term *term)
{
	bool word = false; /* one was read since the last comma */

	if (r->token != OPEN)
		return complain_term(r, " expected: '('");
	for (;;) {
		advance(r, true);
		if (r->token == WORD && !word) {
			word = true;
			if (!add_value(r, term, r->word))
				return false;
		} else if (r->token == COMMA || r->token == CLOSE) {
			if (!word && !add_value(r, term, ""))
				return false;
			word = false;
			if (r->token == CLOSE)
				return true;
		} else {
			return complain_term(r, term->n_values
			                                ? ", expected: ',' or ')'"
			                                : ", expected: ',', ')' or identifier");
		}
	}
}

static bool check_values(const struct reader *r, const struct sl_kapi_term *term)
{
	for (unsigned i = 0; i < term->n_values; i++) {
		const char *value = r->s->values[term->first_value + i];
		char *end;

		if (term->op != SL_KAPI_OP_GREATER && term->op != SL_KAPI_OP_LESS) {
			if (!check_value(r, term->key, i, value))
				return false;
			continue;
		}
		(void)strtoll(value, &end, 10);
		if (*end || end == value) {
			snprintf(r->wrong, SL_KAPI_WRONG_BYTES,
			         "unable to parse requirement: values[0]: Invalid value: "
			         "\"%.64s\": for 'Gt', 'Lt' operators, the value must be an "
			         "integer",
			         value);
			return false;
		}
	}
	return true;
}

static bool take_operator(const struct reader *r, struct sl_kapi_term *term)
{
	static const int8_t ops[] = {
		[EQUAL] = SL_KAPI_OP_IN + 1,        [DOUBLE_EQUAL] = SL_KAPI_OP_IN + 1,
		[IN] = SL_KAPI_OP_IN + 1,           [NOT_EQUAL] = SL_KAPI_OP_NOT_IN + 1,
		[NOT_IN] = SL_KAPI_OP_NOT_IN + 1,   [LESS] = SL_KAPI_OP_LESS + 1,
		[GREATER] = SL_KAPI_OP_GREATER + 1,
	};
	char expected[64];

	if (ops[r->token]) {
		term->op = (enum sl_kapi_op)(ops[r->token] - 1);
		return true;
	}
	snprintf(expected, sizeof(expected), ", expected: %s", operators);
	return complain_term(r, expected);
}

/* The operator and its values; the reader is at the operator. Leaves it
 * behind them. */
static bool read_values(struct reader *r, struct sl_kapi_term *term)
{
	bool set = r->token == IN || r->token == NOT_IN;
	bool ok;

	if (!take_operator(r, term))
		return false;
	advance(r, true);
	if (set) {
		ok = read_set(r, term);
		advance(r, true);
	} else if (r->token == END || r->token == COMMA) {
		ok = add_value(r, term, "");
	} else if (r->token == WORD) {
		ok = add_value(r, term, r->word);
		advance(r, true);
	} else {
		return complain_term(r, ", expected: identifier");
	}
	return ok && check_values(r, term);
}

/* The reader is at a word or at "!"; afterwards behind the term. */
static bool read_term(struct reader *r)
{
	struct sl_kapi_term *term = &r->s->terms[r->s->n];
	bool not = r->token == BANG;

	if (r->s->n == SL_KAPI_MAX_TERMS)
		return too_long(r);
	if (not )
		advance(r, true);
	if (r->token != WORD)
		return complain_term(r, ", expected: identifier");
	if (!check_key(r))
		return false;
	*term = (struct sl_kapi_term){
		.op = not ? SL_KAPI_OP_NOT_EXISTS : SL_KAPI_OP_EXISTS,
		.key = keep(r, r->word),
		.first_value = (uint16_t)r->s->n_values,
	};
	if (!term->key)
		return too_long(r);
	advance(r, false);
	r->s->n++;
	return not || r->token == END || r->token == COMMA || read_values(r, term);
}

bool sl_kapi_selector_labels(struct sl_kapi_selector *s, const char *text,
                             char out_wrong[SL_KAPI_WRONG_BYTES])
{
	struct reader r = { .s = s, .at = text, .wrong = out_wrong };

	advance(&r, true);
	while (r.token != END) {
		if (r.token != WORD && r.token != BANG)
			return complain(&r, "", ", expected: !, identifier, or 'end of string'");
		if (!read_term(&r))
			return false;
		if (r.token == END)
			break;
		if (r.token != COMMA)
			return complain(&r, "", ", expected: ',' or 'end of string'");
		advance(&r, true);
		if (r.token != WORD && r.token != BANG)
			return complain(&r, "", ", expected: identifier after ','");
	}
	return true;
}

/* ---- matching -------------------------------------------------------- */

static bool has_value(const struct sl_kapi_selector *s, const struct sl_kapi_term *term,
                      const char *value)
{
	for (unsigned i = 0; i < term->n_values; i++)
		if (!strcmp(s->values[term->first_value + i], value))
			return true;
	return false;
}

static bool compares(const struct sl_kapi_selector *s, const struct sl_kapi_term *term,
                     const char *value)
{
	long long bound = strtoll(s->values[term->first_value], NULL, 10), number;
	char *end;

	number = strtoll(value, &end, 10);
	if (*end || end == value)
		return false;
	return term->op == SL_KAPI_OP_GREATER ? number > bound : number < bound;
}

static bool term_matches(const struct sl_kapi_selector *s, const struct sl_kapi_term *term,
                         const char *value)
{
	switch (term->op) {
	case SL_KAPI_OP_IN:
		return value && has_value(s, term, value);
	case SL_KAPI_OP_NOT_IN:
		return !value || !has_value(s, term, value);
	case SL_KAPI_OP_EXISTS:
		return value;
	case SL_KAPI_OP_NOT_EXISTS:
		return !value;
	case SL_KAPI_OP_GREATER:
	case SL_KAPI_OP_LESS:
		return value && compares(s, term, value);
	}
	return false;
}

bool sl_kapi_selector_match(const struct sl_kapi_selector *s, const struct sl_kapi_version *v)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (!term_matches(s, &s->terms[i], sl_kapi_version_label(v, s->terms[i].key)))
			return false;
	return true;
}

/* ---- fields ---------------------------------------------------------- */

static bool knows_field(const struct sl_kapi_resource *resource, const char *field)
{
	if (!strcmp(field, "metadata.name") || !strcmp(field, "metadata.namespace"))
		return true;
	for (size_t i = 0; i < SL_COUNT(resource->fields) && resource->fields[i]; i++)
		if (!strcmp(resource->fields[i], field))
			return true;
	return false;
}

/* One term of the list, in a buffer of its own. */
static bool read_field(struct reader *r, const struct sl_kapi_resource *resource, const char *whole,
                       char *text)
{
	struct sl_kapi_term *term = &r->s->terms[r->s->n];
	char *op = strpbrk(text, "!=");
	bool not = op && *op == '!';

	if (!op || (not &&op[1] != '=')) {
		snprintf(r->wrong, SL_KAPI_WRONG_BYTES,
		         "invalid selector: '%.100s'; can't understand '%.100s'", whole, text);
		return false;
	}
	*op++ = 0;
	op += *op == '=';
	if (!knows_field(resource, text)) {
		snprintf(r->wrong, SL_KAPI_WRONG_BYTES, "%s%.100s%s", resource->no_field[0], text,
		         resource->no_field[1]);
		return false;
	}
	if (r->s->n == SL_KAPI_MAX_TERMS)
		return too_long(r);
	*term = (struct sl_kapi_term){
		.op = not ? SL_KAPI_OP_NOT_IN : SL_KAPI_OP_IN,
		.key = keep(r, text),
		.first_value = (uint16_t)r->s->n_values,
	};
	if (!term->key)
		return too_long(r);
	r->s->n++;
	return add_value(r, term, op);
}

bool sl_kapi_selector_fields(struct sl_kapi_selector *s, const struct sl_kapi_resource *resource,
                             const char *text, char out_wrong[SL_KAPI_WRONG_BYTES])
{
	struct reader r = { .s = s, .wrong = out_wrong };
	char term[256];

	for (const char *at = text; *at;) {
		size_t n = strcspn(at, ",");

		if (n >= sizeof(term))
			return too_long(&r);
		memcpy(term, at, n);
		term[n] = 0;
		if (n && !read_field(&r, resource, text, term))
			return false;
		at += n + (at[n] == ',');
	}
	return true;
}

bool sl_kapi_selector_match_fields(const struct sl_kapi_selector *s,
                                   const struct sl_kapi_version *v)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct sl_kapi_term *term = &s->terms[i];
		char ns[254];

		snprintf(ns, sizeof(ns), "%.*s", (int)v->ns_len, v->key);
		if (!term_matches(s, term,
		                  strcmp(term->key, "metadata.namespace") != 0
		                          ? sl_kapi_version_field(v, term->key)
		                          : ns))
			return false;
	}
	return true;
}
