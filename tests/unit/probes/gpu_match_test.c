/* Whose GPUs they are, and how many endpoints may be out for them. */
#include "tests/unit/probes/gpu_help.h"

static struct sl_gpu make(const char *key, const char *index, const char *pod,
                          enum sl_gpu_class class_)
{
	struct sl_gpu g = { .class_ = class_, .derate = 1, .since_us = 100, .present = true };

	snprintf(g.last.key, sizeof(g.last.key), "%s", key);
	snprintf(g.last.index, sizeof(g.last.index), "%s", index);
	snprintf(g.last.host, sizeof(g.last.host), "node-1");
	if (pod) {
		snprintf(g.last.owners[0].pod, sizeof(g.last.owners[0].pod), "%s", pod);
		snprintf(g.last.owners[0].namespace_, sizeof(g.last.owners[0].namespace_), "prod");
		g.last.n_owners = 1;
	}
	return g;
}

static void the_worst_of_a_group_speaks_for_all(void **state)
{
	struct sl_gpu gpus[] = {
		make("GPU-a", "0", NULL, SL_GPU_IGNORE),
		make("GPU-b", "1", NULL, SL_GPU_FAILED),
		make("GPU-c", "2", NULL, SL_GPU_DEGRADED),
		make("GPU-d", "3", NULL, SL_GPU_LINK),
	};
	struct sl_gpu_user users[] = {
		{ .gpus = "GPU-a,GPU-b" }, { .gpus = "GPU-a,GPU-c" }, { .gpus = "GPU-d" },
		{ .gpus = "GPU-a,GPU-d" }, { .gpus = "0" },           { .gpus = "GPU-zzz" },
	};

	(void)state;
	gpus[2].derate = 3;
	sl_gpu_match(gpus, 4, users, 6);
	assert_int_equal(users[0].state, SL_GPU_STATE_FAILED);
	assert_ptr_equal(users[0].worst, &gpus[1]);
	assert_int_equal(users[0].n_gpus, 2);
	assert_int_equal(users[1].state, SL_GPU_STATE_DEGRADED);
	assert_true(users[1].derate == 3);
	assert_int_equal(users[2].state, SL_GPU_STATE_DEGRADED); /* a link alone */
	assert_int_equal(users[3].state, SL_GPU_STATE_FAILED);   /* a link between two */
	assert_int_equal(users[4].state, SL_GPU_STATE_HEALTHY);
	assert_int_equal(users[4].n_gpus, 1);
	assert_int_equal(users[5].state, SL_GPU_STATE_HEALTHY);
	assert_null(users[5].worst);
}

static void pods_are_told_by_labels(void **state)
{
	struct sl_gpu gpus[] = {
		make("GPU-a", "0", "p-0", SL_GPU_FAILED),
		make("GPU-b", "1", "p-1", SL_GPU_IGNORE),
	};
	struct sl_gpu_user users[] = {
		{ .namespace_ = "prod", .pod = "p-0" },
		{ .namespace_ = "prod", .pod = "p-1" },
		{ .namespace_ = "test", .pod = "p-0" },
		{ .namespace_ = "prod", .pod = "" }, /* nobody knows: what is left */
	};

	(void)state;
	sl_gpu_match(gpus, 2, users, 4);
	assert_int_equal(users[0].state, SL_GPU_STATE_FAILED);
	assert_int_equal(users[1].state, SL_GPU_STATE_HEALTHY);
	assert_int_equal(users[1].n_gpus, 1);
	assert_int_equal(users[2].n_gpus, 0);
	assert_int_equal(users[3].n_gpus, 0);
}

static void a_page_without_pods_is_the_hosts(void **state)
{
	struct sl_gpu gpus[] = { make("GPU-a", "0", NULL, SL_GPU_FAILED),
		                 make("GPU-b", "1", NULL, SL_GPU_IGNORE) };
	struct sl_gpu_user user = { .namespace_ = "prod", .pod = "p-0" };

	(void)state;
	sl_gpu_match(gpus, 2, &user, 1);
	assert_int_equal(user.n_gpus, 2);
	assert_int_equal(user.state, SL_GPU_STATE_FAILED);
	assert_false(user.shared);
}

