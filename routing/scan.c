/* scan.c: the grammar of a JSON body, one byte range after the other.
 *
 * A step is what may come next (enum state). It takes bytes from p and
 * returns where it stopped, with the step that goes on from there in
 * scan->state, or NULL after scan_fail. All that lives between two calls is
 * in struct sl_scan, and only as offsets, so a range may end anywhere and the
 * body may move.
 *
 * Refused, beyond RFC 8259's own rules: a top-level value that is no object,
 * nesting deeper than SL_SCAN_MAX_DEPTH, a byte order mark. */
#include <assert.h>
#include <stdlib.h>

#include "routing/scan_state.h"
#include "routing/simd.h"

enum state {
	AT_START,
	AT_FIRST_MEMBER, /* a key or '}' */
	AT_KEY,
	IN_KEY,
	AT_COLON,
	AT_FIRST_ITEM, /* a value or ']' */
	AT_VALUE,
	IN_STRING,
	IN_NUMBER,
	IN_LITERAL,
	AT_NEXT, /* ',' or the container's end */
	AT_END,  /* white space only */
	CONCLUDED,
};

const char *scan_fail(struct sl_scan *scan, const char *p, int err)
{
	scan->err = err;
	scan->err_off = (uint32_t)(p - scan->body);
	return NULL;
}

static inline uint32_t offset(const struct sl_scan *scan, const char *p)
{
	return (uint32_t)(p - scan->body);
}

static const char *pass_space(const char *p, const char *end)
{
	while (p < end && scan_is_space(*p))
		p++;
	return p;
}

/* Passes white space, of which there is mostly none, or one blank. False, with
 * the step noted, if nothing else is there. */
static inline bool more(struct sl_scan *scan, enum state step, const char **p, const char *end)
{
	if (*p < end && (unsigned char)**p > ' ')
		return true;
	if (end - *p > 1 && **p == ' ' && (unsigned char)(*p)[1] > ' ') {
		++*p;
		return true;
	}
	*p = pass_space(*p, end);
	if (*p < end)
		return true;
	scan->state = (uint8_t)step;
	return false;
}

static inline const char *suspend(struct sl_scan *scan, enum state step, const char *p)
{
	scan->state = (uint8_t)step;
	return p;
}

/* From behind the opening quote to the closing one; as scan_string, but
 * nearly always the first walk gets there. */
static inline const char *fresh_string(struct sl_scan *scan, enum state step, const char *p,
                                       const char *end)
{
	p = simd->walk(p, end);
	if (p < end && *p == '"')
		return p;
	scan->state = (uint8_t)step;
	return scan_string(scan, p, end);
}

static bool open_container(struct sl_scan *scan, const char *p, uint8_t mark)
{
	if (scan->depth == SL_SCAN_MAX_DEPTH) {
		scan_fail(scan, p, SL_E_JSON_DEPTH);
		return false;
	}
	scan->stack[scan->depth++] = (uint8_t)(scan->meaning | mark);
	return true;
}

static void close_container(struct sl_scan *scan, const char *p)
{
	uint8_t top = scan->stack[--scan->depth];

	scan->meaning = (uint8_t)(top & ~SCAN_OBJECT);
	scan->kind = top & SCAN_OBJECT ? SL_J_OBJECT : SL_J_ARRAY;
	scan_value_end(scan, offset(scan, p + 1));
}

static void begin_body(struct sl_scan *scan, const char *p)
{
	scan->meaning = MEAN_TOP;
	scan->facts.object_off = offset(scan, p);
	scan->facts.object_empty = true;
}

static inline bool end_key(struct sl_scan *scan, const char *quote)
{
	const char *key = scan->body + scan->token_off + 1;
	size_t len = (size_t)(quote - key);

	if (scan->depth == 1)
		return scan_top_key(scan, key, len);
	scan_member_key(scan, key, len);
	return true;
}

static bool in_object(const struct sl_scan *scan)
{
	return scan->stack[scan->depth - 1] & SCAN_OBJECT;
}

/* The kind of the value that begins with this byte, or 0. */
static const uint8_t kinds[256] = {
	['"'] = SL_J_STRING, ['{'] = SL_J_OBJECT, ['['] = SL_J_ARRAY,  ['t'] = SL_J_BOOL,
	['f'] = SL_J_BOOL,   ['n'] = SL_J_NULL,   ['-'] = SL_J_NUMBER, ['0'] = SL_J_NUMBER,
	['1'] = SL_J_NUMBER, ['2'] = SL_J_NUMBER, ['3'] = SL_J_NUMBER, ['4'] = SL_J_NUMBER,
	['5'] = SL_J_NUMBER, ['6'] = SL_J_NUMBER, ['7'] = SL_J_NUMBER, ['8'] = SL_J_NUMBER,
	['9'] = SL_J_NUMBER,
};

/* lint: long because it is the grammar, a label for each step, and goes from
 * step to step without a call: as a function each, they took three times the
 * instructions of a short body. Only what suspends it stores scan->state. */
