/* table_test.c: the table is complete and agrees with itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/config/bind.h"
#include "gateway/config/dump.h"
#include "gateway/config/table.h"

/* What is still this, however memory looked before: an address may hold one. */
static const unsigned char unset[] = { 0xa5, 0x5a };

/* Bytes of a struct that no default fills in: padding, and what blocks and
 * their places do. */
struct hole {
	size_t offset, size;
};
#define HOLE(type, field)                                                                          \
	{                                                                                          \
		offsetof(struct type, field), sizeof(((struct type *)0)->field)                    \
	}
#define GAP(type, before, after)                                                                   \
	{                                                                                          \
		offsetof(struct type, before) + sizeof(((struct type *)0)->before),                \
		        offsetof(struct type, after) - offsetof(struct type, before) -             \
		                sizeof(((struct type *)0)->before)                                 \
	}

static bool is_hole(const struct hole *holes, size_t n, size_t offset)
{
	for (size_t i = 0; i < n; i++) {
		if (offset >= holes[i].offset && offset < holes[i].offset + holes[i].size)
			return true;
	}
	return false;
}

/* A field added to a struct without a directive stays as the memory was. */
static void check_filled(unsigned context, size_t size, const struct hole *holes, size_t n)
{
	unsigned char *object[SL_COUNT(unset)];
	struct conf_arena arena;

	conf_arena_init(&arena);
	for (size_t k = 0; k < SL_COUNT(unset); k++) {
		object[k] = conf_alloc(&arena, size);
		memset(object[k], unset[k], size);
		conf_bind_defaults(&arena, context, object[k]);
	}
	for (size_t i = 0; i < size; i++) {
		if (object[0][i] == unset[0] && object[1][i] == unset[1] && !is_hole(holes, n, i))
			fail_msg("byte %zu of what %s fills in has no directive", i,
			         conf_context_name(context) ? conf_context_name(context) : "main");
	}
	conf_arena_fini(&arena);
}

static void test_every_field_has_a_directive(void **state)
{
	static const struct hole main_holes[] = {
		HOLE(sl_config, xids),
		HOLE(sl_config, n_xids),
		GAP(sl_config, n_xids, resolvers),
		HOLE(sl_config, resolvers),
		HOLE(sl_config, n_resolvers),
		HOLE(sl_config, xids),
		HOLE(sl_config, n_xids),
		GAP(sl_config, n_xids, resolvers),
		GAP(sl_config, n_resolvers, default_profile),
		HOLE(sl_config, listens),
		HOLE(sl_config, n_listens),
		HOLE(sl_config, clusters),
		HOLE(sl_config, n_clusters),
		HOLE(sl_config, pools),
		HOLE(sl_config, n_pools),
		HOLE(sl_config, models),
		HOLE(sl_config, n_models),
		GAP(sl_config, worker_threads, admin),
		GAP(sl_config, n_listens, clusters),
		GAP(sl_config, n_clusters, pools),
		GAP(sl_config, n_pools, models),
		GAP(sl_config, retry_budget_min, queue_timeout_us),
		GAP(sl_config, queue_limit, failback_delay_us),
		{ offsetof(struct sl_config, admin.port) + 2, 6 },
		HOLE(sl_config, redis),
		HOLE(sl_config, n_redis),
		GAP(sl_config, n_models, redis),
		{ offsetof(struct sl_config, n_redis) + 4, 4 },
	};
	static const struct hole pool_holes[] = {
		HOLE(sl_pool_conf, name),
		HOLE(sl_pool_conf, cluster),
		HOLE(sl_pool_conf, gateway),
		GAP(sl_pool_conf, gateway, role),
		GAP(sl_pool_conf, protocol, tls_ca),
		HOLE(sl_pool_conf, models),
		HOLE(sl_pool_conf, n_models),
		HOLE(sl_pool_conf, servers),
		HOLE(sl_pool_conf, n_servers),
		HOLE(sl_pool_conf, discovers),
		HOLE(sl_pool_conf, n_discovers),
		HOLE(sl_pool_conf, signals),
		HOLE(sl_pool_conf, n_signals),
		HOLE(sl_pool_conf, line),
		HOLE(sl_pool_conf, file),
		GAP(sl_pool_conf, health_generate, kv_group),
		GAP(sl_pool_conf, n_models, servers),
		GAP(sl_pool_conf, n_servers, discovers),
		GAP(sl_pool_conf, max_idle, idle_timeout_us),
		GAP(sl_pool_conf, line, file),
		{ offsetof(struct sl_pool_conf, health.passive_fall) + 4, 4 },
	};
	static const struct hole listen_holes[] = {
		HOLE(sl_listen_conf, addr),
		HOLE(sl_listen_conf, tls),
		GAP(sl_listen_conf, tls, certificate),
		{ offsetof(struct sl_listen_conf, h1_only) + 1, 6 },
	};
	static const struct hole server_holes[] = {
		HOLE(sl_server_conf, addr),
		GAP(sl_server_conf, metrics_port, found),
		HOLE(sl_server_conf, found),
	};
	static const struct hole discover_holes[] = {
		HOLE(sl_discover_conf, target),
		GAP(sl_discover_conf, watch, api),
	};
	static const struct hole signal_holes[] = {
		HOLE(sl_signal_map, signal), GAP(sl_signal_map, signal, family),
		HOLE(sl_signal_map, match.value), /* the block sets it */
	};
	static const struct hole cluster_holes[] = {
		HOLE(sl_cluster_conf, name),
		{ offsetof(struct sl_cluster_conf, priority) + 4, 4 },
	};
	static const struct hole model_holes[] = {
		HOLE(sl_model_conf, name),
		HOLE(sl_model_conf, aliases),
		HOLE(sl_model_conf, n_aliases),
		HOLE(sl_model_conf, pools),
		HOLE(sl_model_conf, n_pools),
		HOLE(sl_model_conf, clusters),
		HOLE(sl_model_conf, n_clusters),
		HOLE(sl_model_conf, residency),
		HOLE(sl_model_conf, n_residency),
		GAP(sl_model_conf, n_aliases, profile),
		GAP(sl_model_conf, policy, pools),
		GAP(sl_model_conf, n_pools, clusters),
		GAP(sl_model_conf, n_clusters, residency),
		{ offsetof(struct sl_model_conf, n_residency) + 4, 4 },
	};

	static const struct hole redis_holes[] = {
		HOLE(sl_redis_conf, url),
	};

	(void)state;
	check_filled(CONF_MAIN, sizeof(struct sl_config), main_holes, SL_COUNT(main_holes));
	check_filled(CONF_POOL, sizeof(struct sl_pool_conf), pool_holes, SL_COUNT(pool_holes));
	check_filled(CONF_LISTEN, sizeof(struct sl_listen_conf), listen_holes,
	             SL_COUNT(listen_holes));
	check_filled(CONF_SERVER, sizeof(struct sl_server_conf), server_holes,
	             SL_COUNT(server_holes));
	check_filled(CONF_CLUSTER, sizeof(struct sl_cluster_conf), cluster_holes,
	             SL_COUNT(cluster_holes));
	check_filled(CONF_MODEL, sizeof(struct sl_model_conf), model_holes, SL_COUNT(model_holes));
	check_filled(CONF_DISCOVER, sizeof(struct sl_discover_conf), discover_holes,
	             SL_COUNT(discover_holes));
	check_filled(CONF_SIGNAL, sizeof(struct sl_signal_map), signal_holes,
	             SL_COUNT(signal_holes));
	check_filled(CONF_REDIS, sizeof(struct sl_redis_conf), redis_holes, SL_COUNT(redis_holes));
}

