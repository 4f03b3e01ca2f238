/* HTTP/2: a server and a client session connected in memory. */
#include "h2_end.h"

struct pair {
	struct end server, client;
};

static struct pair *pair_new(const struct sl_h2_limits *client_limits)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->server.h2 = sl_h2_server_new(&limits, &events, &p->server);
	p->client.h2 = sl_h2_client_new(client_limits, &events, &p->client);
	return p;
}

static void pair_free(struct pair *p)
{
	sl_h2_free(p->client.h2);
	sl_h2_free(p->server.h2);
	free(p);
}

/* Gives `to` everything `from` has to say, in pieces. */
static bool carry(struct end *from, struct end *to, size_t piece)
{
	struct sl_outbuf *out = sl_h2_out(from->h2);
	bool any = sl_outbuf_size(out) > 0;

	while (sl_outbuf_size(out)) {
		size_t n = sl_outbuf_size(out);
		char *copy;
		int rc;

		if (n > piece)
			n = piece;
		copy = malloc(n); /* exactly as long, for the address sanitizer */
		assert_non_null(copy);
		memcpy(copy, out->data + out->off, n);
		sl_outbuf_drain(out, n);
		rc = sl_h2_recv(to->h2, copy, n);
		free(copy);
		if (rc < 0) {
			sl_outbuf_drain(out, sl_outbuf_size(out));
			break;
		}
	}
	sl_h2_pull(from->h2);
	return any;
}

static void settle(struct pair *p, size_t piece)
{
	bool more = true;

	while (more) {
		more = carry(&p->client, &p->server, piece);
		more = carry(&p->server, &p->client, piece) || more;
	}
}

static struct sl_head request_head(const char *method, const char *path)
{
	return (struct sl_head){ .method = sl_span_str(method),
		                 .path = sl_span_str(path),
		                 .authority = SL_SPAN("gw.example"),
		                 .content_length = -1 };
}

static struct seen *request(struct pair *p, const struct sl_head *head, bool end)
{
	struct seen *x = &p->client.seen[p->client.n++ % MAX_SEEN];

	memset(x, 0, sizeof(*x));
	x->stream = sl_h2_request(p->client.h2, head, "http", x, end);
	return x;
}

/* ---- well-behaved peers ---- */

static void test_request_response(void **state)
{
	struct sl_hfield fields[] = {
		{ { "X-Mark", 6 }, { "seen", 4 }, SL_FC_PLAIN },
		{ { "Connection", 10 }, { "x-mark", 6 }, SL_FC_HOP },
		{ { "cookie", 6 }, { "a=1", 3 }, SL_FC_PLAIN },
		{ { "cookie", 6 }, { "b=2", 3 }, SL_FC_PLAIN },
	};
	struct sl_head head = request_head("POST", "/v1/chat/completions?x=y");
	struct pair *p = pair_new(&limits);
	struct seen *c, *s;

	(void)state;
	head.fields = fields;
	head.n_fields = 4;
	head.content_length = 5;
	p->server.echo = true;
	p->server.answer_len = 614;
	c = request(p, &head, false);
	assert_non_null(c->stream);
	assert_int_equal(sl_h2_stream_id(c->stream), 1);
	sl_h2_write(p->client.h2, c->stream, "hello", 5);
	sl_h2_finish(p->client.h2, c->stream);
	settle(p, SIZE_MAX);

	s = &p->server.seen[0];
	assert_string_equal(s->method, "POST");
	assert_string_equal(s->path, "/v1/chat/completions?x=y");
	assert_string_equal(s->authority, "gw.example");
	assert_string_equal(s->mark, "seen");
	assert_string_equal(s->cookie, "a=1; b=2");
	assert_int_equal(s->n_fields, 3); /* x-mark, content-length, one cookie */
	assert_int_equal(s->version, 20);
	assert_int_equal(s->content_length, 5);
	assert_int_equal(s->body, 5);
	assert_int_equal(s->ends, 1);
	assert_int_equal(s->closes, 1);
	assert_int_equal(s->close_err, 0);
	assert_int_equal(c->status, 200);
	assert_int_equal(c->n_fields, 2); /* no connection */
	assert_int_equal(c->body, 614);
	assert_int_equal(c->ends, 1);
	assert_int_equal(c->closes, 1);
	assert_int_equal(c->close_err, 0);
	assert_int_equal(sl_h2_streams(p->server.h2), 0);
	assert_int_equal(sl_h2_streams(p->client.h2), 0);
	pair_free(p);
}

