/* A call over HTTP/1.1, byte for byte: what is asked, what is understood of
 * the answer however it is cut up, and what is said when it breaks. */
#include "tests/unit/gateway/upstream/engine.h"

static int setup(void **state)
{
	return rig_open(state, SL_UP_H1);
}

/* ---- the request ----------------------------------------------------- */

static const struct {
	struct sl_call_request request;
	const char *bytes;
} requests[] = {
	{ { .method = SL_SPAN("GET"), .path = SL_SPAN("/v1/models") },
	  "GET /v1/models HTTP/1.1\r\nhost: engine.test:8000\r\n\r\n" },
	{ { .method = SL_SPAN("POST"),
	    .path = SL_SPAN("/v1/completions?a=b"),
	    .lines = SL_SPAN("content-type: application/json\r\nx-a: 1\r\n"),
	    .body = SL_SPAN("{\"model\":\"m\"}"),
	    .has_body = true },
	  "POST /v1/completions?a=b HTTP/1.1\r\nhost: engine.test:8000\r\n"
	  "content-type: application/json\r\nx-a: 1\r\ncontent-length: 13\r\n\r\n"
	  "{\"model\":\"m\"}" },
	{ { .method = SL_SPAN("PUT"), .path = SL_SPAN("/x") },
	  "PUT /x HTTP/1.1\r\nhost: engine.test:8000\r\ncontent-length: 0\r\n\r\n" },
	{ { .method = SL_SPAN("POST"),
	    .path = SL_SPAN("/x"),
	    .lines = SL_SPAN("x-a: 1\r\n"),
	    .more_lines = SL_SPAN("x-request-id: r-1\r\nx-b: 2\r\n"),
	    .has_body = true },
	  "POST /x HTTP/1.1\r\nhost: engine.test:8000\r\nx-a: 1\r\nx-request-id: r-1\r\n"
	  "x-b: 2\r\ncontent-length: 0\r\n\r\n" },
};

static void test_request_bytes(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < SL_COUNT(requests); i++) {
		struct ask a = { .rig = NULL };

		ask(&a, r, &requests[i].request);
		assert_false(sl_call_sent(a.call)); /* not even connected */
		TURN_UNTIL(&r->loop, engine_asked(r, i));
		TURN_UNTIL(&r->loop, wire_holds(&r->wires[i], strlen(requests[i].bytes)));
		settle_down(&r->loop);
		assert_true(wire_is(&r->wires[i], requests[i].bytes));
		assert_true(sl_call_sent(a.call));
		ask_fini(&a);
	}
}

/* Small bodies are copied behind the head, large ones sent from where they
 * lie: the engine must not be able to tell, at the border least of all. */
static void test_body_sizes(void **state)
{
	static const size_t sizes[] = { 1, 16 * 1024, 16 * 1024 + 1, 300 * 1024 };
	struct rig *r = *state;

	for (unsigned i = 0; i < SL_COUNT(sizes); i++) {
		char *body = patterned(sizes[i]), head[128];
		struct sl_call_request request = {
			.method = SL_SPAN("POST"),
			.path = SL_SPAN("/x"),
			.body = sl_span(body, sizes[i]),
			.has_body = true,
		};
		int n = snprintf(head, sizeof(head),
		                 "POST /x HTTP/1.1\r\nhost: engine.test:8000\r\n"
		                 "content-length: %zu\r\n\r\n",
		                 sizes[i]);
		struct ask a = { .rig = NULL };

		ask(&a, r, &request);
		TURN_UNTIL(&r->loop, engine_met(r, i + 1));
		TURN_UNTIL(&r->loop, wire_holds(&r->wires[i], (size_t)n + sizes[i]));
		assert_int_equal(r->wires[i].len, (size_t)n + sizes[i]);
		assert_memory_equal(r->wires[i].data, head, (size_t)n);
		assert_memory_equal(r->wires[i].data + n, body, sizes[i]);
		ask_fini(&a);
		free(body);
	}
}

