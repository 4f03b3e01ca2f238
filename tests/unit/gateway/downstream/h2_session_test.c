/* HTTP/2 on a session, with the project's own codec as the client: streams
 * side by side, their ends, and the end of the connection. */
#include "tests/unit/gateway/downstream/h2_client.h"

/* ---- requests and answers -------------------------------------------- */

static void test_preface_split_at_every_byte(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;
	struct seen *x = request(c, "POST", "/x?y=z", 5);
	struct sl_outbuf *out = sl_h2_out(c->end.h2);

	r->answer_at = AT_END;
	while (sl_outbuf_size(out)) {
		assert_int_equal(r->requests[0].ends, 0);
		wire_send_bytes(&r->client, out->data + out->off, 1);
		sl_outbuf_drain(out, 1);
		settle_down(&r->loop);
	}
	assert_int_equal(r->n, 1);
	assert_int_equal(r->requests[0].ends, 1);
	assert_string_equal(r->requests[0].protocol, "h2");
	assert_string_equal(r->requests[0].method, "POST");
	assert_string_equal(r->requests[0].path, "/x?y=z");
	assert_int_equal(r->requests[0].body_len, 5);
	UNTIL(c, got(x, 200, "ok"));
	assert_int_equal(x->content_length, 2);
}

static void test_answered_in_another_order(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;
	static const char *const texts[] = { "one", "two", "three" };
	struct seen *x[3];

	x[0] = request(c, "GET", "/1", 0);
	x[1] = request(c, "POST", "/2", 100);
	x[2] = request(c, "GET", "/3", 0);
	r->length = -1;
	for (unsigned i = 3; i-- > 0;) {
		r->text = texts[i];
		answer_request(arrived(c, i));
		UNTIL(c, got(x[i], 200, texts[i]));
		assert_true(i == 0 || x[i - 1]->heads == 0);
	}
	assert_true(r->requests[0].end);
	assert_false(r->requests[1].end);
	assert_int_equal(x[0]->content_length, -1);
	assert_int_equal(r->sessions.count, 1);
}

/* More than a window: it is opened again as the handler is given bytes. */
static void test_long_body(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;
	size_t size = 3u << 20;
	char *body = make_body(size);
	struct seen *x = request(c, "POST", "/", size);
	struct request *q = arrived(c, 0);

	assert_int_equal(q->body_len, size);
	assert_memory_equal(q->body, body, size);
	answer_request(q);
	UNTIL(c, got(x, 200, "ok"));
	assert_int_equal(r->n, 1);
	free(body);
}

/* Answered before its end: whole, and only this stream's rest is dropped. */
static void check_early(struct h2_client *c, enum answer_at at)
{
	struct rig *r = c->rig;
	struct seen *x = request(c, "POST", "/early", 500000);

	r->answer_at = at;
	UNTIL(c, x->closes == 1);
	assert_int_equal(x->status, 200);
	assert_int_equal(x->body, 2);
	assert_int_equal(x->ends, 1);
	assert_string_equal(r->requests[0].path, "/early");
	assert_int_equal(r->requests[0].ends, 0);
	assert_int_equal(r->requests[0].gones, 0);
	check_usable(c);
}

static void test_answered_in_the_head(void **state)
{
	(void)state;
	check_early(&the_client, IN_HEAD);
}

static void test_answered_in_the_body(void **state)
{
	(void)state;
	check_early(&the_client, IN_BODY);
}

static void test_head_request(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;
	struct seen *x = request(c, "HEAD", "/", 0);
	struct request *q = arrived(c, 0);

	respond(q, 200, 7);
	assert_int_equal(sl_stream_write(q->stream, "one", 3), 0);
	finish(q, "four");
	UNTIL(c, got(x, 200, ""));
	assert_int_equal(x->content_length, 7);
	assert_int_equal(r->requests[0].gones, 0);
	check_usable(c);
}

static void test_continue_is_not_said(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;
	struct seen *x = request(c, "POST", "/", 10);

	r->proceed = true;
	r->answer_at = AT_END;
	UNTIL(c, got(x, 200, "ok"));
	assert_int_equal(x->heads, 1);
}

/* ---- breaking off ---------------------------------------------------- */

static void test_abort(void **state)
{
	struct h2_client *c = &the_client;
	struct seen *broken = request(c, "GET", "/1", 0), *whole = request(c, "GET", "/2", 0);
	struct request *q = arrived(c, 0), *other = arrived(c, 1);

	(void)state;
	respond(q, 200, -1);
	sl_stream_write(q->stream, "hello", 5);
	UNTIL(c, broken->body == 5);
	abort_answer(q);
	UNTIL(c, broken->closes == 1);
	assert_int_equal(broken->ends, 0);
	assert_int_equal(broken->close_code, 2 /* INTERNAL_ERROR */);
	assert_int_equal(q->gones, 0);
	answer_request(other);
	UNTIL(c, got(whole, 200, "ok"));
	check_usable(c);
}

static void test_client_resets_a_stream(void **state)
{
	struct h2_client *c = &the_client;
	struct seen *x = request(c, "GET", "/1", 0), *y = request(c, "GET", "/2", 0);
	struct request *q = arrived(c, 0), *other = arrived(c, 1);

	(void)state;
	sl_h2_reset(c->end.h2, x->stream, 8 /* CANCEL */);
	UNTIL(c, q->gones == 1);
	assert_int_equal(q->err, SL_E_CLIENT_GONE);
	assert_int_equal(other->gones, 0);
	answer_request(other);
	UNTIL(c, got(y, 200, "ok"));
}