/* Every boundary of reads, and answers given from inside on_head. */
static void test_pieces(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 40; piece += 3) {
		for (int inside = 0; inside < 2; inside++) {
			struct sl_head head = request_head("GET", "/");
			struct pair *p = pair_new(&limits);
			struct seen *c;

			p->server.echo = !inside;
			p->server.echo_in_head = inside;
			p->server.answer_len = 300;
			c = request(p, &head, true);
			settle(p, piece);
			assert_int_equal(c->status, 200);
			assert_int_equal(c->body, 300);
			assert_int_equal(c->close_err, 0);
			assert_int_equal(c->closes, 1);
			assert_int_equal(p->server.seen[0].ends, 1);
			assert_int_equal(p->server.seen[0].closes, 1);
			pair_free(p);
		}
	}
}

static void test_big_bodies(void **state)
{
	size_t len = 3 * 1024 * 1024 + 17;
	struct sl_head head = request_head("POST", "/big");
	struct pair *p = pair_new(&limits);
	char *body = make_body(len);
	struct seen *c;
	size_t waiting;

	(void)state;
	p->server.echo = true;
	p->server.answer_len = len;
	c = request(p, &head, false);
	waiting = sl_h2_write(p->client.h2, c->stream, body, len);
	assert_true(waiting > len - 100000); /* the windows hold 64 KiB until SETTINGS come */
	sl_h2_finish(p->client.h2, c->stream);
	settle(p, 16384);
	assert_int_equal(p->server.seen[0].body, len);
	assert_int_equal(p->server.seen[0].sum, sum_of(0, body, len));
	assert_int_equal(c->body, len);
	assert_int_equal(c->sum, sum_of(0, body, len));
	assert_true(c->drains > 1); /* at every halving, to the end */
	assert_int_equal(c->drained_to, 0);
	assert_int_equal(c->close_err, 0);
	free(body);
	pair_free(p);
}

static void test_a_borrowed_body(void **state)
{
	size_t len = 3 * 1024 * 1024 + 17;
	struct sl_head head = request_head("POST", "/big");
	struct pair *p = pair_new(&limits);
	char *body = make_body(len);
	struct seen *c;

	(void)state;
	p->server.echo = true;
	p->server.answer_len = 1000;
	c = request(p, &head, false);
	sl_h2_write_borrowed(p->client.h2, c->stream, body, len);
	settle(p, 16384);
	assert_int_equal(p->server.seen[0].body, len);
	assert_int_equal(p->server.seen[0].sum, sum_of(0, body, len));
	assert_int_equal(c->ends, 1);
	assert_int_equal(c->close_err, 0);
	free(body);
	pair_free(p);
}

/* After a reset from here nothing is read of it any more. */
static void test_a_borrowed_body_is_given_back(void **state)
{
	size_t len = 1024 * 1024;
	struct sl_head head = request_head("POST", "/big");
	struct pair *p = pair_new(&limits);
	char *body = make_body(len);
	struct seen *c;

	(void)state;
	p->server.hoard = true; /* the window closes in the middle of the body */
	c = request(p, &head, false);
	sl_h2_write_borrowed(p->client.h2, c->stream, body, len);
	settle(p, 16384);
	assert_in_range(p->server.seen[0].body, 1, len - 1);
	sl_h2_reset(p->client.h2, c->stream, 8);
	free(body);
	settle(p, 16384);
	assert_int_equal(p->server.seen[0].closes, 1);
	assert_int_equal(p->server.seen[0].ends, 0);
	pair_free(p);
}

/* A receiver that keeps what it gets stops the sender at the window. */
static void test_back_pressure(void **state)
{
	size_t len = 1024 * 1024, total = 0;
	struct sl_head head = request_head("GET", "/slow");
	struct pair *p = pair_new(&limits);
	char *body = make_body(len);
	struct seen *c, *s;

	(void)state;
	p->client.hoard = true;
	c = request(p, &head, true);
	settle(p, SIZE_MAX);
	s = &p->server.seen[0];
	assert_int_equal(sl_h2_respond(p->server.h2, s->stream, 200, NULL, 0, false), 0);
	total = sl_h2_write(p->server.h2, s->stream, body, len);
	sl_h2_finish(p->server.h2, s->stream);
	settle(p, SIZE_MAX);
	assert_true(total >= len - 2 * 256 * 1024);
	assert_int_equal(c->body, 256 * 1024);
	assert_int_equal(s->drains, 0);
	assert_int_equal(c->ends, 0);
	while (c->body < len) {
		size_t before = c->body, n = p->client.hoarded;

		p->client.hoarded = 0;
		sl_h2_consume(p->client.h2, c->stream, n);
		settle(p, SIZE_MAX);
		assert_true(c->body > before);
	}
	assert_in_range(s->drains, 1, 20);
	assert_in_range(s->drained_to, 1, (total - 1) / 2); /* closed with the last bytes */
	assert_int_equal(c->sum, sum_of(0, body, len));
	assert_int_equal(c->ends, 1);
	free(body);
	pair_free(p);
}

