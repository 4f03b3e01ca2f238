/* json_peek.c: a look at one top-level member of an engine's JSON answer.
 *
 * Not a validator: it walks objects by their brackets and strings, without
 * deep recursion, and on text that is not JSON it merely finds nothing. Never used
 * on requests, where disagreeing with the engine would matter. */
#include "gateway/http/sse.h"

struct walk {
	const char *p;
	const char *end;
};

static void skip_space(struct walk *w)
{
	while (w->p < w->end && (*w->p == ' ' || *w->p == '\n' || *w->p == '\r' || *w->p == '\t'))
		w->p++;
}

static bool take_char(struct walk *w, char c)
{
	skip_space(w);
	if (w->p == w->end || *w->p != c)
		return false;
	w->p++;
	return true;
}

/* w->p is behind the opening quote; moves behind the closing one. Each run of
 * backslashes is counted once, so this is linear. */
static bool skip_string(struct walk *w)
{
	const char *start = w->p;

	for (;;) {
		const char *quote = memchr(w->p, '"', (size_t)(w->end - w->p));
		const char *b = quote;

		if (!quote) {
			w->p = w->end;
			return false;
		}
		while (b > start && b[-1] == '\\')
			b--;
		w->p = quote + 1;
		if ((quote - b) % 2 == 0)
			return true;
	}
}

static bool skip_nested(struct walk *w)
{
	size_t depth = 0;

	while (w->p < w->end) {
		switch (*w->p++) {
		case '"':
			if (!skip_string(w))
				return false;
			break;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return true;
			break;
		default:
			break;
		}
	}
	return false;
}

static bool skip_scalar(struct walk *w)
{
	const char *start = w->p;

	while (w->p<w->end && * w->p> ' ' && *w->p != ',' && *w->p != '}' && *w->p != ']')
		w->p++;
	return w->p > start && w->p < w->end;
}

static bool skip_value(struct walk *w)
{
	skip_space(w);
	if (w->p == w->end)
		return false;
	if (*w->p == '"') {
		w->p++;
		return skip_string(w);
	}
	if (*w->p == '{' || *w->p == '[')
		return skip_nested(w);
	return skip_scalar(w);
}

/* The name of the next member of the object that w stands in, behind its '{'
 * or ','; true with w at the member's value. */
static bool next_name(struct walk *w, struct sl_span *name)
{
	const char *start;

	if (!take_char(w, '"'))
		return false;
	start = w->p;
	if (!skip_string(w))
		return false;
	*name = sl_span(start, (size_t)(w->p - start) - 1);
	if (!take_char(w, ':'))
		return false;
	skip_space(w);
	return w->p < w->end;
}

static bool next_value(struct walk *w, struct sl_span *value)
{
	const char *start = w->p;

	if (!skip_value(w))
		return false;
	*value = sl_span(start, (size_t)(w->p - start));
	return true;
}

struct sl_span sl_json_member(const char *json, size_t len, struct sl_span key)
{
	struct walk w = { json, json + len };
	struct sl_span name, value;

	if (len == 0 || !take_char(&w, '{'))
		return sl_span(NULL, 0);
	do {
		if (!next_name(&w, &name) || !next_value(&w, &value))
			break;
		if (sl_span_eq(name, key))
			return value;
	} while (take_char(&w, ','));
	return sl_span(NULL, 0);
}

/* ---- usage ---- */

void sl_usage_init(struct sl_usage *u)
{
	*u = (struct sl_usage){ -1, -1, -1 };
}

static void read_count(struct sl_span text, int64_t *count)
{
	int64_t n = 0;

	if (text.len == 0 || text.len > 18)
		return;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return;
		n = n * 10 + (text.ptr[i] - '0');
	}
	*count = n;
}

/* The count that a member of a usage object is, NULL if it is none. */
static int64_t *count_named(struct sl_usage *u, struct sl_span name)
{
	static const struct {
		struct sl_span name;
		size_t offset;
	} counts[] = {
		{ { "prompt_tokens", 13 }, offsetof(struct sl_usage, prompt_tokens) },
		{ { "completion_tokens", 17 }, offsetof(struct sl_usage, completion_tokens) },
		{ { "cached_tokens", 13 }, offsetof(struct sl_usage, cached_tokens) },
		{ { "input_tokens", 12 }, offsetof(struct sl_usage, prompt_tokens) },
		{ { "output_tokens", 13 }, offsetof(struct sl_usage, completion_tokens) },
		{ { "cache_read_input_tokens", 23 }, offsetof(struct sl_usage, cached_tokens) },
	};

	for (size_t i = 0; i < SL_COUNT(counts); i++)
		if (sl_span_eq(counts[i].name, name))
			return (int64_t *)((char *)u + counts[i].offset);
	return NULL;
}

static bool is_details(struct sl_span name)
{
	return sl_span_eq(name, SL_SPAN("prompt_tokens_details")) ||
	       sl_span_eq(name, SL_SPAN("input_tokens_details"));
}

/* Reads one usage object, or the details inside of one, which have no details
 * of their own. False if it is not complete. */
static bool read_usage(struct walk *w, bool inner, struct sl_usage *u)
{
	struct sl_span name, value;
	int64_t *count;

	if (!take_char(w, '{'))
		return false;
	if (take_char(w, '}'))
		return true;
	do {
		if (!next_name(w, &name))
			return false;
		if (!inner && *w->p == '{' && is_details(name)) {
			if (!read_usage(w, true, u))
				return false;
			continue;
		}
		if (!next_value(w, &value))
			return false;
		count = count_named(u, name);
		if (count)
			read_count(value, count);
	} while (take_char(w, ','));
	return take_char(w, '}');
}

/* The last occurrence of "usage" as a name before `end`, NULL if there is none.
 * Looks for its `g`, which is rare where answers end. */
static const char *last_usage(const char *json, const char *end)
{
	static const char key[] = "\"usage\"";
	const size_t before = 4, len = sizeof(key) - 1; /* of the g */

	while ((size_t)(end - json) >= len) {
		const char *g = memrchr(json, 'g', (size_t)(end - json));

		if (!g || (size_t)(g - json) < before)
			return NULL;
		if ((size_t)(end - g) >= len - before && memcmp(g - before, key, len) == 0)
			return g - before;
		end = g;
	}
	return NULL;
}

/* Unfinished objects of that name that an engine may make us walk. */
#define MAX_TRIES 8

/* Of the last object that is called usage, at whatever depth (the Responses
 * and Messages APIs wrap it). Its name's bytes cannot come from inside a
 * string: there the quotes would be escaped. Engines put it near the end, and
 * finding bytes from there is many times cheaper than walking every answer. */
bool sl_usage_read(const char *json, size_t len, struct sl_usage *u)
{
	const char *end = json + len;
	const char *at = end;

	for (int i = 0; i < MAX_TRIES && (at = last_usage(json, at)); i++) {
		struct walk w = { at + sizeof("\"usage\"") - 1, end };
		struct sl_usage found = *u;

		if ((at > json && at[-1] == '\\') || !take_char(&w, ':'))
			continue;
		if (read_usage(&w, false, &found)) {
			*u = found;
			return true;
		}
	}
	return false;
}
