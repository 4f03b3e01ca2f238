/* A fetch: its limits, the redirects it follows, and its one end. */
#include "gateway/upstream/fetch.h"

#include "tests/unit/gateway/upstream/engine.h"

struct got {
	struct sl_fetch *fetch; /* NULL once it has ended */
	unsigned ends;
	enum sl_probe_result result;
	int status, said; /* by the end, by the head */
	char body[256];
	size_t len;
};

static void tell_status(void *user, int status)
{
	struct got *g = user;

	g->said = status;
}

static void tell_data(void *user, const char *data, size_t len)
{
	struct got *g = user;

	assert_true(g->len + len < sizeof(g->body));
	memcpy(g->body + g->len, data, len);
	g->len += len;
}

static void tell_over(void *user, enum sl_probe_result result, int status)
{
	struct got *g = user;

	g->fetch = NULL;
	g->ends++;
	g->result = result;
	g->status = status;
}

static const struct sl_fetch_events fetch_events = { tell_status, tell_data, tell_over };

static struct sl_fetch_spec usual(void)
{
	return (struct sl_fetch_spec){
		.path = SL_SPAN("/metrics"),
		.connect_timeout_us = PATIENCE_US,
		.timeout_us = 10 * PATIENCE_US,
		.max_bytes = 64,
	};
}

static void fetch(struct got *g, struct rig *r, const struct sl_fetch_spec *spec)
{
	*g = (struct got){ .ends = 0 };
	g->fetch = sl_fetch_start(&r->loop, r->upstreams, r->ep, spec, &fetch_events, g);
}

static int setup(void **state)
{
	return rig_open(state, SL_UP_H1);
}

static void test_whole_answers(void **state)
{
	static const struct {
		const char *answer, *body;
		int status;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok", "ok",
		  200 },
		{ "HTTP/1.1 503 X\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy", "busy",
		  503 },
		{ "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: "
		  "close\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
		  "ab", 200 },
		{ "HTTP/1.1 307 X\r\nlocation: http://elsewhere/x\r\ncontent-length: "
		  "0\r\nconnection: close\r\n\r\n",
		  "", 307 },
		{ "HTTP/1.1 307 X\r\nlocation: //elsewhere/x\r\ncontent-length: 0\r\nconnection: "
		  "close\r\n\r\n",
		  "", 307 },
		{ "HTTP/1.1 307 X\r\nlocation: http://engine.test:80000/x\r\ncontent-length: "
		  "0\r\nconnection: close\r\n\r\n",
		  "", 307 },
	};
	struct rig *r = *state;
	struct sl_fetch_spec spec = usual();

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		struct got g;

		fetch(&g, r, &spec);
		TURN_UNTIL(&r->loop, engine_asked(r, i));
		wire_send(&r->wires[i], cases[i].answer);
		TURN_UNTIL(&r->loop, g.ends == 1);
		assert_int_equal(g.result, SL_PROBE_OK);
		assert_int_equal(g.status, cases[i].status);
		assert_int_equal(g.said, cases[i].status);
		assert_int_equal(g.len, strlen(cases[i].body));
		assert_memory_equal(g.body, cases[i].body, g.len);
	}
}

static void test_redirects_are_followed(void **state)
{
	static const char *const locations[] = { "/metrics/", "http://engine.test:8000/metrics/" };
	struct rig *r = *state;
	struct sl_fetch_spec spec = usual();
	unsigned wire = 0;

	for (unsigned i = 0; i < SL_COUNT(locations); i++) {
		char answer[256];
		struct got g;

		snprintf(answer, sizeof(answer),
		         "HTTP/1.1 307 X\r\nlocation: %s\r\ncontent-length: 4\r\nconnection: "
		         "close\r\n\r\ngone",
		         locations[i]);
		fetch(&g, r, &spec);
		TURN_UNTIL(&r->loop, engine_asked(r, wire));
		wire_send(&r->wires[wire++], answer);
		TURN_UNTIL(&r->loop, engine_asked(r, wire));
		assert_true(wire_has(&r->wires[wire], "GET /metrics/ HTTP/1.1\r\n"));
		wire_send(&r->wires[wire++], "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: "
		                             "close\r\n\r\npage");
		TURN_UNTIL(&r->loop, g.ends == 1);
		assert_int_equal(g.status, 200);
		assert_int_equal(g.said, 200);
		assert_int_equal(g.len, 4);
		assert_memory_equal(g.body, "page", 4);
	}
}

