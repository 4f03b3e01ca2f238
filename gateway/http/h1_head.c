/* h1_head.c: request and response heads of HTTP/1.1.
 *
 * Two steps: find the empty line that ends the head, at the speed of memchr and
 * resumable, then parse the lines once. A line's end is CRLF and nothing else;
 * whoever takes a lone LF for one can be made to disagree with the next server
 * about where a message ends. Nothing is allocated, nothing is copied: spans
 * point into the caller's buffer.
 *
 * A first line that is already wrong is refused when it is complete, without
 * waiting for the rest: its sender (HTTP/0.9, TLS on a plain port) may never
 * send one. */
#include "gateway/http/h1.h"

#include "gateway/http/field.h"

#define MAX_EMPTY_LINES 2
#define MAX_METHOD 32
#define MAX_CONNECTION_OPTIONS 64

struct cursor {
	const char *p;
	const char *end;
};

static struct sl_span span_to(const char *from, const char *to)
{
	return sl_span(from, (size_t)(to - from));
}

static bool take(struct cursor *c, const char *text, size_t len)
{
	if ((size_t)(c->end - c->p) < len || memcmp(c->p, text, len) != 0)
		return false;
	c->p += len;
	return true;
}

/* The bytes up to `stop`, which is passed over; false if there is none. */
static bool take_until(struct cursor *c, char stop, struct sl_span *out_text)
{
	const char *at = memchr(c->p, stop, (size_t)(c->end - c->p));

	if (!at)
		return false;
	*out_text = span_to(c->p, at);
	c->p = at + 1;
	return true;
}

/* "HTTP/1.x" as 10 or 11; a higher minor version is 1.1 (RFC 9110 §2.5). */
static int parse_version(struct cursor *c)
{
	const char *digits;

	if (!take(c, "HTTP/", 5) || c->end - c->p < 3)
		return SL_E_BAD_HTTP;
	digits = c->p;
	c->p += 3;
	if (digits[0] < '0' || digits[0] > '9' || digits[1] != '.' || digits[2] < '0' ||
	    digits[2] > '9')
		return SL_E_BAD_HTTP;
	if (digits[0] != '1')
		return SL_E_HTTP_VERSION;
	return digits[2] == '0' ? 10 : 11;
}

/* ---- request line ---- */

static bool strip_scheme(struct sl_span *target, struct sl_span *out_default_port)
{
	static const struct {
		struct sl_span scheme, port;
	} schemes[] = { { { "http://", 7 }, { ":80", 3 } }, { { "https://", 8 }, { ":443", 4 } } };

	for (size_t i = 0; i < SL_COUNT(schemes); i++) {
		size_t n = schemes[i].scheme.len;

		if (target->len < n || !sl_span_ieq(sl_span(target->ptr, n), schemes[i].scheme))
			continue;
		*target = sl_span(target->ptr + n, target->len - n);
		*out_default_port = schemes[i].port;
		return true;
	}
	return false;
}

struct request_line {
	struct sl_span method, path;
	struct sl_span authority;    /* of an absolute target, else empty */
	struct sl_span default_port; /* of its scheme */
	int version;
};

static int parse_absolute(struct sl_span target, struct request_line *line)
{
	const char *end = target.ptr + target.len;
	const char *p;

	if (!strip_scheme(&target, &line->default_port))
		return SL_E_BAD_HTTP;
	p = target.ptr;
	while (p < end && *p != '/' && *p != '?')
		p++;
	line->authority = span_to(target.ptr, p);
	if (!http_authority_ok(line->authority))
		return SL_E_BAD_HTTP;
	/* "http://host?query" would need a path written in front of the query */
	if (p < end && *p == '?')
		return SL_E_BAD_HTTP;
	line->path = p < end ? span_to(p, end) : SL_SPAN("/");
	return 0;
}

