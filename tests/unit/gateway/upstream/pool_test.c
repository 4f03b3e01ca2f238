/* Connections between calls: which are used again, which are given up, what
 * happens when an engine closes one just as it is used, and when there is no
 * connection to be had. */
#include "tests/unit/gateway/upstream/engine.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

static int setup(void **state)
{
	return rig_open(state, SL_UP_H1);
}

static void answer(struct rig *r, struct ask *a, unsigned wire)
{
	TURN_UNTIL(&r->loop, engine_asked(r, wire));
	wire_forget(&r->wires[wire]);
	wire_send(&r->wires[wire], OK_ANSWER);
	TURN_UNTIL(&r->loop, ask_over(a));
	assert_int_equal(a->ends, 1);
	assert_true(SAYS(a, "ok"));
}

/* A call that leaves connection 0 idle. */
static void warm_up(struct rig *r, const struct sl_call_limits *limits)
{
	struct ask a = { .rig = NULL };

	ask_with(&a, r, &get_models, limits);
	answer(r, &a, 0);
	ask_fini(&a);
}

/* ---- which connection ------------------------------------------------ */

static void test_calls_at_once_have_connections_of_their_own(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL }, b = { .rig = NULL }, c = { .rig = NULL };

	ask(&a, r, &get_models);
	ask(&b, r, &get_models);
	TURN_UNTIL(&r->loop, engine_asked(r, 0) && engine_asked(r, 1));
	answer(r, &b, 1);
	ask(&c, r, &get_models);
	answer(r, &c, 1); /* the idle one, not the one still busy */
	assert_false(ask_over(&a));
	answer(r, &a, 0);
	assert_int_equal(r->n_wires, 2);
	ask_fini(&a);
	ask_fini(&b);
	ask_fini(&c);
}

static void test_asked_from_inside_the_end(void **state)
{
	struct rig *r = *state;
	struct ask second = { .rig = NULL }, first = { .then = &second };

	ask(&first, r, &get_models);
	answer(r, &first, 0);
	answer(r, &second, 0);
	assert_int_equal(r->n_wires, 1);
	ask_fini(&first);
	ask_fini(&second);
}

static void test_no_more_idle_than_allowed(void **state)
{
	static const struct sl_call_limits one = { 60000000, 60000000, 1, 0 };
	static const struct sl_call_limits none = { 60000000, 60000000, 0, 0 };
	struct rig *r = *state;
	struct ask a = { .rig = NULL }, b = { .rig = NULL }, c = { .rig = NULL };

	ask_with(&a, r, &get_models, &one);
	ask_with(&b, r, &get_models, &one);
	TURN_UNTIL(&r->loop, engine_met(r, 2));
	answer(r, &a, 0);
	answer(r, &b, 1);
	TURN_UNTIL(&r->loop, wire_ended(&r->wires[1]));
	assert_true(wire_quiet(&r->wires[0]));
	ask_with(&c, r, &get_models, &none);
	answer(r, &c, 0);
	TURN_UNTIL(&r->loop, wire_ended(&r->wires[0]));
	ask_fini(&a);
	ask_fini(&b);
	ask_fini(&c);
}

/* ---- closed while it is used again ----------------------------------- */

static void check_retried(struct rig *r, const struct sl_call_request *request,
                          void (*part)(struct wire *w))
{
	struct ask a = { .rig = NULL };

	warm_up(r, &generous);
	ask(&a, r, request);
	part(&r->wires[0]); /* before the request is out */
	TURN_UNTIL(&r->loop, engine_asked(r, 1));
	TURN_UNTIL(&r->loop, wire_holds(&r->wires[1], request->body.len));
	settle_down(&r->loop);
	wire_poll(&r->wires[1]);
	assert_memory_equal(r->wires[1].data + r->wires[1].len - request->body.len,
	                    request->body.ptr, request->body.len);
	answer(r, &a, 1);
	assert_int_equal(r->n_wires, 2);
	assert_int_equal(r->bad, 0); /* nobody noticed */
	ask_fini(&a);
}

static void test_reset_under_a_request(void **state)
{
	static const struct sl_call_request post = {
		.method = SL_SPAN("POST"),
		.path = SL_SPAN("/x"),
		.body = SL_SPAN("{\"model\":\"m\"}"),
		.has_body = true,
	};

	check_retried(*state, &post, wire_reset);
}

static void test_closed_under_a_request(void **state)
{
	char *body = patterned(100 * 1024); /* is sent from where it lies, twice */
	struct sl_call_request post = {
		.method = SL_SPAN("POST"),
		.path = SL_SPAN("/x"),
		.body = sl_span(body, 100 * 1024),
		.has_body = true,
	};

	check_retried(*state, &post, wire_close);
	free(body);
}

