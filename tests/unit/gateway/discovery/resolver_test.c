/* Name servers that take a question and never end their answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/discovery/resolver.h"

#define QUESTIONS 20 /* more than there are threads */

struct rig {
	struct sl_loop loop;
	struct sl_resolver *resolver;
	struct event event;
	int udp, tcp; /* a name server that says "ask by TCP", and then nothing */
	unsigned answers, complete;
	char reason[160];
};

static void serve(evutil_socket_t fd, short what, void *arg)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	uint8_t query[512];
	ssize_t n;

	(void)what;
	(void)arg;
	while ((n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&peer, &len)) > 12) {
		query[2] = 0x87; /* an answer, cut short */
		query[3] = 0x80;
		sendto(fd, query, (size_t)n, 0, (struct sockaddr *)&peer, len);
	}
}

/* A port that is free for both; 0: the one for UDP is somebody's for TCP. */
static uint16_t open_both(struct rig *r)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);

	r->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	r->tcp = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(r->udp, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(r->udp, (struct sockaddr *)&at, &len), 0);
	if (bind(r->tcp, (struct sockaddr *)&at, len) == 0)
		return ntohs(at.sin_port);
	close(r->udp);
	close(r->tcp);
	return 0;
}

static void open_server(struct rig *r)
{
	char text[32], *servers[] = { text };
	uint16_t port = 0;

	while (!port)
		port = open_both(r);
	assert_int_equal(listen(r->tcp, 128), 0);
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	sl_resolver_set_servers(r->resolver, servers, 1);
	event_assign(&r->event, r->loop.base, r->udp, EV_READ | EV_PERSIST, serve, NULL);
	event_add(&r->event, NULL);
}

static void on_answer(void *ctx, const struct sl_places *places)
{
	struct rig *r = ctx;

	r->answers++;
	r->complete += places->complete;
	snprintf(r->reason, sizeof(r->reason), "%s", places->reason);
}

static void every_question_ends(void **state)
{
	struct rig r = { .answers = 0 };
	char name[32];

	(void)state;
	assert_int_equal(sl_loop_init(&r.loop), 0);
	r.resolver = sl_resolver_new(&r.loop);
	open_server(&r);
	sl_resolver_set_patience(r.resolver, 200000);
	for (unsigned i = 0; i < QUESTIONS; i++) {
		snprintf(name, sizeof(name), "engine-%u.test.", i);
		sl_resolver_ask(r.resolver, SL_LOOKUP_HOST, name, on_answer, &r);
	}
	while (r.answers < QUESTIONS)
		sl_loop_turn(&r.loop);
	assert_int_equal(r.complete, 0);
	assert_non_null(strstr(r.reason, "no end of the answer"));
	event_del(&r.event);
	assert_true(accept(r.tcp, NULL, NULL) >= 0); /* they came as far as that */
	close(r.tcp); /* its threads end, and find nobody who waits */
	close(r.udp);
	sl_resolver_free(r.resolver);
	sl_loop_fini(&r.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_question_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
