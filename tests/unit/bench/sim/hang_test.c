/* hang_test.c: an engine that hangs and is healed goes on with the requests
 * that came meanwhile, as a process that was frozen does. A whole engine with
 * its connections, over socket pairs, on a loop of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/sim/api.h"
#include "bench/sim/engine_life.h"
#include "bench/sim/gen_step.h"
#include "bench/sim/prompt.h"

#define N_TOKENS 3

struct world {
	struct sl_sim sim;
	struct sl_sim_engine engine;
};

struct client {
	struct world *world;
	int fd;
	bool eof;
	struct sl_sim_buf in; /* what was answered, kept a string */
};

static struct world *open_world(void)
{
	char *argv[] = { (char[]){ "engine" }, (char[]){ "--speed" }, (char[]){ "1000" } };
	struct world *w = calloc(1, sizeof(*w));
	struct sl_sim_engine *e = &w->engine;
	bool run;

	assert_int_equal(sl_sim_options_read(&w->sim.opt, 3, argv, &run), 0);
	assert_true(run);
	sl_sim_net_init(&w->sim.net, event_base_new());
	w->sim.net.keep_alive_us = w->sim.opt.keep_alive_us;
	w->sim.rng.state = 1;
	w->sim.engines = e;
	sl_sim_engine_init(e, &w->sim, 0);
	e->ops = &sl_sim_gen_steps;
	e->conns = (struct sl_sim_conn_list){ &w->sim.net, &sl_sim_api_ops, .owner = e };
	e->faults.refuse = true; /* the tests need no port */
	return w;
}

static void close_world(struct world *w)
{
	struct event_base *base = w->sim.net.base;

	sl_sim_engine_close(&w->engine);
	sl_sim_engine_fini(&w->engine);
	sl_sim_net_fini(&w->sim.net);
	event_base_free(base);
	free(w);
}

static void turn(struct world *w)
{
	assert_true(event_base_loop(w->sim.net.base, EVLOOP_ONCE) >= 0);
}

static void send_text(const struct client *c, const char *text)
{
	assert_int_equal(write(c->fd, text, strlen(text)), strlen(text));
}

static void post(struct client *c, const char *path, const char *body)
{
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_printf(&b,
	                  "POST %s HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
	                  "content-length: %zu\r\n\r\n%s%c",
	                  path, strlen(body), body, 0);
	send_text(c, b.ptr);
	sl_sim_buf_fini(&b);
}

static struct client *connect_client(struct world *w)
{
	struct client *c = calloc(1, sizeof(*c));
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	sl_sim_conn_new(&w->engine.conns, fds[0]);
	c->world = w;
	c->fd = fds[1];
	sl_sim_buf_add(&c->in, sl_span("", 1));
	return c;
}

static void close_client(struct client *c)
{
	close(c->fd);
	sl_sim_buf_fini(&c->in);
	free(c);
}

static void receive(struct client *c)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(c->fd, buf, sizeof(buf))) > 0) {
		c->in.len--;
		sl_sim_buf_add(&c->in, sl_span(buf, (size_t)n));
		sl_sim_buf_add(&c->in, sl_span("", 1));
	}
	assert_true(n == 0 || errno == EAGAIN);
	c->eof = n == 0;
}

static void wait_for(struct client *c, const char *text)
{
	receive(c);
	while (!strstr(c->in.ptr, text)) {
		assert_false(c->eof);
		turn(c->world);
		receive(c);
	}
}

static void wait_for_requests(struct world *w, uint64_t n)
{
	while (w->engine.tally.requests < n)
		turn(w);
}

/* By the engine's own page, as its operator does; everything that the engine
 * was sent before has been read when this is answered. */
static void set_faults(struct world *w, const char *json)
{
	struct client *c = connect_client(w);

	post(c, "/sim/fault", json);
	wait_for(c, "{\"ok\":true}");
	close_client(c);
}

static void assert_nothing_said(struct client *c)
{
	receive(c);
	assert_string_equal(c->in.ptr, "");
	assert_false(c->eof);
}

/* What the model says after `prompt`, into out. */
static const char *words(const char *prompt, char out[4 * N_TOKENS + 1])
{
	struct sl_sim_text text;

	sl_sim_text_init(&text, 0);
	sl_sim_text_bytes(&text, sl_span_str(prompt));
	for (unsigned i = 0; i < N_TOKENS; i++)
		sl_sim_text_next(&text, out + (size_t)i * SL_SIM_TOKEN_BYTES);
	out[4 * N_TOKENS] = 0;
	return out;
}

#define WHOLE(prompt) "{\"model\":\"sim-model\",\"max_tokens\":3,\"prompt\":\"" prompt "\"}"
#define STREAM(prompt)                                                                             \
	"{\"model\":\"sim-model\",\"max_tokens\":3,\"stream\":true,\"prompt\":\"" prompt "\"}"

static void test_healed(void **state)
{
	struct world *w = open_world();
	struct client *whole = connect_client(w), *stream = connect_client(w);
	char text[4 * N_TOKENS + 1];

	(void)state;
	set_faults(w, "{\"hang\":true}");
	post(whole, "/v1/completions", WHOLE("first"));
	wait_for_requests(w, 1);
	post(stream, "/v1/completions", STREAM("second"));
	wait_for_requests(w, 2);
	set_faults(w, "{\"slow\":2}"); /* a fault is set, none is healed */
	assert_nothing_said(whole);
	assert_nothing_said(stream);
	assert_int_equal(w->engine.batch.waiting.n + w->engine.batch.running.n, 0);

	set_faults(w, "{\"hang\":false}");
	wait_for(whole, "\"usage\"");
	assert_non_null(strstr(whole->in.ptr, "HTTP/1.1 200 OK"));
	assert_non_null(strstr(whole->in.ptr, words("first", text)));
	wait_for(stream, "data: [DONE]");
	assert_non_null(strstr(stream->in.ptr, words("second", text) + 4 * (N_TOKENS - 1)));
	assert_int_equal(w->engine.tally.tokens_sent, 2 * N_TOKENS);
	close_client(whole);
	close_client(stream);
	close_world(w);
}

