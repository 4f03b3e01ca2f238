/* The replay against a server of scripted bad manners: every way of failing
 * is told apart, nothing is sent twice, and connections are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/load/run.h"

#include "server.h"

#define OUTPUT 6
#define MAX_STEPS 16

struct bed {
	struct server server;
	struct sl_options options;
	struct sl_result result;
	char notes[4096]; /* what was printed */
};

/* Row i has one block of its own and a shared first one. */
static struct sl_trace make_trace(size_t n, uint32_t input_tokens)
{
	struct sl_trace t = { .n_rows = n };
	uint32_t blocks = (input_tokens + 511) / 512;

	t.rows = calloc(n, sizeof(*t.rows));
	t.blocks = calloc(n * blocks, sizeof(*t.blocks));
	for (size_t i = 0; i < n; i++) {
		t.rows[i] = (struct sl_trace_row){ 0, input_tokens, OUTPUT, i * blocks, blocks, 0 };
		for (size_t k = 1; k < blocks; k++)
			t.blocks[i * blocks + k] = i * 1000 + k;
	}
	return t;
}

static void bed_target(struct bed *bed, struct sl_target *out)
{
	char url[64], err[256];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d", bed->server.port);
	assert_int_equal(sl_target_parse(url, err, sizeof(err), out), 0);
	((struct sockaddr_in *)&out->addr)->sin_family = AF_INET;
	((struct sockaddr_in *)&out->addr)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	((struct sockaddr_in *)&out->addr)->sin_port = htons((uint16_t)bed->server.port);
	out->addr_len = sizeof(struct sockaddr_in);
}

static void bed_run(struct bed *bed, size_t requests, uint32_t input_tokens)
{
	struct sl_trace trace = make_trace(requests, input_tokens);
	struct sl_due *due = sl_schedule_new(&trace, 1, 0, 1);
	struct sl_shape shape = { .api = SL_API_CHAT,
		                  .stream = bed->options.stream,
		                  .bytes_per_token = 4,
		                  .tokens_scale = 1,
		                  .seed = 1,
		                  .model = "m",
		                  .host = "h",
		                  .base_path = "",
		                  .headers = "" };
	struct event_base *base = event_base_new();
	FILE *notes = fmemopen(bed->notes, sizeof(bed->notes), "w");
	struct sl_progress progress = { .out = notes };
	struct sl_target target;
	struct sl_run_setup setup = {
		base, &bed->options, &target, &shape, &trace, due, &progress
	};

	bed_target(bed, &target);
	sl_run(&setup, &bed->result);
	fclose(notes);
	event_base_free(base);
	free(due);
	sl_trace_fini(&trace);
}

/* As many requests as there are steps, or `requests` if the server makes the
 * client send one again. */
static void play(struct bed *bed, const enum step *steps, size_t n, size_t requests)
{
	*bed = (struct bed){ .options = { .stream = true,
		                          .verify = true,
		                          .max_concurrency = 1,
		                          .timeout_us = 20000000 } };
	server_start(&bed->server, steps, n);
	bed_run(bed, requests, 700);
	server_stop(&bed->server);
	assert_int_equal(bed->server.next, n);
	assert_int_equal(bed->server.connections, bed->result.connections);
	assert_int_equal(bed->result.completed + bed->result.failed, requests);
}

#define PLAY(bed, ...)                                                                             \
	do {                                                                                       \
		static const enum step steps[] = { __VA_ARGS__ };                                  \
		play(bed, steps, SL_COUNT(steps), SL_COUNT(steps));                                \
	} while (0)

static void test_right_answers_on_one_connection(void **state)
{
	struct bed bed;

	(void)state;
	PLAY(&bed, RIGHT, BYTE_BY_BYTE, CONTINUE_FIRST, RIGHT);
	assert_int_equal(bed.result.completed, 4);
	assert_int_equal(bed.result.mismatches, 0);
	assert_int_equal(bed.result.good, 4);
	assert_int_equal(bed.result.connections, 1);
	assert_int_equal(bed.result.peak_live, 1);
	assert_int_equal(bed.result.output_tokens, 4 * OUTPUT);
	assert_int_equal(bed.result.input_tokens, 400);
	assert_int_equal(bed.result.cached_tokens, 100);
	assert_int_equal(bed.result.ttft.n, 4);
	assert_int_equal(bed.result.tpot.n, 4);
	assert_int_equal(bed.result.e2e.n, 4);
	assert_int_equal(bed.result.itl.n, 4 * (OUTPUT - 1));
	assert_int_equal(bed.result.lag.n, 4);
	assert_true(sl_result_ok(&bed.result));
	assert_string_equal(bed.notes, "");
	sl_result_fini(&bed.result);
}

