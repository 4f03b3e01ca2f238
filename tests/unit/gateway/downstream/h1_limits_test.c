/* HTTP/1.1 on a session, when it goes wrong: requests that are none, clients
 * that are slow in sending or in taking, and the end of the gateway. */
#include "tests/unit/gateway/downstream/h1_client.h"

/* ---- refusals -------------------------------------------------------- */

#define KIND "\"type\":\"invalid_request_error\",\"param\":null,\"code\":"

static const struct {
	const char *name, *bytes, *status_line, *code;
} refusals[] = {
	{ "no HTTP", "hello there, who are you?\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n",
	  "bad_http" },
	{ "no Host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "bad_http" },
	{ "two framings",
	  POST("/", "content-length: 5\r\ntransfer-encoding: chunked\r\n") "0\r\n\r\n",
	  "HTTP/1.1 400 Bad Request\r\n", "bad_http" },
	{ "a bare line feed", "GET / HTTP/1.1\nhost: a\n\n", "HTTP/1.1 400 Bad Request\r\n",
	  "bad_http" },
	{ "an unknown coding", POST("/", "transfer-encoding: gzip, chunked\r\n"),
	  "HTTP/1.1 501 Not Implemented\r\n", "transfer_coding" },
	{ "an unknown expectation", POST("/", "expect: miracles\r\ncontent-length: 1\r\n"),
	  "HTTP/1.1 417 Expectation Failed\r\n", "expectation_failed" },
	{ "an unknown version", "GET / HTTP/3.0\r\nhost: a\r\n\r\n",
	  "HTTP/1.1 505 HTTP Version Not Supported\r\n", "http_version" },
	{ "a second request that is none", GET("/") "x\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n",
	  "bad_http" },
};

/* One JSON error in the shape OpenAI's clients read, then the end. The error
 * does not come through the handler, so what it says is checked here. */
static void check_refused(struct rig *r, const char *status_line, const char *code)
{
	char text[128];
	const char *answer, *body;

	TURN_UNTIL(&r->loop, wire_ended(&r->client));
	answer = strstr(r->client.data, status_line);
	assert_non_null(answer);
	assert_non_null(strstr(answer, "content-type: application/json\r\n"));
	assert_non_null(strstr(answer, "connection: close\r\n"));
	assert_true(answer[9] == '5' || strstr(answer, "x-should-retry: false\r\n"));
	body = strstr(answer, "\r\n\r\n");
	assert_non_null(body);
	assert_memory_equal(body + 4, "{\"error\":{\"message\":\"", 21);
	snprintf(text, sizeof(text), "%s\"%s\"}}", KIND, code);
	assert_string_equal(body + strlen(body) - strlen(text), text);
	snprintf(text, sizeof(text), "content-length: %zu\r\n", strlen(body + 4));
	assert_non_null(strstr(answer, text));
}

static void test_refusals(void **state)
{
	struct rig *r = *state;

	r->answer_at = IN_HEAD;
	for (size_t i = 0; i < SL_COUNT(refusals); i++) {
		unsigned heads = strncmp(refusals[i].bytes, "GET / HTTP/1.1\r\nhost", 20) == 0;
		int64_t before;

		print_message("           %s\n", refusals[i].name);
		connect_client(r);
		before = sl_metric_sum(SL_M_ERRORS, (unsigned)(-1 - SL_E_BAD_HTTP));
		wire_send(&r->client, refusals[i].bytes);
		check_refused(r, refusals[i].status_line, refusals[i].code);
		assert_int_equal(r->n, heads);
		assert_int_equal(sl_metric_sum(SL_M_ERRORS, (unsigned)(-1 - SL_E_BAD_HTTP)) -
		                         before,
		                 strcmp(refusals[i].code, "bad_http") == 0);
		hang_up(r);
	}
}

static void test_head_too_large(void **state)
{
	struct rig *r = *state;
	char *value = patterned(20000);

	wire_send(&r->client, "GET / HTTP/1.1\r\nhost: a\r\nx: ");
	wire_send(&r->client, value);
	check_refused(r, "HTTP/1.1 431 Request Header Fields Too Large\r\n", "headers_too_large");
	assert_int_equal(r->n, 0);
	free(value);
}

static void test_body_breaks_the_framing(void **state)
{
	struct rig *r = *state;

	wire_send(&r->client, POST("/", "transfer-encoding: chunked\r\n") "5\r\nhello\r\nzz");
	check_refused(r, "HTTP/1.1 400 Bad Request\r\n", "bad_http");
	assert_string_equal(r->requests[0].body, "hello");
	assert_int_equal(r->requests[0].gones, 1);
	assert_int_equal(r->requests[0].err, SL_E_BAD_HTTP);
	assert_int_equal(r->requests[0].ends, 0);
}

/* Half an answer is out: a refusal behind it would pass for part of it. */
static void test_body_breaks_the_framing_under_an_answer(void **state)
{
	struct rig *r = *state;

	wire_send(&r->client, POST("/", "transfer-encoding: chunked\r\n") "5\r\nhello\r\n");
	TURN_UNTIL(&r->loop, r->n == 1 && r->requests[0].body_len == 5);
	respond(&r->requests[0], 200, -1);
	sl_stream_write(r->requests[0].stream, "half", 4);
	TURN_UNTIL(&r->loop, wire_has(&r->client, "half"));
	wire_send(&r->client, "zz");
	TURN_UNTIL(&r->loop, wire_over(&r->client));
	assert_string_equal(r->client.data, OK_HEAD "transfer-encoding: chunked\r\n"
	                                            "connection: close\r\n\r\n4\r\nhalf\r\n");
	assert_int_equal(r->requests[0].gones, 1);
	assert_int_equal(r->requests[0].err, SL_E_BAD_HTTP);
	assert_true(is_over(r));
}

/* ---- slow clients ---------------------------------------------------- */

#define BRIEF_US 40000u

static int setup_brief_head(void **state)
{
	struct rig *r;

	rig_new(state);
	r = *state;
	r->config.header_timeout_us = BRIEF_US;
	connect_client(r);
	return 0;
}

static int setup_brief_keepalive(void **state)
{
	struct rig *r;

	rig_new(state);
	r = *state;
	r->config.keepalive_timeout_us = BRIEF_US;
	connect_client(r);
	return 0;
}

static void wait_past(struct rig *r, uint64_t us)
{
	uint64_t past_us = r->loop.now_us + us;

	TURN_UNTIL(&r->loop, r->loop.now_us > past_us);
}

static void check_closed_quietly(struct rig *r)
{
	TURN_UNTIL(&r->loop, is_over(r));
	TURN_UNTIL(&r->loop, wire_over(&r->client));
	assert_int_equal(r->client.len, 0);
}

static void test_says_nothing(void **state)
{
	check_closed_quietly(*state);
}

static void test_says_half_a_preface(void **state)
{
	struct rig *r = *state;

	wire_send(&r->client, "PRI * HTTP/2");
	check_closed_quietly(r);
}

static void test_never_ends_its_head(void **state)
{
	struct rig *r = *state;

	wire_send(&r->client, "GET / HTTP/1.1\r\nhost: a\r\n");
	check_refused(r, "HTTP/1.1 408 Request Timeout\r\n", "request_timeout");
	assert_int_equal(r->n, 0);
}

/* A field now and then does not buy more time. */
static void test_drips_its_head(void **state)
{
	struct rig *r = *state;
	uint64_t give_up_us = wall_us() + PATIENCE_US, next_us = 0;

	wire_send(&r->client, "GET / HTTP/1.1\r\nhost: a\r\n");
	while (!wire_has(&r->client, "HTTP/1.1 408 ")) {
		assert_true(wall_us() < give_up_us);
		if (r->loop.now_us > next_us) {
			wire_send(&r->client, "x: y\r\n");
			next_us = r->loop.now_us + BRIEF_US / 8;
		}
		turn(&r->loop);
	}
	assert_int_equal(r->n, 0);
}

/* The head's limit is the head's: neither body nor answer run under it. */
static void test_head_timeout_ends_with_the_head(void **state)
{
	struct rig *r = *state;

	wire_send(&r->client, POST("/", "content-length: 5\r\n"));
	TURN_UNTIL(&r->loop, r->n == 1);
	wait_past(r, 3 * BRIEF_US);
	wire_send(&r->client, "hello");
	TURN_UNTIL(&r->loop, r->requests[0].ends == 1);
	wait_past(r, 3 * BRIEF_US);
	answer_request(&r->requests[0]);
	TURN_UNTIL(&r->loop, wire_is(&r->client, OK_ANSWER));
	wait_past(r, 3 * BRIEF_US); /* nor does keeping alive */
	answer_request(ask(r, GET("/")));
	TURN_UNTIL(&r->loop, wire_is(&r->client, OK_ANSWER OK_ANSWER));
}

/* The second head on a connection has its limit too. */
static void test_second_head_never_ends(void **state)
{
	struct rig *r = *state;

	answer_request(ask(r, GET("/")));
	TURN_UNTIL(&r->loop, wire_is(&r->client, OK_ANSWER));
	wire_send(&r->client, "GET /second");
	check_refused(r, "HTTP/1.1 408 Request Timeout\r\n", "request_timeout");
	assert_int_equal(r->n, 1);
}

static void test_keepalive_timeout(void **state)
{
	struct rig *r = *state;

	wait_past(r, 3 * BRIEF_US); /* does not run before the first request */
	answer_request(ask(r, GET("/")));
	TURN_UNTIL(&r->loop, wire_is(&r->client, OK_ANSWER));
	wire_forget(&r->client);
	check_closed_quietly(r);
}

static void test_keepalive_timeout_spares_the_busy(void **state)
{
	struct rig *r = *state;
	struct request *q;

	answer_request(ask(r, GET("/")));
	q = ask(r, GET("/"));
	wait_past(r, 3 * BRIEF_US);
	answer_request(q);
	TURN_UNTIL(&r->loop, wire_is(&r->client, OK_ANSWER OK_ANSWER));
}

/* ---- a client that does not take its answer -------------------------- */

/* Writes until bytes wait inside the gateway. */
static size_t fill_up(struct rig *r, struct request *q, const char *block, size_t size)
{
	size_t written = 0;

	respond(q, 200, -1);
	while (sl_stream_write(q->stream, block, size) == 0) {
		settle_down(&r->loop);
		written += size;
		assert_true(written < 256u << 20);
	}
	return written + size;
}

static void test_back_pressure(void **state)
{
	struct rig *r = *state;
	char *block = patterned(256 * 1024);
	struct request *q = ask(r, GET("/"));
	size_t written = fill_up(r, q, block, 256 * 1024);
	size_t more = sl_stream_write(q->stream, "x", 1);

	assert_true(more > 1); /* what waits is what waits in all */
	settle_down(&r->loop);
	assert_int_equal(q->drains, 0);
	TURN_UNTIL(&r->loop, wire_holds(&r->client, 1) && q->drains == 1);
	assert_true(q->drained_to < more);
	finish(q, "end");
	TURN_UNTIL(&r->loop,
	           wire_holds(&r->client, written) && !memcmp(r->client.data + r->client.len - 13,
	                                                      "3\r\nend\r\n0\r\n\r\n", 13));
	assert_int_equal(q->drains, 1);
	assert_int_equal(r->sessions.count, 1);
	free(block);
}

static void test_takes_nothing(void **state)
{
	struct rig *r = *state;
	char *block = patterned(256 * 1024);
	struct request *q = ask(r, GET("/"));

	r->config.write_timeout_us = BRIEF_US;
	fill_up(r, q, block, 256 * 1024);
	TURN_UNTIL(&r->loop, is_over(r));
	assert_int_equal(q->gones, 1);
	assert_int_equal(q->err, SL_E_CLIENT_GONE);
	TURN_UNTIL(&r->loop, wire_over(&r->client));
	assert_true(r->client.reset);
	free(block);
}

/* A long answer that is taken, however slowly, is not a stuck one. */
static void test_takes_slowly(void **state)
{
	struct rig *r = *state;
	size_t size = 16u << 20; /* more than is taken below: bytes wait all the time */
	char *block = patterned(size), some[65536];
	struct request *q = ask(r, GET("/"));

	r->config.write_timeout_us = 4 * BRIEF_US;
	fill_up(r, q, block, size);
	for (int i = 0; i < 24 && !is_over(r); i++) {
		for (int k = 0; k < 4; k++)
			(void)!recv(r->client.fd, some, sizeof(some), MSG_DONTWAIT);
		wait_past(r, BRIEF_US / 2);
	}
	assert_int_equal(q->gones, 0);
	assert_int_equal(r->sessions.count, 1);
	assert_true(sl_stream_write(q->stream, "x", 1) > 1);
	free(block);
}

/* ---- the gateway goes ------------------------------------------------ */

static void test_drain_idle(void **state)
{
	struct rig *r = *state;

	answer_request(ask(r, GET("/")));
	TURN_UNTIL(&r->loop, wire_is(&r->client, OK_ANSWER));
	sl_sessions_drain(&r->sessions, false);
	assert_true(is_over(r));
	TURN_UNTIL(&r->loop, wire_ended(&r->client));
}

static void test_drain_busy(void **state)
{
	struct rig *r = *state;
	struct request *q = ask(r, GET("/1"));

	sl_sessions_drain(&r->sessions, false);
	settle_down(&r->loop);
	assert_int_equal(r->sessions.count, 1);
	assert_int_equal(q->gones, 0);
	wire_send(&r->client, GET("/2")); /* comes too late */
	settle_down(&r->loop);
	answer_request(q);
	TURN_UNTIL(&r->loop, wire_ended(&r->client));
	assert_string_equal(r->client.data, LAST_ANSWER);
	assert_int_equal(r->n, 1);
}

/* The status is out already and promised more: the answer is still whole. */
static void test_drain_inside_an_answer(void **state)
{
	struct rig *r = *state;
	struct request *q = ask(r, GET("/"));

	respond(q, 200, 4);
	sl_stream_write(q->stream, "on", 2);
	sl_sessions_drain(&r->sessions, false);
	sl_sessions_drain(&r->sessions, true);
	finish(q, "ly");
	TURN_UNTIL(&r->loop, wire_ended(&r->client));
	assert_string_equal(r->client.data, OK_HEAD "content-length: 4\r\n\r\nonly");
}

static void test_drain_before_the_first_request(void **state)
{
	struct rig *r = *state;

	sl_sessions_drain(&r->sessions, false);
	settle_down(&r->loop);
	assert_int_equal(r->sessions.count, 1); /* it may be about to speak */
	answer_request(ask(r, GET("/")));
	TURN_UNTIL(&r->loop, wire_ended(&r->client));
	assert_string_equal(r->client.data, LAST_ANSWER);
}

static void test_drain_the_silent(void **state)
{
	struct rig *r = *state;

	sl_sessions_drain(&r->sessions, false);
	sl_sessions_drain(&r->sessions, true);
	assert_true(is_over(r));
	TURN_UNTIL(&r->loop, wire_ended(&r->client));
}

static void test_deadline(void **state)
{
	struct rig *r = *state;
	struct request *q = ask(r, GET("/"));

	sl_sessions_close(&r->sessions);
	assert_true(is_over(r));
	assert_int_equal(q->gones, 1);
	assert_int_equal(q->err, SL_E_DRAINING);
	TURN_UNTIL(&r->loop, wire_over(&r->client));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, rig_free)
#define BRIEF_HEAD(name) cmocka_unit_test_setup_teardown(name, setup_brief_head, rig_free)
#define BRIEF_KEEP(name) cmocka_unit_test_setup_teardown(name, setup_brief_keepalive, rig_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refusals, rig_new, rig_free),
		CASE(test_head_too_large),
		CASE(test_body_breaks_the_framing),
		CASE(test_body_breaks_the_framing_under_an_answer),
		BRIEF_HEAD(test_says_nothing),
		BRIEF_HEAD(test_says_half_a_preface),
		BRIEF_HEAD(test_never_ends_its_head),
		BRIEF_HEAD(test_drips_its_head),
		BRIEF_HEAD(test_head_timeout_ends_with_the_head),
		BRIEF_HEAD(test_second_head_never_ends),
		BRIEF_KEEP(test_keepalive_timeout),
		BRIEF_KEEP(test_keepalive_timeout_spares_the_busy),
		CASE(test_back_pressure),
		CASE(test_takes_nothing),
		CASE(test_takes_slowly),
		CASE(test_drain_idle),
		CASE(test_drain_busy),
		CASE(test_drain_inside_an_answer),
		CASE(test_drain_before_the_first_request),
		CASE(test_drain_the_silent),
		CASE(test_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
