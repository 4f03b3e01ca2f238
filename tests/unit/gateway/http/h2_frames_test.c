/* HTTP/2: a server spoken to in raw frames, where a well-behaved client would
 * not go. */
#include "h2_end.h"

/* ---- raw frames ---- */

struct raw {
	struct end server;
	unsigned char bytes[65536];
	size_t len;
};

static void put(struct raw *r, const void *data, size_t len)
{
	assert_true(r->len + len <= sizeof(r->bytes));
	if (len)
		memcpy(r->bytes + r->len, data, len);
	r->len += len;
}

static void frame(struct raw *r, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                  size_t len)
{
	unsigned char head[9] = {
		(unsigned char)(len >> 16),
		(unsigned char)(len >> 8),
		(unsigned char)len,
		type,
		flags,
		(unsigned char)(stream >> 24),
		(unsigned char)(stream >> 16),
		(unsigned char)(stream >> 8),
		(unsigned char)stream,
	};

	put(r, head, sizeof(head));
	put(r, payload, len);
}

static size_t literal(unsigned char *to, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value);

	assert_true(n < 127 && v < 127);
	to[0] = 0;
	to[1] = (unsigned char)n;
	memcpy(to + 2, name, n);
	to[2 + n] = (unsigned char)v;
	memcpy(to + 3 + n, value, v);
	return 3 + n + v;
}

/* fields: name, value, ..., NULL */
static void headers(struct raw *r, uint32_t stream, bool end, const char *const *fields)
{
	unsigned char block[4096];
	size_t n = 0;

	for (; fields[0]; fields += 2)
		n += literal(block + n, fields[0], fields[1]);
	frame(r, 1, (uint8_t)(4 | end), stream, block, n);
}

static struct raw *raw_new(void)
{
	struct raw *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->server.h2 = sl_h2_server_new(&limits, &events, &r->server);
	put(r, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	frame(r, 4, 0, 0, NULL, 0);
	return r;
}

static int raw_send(struct raw *r)
{
	int rc = sl_h2_recv(r->server.h2, (char *)r->bytes, r->len);

	r->len = 0;
	return rc;
}

static void raw_free(struct raw *r)
{
	sl_h2_free(r->server.h2);
	free(r);
}

/* The first frame of that type in the output: its payload, or NULL. */
static const unsigned char *find_frame(struct raw *r, uint8_t type, size_t *out_len)
{
	struct sl_outbuf *out = sl_h2_out(r->server.h2);
	const unsigned char *p = (unsigned char *)out->data + out->off;
	const unsigned char *end = (unsigned char *)out->data + out->len;

	while (end - p >= 9) {
		size_t n = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];

		if (p[3] == type) {
			*out_len = n;
			return p + 9;
		}
		p += 9 + n;
	}
	return NULL;
}

