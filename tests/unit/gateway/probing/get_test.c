/* get_test.c: the getter against a scripted server on the same event base.
 *
 * The server answers the k-th request with the k-th step of a script: bytes,
 * and what it does with the connection then. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/probing/get.h"

enum then { KEEP, CLOSE, RESET, SILENT };

struct step {
	const char *bytes;
	enum then then;
};

struct peer {
	struct fixture *f;
	int fd;
	struct event *readable, *writable;
	char in[8192];
	size_t n_in;
	const struct step *step; /* being answered */
	size_t n_sent;
};

struct fixture {
	struct event_base *base;
	int listener;
	struct event *acceptable;
	struct sockaddr_in addr;
	char host[32];
	struct peer *peers[8];
	int n_peers; /* connections accepted */
	const struct step *steps;
	int n_requests;
	bool trickle; /* one byte a write */
	char requests[16][1024];
	/* what the getter said */
	struct sl_get *get;
	int n_done, status, free_when_done;
	enum sl_probe_result result;
	char body[65536];
	size_t n_body;
	const char *next_path; /* started from on_done */
};

static void end_peer(struct peer *p)
{
	event_del(p->readable);
	event_del(p->writable);
	close(p->fd);
	p->fd = -1;
}

static void free_peer(struct peer *p)
{
	if (p->fd >= 0)
		end_peer(p);
	event_free(p->readable);
	event_free(p->writable);
	free(p);
}

static void reset_peer(struct peer *p)
{
	struct linger hard = { .l_onoff = 1 };

	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	end_peer(p);
}

static void peer_writable(evutil_socket_t fd, short events, void *arg)
{
	struct peer *p = arg;
	size_t left = strlen(p->step->bytes) - p->n_sent;
	size_t piece = p->f->trickle && left > 1 ? 1 : left;

	(void)events;
	if (left && send(fd, p->step->bytes + p->n_sent, piece, MSG_NOSIGNAL) != (ssize_t)piece) {
		end_peer(p); /* the getter had seen enough */
		return;
	}
	p->n_sent += piece;
	if (left > piece)
		event_add(p->writable, NULL);
	else if (p->step->then == CLOSE)
		end_peer(p);
	else if (p->step->then == RESET)
		reset_peer(p);
}

static void answer(struct peer *p, const struct step *step)
{
	p->step = step;
	p->n_sent = 0;
	event_add(p->writable, NULL);
}

static void peer_readable(evutil_socket_t fd, short events, void *arg)
{
	struct peer *p = arg;
	ssize_t n = recv(fd, p->in + p->n_in, sizeof(p->in) - 1 - p->n_in, 0);
	struct fixture *f = p->f;
	char *end;

	(void)events;
	if (n <= 0) {
		end_peer(p);
		return;
	}
	p->n_in += (size_t)n;
	p->in[p->n_in] = '\0';
	end = strstr(p->in, "\r\n\r\n");
	if (!end)
		return;
	assert_int_equal(end + 4 - p->in, p->n_in); /* one request at a time */
	assert_true(p->n_in < sizeof(f->requests[0]));
	memcpy(f->requests[f->n_requests], p->in, p->n_in + 1);
	p->n_in = 0;
	answer(p, &f->steps[f->n_requests++]);
}

static void peer_acceptable(evutil_socket_t fd, short events, void *arg)
{
	struct fixture *f = arg;
	struct peer *p = calloc(1, sizeof(*p));

	(void)events;
	assert_non_null(p);
	p->f = f;
	p->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
	assert_true(p->fd >= 0);
	p->readable = event_new(f->base, p->fd, EV_READ | EV_PERSIST, peer_readable, p);
	p->writable = event_new(f->base, p->fd, EV_WRITE, peer_writable, p);
	event_add(p->readable, NULL);
	f->peers[f->n_peers++] = p;
}

static void on_data(void *ctx, const char *data, size_t len)
{
	struct fixture *f = ctx;

	assert_true(f->n_body + len < sizeof(f->body));
	memcpy(f->body + f->n_body, data, len);
	f->n_body += len;
	f->body[f->n_body] = '\0';
}

static void start(struct fixture *f, const char *path);

static void on_done(void *ctx, enum sl_probe_result result, int status)
{
	struct fixture *f = ctx;

	assert_false(sl_get_busy(f->get));
	f->n_done++;
	f->result = result;
	f->status = status;
	if (f->free_when_done) {
		sl_get_free(f->get);
		f->get = NULL;
	} else if (f->next_path) {
		const char *path = f->next_path;

		f->next_path = NULL;
		start(f, path);
	}
}

