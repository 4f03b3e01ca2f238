/* A fleet, sealed: which name leads where, which pool an engine is of, and
 * that the last reference takes everything with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/exchange/fleet.h"

#define MAX_ROUTES 8

/* Names that are prefixes of others, and bytes above 127. A capital marks an
 * alias of the first name. */
static struct sl_fleet *fleet_of(const char *const *names, uint32_t n)
{
	struct sl_fleet *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	atomic_init(&f->refs, 1);
	f->routes = calloc(MAX_ROUTES, sizeof(*f->routes));
	assert_non_null(f->routes);
	f->n_routes = n;
	for (uint32_t i = 0; i < n; i++) {
		f->routes[i].alias = names[i][0] >= 'A' && names[i][0] <= 'Z';
		f->routes[i].name = strdup(names[i]);
		f->routes[i].target = strdup(f->routes[i].alias ? names[0] : names[i]);
		f->routes[i].model = i;
	}
	sl_fleet_seal(f);
	return f;
}

static void test_find(void **state)
{
	static const char *const names[] = { "qwen",      "llama-3",      "llama", "Alias",
		                             "llama-3.1", "\xc3\xa9tude", "a" };
	struct sl_fleet *f = fleet_of(names, SL_COUNT(names));
	static const char *const strangers[] = { "",      "b",     "lla",  "llama-", "llama-3.10",
		                                 "LLAMA", "qwen2", "\xff", "\xc3" };

	(void)state;
	for (uint32_t i = 0; i < SL_COUNT(names); i++) {
		const struct sl_route *route = sl_fleet_find(f, sl_span_str(names[i]));

		assert_non_null(route);
		assert_string_equal(route->name, names[i]);
		assert_int_equal(route->model, i);
	}
	for (uint32_t i = 0; i < SL_COUNT(strangers); i++)
		assert_null(sl_fleet_find(f, sl_span_str(strangers[i])));
	/* the span ends where it ends, not at a NUL */
	assert_non_null(sl_fleet_find(f, sl_span("llama-3.1", 5)));
	assert_null(sl_fleet_find(f, sl_span("llama\0", 6)));
	sl_fleet_unref(f);
}

static const struct {
	const char *names[4];
	uint32_t n;
	const char *first, *only;
} fleets[] = {
	{ { NULL }, 0, NULL, NULL },
	{ { "m" }, 1, "m", "m" },
	{ { "m", "Alias", "Other" }, 3, "m", "m" },
	{ { "m", "b" }, 2, "b", NULL },
	{ { "m", "b", "Alias" }, 3, "b", NULL },
};

/* Who names no model is sent to the first; `only` says that there is no other. */
static void test_first_and_only(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SL_COUNT(fleets); i++) {
		struct sl_fleet *f = fleet_of(fleets[i].names, fleets[i].n);

		assert_int_equal(f->first != NULL, fleets[i].first != NULL);
		assert_int_equal(f->only != NULL, fleets[i].only != NULL);
		if (f->first)
			assert_string_equal(f->first->name, fleets[i].first);
		if (f->only)
			assert_string_equal(f->only->name, fleets[i].only);
		assert_null(sl_fleet_find(f, SL_SPAN("nobody")));
		sl_fleet_unref(f);
	}
}

static struct sl_endpoint *endpoint_new(uint32_t id)
{
	struct sl_endpoint *ep = calloc(1, sizeof(*ep));

	assert_non_null(ep);
	atomic_init(&ep->refs, 1);
	ep->id = id;
	pthread_mutex_init(&ep->judge_lock, NULL);
	return ep;
}

static void test_engines(void **state)
{
	static const struct sl_pool_conf pools[2];
	struct sl_fleet *f = fleet_of(NULL, 0);
	struct sl_endpoint *ours = endpoint_new(2), *gone = endpoint_new(1);
	struct sl_endpoint *new = endpoint_new(3);

	(void)state;
	f->endpoints = calloc(1, sizeof(*f->endpoints));
	f->pool_of = calloc(3, sizeof(*f->pool_of));
	assert_non_null(f->endpoints);
	assert_non_null(f->pool_of);
	f->endpoints[0] = sl_endpoint_ref(ours);
	f->n_endpoints = 1;
	f->pool_of[2] = &pools[1];
	f->n_ids = 3;
	assert_ptr_equal(sl_fleet_pool(f, ours), &pools[1]);
	assert_null(sl_fleet_pool(f, gone)); /* an id between */
	assert_null(sl_fleet_pool(f, new));  /* an id behind the last */
	assert_true(sl_fleet_has(f, ours));
	assert_false(sl_fleet_has(f, gone));

	assert_ptr_equal(sl_fleet_ref(f), f);
	sl_fleet_unref(f);
	assert_int_equal(atomic_load(&ours->refs), 2); /* somebody still holds it */
	sl_fleet_unref(f);
	assert_int_equal(atomic_load(&ours->refs), 1);
	sl_fleet_unref(NULL);
	sl_endpoint_unref(ours);
	sl_endpoint_unref(gone);
	sl_endpoint_unref(new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_first_and_only),
		cmocka_unit_test(test_engines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