/* The order of arrival is that of the batch. */
static void test_order(void **state)
{
	struct world *w = open_world();
	struct client *clients[4];
	const struct sl_sim_gen *gen;

	(void)state;
	set_faults(w, "{\"hang\":true}");
	for (unsigned i = 0; i < SL_COUNT(clients); i++) {
		clients[i] = connect_client(w);
		post(clients[i], "/v1/completions", WHOLE("same"));
		wait_for_requests(w, i + 1);
	}
	gen = w->engine.hung;
	for (unsigned i = SL_COUNT(clients); i; i--) {
		/* the connections' list begins with the youngest */
		const struct sl_sim_conn *conn = w->engine.conns.first;

		while (!conn->job)
			conn = conn->next;
		for (unsigned k = 1; k < i; k++)
			conn = conn->next;
		assert_ptr_equal(gen->conn, conn);
		gen = gen->next;
	}
	assert_null(gen);
	set_faults(w, "{\"clear\":true,\"refuse\":true}");
	for (unsigned i = 0; i < SL_COUNT(clients); i++) {
		wait_for(clients[i], "\"usage\"");
		close_client(clients[i]);
	}
	close_world(w);
}

/* The one in the middle leaves while the engine hangs. */
static void test_left_meanwhile(void **state)
{
	struct world *w = open_world();
	struct client *clients[3];

	(void)state;
	set_faults(w, "{\"hang\":true}");
	for (unsigned i = 0; i < SL_COUNT(clients); i++) {
		clients[i] = connect_client(w);
		post(clients[i], "/v1/completions", STREAM("x"));
		wait_for_requests(w, i + 1);
	}
	close_client(clients[1]);
	while (!w->engine.tally.aborted)
		turn(w);
	set_faults(w, "{\"hang\":false}");
	wait_for(clients[0], "data: [DONE]");
	wait_for(clients[2], "data: [DONE]");
	assert_int_equal(w->engine.tally.tokens_sent, 2 * N_TOKENS);
	assert_int_equal(w->engine.tally.aborted, 1);
	close_client(clients[0]);
	close_client(clients[2]);
	close_world(w);
}

/* `count` is used up by the second, which is worked on, and so heals the first. */
static void test_used_up(void **state)
{
	struct world *w = open_world();
	struct client *first = connect_client(w), *second = connect_client(w);

	(void)state;
	set_faults(w, "{\"hang\":true,\"count\":2}");
	post(first, "/v1/completions", WHOLE("a"));
	wait_for_requests(w, 1);
	assert_nothing_said(first);
	post(second, "/v1/completions", WHOLE("b"));
	wait_for(second, "\"usage\"");
	wait_for(first, "\"usage\"");
	close_client(first);
	close_client(second);
	close_world(w);
}

/* What was under way when it began to hang goes on, too, from where it was. */
static void test_under_way(void **state)
{
	struct world *w = open_world();
	struct client *c = connect_client(w);
	uint64_t said;

	(void)state;
	set_faults(w, "{\"slow\":1000}");
	post(c, "/v1/completions",
	     "{\"model\":\"sim-model\",\"max_tokens\":2000,\"stream\":true,\"prompt\":\"x\"}");
	wait_for(c, "data: ");
	set_faults(w, "{\"hang\":true}");
	said = w->engine.tally.tokens_sent;
	assert_true(said > 0 && said < 2000);
	assert_null(strstr(c->in.ptr, "[DONE]"));
	set_faults(w, "{\"hang\":false,\"slow\":1}");
	wait_for(c, "data: [DONE]");
	assert_int_equal(w->engine.tally.tokens_sent, 2000);
	close_client(c);
	close_world(w);
}

static void test_health(void **state)
{
	struct world *w = open_world();
	struct client *c = connect_client(w);

	(void)state;
	set_faults(w, "{\"hang_health\":true}");
	send_text(c, "GET /health HTTP/1.1\r\nhost: a\r\n\r\n");
	set_faults(w, "{\"slow\":2}");
	assert_nothing_said(c);
	set_faults(w, "{\"hang_health\":false,\"health_status\":503}");
	wait_for(c, "HTTP/1.1 503");
	send_text(c, "GET /version HTTP/1.1\r\nhost: a\r\n\r\n"); /* it is as good as before */
	wait_for(c, "{\"version\":");
	close_client(c);
	close_world(w);
}

/* Told to stop meanwhile in silence, it stays silent. */
static void test_stopped_meanwhile(void **state)
{
	struct world *w = open_world();
	struct client *c = connect_client(w);

	(void)state;
	set_faults(w, "{\"hang\":true}");
	post(c, "/v1/completions", WHOLE("x"));
	wait_for_requests(w, 1);
	sl_sim_engine_stop(&w->engine, SL_SIM_STOP_STALL, NULL);
	set_faults(w, "{\"hang\":false}");
	while (w->engine.metrics.generation_tokens < N_TOKENS)
		turn(w);
	assert_nothing_said(c);
	close_client(c);
	close_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healed),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_left_meanwhile),
		cmocka_unit_test(test_used_up),
		cmocka_unit_test(test_under_way),
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_stopped_meanwhile),
	};

	alarm(120); /* a wait that is never over */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