/* What a closed stream's owner never consumed must not narrow the connection. */
static void test_connection_window_is_given_back(void **state)
{
	size_t len = 200 * 1024;
	struct sl_head head = request_head("POST", "/");
	struct pair *p = pair_new(&limits);
	char *body = make_body(len);

	(void)state;
	p->server.hoard = true;
	settle(p, SIZE_MAX);
	for (int i = 0; i < 20; i++) {
		struct seen *c = request(p, &head, false);

		assert_non_null(c->stream);
		sl_h2_write(p->client.h2, c->stream, body, len);
		settle(p, SIZE_MAX);
		assert_int_equal(p->server.seen[i].body, len);
		sl_h2_reset(p->client.h2, c->stream, 8);
		settle(p, SIZE_MAX);
		assert_int_equal(p->server.seen[i].closes, 1);
	}
	free(body);
	pair_free(p);
}

static void test_few_frames(void **state)
{
	struct sl_head head = request_head("GET", "/");
	struct pair *p = pair_new(&limits);
	struct seen *s;
	size_t before;

	(void)state;
	request(p, &head, true);
	settle(p, SIZE_MAX);
	s = &p->server.seen[0];
	assert_int_equal(sl_h2_respond(p->server.h2, s->stream, 200, NULL, 0, false), 0);
	before = sl_outbuf_size(sl_h2_out(p->server.h2));
	assert_int_equal(before, 9 + 1); /* `:status: 200` is one byte */
	assert_int_equal(sl_h2_write_last(p->server.h2, s->stream, "data", 4), 0);
	assert_int_equal(sl_outbuf_size(sl_h2_out(p->server.h2)), before + 9 + 4);
	assert_int_equal(s->closes, 0); /* never from a write */
	settle(p, SIZE_MAX);
	assert_int_equal(s->closes, 1);
	pair_free(p);
}

static void test_output_is_bounded(void **state)
{
	struct sl_h2_limits wide = limits;
	struct sl_head head = request_head("GET", "/");
	size_t len = 1024 * 1024, left;
	char *body = make_body(len);
	struct pair *p;
	struct seen *c;

	(void)state;
	wide.stream_window = 8 * 1024 * 1024;
	p = pair_new(&wide);
	c = request(p, &head, true);
	settle(p, SIZE_MAX);
	assert_int_equal(sl_h2_respond(p->server.h2, p->server.seen[0].stream, 200, NULL, 0, false),
	                 0);
	left = sl_h2_write(p->server.h2, p->server.seen[0].stream, body, len);
	assert_in_range(sl_outbuf_size(sl_h2_out(p->server.h2)), 64 * 1024, 64 * 1024 + 17000);
	assert_in_range(left, len - 64 * 1024 - 17000, len - 64 * 1024);
	sl_h2_finish(p->server.h2, p->server.seen[0].stream);
	settle(p, SIZE_MAX);
	assert_int_equal(c->sum, sum_of(0, body, len));
	assert_in_range(p->server.seen[0].drains, 1, 20);
	free(body);
	pair_free(p);
}

static void test_many_streams(void **state)
{
	struct pair *p = pair_new(&limits);

	(void)state;
	p->server.echo = true;
	p->server.answer_len = 100;
	for (int i = 0; i < 1000; i++) {
		struct sl_head head = request_head("GET", "/many");
		struct seen *c = request(p, &head, true);

		assert_non_null(c->stream);
		settle(p, SIZE_MAX);
		assert_int_equal(c->closes, 1);
		assert_int_equal(c->close_err, 0);
		assert_int_equal(c->body, 100);
	}
	assert_int_equal(sl_h2_streams(p->server.h2), 0);
	assert_true(sl_h2_alive(p->server.h2));
	pair_free(p);
}

