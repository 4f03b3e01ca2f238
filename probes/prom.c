/* prom.c: Prometheus text exposition (version 0.0.4, and what OpenMetrics adds
 * to a sample line: a trailing exemplar), read as it arrives.
 *
 * Nouns: a line ends with LF, a CR before it is dropped; a sample is a line
 * whose name somebody wants. A page of an engine is mostly histograms nobody
 * wants. Where the wanted names are known beforehand, a line's first eight bytes
 * are looked up in a small table, and a line that none of them begins costs that
 * and the search for its LF.
 *
 * Invariants: lines that lie in one piece are read in place; only a line cut by
 * the end of a piece is copied. One line of at most LINE_MAX_BYTES is held; a
 * longer one is skipped to its end and counted. Spans given to the callback
 * die when it returns. It refuses to judge what it does not look at: a
 * malformed line with an unwanted name passes unnoticed. Types, help texts and
 * timestamps are ignored. */
#include "sluice/probe.h"

#include <ctype.h>
#include <locale.h>
#include <stdlib.h>

#define LINE_MAX_BYTES 65536
#define UNWANTED_MAX 128
#define NUMBER_MAX 63 /* prometheus_client writes at most 24 */
#define BEGIN_BITS 9  /* of the table of beginnings */

/* A set of the first bytes of names, all alike long; it may say yes to others. */
struct beginnings {
	uint64_t mask; /* of those bytes; 0: every line counts */
	uint64_t bits[(1u << BEGIN_BITS) / 64];
};

struct sl_prom {
	sl_prom_want_fn want;
	sl_prom_fn fn;
	void *ctx; /* borrowed, for both */
	locale_t c_locale;
	uint64_t bad_lines;
	bool skipping; /* inside a line that is too long */
	struct beginnings expected;
	char unwanted[UNWANTED_MAX]; /* the last name that was not wanted */
	size_t n_unwanted;
	char *partial; /* owned; the begin of a line whose LF has not come */
	size_t n_partial, partial_size;
	char *unescaped; /* owned; label values of the present line */
	size_t unescaped_size;
};

/* What is left of a line. */
struct cursor {
	const char *at, *end;
};

static void grow(char **buf, size_t *size, size_t needed)
{
	size_t bigger = *size ? *size : 512;

	if (needed <= *size)
		return;
	while (bigger < needed)
		bigger *= 2;
	*buf = realloc(*buf, bigger);
	if (!*buf)
		abort(); /* never asked for more than LINE_MAX_BYTES */
	*size = bigger;
}

struct sl_prom *sl_prom_new(sl_prom_want_fn want, sl_prom_fn fn, void *ctx)
{
	struct sl_prom *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->want = want;
	p->fn = fn;
	p->ctx = ctx;
	/* A decimal point is a point, whatever locale the process is in. */
	p->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!p->c_locale)
		abort();
	return p;
}

void sl_prom_free(struct sl_prom *p)
{
	if (!p)
		return;
	freelocale(p->c_locale);
	free(p->partial);
	free(p->unescaped);
	free(p);
}

void sl_prom_reset(struct sl_prom *p)
{
	p->bad_lines = 0;
	p->skipping = false;
	p->n_partial = 0;
	p->n_unwanted = 0;
}

uint64_t sl_prom_bad_lines(const struct sl_prom *p)
{
	return p->bad_lines;
}

struct sl_span sl_prom_label_value(const struct sl_prom_sample *sample, struct sl_span name)
{
	for (uint32_t i = 0; i < sample->n_labels; i++)
		if (sl_span_eq(sample->labels[i].name, name))
			return sample->labels[i].value;
	return sl_span(NULL, 0);
}

/* ---- beginnings ------------------------------------------------------ */

static unsigned begin_slot(const struct beginnings *b, uint64_t first)
{
	return (unsigned)(((first & b->mask) * 0x9e3779b97f4a7c15u) >> (64 - BEGIN_BITS));
}

