/* admin_test.c: the admin server, spoken to over real sockets on one base. */
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/admin/admin.h"

#define BIG_BYTES 20000000 /* more than the kernel takes for a peer that does not read */

struct fixture {
	struct event_base *base;
	struct sl_admin *admin;
	int written; /* pages */
};

static int write_ok(void *ctx, FILE *out)
{
	struct fixture *f = ctx;

	f->written++;
	fputs("ok\n", out);
	return 200;
}

static int write_not_ready(void *ctx, FILE *out)
{
	(void)ctx;
	fputs("no endpoint\n", out);
	return 503;
}

static int write_big(void *ctx, FILE *out)
{
	(void)ctx;
	for (int i = 0; i < BIG_BYTES; i += 10)
		fputs("0123456789", out);
	return 200;
}

static int write_nothing(void *ctx, FILE *out)
{
	(void)ctx;
	(void)out;
	return 200;
}

static const struct sl_admin_page pages[] = {
	{ "GET", "/livez", "text/plain", write_ok },
	{ "GET", "/readyz", "text/plain", write_not_ready },
	{ "GET", "/big", "text/plain", write_big },
	{ "GET", "/nothing", "text/plain", write_nothing },
	{ "POST", "/reload", "application/json", write_ok },
	{ "GET", "/both", "text/plain", write_ok },
	{ "POST", "/both", "text/plain", write_ok },
	{ NULL, NULL, NULL, NULL },
};

static int set_up(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->base = event_base_new();
	f->admin = sl_admin_open(f->base, (struct sockaddr *)&addr, sizeof(addr), pages, f);
	assert_non_null(f->admin);
	assert_true(sl_admin_port(f->admin) != 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sl_admin_close(f->admin);
	event_base_free(f->base);
	free(f);
	return 0;
}

static int dial(struct fixture *f)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons(sl_admin_port(f->admin));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* Lets the server work, then takes what there is. False at the end. */
static bool take_some(struct fixture *f, int fd, char *buf, size_t size, size_t *n)
{
	ssize_t got;

	event_base_loop(f->base, EVLOOP_NONBLOCK);
	got = recv(fd, buf + *n, size - *n, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return true;
	if (got <= 0)
		return false;
	*n += (size_t)got;
	assert_true(*n < size);
	return true;
}

/* Reads until text has been seen count times. */
static char *read_until(struct fixture *f, int fd, const char *text, int count)
{
	size_t size = BIG_BYTES + 4096, n = 0;
	char *buf = calloc(1, size);

	assert_non_null(buf);
	for (;;) {
		int seen = 0;

		for (char *p = buf; (p = strstr(p, text)); p += strlen(text))
			seen++;
		if (seen >= count)
			return buf;
		if (!take_some(f, fd, buf, size, &n))
			fail_msg("closed before '%s': %.300s", text, buf);
	}
}

static char *read_all(struct fixture *f, int fd)
{
	size_t size = BIG_BYTES + 4096, n = 0;
	char *buf = calloc(1, size);

	assert_non_null(buf);
	while (take_some(f, fd, buf, size, &n))
		;
	return buf;
}

static void say(int fd, const char *bytes)
{
	assert_int_equal(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

/* One request on a connection that the server closes. */
static char *ask(struct fixture *f, const char *request)
{
	int fd = dial(f);
	char *answer;

	say(fd, request);
	answer = read_all(f, fd);
	close(fd);
	return answer;
}

#define REQUEST(line) line " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void check_answer(struct fixture *f, const char *request, const char *status,
                         const char *end)
{
	char *answer = ask(f, request);

	if (strncmp(answer, status, strlen(status)) != 0 || strlen(answer) < strlen(end) ||
	    strcmp(answer + strlen(answer) - strlen(end), end) != 0)
		fail_msg("%s gives %s", request, answer);
	free(answer);
}

static void test_pages(void **state)
{
	struct fixture *f = *state;
	char *answer = ask(f, REQUEST("GET /livez"));

	assert_string_equal(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	                            "Content-Length: 3\r\nCache-Control: no-store\r\n"
	                            "Connection: close\r\n\r\nok\n");
	free(answer);
	check_answer(f, REQUEST("GET /livez?verbose=1"), "HTTP/1.1 200 OK\r\n", "\r\n\r\nok\n");
	check_answer(f, REQUEST("GET http://x/livez"), "HTTP/1.1 200 OK\r\n", "\r\n\r\nok\n");
	check_answer(f, REQUEST("GET /readyz"), "HTTP/1.1 503 ", "\r\n\r\nno endpoint\n");
	check_answer(f, REQUEST("GET /nothing"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
	check_answer(f, REQUEST("POST /reload"), "HTTP/1.1 200 OK\r\n", "ok\n");
	check_answer(f, "GET /livez HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "ok\n");
}

static void test_head_has_the_length_only(void **state)
{
	struct fixture *f = *state;
	char *answer = ask(f, REQUEST("HEAD /livez"));

	assert_non_null(strstr(answer, "\r\nContent-Length: 3\r\n"));
	assert_string_equal(answer + strlen(answer) - 4, "\r\n\r\n");
	free(answer);
	check_answer(f, REQUEST("HEAD /none"), "HTTP/1.1 404 ", "\r\n\r\n");
}

static void check_failure(struct fixture *f, const char *request, int err, const char *field)
{
	const struct sl_err_info *info = sl_err_info(err);
	char *answer = ask(f, request), *body = strstr(answer, "\r\n\r\n"), head[64];
	cJSON *json, *error;

	snprintf(head, sizeof(head), "HTTP/1.1 %d ", info->status);
	if (strncmp(answer, head, strlen(head)) != 0 || !body || (field && !strstr(answer, field)))
		fail_msg("%.60s gives %s", request, answer);
	assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
	json = cJSON_Parse(body + 4);
	error = cJSON_GetObjectItem(json, "error");
	assert_non_null(error);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(error, "code")), info->code);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(error, "type")), info->type);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(error, "message")),
	                    info->text);
	cJSON_Delete(json);
	free(answer);
}