/* An engine that does not read: the call waits for it, and says so. */
static void test_body_larger_than_the_socket(void **state)
{
	struct rig *r = *state;
	size_t size = 24u << 20;
	char *body = patterned(size);
	struct sl_call_request request = {
		.method = SL_SPAN("POST"),
		.path = SL_SPAN("/x"),
		.body = sl_span(body, size),
		.has_body = true,
	};
	struct ask a = { .rig = NULL };

	ask(&a, r, &request);
	TURN_UNTIL(&r->loop, engine_met(r, 1));
	settle_down(&r->loop);
	assert_false(sl_call_sent(a.call));
	TURN_UNTIL(&r->loop, wire_holds(&r->wires[0], size));
	TURN_UNTIL(&r->loop, sl_call_sent(a.call));
	wire_poll(&r->wires[0]);
	assert_memory_equal(r->wires[0].data + r->wires[0].len - size, body, size);
	wire_send(&r->wires[0], "HTTP/1.1 204 No Content\r\n\r\n");
	TURN_UNTIL(&r->loop, ask_over(&a));
	assert_int_equal(a.ends, 1);
	ask_fini(&a);
	free(body);
}

/* ---- the answer ------------------------------------------------------ */

static const struct {
	const char *name, *bytes;
	int status;
	const char *body;
	bool head_request; /* asked with HEAD */
	bool closes;       /* the engine closes behind it */
	bool kept;         /* the connection may serve another call */
} answers[] = {
	{ "length", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, "hello",
	  .kept = true },
	{ "length 0", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", .kept = true },
	{ "no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", .kept = true },
	{ "HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 200, "", .head_request = true,
	  .kept = true },
	{ "chunked",
	  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
	  "5\r\nhello\r\n00A;x=\"y\"\r\n, wide sea\r\n0\r\nx-trailer: 1\r\n\r\n",
	  200, "hello, wide sea", .kept = true },
	{ "chunked, nothing in it",
	  "HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 503, "",
	  .kept = true },
	{ "until close", "HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", .closes = true },
	{ "until close, nothing in it", "HTTP/1.1 200 OK\r\n\r\n", 200, "", .closes = true },
	{ "interim heads",
	  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
	  "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
	  200, "ok", .kept = true },
	{ "connection: close",
	  "HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 2\r\n\r\nok", 200, "ok",
	  .kept = false },
	{ "1.0", "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, "ok", .kept = false },
	{ "1.0 keep-alive",
	  "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", 200, "ok",
	  .kept = true },
	{ "bytes behind its end", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok!", 200, "ok",
	  .kept = false },
	{ "a second answer behind its end",
	  "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, "",
	  .kept = false },
};

static const struct sl_call_request head_models = {
	.method = SL_SPAN("HEAD"),
	.path = SL_SPAN("/v1/models"),
};

/* The next call goes over the same connection, or must not. */
static void check_kept(struct rig *r, bool kept)
{
	struct wire *first = &r->wires[r->n_wires - 1];
	unsigned before = r->n_wires;
	struct ask next = { .rig = NULL };

	wire_forget(first);
	ask(&next, r, &get_models);
	if (kept) {
		TURN_UNTIL(&r->loop, wire_has(first, "GET /v1/models"));
		assert_int_equal(before, r->n_wires);
		assert_true(engine_met(r, before));
		assert_int_equal(before, r->n_wires);
	} else {
		TURN_UNTIL(&r->loop, engine_asked(r, before));
		assert_int_equal(first->len, 0);
		assert_true(wire_ended(first));
	}
	ask_fini(&next);
}

/* Behind the end one more byte is enough: the connection may be gone then. */
static void drip(struct rig *r, struct wire *w, const struct ask *a, const char *bytes)
{
	bool over = false;

	for (; *bytes && !over; bytes++) {
		over = ask_over(a);
		wire_send_bytes(w, bytes, 1);
		settle_down(&r->loop);
	}
}

static void check_answer(size_t row, bool split)
{
	void *state;
	struct rig *r;
	struct ask a = { .rig = NULL };

	rig_open(&state, SL_UP_H1);
	r = state;
	ask(&a, r, answers[row].head_request ? &head_models : &get_models);
	TURN_UNTIL(&r->loop, engine_asked(r, 0));
	if (split)
		drip(r, &r->wires[0], &a, answers[row].bytes);
	else
		wire_send(&r->wires[0], answers[row].bytes);
	if (answers[row].closes) {
		settle_down(&r->loop);
		assert_false(ask_over(&a));
		wire_shut(&r->wires[0]);
	}
	TURN_UNTIL(&r->loop, ask_over(&a));
	assert_int_equal(a.fails, 0);
	assert_int_equal(a.heads, 1);
	assert_int_equal(a.status, answers[row].status);
	assert_string_equal(a.body ? a.body : "", answers[row].body);
	assert_int_equal(r->bad, 0);
	check_kept(r, answers[row].kept);
	ask_fini(&a);
	rig_close(&state);
}

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(answers); i++) {
		print_message("           %s\n", answers[i].name);
		check_answer(i, false);
		check_answer(i, true);
	}
}

