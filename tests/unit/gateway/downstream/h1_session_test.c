/* HTTP/1.1 on a session: what the handler is told of the requests, byte for
 * byte what the client gets, and how connections end. */
#include "tests/unit/gateway/downstream/h1_client.h"

/* ---- requests -------------------------------------------------------- */

static void test_pipelined_and_answered_later(void **state)
{
	struct rig *r = *state;

	wire_send(&r->client, GET("/1") POST("/2", "content-length: 5\r\n") "hello" GET("/3"));
	TURN_UNTIL(&r->loop, r->n == 1);
	settle_down(&r->loop);
	assert_int_equal(r->n, 1); /* one at a time */
	assert_true(r->requests[0].end);
	answer_request(&r->requests[0]);
	TURN_UNTIL(&r->loop, r->n == 2 && r->requests[1].ends == 1);
	assert_false(r->requests[1].end);
	assert_string_equal(r->requests[1].body, "hello");
	r->text = "2!";
	answer_request(&r->requests[1]);
	TURN_UNTIL(&r->loop, r->n == 3);
	assert_string_equal(r->requests[0].path, "/1");
	assert_string_equal(r->requests[1].path, "/2");
	assert_string_equal(r->requests[2].path, "/3");
	assert_string_equal(r->requests[2].protocol, "http/1.1");
	r->text = "ok";
	answer_request(&r->requests[2]);
	TURN_UNTIL(&r->loop,
	           wire_is(&r->client, OK_ANSWER OK_HEAD "content-length: 2\r\n\r\n2!" OK_ANSWER));
	assert_int_equal(r->sessions.count, 1);
}

static void test_pipelined_and_answered_at_once(void **state)
{
	struct rig *r = *state;

	r->answer_at = IN_HEAD;
	wire_send(&r->client, GET("/1") GET("/2") GET("/3"));
	TURN_UNTIL(&r->loop, wire_is(&r->client, OK_ANSWER OK_ANSWER OK_ANSWER));
	assert_int_equal(r->n, 3);
	assert_string_equal(r->requests[2].path, "/3");
	assert_int_equal(r->requests[2].ends, 0); /* it had finished */
}

/* The last byte of each is the request's end, no byte before it is. */
static void test_split_at_every_byte(void **state)
{
	static const char *const posts[] = {
		POST("/x?y=z", "content-length: 15\r\n") "hello, wide sea",
		POST("/x?y=z", "transfer-encoding: chunked\r\n") "5\r\nhello\r\nA;x=y\r\n, wide "
		                                                 "sea\r\n0\r\nt: 1\r\n\r\n",
	};
	struct rig *r = *state;

	for (unsigned i = 0; i < SL_COUNT(posts); i++) {
		struct request *q = &r->requests[i];

		for (const char *at = posts[i]; *at; at++) {
			assert_int_equal(q->ends, 0);
			wire_send_bytes(&r->client, at, 1);
			settle_down(&r->loop);
		}
		assert_int_equal(r->n, i + 1);
		assert_int_equal(q->ends, 1);
		assert_string_equal(q->method, "POST");
		assert_string_equal(q->path, "/x?y=z");
		assert_string_equal(q->body, "hello, wide sea");
		answer_request(q);
	}
}

/* What comes behind an unanswered request is bounded, but not lost. */
static void test_a_flood_behind_a_request_stops(void **state)
{
	struct rig *r = *state;
	struct request *q = ask(r, GET("/first"));
	char *body = patterned(1u << 20);
	size_t sent = 0, refused = 0;

	wire_send(&r->client, POST("/more", "content-length: 1073741824\r\n"));
	/* Until nobody has read at the other end for several rounds of turns. */
	while (refused < 4) {
		ssize_t n = send(r->client.fd, body, 1u << 20, MSG_NOSIGNAL | MSG_DONTWAIT);

		settle_down(&r->loop);
		refused = n < 0 ? refused + 1 : 0;
		sent += n > 0 ? (size_t)n : 0;
		assert_true(sent < 256u << 20);
	}
	assert_int_equal(r->n, 1);
	answer_request(q);
	TURN_UNTIL(&r->loop, r->n == 2 && r->requests[1].body_len == sent);
	assert_string_equal(r->requests[1].path, "/more");
	free(body);
}

/* ---- answers --------------------------------------------------------- */

static void test_continue(void **state)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct rig *r = *state;

	r->proceed = true;
	wire_send(&r->client, POST("/x", "content-length: 2\r\nexpect: 100-continue\r\n"));
	TURN_UNTIL(&r->loop, wire_is(&r->client, interim));
	sl_stream_proceed(r->requests[0].stream);
	wire_send(&r->client, "hi");
	TURN_UNTIL(&r->loop, r->requests[0].ends == 1);
	sl_stream_proceed(r->requests[0].stream);
	answer_request(&r->requests[0]);
	TURN_UNTIL(&r->loop, wire_has(&r->client, "\r\n\r\nok"));
	assert_string_equal(r->client.data + sizeof(interim) - 1, OK_ANSWER);
	/* who does not wait for it does not get it */
	wire_forget(&r->client);
	answer_request(ask(r, POST("/y", "content-length: 2\r\n") "hi"));
	TURN_UNTIL(&r->loop, wire_has(&r->client, "ok"));
	assert_string_equal(r->client.data, OK_ANSWER);
}