static void test_health_defaults_are_the_probes_own(void **state)
{
	struct sl_health_policy policy;
	struct sl_pool_conf pool = { 0 };
	struct conf_arena arena;

	(void)state;
	sl_health_policy_default(&policy);
	conf_arena_init(&arena);
	conf_bind_defaults(&arena, CONF_POOL, &pool);
	assert_int_equal(pool.health.rise, policy.rise);
	assert_int_equal(pool.health.fall, policy.fall);
	assert_int_equal(pool.health.passive_fall, policy.passive_fall);
	assert_int_equal(pool.health.stale_us, policy.stale_us);
	conf_arena_fini(&arena);
}

static void test_rows(void **state)
{
	const struct conf_directive *d;

	(void)state;
	for (size_t k = 0; (d = conf_table_at(k)); k++) {
		size_t len = strlen(d->text);

		print_message("%s\n", d->name);
		assert_int_equal(conf_table_index(d), k);
		assert_true(len > 10 && d->text[len - 1] == '.');
		assert_null(strchr(d->text, '|')); /* it stands in a table of the reference */
		assert_true(d->min <= d->max);
		for (unsigned bit = 1; bit <= d->contexts; bit <<= 1) {
			if (d->contexts & bit)
				assert_ptr_equal(conf_table_find(bit, d->name), d);
		}
	}
}

/* -T shows the defaults: they must be values an operator may write. */
static void test_defaults_are_in_range(void **state)
{
	const struct conf_directive *d;

	(void)state;
	for (size_t k = 0; (d = conf_table_at(k)); k++) {
		uint64_t value;

		if (!d->fallback || !d->shape->units || d->shape == &conf_shape_threads)
			continue;
		print_message("%s\n", d->name);
		assert_null(conf_units_parse(d->shape->units, d->fallback, &value));
		assert_true(value >= d->min && value <= d->max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field_has_a_directive),
		cmocka_unit_test(test_health_defaults_are_the_probes_own),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_defaults_are_in_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