/* The client keeps to 100 streams before SETTINGS, then to the server's 10. */
static void test_concurrency_limit(void **state)
{
	struct sl_head head = request_head("GET", "/");
	struct pair *p = pair_new(&limits);
	int refused = 0;

	(void)state;
	settle(p, SIZE_MAX);
	for (int i = 0; i < 10; i++)
		assert_non_null(request(p, &head, true)->stream);
	assert_null(request(p, &head, true)->stream);
	pair_free(p);

	p = pair_new(&limits);
	for (int i = 0; i < 12; i++)
		assert_non_null(request(p, &head, true)->stream);
	settle(p, SIZE_MAX);
	for (int i = 0; i < 12; i++)
		refused += p->client.seen[i].closes && p->client.seen[i].close_code == 7;
	assert_int_equal(refused, 2);
	assert_int_equal(p->server.n, 10);
	pair_free(p);
}

static void test_refused(void **state)
{
	struct sl_head head = request_head("GET", "/");
	struct pair *p = pair_new(&limits);
	struct seen *c;

	(void)state;
	p->server.refuse = true;
	c = request(p, &head, true);
	settle(p, SIZE_MAX);
	assert_int_equal(c->closes, 1);
	assert_int_equal(c->close_code, 7);
	assert_int_equal(c->close_err, SL_E_UPSTREAM_RESET);
	pair_free(p);
}

static void test_half_answer_is_reset(void **state)
{
	struct sl_head head = request_head("GET", "/");
	struct pair *p = pair_new(&limits);
	struct seen *c, *s;

	(void)state;
	c = request(p, &head, true);
	settle(p, SIZE_MAX);
	s = &p->server.seen[0];
	assert_int_equal(sl_h2_respond(p->server.h2, s->stream, 200, NULL, 0, false), 0);
	sl_h2_write(p->server.h2, s->stream, "half", 4);
	sl_h2_reset(p->server.h2, s->stream, 2);
	/* calls on it do nothing until on_close */
	assert_int_equal(sl_h2_write(p->server.h2, s->stream, "more", 4), 0);
	settle(p, SIZE_MAX);
	assert_int_equal(c->body, 4);
	assert_int_equal(c->ends, 0);
	assert_int_equal(c->closes, 1);
	assert_int_equal(c->close_code, 2);
	assert_int_equal(c->close_err, SL_E_UPSTREAM_RESET);
	assert_int_equal(s->closes, 1);
	pair_free(p);
}

static void test_client_leaves(void **state)
{
	struct sl_head head = request_head("POST", "/");
	struct pair *p = pair_new(&limits);
	struct seen *c, *s = &p->server.seen[0];

	(void)state;
	c = request(p, &head, false);
	sl_h2_write(p->client.h2, c->stream, "x", 1);
	settle(p, SIZE_MAX);
	sl_h2_reset(p->client.h2, c->stream, 8);
	settle(p, SIZE_MAX);
	assert_int_equal(s->ends, 0);
	assert_int_equal(s->closes, 1);
	assert_int_equal(s->close_err, SL_E_CLIENT_GONE);
	assert_int_equal(s->close_code, 8);
	assert_int_equal(c->closes, 1);

	/* request and cancel in one read: the work is not even begun */
	c = request(p, &head, true);
	sl_h2_reset(p->client.h2, c->stream, 8);
	settle(p, SIZE_MAX);
	assert_int_equal(p->server.seen[1].heads, 1);
	assert_int_equal(p->server.seen[1].ends, 0);
	assert_int_equal(p->server.seen[1].closes, 1);

	/* the connection goes with a stream open on both sides */
	c = request(p, &head, true);
	settle(p, SIZE_MAX);
	sl_h2_free(p->server.h2);
	assert_int_equal(p->server.seen[2].closes, 1);
	assert_int_equal(p->server.seen[2].close_err, SL_E_CLIENT_GONE);
	sl_h2_free(p->client.h2);
	assert_int_equal(c->closes, 1);
	assert_int_equal(c->close_err, SL_E_UPSTREAM_RESET);
	free(p);
}

/* An answer before the end of the request stops the upload without an error:
 * when its owner has waited long enough, or when enough of it was thrown away. */