static void of_shared_gpus_only_what_all_say_counts(void **state)
{
	struct sl_gpu gpus[] = { make("GPU-a", "0", NULL, SL_GPU_FAILED),
		                 make("GPU-b", "1", NULL, SL_GPU_IGNORE) };
	struct sl_gpu_user users[] = { { .host = "10.0.0.1" }, { .host = "10.0.0.1" } };

	(void)state;
	sl_gpu_match(gpus, 2, users, 2);
	assert_true(users[0].shared && users[1].shared);
	assert_int_equal(users[0].state, SL_GPU_STATE_HEALTHY);
	gpus[1].class_ = SL_GPU_DEGRADED;
	gpus[1].derate = 2;
	gpus[0].derate = 4;
	sl_gpu_match(gpus, 2, users, 2);
	assert_int_equal(users[0].state, SL_GPU_STATE_DEGRADED);
	assert_true(users[0].derate == 2);
	/* A list takes its GPUs away from the host; the other is alone then. */
	users[0].gpus = "GPU-a";
	sl_gpu_match(gpus, 2, users, 2);
	assert_int_equal(users[0].state, SL_GPU_STATE_FAILED);
	assert_false(users[1].shared);
	assert_int_equal(users[1].state, SL_GPU_STATE_DEGRADED);
	assert_int_equal(users[1].n_gpus, 1);
}

static void a_page_of_many_hosts_is_told_by_their_names(void **state)
{
	struct sl_gpu gpus[] = { make("GPU-a", "0", NULL, SL_GPU_FAILED),
		                 make("GPU-b", "0", NULL, SL_GPU_IGNORE) };
	struct sl_gpu_user users[] = { { .host = "node-1" },
		                       { .host = "10.0.0.2", .node = "node-2" },
		                       { .host = "10.0.0.3" } };

	(void)state;
	snprintf(gpus[1].last.host, sizeof(gpus[1].last.host), "node-2");
	sl_gpu_match(gpus, 2, users, 3);
	assert_int_equal(users[0].state, SL_GPU_STATE_FAILED);
	assert_int_equal(users[1].state, SL_GPU_STATE_HEALTHY);
	assert_int_equal(users[1].n_gpus, 1);
	assert_int_equal(users[2].n_gpus, 0);
}

static void no_more_than_a_share_is_out(void **state)
{
	static const struct {
		uint32_t n, failed;
		double share;
		uint32_t out;
	} rows[] = {
		{ 10, 5, 0.3, 3 }, { 10, 2, 0.3, 2 }, { 2, 2, 0.3, 1 },   { 1, 1, 0.3, 0 },
		{ 1, 1, 1.0, 1 },  { 4, 4, 0.0, 0 },  { 10, 10, 0.7, 7 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_gpu gpus[10];
		struct sl_gpu_user users[10] = { { 0 } }, *list[10];
		uint32_t out = 0, degraded = 0;

		for (uint32_t k = 0; k < rows[i].n; k++) {
			bool failed = k < rows[i].failed;

			gpus[k] = make("g", "0", NULL, failed ? SL_GPU_FAILED : SL_GPU_IGNORE);
			users[k].worst = &gpus[k];
			users[k].state = failed ? SL_GPU_STATE_FAILED : SL_GPU_STATE_HEALTHY;
			list[k] = &users[k];
		}
		sl_gpu_cap(list, rows[i].n, rows[i].share);
		for (uint32_t k = 0; k < rows[i].n; k++) {
			out += users[k].state == SL_GPU_STATE_FAILED;
			degraded += users[k].state == SL_GPU_STATE_DEGRADED;
		}
		assert_int_equal(out, rows[i].out);
		assert_int_equal(degraded, rows[i].failed - rows[i].out);
	}
}

static void the_worst_and_the_longest_ill_go_first(void **state)
{
	struct sl_gpu gpus[3] = { make("GPU-a", "0", NULL, SL_GPU_LINK),
		                  make("GPU-b", "0", NULL, SL_GPU_FAILED),
		                  make("GPU-c", "0", NULL, SL_GPU_FAILED) };
	struct sl_gpu_user users[3], *list[3];

	(void)state;
	gpus[1].since_us = 200;
	for (int k = 0; k < 3; k++) {
		users[k] = (struct sl_gpu_user){ .worst = &gpus[k], .state = SL_GPU_STATE_FAILED };
		list[k] = &users[k];
	}
	sl_gpu_cap(list, 3, 0.34);
	assert_int_equal(users[0].state, SL_GPU_STATE_DEGRADED);
	assert_int_equal(users[1].state, SL_GPU_STATE_DEGRADED);
	assert_int_equal(users[2].state, SL_GPU_STATE_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worst_of_a_group_speaks_for_all),
		cmocka_unit_test(pods_are_told_by_labels),
		cmocka_unit_test(a_page_without_pods_is_the_hosts),
		cmocka_unit_test(of_shared_gpus_only_what_all_say_counts),
		cmocka_unit_test(a_page_of_many_hosts_is_told_by_their_names),
		cmocka_unit_test(no_more_than_a_share_is_out),
		cmocka_unit_test(the_worst_and_the_longest_ill_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
