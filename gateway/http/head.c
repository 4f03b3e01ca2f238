/* head.c: the names, bytes and values of HTTP fields, for both codecs.
 *
 * A name's class decides what a proxy does with it. Names are compared with
 * `_` taken for `-`, because some servers behind us make one of both: a
 * spoofed `x_sluice_tenant` or `content_length` must not get through as a
 * plain field. */
#include "gateway/http/field.h"

const uint8_t http_chars[256] = {
	/* rows of 16, from NUL; bits as in enum http_char */
	/* clang-format off */
	 0,  0,  0,  0,  0,  0,  0,  0,  0,  2,  0,  0,  0,  0,  0,  0,
	 0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
	 2, 15,  2,  3, 15, 15, 15, 15, 14, 14, 15, 15, 14, 15, 15,  6,
	31, 31, 31, 31, 31, 31, 31, 31, 31, 31,  6, 14,  2, 14,  2,  6,
	 6, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15,
	15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  2,  6,  7, 15,
	 7, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15,
	15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  7,  6, 15,  0,
	 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
	 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
	 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
	 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
	 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
	 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
	 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
	 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
	/* clang-format on */
};

/* Sorted by length, because that alone tells most names apart. */
static const struct known_name {
	const char *name;
	enum sl_field_class cls;
} known_names[] = {
	{ "te", SL_FC_HOP },                          /* 0: 2 bytes */
	{ "host", SL_FC_HOST },                       /* 1: 4 */
	{ "expect", SL_FC_EXPECT },                   /* 2: 6 */
	{ "upgrade", SL_FC_HOP },                     /* 3: 7 */
	{ "trailer", SL_FC_HOP },                     /* 4 */
	{ "connection", SL_FC_HOP },                  /* 5: 10 */
	{ "keep-alive", SL_FC_HOP },                  /* 6 */
	{ "content-type", SL_FC_CONTENT_TYPE },       /* 7: 12 */
	{ "x-request-id", SL_FC_REQUEST_ID },         /* 8 */
	{ "authorization", SL_FC_AUTH },              /* 9: 13 */
	{ "content-length", SL_FC_FRAMING },          /* 10: 14 */
	{ "http2-settings", SL_FC_HOP },              /* 11 */
	{ "accept-encoding", SL_FC_ACCEPT_ENCODING }, /* 12: 15 */
	{ "proxy-connection", SL_FC_HOP },            /* 13: 16 */
	{ "transfer-encoding", SL_FC_FRAMING },       /* 14: 17 */
	{ "proxy-authenticate", SL_FC_HOP },          /* 15: 18 */
	{ "proxy-authorization", SL_FC_HOP },         /* 16: 19 */
	{ "x-data-parallel-rank", SL_FC_PRIVATE },    /* 17: 20 */
};

/* The names of each length: [from, to). */
static const struct {
	uint8_t from, to;
} names_of_length[] = {
	[2] = { 0, 1 },    [4] = { 1, 2 },    [6] = { 2, 3 },    [7] = { 3, 5 },
	[10] = { 5, 7 },   [12] = { 7, 9 },   [13] = { 9, 10 },  [14] = { 10, 12 },
	[15] = { 12, 13 }, [16] = { 13, 14 }, [17] = { 14, 15 }, [18] = { 15, 16 },
	[19] = { 16, 17 }, [20] = { 17, 18 },
};

static const struct sl_span private_prefixes[] = {
	{ "x-prefiller-", 12 },
	{ "x-gateway-destination-", 22 },
	{ "x-sluice-", 9 },
};

/* Whoever says this only keeps to engines of our own, which costs nobody. */
static const struct sl_span hops_name = { "x-sluice-hops", 13 };

/* Letters in either case. In a token no two other bytes differ by that bit alone
 * if one of them is a digit or `-`, and known names hold nothing else. */
static bool same_caseless(const char *name, const char *known, size_t len)
{
	const uint64_t bit = 0x2020202020202020u;
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t a, b;

		memcpy(&a, name + i, sizeof(a));
		memcpy(&b, known + i, sizeof(b));
		if ((a | bit) != (b | bit))
			return false;
	}
	for (; i < len; i++)
		if ((name[i] | 0x20) != (known[i] | 0x20))
			return false;
	return true;
}

/* The same, with `_` taken for `-`. */
static bool same_folded(const char *name, const char *known, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = name[i] == '_' ? '-' : name[i];

		if ((c | 0x20) != (known[i] | 0x20))
			return false;
	}
	return true;
}

static bool is_private(struct sl_span name)
{
	for (size_t i = 0; i < SL_COUNT(private_prefixes); i++) {
		const struct sl_span *p = &private_prefixes[i];

		if (name.len >= p->len && same_folded(name.ptr, p->ptr, p->len))
			return true;
	}
	return false;
}

