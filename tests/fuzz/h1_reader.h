/* h1_reader.h: HTTP/1.1 read a second time, by nobody who has seen the codec.
 *
 * Straight from the grammars of RFC 9112 and 9110, with the refusals that
 * h1.h promises, on whole buffers and as plainly as can be: no tables, no
 * states, no spans that are kept. It exists to disagree. */
#ifndef SLUICE_TESTS_H1_READER_H
#define SLUICE_TESTS_H1_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct reader {
	const char *p, *end;
};

/* What a head says about framing. */
struct reading {
	bool ok;
	size_t len;     /* of the head, empty lines before it included */
	int64_t length; /* -1: none */
	bool chunked;
	unsigned fields; /* without Host */
};

static inline bool reader_is_token(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

static inline bool reader_is_text(unsigned char c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

/* A line up to CRLF, which is passed over. False if there is none, or a bare
 * CR or LF before it. */
static inline bool reader_line(struct reader *r, const char **out_text, size_t *out_len)
{
	const char *p = r->p;

	while (p < r->end && *p != '\r' && *p != '\n')
		p++;
	if (r->end - p < 2 || p[0] != '\r' || p[1] != '\n')
		return false;
	*out_text = r->p;
	*out_len = (size_t)(p - r->p);
	r->p = p + 2;
	return true;
}

/* name ":" OWS value OWS; the value without its white space. */
static inline bool reader_field(const char *text, size_t len, size_t *out_name,
                                const char **out_value, size_t *out_len)
{
	size_t name = 0, from, to = len;

	while (name < len && reader_is_token((unsigned char)text[name]))
		name++;
	if (name == 0 || name == len || text[name] != ':')
		return false;
	for (from = name + 1; from < len && (text[from] == ' ' || text[from] == '\t');)
		from++;
	while (to > from && (text[to - 1] == ' ' || text[to - 1] == '\t'))
		to--;
	for (size_t i = from; i < to; i++)
		if (!reader_is_text((unsigned char)text[i]))
			return false;
	*out_name = name;
	*out_value = text + from;
	*out_len = to - from;
	return true;
}

static inline bool reader_named(const char *text, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(text, name, len) == 0;
}

static inline bool reader_number(const char *text, size_t len, int64_t *out_number)
{
	int64_t n = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || n > (INT64_MAX - (text[i] - '0')) / 10)
			return false;
		n = n * 10 + (text[i] - '0');
	}
	*out_number = n;
	return true;
}

/* The fields of a head, up to its empty line. */
static inline bool reader_fields(struct reader *r, struct reading *out)
{
	const char *line, *value;
	size_t len, name, n;
	unsigned lengths = 0, codings = 0;

	for (;;) {
		if (!reader_line(r, &line, &len))
			return false;
		if (len == 0)
			break;
		if (!reader_field(line, len, &name, &value, &n))
			return false;
		out->fields += !reader_named(line, name, "host");
		if (reader_named(line, name, "content-length")) {
			lengths++;
			if (!reader_number(value, n, &out->length))
				return false;
		}
		if (reader_named(line, name, "transfer-encoding")) {
			codings++;
			out->chunked = true;
			if (!reader_named(value, n, "chunked"))
				return false;
		}
	}
	return lengths + codings <= 1;
}

/* Of a request (line: method SP target SP HTTP-version) or of an answer, only
 * what decides where it ends: the codec may refuse more, but not read it
 * another way. */
static inline struct reading reader_head(bool request, const char *buf, size_t len)
{
	struct reader r = { buf, buf + len };
	struct reading out = { .length = -1 };
	const char *line;
	size_t n = 0;
	bool is_10;

	for (int i = 0; i < 3 && n == 0; i++)
		if (!reader_line(&r, &line, &n) || (n == 0 && !request))
			return out;
	if (n < 12 || memchr(line, '\0', n))
		return out;
	if (request &&
	    (strncmp(line + n - 9, " HTTP/1.", 8) != 0 || line[n - 1] < '0' || line[n - 1] > '9'))
		return out;
	if (!request && strncmp(line, "HTTP/1.", 7) != 0)
		return out;
	is_10 = request ? line[n - 1] == '0' : line[7] == '0';
	if (!reader_fields(&r, &out) || (is_10 && out.chunked))
		return out;
	out.ok = true;
	out.len = (size_t)(r.p - buf);
	return out;
}