/* ---- what goes wrong ------------------------------------------------- */

#define INTERIMS_4                                                                                 \
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"                             \
	"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 199 ?\r\n\r\n"
#define INTERIMS_16 INTERIMS_4 INTERIMS_4 INTERIMS_4 INTERIMS_4

enum ending { STAYS, CLOSES, RESETS };

static const struct {
	const char *name, *bytes;
	enum ending ending;
	int err;
	bool started;
	unsigned heads;
	const char *body;
} failures[] = {
	{ "closed without a word", "", CLOSES, SL_E_UPSTREAM_RESET, .started = false },
	{ "reset without a word", "", RESETS, SL_E_UPSTREAM_RESET, .started = false },
	{ "closed inside the head", "HTTP/1.1 200 OK\r\nconte", CLOSES, SL_E_UPSTREAM_TRUNCATED,
	  .started = true },
	{ "closed behind an interim head", "HTTP/1.1 100 Continue\r\n\r\n", CLOSES,
	  SL_E_UPSTREAM_TRUNCATED, .started = true },
	{ "closed before the body", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", CLOSES,
	  SL_E_UPSTREAM_TRUNCATED, .started = true, .heads = 1 },
	{ "closed inside the length", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", CLOSES,
	  SL_E_UPSTREAM_TRUNCATED, .started = true, .heads = 1, .body = "hell" },
	{ "reset inside the length", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", RESETS,
	  SL_E_UPSTREAM_TRUNCATED, .started = true, .heads = 1, .body = "hell" },
	{ "closed inside a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhell",
	  CLOSES, SL_E_UPSTREAM_TRUNCATED, .started = true, .heads = 1, .body = "hell" },
	{ "closed before the last chunk",
	  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", CLOSES,
	  SL_E_UPSTREAM_TRUNCATED, .started = true, .heads = 1, .body = "hello" },
	{ "closed before the last line",
	  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", CLOSES,
	  SL_E_UPSTREAM_TRUNCATED, .started = true, .heads = 1, .body = "hello" },
	{ "reset where a close would end it", "HTTP/1.1 200 OK\r\n\r\nhello", RESETS,
	  SL_E_UPSTREAM_TRUNCATED, .started = true, .heads = 1, .body = "hello" },
	{ "no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", STAYS, SL_E_UPSTREAM_PROTOCOL,
	  .started = true },
	{ "two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", STAYS,
	  SL_E_UPSTREAM_PROTOCOL, .started = true },
	{ "switching protocols", "HTTP/1.1 101 Switching Protocols\r\n\r\n", STAYS,
	  SL_E_UPSTREAM_PROTOCOL, .started = true },
	{ "one interim head too many",
	  INTERIMS_16 "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", STAYS,
	  SL_E_UPSTREAM_PROTOCOL, .started = true },
	{ "no chunk size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz",
	  STAYS, SL_E_UPSTREAM_PROTOCOL, .started = true, .heads = 1, .body = "hello" },
};

static void send_failure(struct rig *r, struct wire *w, const struct ask *a, size_t row)
{
	wire_send(w, failures[row].bytes);
	if (failures[row].ending == STAYS)
		return;
	settle_down(&r->loop);
	assert_false(ask_over(a));
	if (failures[row].ending == CLOSES)
		wire_shut(w);
	else
		wire_reset(w);
}

