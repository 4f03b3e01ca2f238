/* peers_test.c: engines by shared names, and other gateways' whole states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/replica/peers.h"

#define SECOND 1000000u
#define ENGINES 3

struct fixture {
	struct sl_domain *domain;
	struct sl_endpoint *eps[ENGINES];
	struct sl_pool_conf pool;
	const struct sl_pool_conf *pool_of[ENGINES];
	struct sl_fleet fleet;
	struct table table;
	struct peer_list peers;
};

static int setup(void **state)
{
	static const char *const names[ENGINES] = { "10.0.0.2:8000", "10.0.0.1:8000", "[::1]:1" };
	struct fixture *f = calloc(1, sizeof(*f));
	struct sl_endpoint_spec spec = { .role = SL_ROLE_BOTH };
	struct sl_router_options options;

	assert_non_null(f);
	sl_router_options_default(&options);
	f->domain = sl_domain_new(0, "/all", &options);
	f->pool = (struct sl_pool_conf){ .name = (char *)"all", .cluster = (char *)"hall" };
	for (uint32_t i = 0; i < ENGINES; i++) {
		f->eps[i] = calloc(1, sizeof(*f->eps[i]));
		assert_non_null(f->eps[i]);
		atomic_init(&f->eps[i]->refs, 1);
		pthread_mutex_init(&f->eps[i]->judge_lock, NULL);
		f->eps[i]->id = i;
		strcpy(f->eps[i]->name, names[i]);
		sl_domain_add(f->domain, f->eps[i], &spec);
		f->pool_of[i] = &f->pool;
	}
	f->fleet = (struct sl_fleet){
		.endpoints = f->eps, .n_endpoints = ENGINES, .pool_of = f->pool_of, .n_ids = ENGINES
	};
	table_set(&f->table, &f->fleet);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	while (f->peers.n)
		peer_list_drop(&f->peers, &f->peers.items[0], &f->table, 0);
	table_fini(&f->table);
	for (uint32_t i = 0; i < ENGINES; i++)
		sl_endpoint_unref(f->eps[i]);
	sl_domain_free(f->domain);
	free(f);
	return 0;
}

static uint32_t inflight(const struct fixture *f, uint32_t i)
{
	struct sl_endpoint_view view;

	assert_true(sl_router_endpoint_view(f->domain->router, f->eps[i]->slot, SECOND, &view));
	return view.peers_inflight;
}

static void names_and_slots(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->table.n, ENGINES);
	assert_int_equal(f->table.n_domains, 1);
	for (uint32_t i = 0; i < ENGINES; i++) {
		char name[SL_ENDPOINT_NAME_MAX + 16];
		uint32_t row;

		snprintf(name, sizeof(name), "hall/all/%s", f->eps[i]->name);
		row = table_find(&f->table, sl_span_str(name));
		assert_true(row < ENGINES && f->table.rows[row].ep == f->eps[i]);
		assert_int_equal(table_find_slot(&f->table, f->domain, f->eps[i]->slot), row);
		assert_int_equal(table_find(&f->table, sl_span(name, strlen(name) - 1)),
		                 TABLE_NONE);
	}
	assert_int_equal(table_find(&f->table, sl_span("", 0)), TABLE_NONE);
	assert_int_equal(table_find(&f->table, SL_SPAN("hall/all/10.0.0.1:80000")), TABLE_NONE);
	assert_int_equal(table_find_slot(&f->table, f->domain, 99), TABLE_NONE);
	assert_int_equal(table_find_slot(&f->table, NULL, 0), TABLE_NONE);
}

static void what_was_said_stays(void **state)
{
	struct fixture *f = *state;
	uint32_t row = table_find(&f->table, SL_SPAN("hall/all/10.0.0.1:8000"));

	f->table.rows[row].told.inflight = 7;
	f->table.rows[row].dead = true;
	f->fleet.n_endpoints = 2; /* the third one was removed */
	table_set(&f->table, &f->fleet);
	assert_int_equal(f->table.n, 2);
	row = table_find(&f->table, SL_SPAN("hall/all/10.0.0.1:8000"));
	assert_int_equal(f->table.rows[row].told.inflight, 7);
	assert_true(f->table.rows[row].dead);
	row = table_find(&f->table, SL_SPAN("hall/all/10.0.0.2:8000"));
	assert_int_equal(f->table.rows[row].told.inflight, 0);
}

