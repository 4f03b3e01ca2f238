/* The output buffer against a model of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/http/outbuf.h"

static void test_first_in_first_out(void **state)
{
	struct sl_outbuf b = { .data = NULL };
	struct sl_rng rng = { 7 };
	uint8_t next_in = 0, next_out = 0;

	(void)state;
	for (int turn = 0; turn < 20000; turn++) {
		size_t n = sl_rng_next(&rng) % 3000, before = sl_outbuf_size(&b);
		size_t out = before ? sl_rng_next(&rng) % (before + 1) : 0;
		char *room = sl_outbuf_reserve(&b, n);

		for (size_t i = 0; i < n; i++)
			room[i] = (char)next_in++;
		b.len += n;
		assert_int_equal(sl_outbuf_size(&b), before + n);
		for (size_t i = 0; i < out; i++)
			if ((uint8_t)b.data[b.off + i] != next_out++)
				fail_msg("byte %zu in turn %d", i, turn);
		sl_outbuf_drain(&b, out);
	}
	sl_outbuf_fini(&b);
	assert_null(b.data);
}

/* A queue that is never quite empty must not grow for ever. */
static void test_capacity_follows_the_content(void **state)
{
	struct sl_outbuf b = { .data = NULL };
	static char text[1000];

	(void)state;
	sl_outbuf_add(&b, text, sizeof(text));
	for (int i = 0; i < 100000; i++) {
		sl_outbuf_add(&b, text, sizeof(text));
		sl_outbuf_drain(&b, sizeof(text));
	}
	assert_in_range(b.cap, 1, 8192);
	sl_outbuf_fini(&b);
}

static void test_large_memory_is_given_back(void **state)
{
	struct sl_outbuf b = { .data = NULL };

	(void)state;
	sl_outbuf_reserve(&b, 100);
	b.len = 100;
	sl_outbuf_drain(&b, 100);
	assert_non_null(b.data); /* kept for the next */
	memset(sl_outbuf_reserve(&b, 300 * 1024), 0, 300 * 1024);
	b.len = 300 * 1024;
	sl_outbuf_drain(&b, 300 * 1024 - 1);
	assert_non_null(b.data);
	sl_outbuf_drain(&b, 1);
	assert_null(b.data);
	assert_int_equal(b.cap, 0);
	sl_outbuf_add(&b, "", 0);
	assert_null(b.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_in_first_out),
		cmocka_unit_test(test_capacity_follows_the_content),
		cmocka_unit_test(test_large_memory_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