static int parse_target(struct sl_span target, const struct sl_head_limits *limits,
                        struct request_line *line)
{
	if (target.len == 0 || !http_all(target, HTTP_TARGET))
		return SL_E_BAD_HTTP;
	if (target.len > limits->uri)
		return SL_E_URI_TOO_LONG;
	if (sl_span_eq(line->method, SL_SPAN("CONNECT")))
		return SL_E_METHOD;
	if (target.ptr[0] == '/') {
		line->path = target;
		return 0;
	}
	if (sl_span_eq(target, SL_SPAN("*")) && sl_span_eq(line->method, SL_SPAN("OPTIONS")))
		return SL_E_METHOD;
	return parse_absolute(target, line);
}

/* RFC 9112 §3. Judged by its first bytes, so that the rest need not come. */
static int refuse_long_method(const char *method)
{
	return http_all(sl_span(method, MAX_METHOD + 1), HTTP_TCHAR) ? SL_E_METHOD_UNKNOWN
	                                                             : SL_E_BAD_HTTP;
}

/* c is the line without its CRLF. */
static int parse_request_line(struct cursor c, const struct sl_head_limits *limits,
                              struct request_line *out_line)
{
	struct request_line line = { .version = 0 };
	struct sl_span target;

	if (!take_until(&c, ' ', &line.method) || line.method.len == 0)
		return SL_E_BAD_HTTP;
	if (line.method.len > MAX_METHOD)
		return refuse_long_method(line.method.ptr);
	if (!http_all(line.method, HTTP_TCHAR))
		return SL_E_BAD_HTTP;
	if (!take_until(&c, ' ', &target))
		return SL_E_BAD_HTTP;
	line.version = parse_version(&c);
	if (line.version < 0)
		return line.version;
	if (c.p != c.end)
		return SL_E_BAD_HTTP;
	int err = parse_target(target, limits, &line);

	if (err)
		return err;
	*out_line = line;
	return 0;
}

/* ---- status line ---- */

static int parse_status_line(struct cursor c, int *out_version, int *out_status)
{
	int version = parse_version(&c);
	int status = 0;

	if (version < 0 || !take(&c, " ", 1) || c.end - c.p < 3)
		return SL_E_BAD_HTTP;
	for (int i = 0; i < 3; i++, c.p++) {
		if (*c.p < '0' || *c.p > '9')
			return SL_E_BAD_HTTP;
		status = status * 10 + (*c.p - '0');
	}
	/* some servers send neither a reason nor the space before it */
	if (status < 100 || status > 599 || (c.p < c.end && *c.p != ' ') ||
	    !http_value_ok(span_to(c.p, c.end)))
		return SL_E_BAD_HTTP;
	*out_version = version;
	*out_status = status;
	return 0;
}

/* ---- fields ---- */

struct field_state {
	struct sl_span host;
	uint32_t hosts;
	uint32_t codings;     /* Transfer-Encoding fields */
	uint32_t connections; /* Connection fields */
	bool close, keep_alive;
};

/* RFC 9112 §6.1: one field, saying `chunked` and no more. What could be a proper
 * list ending in chunked is merely not implemented; all else is an attack. */
static int note_coding(struct sl_head *head, struct sl_span value)
{
	static const struct sl_span tail = { "chunked", 7 };
	struct sl_span before;

	if (sl_span_ieq(value, tail)) {
		head->chunked = true;
		return 0;
	}
	if (value.len <= tail.len ||
	    !sl_span_ieq(sl_span(value.ptr + value.len - tail.len, tail.len), tail))
		return SL_E_BAD_HTTP;
	before = http_trim(sl_span(value.ptr, value.len - tail.len));
	if (before.len < 2 || before.ptr[before.len - 1] != ',')
		return SL_E_BAD_HTTP;
	before = http_trim(sl_span(before.ptr, before.len - 1));
	if (before.len == 0 || !http_all(before, HTTP_TCHAR) || sl_span_ieq(before, tail))
		return SL_E_BAD_HTTP;
	return SL_E_TRANSFER_CODING;
}

