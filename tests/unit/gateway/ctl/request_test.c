/* request_test.c: sluicectl's requests against the real admin server, and
 * against peers that answer badly, each in a thread of its own. */
#include <event2/event.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "gateway/admin/admin.h"
#include "gateway/ctl/request.c"

/* ---- with the admin server ------------------------------------------- */

static int write_page(void *ctx, FILE *out)
{
	(void)ctx;
	for (int i = 0; i < 300000; i++)
		fputc('x', out);
	return 200;
}

static int write_refusal(void *ctx, FILE *out)
{
	(void)ctx;
	fputs("{\"reloaded\":false}\n", out);
	return 422;
}

static const struct sl_admin_page pages[] = {
	{ "GET", "/page", "text/plain", write_page },
	{ "POST", "/reload", "application/json", write_refusal },
	{ NULL, NULL, NULL, NULL },
};

static struct {
	struct event_base *base;
	struct sl_admin *admin;
	pthread_t thread;
	int stop_fd;
	char addr[32];
} server;

static void on_stop(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	event_base_loopbreak(arg);
}

static void *serve(void *unused)
{
	struct event *stop = event_new(server.base, server.stop_fd, EV_READ, on_stop, server.base);

	(void)unused;
	event_add(stop, NULL);
	event_base_dispatch(server.base);
	event_free(stop);
	return NULL;
}

static int start_server(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };

	(void)state;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.stop_fd = eventfd(0, 0);
	server.base = event_base_new();
	server.admin =
	        sl_admin_open(server.base, (struct sockaddr *)&addr, sizeof(addr), pages, NULL);
	if (!server.admin)
		return -1;
	snprintf(server.addr, sizeof(server.addr), "127.0.0.1:%u", sl_admin_port(server.admin));
	return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop_server(void **state)
{
	(void)state;
	eventfd_write(server.stop_fd, 1);
	pthread_join(server.thread, NULL);
	sl_admin_close(server.admin);
	event_base_free(server.base);
	close(server.stop_fd);
	return 0;
}

static void test_answers(void **state)
{
	struct ctl_answer answer;
	char error[256];

	(void)state;
	assert_int_equal(ctl_request(server.addr, "GET", "/page", error, sizeof(error), &answer),
	                 0);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.len, 300000);
	assert_int_equal(answer.body[0], 'x');
	assert_int_equal(answer.body[answer.len], '\0');
	ctl_answer_fini(&answer);
	assert_int_equal(ctl_request(server.addr, "POST", "/reload", error, sizeof(error), &answer),
	                 0);
	assert_int_equal(answer.status, 422);
	assert_string_equal(answer.body, "{\"reloaded\":false}\n");
	ctl_answer_fini(&answer);
	assert_int_equal(ctl_request(server.addr, "GET", "/none", error, sizeof(error), &answer),
	                 0);
	assert_int_equal(answer.status, 404);
	ctl_answer_fini(&answer);
}

/* ---- with peers that are something else ------------------------------ */

struct peer {
	int fd;
	const char *bytes;
};

static void *answer_once(void *arg)
{
	const struct peer *peer = arg;
	int fd = accept(peer->fd, NULL, NULL);
	char request[2048];

	if (recv(fd, request, sizeof(request), 0) > 0)
		(void)!send(fd, peer->bytes, strlen(peer->bytes), MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static int ask_peer(const char *bytes, char *error, size_t size, struct ctl_answer *answer)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	struct peer peer = { socket(AF_INET, SOCK_STREAM, 0), bytes };
	socklen_t len = sizeof(addr);
	pthread_t thread;
	char text[32];
	int result;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(peer.fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(peer.fd, 1), 0);
	getsockname(peer.fd, (struct sockaddr *)&addr, &len);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(addr.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, answer_once, &peer), 0);
	result = ctl_request(text, "GET", "/", error, size, answer);
	pthread_join(thread, NULL);
	close(peer.fd);
	return result;
}

static void test_bad_answers(void **state)
{
	static const char *const answers[] = {
		"SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"HTTP/2 200\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", /* cut short */
		"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc",
		"\r\n\r\n",
	};
	struct ctl_answer answer;
	char error[256];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(answers); i++) {
		assert_int_equal(ask_peer(answers[i], error, sizeof(error), &answer), -1);
		assert_non_null(strstr(error, "not an answer of a sluice gateway"));
		assert_null(strchr(error, '\n'));
	}
	assert_int_equal(ask_peer("", error, sizeof(error), &answer), -1);
	assert_non_null(strstr(error, "closed the connection"));
}

static void test_until_close(void **state)
{
	struct ctl_answer answer;
	char error[256];

	(void)state;
	assert_int_equal(ask_peer("HTTP/1.0 200 OK\r\n\r\nabc", error, sizeof(error), &answer), 0);
	assert_string_equal(answer.body, "abc");
	ctl_answer_fini(&answer);
}

static void test_nobody_there(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening */
	socklen_t len = sizeof(addr);
	struct ctl_answer answer;
	char text[32], error[256];

	(void)state;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	getsockname(fd, (struct sockaddr *)&addr, &len);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(addr.sin_port));
	assert_int_equal(ctl_request(text, "GET", "/", error, sizeof(error), &answer), -1);
	assert_non_null(strstr(error, text));
	assert_non_null(strstr(error, "Connection refused"));
	close(fd);
}

/* ---- addresses ------------------------------------------------------- */

static void test_addresses(void **state)
{
	static const struct {
		const char *addr, *host, *port;
	} cases[] = {
		{ "10.0.0.1:80", "10.0.0.1", "80" },
		{ "gateway", "gateway", "9900" },
		{ "gateway:", "gateway", "9900" },
		{ ":8080", "127.0.0.1", "8080" },
		{ "8080", "127.0.0.1", "8080" },
		{ "", "127.0.0.1", "9900" },
		{ "[::1]:80", "::1", "80" },
		{ "[::1]", "::1", "9900" },
		{ "::1", "::1", "9900" },
		{ "fd00::12", "fd00::12", "9900" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct target t;

		split_addr(cases[i].addr, &t);
		assert_string_equal(t.host, cases[i].host);
		assert_string_equal(t.port, cases[i].port);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),     cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_until_close), cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
