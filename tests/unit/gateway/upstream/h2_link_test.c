/* Calls over HTTP/2: many on one connection to an engine, which is the
 * project's own codec, played by the test. */
#include "tests/unit/gateway/http/h2_end.h"
#include "tests/unit/gateway/upstream/engine.h"

/* The engine's end of each connection. */
static struct end ends[MAX_WIRES];

static int setup(void **state)
{
	memset(ends, 0, sizeof(ends));
	return rig_open(state, SL_UP_H2C);
}

static void drop_ends(void)
{
	for (unsigned i = 0; i < MAX_WIRES; i++) {
		if (ends[i].h2)
			sl_h2_free(ends[i].h2);
		ends[i].h2 = NULL;
	}
}

static int teardown(void **state)
{
	int rc = rig_close(state);

	drop_ends();
	return rc;
}

static void move_bytes(struct end *e, struct wire *w)
{
	struct sl_outbuf *out = sl_h2_out(e->h2);
	ssize_t n = 0;

	wire_poll(w);
	if (w->len)
		assert_int_equal(sl_h2_recv(e->h2, w->data, w->len), 0);
	wire_forget(w);
	if (sl_outbuf_size(out) && !wire_over(w))
		n = send(w->fd, out->data + out->off, sl_outbuf_size(out),
		         MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		sl_outbuf_drain(out, (size_t)n);
	sl_h2_pull(e->h2);
}

/* Moves what there is to move. */
static bool met(struct rig *r)
{
	engine_met(r, 0);
	for (unsigned i = 0; i < r->n_wires; i++) {
		if (!ends[i].h2)
			ends[i].h2 = sl_h2_server_new(&limits, &events, &ends[i]);
		if (r->wires[i].fd >= 0)
			move_bytes(&ends[i], &r->wires[i]);
	}
	return true;
}

#define UNTIL(r, condition) TURN_UNTIL(&(r)->loop, met(r) && (condition))

static void calm_down(struct rig *r)
{
	for (int i = 0; i < 4; i++) {
		met(r);
		settle_down(&r->loop);
	}
	met(r);
}

/* The i-th request on the first connection, whole. */
static struct seen *arrived(struct rig *r, unsigned i)
{
	UNTIL(r, ends[0].n > i && ends[0].seen[i].ends == 1);
	return &ends[0].seen[i];
}

static void respond(struct end *e, struct seen *x, const char *text)
{
	assert_int_equal(sl_h2_respond(e->h2, x->stream, 200, NULL, 0, false), 0);
	sl_h2_write(e->h2, x->stream, text, strlen(text));
}

static void reply(struct end *e, struct seen *x, const char *text)
{
	respond(e, x, text);
	sl_h2_finish(e->h2, x->stream);
}

/* ---- requests and answers -------------------------------------------- */

static void test_request(void **state)
{
	struct rig *r = *state;
	char *body = make_body(100000);
	struct sl_call_request post = {
		.method = SL_SPAN("POST"),
		.path = SL_SPAN("/v1/x?y=z"),
		.lines = SL_SPAN("content-type: application/json\r\nx-mark: of lines\r\n"),
		.more_lines = SL_SPAN("cookie: of more\r\n"),
		.body = sl_span(body, 100000),
		.has_body = true,
	};
	struct ask a = { .rig = NULL };
	struct seen *x;

	ask(&a, r, &post);
	x = arrived(r, 0);
	assert_string_equal(x->method, "POST");
	assert_string_equal(x->path, "/v1/x?y=z");
	assert_string_equal(x->authority, "engine.test:8000");
	assert_string_equal(x->mark, "of lines");
	assert_string_equal(x->cookie, "of more");
	assert_int_equal(x->content_length, 100000);
	assert_int_equal(x->body, 100000);
	assert_int_equal(x->sum, sum_of(0, body, 100000));
	reply(&ends[0], x, "hello");
	UNTIL(r, ask_over(&a));
	assert_int_equal(a.ends, 1);
	assert_int_equal(a.status, 200);
	assert_true(SAYS(&a, "hello"));
	assert_int_equal(r->bad, 0);
	ask_fini(&a);
	free(body);
}

static void test_calls_share_a_connection(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL }, b = { .rig = NULL }, c = { .rig = NULL };

	ask(&a, r, &get_models);
	ask(&b, r, &get_models); /* while it is being connected */
	arrived(r, 1);
	ask(&c, r, &get_models);
	arrived(r, 2);
	reply(&ends[0], &ends[0].seen[2], "three");
	UNTIL(r, c.ends == 1);
	reply(&ends[0], &ends[0].seen[0], "one");
	reply(&ends[0], &ends[0].seen[1], "two");
	UNTIL(r, a.ends == 1 && b.ends == 1);
	assert_true(SAYS(&a, "one"));
	assert_true(SAYS(&b, "two"));
	assert_true(SAYS(&c, "three"));
	assert_int_equal(r->n_wires, 1);
	ask_fini(&a);
	ask_fini(&b);
	ask_fini(&c);
}