static void test_redirects_end(void **state)
{
	struct rig *r = *state;
	struct sl_fetch_spec spec = usual();
	struct got g;

	fetch(&g, r, &spec);
	for (unsigned i = 0; !g.ends; i++) {
		TURN_UNTIL(&r->loop, engine_asked(r, i));
		wire_send(&r->wires[i], "HTTP/1.1 302 X\r\nlocation: /metrics\r\ncontent-length: "
		                        "0\r\nconnection: close\r\n\r\n");
		TURN_UNTIL(&r->loop, g.ends || engine_met(r, i + 2));
	}
	assert_int_equal(g.result, SL_PROBE_OK);
	assert_int_equal(g.status, 302);
}

static void test_failures(void **state)
{
	struct rig *r = *state;
	struct sl_fetch_spec spec = usual();
	struct got g;

	fetch(&g, r, &spec); /* more than was asked for */
	TURN_UNTIL(&r->loop, engine_asked(r, 0));
	wire_send(&r->wires[0],
	          "HTTP/1.1 200 OK\r\ncontent-length: 65\r\n\r\n"
	          "12345678901234567890123456789012345678901234567890123456789012345");
	TURN_UNTIL(&r->loop, g.ends == 1);
	assert_int_equal(g.result, SL_PROBE_BROKEN);
	assert_int_equal(g.status, 0);

	fetch(&g, r, &spec); /* half an answer */
	TURN_UNTIL(&r->loop, engine_asked(r, 1));
	wire_send(&r->wires[1], "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab");
	wire_close(&r->wires[1]);
	TURN_UNTIL(&r->loop, g.ends == 1);
	assert_int_equal(g.result, SL_PROBE_BROKEN);

	spec.silence_us = 50000; /* nothing at all */
	fetch(&g, r, &spec);
	TURN_UNTIL(&r->loop, engine_asked(r, 2));
	TURN_UNTIL(&r->loop, g.ends == 1);
	assert_int_equal(g.result, SL_PROBE_TIMEOUT);

	close(r->listen_fd);
	r->listen_fd = -1;
	fetch(&g, r, &spec);
	TURN_UNTIL(&r->loop, g.ends == 1);
	assert_int_equal(g.result, SL_PROBE_REFUSED);
}

static void test_posts_and_cancels(void **state)
{
	struct rig *r = *state;
	struct sl_fetch_spec spec = usual();
	struct got g;

	spec.body = SL_SPAN("{}");
	spec.lines = SL_SPAN("x-a: 1\r\n");
	fetch(&g, r, &spec);
	TURN_UNTIL(&r->loop, engine_asked(r, 0));
	TURN_UNTIL(&r->loop, wire_has(&r->wires[0], "content-length: 2\r\n\r\n{}"));
	assert_true(wire_has(&r->wires[0], "POST /metrics HTTP/1.1\r\n"));
	assert_true(wire_has(&r->wires[0], "content-type: application/json\r\nx-a: 1\r\n"));
	sl_fetch_cancel(g.fetch);
	TURN_UNTIL(&r->loop, wire_over(&r->wires[0]));
	assert_int_equal(g.ends, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, rig_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_whole_answers),     CASE(test_redirects_are_followed),
		CASE(test_redirects_end),     CASE(test_failures),
		CASE(test_posts_and_cancels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
