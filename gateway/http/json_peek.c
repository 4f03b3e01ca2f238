/* json_peek.c: a look at one top-level member of an engine's JSON answer.
 *
 * Not a validator: it walks objects by their brackets and strings, without
 * recursion, and on text that is not JSON it merely finds nothing. Never used
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

/* The next member of the object that w stands in, behind its '{' or ','. */
static bool next_member(struct walk *w, struct sl_span *name, struct sl_span *value)
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
	start = w->p;
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
		if (!next_member(&w, &name, &value))
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

/* The last object that is called usage, at whatever depth (the Responses and
 * Messages APIs wrap it). These bytes cannot come from inside a string: there
 * the quotes would be escaped. Engines put it near the end, and finding bytes
 * is many times cheaper than walking every answer. */
static struct sl_span find_usage_in(const char *json, size_t len)
{
	static const struct sl_span key = { "\"usage\"", 7 };
	const char *end = json + len;
	const char *at = json;
	struct sl_span found = sl_span(NULL, 0);

	while ((at = memmem(at, (size_t)(end - at), key.ptr, key.len))) {
		struct walk w = { at + key.len, end };
		bool escaped = at > json && at[-1] == '\\';

		at += key.len;
		if (escaped || !take_char(&w, ':'))
			continue;
		skip_space(&w);
		if (w.p < end && *w.p == '{') {
			const char *start = w.p;

			if (skip_value(&w))
				found = sl_span(start, (size_t)(w.p - start));
		}
	}
	return found;
}

/* Usually it is in the last few hundred bytes; a long answer is not searched
 * for what stands at its end. */
static struct sl_span find_usage(const char *json, size_t len)
{
	const size_t tail = 512;
	struct sl_span found = sl_span(NULL, 0);

	if (len > tail)
		found = find_usage_in(json + len - tail, tail);
	return found.len ? found : find_usage_in(json, len);
}

/* Reads the members of one usage object; `details` objects are entered. */
static void read_usage(struct sl_span object, struct sl_usage *u)
{
	const struct {
		struct sl_span name;
		int64_t *count; /* NULL: an object to enter */
	} members[] = {
		{ SL_SPAN("prompt_tokens"), &u->prompt_tokens },
		{ SL_SPAN("input_tokens"), &u->prompt_tokens },
		{ SL_SPAN("completion_tokens"), &u->completion_tokens },
		{ SL_SPAN("output_tokens"), &u->completion_tokens },
		{ SL_SPAN("cached_tokens"), &u->cached_tokens },
		{ SL_SPAN("cache_read_input_tokens"), &u->cached_tokens },
		{ SL_SPAN("prompt_tokens_details"), NULL },
		{ SL_SPAN("input_tokens_details"), NULL },
	};
	struct walk w = { object.ptr, object.ptr + object.len };
	struct sl_span name, value;

	if (!take_char(&w, '{'))
		return;
	do {
		if (!next_member(&w, &name, &value))
			return;
		for (size_t i = 0; i < SL_COUNT(members); i++) {
			if (!sl_span_eq(members[i].name, name))
				continue;
			if (members[i].count)
				read_count(value, members[i].count);
			else if (value.ptr[0] == '{' && value.len < object.len)
				read_usage(value, u);
		}
	} while (take_char(&w, ','));
}

bool sl_usage_read(const char *json, size_t len, struct sl_usage *u)
{
	struct sl_span usage = find_usage(json, len);

	if (usage.len == 0)
		return false;
	read_usage(usage, u);
	return true;
}