static const struct sl_get_events events_of_test = { on_data, on_done };

static void start_with(struct fixture *f, const char *path, uint64_t timeout_us, size_t max_body,
                       int ok_status)
{
	f->n_body = 0;
	f->body[0] = '\0';
	sl_get_start(f->get, path, timeout_us, max_body, ok_status, &events_of_test, f);
	assert_true(sl_get_busy(f->get));
}

static void start(struct fixture *f, const char *path)
{
	start_with(f, path, 20000000, 60000, 0);
}

/* Until the getter has said n results in all. */
static void wait_done(struct fixture *f, int n)
{
	while (f->n_done < n)
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
	assert_int_equal(f->n_done, n);
}

static void get(struct fixture *f, const char *path)
{
	int before = f->n_done;

	start(f, path);
	wait_done(f, before + 1);
}

static void script(struct fixture *f, const struct step *steps)
{
	f->steps = steps;
	f->n_requests = 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	socklen_t len = sizeof(f->addr);

	assert_non_null(f);
	f->base = event_base_new();
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	f->addr.sin_family = AF_INET;
	f->addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&f->addr, len), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	getsockname(f->listener, (struct sockaddr *)&f->addr, &len);
	snprintf(f->host, sizeof(f->host), "127.0.0.1:%d", ntohs(f->addr.sin_port));
	f->acceptable = event_new(f->base, f->listener, EV_READ | EV_PERSIST, peer_acceptable, f);
	event_add(f->acceptable, NULL);
	f->get = sl_get_new(f->base, (struct sockaddr *)&f->addr, len, f->host, "sk-secret");
	*state = f;
	return 0;
}

static void forget_peers(struct fixture *f)
{
	while (f->n_peers)
		free_peer(f->peers[--f->n_peers]);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sl_get_free(f->get);
	forget_peers(f);
	event_free(f->acceptable);
	close(f->listener);
	event_base_free(f->base);
	free(f);
	return 0;
}

/* ---- one answer ------------------------------------------------------ */

