/* HTTP/2 on a session, when time or room runs out: idle connections, clients
 * that do not take their answers, and the end of the gateway. */
#include "tests/unit/gateway/downstream/h2_client.h"

#define BRIEF_US 40000u

static int setup_brief_head(void **state)
{
	setup(state);
	the_client.rig->config.header_timeout_us = BRIEF_US;
	connect_client(*state);
	return 0;
}

static int setup_brief_keepalive(void **state)
{
	setup(state);
	the_client.rig->config.keepalive_timeout_us = BRIEF_US;
	connect_client(*state);
	return 0;
}

static void wait_past(struct h2_client *c, uint64_t us)
{
	uint64_t past_us = c->rig->loop.now_us + us;

	UNTIL(c, c->rig->loop.now_us > past_us);
}

/* The client is told that it was not its fault. */
static void check_sent_away(struct h2_client *c)
{
	UNTIL(c, is_over(c) && wire_over(&c->rig->client));
	met(c);
	assert_int_equal(c->end.goaways, 1);
}

/* ---- idle ------------------------------------------------------------ */

static void test_never_asks(void **state)
{
	(void)state;
	check_sent_away(&the_client);
}

static void test_idle_after_an_answer(void **state)
{
	struct h2_client *c = &the_client;
	struct seen *x = request(c, "GET", "/", 0);

	(void)state;
	c->rig->answer_at = AT_END;
	UNTIL(c, got(x, 200, "ok"));
	check_sent_away(c);
	assert_int_equal(c->rig->requests[0].gones, 0);
}

static void test_a_long_answer_is_not_idle(void **state)
{
	struct h2_client *c = &the_client;
	struct seen *x = request(c, "GET", "/1", 0), *y = request(c, "GET", "/2", 0);
	struct request *q = arrived(c, 0), *other = arrived(c, 1);

	(void)state;
	answer_request(other); /* one of two ends: the connection is not idle */
	UNTIL(c, got(y, 200, "ok"));
	wait_past(c, 3 * BRIEF_US);
	assert_int_equal(c->end.goaways, 0);
	answer_request(q);
	UNTIL(c, got(x, 200, "ok"));
	check_sent_away(c);
}

/* ---- a client that does not take its answer -------------------------- */

/* Writes until the stream's window is shut; returns what was written. */
static size_t fill_window(struct h2_client *c, struct request *q, const char *bytes, size_t step,
                          size_t *out_pending)
{
	size_t written = 0;

	c->end.hoard = true;
	respond(q, 200, -1);
	do {
		*out_pending = sl_stream_write(q->stream, bytes + written, step);
		written += step;
		calm_down(c);
		assert_true(written < 1u << 20);
	} while (*out_pending == 0);
	return written;
}

static void test_back_pressure(void **state)
{
	struct h2_client *c = &the_client;
	char *bytes = make_body(2u << 20);
	struct seen *x = request(c, "GET", "/1", 0), *y;
	struct request *q = arrived(c, 0);
	size_t pending, written = fill_window(c, q, bytes, 50000, &pending);

	(void)state;
	assert_int_equal(x->body, limits.stream_window); /* to the byte */
	assert_int_equal(pending, written - limits.stream_window);
	/* the neighbour is not held up */
	y = request(c, "GET", "/2", 0);
	answer_request(arrived(c, 1));
	UNTIL(c, got(y, 200, "ok"));
	assert_int_equal(q->drains, 0);
	c->end.hoard = false;
	sl_h2_consume(c->end.h2, x->stream, x->body);
	UNTIL(c, q->drains == 1);
	assert_true(q->drained_to < pending);
	finish(q, "");
	UNTIL(c, x->closes == 1);
	assert_int_equal(x->ends, 1);
	assert_int_equal(x->body, written);
	assert_int_equal(x->sum, sum_of(0, bytes, written));
	free(bytes);
}

/* Finished, but the client never takes the rest: it is not kept for ever. */
static void test_takes_nothing(void **state)
{
	struct h2_client *c = &the_client;
	char *bytes = make_body(2u << 20);
	struct seen *x = request(c, "GET", "/1", 0);
	struct request *q = arrived(c, 0);
	size_t pending;

	(void)state;
	c->rig->config.write_timeout_us = BRIEF_US;
	fill_window(c, q, bytes, 50000, &pending);
	finish(q, "");
	UNTIL(c, x->closes == 1);
	assert_int_equal(x->ends, 0);
	assert_int_equal(x->close_code, 8 /* CANCEL */);
	assert_int_equal(q->gones, 0); /* it had finished */
	c->end.hoard = false;
	check_usable(c);
	free(bytes);
}

/* ---- the gateway goes ------------------------------------------------ */

static void test_drain(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;
	struct seen *x = request(c, "GET", "/", 0);
	struct request *q = arrived(c, 0);

	sl_sessions_drain(&r->sessions, false);
	UNTIL(c, c->end.goaways == 1);
	assert_int_equal(r->sessions.count, 1);
	sl_sessions_drain(&r->sessions, true);
	calm_down(c);
	assert_int_equal(r->sessions.count, 1);
	assert_int_equal(q->gones, 0);
	answer_request(q);
	UNTIL(c, got(x, 200, "ok"));
	UNTIL(c, is_over(c) && wire_ended(&r->client));
}

/* Sent before the client knew of the notice: still served. */
static void test_drain_crosses_a_request(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;
	struct seen *x;

	request(c, "GET", "/1", 0);
	answer_request(arrived(c, 0));
	calm_down(c);
	x = request(c, "GET", "/2", 0);
	sl_sessions_drain(&r->sessions, false);
	r->answer_at = AT_END;
	UNTIL(c, got(x, 200, "ok"));
	assert_int_equal(c->end.goaways, 1);
}

static void test_drain_idle(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;

	request(c, "GET", "/", 0);
	answer_request(arrived(c, 0));
	calm_down(c);
	sl_sessions_drain(&r->sessions, false);
	calm_down(c);
	assert_int_equal(r->sessions.count, 1); /* a request may be on its way */
	sl_sessions_drain(&r->sessions, true);
	assert_true(is_over(c));
	UNTIL(c, wire_ended(&r->client));
}

static void test_deadline(void **state)
{
	struct rig *r = *state;
	struct h2_client *c = &the_client;
	struct request *q;

	request(c, "GET", "/", 0);
	q = arrived(c, 0);
	sl_sessions_close(&r->sessions);
	assert_true(is_over(c));
	settle_down(&r->loop);
	assert_int_equal(q->gones, 1);
	assert_int_equal(q->err, SL_E_DRAINING);
	TURN_UNTIL(&r->loop, wire_over(&r->client));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup_connected, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_never_asks, setup_brief_head, teardown),
		cmocka_unit_test_setup_teardown(test_idle_after_an_answer, setup_brief_keepalive,
		                                teardown),
		cmocka_unit_test_setup_teardown(test_a_long_answer_is_not_idle,
		                                setup_brief_keepalive, teardown),
		CASE(test_back_pressure),
		CASE(test_takes_nothing),
		CASE(test_drain),
		CASE(test_drain_crosses_a_request),
		CASE(test_drain_idle),
		CASE(test_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