static int note_field(struct sl_head *head, struct field_state *st, const struct sl_hfield *f)
{
	switch (f->cls) {
	case SL_FC_HOST:
		st->hosts++;
		st->host = f->value;
		return 0;
	case SL_FC_HOP:
		if (sl_span_ieq(f->name, SL_SPAN("connection")))
			st->connections++;
		return 0;
	case SL_FC_FRAMING:
		if (f->name.len == sizeof("transfer-encoding") - 1) {
			st->codings++;
			return note_coding(head, f->value);
		}
		return http_head_note(head, f);
	default:
		return http_head_note(head, f);
	}
}

static int parse_field(struct cursor line, struct sl_hfield *out_field)
{
	const char *p = line.p;
	struct sl_hfield f;

	/* also what refuses obs-fold and white space before the colon */
	while (p < line.end && http_is(*p, HTTP_TCHAR))
		p++;
	if (p == line.p || p == line.end || *p != ':')
		return SL_E_BAD_HTTP;
	f.name = span_to(line.p, p);
	f.value = http_trim(span_to(p + 1, line.end));
	if (!http_value_ok(f.value))
		return SL_E_BAD_HTTP;
	f.cls = (uint8_t)sl_field_class(f.name);
	*out_field = f;
	return 0;
}

/* A complete line at c->p without its CRLF; the caller knows that there is one. */
static int take_line(struct cursor *c, struct cursor *out_line)
{
	const char *lf = memchr(c->p, '\n', (size_t)(c->end - c->p));

	if (!lf || lf == c->p || lf[-1] != '\r')
		return SL_E_BAD_HTTP;
	*out_line = (struct cursor){ c->p, lf - 1 };
	c->p = lf + 1;
	return 0;
}

static int parse_fields(struct cursor c, const struct sl_head_limits *limits,
                        struct sl_h1_head *out, struct field_state *st)
{
	uint32_t max = limits->count < SL_MAX_HFIELDS ? limits->count : SL_MAX_HFIELDS;
	struct cursor line;
	uint32_t seen = 0, n = 0;

	for (;;) {
		int err = take_line(&c, &line);

		if (err)
			return err;
		if (line.p == line.end)
			break;
		if (++seen > max)
			return SL_E_HEADERS_TOO_LARGE;
		err = parse_field(line, &out->fields[n]);
		if (!err)
			err = note_field(&out->head, st, &out->fields[n]);
		if (err)
			return err;
		n += out->fields[n].cls != SL_FC_HOST;
	}
	out->head.fields = out->fields;
	out->head.n_fields = n;
	return 0;
}

/* ---- Connection ---- */

/* RFC 9110 §7.6.1. What has a class of its own keeps it: a sender must not name
 * what is meant for all recipients, and an engine that lost the Content-Type
 * or the Authorization would read another request than we did. */
static void mark_hop(struct sl_h1_head *h, struct sl_span name)
{
	for (uint32_t i = 0; i < h->head.n_fields; i++)
		if (h->fields[i].cls == SL_FC_PLAIN && sl_span_ieq(h->fields[i].name, name))
			h->fields[i].cls = SL_FC_HOP;
}

static int note_options(struct sl_h1_head *h, struct field_state *st, struct sl_span value,
                        uint32_t *options)
{
	while (value.len) {
		const char *comma = memchr(value.ptr, ',', value.len);
		size_t n = comma ? (size_t)(comma - value.ptr) : value.len;
		struct sl_span option = http_trim(sl_span(value.ptr, n));

		if (++*options > MAX_CONNECTION_OPTIONS)
			return SL_E_BAD_HTTP;
		if (sl_span_ieq(option, SL_SPAN("close")))
			st->close = true;
		else if (sl_span_ieq(option, SL_SPAN("keep-alive")))
			st->keep_alive = true;
		else if (option.len)
			mark_hop(h, option);
		n += comma != NULL;
		value = sl_span(value.ptr + n, value.len - n);
	}
	return 0;
}