static const struct {
	const char *name, *bytes;
	enum then then;
	enum sl_probe_result result;
	int status;
	const char *body;
} answers[] = {
	{ "length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", KEEP, SL_PROBE_OK, 200,
	  "hello" },
	{ "no body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", KEEP, SL_PROBE_OK, 200, "" },
	{ "chunked",
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nA: "
	  "b\r\n\r\n",
	  KEEP, SL_PROBE_OK, 200, "hello" },
	{ "until close", "HTTP/1.1 200 OK\r\n\r\nhello", CLOSE, SL_PROBE_OK, 200, "hello" },
	{ "HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello", CLOSE, SL_PROBE_OK, 200, "hello" },
	{ "204", "HTTP/1.1 204 No Content\r\n\r\n", KEEP, SL_PROBE_OK, 204, "" },
	{ "after 1xx",
	  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 "
	  "OK\r\nContent-Length: 2\r\n\r\nok",
	  KEEP, SL_PROBE_OK, 200, "ok" },
	{ "503 with a body", "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", KEEP,
	  SL_PROBE_STATUS, 503, "" },
	{ "404", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", KEEP, SL_PROBE_STATUS, 404,
	  "" },
	{ "cut in the head", "HTTP/1.1 200 OK\r\nContent-Le", CLOSE, SL_PROBE_BROKEN, 0, "" },
	{ "cut in the body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", CLOSE,
	  SL_PROBE_BROKEN, 200, "hel" },
	{ "cut in the chunks",
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", CLOSE,
	  SL_PROBE_BROKEN, 200, "hello" },
	{ "bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", KEEP,
	  SL_PROBE_BROKEN, 200, "" },
	{ "not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", KEEP, SL_PROBE_BROKEN, 0, "" },
	{ "two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	  KEEP, SL_PROBE_BROKEN, 0, "" },
	{ "101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", KEEP, SL_PROBE_BROKEN, 0,
	  "" },
	{ "closed at once", "", CLOSE, SL_PROBE_BROKEN, 0, "" },
	{ "reset at once", "", RESET, SL_PROBE_BROKEN, 0, "" },
};

static void run_answers(struct fixture *f)
{
	for (size_t i = 0; i < SL_COUNT(answers); i++) {
		const struct step steps[] = { { answers[i].bytes, answers[i].then },
			                      { answers[i].bytes, answers[i].then } };

		/* A getter of its own: nothing kept from the answer before. */
		sl_get_free(f->get);
		f->get = sl_get_new(f->base, (struct sockaddr *)&f->addr, sizeof(f->addr), f->host,
		                    NULL);
		script(f, steps);
		get(f, "/x");
		if (f->result != answers[i].result || f->status != answers[i].status ||
		    strcmp(f->body, answers[i].body) != 0)
			fail_msg("%s: %s, %d, '%s'", answers[i].name,
			         sl_probe_result_name(f->result), f->status, f->body);
		assert_int_equal(f->n_requests, 1);
		assert_int_equal(f->n_peers, 1);
		forget_peers(f);
	}
}

static void test_answers(void **state)
{
	run_answers(*state);
}

static void test_answers_byte_by_byte(void **state)
{
	struct fixture *f = *state;

	f->trickle = true;
	run_answers(f);
}

static void test_request(void **state)
{
	static const struct step steps[] = { { "HTTP/1.1 204 x\r\n\r\n", KEEP } };
	struct fixture *f = *state;
	char expected[256];

	script(f, steps);
	get(f, "/metrics?x=1");
	snprintf(expected, sizeof(expected),
	         "GET /metrics?x=1 HTTP/1.1\r\nHost: %s\r\nUser-Agent: sluice/" SLUICE_VERSION
	         "\r\nAccept: text/plain;version=0.0.4, */*;q=0.5\r\n"
	         "Authorization: Bearer sk-secret\r\n\r\n",
	         f->host);
	assert_string_equal(f->requests[0], expected);
}

static void test_expected_status(void **state)
{
	static const struct step steps[] = {
		{ "HTTP/1.1 204 x\r\n\r\n", KEEP },
		{ "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", KEEP },
	};
	struct fixture *f = *state;

	script(f, steps);
	start_with(f, "/", 20000000, 100, 200);
	wait_done(f, 1);
	assert_int_equal(f->result, SL_PROBE_STATUS);
	start_with(f, "/", 20000000, 100, 503);
	wait_done(f, 2);
	assert_int_equal(f->result, SL_PROBE_OK);
}

/* ---- connections ----------------------------------------------------- */

#define OK_STEP(then)                                                                              \
	{                                                                                          \
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", then                             \
	}

static void test_connection_is_kept(void **state)
{
	static const struct step steps[] = { OK_STEP(KEEP), OK_STEP(KEEP), OK_STEP(KEEP) };
	struct fixture *f = *state;

	script(f, steps);
	f->next_path = "/second"; /* started from within on_done */
	start(f, "/first");
	wait_done(f, 2);
	get(f, "/third");
	assert_int_equal(f->n_peers, 1);
	assert_int_equal(f->n_requests, 3);
	assert_memory_equal(f->requests[1], "GET /second ", 12);
	assert_string_equal(f->body, "ok");
}

/* An idle connection that the engine closes is noticed or, at the latest,
 * found out by the next request, which goes out again. */
static void test_kept_connection_was_closed(void **state)
{
	static const struct step steps[] = { OK_STEP(KEEP), OK_STEP(KEEP), OK_STEP(KEEP) };
	struct fixture *f = *state;

	script(f, steps);
	get(f, "/");
	end_peer(f->peers[0]); /* the getter has not seen it yet */
	get(f, "/");
	assert_int_equal(f->result, SL_PROBE_OK);
	reset_peer(f->peers[1]);
	get(f, "/");
	assert_int_equal(f->result, SL_PROBE_OK);
	assert_int_equal(f->n_peers, 3);
	assert_int_equal(f->n_requests, 3);
}

/* The same when the request has already reached it. */
static void test_kept_connection_closes_on_request(void **state)
{
	static const struct step steps[] = { OK_STEP(KEEP), { "", CLOSE }, OK_STEP(KEEP) };
	static const struct step twice[] = { OK_STEP(KEEP), { "", CLOSE }, { "", CLOSE } };
	struct fixture *f = *state;

	script(f, steps);
	get(f, "/");
	get(f, "/");
	assert_int_equal(f->result, SL_PROBE_OK);
	assert_int_equal(f->n_requests, 3);
	/* on a fresh connection it is the engine's answer */
	script(f, twice);
	get(f, "/");
	get(f, "/");
	assert_int_equal(f->result, SL_PROBE_BROKEN);
	assert_int_equal(f->n_requests, 3);
}

static void test_not_kept(void **state)
{
	static const struct step steps[] = {
		{ "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", KEEP },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", KEEP },
		OK_STEP(KEEP),
	};
	struct fixture *f = *state;

	script(f, steps);
	for (int i = 1; i <= 3; i++) {
		get(f, "/");
		assert_int_equal(f->result, SL_PROBE_OK);
		assert_int_equal(f->n_peers, i); /* a new connection each */
	}
}

static void test_refused(void **state)
{
	struct fixture *f = *state;

	event_del(f->acceptable);
	assert_int_equal(shutdown(f->listener, SHUT_RDWR), 0);
	for (int i = 0; i < 2; i++) {
		get(f, "/");
		assert_int_equal(f->result, SL_PROBE_REFUSED);
		assert_int_equal(f->status, 0);
	}
}

/* A failure that is known inside _start is still told afterwards. */
static void test_no_synchronous_result(void **state)
{
	struct sockaddr_in nowhere = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct fixture *f = *state;

	/* a broadcast address cannot be connected to: an error at once */
	nowhere.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	sl_get_free(f->get);
	f->get = sl_get_new(f->base, (struct sockaddr *)&nowhere, sizeof(nowhere), "x", NULL);
	start(f, "/");
	assert_int_equal(f->n_done, 0);
	wait_done(f, 1);
	assert_int_equal(f->result, SL_PROBE_REFUSED);
}

/* The kernel accepts the connections, nobody answers; afterwards somebody
 * does, and the late answers on the old connections are nobody's. */
static void test_timeout(void **state)
{
	static const struct step steps[] = { OK_STEP(KEEP), OK_STEP(KEEP), OK_STEP(KEEP) };
	struct fixture *f = *state;

	script(f, steps);
	event_del(f->acceptable);
	for (int i = 1; i <= 2; i++) {
		start_with(f, "/", 30000, 100, 0);
		wait_done(f, i);
		assert_int_equal(f->result, SL_PROBE_TIMEOUT);
		assert_int_equal(f->status, 0);
	}
	event_add(f->acceptable, NULL);
	get(f, "/");
	assert_int_equal(f->result, SL_PROBE_OK);
	assert_string_equal(f->body, "ok");
}

/* A head has come, the rest does not: the status is known. */
static void test_timeout_in_body(void **state)
{
	static const struct step steps[] = { { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
		                               SILENT } };
	struct fixture *f = *state;

	script(f, steps);
	start_with(f, "/", 300000, 100, 0);
	wait_done(f, 1);
	assert_int_equal(f->result, SL_PROBE_TIMEOUT);
	assert_int_equal(f->status, f->n_body ? 200 : 0);
}

static void test_body_bound(void **state)
{
	static const struct step steps[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", KEEP },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!", KEEP },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n3\r\nlo!\r\n",
		  KEEP },
	};
	static const enum sl_probe_result expected[] = { SL_PROBE_OK, SL_PROBE_BROKEN,
		                                         SL_PROBE_BROKEN };
	struct fixture *f = *state;

	script(f, steps);
	for (int i = 0; i < 3; i++) {
		start_with(f, "/", 20000000, 5, 0);
		wait_done(f, i + 1);
		assert_int_equal(f->result, expected[i]);
		assert_true(f->n_body <= 5);
	}
}

