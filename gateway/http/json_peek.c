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

struct sl_span sl_json_member(const char *json, size_t len, struct sl_span key)
{
	struct walk w = { json, json };

	if (len == 0)
		return sl_span(NULL, 0);
	w.end += len;
	if (!take_char(&w, '{'))
		return sl_span(NULL, 0);
	do {
		const char *name, *value;
		size_t name_len;

		if (!take_char(&w, '"'))
			break;
		name = w.p;
		if (!skip_string(&w))
			break;
		name_len = (size_t)(w.p - name) - 1;
		if (!take_char(&w, ':'))
			break;
		skip_space(&w);
		value = w.p;
		if (!skip_value(&w))
			break;
		if (sl_span_eq(sl_span(name, name_len), key))
			return sl_span(value, (size_t)(w.p - value));
	} while (take_char(&w, ','));
	return sl_span(NULL, 0);
}

void sl_usage_init(struct sl_usage *u)
{
	*u = (struct sl_usage){ -1, -1, -1 };
}

static void read_count(struct sl_span object, struct sl_span key, int64_t *count)
{
	struct sl_span text = sl_json_member(object.ptr, object.len, key);
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

static struct sl_span member_object(struct sl_span object, struct sl_span key)
{
	struct sl_span text = sl_json_member(object.ptr, object.len, key);

	return text.len && text.ptr[0] == '{' ? text : sl_span(NULL, 0);
}

static struct sl_span find_usage(struct sl_span json)
{
	static const struct sl_span wrappers[] = { { "response", 8 }, { "message", 7 } };
	struct sl_span usage = member_object(json, SL_SPAN("usage"));

	for (size_t i = 0; usage.len == 0 && i < SL_COUNT(wrappers); i++) {
		struct sl_span inner = member_object(json, wrappers[i]);

		usage = member_object(inner, SL_SPAN("usage"));
	}
	return usage;
}

bool sl_usage_read(const char *json, size_t len, struct sl_usage *u)
{
	static const struct {
		struct sl_span prompt, completion, details;
	} dialects[] = {
		{ { "prompt_tokens", 13 },
		  { "completion_tokens", 17 },
		  { "prompt_tokens_details", 21 } },
		{ { "input_tokens", 12 }, { "output_tokens", 13 }, { "input_tokens_details", 20 } },
	};
	struct sl_span usage = find_usage(sl_span(json, len));

	if (usage.len == 0)
		return false;
	for (size_t i = 0; i < SL_COUNT(dialects); i++) {
		struct sl_span details = member_object(usage, dialects[i].details);

		read_count(usage, dialects[i].prompt, &u->prompt_tokens);
		read_count(usage, dialects[i].completion, &u->completion_tokens);
		read_count(details, SL_SPAN("cached_tokens"), &u->cached_tokens);
	}
	read_count(usage, SL_SPAN("cache_read_input_tokens"), &u->cached_tokens);
	return true;
}
