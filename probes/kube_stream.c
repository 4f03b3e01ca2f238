/* kube_stream.c: cuts an answer of an API server into its objects.
 *
 * A list of 5,000 pods is 100 MB and more, so it is never held: braces are
 * counted outside strings, and one object at a time is gathered and handed on.
 * Large arrays and objects that nobody here reads are emptied on the way.
 * Whether an object is right inside is not seen here but when it is parsed. */
#include <stdlib.h>

#include "sluice/kube.h"

#define WORD_MAX 24
#define KEPT_BYTES (64u * 1024u) /* of the buffer between two answers */

struct sl_kube_stream {
	enum sl_kube_shape shape;
	sl_kube_part_fn fn;
	void *ctx;
	/* where in the document */
	uint32_t depth;
	bool in_string, escaped;
	bool in_items; /* a list's array of them is open */
	bool is_key;   /* `word` names the value that comes now */
	bool bad, done;
	char word[WORD_MAX]; /* the last string's beginning */
	size_t word_len;     /* WORD_MAX: it is longer */
	/* the part that is gathered */
	enum sl_kube_part part;
	uint32_t part_depth; /* of its braces; 0: none */
	uint32_t drop_depth; /* of the brackets whose content is left out; 0: none */
	bool too_large;
	char *buf; /* owned */
	size_t len, size;
	uint64_t skipped;
};

/* Keys whose array or object says nothing of engines, wherever it is. A label
 * or an annotation of that name is a string and stays. */
static const char *const unread[] = {
	"managedFields",   "env",
	"envFrom",         "volumes",
	"volumeMounts",    "tolerations",
	"affinity",        "livenessProbe",
	"startupProbe",    "readinessProbe",
	"securityContext", "ownerReferences",
};

struct sl_kube_stream *sl_kube_stream_new(sl_kube_part_fn fn, void *ctx)
{
	struct sl_kube_stream *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->fn = fn;
	s->ctx = ctx;
	s->shape = SL_KUBE_OBJECTS;
	return s;
}

void sl_kube_stream_free(struct sl_kube_stream *s)
{
	if (!s)
		return;
	free(s->buf);
	free(s);
}

void sl_kube_stream_reset(struct sl_kube_stream *s, enum sl_kube_shape shape)
{
	struct sl_kube_stream fresh = {
		.shape = shape, .fn = s->fn, .ctx = s->ctx, .skipped = s->skipped
	};

	if (s->size > KEPT_BYTES) {
		free(s->buf);
	} else {
		fresh.buf = s->buf;
		fresh.size = s->size;
	}
	*s = fresh;
}

uint64_t sl_kube_stream_skipped(const struct sl_kube_stream *s)
{
	return s->skipped;
}

int sl_kube_stream_finish(const struct sl_kube_stream *s)
{
	bool whole = s->depth == 0 && (s->shape == SL_KUBE_OBJECTS || s->done);

	return s->bad || !whole ? SL_E_BAD_JSON : 0;
}

/* ---- gathering ------------------------------------------------------- */

static void save(struct sl_kube_stream *s, const char *data, size_t len)
{
	if (s->too_large || s->len + len > SL_KUBE_OBJECT_MAX) {
		s->too_large = true;
		return;
	}
	if (s->len + len > s->size) {
		size_t size = s->size ? s->size : 8192;

		while (size < s->len + len)
			size *= 2;
		s->buf = realloc(s->buf, size);
		if (!s->buf)
			abort(); /* bounded above */
		s->size = size;
	}
	memcpy(s->buf + s->len, data, len);
	s->len += len;
}

static void part_open(struct sl_kube_stream *s, enum sl_kube_part part)
{
	s->part = part;
	s->part_depth = s->depth;
	s->len = 0;
	s->too_large = false;
}

static void part_close(struct sl_kube_stream *s)
{
	s->part_depth = 0;
	if (s->too_large)
		s->skipped++;
	else
		s->fn(s->ctx, s->part, sl_span(s->buf, s->len));
}

/* ---- structure ------------------------------------------------------- */