static void test_head_bound(void **state)
{
	static char head[40000];
	struct step steps[] = { { head, KEEP } };
	struct fixture *f = *state;
	size_t n = (size_t)sprintf(head, "HTTP/1.1 200 OK\r\nX: ");

	memset(head + n, 'x', sizeof(head) - 1 - n);
	script(f, steps);
	get(f, "/");
	assert_int_equal(f->result, SL_PROBE_BROKEN);
}

/* ---- redirects ------------------------------------------------------- */

static void check_redirect(struct fixture *f, const char *location, int status, bool followed)
{
	static char bytes[512];
	struct step steps[] = { { bytes, KEEP }, OK_STEP(KEEP) };

	snprintf(bytes, sizeof(bytes),
	         "HTTP/1.1 %d x\r\nLocation: %s\r\nContent-Length: 3\r\n\r\nsee", status, location);
	script(f, steps);
	get(f, "/metrics");
	if ((f->result == SL_PROBE_OK) != followed)
		fail_msg("%d to %s: %s", status, location, sl_probe_result_name(f->result));
	assert_int_equal(f->n_requests, followed ? 2 : 1);
	assert_int_equal(f->status, followed ? 200 : status);
	assert_string_equal(f->body, followed ? "ok" : "");
	if (followed)
		assert_memory_equal(f->requests[1], "GET /metrics/ HTTP/1.1\r\n", 24);
}