static struct peer *take(struct fixture *f, uint64_t id, uint64_t sequence)
{
	struct message_head head = { id, sequence, MESSAGE_DELTA };

	return peer_list_take(&f->peers, &head, SECOND);
}

static void set(struct fixture *f, struct peer *p, uint32_t i, uint32_t n)
{
	struct sl_load load = { .inflight = n, .seqs = n };
	uint32_t row = table_find_slot(&f->table, f->domain, f->eps[i]->slot);

	peer_set_load(p, &f->table, row, &load, 9 * SECOND, SECOND);
}

static void a_whole_state_replaces(void **state)
{
	struct fixture *f = *state;
	struct peer *p = take(f, 5, 1);

	peer_begin_state(p);
	set(f, p, 0, 3);
	set(f, p, 1, 4);
	peer_end_state(p, &f->table, SECOND);
	set(f, p, 2, 1); /* a delta */
	assert_int_equal(inflight(f, 0), 3);
	assert_int_equal(inflight(f, 1), 4);
	assert_int_equal(inflight(f, 2), 1);
	peer_begin_state(p);
	set(f, p, 1, 2);
	peer_end_state(p, &f->table, SECOND);
	assert_int_equal(inflight(f, 0), 0);
	assert_int_equal(inflight(f, 1), 2);
	assert_int_equal(inflight(f, 2), 0);
	peer_list_drop(&f->peers, p, &f->table, SECOND);
	assert_int_equal(inflight(f, 1), 0);
	assert_int_equal(f->peers.n, 0);
}

static void old_messages_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_non_null(take(f, 5, 10));
	assert_null(take(f, 5, 10));
	assert_null(take(f, 5, 9));
	assert_non_null(take(f, 6, 1));
	assert_non_null(take(f, 5, 12));
	assert_int_equal(f->peers.n, 2);
}

static void gateways_are_bounded(void **state)
{
	struct fixture *f = *state;

	for (uint64_t id = 1; id <= SL_MAX_PEERS; id++)
		assert_non_null(take(f, id, 1));
	assert_null(take(f, SL_MAX_PEERS + 1, 1));
	assert_non_null(take(f, 7, 2));
}

/* Rows have other numbers after a reload; the state that follows heals it. */
static void rows_are_forgotten(void **state)
{
	struct fixture *f = *state;
	struct peer *p = take(f, 5, 1);

	set(f, p, 0, 3);
	peer_list_forget_rows(&f->peers);
	peer_begin_state(p);
	peer_end_state(p, &f->table, SECOND);
	assert_int_equal(inflight(f, 0), 3); /* until it expires */
	set(f, p, 0, 2);
	peer_begin_state(p);
	peer_end_state(p, &f->table, SECOND);
	assert_int_equal(inflight(f, 0), 0);
}

/* A removed engine's slot may have a new owner. */
static void a_removed_engine_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct peer *p = take(f, 5, 1);

	atomic_store(&f->eps[0]->removed, true);
	set(f, p, 0, 3);
	assert_int_equal(inflight(f, 0), 0);
}

#define WITH_FLEET(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FLEET(names_and_slots),
		WITH_FLEET(what_was_said_stays),
		WITH_FLEET(a_whole_state_replaces),
		WITH_FLEET(old_messages_are_refused),
		WITH_FLEET(gateways_are_bounded),
		WITH_FLEET(rows_are_forgotten),
		WITH_FLEET(a_removed_engine_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