void sl_prom_expect(struct sl_prom *p, const struct sl_span *names, size_t n)
{
	struct beginnings *b = &p->expected;
	uint64_t first = 0;
	size_t least = sizeof(first);

	*b = (struct beginnings){ 0 };
	for (size_t i = 0; i < n; i++)
		least = names[i].len < least ? names[i].len : least;
	memset(&b->mask, 0xff, n ? least : 0);
	for (size_t i = 0; i < n; i++) {
		memcpy(&first, names[i].ptr, least);
		b->bits[begin_slot(b, first) / 64] |= UINT64_C(1) << begin_slot(b, first) % 64;
	}
}

/* False only if the line is no sample of an expected name. */
static bool may_be_expected(const struct beginnings *b, const char *line, size_t len)
{
	uint64_t first;

	if (!b->mask || len < sizeof(first))
		return true;
	memcpy(&first, line, sizeof(first));
	return (b->bits[begin_slot(b, first) / 64] >> begin_slot(b, first) % 64 & 1) ||
	       *line == ' ' || *line == '\t';
}

/* ---- one line -------------------------------------------------------- */

static void skip_blanks(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
}

static bool take(struct cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

/* Up to a blank, a brace or the end. */
static struct sl_span take_name(struct cursor *c)
{
	const char *start = c->at;

	while (c->at < c->end && *c->at != '{' && *c->at != ' ' && *c->at != '\t')
		c->at++;
	return sl_span(start, (size_t)(c->at - start));
}

static struct sl_span take_label_name(struct cursor *c)
{
	const char *start = c->at;

	while (c->at < c->end && (isalnum((unsigned char)*c->at) || *c->at == '_'))
		c->at++;
	return sl_span(start, (size_t)(c->at - start));
}

/* Resolves \\ \" and \n; any other pair stays as it is. out has room for the
 * raw value, which the result never exceeds. */
static size_t unescape(char *out, const char *raw, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char next = i + 1 < len ? raw[i + 1] : '\0';

		if (raw[i] != '\\' || (next != '\\' && next != '"' && next != 'n')) {
			out[n++] = raw[i];
			continue;
		}
		out[n++] = next == 'n' ? '\n' : next;
		i++;
	}
	return n;
}

/* The value after an opening quote, and the closing one. Escaped values of a
 * line lie behind each other in p->unescaped, of which *used is taken. */
static bool take_label_value(struct sl_prom *p, struct cursor *c, size_t *used,
                             struct sl_span *out_value)
{
	const char *start = c->at;
	bool escaped = false;
	size_t len;

	while (c->at < c->end && *c->at != '"') {
		if (*c->at == '\\') {
			escaped = true;
			c->at++;
			if (c->at == c->end)
				return false;
		}
		c->at++;
	}
	if (c->at == c->end)
		return false;
	len = (size_t)(c->at - start);
	c->at++;
	*out_value = sl_span(start, len);
	if (escaped) {
		len = unescape(p->unescaped + *used, start, len);
		*out_value = sl_span(p->unescaped + *used, len);
		*used += len;
	}
	return true;
}

/* After the opening brace, up to and with the closing one. */
static bool take_labels(struct sl_prom *p, struct cursor *c, struct sl_prom_label *labels,
                        uint32_t *out_n)
{
	uint32_t n = 0;
	size_t used = 0;

	/* Before the first value, so that none moves afterwards. */
	grow(&p->unescaped, &p->unescaped_size, (size_t)(c->end - c->at));
	for (;;) {
		struct sl_prom_label label;

		skip_blanks(c);
		if (take(c, '}'))
			break; /* also after a last comma */
		label.name = take_label_name(c);
		skip_blanks(c);
		if (!label.name.len || !take(c, '='))
			return false;
		skip_blanks(c);
		if (!take(c, '"') || !take_label_value(p, c, &used, &label.value))
			return false;
		if (n < SL_PROM_MAX_LABELS)
			labels[n++] = label;
		skip_blanks(c);
		if (take(c, '}'))
			break;
		if (!take(c, ','))
			return false;
	}
	*out_n = n;
	return true;
}

/* strtod takes more than the format has: hexadecimal, nan(chars), blanks. */
static bool number_shape_ok(struct sl_span text)
{
	static const struct sl_span words[] = {
		{ "nan", 3 },      { "inf", 3 },       { "+inf", 4 },      { "-inf", 4 },
		{ "infinity", 8 }, { "+infinity", 9 }, { "-infinity", 9 },
	};

	for (size_t i = 0; i < SL_COUNT(words); i++)
		if (sl_span_ieq(text, words[i]))
			return true;
	for (size_t i = 0; i < text.len; i++)
		if (!memchr("0123456789+-.eE", text.ptr[i], 15))
			return false;
	return text.len > 0;
}