enum sl_field_class sl_field_class(struct sl_span name)
{
	if (name.len && (name.ptr[0] | 0x20) == 'x' && is_private(name))
		return sl_span_ieq(name, hops_name) ? SL_FC_HOPS : SL_FC_PRIVATE;
	if (name.len >= SL_COUNT(names_of_length))
		return SL_FC_PLAIN;
	for (size_t i = names_of_length[name.len].from; i < names_of_length[name.len].to; i++) {
		const struct known_name *k = &known_names[i];

		if (same_caseless(name.ptr, k->name, name.len))
			return k->cls;
		/* to us it is another name, to somebody behind us it may not be */
		if (same_folded(name.ptr, k->name, name.len))
			return k->cls == SL_FC_PRIVATE ? SL_FC_PRIVATE : SL_FC_HOP;
	}
	return SL_FC_PLAIN;
}

/* Values that differ in every message fill the peer's table for nothing, and
 * each lengthens the encoder's search; secrets must not be guessable by size.
 * A date is the same for a second, and then worth its place. */
static bool is_unique(struct sl_span name)
{
	/* by length, two at most */
	static const char *const unique[][2] = {
		[4] = { "etag" },
		[6] = { "cookie" },
		[9] = { "x-api-key" },
		[10] = { "set-cookie" },
		[11] = { "traceparent", "retry-after" },
		[12] = { "x-request-id" },
		[13] = { "authorization", "server-timing" },
		[14] = { "content-length" },
		[16] = { "x-correlation-id" },
	};

	if (name.len >= SL_COUNT(unique))
		return false;
	for (size_t i = 0; i < 2; i++) {
		const char *known = unique[name.len][i];

		if (known && memcmp(known, name.ptr, name.len) == 0)
			return true;
	}
	return false;
}

static bool ends_with(struct sl_span name, struct sl_span end)
{
	return name.len > end.len && memcmp(name.ptr + name.len - end.len, end.ptr, end.len) == 0;
}

bool sl_field_unindexed(struct sl_span name)
{
	return is_unique(name) || ends_with(name, SL_SPAN("-ms")) ||
	       ends_with(name, SL_SPAN("-timing"));
}

/* Eight bytes at a time: those from A to Z get bit 0x20. */
static uint64_t lower_word(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t low = w & (ones * 0x7f);
	uint64_t from_a = low + ones * (0x80 - 'A');
	uint64_t past_z = low + ones * (0x80 - 'Z' - 1);

	return w | ((from_a & ~past_z & ~w & (ones * 0x80)) >> 2);
}

static void put_lower_word(char *at, const char *from)
{
	uint64_t w;

	memcpy(&w, from, sizeof(w));
	w = lower_word(w);
	memcpy(at, &w, sizeof(w));
}