static const struct {
	const char *name, *request;
	int status;
	int64_t length;
	const char *writes[3], *last;
	const char *bytes;
	bool ends; /* the connection, with the answer */
} answers[] = {
	{ "of known length",
	  GET("/"),
	  200,
	  7,
	  { "one" },
	  "four",
	  OK_HEAD "content-length: 7\r\n\r\nonefour",
	  false },
	{ "of length 0",
	  GET("/"),
	  200,
	  0,
	  { NULL },
	  "",
	  OK_HEAD "content-length: 0\r\n\r\n",
	  false },
	{ "chunked",
	  GET("/"),
	  200,
	  -1,
	  { "one", "a longer chunk 17", "" },
	  "x",
	  OK_HEAD "transfer-encoding: chunked\r\n\r\n"
	          "3\r\none\r\n11\r\na longer chunk 17\r\n1\r\nx\r\n0\r\n\r\n",
	  false },
	{ "chunked, nothing in it",
	  GET("/"),
	  200,
	  -1,
	  { NULL },
	  "",
	  OK_HEAD "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
	  false },
	{ "HEAD, length",
	  "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n",
	  200,
	  7,
	  { "one" },
	  "four",
	  OK_HEAD "content-length: 7\r\n\r\n",
	  false },
	{ "HEAD, no length",
	  "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n",
	  200,
	  -1,
	  { "one" },
	  "four",
	  OK_HEAD "\r\n",
	  false },
	{ "no content",
	  GET("/"),
	  204,
	  -1,
	  { NULL },
	  "",
	  "HTTP/1.1 204 No Content\r\ncontent-type: text/plain\r\n\r\n",
	  false },
	{ "a status without a phrase",
	  GET("/"),
	  299,
	  2,
	  { NULL },
	  "ok",
	  "HTTP/1.1 299 \r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok",
	  false },
	{ "connection: close",
	  "GET / HTTP/1.1\r\nhost: a\r\nConnection: close\r\n\r\n",
	  200,
	  2,
	  { NULL },
	  "ok",
	  LAST_ANSWER,
	  true },
	{ "1.0", "GET / HTTP/1.0\r\n\r\n", 200, 2, { NULL }, "ok", LAST_ANSWER, true },
	{ "1.0, length unknown",
	  "GET / HTTP/1.0\r\n\r\n",
	  200,
	  -1,
	  { "one" },
	  "four",
	  OK_HEAD "connection: close\r\n\r\nonefour",
	  true },
	{ "1.0 keep-alive",
	  "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
	  200,
	  2,
	  { NULL },
	  "ok",
	  OK_HEAD "content-length: 2\r\nconnection: keep-alive\r\n\r\nok",
	  false },
	{ "1.0 keep-alive, length unknown",
	  "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
	  200,
	  -1,
	  { "one" },
	  "four",
	  OK_HEAD "connection: close\r\n\r\nonefour",
	  true },
};

static void check_answer(struct rig *r, size_t row)
{
	struct request *q = ask(r, answers[row].request);

	respond(q, answers[row].status, answers[row].length);
	for (size_t i = 0; i < 3 && answers[row].writes[i]; i++)
		sl_stream_write(q->stream, answers[row].writes[i], strlen(answers[row].writes[i]));
	finish(q, answers[row].last);
	if (answers[row].ends)
		TURN_UNTIL(&r->loop, wire_ended(&r->client));
	settle_down(&r->loop);
	wire_poll(&r->client);
	assert_string_equal(r->client.data, answers[row].bytes);
	if (answers[row].ends)
		return;
	wire_forget(&r->client);
	answer_request(ask(r, GET("/again")));
	TURN_UNTIL(&r->loop, wire_is(&r->client, OK_ANSWER));
}

static void test_answers(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < SL_COUNT(answers); i++) {
		print_message("           %s\n", answers[i].name);
		connect_client(r);
		check_answer(r, i);
		hang_up(r);
	}
}

/* The rest of the request is thrown away, not taken for the next one; the
 * client gets the answer whole and no reset destroys it. */
