/* A heap against a search through all items, in random acts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "routing/heap.h"

#define N 100

static struct heap_item *smallest(struct heap_item *items)
{
	struct heap_item *best = NULL;

	for (unsigned i = 0; i < N; i++)
		if (items[i].place &&
		    (!best || items[i].major < best->major ||
		     (items[i].major == best->major && items[i].minor < best->minor)))
			best = &items[i];
	return best;
}

static void test_the_first_is_the_smallest(void **state)
{
	struct heap_item items[N] = { 0 };
	struct sl_rng rng = { 11 };
	struct heap h;

	(void)state;
	heap_init(&h, N);
	assert_null(heap_first(&h));
	for (unsigned step = 0; step < 20000; step++) {
		struct heap_item *item = &items[(sl_rng_next(&rng) >> 40) % N];
		uint64_t act = sl_rng_next(&rng) >> 40;

		if (act % 3 == 0)
			heap_del(&h, item);
		else
			heap_put(&h, item, act % 20, (uint64_t)(item - items));
		assert_ptr_equal(heap_first(&h), smallest(items));
	}
	while (heap_first(&h))
		heap_del(&h, heap_first(&h));
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(items[i].place, 0);
	heap_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_is_the_smallest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