static bool take_number(const struct sl_prom *p, struct cursor *c, double *out_value)
{
	struct sl_span text = take_name(c);
	char copy[NUMBER_MAX + 1];
	double value;
	char *end;

	if (text.len > NUMBER_MAX || !number_shape_ok(text))
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	value = strtod_l(copy, &end, p->c_locale);
	if (end != copy + text.len)
		return false;
	*out_value = value;
	return true;
}

static bool tail_ok(struct cursor *c)
{
	skip_blanks(c);
	while (c->at < c->end && (isdigit((unsigned char)*c->at) || memchr("+-.eE", *c->at, 5)))
		c->at++; /* a timestamp */
	skip_blanks(c);
	return c->at == c->end || *c->at == '#'; /* an exemplar */
}

static bool read_sample(struct sl_prom *p, struct cursor *c, struct sl_span family)
{
	struct sl_prom_label labels[SL_PROM_MAX_LABELS];
	struct sl_prom_sample sample = { .family = family, .labels = labels };

	skip_blanks(c);
	if (take(c, '{') && !take_labels(p, c, labels, &sample.n_labels))
		return false;
	skip_blanks(c);
	if (!take_number(p, c, &sample.value) || !tail_ok(c))
		return false;
	p->fn(p->ctx, &sample);
	return true;
}

/* A histogram is dozens of lines of one name: it is judged once. */
static bool again_unwanted(const struct sl_prom *p, const struct cursor *c)
{
	size_t n = p->n_unwanted;

	return n && (size_t)(c->end - c->at) > n && memcmp(c->at, p->unwanted, n) == 0 &&
	       (c->at[n] == '{' || c->at[n] == ' ');
}

static bool wanted(struct sl_prom *p, struct sl_span family)
{
	if (p->want(p->ctx, family))
		return true;
	p->n_unwanted = family.len <= UNWANTED_MAX ? family.len : 0;
	memcpy(p->unwanted, family.ptr, p->n_unwanted);
	return false;
}

static void read_line(struct sl_prom *p, const char *line, size_t len)
{
	struct cursor c = { line, line + len };
	struct sl_span family;

	if (len && line[len - 1] == '\r')
		c.end--;
	skip_blanks(&c);
	if (c.at == c.end || *c.at == '#' || again_unwanted(p, &c))
		return;
	family = take_name(&c);
	if (wanted(p, family) && !read_sample(p, &c, family))
		p->bad_lines++;
}

/* ---- pieces ---------------------------------------------------------- */

static void too_long(struct sl_prom *p)
{
	p->bad_lines++;
	p->skipping = true;
	p->n_partial = 0;
}

static void keep_partial(struct sl_prom *p, const char *data, size_t len)
{
	if (p->skipping)
		return;
	if (len > LINE_MAX_BYTES - p->n_partial) {
		too_long(p);
		return;
	}
	grow(&p->partial, &p->partial_size, p->n_partial + len);
	memcpy(p->partial + p->n_partial, data, len);
	p->n_partial += len;
}

/* The line's LF has come; its last bytes are data[0..len). */
static void end_line(struct sl_prom *p, const char *data, size_t len)
{
	if (!p->n_partial && !p->skipping && len <= LINE_MAX_BYTES) {
		if (may_be_expected(&p->expected, data, len))
			read_line(p, data, len);
		return;
	}
	keep_partial(p, data, len);
	if (!p->skipping)
		read_line(p, p->partial, p->n_partial);
	p->skipping = false;
	p->n_partial = 0;
}

void sl_prom_feed(struct sl_prom *p, const char *data, size_t len)
{
	const char *end = data + len;

	while (data < end) {
		const char *lf = memchr(data, '\n', (size_t)(end - data));

		if (!lf) {
			keep_partial(p, data, (size_t)(end - data));
			return;
		}
		end_line(p, data, (size_t)(lf - data));
		data = lf + 1;
	}
}

void sl_prom_finish(struct sl_prom *p)
{
	end_line(p, "", 0);
}