char *sl_put_lower(char *at, struct sl_span name)
{
	size_t n = name.len, i = 0;

	if (n < 8) {
		for (; i < n; i++) {
			char c = name.ptr[i];

			at[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
		}
		return at + n;
	}
	for (; i + 8 < n; i += 8)
		put_lower_word(at + i, name.ptr + i);
	put_lower_word(at + n - 8, name.ptr + n - 8); /* may overlap the one before */
	return at + n;
}

char *sl_put_decimal(char *at, uint64_t n)
{
	char digits[20];
	char *first = digits + sizeof(digits);
	size_t len;

	do {
		*--first = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	len = (size_t)(digits + sizeof(digits) - first);
	memcpy(at, first, len);
	return at + len;
}

const struct sl_hfield *sl_head_find(const struct sl_head *head, struct sl_span name)
{
	for (uint32_t i = 0; i < head->n_fields; i++)
		if (sl_span_ieq(head->fields[i].name, name))
			return &head->fields[i];
	return NULL;
}

bool http_all(struct sl_span text, enum http_char kind)
{
	for (size_t i = 0; i < text.len; i++)
		if (!http_is(text.ptr[i], kind))
			return false;
	return true;
}

/* Eight bytes at a time: is any below 0x20, or 0x7f? Those words are looked at
 * again byte by byte, because a tab is allowed. */
static bool word_suspect(const char *p)
{
	const uint64_t ones = 0x0101010101010101u;
	const uint64_t high = ones * 0x80;
	uint64_t w, del;

	memcpy(&w, p, sizeof(w));
	del = w ^ (ones * 0x7f);
	return (((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & high;
}

bool http_value_ok(struct sl_span value)
{
	size_t i = 0;

	for (; i + 8 <= value.len; i += 8)
		if (word_suspect(value.ptr + i) && !http_all(sl_span(value.ptr + i, 8), HTTP_VALUE))
			return false;
	return http_all(sl_span(value.ptr + i, value.len - i), HTTP_VALUE);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct sl_span http_trim(struct sl_span text)
{
	while (text.len && is_blank(text.ptr[0])) {
		text.ptr++;
		text.len--;
	}
	while (text.len && is_blank(text.ptr[text.len - 1]))
		text.len--;
	return text;
}

static bool port_ok(struct sl_span port)
{
	uint32_t number = 0;

	if (port.len > 5)
		return false;
	for (size_t i = 0; i < port.len; i++) {
		if (port.ptr[i] < '0' || port.ptr[i] > '9')
			return false;
		number = number * 10 + (uint32_t)(port.ptr[i] - '0');
	}
	return number <= 65535;
}

static bool address_ok(struct sl_span inside)
{
	size_t colons = 0;

	for (size_t i = 0; i < inside.len; i++) {
		char c = inside.ptr[i];

		if (c == ':')
			colons++;
		else if (c != '.' && !http_is(c, HTTP_HEX))
			return false;
	}
	return colons >= 2 && inside.len <= 45;
}

bool http_authority_ok(struct sl_span authority)
{
	const char *end = authority.ptr + authority.len;
	const char *host_end;
	struct sl_span host;

	if (authority.len == 0)
		return false;
	if (authority.ptr[0] == '[') {
		host_end = memchr(authority.ptr, ']', authority.len);
		if (!host_end)
			return false;
		host = sl_span(authority.ptr + 1, (size_t)(host_end - authority.ptr) - 1);
		if (!address_ok(host))
			return false;
		host_end++;
	} else {
		host_end = memchr(authority.ptr, ':', authority.len);
		if (!host_end)
			host_end = end;
		host = sl_span(authority.ptr, (size_t)(host_end - authority.ptr));
		if (host.len == 0 || !http_all(host, HTTP_HOST))
			return false;
	}
	if (host_end == end)
		return true;
	return *host_end == ':' && port_ok(sl_span(host_end + 1, (size_t)(end - host_end) - 1));
}

bool http_parse_length(struct sl_span value, int64_t *out_length)
{
	uint64_t n = 0;

	if (value.len == 0)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		unsigned digit = (unsigned)(unsigned char)value.ptr[i] - '0';

		if (digit > 9 || n > ((uint64_t)INT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out_length = (int64_t)n;
	return true;
}

static struct sl_span media_type(struct sl_span value)
{
	const char *semicolon = value.len ? memchr(value.ptr, ';', value.len) : NULL;

	if (semicolon)
		value.len = (size_t)(semicolon - value.ptr);
	return http_trim(value);
}

static bool is_json(struct sl_span type)
{
	return sl_span_ieq(type, SL_SPAN("application/json")) ||
	       (type.len > 5 && sl_span_ieq(sl_span(type.ptr + type.len - 5, 5), SL_SPAN("+json")));
}

void http_head_init(struct sl_head *head, int version)
{
	*head = (struct sl_head){ .version = version, .content_length = -1, .content_json = true };
}

static int note_length(struct sl_head *head, struct sl_span value)
{
	/* even an equal repetition: two parsers may pick differently */
	if (head->content_length >= 0)
		return SL_E_BAD_HTTP;
	return http_parse_length(value, &head->content_length) ? 0 : SL_E_BAD_HTTP;
}

static int note_expect(struct sl_head *head, struct sl_span value)
{
	/* a response's is noise, and HTTP/1.0 cannot mean it (RFC 9110 §10.1.1) */
	if (head->status != 0 || head->version == 10)
		return 0;
	if (!sl_span_ieq(value, SL_SPAN("100-continue")))
		return SL_E_EXPECTATION;
	head->expect_continue = true;
	return 0;
}

static int note_type(struct sl_head *head, struct sl_span value)
{
	struct sl_span type = media_type(value);

	if (head->status)
		head->event_stream = sl_span_ieq(type, SL_SPAN("text/event-stream"));
	else /* an empty one is none to many engines, and a body without one is JSON */
		head->content_json = type.len == 0 || is_json(type);
	return 0;
}

/* Of two Content-Types or Authorizations an engine may heed the other one. */
static bool is_second(struct sl_head *head, const struct sl_hfield *field)
{
	uint32_t bit = 1u << field->cls;
	bool second = head->seen & bit;

	head->seen |= bit;
	return second && head->status == 0;
}

int http_head_note(struct sl_head *head, const struct sl_hfield *field)
{
	switch (field->cls) {
	case SL_FC_FRAMING:
		if (field->name.len != sizeof("content-length") - 1)
			return 0;
		return note_length(head, field->value);
	case SL_FC_EXPECT:
		return note_expect(head, field->value);
	case SL_FC_CONTENT_TYPE:
		if (is_second(head, field))
			return SL_E_BAD_HTTP;
		return note_type(head, field->value);
	case SL_FC_AUTH:
		return is_second(head, field) ? SL_E_BAD_HTTP : 0;
	default:
		return 0;
	}
}
