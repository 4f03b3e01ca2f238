/* When an engine is asked for a token, and how long a failure counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/control/generate.h"

struct rig {
	struct sl_pool_conf pool;
	struct sl_engine engine;
	char *models[1];
	bool adapters[1];
};

static void begin(struct rig *r)
{
	static char name[] = "llama";
	struct sl_sockaddr addr;

	*r = (struct rig){
		.pool = { .health_generate = true, .health_generate_interval_us = 30000000 },
		.models = { name },
	};
	assert_int_equal(sl_sockaddr_numeric("10.0.0.7", 8000, &addr), 0);
	r->engine = (struct sl_engine){
		.ep = sl_endpoint_new("engine", &addr, SL_UP_H1, NULL, "", 0),
		.pool = &r->pool,
		.models = r->models,
		.adapters = r->adapters,
		.n_models = 1,
	};
}

static void a_failure_counts_while_it_can_be_made_good(void **state)
{
	struct sl_generate g = { .failed = true };
	struct rig r;

	(void)state;
	begin(&r);
	assert_true(sl_generate_doubts(&g, &r.engine));
	assert_true(sl_generate_due(&g, &r.engine, 1));
	/* A reload turned it off: nobody would ever ask again. */
	r.pool.health_generate = false;
	assert_false(sl_generate_doubts(&g, &r.engine));
	assert_false(sl_generate_due(&g, &r.engine, 1));
	/* Nothing is left that could be asked for. */
	r.pool.health_generate = true;
	r.adapters[0] = true;
	assert_false(sl_generate_doubts(&g, &r.engine));
	r.adapters[0] = false;
	assert_int_equal(sl_generate_answered(&g, 200), SL_PROBE_OK);
	assert_false(sl_generate_doubts(&g, &r.engine));
	sl_endpoint_unref(r.engine.ep);
}

static void only_the_idle_are_asked(void **state)
{
	struct sl_generate g = { .asked_us = 100000000 };
	struct rig r;

	(void)state;
	begin(&r);
	assert_false(sl_generate_due(&g, &r.engine, 129999999));
	assert_true(sl_generate_due(&g, &r.engine, 130000000));
	atomic_store(&r.engine.ep->life_us, 126000000);
	assert_false(sl_generate_due(&g, &r.engine, 130000000));
	sl_endpoint_unref(r.engine.ep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_counts_while_it_can_be_made_good),
		cmocka_unit_test(only_the_idle_are_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
