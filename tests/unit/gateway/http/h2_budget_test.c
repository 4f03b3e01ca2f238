/* HTTP/2: what a peer may do for nothing, as time goes by. */
#include "h2_end.h"

#define SECOND_US 1000000u

struct odd {
	struct end server;
	uint64_t now_us;
};

static struct odd *odd_new(void)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
	struct odd *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	o->server.h2 = sl_h2_server_new(&limits, &events, &o->server);
	o->now_us = SECOND_US;
	sl_h2_tick(o->server.h2, o->now_us);
	assert_int_equal(sl_h2_recv(o->server.h2, preface, sizeof(preface) - 1), 0);
	return o;
}

static void odd_free(struct odd *o)
{
	sl_h2_free(o->server.h2);
	free(o);
}

/* n frames, one every so often; how many were taken. */
static uint32_t send_frames(struct odd *o, const char *frame, size_t len, uint32_t n,
                            uint64_t every_us)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_outbuf *out = sl_h2_out(o->server.h2);

		o->now_us += every_us;
		sl_h2_tick(o->server.h2, o->now_us);
		if (sl_h2_recv(o->server.h2, frame, len) < 0)
			return i;
		sl_outbuf_drain(out, sl_outbuf_size(out));
		sl_h2_pull(o->server.h2);
	}
	return n;
}

static const char ping[17] = { 0, 0, 8, 6 };
static const char window_update[13] = { 0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1 };

/* A PING every ten seconds, for a month. */
static void test_keeps_alive(void **state)
{
	struct odd *o = odd_new();

	(void)state;
	assert_int_equal(send_frames(o, ping, sizeof(ping), 260000, 10 * SECOND_US), 260000);
	assert_int_equal(sl_h2_cut(o->server.h2), SL_H2_CUT_NONE);
	odd_free(o);
}

/* The ordinary budget is 2000, and 2000 come back in 30 seconds. */
static void test_below_the_rate(void **state)
{
	struct odd *o = odd_new();

	(void)state;
	assert_int_equal(
	        send_frames(o, window_update, sizeof(window_update), 100000, SECOND_US / 60),
	        100000);
	odd_free(o);
}

static void test_above_the_rate(void **state)
{
	struct odd *o = odd_new();
	uint32_t taken =
	        send_frames(o, window_update, sizeof(window_update), 100000, SECOND_US / 100);

	(void)state;
	assert_in_range(taken, 2000, 6100); /* 2000 and two thirds of what came */
	assert_int_equal(sl_h2_cut(o->server.h2), SL_H2_CUT_GLITCHES);
	odd_free(o);
}

static void test_all_at_once(void **state)
{
	struct odd *o = odd_new();

	(void)state;
	assert_int_equal(send_frames(o, ping, sizeof(ping), 100000, 0),
	                 1999); /* SETTINGS was one */
	odd_free(o);
}

/* Many ticks of a microsecond give as much as one of their sum. */
static void test_small_steps(void **state)
{
	struct odd *o = odd_new();

	(void)state;
	assert_int_equal(send_frames(o, ping, sizeof(ping), 1900, 0), 1900);
	for (int i = 0; i < 30000000; i += 100) {
		o->now_us += 100;
		sl_h2_tick(o->server.h2, o->now_us);
	}
	assert_in_range(send_frames(o, ping, sizeof(ping), 3000, 0), 1900, 2001);
	odd_free(o);
}

static const char *const unfinished_frames[] = {
	"\0",
	"\0\0\10\6\0\0\0\0\0",
	"\0\0\1\1\0\0\0\0\1\202",
	"\0\0\1\1\4\0\0\0\1",
};
static const size_t unfinished_lengths[] = { 1, 9, 10, 9 };

/* What holds up everything behind it is known, and a body's bytes are not. */
static void test_unfinished(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(unfinished_frames); i++) {
		struct odd *o = odd_new();
		uint64_t first;

		assert_int_equal(sl_h2_unfinished(o->server.h2), 0);
		assert_int_equal(
		        sl_h2_recv(o->server.h2, unfinished_frames[i], unfinished_lengths[i]), 0);
		first = sl_h2_unfinished(o->server.h2);
		assert_true(first > 0);
		odd_free(o);
	}
}

static void test_a_preface_is_unfinished(void **state)
{
	struct end server = { .h2 = NULL };

	(void)state;
	server.h2 = sl_h2_server_new(&limits, &events, &server);
	assert_true(sl_h2_unfinished(server.h2) > 0);
	assert_int_equal(sl_h2_recv(server.h2, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24), 0);
	assert_true(sl_h2_unfinished(server.h2) > 0); /* its SETTINGS are missing */
	assert_int_equal(sl_h2_recv(server.h2, "\0\0\0\4\0\0\0\0\0", 9), 0);
	assert_int_equal(sl_h2_unfinished(server.h2), 0);
	sl_h2_free(server.h2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps_alive),
		cmocka_unit_test(test_below_the_rate),
		cmocka_unit_test(test_above_the_rate),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_small_steps),
		cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_a_preface_is_unfinished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