/* Another idle connection is no better than the one that was just lost. */
static void test_retried_on_a_fresh_connection(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL }, b = { .rig = NULL };

	ask(&a, r, &get_models);
	ask(&b, r, &get_models);
	TURN_UNTIL(&r->loop, engine_met(r, 2));
	answer(r, &a, 0);
	answer(r, &b, 1);
	ask_fini(&a);
	ask(&a, r, &get_models);
	wire_reset(&r->wires[1]); /* the one used last is used first */
	answer(r, &a, 2);
	assert_true(wire_quiet(&r->wires[0]));
	ask_fini(&a);
	ask_fini(&b);
}

static void test_retried_only_once(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL };

	warm_up(r, &generous);
	ask(&a, r, &get_models);
	wire_reset(&r->wires[0]);
	TURN_UNTIL(&r->loop, engine_asked(r, 1));
	wire_reset(&r->wires[1]);
	TURN_UNTIL(&r->loop, ask_over(&a));
	assert_int_equal(a.fails, 1);
	assert_int_equal(a.err, SL_E_UPSTREAM_RESET);
	assert_false(a.started);
	assert_true(a.sent);
	assert_int_equal(r->bad, 1);
	settle_down(&r->loop);
	assert_true(engine_met(r, 2));
	assert_int_equal(r->n_wires, 2);
	ask_fini(&a);
}

/* What was begun cannot be asked again behind the caller's back. */
static void test_not_retried_once_it_answered(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL };

	warm_up(r, &generous);
	ask(&a, r, &get_models);
	TURN_UNTIL(&r->loop, engine_asked(r, 0));
	wire_send(&r->wires[0], "H");
	settle_down(&r->loop);
	wire_reset(&r->wires[0]);
	TURN_UNTIL(&r->loop, ask_over(&a));
	assert_int_equal(a.err, SL_E_UPSTREAM_TRUNCATED);
	assert_true(a.started);
	settle_down(&r->loop);
	assert_true(engine_met(r, 1));
	assert_int_equal(r->n_wires, 1);
	ask_fini(&a);
}

/* The engine is gone for good: the retry finds nobody. */
static void test_retry_is_refused(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL };

	warm_up(r, &generous);
	ask(&a, r, &get_models);
	close(r->listen_fd);
	r->listen_fd = -1;
	wire_reset(&r->wires[0]);
	TURN_UNTIL(&r->loop, ask_over(&a));
	assert_int_equal(a.err, SL_E_UPSTREAM_CONNECT);
	assert_false(a.started);
	ask_fini(&a);
}

/* ---- while it is idle ------------------------------------------------ */

static void check_replaced(struct rig *r)
{
	struct ask a = { .rig = NULL };

	ask(&a, r, &get_models);
	answer(r, &a, 1);
	assert_int_equal(r->n_wires, 2);
	assert_int_equal(r->bad, 0);
	ask_fini(&a);
}

static void test_talks_unasked(void **state)
{
	struct rig *r = *state;

	warm_up(r, &generous);
	wire_send(&r->wires[0], OK_ANSWER);
	TURN_UNTIL(&r->loop, wire_over(&r->wires[0]));
	check_replaced(r);
}

static void test_closed_while_idle(void **state)
{
	struct rig *r = *state;

	warm_up(r, &generous);
	wire_shut(&r->wires[0]);
	TURN_UNTIL(&r->loop, wire_ended(&r->wires[0])); /* closed in return */
	check_replaced(r);
}

static void test_idle_timeout(void **state)
{
	static const struct sl_call_limits brief = { 60000000, 30000, 4, 0 };
	struct rig *r = *state;

	warm_up(r, &brief);
	TURN_UNTIL(&r->loop, wire_ended(&r->wires[0]));
	check_replaced(r);
}

/* The limit is of idleness: a call that lasts longer is not cut off, and
 * after it the limit runs anew. */
static void test_idle_timeout_spares_the_busy(void **state)
{
	static const struct sl_call_limits brief = { 60000000, 30000, 4, 0 };
	struct rig *r = *state;
	struct ask a = { .rig = NULL };
	uint64_t past_us;

	warm_up(r, &brief);
	ask_with(&a, r, &get_models, &brief);
	TURN_UNTIL(&r->loop, engine_asked(r, 0));
	past_us = r->loop.now_us + 100000;
	TURN_UNTIL(&r->loop, r->loop.now_us > past_us);
	answer(r, &a, 0);
	assert_int_equal(r->n_wires, 1);
	TURN_UNTIL(&r->loop, wire_ended(&r->wires[0]));
	ask_fini(&a);
}

/* ---- taken out of service -------------------------------------------- */

static void test_retire(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL }, b = { .rig = NULL };

	ask(&a, r, &get_models);
	ask(&b, r, &get_models);
	TURN_UNTIL(&r->loop, engine_met(r, 2));
	answer(r, &a, 0);
	TURN_UNTIL(&r->loop, engine_asked(r, 1));
	assert_int_equal(atomic_load(&r->ep->refs), 2);
	sl_upstreams_retire(r->upstreams, r->ep);
	TURN_UNTIL(&r->loop, wire_ended(&r->wires[0]));
	assert_true(wire_has(&r->wires[1], "GET "));
	assert_false(r->wires[1].ended);
	answer(r, &b, 1);
	TURN_UNTIL(&r->loop, wire_ended(&r->wires[1]));
	assert_int_equal(atomic_load(&r->ep->refs), 1); /* the pool went with its last call */
	ask_fini(&a);
	ask_fini(&b);
}