static void check_failure(size_t row)
{
	void *state;
	struct rig *r;
	struct ask a = { .rig = NULL };

	rig_open(&state, SL_UP_H1);
	r = state;
	ask(&a, r, &get_models);
	TURN_UNTIL(&r->loop, engine_asked(r, 0));
	send_failure(r, &r->wires[0], &a, row);
	TURN_UNTIL(&r->loop, ask_over(&a));
	assert_int_equal(a.ends, 0);
	assert_int_equal(a.fails, 1);
	assert_int_equal(a.err, failures[row].err);
	assert_int_equal(a.started, failures[row].started);
	assert_true(a.sent);
	assert_int_equal(a.heads, failures[row].heads);
	assert_string_equal(a.body ? a.body : "", failures[row].body ? failures[row].body : "");
	assert_int_equal(r->bad, 1);
	assert_int_equal(r->refused, 0);
	if (failures[row].ending != RESETS)
		TURN_UNTIL(&r->loop, wire_over(&r->wires[0]));
	settle_down(&r->loop);
	assert_true(engine_met(r, 1));
	assert_int_equal(r->n_wires, 1); /* a fresh connection's call is not tried again */
	ask_fini(&a);
	rig_close(&state);
}

static void test_failures(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(failures); i++) {
		print_message("           %s\n", failures[i].name);
		check_failure(i);
	}
}

/* ---- pausing and cancelling ------------------------------------------ */

static void start_answer(struct rig *r, struct ask *a, const char *bytes)
{
	ask(a, r, &get_models);
	TURN_UNTIL(&r->loop, engine_asked(r, 0));
	wire_send(&r->wires[0], bytes);
}

static void test_pause_and_resume(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL };

	start_answer(r, &a, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello");
	TURN_UNTIL(&r->loop, SAYS(&a, "hello"));
	sl_call_pause(a.call);
	wire_send(&r->wires[0], "world");
	settle_down(&r->loop);
	assert_true(SAYS(&a, "hello"));
	assert_false(ask_over(&a));
	sl_call_resume(a.call, SL_CALL_STEP);
	TURN_UNTIL(&r->loop, ask_over(&a));
	assert_true(SAYS(&a, "helloworld"));
	assert_int_equal(a.ends, 1);
	ask_fini(&a);
}

/* Paused inside the last piece: the next call on the connection is not. */
static void test_a_pause_ends_with_its_call(void **state)
{
	struct rig *r = *state;
	struct ask a = { .pause_in_body = true }, next = { .rig = NULL };

	start_answer(r, &a, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
	TURN_UNTIL(&r->loop, a.ends == 1);
	wire_forget(&r->wires[0]);
	ask(&next, r, &get_models);
	TURN_UNTIL(&r->loop, engine_asked(r, 0));
	wire_send(&r->wires[0], "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
	TURN_UNTIL(&r->loop, next.ends == 1);
	assert_true(SAYS(&next, "ok"));
	assert_int_equal(r->n_wires, 1);
	ask_fini(&a);
	ask_fini(&next);
}

static void check_cancelled(struct rig *r, struct ask *a)
{
	TURN_UNTIL(&r->loop, wire_over(&r->wires[0]));
	settle_down(&r->loop);
	assert_false(ask_over(a));
	assert_int_equal(r->bad, 0); /* it says nothing about the engine */
	ask_fini(a);
}

static void test_cancel_waiting(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL };

	ask(&a, r, &get_models);
	TURN_UNTIL(&r->loop, engine_asked(r, 0));
	ask_cancel(&a);
	check_cancelled(r, &a);
}

static void test_cancel_in_head(void **state)
{
	struct rig *r = *state;
	struct ask a = { .cancel_in_head = true };

	start_answer(r, &a, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
	TURN_UNTIL(&r->loop, a.heads == 1);
	assert_int_equal(a.bodies, 0);
	check_cancelled(r, &a);
}

/* Of three chunks that came together only the first is told. */
static void test_cancel_in_body(void **state)
{
	struct rig *r = *state;
	struct ask a = { .cancel_in_body = true };

	start_answer(r, &a,
	             "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
	             "1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
	TURN_UNTIL(&r->loop, a.bodies == 1);
	assert_true(SAYS(&a, "a"));
	assert_null(a.call);
	settle_down(&r->loop);
	assert_int_equal(a.bodies, 1);
	TURN_UNTIL(&r->loop, wire_over(&r->wires[0]));
	assert_false(ask_over(&a));
	ask_fini(&a);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, rig_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_request_bytes),
		CASE(test_body_sizes),
		CASE(test_body_larger_than_the_socket),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_failures),
		CASE(test_pause_and_resume),
		CASE(test_a_pause_ends_with_its_call),
		CASE(test_cancel_waiting),
		CASE(test_cancel_in_head),
		CASE(test_cancel_in_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