static void test_redirects(void **state)
{
	struct fixture *f = *state;
	char location[64];

	check_redirect(f, "/metrics/", 307, true);
	check_redirect(f, "/metrics/", 301, true);
	snprintf(location, sizeof(location), "http://%s/metrics/", f->host); /* AIBrix */
	check_redirect(f, location, 307, true);
	snprintf(location, sizeof(location), "HTTP://%s/metrics/", f->host);
	check_redirect(f, location, 308, true);
	check_redirect(f, "/metrics/", 303, false);
	check_redirect(f, "/metrics/", 300, false);
	check_redirect(f, "//127.0.0.1/metrics/", 307, false);
	check_redirect(f, "http://example.org/metrics/", 307, false);
	snprintf(location, sizeof(location), "http://%s1/metrics/", f->host);
	check_redirect(f, location, 307, false);
	snprintf(location, sizeof(location), "http://%s@evil/metrics/", f->host);
	check_redirect(f, location, 307, false);
	snprintf(location, sizeof(location), "https://%s/metrics/", f->host);
	check_redirect(f, location, 307, false);
	check_redirect(f, "metrics/", 307, false);
	check_redirect(f, "/me trics/", 307, false);
	check_redirect(f, "", 307, false);
	assert_int_equal(f->n_peers, 1); /* all on one connection */
}

static void test_one_redirect_only(void **state)
{
	static const struct step steps[] = {
		{ "HTTP/1.1 307 x\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", CLOSE },
		{ "HTTP/1.1 307 x\r\nLocation: /c\r\nContent-Length: 0\r\n\r\n", KEEP },
	};
	struct fixture *f = *state;

	script(f, steps);
	get(f, "/a");
	assert_int_equal(f->result, SL_PROBE_STATUS);
	assert_int_equal(f->status, 307);
	assert_int_equal(f->n_requests, 2);
	assert_memory_equal(f->requests[1], "GET /b ", 7);
}

/* ---- the owner's freedom --------------------------------------------- */

static void test_freed_from_on_done(void **state)
{
	static const struct step steps[] = { OK_STEP(KEEP) };
	struct fixture *f = *state;

	script(f, steps);
	f->free_when_done = 1;
	start(f, "/");
	while (!f->n_done)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_null(f->get);
}

static void test_freed_while_busy(void **state)
{
	static const struct step steps[] = { { "HTTP/1.1 200 OK\r\n", SILENT } };
	struct fixture *f = *state;

	script(f, steps);
	start(f, "/");
	while (!f->n_requests)
		event_base_loop(f->base, EVLOOP_ONCE);
	sl_get_free(f->get);
	f->get = NULL;
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(f->n_done, 0);
}

/* Any bytes whatever: one result each, and the getter goes on. */
static void test_noise(void **state)
{
	static char noise[600];
	struct step steps[] = { { noise, CLOSE }, { noise, CLOSE } };
	struct fixture *f = *state;
	struct sl_rng rng = { 7 };

	for (int i = 0; i < 300; i++) {
		static const char *const starts[] = {
			"", "HTTP/1.1 200 OK\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
			"HTTP/1.1 307 x\r\nLocation: /"
		};
		size_t n = (size_t)sprintf(noise, "%s", starts[i % 4]);
		size_t len = n + sl_rng_next(&rng) % 400;

		while (n < len)
			noise[n++] = (char)(1 + sl_rng_next(&rng) % 255);
		noise[n] = '\0';
		script(f, steps);
		get(f, "/");
		forget_peers(f);
	}
	assert_int_equal(f->n_done, 300);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(test_answers),
		WITH_SERVER(test_answers_byte_by_byte),
		WITH_SERVER(test_request),
		WITH_SERVER(test_expected_status),
		WITH_SERVER(test_connection_is_kept),
		WITH_SERVER(test_kept_connection_was_closed),
		WITH_SERVER(test_kept_connection_closes_on_request),
		WITH_SERVER(test_not_kept),
		WITH_SERVER(test_refused),
		WITH_SERVER(test_no_synchronous_result),
		WITH_SERVER(test_timeout),
		WITH_SERVER(test_timeout_in_body),
		WITH_SERVER(test_body_bound),
		WITH_SERVER(test_head_bound),
		WITH_SERVER(test_redirects),
		WITH_SERVER(test_one_redirect_only),
		WITH_SERVER(test_freed_from_on_done),
		WITH_SERVER(test_freed_while_busy),
		WITH_SERVER(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