static void test_pause_and_resume(void **state)
{
	struct rig *r = *state;
	size_t size = 600000;
	char *body = make_body(size);
	struct ask a = { .pause_in_body = true }, b = { .rig = NULL };
	struct seen *x;

	ask(&a, r, &get_models);
	x = arrived(r, 0);
	assert_int_equal(sl_h2_respond(ends[0].h2, x->stream, 200, NULL, 0, false), 0);
	sl_h2_write(ends[0].h2, x->stream, body, size);
	sl_h2_finish(ends[0].h2, x->stream);
	calm_down(r);
	assert_true(a.body_len > 0 && a.body_len <= limits.stream_window);
	/* its neighbour is not held up */
	ask(&b, r, &get_models);
	reply(&ends[0], arrived(r, 1), "ok");
	UNTIL(r, b.ends == 1);
	a.pause_in_body = false;
	sl_call_resume(a.call, SL_CALL_STEP);
	UNTIL(r, ask_over(&a));
	assert_int_equal(a.ends, 1);
	assert_int_equal(a.body_len, size);
	assert_memory_equal(a.body, body, size);
	ask_fini(&a);
	ask_fini(&b);
	free(body);
}

/* ---- what goes wrong ------------------------------------------------- */

static void check_failed(struct rig *r, struct ask *a, int err, bool started, bool sent)
{
	UNTIL(r, ask_over(a));
	assert_int_equal(a->fails, 1);
	assert_int_equal(a->err, err);
	assert_int_equal(a->started, started);
	assert_int_equal(a->sent, sent);
	ask_fini(a);
}

static void test_streams_are_reset(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL }, b = { .rig = NULL }, c = { .rig = NULL },
	           d = { .rig = NULL };

	ask(&a, r, &get_models);
	ask(&b, r, &get_models);
	ask(&c, r, &get_models);
	ask(&d, r, &get_models);
	arrived(r, 3);
	sl_h2_reset(ends[0].h2, ends[0].seen[0].stream, 2 /* INTERNAL_ERROR */);
	check_failed(r, &a, SL_E_UPSTREAM_RESET, false, true);
	sl_h2_reset(ends[0].h2, ends[0].seen[1].stream, 7 /* REFUSED_STREAM */);
	check_failed(r, &b, SL_E_UPSTREAM_RESET, false, false);
	assert_int_equal(r->bad, 2);
	respond(&ends[0], &ends[0].seen[2], "half");
	UNTIL(r, SAYS(&c, "half"));
	sl_h2_reset(ends[0].h2, ends[0].seen[2].stream, 2 /* INTERNAL_ERROR */);
	check_failed(r, &c, SL_E_UPSTREAM_TRUNCATED, true, true);
	assert_int_equal(r->bad, 3);
	assert_int_equal(r->refused, 0);
	reply(&ends[0], &ends[0].seen[3], "ok"); /* the others do not suffer */
	UNTIL(r, d.ends == 1);
	ask_fini(&d);
}

static void test_connection_breaks(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL }, b = { .rig = NULL }, next = { .rig = NULL };

	ask(&a, r, &get_models);
	ask(&b, r, &get_models);
	arrived(r, 1);
	respond(&ends[0], &ends[0].seen[1], "half");
	UNTIL(r, SAYS(&b, "half"));
	wire_reset(&r->wires[0]);
	check_failed(r, &a, SL_E_UPSTREAM_RESET, false, true);
	check_failed(r, &b, SL_E_UPSTREAM_TRUNCATED, true, true);
	ask(&next, r, &get_models);
	UNTIL(r, ends[1].n == 1 && ends[1].seen[0].ends == 1);
	reply(&ends[1], &ends[1].seen[0], "ok");
	UNTIL(r, next.ends == 1);
	ask_fini(&next);
}