static void test_failures_are_told_apart(void **state)
{
	static const struct {
		enum step step;
		enum sl_fail fail;
		const char *note;
	} cases[] = {
		{ HANG_UP, SL_FAIL_CLOSED, "request 0 failed: closed\n" },
		{ CUT_HEAD, SL_FAIL_CLOSED, "request 0 failed: closed\n" },
		{ NOT_HTTP, SL_FAIL_PROTOCOL, "request 0 failed: protocol\n" },
		{ CUT_SHORT, SL_FAIL_TRUNCATED, "request 0 failed: truncated\n" },
		{ NO_DONE, SL_FAIL_NO_DONE, "request 0 failed: no_done\n" },
		{ ERROR_EVENT, SL_FAIL_ERROR_EVENT,
		  "request 0 failed: error_event: "
		  "{\"error\":{\"message\":\"out of memory\",\"code\":500}}\n" },
		{ BUSY, SL_FAIL_STATUS,
		  "request 0 failed: status 503: {\"error\":{\"message\":\"full\"}}\n" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct bed bed;

		play(&bed, &cases[i].step, 1, 1);
		assert_int_equal(bed.result.failed, 1);
		assert_int_equal(bed.result.fails[cases[i].fail], 1);
		assert_int_equal(bed.result.statuses[503], cases[i].step == BUSY);
		assert_false(sl_result_ok(&bed.result));
		assert_string_equal(bed.notes, cases[i].note);
		sl_result_fini(&bed.result);
	}
}

/* The kernel may drop what came before a reset: how far the client got does
 * not matter, only that it is a reset. */
static void test_reset_in_the_stream(void **state)
{
	struct bed bed;

	(void)state;
	PLAY(&bed, RIGHT, RESET);
	assert_int_equal(bed.result.completed, 1);
	assert_int_equal(bed.result.failed, 1);
	assert_int_equal(bed.result.fails[SL_FAIL_RESET], 1);
	sl_result_fini(&bed.result);
}

static void test_an_error_keeps_the_connection(void **state)
{
	struct bed bed;

	(void)state;
	PLAY(&bed, BUSY, RIGHT, ERROR_EVENT, NO_DONE, RIGHT);
	assert_int_equal(bed.result.completed, 2);
	assert_int_equal(bed.result.connections, 1);
	sl_result_fini(&bed.result);
}

static void test_a_closed_idle_connection_is_replaced(void **state)
{
	struct bed bed;

	(void)state;
	PLAY(&bed, CLOSE_AFTER, RIGHT, UNTIL_CLOSE, RIGHT);
	assert_int_equal(bed.result.completed, 4);
	assert_int_equal(bed.result.connections, 3);
	sl_result_fini(&bed.result);
}

/* HANG_UP on a kept connection: the request is sent again, once, on a new one,
 * where the same is a failure. */
static void test_only_a_reused_connection_is_tried_again(void **state)
{
	static const enum step again[] = { RIGHT, HANG_UP, RIGHT };
	static const enum step twice[] = { RIGHT, HANG_UP, HANG_UP, RIGHT };
	struct bed bed;

	(void)state;
	play(&bed, again, 3, 2);
	assert_int_equal(bed.result.completed, 2);
	assert_int_equal(bed.result.mismatches, 0);
	assert_int_equal(bed.result.connections, 2);
	assert_int_equal(bed.result.resent, 1);
	sl_result_fini(&bed.result);
	play(&bed, twice, 4, 3);
	assert_int_equal(bed.result.completed, 2);
	assert_int_equal(bed.result.fails[SL_FAIL_CLOSED], 1);
	sl_result_fini(&bed.result);
}

static void test_mismatches_are_explained(void **state)
{
	struct bed bed;

	(void)state;
	PLAY(&bed, WRONG_WORD, RIGHT, LOST_WORD);
	assert_int_equal(bed.result.completed, 3);
	assert_int_equal(bed.result.failed, 0);
	assert_int_equal(bed.result.mismatches, 2);
	assert_int_equal(bed.result.good, 1);
	assert_false(sl_result_ok(&bed.result));
	assert_non_null(strstr(bed.notes, "request 0 mismatched: byte 1"));
	assert_non_null(strstr(bed.notes, "request 2 mismatched: byte 1"));
	sl_result_fini(&bed.result);
}

static void test_few_are_explained(void **state)
{
	struct bed bed;
	size_t lines = 0;

	(void)state;
	PLAY(&bed, BUSY, BUSY, BUSY, BUSY, BUSY, BUSY, BUSY, BUSY);
	assert_int_equal(bed.result.statuses[503], 8);
	for (const char *p = bed.notes; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 5);
	sl_result_fini(&bed.result);
}

/* ---- other settings ---- */

static void start(struct bed *bed, const enum step *steps, size_t n)
{
	*bed = (struct bed){ .options = { .stream = true,
		                          .verify = true,
		                          .max_concurrency = 1,
		                          .timeout_us = 20000000 } };
	server_start(&bed->server, steps, n);
}

static void test_timeout(void **state)
{
	static const enum step steps[] = { SILENCE };
	struct bed bed;

	(void)state;
	start(&bed, steps, 1);
	bed.options.timeout_us = 30000;
	bed_run(&bed, 1, 700);
	server_stop(&bed.server);
	assert_int_equal(bed.result.fails[SL_FAIL_TIMEOUT], 1);
	sl_result_fini(&bed.result);
}

/* Three are due at once: none waits for a server that says nothing. */
static void test_open_loop(void **state)
{
	static const enum step steps[] = { SILENCE, SILENCE, SILENCE };
	static const uint32_t caps[] = { 0, 2 };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(caps); i++) {
		struct bed bed;

		start(&bed, steps, 3);
		bed.options.max_concurrency = caps[i];
		bed.options.timeout_us = 30000;
		bed_run(&bed, 3, 700);
		server_stop(&bed.server);
		assert_int_equal(bed.result.peak_live, caps[i] ? caps[i] : 3);
		assert_int_equal(bed.result.fails[SL_FAIL_TIMEOUT], 3);
		sl_result_fini(&bed.result);
	}
}

