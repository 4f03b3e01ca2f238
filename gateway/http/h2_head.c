/* h2_head.c: puts the fields of a received header block together to a head.
 *
 * nghttp2 has checked the grammar (names, values, order and presence of
 * pseudo-header fields, connection-specific fields); here are the limits, and
 * what only a gateway cares about: the target, the authority, cookies. Limits
 * count what was decoded, because a byte on the wire can name a 4 KiB field. */
#include <assert.h>
#include <stdlib.h>

#include "gateway/http/h2_session.h"

#define FIRST_CHUNK ((size_t)2048)
#define FIRST_FIELDS 32u
#define FIELD_OVERHEAD 32u /* RFC 9113 §6.5.2 */
#define FAR_PAST 4u        /* times the limit: no longer worth a polite answer */

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static char *take_bytes(struct h2_builder *b, size_t n)
{
	struct h2_chunk *c = b->chunks;
	char *at;

	if (!c || c->cap - c->used < n) {
		size_t cap = n > FIRST_CHUNK ? n : FIRST_CHUNK;

		c = must(malloc(sizeof(*c) + cap));
		*c = (struct h2_chunk){ .next = b->chunks, .cap = cap };
		b->chunks = c;
	}
	at = c->bytes + c->used;
	c->used += n;
	return at;
}

static struct sl_span keep(struct h2_builder *b, struct sl_span text)
{
	char *copy;

	if (text.len == 0)
		return SL_SPAN("");
	copy = take_bytes(b, text.len);
	memcpy(copy, text.ptr, text.len);
	return sl_span(copy, text.len);
}

/* Keeps the memory of an ordinary head for the next one. */
void h2_builder_reset(struct h2_builder *b)
{
	struct h2_chunk *c = b->chunks;

	while (c && (c->next || c->cap > FIRST_CHUNK)) {
		struct h2_chunk *next = c->next;

		free(c);
		c = next;
	}
	if (c)
		c->used = 0;
	if (b->cap > FIRST_FIELDS) {
		free(b->fields);
		b->fields = NULL;
		b->cap = 0;
	}
	*b = (struct h2_builder){ .chunks = c, .fields = b->fields, .cap = b->cap };
	http_head_init(&b->head, 20);
	b->head.keep_alive = true;
}

void h2_builder_fini(struct h2_builder *b)
{
	h2_builder_reset(b);
	free(b->chunks);
	free(b->fields);
}

static void push_field(struct h2_builder *b, const struct sl_hfield *field)
{
	if (b->head.n_fields == b->cap) {
		b->cap = b->cap ? b->cap * 2 : FIRST_FIELDS;
		b->fields = must(realloc(b->fields, b->cap * sizeof(*b->fields)));
	}
	b->fields[b->head.n_fields++] = *field;
}

static void add_pseudo(struct h2_builder *b, const struct sl_head_limits *limits,
                       struct sl_span name, struct sl_span value)
{
	if (sl_span_eq(name, SL_SPAN(":method"))) {
		b->head.method = keep(b, value);
	} else if (sl_span_eq(name, SL_SPAN(":path"))) {
		if (value.len > limits->uri)
			b->err = SL_E_URI_TOO_LONG;
		else
			b->head.path = keep(b, value);
	} else if (sl_span_eq(name, SL_SPAN(":authority"))) {
		b->head.authority = keep(b, value);
		b->has_authority = true;
	} else if (sl_span_eq(name, SL_SPAN(":status"))) {
		/* three digits: nghttp2 has checked */
		for (size_t i = 0; i < value.len && i < 3; i++)
			b->head.status = b->head.status * 10 + (value.ptr[i] - '0');
	} else if (sl_span_eq(name, SL_SPAN(":protocol"))) {
		b->err = SL_E_METHOD;
	}
}

static void add_regular(struct h2_builder *b, struct sl_span name, struct sl_span value)
{
	struct sl_hfield f = { .cls = (uint8_t)sl_field_class(name) };

	if (f.cls == SL_FC_HOST) {
		b->host = keep(b, value);
		return;
	}
	f.name = keep(b, name);
	f.value = keep(b, http_trim(value));
	b->cookies += sl_span_eq(name, SL_SPAN("cookie"));
	b->err = http_head_note(&b->head, &f);
	push_field(b, &f);
}

bool h2_builder_add(struct h2_builder *b, const struct sl_head_limits *limits, struct sl_span name,
                    struct sl_span value)
{
	uint32_t max = limits->count < SL_MAX_HFIELDS ? limits->count : SL_MAX_HFIELDS;
	bool pseudo = name.len && name.ptr[0] == ':';

	b->bytes += name.len + value.len + FIELD_OVERHEAD;
	b->seen += !pseudo;
	if (b->bytes > (uint64_t)limits->bytes * FAR_PAST || b->seen / FAR_PAST > max)
		return false;
	if (b->bytes > limits->bytes || b->seen > max)
		b->err = SL_E_HEADERS_TOO_LARGE;
	if (b->err)
		return true;
	if (pseudo)
		add_pseudo(b, limits, name, value);
	else
		add_regular(b, name, value);
	return true;
}

/* RFC 9113 §8.2.3: crumbs become one field before HTTP/1.1 sees them. */
static void join_cookies(struct h2_builder *b)
{
	struct sl_hfield joined = { .name = SL_SPAN("cookie"), .cls = SL_FC_PLAIN };
	size_t total = 0, n = 0;
	uint32_t kept = 0;
	char *at;

	for (uint32_t i = 0; i < b->head.n_fields; i++)
		if (sl_span_eq(b->fields[i].name, joined.name))
			total += b->fields[i].value.len + 2;
	at = take_bytes(b, total);
	joined.value.ptr = at;
	for (uint32_t i = 0; i < b->head.n_fields; i++) {
		struct sl_span crumb = b->fields[i].value;

		if (!sl_span_eq(b->fields[i].name, joined.name)) {
			b->fields[kept++] = b->fields[i];
			continue;
		}
		if (n) {
			at[n++] = ';';
			at[n++] = ' ';
		}
		memcpy(at + n, crumb.ptr, crumb.len);
		n += crumb.len;
	}
	joined.value.len = n;
	b->fields[kept++] = joined;
	b->head.n_fields = kept;
}

static int check_request(struct h2_builder *b)
{
	struct sl_head *head = &b->head;

	if (sl_span_eq(head->method, SL_SPAN("CONNECT")))
		return SL_E_METHOD;
	if (sl_span_eq(head->path, SL_SPAN("*")))
		return SL_E_METHOD;
	if (!http_all(head->method, HTTP_TCHAR) || head->path.len == 0 ||
	    head->path.ptr[0] != '/' || !http_all(head->path, HTTP_TARGET))
		return SL_E_BAD_HTTP;
	if (!b->has_authority)
		head->authority = b->host;
	else if (b->host.ptr && !sl_span_ieq(b->host, head->authority))
		return SL_E_BAD_HTTP;
	return http_authority_ok(head->authority) ? 0 : SL_E_BAD_HTTP;
}

int h2_builder_finish(struct h2_builder *b)
{
	if (b->err)
		return b->err;
	if (b->cookies > 1)
		join_cookies(b);
	b->head.fields = b->fields;
	return b->head.status ? 0 : check_request(b);
}