static int note_connection(struct sl_h1_head *h, struct field_state *st)
{
	uint32_t options = 0;

	for (uint32_t i = 0; st->connections && i < h->head.n_fields; i++) {
		const struct sl_hfield *f = &h->fields[i];
		int err;

		if (!sl_span_ieq(f->name, SL_SPAN("connection")))
			continue;
		st->connections--;
		err = note_options(h, st, f->value, &options);
		if (err)
			return err;
	}
	h->head.keep_alive = !st->close && (h->head.version == 11 || st->keep_alive);
	return 0;
}

/* What fields say together, for both directions. */
static int check_framing(const struct sl_head *head, const struct field_state *st)
{
	if (st->codings == 0)
		return 0;
	if (st->codings > 1 || head->version == 10 || head->content_length >= 0)
		return SL_E_BAD_HTTP;
	return 0;
}

/* ---- Host ---- */

static struct sl_span without_port(struct sl_span authority, struct sl_span port)
{
	if (authority.len > port.len &&
	    sl_span_eq(sl_span(authority.ptr + authority.len - port.len, port.len), port))
		authority.len -= port.len;
	return authority;
}

static int settle_authority(struct sl_head *head, const struct field_state *st,
                            const struct request_line *line)
{
	if (st->hosts > 1 || (st->hosts == 0 && head->version == 11))
		return SL_E_BAD_HTTP;
	if (st->hosts && !http_authority_ok(st->host))
		return SL_E_BAD_HTTP;
	head->authority = st->host;
	if (line->authority.len == 0)
		return 0;
	if (st->hosts && !sl_span_ieq(without_port(line->authority, line->default_port),
	                              without_port(st->host, line->default_port)))
		return SL_E_BAD_HTTP;
	head->authority = line->authority;
	return 0;
}

/* ---- the end of the head ---- */

struct extent {
	size_t start; /* after empty lines */
	size_t line;  /* length of the first line, CRLF included; 0: not complete */
	size_t len;   /* of all, empty lines included; 0: not complete */
	bool line_is_new;
};

static int skip_empty_lines(const char *buf, size_t len, size_t *out_start)
{
	size_t at = 0;

	for (int i = 0; at < len && (buf[at] == '\r' || buf[at] == '\n'); i++) {
		if (i == MAX_EMPTY_LINES || buf[at] == '\n')
			return SL_E_BAD_HTTP;
		if (at + 1 == len)
			break;
		if (buf[at + 1] != '\n')
			return SL_E_BAD_HTTP;
		at += 2;
	}
	*out_start = at;
	return 0;
}

/* Looks at every LF from *resume on: each ends a line, the one of an empty line
 * ends the head. */
static int find_end(const char *buf, size_t len, size_t *resume, struct extent *x)
{
	const char *first = memchr(buf + x->start, '\n', len - x->start);
	size_t at = *resume > x->start ? *resume : x->start;

	if (!first) {
		*resume = len;
		return 0;
	}
	x->line = (size_t)(first - buf) - x->start + 1;
	x->line_is_new = (size_t)(first - buf) >= at;
	while (at < len) {
		const char *lf = memchr(buf + at, '\n', len - at);

		if (!lf)
			break;
		at = (size_t)(lf - buf) + 1;
		if (at - x->start < 2 || lf[-1] != '\r')
			return SL_E_BAD_HTTP;
		if (at - x->start >= 4 && lf[-2] == '\n') {
			x->len = at;
			break;
		}
	}
	*resume = x->len ? x->len : len;
	return 0;
}