/* ---- chunks ---------------------------------------------------------- */

struct unchunked {
	enum { READER_BAD, READER_MORE, READER_DONE } verdict;
	size_t used, n; /* of all, of content */
	uint64_t sum;
};

static inline size_t reader_blanks(const char *text, size_t at, size_t len)
{
	while (at < len && (text[at] == ' ' || text[at] == '\t'))
		at++;
	return at;
}

static inline size_t reader_token(const char *text, size_t at, size_t len)
{
	while (at < len && reader_is_token((unsigned char)text[at]))
		at++;
	return at;
}

/* quoted-string from its opening quote; the place behind it, or 0. */
static inline size_t reader_quoted(const char *text, size_t at, size_t len)
{
	for (at++; at < len && text[at] != '"'; at++) {
		if (text[at] == '\\' && ++at == len)
			return 0;
		if (!reader_is_text((unsigned char)text[at]))
			return 0;
	}
	return at < len ? at + 1 : 0;
}

/* *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) */
static inline bool reader_extensions(const char *text, size_t at, size_t len)
{
	while (at < len) {
		size_t name, value;

		at = reader_blanks(text, at, len);
		if (at == len || text[at] != ';')
			return false;
		name = reader_blanks(text, at + 1, len);
		at = reader_token(text, name, len);
		if (at == name)
			return false;
		value = reader_blanks(text, at, len);
		if (value == len || text[value] != '=')
			continue;
		value = reader_blanks(text, value + 1, len);
		if (value < len && text[value] == '"')
			at = reader_quoted(text, value, len);
		else
			at = reader_token(text, value, len);
		if (at <= value)
			return false;
	}
	return true;
}

/* 1*16HEXDIG up to 2^63-1 and extensions. */
static inline bool reader_size(const char *text, size_t len, uint64_t *out_size)
{
	uint64_t size = 0;
	size_t at = 0;

	for (; at < len && text[at] && strchr("0123456789abcdefABCDEF", text[at]); at++) {
		char c = text[at];

		if (at == 16 || size >> 59)
			return false;
		size = size * 16 + (uint64_t)(c <= '9' ? c - '0' : (c & 15) + 9);
	}
	*out_size = size;
	return at > 0 && reader_extensions(text, at, len);
}

static inline bool reader_trailers(struct reader *r)
{
	const char *line, *value;
	size_t len, name, n;

	while (reader_line(r, &line, &len)) {
		if (len == 0)
			return true;
		if (!reader_field(line, len, &name, &value, &n))
			return false;
	}
	return false;
}

/* READER_MORE only where the buffer ends inside a chunk's content: everywhere
 * else what is missing is not told from what is wrong. */
static inline struct unchunked reader_chunks(const char *buf, size_t len)
{
	struct reader r = { buf, buf + len };
	struct unchunked out = { .verdict = READER_BAD };

	for (;;) {
		const char *line;
		size_t n;
		uint64_t size;

		if (!reader_line(&r, &line, &n) || !reader_size(line, n, &size))
			return out;
		if (size == 0)
			break;
		for (; size && r.p < r.end; size--, out.n++)
			out.sum = out.sum * 31 + (unsigned char)*r.p++;
		if (size) {
			out.verdict = READER_MORE;
			return out;
		}
		if (r.end - r.p < 2 || r.p[0] != '\r' || r.p[1] != '\n')
			return out;
		r.p += 2;
	}
	if (reader_trailers(&r)) {
		out.verdict = READER_DONE;
		out.used = (size_t)(r.p - buf);
	}
	return out;
}

#endif