static void test_retire_before_anything(void **state)
{
	struct rig *r = *state;

	sl_upstreams_retire(r->upstreams, r->ep); /* nobody asked it yet */
	warm_up(r, &generous);
	sl_upstreams_retire(r->upstreams, r->ep);
	TURN_UNTIL(&r->loop, wire_ended(&r->wires[0]));
	assert_int_equal(atomic_load(&r->ep->refs), 1);
}

/* Already out of the configuration when it is asked: nothing is kept. */
static void test_removed_endpoint_keeps_nothing(void **state)
{
	struct rig *r = *state;

	atomic_store(&r->ep->removed, true);
	warm_up(r, &generous);
	TURN_UNTIL(&r->loop, wire_ended(&r->wires[0]));
	assert_int_equal(atomic_load(&r->ep->refs), 1);
}

/* ---- no connection --------------------------------------------------- */

static void check_unreachable(struct rig *r)
{
	struct ask a = { .rig = NULL }, given_up = { .rig = NULL }, b = { .rig = NULL };

	ask(&a, r, &get_models); /* asserts that nothing is said from inside */
	ask(&given_up, r, &get_models);
	ask(&b, r, &get_models);
	assert_false(sl_call_sent(a.call));
	ask_cancel(&given_up);
	TURN_UNTIL(&r->loop, ask_over(&a) && ask_over(&b));
	assert_int_equal(a.err, SL_E_UPSTREAM_CONNECT);
	assert_false(a.started);
	assert_false(a.sent);
	assert_int_equal(b.err, SL_E_UPSTREAM_CONNECT);
	settle_down(&r->loop);
	assert_false(ask_over(&given_up));
	assert_int_equal(r->bad, 2);
	ask_fini(&a);
	ask_fini(&b);
}

static void test_refused(void **state)
{
	struct rig *r = *state;

	close(r->listen_fd);
	r->listen_fd = -1;
	check_unreachable(r);
}

static void test_no_socket_of_that_kind(void **state)
{
	struct rig *r = *state;

	r->ep->addr.ss.ss_family = AF_UNSPEC;
	check_unreachable(r);
}

/* A queue for accepting that is full lets further attempts hang. */
static void test_connect_timeout(void **state)
{
	static const struct sl_call_limits hasty = { 40000, 60000000, 4, 0 };
	struct rig *r = *state;
	struct ask filling[4] = { { .rig = NULL } }, a = { .rig = NULL };

	assert_int_equal(listen(r->listen_fd, 0), 0);
	for (unsigned i = 0; i < SL_COUNT(filling); i++)
		ask(&filling[i], r, &get_models);
	settle_down(&r->loop);
	assert_false(sl_call_sent(filling[SL_COUNT(filling) - 1].call));
	ask_with(&a, r, &get_models, &hasty);
	TURN_UNTIL(&r->loop, ask_over(&a));
	assert_int_equal(a.err, SL_E_UPSTREAM_CONNECT);
	assert_false(a.started);
	assert_false(a.sent);
	for (unsigned i = 0; i < SL_COUNT(filling); i++) {
		assert_false(ask_over(&filling[i]));
		ask_fini(&filling[i]);
	}
	ask_fini(&a);
}

/* Connected in time, it is the answer's time that runs, not the connect's. */
static void test_connect_timeout_ends_with_the_connect(void **state)
{
	static const struct sl_call_limits hasty = { 40000, 60000000, 4, 0 };
	struct rig *r = *state;
	struct ask a = { .rig = NULL };
	uint64_t past_us;

	ask_with(&a, r, &get_models, &hasty);
	TURN_UNTIL(&r->loop, engine_asked(r, 0));
	past_us = r->loop.now_us + 100000;
	TURN_UNTIL(&r->loop, r->loop.now_us > past_us);
	answer(r, &a, 0);
	ask_fini(&a);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, rig_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_calls_at_once_have_connections_of_their_own),
		CASE(test_asked_from_inside_the_end),
		CASE(test_no_more_idle_than_allowed),
		CASE(test_reset_under_a_request),
		CASE(test_closed_under_a_request),
		CASE(test_retried_on_a_fresh_connection),
		CASE(test_retried_only_once),
		CASE(test_not_retried_once_it_answered),
		CASE(test_retry_is_refused),
		CASE(test_talks_unasked),
		CASE(test_closed_while_idle),
		CASE(test_idle_timeout),
		CASE(test_idle_timeout_spares_the_busy),
		CASE(test_retire),
		CASE(test_retire_before_anything),
		CASE(test_removed_endpoint_keeps_nothing),
		CASE(test_refused),
		CASE(test_no_socket_of_that_kind),
		CASE(test_connect_timeout),
		CASE(test_connect_timeout_ends_with_the_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