static void test_early_answer(void **state)
{
	struct sl_head head = request_head("POST", "/");
	struct pair *p = pair_new(&limits);
	char *upload = make_body(100000);
	struct seen *c;

	(void)state;
	p->server.echo_in_head = true;
	c = request(p, &head, false);
	sl_h2_write(p->client.h2, c->stream, "x", 1);
	settle(p, SIZE_MAX);
	assert_int_equal(c->status, 200);
	assert_int_equal(c->ends, 1);
	assert_int_equal(c->closes, 0);
	sl_h2_reset(p->server.h2, p->server.seen[0].stream, 0);
	settle(p, SIZE_MAX);
	assert_int_equal(c->closes, 1);
	assert_int_equal(c->close_code, 0);
	assert_int_equal(p->server.seen[0].close_err, 0);
	c = request(p, &head, false);
	settle(p, SIZE_MAX);
	assert_int_equal(c->closes, 0);
	sl_h2_write(p->client.h2, c->stream, upload, 100000);
	settle(p, SIZE_MAX);
	free(upload);
	assert_int_equal(c->closes, 1);
	assert_int_equal(c->close_code, 0);
	assert_int_equal(c->close_err, 0);
	assert_int_equal(p->server.seen[1].close_err, 0);
	pair_free(p);
}

static void test_shutdown(void **state)
{
	struct sl_head head = request_head("GET", "/");
	struct pair *p = pair_new(&limits);
	struct seen *c;

	(void)state;
	c = request(p, &head, true);
	settle(p, SIZE_MAX);
	sl_h2_shutdown_notice(p->server.h2);
	settle(p, SIZE_MAX);
	assert_int_equal(p->client.goaways, 1);
	sl_h2_goaway(p->server.h2);
	settle(p, SIZE_MAX);
	assert_null(request(p, &head, true)->stream);
	assert_true(sl_h2_alive(p->server.h2));
	answer(&p->server, p->server.seen[0].stream);
	settle(p, SIZE_MAX);
	assert_int_equal(c->close_err, 0);
	assert_false(sl_h2_alive(p->server.h2));
	assert_false(sl_h2_alive(p->client.h2));
	pair_free(p);
}

/* ---- limits of heads ---- */

static void test_head_limits(void **state)
{
	static char big[20000], path[6000];
	struct sl_hfield many[150], one = { { "x", 1 }, { big, 17000 }, 0 };
	struct {
		struct sl_hfield *fields;
		uint32_t n;
		size_t path_len;
		int err, status;
	} cases[] = {
		{ &one, 1, 1, SL_E_HEADERS_TOO_LARGE, 431 },
		{ many, 150, 1, SL_E_HEADERS_TOO_LARGE, 431 },
		{ many, 101, 1, SL_E_HEADERS_TOO_LARGE, 431 },
		{ many, 100, 1, 0, 200 },
		{ many, 0, 4097, SL_E_URI_TOO_LONG, 414 },
		{ many, 0, 4096, 0, 200 },
	};

	(void)state;
	memset(big, 'x', sizeof(big));
	memset(path, '/', sizeof(path));
	for (size_t i = 0; i < SL_COUNT(many); i++)
		many[i] = (struct sl_hfield){ { "cookie", 6 }, { "a", 1 }, 0 };
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		for (int own = 0; own < 2; own++) {
			struct pair *p = pair_new(&limits);
			struct sl_head head = request_head("GET", "/");
			struct seen *c;

			p->server.echo = true;
			p->server.answer_bad = own;
			head.path = sl_span(path, cases[i].path_len);
			head.fields = cases[i].fields;
			head.n_fields = cases[i].n;
			c = request(p, &head, true);
			settle(p, SIZE_MAX);
			assert_int_equal(p->server.last_bad, cases[i].err);
			assert_int_equal(p->server.bad_heads, cases[i].err != 0);
			assert_int_equal(p->server.n, cases[i].err == 0);
			assert_int_equal(c->status, own && cases[i].err ? 400 : cases[i].status);
			assert_int_equal(c->closes, 1);
			assert_int_equal(c->close_err, 0);
			assert_int_equal(sl_h2_streams(p->server.h2), 0);
			/* the connection goes on */
			head = request_head("GET", "/next");
			c = request(p, &head, true);
			settle(p, SIZE_MAX);
			assert_int_equal(c->status, 200);
			pair_free(p);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_response),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_big_bodies),
		cmocka_unit_test(test_a_borrowed_body),
		cmocka_unit_test(test_a_borrowed_body_is_given_back),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_connection_window_is_given_back),
		cmocka_unit_test(test_few_frames),
		cmocka_unit_test(test_output_is_bounded),
		cmocka_unit_test(test_many_streams),
		cmocka_unit_test(test_concurrency_limit),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_half_answer_is_reset),
		cmocka_unit_test(test_client_leaves),
		cmocka_unit_test(test_early_answer),
		cmocka_unit_test(test_shutdown),
		cmocka_unit_test(test_head_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
