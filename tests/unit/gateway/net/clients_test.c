/* Connections counted for each client address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>

#include "gateway/net/clients.h"

static struct sl_sockaddr address(const char *text)
{
	struct sl_sockaddr a = { .len = sizeof(a.ss) };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a.ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a.ss;

	if (strchr(text, ':')) {
		v6->sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	} else {
		v4->sin_family = AF_INET;
		assert_int_equal(inet_pton(AF_INET, text, &v4->sin_addr), 1);
	}
	return a;
}

static void test_a_limit(void **state)
{
	struct sl_clients *c = sl_clients_new();
	struct sl_sockaddr a = address("192.0.2.1"), b = address("192.0.2.2");
	struct sl_client *x = NULL, *y = NULL, *z = NULL, *none = NULL;

	(void)state;
	assert_true(sl_clients_enter(c, &a, 2, &x));
	assert_true(sl_clients_enter(c, &a, 2, &y));
	assert_false(sl_clients_enter(c, &a, 2, &none));
	assert_null(none);
	assert_true(sl_clients_enter(c, &b, 2, &z));
	assert_int_equal(sl_clients_count(c, &a), 2);
	sl_clients_leave(c, x);
	assert_true(sl_clients_enter(c, &a, 2, &x));
	sl_clients_leave(c, x);
	sl_clients_leave(c, y);
	sl_clients_leave(c, z);
	assert_int_equal(sl_clients_count(c, &a), 0);
	sl_clients_free(c);
}

/* Whoever has one address of a /64 has all of them. */
static void test_networks(void **state)
{
	static const struct {
		const char *one, *other;
		bool same;
	} rows[] = {
		{ "2001:db8::1", "2001:db8::ffff:1", true },
		{ "2001:db8:0:1::1", "2001:db8:0:2::1", false },
		{ "::ffff:192.0.2.1", "192.0.2.1", true },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
		{ "192.0.2.1", "192.0.2.3", false },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_clients *c = sl_clients_new();
		struct sl_sockaddr a = address(rows[i].one), b = address(rows[i].other);
		struct sl_client *x = NULL;

		assert_true(sl_clients_enter(c, &a, 9, &x));
		assert_int_equal(sl_clients_count(c, &b), rows[i].same);
		sl_clients_free(c);
	}
}

static void test_not_counted(void **state)
{
	struct sl_sockaddr a = address("192.0.2.1");
	struct sl_client *x = NULL;

	(void)state;
	assert_true(sl_clients_enter(NULL, &a, 1, &x));
	assert_null(x);
	sl_clients_leave(NULL, x);
}

/* A request may outlive the connection that it came on. */
static void test_requests(void **state)
{
	struct sl_clients *c = sl_clients_new();
	struct sl_sockaddr a = address("192.0.2.1");
	struct sl_client *x = NULL, *y = NULL;

	(void)state;
	assert_true(sl_clients_enter(c, &a, 9, &x));
	assert_true(sl_clients_begin(c, x, 2));
	assert_true(sl_clients_begin(c, x, 2));
	assert_false(sl_clients_begin(c, x, 2));
	sl_clients_leave(c, x);
	assert_int_equal(sl_clients_count(c, &a), 0);
	assert_true(sl_clients_enter(c, &a, 9, &y));
	assert_ptr_equal(x, y);
	assert_false(sl_clients_begin(c, y, 2));
	sl_clients_leave(c, y);
	sl_clients_finish(c, x);
	sl_clients_finish(c, x);
	assert_int_equal(sl_clients_count(c, &a), 0);
	sl_clients_free(c);
}

static uint32_t arrivals(struct sl_clients *c, const struct sl_sockaddr *a, uint32_t rate,
                         uint64_t now_us)
{
	uint32_t n = 0;

	while (n < 1000 && sl_clients_arrive(c, a, rate, now_us))
		n++;
	return n;
}

/* A second's worth at once, then as many as time gives back. */
static void test_a_rate(void **state)
{
	struct sl_clients *c = sl_clients_new();
	struct sl_sockaddr a = address("192.0.2.1"), b = address("192.0.2.2");
	const uint64_t start = 5000000, second = 1000000;

	(void)state;
	assert_int_equal(arrivals(c, &a, 100, start), 100);
	assert_int_equal(arrivals(c, &a, 100, start + second / 100 - 1), 0);
	assert_int_equal(arrivals(c, &a, 100, start + second / 100), 1);
	assert_int_equal(arrivals(c, &b, 100, start), 100); /* not the other's */
	assert_int_equal(arrivals(c, &a, 100, start + second / 2), 49);
	assert_int_equal(arrivals(c, &a, 100, start + 100 * second), 100);
	assert_int_equal(arrivals(c, &a, 0, start + 100 * second), 1000);
	assert_int_equal(arrivals(NULL, &a, 1, start), 1000);
	sl_clients_free(c);
}

#define ROUNDS 20000

static void *come_and_go(void *arg)
{
	struct sl_clients *c = arg;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct sl_sockaddr a = address(i % 2 ? "192.0.2.1" : "192.0.2.9");
		struct sl_client *x = NULL;

		if (sl_clients_enter(c, &a, 1, &x))
			sl_clients_leave(c, x);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct sl_clients *c = sl_clients_new();
	struct sl_sockaddr a = address("192.0.2.1"), b = address("192.0.2.9");
	pthread_t threads[3];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, c), 0);
	for (size_t i = 0; i < SL_COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(sl_clients_count(c, &a) + sl_clients_count(c, &b), 0);
	sl_clients_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_limit),     cmocka_unit_test(test_networks),
		cmocka_unit_test(test_requests),    cmocka_unit_test(test_a_rate),
		cmocka_unit_test(test_not_counted), cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
