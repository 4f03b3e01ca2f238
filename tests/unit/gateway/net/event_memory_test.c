/* What libevent keeps for descriptors, in a region of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <unistd.h>

#include "gateway/net/event_memory.h"
#include "sluice/base.h"

#define MANY 200

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	++*(int *)arg;
}

/* Descriptors that come and go, over several bases, still work as they should;
 * the sanitizers look at every byte. */
static void test_bases_come_and_go(void **state)
{
	(void)state;
	sl_event_memory_install();
	sl_event_memory_install();
	for (int round = 0; round < 3; round++) {
		struct event_base *base = event_base_new();
		struct event *events[MANY];
		int pipes[MANY][2], seen = 0;

		for (int i = 0; i < MANY; i++) {
			assert_int_equal(pipe(pipes[i]), 0);
			events[i] = event_new(base, pipes[i][0], EV_READ, on_event, &seen);
			event_add(events[i], NULL);
			assert_int_equal(write(pipes[i][1], "x", 1), 1);
		}
		while (seen < MANY)
			event_base_loop(base, EVLOOP_ONCE);
		assert_int_equal(seen, MANY);
		for (int i = 0; i < MANY; i++) {
			event_free(events[i]);
			close(pipes[i][0]);
			close(pipes[i][1]);
		}
		event_base_free(base);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bases_come_and_go) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