/* An unfinished first line is judged by its length alone. */
static int check_unfinished(const char *buf, size_t len, const struct sl_head_limits *limits,
                            const struct extent *x)
{
	size_t have = len - x->start;

	if (x->line == 0 && have > MAX_METHOD && !memchr(buf + x->start, ' ', MAX_METHOD + 1))
		return refuse_long_method(buf + x->start);
	if (x->line == 0 && have > (size_t)limits->uri + MAX_METHOD + sizeof(" HTTP/1.1"))
		return SL_E_URI_TOO_LONG;
	return have > limits->bytes ? SL_E_HEADERS_TOO_LARGE : 0;
}

static struct cursor first_line(const char *buf, const struct extent *x)
{
	return (struct cursor){ buf + x->start, buf + x->start + x->line - 2 };
}

static int finish_request(const char *buf, const struct extent *x,
                          const struct sl_head_limits *limits, const struct request_line *line,
                          struct sl_h1_head *out)
{
	struct cursor rest = { buf + x->start + x->line, buf + x->len };
	struct field_state st = { .hosts = 0 };
	int err;

	http_head_init(&out->head, line->version);
	out->head.method = line->method;
	out->head.path = line->path;
	err = parse_fields(rest, limits, out, &st);
	if (!err)
		err = check_framing(&out->head, &st);
	if (!err)
		err = settle_authority(&out->head, &st, line);
	if (!err)
		err = note_connection(out, &st);
	return err;
}

int sl_h1_request(const char *buf, size_t len, size_t *resume, const struct sl_head_limits *limits,
                  struct sl_h1_head *out)
{
	struct extent x = { .start = 0 };
	struct request_line line;
	int err = skip_empty_lines(buf, len, &x.start);

	if (err || x.start == len)
		return err;
	if (!http_is(buf[x.start], HTTP_TCHAR) && buf[x.start] != '\r')
		return SL_E_BAD_HTTP;
	err = find_end(buf, len, resume, &x);
	if (err)
		return err;
	if (x.line_is_new || x.len) {
		err = parse_request_line(first_line(buf, &x), limits, &line);
		if (err)
			return err;
	}
	if (x.len == 0)
		return check_unfinished(buf, len, limits, &x);
	if (x.len - x.start > limits->bytes)
		return SL_E_HEADERS_TOO_LARGE;
	err = finish_request(buf, &x, limits, &line, out);
	return err ? err : (int)x.len;
}

static int finish_response(const char *buf, const struct extent *x,
                           const struct sl_head_limits *limits, bool head_request,
                           struct sl_h1_head *out)
{
	struct cursor rest = { buf + x->line, buf + x->len };
	struct field_state st = { .hosts = 0 };
	struct sl_h1_body body;
	int version, status, err;

	err = parse_status_line(first_line(buf, x), &version, &status);
	if (err)
		return err;
	http_head_init(&out->head, version);
	out->head.status = status;
	err = parse_fields(rest, limits, out, &st);
	if (!err)
		err = check_framing(&out->head, &st);
	if (!err)
		err = note_connection(out, &st);
	if (err)
		return err;
	sl_h1_response_body(&body, &out->head, head_request);
	out->head.until_close = body.framing == SL_H1_UNTIL_CLOSE;
	if (out->head.until_close)
		out->head.keep_alive = false;
	return 0;
}

int sl_h1_response(const char *buf, size_t len, size_t *resume, const struct sl_head_limits *limits,
                   bool head_request, struct sl_h1_head *out)
{
	static const char prefix[] = "HTTP/1.";
	struct extent x = { .start = 0 };
	size_t n = len < sizeof(prefix) - 1 ? len : sizeof(prefix) - 1;
	int err;

	if (n == 0)
		return 0;
	if (memcmp(buf, prefix, n) != 0)
		return SL_E_BAD_HTTP;
	err = find_end(buf, len, resume, &x);
	if (err)
		return err;
	if ((x.len ? x.len : len) > limits->bytes)
		return SL_E_HEADERS_TOO_LARGE;
	if (x.len == 0)
		return 0;
	err = finish_response(buf, &x, limits, head_request, out);
	return err ? err : (int)x.len;
}