static void check_early(struct rig *r, enum answer_at at)
{
	r->answer_at = at;
	wire_send(&r->client, POST("/early/answer", "content-length: 100000\r\n") "GET / ");
	TURN_UNTIL(&r->loop, wire_ended(&r->client));
	assert_string_equal(r->client.data, LAST_ANSWER);
	assert_string_equal(r->requests[0].path, "/early/answer");
	for (int i = 0; i < 20; i++) {
		wire_send(&r->client, GET("/smuggled"));
		settle_down(&r->loop);
	}
	assert_false(r->client.reset);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->requests[0].ends, 0);
	assert_int_equal(r->sessions.count, 1); /* lingers */
	wire_close(&r->client);
	TURN_UNTIL(&r->loop, is_over(r));
	assert_int_equal(r->requests[0].gones, 0);
}

static void test_answered_in_the_head(void **state)
{
	check_early(*state, IN_HEAD);
}

static void test_answered_in_the_body(void **state)
{
	check_early(*state, IN_BODY);
}

/* ---- breaking off ---------------------------------------------------- */

static void test_abort_chunked(void **state)
{
	struct rig *r = *state;
	struct request *q = ask(r, GET("/"));

	respond(q, 200, -1);
	sl_stream_write(q->stream, "hello", 5);
	abort_answer(q);
	TURN_UNTIL(&r->loop, wire_over(&r->client));
	assert_string_equal(r->client.data,
	                    OK_HEAD "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
	assert_true(is_over(r));
	assert_int_equal(q->gones, 0);
}

/* Without chunks a clean end could pass for the answer's. */
static void check_abort_resets(struct rig *r, const char *request, int64_t length)
{
	struct request *q = ask(r, request);

	respond(q, 200, length);
	sl_stream_write(q->stream, "hello", 5);
	abort_answer(q);
	TURN_UNTIL(&r->loop, wire_over(&r->client));
	assert_true(wire_has(&r->client, "\r\n\r\nhello"));
	assert_true(r->client.reset);
	assert_true(is_over(r));
}

static void test_abort_with_a_length(void **state)
{
	check_abort_resets(*state, GET("/"), 10);
}

static void test_abort_until_close(void **state)
{
	check_abort_resets(*state, "GET / HTTP/1.0\r\n\r\n", -1);
}

/* ---- the client leaves ----------------------------------------------- */

enum leaving { SHUT, CLOSED, RESET };

static void leave(struct rig *r, enum leaving how)
{
	if (how == SHUT)
		wire_shut(&r->client);
	else if (how == CLOSED)
		wire_close(&r->client);
	else
		wire_reset(&r->client);
	TURN_UNTIL(&r->loop, is_over(r));
}

static const struct {
	const char *name, *bytes;
	unsigned heads, gones;
	bool responds;
} departures[] = {
	{ "without a word", "", 0, 0, false },
	{ "inside a method that could be a preface", "P", 0, 0, false },
	{ "inside the head", "GET / HTTP/1.1\r\nho", 0, 0, false },
	{ "inside the body", POST("/", "content-length: 5\r\n") "hell", 1, 1, false },
	{ "before the answer", GET("/"), 1, 1, false },
	{ "inside the answer", GET("/"), 1, 1, true },
};

static void check_departure(struct rig *r, size_t row, enum leaving how)
{
	connect_client(r);
	wire_send(&r->client, departures[row].bytes);
	TURN_UNTIL(&r->loop, r->n == departures[row].heads);
	settle_down(&r->loop);
	assert_int_equal(r->requests[0].gones, 0);
	if (departures[row].responds) {
		respond(&r->requests[0], 200, -1);
		sl_stream_write(r->requests[0].stream, "hello", 5);
	}
	leave(r, how);
	assert_int_equal(r->n, departures[row].heads);
	if (r->n) {
		assert_int_equal(r->requests[0].gones, departures[row].gones);
		assert_int_equal(r->requests[0].err, SL_E_CLIENT_GONE);
	}
	hang_up(r);
}

static void test_departures(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < SL_COUNT(departures); i++) {
		print_message("           %s\n", departures[i].name);
		check_departure(r, i, SHUT);
		check_departure(r, i, CLOSED);
		check_departure(r, i, RESET);
	}
}

static void test_leaves_after_the_answer(void **state)
{
	struct rig *r = *state;

	answer_request(ask(r, GET("/")));
	TURN_UNTIL(&r->loop, wire_is(&r->client, OK_ANSWER));
	leave(r, SHUT);
	assert_int_equal(r->requests[0].gones, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, rig_free)
#define TABLE(name) cmocka_unit_test_setup_teardown(name, rig_new, rig_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_pipelined_and_answered_later),
		CASE(test_pipelined_and_answered_at_once),
		CASE(test_split_at_every_byte),
		CASE(test_a_flood_behind_a_request_stops),
		CASE(test_continue),
		TABLE(test_answers),
		CASE(test_answered_in_the_head),
		CASE(test_answered_in_the_body),
		CASE(test_abort_chunked),
		CASE(test_abort_with_a_length),
		CASE(test_abort_until_close),
		TABLE(test_departures),
		CASE(test_leaves_after_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