static uint32_t code_of(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

#define BASE ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"

static void test_malformed_requests(void **state)
{
	static const struct {
		const char *why;
		const char *fields[24];
		int bad_head; /* seen by us, else by nghttp2 */
	} cases[] = {
		{ "no path", { ":method", "GET", ":scheme", "http", ":authority", "a", NULL }, 0 },
		{ "empty path",
		  { ":method", "GET", ":scheme", "http", ":path", "", ":authority", "a", NULL },
		  0 },
		{ "no method", { ":scheme", "http", ":path", "/", ":authority", "a", NULL }, 0 },
		{ "no authority", { ":method", "GET", ":scheme", "http", ":path", "/", NULL }, 0 },
		{ "double path", { BASE, ":path", "/b", NULL }, 0 },
		{ "unknown pseudo", { BASE, ":x", "1", NULL }, 0 },
		{ "pseudo after regular",
		  { ":method", "GET", ":scheme", "http", ":path", "/", "x", "1", ":authority", "a",
		    NULL },
		  0 },
		{ "connection", { BASE, "connection", "close", NULL }, 0 },
		{ "keep-alive", { BASE, "keep-alive", "1", NULL }, 0 },
		{ "proxy-connection", { BASE, "proxy-connection", "close", NULL }, 0 },
		{ "transfer-encoding", { BASE, "transfer-encoding", "chunked", NULL }, 0 },
		{ "upgrade", { BASE, "upgrade", "h2c", NULL }, 0 },
		{ "te", { BASE, "te", "gzip", NULL }, 0 },
		{ "upper case", { BASE, "X-A", "1", NULL }, 0 },
		{ "space in name", { BASE, "x a", "1", NULL }, 0 },
		{ "colon in name", { BASE, "x:a", "1", NULL }, 0 },
		{ "non-ASCII name", { BASE, "x\xc3\xa9", "1", NULL }, 0 },
		{ "CR LF in value", { BASE, "x", "1\r\nhost: b", NULL }, 0 },
		{ "LF in value", { BASE, "x", "1\n2", NULL }, 0 },
		{ "content-length twice",
		  { BASE, "content-length", "0", "content-length", "0", NULL },
		  0 },
		{ "content-length +1", { BASE, "content-length", "+1", NULL }, 0 },
		{ "content-length without body", { BASE, "content-length", "5", NULL }, 0 },
		{ "host differs", { BASE, "host", "b", NULL }, SL_E_BAD_HTTP },
		{ "space in path",
		  { ":method", "GET", ":scheme", "http", ":path", "/a b", ":authority", "a", NULL },
		  0 },
		{ "CR LF in path",
		  { ":method", "GET", ":scheme", "http", ":path", "/a\r\nx: y", ":authority", "a",
		    NULL },
		  0 },
		{ "non-ASCII path",
		  { ":method", "GET", ":scheme", "http", ":path", "/\xc3\xa9", ":authority", "a",
		    NULL },
		  SL_E_BAD_HTTP },
		{ "fragment",
		  { ":method", "GET", ":scheme", "http", ":path", "/a#b", ":authority", "a", NULL },
		  SL_E_BAD_HTTP },
		{ "absolute path",
		  { ":method", "GET", ":scheme", "http", ":path", "http://a/", ":authority", "a",
		    NULL },
		  0 },
		{ "user in authority",
		  { ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "u@a", NULL },
		  SL_E_BAD_HTTP },
		{ "slash in authority",
		  { ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a/b", NULL },
		  0 },
		{ "space in method",
		  { ":method", "GE T", ":scheme", "http", ":path", "/", ":authority", "a", NULL },
		  0 },
		{ "CONNECT", { ":method", "CONNECT", ":authority", "a:80", NULL }, SL_E_METHOD },
		{ "extended CONNECT",
		  { ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/",
		    ":authority", "a", NULL },
		  0 },
		{ "OPTIONS *",
		  { ":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority", "a",
		    NULL },
		  SL_E_METHOD },
		{ "expectation", { BASE, "expect", "magic", NULL }, SL_E_EXPECTATION },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct raw *r = raw_new();
		size_t len;
		const unsigned char *reset;

		headers(r, 1, true, cases[i].fields);
		if (raw_send(r) != 0 || r->server.n != 0 || r->server.last_bad != cases[i].bad_head)
			fail_msg("%s: heads %u bad %d", cases[i].why, r->server.n,
			         r->server.last_bad);
		reset = find_frame(r, 3, &len);
		if (cases[i].bad_head == SL_E_METHOD || cases[i].bad_head == SL_E_EXPECTATION) {
			if (reset || !find_frame(r, 1, &len))
				fail_msg("%s: not answered", cases[i].why);
		} else if (!reset || code_of(reset) != 1) {
			fail_msg("%s: not reset with PROTOCOL_ERROR", cases[i].why);
		}
		/* the connection goes on */
		headers(r, 3, true, (const char *const[]){ BASE, "te", "trailers", NULL });
		assert_int_equal(raw_send(r), 0);
		assert_int_equal(r->server.n, 1);
		raw_free(r);
	}
}

static void test_good_requests(void **state)
{
	static const char *const cases[][24] = {
		{ BASE, NULL },
		{ BASE, "host", "A", NULL },
		{ ":method", "GET", ":scheme", "https", ":path", "/?q=[1]", "host", "a:80", NULL },
		{ BASE, "expect", "100-continue", NULL },
		{ BASE, "x-obs", "\xff\xfe", NULL },
		{ BASE, "content-length", "0", NULL },
		{ BASE, "priority", "u=1, i", NULL },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct raw *r = raw_new();

		headers(r, 1, true, cases[i]);
		assert_int_equal(raw_send(r), 0);
		assert_int_equal(r->server.n, 1);
		assert_int_equal(r->server.seen[0].ends, 1);
		raw_free(r);
	}
}

static void test_content_length_mismatch(void **state)
{
	struct raw *r = raw_new();
	const unsigned char *reset;
	size_t len;

	(void)state;
	headers(r, 1, false, (const char *const[]){ BASE, "content-length", "5", NULL });
	frame(r, 0, 1, 1, "abc", 3);
	assert_int_equal(raw_send(r), 0);
	assert_int_equal(r->server.seen[0].ends, 0);
	assert_int_equal(r->server.seen[0].closes, 1);
	assert_int_equal(r->server.seen[0].close_err, SL_E_CLIENT_GONE);
	reset = find_frame(r, 3, &len);
	assert_non_null(reset);
	assert_int_equal(code_of(reset), 1);
	raw_free(r);
}

static void test_trailers_are_dropped(void **state)
{
	struct raw *r = raw_new();

	(void)state;
	headers(r, 1, false, (const char *const[]){ BASE, NULL });
	frame(r, 0, 0, 1, "abc", 3);
	headers(r, 1, true, (const char *const[]){ "x-trailer", "1", NULL });
	assert_int_equal(raw_send(r), 0);
	assert_int_equal(r->server.seen[0].heads, 1);
	assert_int_equal(r->server.seen[0].body, 3);
	assert_int_equal(r->server.seen[0].ends, 1);
	raw_free(r);
}

static void test_not_http2(void **state)
{
	struct end e = { .n = 0 };

	(void)state;
	e.h2 = sl_h2_server_new(&limits, &events, &e);
	assert_int_equal(sl_h2_recv(e.h2, "GET / HTTP/1.1\r\n\r\n", 18), SL_E_BAD_HTTP);
	assert_int_equal(sl_h2_recv(e.h2, "x", 1), SL_E_BAD_HTTP);
	sl_outbuf_drain(sl_h2_out(e.h2), sl_outbuf_size(sl_h2_out(e.h2)));
	assert_false(sl_h2_alive(e.h2));
	sl_h2_free(e.h2);
}

static void test_connection_error(void **state)
{
	struct raw *r = raw_new();
	const unsigned char *goaway;
	size_t len;

	(void)state;
	headers(r, 1, true, (const char *const[]){ BASE, NULL });
	frame(r, 0, 0, 0, "x", 1); /* DATA on stream 0 */
	assert_int_equal(raw_send(r), SL_E_BAD_HTTP);
	goaway = find_frame(r, 7, &len);
	assert_non_null(goaway);
	assert_int_equal(code_of(goaway + 4), 1);
	sl_h2_free(r->server.h2);
	assert_int_equal(r->server.seen[0].closes, 1);
	free(r);
}

/* What nghttp2 1.52 would ignore: frames on streams that the peer has ended, or
 * that it passed over. reset: a stream error will do, else the connection ends. */
static void test_closed_streams(void **state)
{
	static const struct {
		const char *why;
		bool answered; /* the stream is closed on both sides by then */
		uint8_t end;   /* how the peer ended it: END_STREAM in HEADERS, or RST_STREAM */
		uint8_t type;
		uint32_t on, code;
		bool reset;
	} rows[] = {
		{ "DATA behind RST_STREAM", false, 3, 0, 5, 5, true },
		{ "HEADERS behind RST_STREAM", false, 3, 1, 5, 5, false },
		{ "DATA behind END_STREAM, answered", true, 1, 0, 5, 5, true },
		{ "HEADERS behind END_STREAM, answered", true, 1, 1, 5, 5, false },
		{ "HEADERS on a stream passed over", true, 1, 1, 3, 1, false },
		{ "PRIORITY on the connection", true, 1, 2, 0, 1, false },
		{ "PRIORITY that depends on itself", true, 1, 2, 16, 1, false },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		for (size_t piece = 1; piece < 60; piece += 4) {
			static const char *const base[] = { BASE, NULL };
			struct raw *r = raw_new();
			struct sl_outbuf *out = sl_h2_out(r->server.h2);
			const unsigned char *verdict;
			size_t len, at = 0;
			int rc = 0;

			r->server.echo = rows[i].answered;
			headers(r, 5, rows[i].end == 1, base);
			if (rows[i].end == 3)
				frame(r, 3, 0, 5, "\0\0\0\x08", 4);
			assert_int_equal(raw_send(r), 0);
			sl_outbuf_drain(out, sl_outbuf_size(out));
			sl_h2_pull(r->server.h2);
			if (rows[i].type == 1)
				headers(r, rows[i].on, true, base);
			else
				frame(r, rows[i].type, 0, rows[i].on, "\0\0\0\x10\x10", 5);
			headers(r, 7, true, base);
			for (; at < r->len && rc == 0; at += piece)
				rc = sl_h2_recv(r->server.h2, (char *)r->bytes + at,
				                r->len - at < piece ? r->len - at : piece);
			verdict = find_frame(r, rows[i].reset ? 3 : 7, &len);
			if (!verdict || code_of(verdict + (rows[i].reset ? 0 : 4)) != rows[i].code)
				fail_msg("%s: not refused", rows[i].why);
			/* nothing behind the violation was begun, unless the connection lives */
			assert_int_equal(rc < 0, !rows[i].reset);
			assert_int_equal(r->server.n, rows[i].reset ? 2 : 1);
			raw_free(r);
		}
	}
}

/* Request, cancel and stray DATA, in one read or in many: the verdict on a frame
 * must not overtake the frames in front of it. */
static void test_closed_stream_in_one_read(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 200; piece += 3) {
		struct raw *r = raw_new();
		const unsigned char *reset;
		size_t len, at = 0;

		headers(r, 1, false, (const char *const[]){ BASE, NULL });
		frame(r, 3, 0, 1, "\0\0\0\x08", 4);
		frame(r, 0, 1, 1, "stray", 5);
		frame(r, 0, 1, 1, "stray", 5);
		for (; at < r->len; at += piece)
			assert_int_equal(sl_h2_recv(r->server.h2, (char *)r->bytes + at,
			                            r->len - at < piece ? r->len - at : piece),
			                 0);
		reset = find_frame(r, 3, &len);
		if (!reset || code_of(reset) != 5)
			fail_msg("not refused in reads of %zu", piece);
		assert_int_equal(r->server.seen[0].closes, 1);
		assert_int_equal(r->server.seen[0].close_code, 8);
		assert_int_equal(r->server.seen[0].body, 0);
		raw_free(r);
	}
}

/* Frames in flight behind a reset of ours are nobody's fault. */
static void test_in_flight_behind_reset(void **state)
{
	static const char *const base[] = { BASE, NULL };
	struct raw *r = raw_new();
	size_t len;

	(void)state;
	headers(r, 1, false, base);
	assert_int_equal(raw_send(r), 0);
	sl_h2_reset(r->server.h2, r->server.seen[0].stream, 2);
	sl_outbuf_drain(sl_h2_out(r->server.h2), sl_outbuf_size(sl_h2_out(r->server.h2)));
	sl_h2_pull(r->server.h2);
	assert_int_equal(r->server.seen[0].closes, 1);
	frame(r, 0, 0, 1, "abc", 3);
	headers(r, 1, true, (const char *const[]){ "x-trailer", "1", NULL });
	headers(r, 3, true, base);
	assert_int_equal(raw_send(r), 0);
	assert_null(find_frame(r, 3, &len));
	assert_null(find_frame(r, 7, &len));
	assert_int_equal(r->server.n, 2);
	raw_free(r);
}

/* ---- floods: each kind must end the connection with ENHANCE_YOUR_CALM ---- */

static void flood_priority(struct raw *r, uint32_t i)
{
	frame(r, 2, 0, 2 * i + 101, "\0\0\0\0\x10", 5);
}

static void flood_window(struct raw *r, uint32_t i)
{
	(void)i;
	frame(r, 8, 0, 0, "\0\0\0\x01", 4);
}

static void flood_empty_data(struct raw *r, uint32_t i)
{
	if (i == 0)
		headers(r, 1, false, (const char *const[]){ BASE, NULL });
	frame(r, 0, 0, 1, NULL, 0);
}

static void flood_unknown(struct raw *r, uint32_t i)
{
	frame(r, (uint8_t)(10 + i % 200), 0, 0, "x", 1);
}

static void flood_settings(struct raw *r, uint32_t i)
{
	(void)i;
	frame(r, 4, 0, 0, NULL, 0);
}

static void flood_ping(struct raw *r, uint32_t i)
{
	(void)i;
	frame(r, 6, 0, 0, "12345678", 8);
}

/* MadeYouReset: a request, then a window update that overflows. */
static void flood_made_reset(struct raw *r, uint32_t i)
{
	headers(r, 2 * i + 1, true, (const char *const[]){ BASE, NULL });
	frame(r, 8, 0, 2 * i + 1, "\x7f\xff\xff\xff", 4);
}

static void flood_reset(struct raw *r, uint32_t i)
{
	headers(r, 2 * i + 1, true, (const char *const[]){ BASE, NULL });
	frame(r, 3, 0, 2 * i + 1, "\0\0\0\x08", 4);
}

static void flood_malformed(struct raw *r, uint32_t i)
{
	headers(r, 2 * i + 1, true, (const char *const[]){ BASE, "connection", "close", NULL });
}

static void test_floods(void **state)
{
	static const struct {
		const char *name;
		void (*one)(struct raw *r, uint32_t i);
		bool drained; /* the attacker reads what we send */
	} floods[] = {
		{ "PRIORITY", flood_priority, true },
		{ "WINDOW_UPDATE", flood_window, true },
		{ "empty DATA", flood_empty_data, true },
		{ "unknown frames", flood_unknown, true },
		{ "SETTINGS", flood_settings, true },
		{ "PING, output unread", flood_ping, false },
		{ "MadeYouReset", flood_made_reset, true },
		{ "rapid reset", flood_reset, true },
		{ "malformed heads", flood_malformed, true },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(floods); i++) {
		struct raw *r = raw_new();
		uint32_t n = 0;
		int rc = 0;

		for (; n < 100000 && rc == 0; n++) {
			struct sl_outbuf *out = sl_h2_out(r->server.h2);

			floods[i].one(r, n);
			rc = raw_send(r);
			if (rc == 0 && floods[i].drained) {
				sl_outbuf_drain(out, sl_outbuf_size(out));
				sl_h2_pull(r->server.h2);
			}
		}
		if (rc == 0)
			fail_msg("%s: goes on for ever", floods[i].name);
		raw_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_malformed_requests),
		cmocka_unit_test(test_good_requests),
		cmocka_unit_test(test_content_length_mismatch),
		cmocka_unit_test(test_trailers_are_dropped),
		cmocka_unit_test(test_not_http2),
		cmocka_unit_test(test_connection_error),
		cmocka_unit_test(test_closed_streams),
		cmocka_unit_test(test_closed_stream_in_one_read),
		cmocka_unit_test(test_in_flight_behind_reset),
		cmocka_unit_test(test_floods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
