/* sse.c: the watcher of an event stream.
 *
 * Events that are complete in the fed bytes are looked at where they lie; only
 * one that is split over reads is collected. What is found must not depend on
 * where the reads happened to split the stream. The JSON of an event is walked
 * only when a word that matters occurs in it. */
#include "gateway/http/sse.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <stdlib.h>

void sl_sse_init(struct sl_sse *s)
{
	*s = (struct sl_sse){ .part = NULL };
	sl_usage_init(&s->usage);
}

static void drop_part(struct sl_sse *s)
{
	free(s->part);
	s->part = NULL;
	s->part_len = 0;
	s->part_cap = 0;
}

void sl_sse_fini(struct sl_sse *s)
{
	drop_part(s);
}

/* ---- one event ---- */

static const char *find_line_end(const char *p, const char *end, bool any_cr)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));
	const char *cr = NULL;

	if (any_cr)
		cr = memchr(p, '\r', (size_t)((lf ? lf : end) - p));
	return cr ? cr : lf;
}

static bool next_line(const char **p, const char *end, struct sl_span *out_line)
{
	const char *stop;

	if (*p == end)
		return false;
	stop = find_line_end(*p, end, true);
	if (!stop)
		stop = end;
	*out_line = sl_span(*p, (size_t)(stop - *p));
	if (stop < end)
		stop += stop[0] == '\r' && stop + 1 < end && stop[1] == '\n' ? 2 : 1;
	*p = stop;
	return true;
}

static bool is_data_line(struct sl_span line, struct sl_span *out_value)
{
	if (line.len < 5 || memcmp(line.ptr, "data:", 5) != 0)
		return false;
	*out_value = sl_span(line.ptr + 5, line.len - 5);
	if (out_value->len && out_value->ptr[0] == ' ')
		*out_value = sl_span(out_value->ptr + 1, out_value->len - 1);
	return true;
}

/* The event's data: in place when it is one line, as every engine sends it; else
 * joined in *out_joined, which the caller frees. */
static struct sl_span event_data(const char *event, size_t len, char **out_joined)
{
	const char *p = event, *end = event + len;
	struct sl_span data = { event, 0 }, line, value;
	bool any = false;

	while (next_line(&p, end, &line)) {
		if (!is_data_line(line, &value))
			continue;
		if (!any) {
			data = value;
			any = true;
			continue;
		}
		if (!*out_joined) {
			*out_joined = malloc(len);
			if (!*out_joined)
				abort();
			memcpy(*out_joined, data.ptr, data.len);
			data.ptr = *out_joined;
		}
		(*out_joined)[data.len++] = '\n';
		memcpy(*out_joined + data.len, value.ptr, value.len);
		data.len += value.len;
	}
	return data;
}

enum word { WORD_USAGE = 1, WORD_ERROR = 2 };

static unsigned word_at(const char *p, size_t left)
{
	if (left < 7)
		return 0;
	if (memcmp(p, "\"usage\"", 7) == 0)
		return WORD_USAGE;
	return memcmp(p, "\"error\"", 7) == 0 ? WORD_ERROR : 0;
}

/* Which of the words occur, quoted. Every event of every stream comes through
 * here: both are looked for at once, sixteen bytes at a time where possible (two
 * memmem cost ten times as much). */
static unsigned find_words(struct sl_span data)
{
	unsigned found = 0;
	size_t i = 0;

#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i u = _mm_set1_epi8('u'), e = _mm_set1_epi8('e');

	for (; i + 17 <= data.len; i += 16) {
		__m128i here = _mm_loadu_si128((const __m128i *)(const void *)(data.ptr + i));
		__m128i next = _mm_loadu_si128((const __m128i *)(const void *)(data.ptr + i + 1));
		__m128i second = _mm_or_si128(_mm_cmpeq_epi8(next, u), _mm_cmpeq_epi8(next, e));
		__m128i both = _mm_and_si128(_mm_cmpeq_epi8(here, quote), second);
		unsigned hits = (unsigned)_mm_movemask_epi8(both);

		for (; hits; hits &= hits - 1) {
			size_t at = i + (unsigned)__builtin_ctz(hits);

			found |= word_at(data.ptr + at, data.len - at);
		}
	}
#endif
	for (; i < data.len; i++)
		if (data.ptr[i] == '"')
			found |= word_at(data.ptr + i, data.len - i);
	return found;
}

static void note_error(struct sl_sse *s, struct sl_span data)
{
	struct sl_span error = sl_json_member(data.ptr, data.len, SL_SPAN("error"));

	/* an object, or the plain text that some servers send; null is no error */
	if (error.len == 0 || (error.ptr[0] != '{' && error.ptr[0] != '"') || s->error)
		return;
	s->error = true;
	s->first_is_error = s->events == 1;
}

static void look_at_data(struct sl_sse *s, struct sl_span data)
{
	unsigned words;

	if (data.len == 0)
		return;
	s->events++;
	if (sl_span_eq(data, SL_SPAN("[DONE]"))) {
		s->done = true;
		return;
	}
	words = find_words(data);
	if (words & WORD_USAGE)
		sl_usage_read(data.ptr, data.len, &s->usage);
	if (words & WORD_ERROR)
		note_error(s, data);
}

static void look_at_event(struct sl_sse *s, const char *event, size_t len)
{
	char *joined = NULL;

	look_at_data(s, event_data(event, len, &joined));
	free(joined);
}

/* ---- the stream ---- */

/* Adds to the partial event; gives it up when it is too long. */
static void collect(struct sl_sse *s, const char *data, size_t len)
{
	if (len == 0 || s->skipping)
		return;
	if (len > SL_SSE_MAX_EVENT - s->part_len) {
		s->skipping = true;
		s->skipped++;
		drop_part(s);
		return;
	}
	if (s->part_cap - s->part_len < len) {
		size_t cap = s->part_cap ? s->part_cap : 512;

		while (cap < s->part_len + len)
			cap *= 2;
		s->part = realloc(s->part, cap);
		if (!s->part)
			abort();
		s->part_cap = cap;
	}
	memcpy(s->part + s->part_len, data, len);
	s->part_len += len;
}

static void end_event(struct sl_sse *s, const char *data, size_t len)
{
	if (!sl_sse_partial(s) && len <= SL_SSE_MAX_EVENT) {
		look_at_event(s, data, len);
		return;
	}
	collect(s, data, len);
	if (s->skipping)
		s->events++;
	else
		look_at_event(s, s->part, s->part_len);
	s->skipping = false;
	drop_part(s);
}

bool sl_sse_partial(const struct sl_sse *s)
{
	return s->part_len > 0 || s->skipping;
}

size_t sl_sse_feed(struct sl_sse *s, const char *data, size_t len)
{
	const char *p = data, *end = data + len;
	const char *begin = data; /* of the current block */
	bool any_cr;

	if (len == 0)
		return 0;
	any_cr = memchr(data, '\r', len) != NULL;
	if (s->after_cr && *p == '\n') {
		p++;
		if (!sl_sse_partial(s))
			begin = p;
	}
	s->after_cr = false;
	while (p < end) {
		const char *stop = find_line_end(p, end, any_cr);
		bool empty = stop == p && !s->mid_line;

		s->mid_line = !stop;
		if (!stop)
			break;
		p = stop + 1;
		if (*stop == '\r' && p == end)
			s->after_cr = true;
		else if (*stop == '\r' && *p == '\n')
			p++;
		if (empty) {
			end_event(s, begin, (size_t)(p - begin));
			begin = p;
		}
	}
	collect(s, begin, (size_t)(end - begin));
	return (size_t)(begin - data);
}