static void check_leaves(struct h2_client *c, void (*leave)(struct wire *w))
{
	struct rig *r = c->rig;
	struct request *waiting, *begun;

	request(c, "GET", "/1", 0);
	request(c, "GET", "/2", 0);
	waiting = arrived(c, 0);
	begun = arrived(c, 1);
	respond(begun, 200, -1);
	sl_stream_write(begun->stream, "hello", 5);
	calm_down(c);
	leave(&r->client);
	TURN_UNTIL(&r->loop, is_over(c));
	settle_down(&r->loop);
	assert_int_equal(waiting->gones, 1);
	assert_int_equal(waiting->err, SL_E_CLIENT_GONE);
	assert_int_equal(begun->gones, 1);
	assert_int_equal(begun->err, SL_E_CLIENT_GONE);
}

static void test_client_closes(void **state)
{
	(void)state;
	check_leaves(&the_client, wire_shut);
}

static void test_client_vanishes(void **state)
{
	(void)state;
	check_leaves(&the_client, wire_reset);
}

/* ---- taking turns ---------------------------------------------------- */

/* Sends so many requests at once, among others who have more than their share. */
static void crowd(struct h2_client *c, unsigned n)
{
	struct sl_outbuf *out = sl_h2_out(c->end.h2);

	c->rig->sessions.n_backlogged = 31;
	for (unsigned i = 0; i < n; i++)
		request(c, "GET", "/", 0);
	wire_send_bytes(&c->rig->client, out->data + out->off, sl_outbuf_size(out));
	sl_outbuf_drain(out, sl_outbuf_size(out));
}

static unsigned begun(const struct rig *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->n; i++)
		n += r->requests[i].ends;
	return n;
}

static void test_one_begins_each_turn(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;

	r->answer_at = AT_END;
	crowd(c, 5);
	while (!begun(r))
		sl_loop_turn(&r->loop);
	for (unsigned i = 1; i < 5; i++) {
		assert_int_equal(begun(r), i);
		assert_int_equal(r->sessions.n_backlogged, 32);
		sl_loop_turn(&r->loop);
	}
	assert_int_equal(begun(r), 5);
	assert_int_equal(r->sessions.n_backlogged, 31);
	for (unsigned i = 0; i < 5; i++)
		UNTIL(c, got(&c->seen[i], 200, "ok"));
	check_usable(c);
}

/* Whatever ends the session, what was put off ends with it. */
static void test_ends_with_a_backlog(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;

	crowd(c, 5);
	while (!begun(r))
		sl_loop_turn(&r->loop);
	sl_sessions_close(&r->sessions);
	assert_int_equal(r->sessions.n_backlogged, 31);
	UNTIL(c, is_over(c));
	assert_int_equal(begun(r), 1);
}

/* ---- refusals -------------------------------------------------------- */

static void test_head_too_large(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;
	char *value = patterned(20000);
	struct sl_hfield field = { .name = SL_SPAN("x"), .value = sl_span(value, 20000) };
	struct sl_head head = {
		.method = SL_SPAN("GET"),
		.path = SL_SPAN("/"),
		.authority = SL_SPAN("a"),
		.fields = &field,
		.n_fields = 1,
		.content_length = -1,
	};
	struct seen *x = &c->seen[c->n++];

	x->stream = sl_h2_request(c->end.h2, &head, "http", x, true);
	UNTIL(c, x->closes == 1);
	assert_int_equal(x->status, 431);
	assert_true(x->body > 0 && x->body == (size_t)x->content_length);
	assert_int_equal(r->n, 0);
	check_usable(c);
	free(value);
}

/* The open request learns it, and the client is told why. */
static void test_garbage_behind_the_preface(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;
	struct request *q;

	request(c, "GET", "/", 0);
	q = arrived(c, 0);
	calm_down(c);
	wire_send(&r->client, "GET / HTTP/1.1\r\nhost: a\r\n\r\n and more of it");
	TURN_UNTIL(&r->loop, is_over(c));
	settle_down(&r->loop);
	assert_int_equal(q->gones, 1);
	wire_poll(&r->client);
	assert_true(r->client.ended || r->client.reset);
	(void)!sl_h2_recv(c->end.h2, r->client.data, r->client.len);
	assert_int_equal(c->end.goaways, 1);
}

static void test_only_http1_here(void **state)
{
	struct rig *r = *state;

	r->kind.h1_only = true;
	connect_client(r);
	wire_send(&r->client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	TURN_UNTIL(&r->loop, wire_over(&r->client));
	assert_memory_equal(r->client.data, "HTTP/1.1 505 ", 13);
	assert_int_equal(r->n, 0);
}

static void test_only_http2_here(void **state)
{
	struct rig *r = *state;

	r->kind.h2c_only = true;
	connect_client(r);
	TURN_UNTIL(&r->loop, wire_holds(&r->client, 9)); /* SETTINGS, unasked */
	assert_int_equal(r->client.data[3], 4);
	wire_send(&r->client, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
	TURN_UNTIL(&r->loop, wire_over(&r->client));
	TURN_UNTIL(&r->loop, is_over(&the_client)); /* it lingers */
	assert_null(strstr(r->client.data, "HTTP/1.1"));
	assert_int_equal(r->n, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup_connected, teardown)
#define UNCONNECTED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_preface_split_at_every_byte),
		CASE(test_answered_in_another_order),
		CASE(test_long_body),
		CASE(test_answered_in_the_head),
		CASE(test_answered_in_the_body),
		CASE(test_head_request),
		CASE(test_continue_is_not_said),
		CASE(test_abort),
		CASE(test_client_resets_a_stream),
		CASE(test_client_closes),
		CASE(test_client_vanishes),
		CASE(test_one_begins_each_turn),
		CASE(test_ends_with_a_backlog),
		CASE(test_head_too_large),
		CASE(test_garbage_behind_the_preface),
		UNCONNECTED(test_only_http1_here),
		UNCONNECTED(test_only_http2_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