static void test_interrupted(void **state)
{
	static const enum step steps[] = { RIGHT, INTERRUPT };
	struct bed bed;

	(void)state;
	start(&bed, steps, 2);
	bed_run(&bed, 4, 700);
	server_stop(&bed.server);
	assert_true(bed.result.interrupted);
	assert_int_equal(bed.result.requests, 4);
	assert_int_equal(bed.result.sent, 2);
	assert_int_equal(bed.result.completed, 1);
	assert_int_equal(bed.result.fails[SL_FAIL_INTERRUPTED], 1);
	assert_false(sl_result_ok(&bed.result));
	assert_string_equal(bed.notes, "");
	sl_result_fini(&bed.result);
}

static void test_nobody_listens(void **state)
{
	struct bed bed;

	(void)state;
	start(&bed, NULL, 0);
	server_stop(&bed.server);
	bed_run(&bed, 3, 700);
	assert_int_equal(bed.result.failed, 3);
	assert_int_equal(bed.result.fails[SL_FAIL_CONNECT], 3);
	sl_result_fini(&bed.result);
}

static void test_whole_answers(void **state)
{
	static const enum step steps[] = { WHOLE, WHOLE };
	struct bed bed;

	(void)state;
	start(&bed, steps, 2);
	bed.options.stream = false;
	bed_run(&bed, 2, 700);
	server_stop(&bed.server);
	assert_int_equal(bed.result.completed, 2);
	assert_int_equal(bed.result.mismatches, 0);
	assert_int_equal(bed.result.ttft.n, 0);
	assert_int_equal(bed.result.e2e.n, 2);
	sl_result_fini(&bed.result);
}

/* A prompt of 8 MB is more than sockets hold (4 MB is the most that Linux lets
 * one send ahead); a refusal that comes while it is being written is heard, and
 * its connection, on which the rest is owed, not used again. */
static void test_big_prompts_and_early_answers(void **state)
{
	static const enum step steps[] = { RIGHT, EARLY_413, RIGHT };
	struct bed bed;

	(void)state;
	start(&bed, steps, 3);
	bed_run(&bed, 3, 2000000);
	server_stop(&bed.server);
	assert_int_equal(bed.result.completed, 2);
	assert_int_equal(bed.result.mismatches, 0);
	assert_int_equal(bed.result.statuses[413], 1);
	assert_int_equal(bed.result.connections, 2);
	sl_result_fini(&bed.result);
}

static void test_slos(void **state)
{
	static const enum step steps[] = { RIGHT, RIGHT };
	struct bed bed;

	(void)state;
	start(&bed, steps, 2);
	bed.options.slo_ttft_us = 1; /* nobody can */
	bed_run(&bed, 2, 700);
	server_stop(&bed.server);
	assert_int_equal(bed.result.completed, 2);
	assert_int_equal(bed.result.good, 0);
	sl_result_fini(&bed.result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_answers_on_one_connection),
		cmocka_unit_test(test_failures_are_told_apart),
		cmocka_unit_test(test_reset_in_the_stream),
		cmocka_unit_test(test_an_error_keeps_the_connection),
		cmocka_unit_test(test_a_closed_idle_connection_is_replaced),
		cmocka_unit_test(test_only_a_reused_connection_is_tried_again),
		cmocka_unit_test(test_mismatches_are_explained),
		cmocka_unit_test(test_few_are_explained),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_open_loop),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_whole_answers),
		cmocka_unit_test(test_big_prompts_and_early_answers),
		cmocka_unit_test(test_slos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