static void test_refused(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL }, b = { .rig = NULL };

	close(r->listen_fd);
	r->listen_fd = -1;
	ask(&a, r, &get_models);
	ask(&b, r, &get_models);
	check_failed(r, &a, SL_E_UPSTREAM_CONNECT, false, false);
	check_failed(r, &b, SL_E_UPSTREAM_CONNECT, false, false);
	assert_int_equal(r->bad, 2);
	assert_int_equal(r->refused, 2);
}

static void test_cancel(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL }, b = { .rig = NULL };
	struct seen *x;

	ask(&a, r, &get_models);
	ask(&b, r, &get_models);
	x = arrived(r, 1) - 1;
	ask_cancel(&a);
	UNTIL(r, x->closes == 1);
	assert_int_equal(x->close_code, 8 /* CANCEL */);
	reply(&ends[0], &ends[0].seen[1], "ok");
	UNTIL(r, b.ends == 1);
	assert_false(ask_over(&a));
	assert_int_equal(r->bad, 0);
	ask_fini(&a);
	ask_fini(&b);
}

static void test_cancel_in_body(void **state)
{
	struct rig *r = *state;
	struct ask a = { .cancel_in_body = true };
	struct seen *x;

	ask(&a, r, &get_models);
	x = arrived(r, 0);
	respond(&ends[0], x, "one");
	UNTIL(r, x->closes == 1);
	assert_int_equal(x->close_code, 8 /* CANCEL */);
	assert_true(SAYS(&a, "one"));
	assert_false(ask_over(&a));
	ask_fini(&a);
}

/* ---- an end that is announced ---------------------------------------- */

static void test_engine_goes_away(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL }, b = { .rig = NULL };
	struct seen *x;

	ask(&a, r, &get_models);
	x = arrived(r, 0);
	sl_h2_goaway(ends[0].h2);
	calm_down(r);
	ask(&b, r, &get_models); /* not there any more */
	UNTIL(r, ends[1].n == 1 && ends[1].seen[0].ends == 1);
	assert_int_equal(ends[0].n, 1);
	reply(&ends[0], x, "last");
	UNTIL(r, a.ends == 1);
	assert_true(SAYS(&a, "last"));
	UNTIL(r, wire_over(&r->wires[0]));
	reply(&ends[1], &ends[1].seen[0], "ok");
	UNTIL(r, b.ends == 1);
	ask_fini(&a);
	ask_fini(&b);
}

static void test_retire_idle(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL };

	ask(&a, r, &get_models);
	reply(&ends[0], arrived(r, 0), "ok");
	UNTIL(r, a.ends == 1);
	sl_upstreams_retire(r->upstreams, r->ep);
	UNTIL(r, wire_over(&r->wires[0]));
	assert_int_equal(atomic_load(&r->ep->refs), 1);
	ask_fini(&a);
}

/* Its id and its slot are only free again when the pool lets go of it. */
static void test_retire_busy(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL };
	struct seen *x;

	ask(&a, r, &get_models);
	x = arrived(r, 0);
	sl_upstreams_retire(r->upstreams, r->ep);
	calm_down(r);
	assert_false(wire_over(&r->wires[0]));
	reply(&ends[0], x, "last");
	UNTIL(r, a.ends == 1);
	UNTIL(r, wire_over(&r->wires[0]));
	UNTIL(r, atomic_load(&r->ep->refs) == 1);
	ask_fini(&a);
}

static void test_retire_then_cancel(void **state)
{
	struct rig *r = *state;
	struct ask a = { .rig = NULL };

	ask(&a, r, &get_models);
	arrived(r, 0);
	sl_upstreams_retire(r->upstreams, r->ep);
	ask_cancel(&a);
	UNTIL(r, wire_over(&r->wires[0]));
	UNTIL(r, atomic_load(&r->ep->refs) == 1);
	ask_fini(&a);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_request),
		CASE(test_calls_share_a_connection),
		CASE(test_pause_and_resume),
		CASE(test_streams_are_reset),
		CASE(test_connection_breaks),
		CASE(test_refused),
		CASE(test_cancel),
		CASE(test_cancel_in_body),
		CASE(test_engine_goes_away),
		CASE(test_retire_idle),
		CASE(test_retire_busy),
		CASE(test_retire_then_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
