/* pd_test.c: hand-offs: parameters as captured, blocks pinned and let go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "bench/sim/pd.h"
#include "golden.h"

#define ENGINE "7d97812e-5841-480a-a012-9fae4732771d"

static uint32_t *take(struct sl_sim_kv *kv, uint32_t n)
{
	uint32_t *blocks = calloc(n, sizeof(*blocks));

	for (uint32_t i = 0; i < n; i++)
		blocks[i] = sl_sim_kv_alloc(kv);
	return blocks;
}

static void assert_rendered(struct sl_sim_handoff *h, int64_t cached, const char *want)
{
	const struct sl_sim_handoff_place place = { ENGINE, "127.0.0.1", 5600, cached };
	struct sl_sim_buf b = { 0 };

	sl_sim_handoff_render(&b, h, &place);
	sl_sim_buf_add(&b, sl_span("", 1));
	assert_string_equal(b.ptr, want);
	sl_sim_buf_fini(&b);
}

static void test_parameters_as_captured(void **state)
{
	struct sl_sim_kv *kv = sl_sim_kv_new(32);
	struct sl_sim_handoffs all = { 0 };
	struct sl_sim_handoff *h =
	        sl_sim_handoff_add(&all, "cmpl-sluice-0001-0-9985fb0a", take(kv, 9), 9, 100);

	(void)state;
	h->tokens = 265;
	assert_rendered(h, 0, golden_params);
	sl_sim_handoff_del(&all, h, kv);
	h = sl_sim_handoff_add(&all, "cmpl-b1eeed2af7124b70-0-9a413ba2", calloc(9, 4), 0, 100);
	h->tokens = 268;
	for (uint32_t i = 0; i < 8; i++)
		h->blocks[i] = i + 1;
	h->blocks[8] = 20;
	h->n_blocks = 9;
	assert_rendered(h, -1, golden_params_four);
	h->n_blocks = 0;
	sl_sim_handoff_del(&all, h, kv);
	sl_sim_kv_free(kv);
}

static void test_what_was_said_is_understood(void **state)
{
	cJSON *json = cJSON_Parse(golden_params);
	struct sl_sim_kv_params p;

	(void)state;
	assert_true(sl_sim_kv_params_read(&p, json));
	assert_true(p.do_remote_prefill);
	assert_false(p.do_remote_decode);
	assert_false(p.fatal);
	assert_string_equal(p.engine_id, ENGINE);
	assert_string_equal(p.request_id, "cmpl-sluice-0001-0-9985fb0a");
	assert_string_equal(p.host, "127.0.0.1");
	assert_int_equal(p.port, 5600);
	assert_int_equal(p.n_blocks, 9);
	sl_sim_kv_params_fini(&p);
	cJSON_Delete(json);
}

static void test_which_parameters_kill(void **state)
{
	static const struct {
		const char *json;
		bool ok, fatal;
	} rows[] = {
		{ "null", true, false },
		{ "{}", true, false },
		{ "\"str\"", false, false },
		{ "[]", false, false },
		{ "{\"do_remote_prefill\":true}", true, true },
		{ "{\"do_remote_prefill\":false}", true, false },
		{ "{\"do_remote_prefill\":true,\"remote_engine_id\":\"x\",\"remote_host\":\"h\","
		  "\"remote_port\":1,\"remote_request_id\":\"r\"}",
		  true, true },
		{ "{\"do_remote_prefill\":true,\"remote_engine_id\":\"x\",\"remote_host\":\"h\","
		  "\"remote_port\":\"abc\",\"remote_request_id\":\"r\",\"remote_block_ids\":[[1]]}",
		  true, false },
		{ "{\"do_remote_decode\":true,\"remote_block_ids\":null}", true, false },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		cJSON *json = cJSON_Parse(rows[i].json);
		struct sl_sim_kv_params p;

		assert_int_equal(sl_sim_kv_params_read(&p, json), rows[i].ok);
		assert_int_equal(p.fatal, rows[i].fatal);
		sl_sim_kv_params_fini(&p);
		cJSON_Delete(json);
	}
}

static void test_pinned_until_read_or_expired(void **state)
{
	struct sl_sim_kv *kv = sl_sim_kv_new(32);
	struct sl_sim_handoffs all = { 0 };
	struct sl_sim_handoff *b;

	(void)state;
	assert_true(sl_sim_handoff_next_us(&all) == UINT64_MAX);
	sl_sim_handoff_add(&all, "a", take(kv, 3), 3, 300);
	b = sl_sim_handoff_add(&all, "b", take(kv, 2), 2, 200);
	sl_sim_handoff_add(&all, "c", take(kv, 4), 4, 400);
	assert_int_equal(all.n_blocks, 9);
	assert_int_equal(sl_sim_kv_held(kv), 9);
	assert_true(sl_sim_handoff_next_us(&all) == 200);

	assert_ptr_equal(sl_sim_handoff_find(&all, "b"), b);
	sl_sim_handoff_del(&all, b, kv);
	assert_null(sl_sim_handoff_find(&all, "b"));
	assert_int_equal(sl_sim_kv_held(kv), 7);
	assert_int_equal(all.expired, 0);

	assert_int_equal(sl_sim_handoff_expire(&all, kv, 299), 0);
	assert_int_equal(sl_sim_handoff_expire(&all, kv, 300), 1);
	assert_int_equal(sl_sim_handoff_expire(&all, kv, UINT64_MAX), 1);
	assert_int_equal(all.expired, 2);
	assert_int_equal(all.n, 0);
	assert_int_equal(all.n_blocks, 0);
	assert_int_equal(sl_sim_kv_held(kv), 0);
	sl_sim_kv_free(kv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parameters_as_captured),
		cmocka_unit_test(test_what_was_said_is_understood),
		cmocka_unit_test(test_which_parameters_kill),
		cmocka_unit_test(test_pinned_until_read_or_expired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