static void test_failures(void **state)
{
	struct fixture *f = *state;
	static char long_head[20000], long_body[100000];
	size_t n;

	check_failure(f, REQUEST("GET /none"), SL_E_NO_ROUTE, NULL);
	check_failure(f, REQUEST("GET /livez/"), SL_E_NO_ROUTE, NULL);
	check_failure(f, REQUEST("POST /livez"), SL_E_METHOD, "\r\nAllow: GET, HEAD\r\n");
	check_failure(f, REQUEST("GET /reload"), SL_E_METHOD, "\r\nAllow: POST\r\n");
	check_failure(f, REQUEST("PUT /both"), SL_E_METHOD, "\r\nAllow: GET, HEAD, POST\r\n");
	check_failure(f, "GET /livez\r\n\r\n", SL_E_BAD_HTTP, NULL);
	check_failure(f, "GET /livez HTTP/1.1\r\n\r\n", SL_E_BAD_HTTP, NULL);
	check_failure(f, "GET /livez HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", SL_E_BAD_HTTP, NULL);
	check_failure(f, "\x16\x03\x01\x02\r\n\r\n", SL_E_BAD_HTTP, NULL);
	n = (size_t)sprintf(long_head, "GET /livez HTTP/1.1\r\nHost: x\r\nA: ");
	memset(long_head + n, 'a', sizeof(long_head) - 1 - n);
	check_failure(f, long_head, SL_E_HEADERS_TOO_LARGE, NULL);
	n = (size_t)sprintf(long_body,
	                    "POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n");
	memset(long_body + n, 'a', sizeof(long_body) - 1 - n);
	check_failure(f, long_body, SL_E_BODY_TOO_LARGE, NULL);
	check_failure(
	        f, "POST /reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	        SL_E_BAD_HTTP, NULL);
	assert_int_equal(f->written, 0);
}

static void test_keep_alive_and_pipelining(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char *answers;

	say(fd, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	free(read_until(f, fd, "ok\n", 1));
	say(fd, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n"
	        "POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
	        "HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	        "POST /reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	        "3\r\nabc\r\n0\r\n\r\n"
	        "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	answers = read_all(f, fd);
	assert_int_equal(f->written, 5);
	assert_memory_equal(answers, "HTTP/1.1 404 ", 13);
	assert_non_null(strstr(answers, "}}\nHTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(answers, "\r\n\r\nHTTP/1.1 200 OK\r\n")); /* after HEAD */
	free(answers);
	close(fd);
}

static void test_byte_by_byte(void **state)
{
	static const char request[] = "POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
	                              "Connection: close\r\n\r\nhello";
	struct fixture *f = *state;
	int fd = dial(f);
	char *answer;

	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		assert_int_equal(f->written, 0);
		assert_int_equal(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	answer = read_all(f, fd);
	assert_int_equal(f->written, 1);
	assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
	free(answer);
	close(fd);
}

/* curl waits for 100 with a large body; the answer needs no body. */
static void test_expect_is_answered_at_once(void **state)
{
	struct fixture *f = *state;

	check_answer(f,
	             "POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n"
	             "Expect: 100-continue\r\n\r\n",
	             "HTTP/1.1 200 OK\r\n", "ok\n");
}

/* A slow reader of a big page: nobody else waits for it. */
static void test_big_page_and_a_slow_reader(void **state)
{
	struct fixture *f = *state;
	int slow = dial(f);
	char *answer, *body;

	say(slow, REQUEST("GET /big") "GET /ignored HTTP/1.1\r\n");
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	for (int i = 0; i < 5; i++)
		check_answer(f, REQUEST("GET /livez"), "HTTP/1.1 200 OK\r\n", "ok\n");
	answer = read_all(f, slow);
	body = strstr(answer, "\r\n\r\n");
	assert_non_null(body);
	assert_int_equal(strlen(body + 4), BIG_BYTES);
	free(answer);
	close(slow);
}

/* While a big page is on its way, requests behind it wait in order. */
static void test_pipelined_behind_a_big_page(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char *answer;

	say(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n" REQUEST("GET /livez"));
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(f->written, 0);
	answer = read_all(f, fd);
	assert_int_equal(f->written, 1);
	assert_string_equal(answer + strlen(answer) - 7, "\r\n\r\nok\n");
	free(answer);
	close(fd);
}

static void test_half_close_still_gets_the_answer(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char *answer;

	say(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	shutdown(fd, SHUT_WR);
	answer = read_all(f, fd);
	assert_true(strlen(answer) > BIG_BYTES);
	free(answer);
	close(fd);
}

#define CLIENTS_MAX 64

/* The 65th waits, and is served when another one leaves. */
static void test_client_bound(void **state)
{
	struct fixture *f = *state;
	int fds[CLIENTS_MAX], late;
	char *answer;

	for (int i = 0; i < CLIENTS_MAX; i++) {
		fds[i] = dial(f);
		say(fds[i], "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
		free(read_until(f, fds[i], "ok\n", 1));
	}
	late = dial(f);
	say(late, REQUEST("GET /livez"));
	for (int i = 0; i < 100; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(f->written, CLIENTS_MAX);
	close(fds[17]);
	answer = read_all(f, late);
	assert_int_equal(f->written, CLIENTS_MAX + 1);
	free(answer);
	close(late);
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (i != 17)
			close(fds[i]);
}

static void test_closing_with_clients(void **state)
{
	struct fixture *f = *state;
	int idle = dial(f), half = dial(f), reading = dial(f);

	say(half, "GET /livez HT");
	say(reading, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 10; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	sl_admin_close(f->admin); /* tear_down must not do it again */
	f->admin = NULL;
	free(read_all(f, half));
	close(idle);
	close(half);
	close(reading);
}

static void test_address_in_use(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	struct fixture *f = *state;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons(sl_admin_port(f->admin));
	assert_null(sl_admin_open(f->base, (struct sockaddr *)&addr, sizeof(addr), pages, f));
	assert_int_equal(errno, EADDRINUSE);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(test_pages),
		WITH_SERVER(test_head_has_the_length_only),
		WITH_SERVER(test_failures),
		WITH_SERVER(test_keep_alive_and_pipelining),
		WITH_SERVER(test_byte_by_byte),
		WITH_SERVER(test_expect_is_answered_at_once),
		WITH_SERVER(test_big_page_and_a_slow_reader),
		WITH_SERVER(test_pipelined_behind_a_big_page),
		WITH_SERVER(test_half_close_still_gets_the_answer),
		WITH_SERVER(test_client_bound),
		WITH_SERVER(test_closing_with_clients),
		WITH_SERVER(test_address_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