static bool key_is(const struct sl_kube_stream *s, const char *name)
{
	return s->is_key && s->word_len < WORD_MAX &&
	       sl_span_eq(sl_span(s->word, s->word_len), sl_span_str(name));
}

static bool is_unread(const struct sl_kube_stream *s)
{
	for (size_t i = 0; s->is_key && i < SL_COUNT(unread); i++)
		if (key_is(s, unread[i]))
			return true;
	return false;
}

/* Does the bracket that was just opened begin a part? */
static void look_for_part(struct sl_kube_stream *s, char c)
{
	if (s->shape == SL_KUBE_OBJECTS) {
		if (s->depth == 1 && c == '{')
			part_open(s, SL_KUBE_PART_OBJECT);
	} else if (s->depth == 3 && s->in_items && c == '{') {
		part_open(s, SL_KUBE_PART_OBJECT);
	} else if (s->depth == 2 && c == '{' && key_is(s, "metadata")) {
		part_open(s, SL_KUBE_PART_METADATA);
	} else if (s->depth == 2 && c == '[' && key_is(s, "items")) {
		s->in_items = true;
	}
}

/* A bracket at `at`. *from: the first byte that is not saved yet, or NULL
 * while nothing is gathered. */
static void open_bracket(struct sl_kube_stream *s, const char *at, const char **from)
{
	s->depth++;
	if (!s->part_depth) {
		look_for_part(s, *at);
		if (s->part_depth)
			*from = at;
	} else if (!s->drop_depth && is_unread(s)) {
		s->drop_depth = s->depth;
		save(s, *from, (size_t)(at + 1 - *from));
		*from = NULL;
	}
	s->is_key = false;
}

static void close_bracket(struct sl_kube_stream *s, const char *at, const char **from)
{
	if (!s->depth) {
		s->bad = true;
		return;
	}
	if (s->drop_depth == s->depth) {
		s->drop_depth = 0;
		*from = at;
	}
	if (s->part_depth == s->depth) {
		save(s, *from, (size_t)(at + 1 - *from));
		*from = NULL;
		part_close(s);
	}
	if (s->depth == 2)
		s->in_items = false;
	s->depth--;
	s->is_key = false;
	if (!s->depth)
		s->done = s->shape == SL_KUBE_LIST;
}

/* Up to the end of the string or of the data; the end of what was read. */
static const char *string_rest(struct sl_kube_stream *s, const char *at, const char *end)
{
	while (at < end) {
		char c = *at++;

		if (s->escaped) {
			s->escaped = false;
		} else if (c == '\\') {
			s->escaped = true;
		} else if (c == '"') {
			s->in_string = false;
			return at;
		}
		if (s->word_len < WORD_MAX)
			s->word[s->word_len++] = c;
	}
	return at;
}

/* Outside any object only blanks and a beginning may stand. */
static bool may_stand(const struct sl_kube_stream *s, char c)
{
	if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return true;
	return s->depth || (c == '{' && !s->done);
}

static void read_mark(struct sl_kube_stream *s, const char *at, const char **from)
{
	switch (*at) {
	case '"':
		s->in_string = true;
		s->word_len = 0;
		s->is_key = false;
		break;
	case ':':
		s->is_key = true;
		break;
	case ',':
		s->is_key = false;
		break;
	case '{':
	case '[':
		open_bracket(s, at, from);
		break;
	case '}':
	case ']':
		close_bracket(s, at, from);
		break;
	default:
		break;
	}
}

void sl_kube_stream_feed(struct sl_kube_stream *s, const char *data, size_t len)
{
	const char *at = data, *end = data + len;
	const char *from = s->part_depth && !s->drop_depth ? data : NULL;

	while (at < end && !s->bad) {
		if (s->in_string) {
			at = string_rest(s, at, end);
			continue;
		}
		if (!may_stand(s, *at)) {
			s->bad = true;
			break;
		}
		read_mark(s, at, &from);
		at++;
	}
	if (from && !s->bad && from < end)
		save(s, from, (size_t)(end - from));
}