static const char *run(struct sl_scan *scan, const char *p, const char *end)
{
	bool done = false;
	uint8_t kind;

	switch ((enum state)scan->state) {
	case AT_START:
		if (!more(scan, AT_START, &p, end))
			return p;
		if (*p != '{')
			return scan_fail(scan, p, SL_E_BAD_JSON);
		begin_body(scan, p);
		/* fall through */
	case AT_VALUE:
	value:
		if (!more(scan, AT_VALUE, &p, end))
			return p;
	value_byte:
		kind = kinds[(unsigned char)*p];
		if (!kind)
			return scan_fail(scan, p, SL_E_BAD_JSON);
		if (!scan_value_begin(scan, kind, offset(scan, p)))
			return NULL;
		switch (kind) {
		case SL_J_STRING:
			p = fresh_string(scan, IN_STRING, p + 1, end);
			goto string_text;
		case SL_J_OBJECT:
			if (!open_container(scan, p++, SCAN_OBJECT))
				return NULL;
			goto first_member;
		case SL_J_ARRAY:
			if (!open_container(scan, p++, 0))
				return NULL;
			goto first_item;
		case SL_J_NUMBER:
			goto number;
		default:
			goto literal;
		}

	case AT_FIRST_MEMBER:
	first_member:
		if (!more(scan, AT_FIRST_MEMBER, &p, end))
			return p;
		if (*p == '}')
			goto close;
		/* fall through */
	case AT_KEY:
	key:
		if (!more(scan, AT_KEY, &p, end))
			return p;
		if (*p != '"')
			return scan_fail(scan, p, SL_E_BAD_JSON);
		scan->token_off = offset(scan, p);
		p = fresh_string(scan, IN_KEY, p + 1, end);
		goto key_text;
	case IN_KEY:
		p = scan_string(scan, p, end);
	key_text:
		if (!p || p == end)
			return p;
		if (!end_key(scan, p++))
			return NULL;
		/* fall through */
	case AT_COLON:
		if (!more(scan, AT_COLON, &p, end))
			return p;
		if (*p != ':')
			return scan_fail(scan, p, SL_E_BAD_JSON);
		p++;
		goto value;

	case AT_FIRST_ITEM:
	first_item:
		if (!more(scan, AT_FIRST_ITEM, &p, end))
			return p;
		if (*p == ']')
			goto close;
		scan_item(scan);
		goto value_byte;

	case IN_NUMBER:
	number:
		p = scan_number(scan, p, end, &done);
		if (!done)
			return suspend(scan, IN_NUMBER, p);
		goto value_end;
	case IN_LITERAL:
	literal:
		p = scan_literal(scan, p, end, &done);
		if (!done)
			return suspend(scan, IN_LITERAL, p);
		goto value_end;
	case IN_STRING:
		p = scan_string(scan, p, end);
	string_text:
		if (!p || p == end)
			return p;
		p++;
	value_end:
		done = false;
		scan_value_end(scan, offset(scan, p));
		/* fall through */
	case AT_NEXT:
	next:
		if (!more(scan, AT_NEXT, &p, end))
			return p;
		if (*p == ',') {
			p++;
			if (in_object(scan))
				goto key;
			scan_item(scan);
			goto value;
		}
		if (*p != (in_object(scan) ? '}' : ']'))
			return scan_fail(scan, p, SL_E_BAD_JSON);
	close:
		close_container(scan, p++);
		if (scan->depth > 0)
			goto next;
		/* fall through */
	case AT_END:
	case CONCLUDED:
		break;
	}
	return more(scan, AT_END, &p, end) ? scan_fail(scan, p, SL_E_BAD_JSON) : p;
}

int sl_scan_feed(struct sl_scan *scan, const char *body, size_t from, size_t len)
{
	assert(from == scan->len);
	if (scan->err || len == 0)
		return scan->err;
	scan->body = body;
	if (len > UINT32_MAX - from) {
		scan_fail(scan, body + from, SL_E_BODY_TOO_LARGE);
		return scan->err;
	}
	if (!run(scan, body + from, body + from + len))
		return scan->err;
	scan->len += (uint32_t)len;
	if (scan->state == IN_STRING)
		scan_string_part(scan, scan->len);
	return 0;
}

int sl_scan_finish(struct sl_scan *scan, const char *body, struct sl_facts *out_facts)
{
	scan->body = body;
	if (!scan->err && scan->state < AT_END) {
		/* not by scan_fail: an empty body may be NULL */
		scan->err = SL_E_BAD_JSON;
		scan->err_off = scan->len;
	}
	if (scan->err)
		return scan->err;
	if (scan->state != CONCLUDED)
		scan_conclude(scan);
	scan->state = CONCLUDED;
	*out_facts = scan->facts;
	return 0;
}

size_t sl_scan_offset(const struct sl_scan *scan)
{
	return scan->err_off;
}

const char *sl_scan_field(const struct sl_scan *scan)
{
	return scan->err_field ? scan->err_field : "";
}

struct sl_scan *sl_scan_new(void)
{
	struct sl_scan *scan = malloc(sizeof(*scan));

	if (!scan)
		abort();
	chain_init(&scan->chain);
	sl_scan_reset(scan, SL_API_OTHER);
	return scan;
}

void sl_scan_free(struct sl_scan *scan)
{
	if (!scan)
		return;
	chain_fini(&scan->chain);
	free(scan);
}

void sl_scan_reset(struct sl_scan *scan, enum sl_api api)
{
	memset(scan, 0, offsetof(struct sl_scan, chain));
	scan->api = (uint8_t)api;
	chain_reset(&scan->chain);
}
