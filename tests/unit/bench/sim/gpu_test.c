/* gpu_test.c: what is done to GPUs, and what the exporters' pages say of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "bench/sim/gpu_page.h"

struct world {
	struct sl_sim_options opt;
	struct sl_sim_gpus gpus;
	struct sl_sim_gpu_load load[2];
	uint64_t now_us;
};

static void open_world(struct world *w, enum sl_sim_gpu_kind kind)
{
	*w = (struct world){ .now_us = 1000000 };
	w->opt.gpu_kind = kind;
	w->opt.gpu_host = "node-7";
	w->opt.gpu_all = true;
	sl_sim_gpus_init(&w->gpus, "node-7", 9001, 2, 2);
}

static const char *change(struct world *w, const char *text)
{
	cJSON *json = cJSON_Parse(text);
	const char *wrong = sl_sim_gpus_read(&w->gpus, json, w->now_us);

	cJSON_Delete(json);
	return wrong;
}

static char *page(struct world *w)
{
	struct sl_sim_gpu_view view = { &w->opt, &w->gpus, w->load, w->now_us, 0, 1795225995000 };
	struct sl_sim_buf b = { 0 };

	sl_sim_gpu_page(&b, &view);
	sl_sim_buf_add(&b, sl_span("", 1));
	return b.ptr;
}

static void assert_on_page(struct world *w, const char *line)
{
	char *text = page(w);

	if (!strstr(text, line))
		fail_msg("not on the page: %s", line);
	free(text);
}

static void test_uuids_are_stable(void **state)
{
	struct world a, b;

	(void)state;
	open_world(&a, SL_SIM_GPU_DCGM);
	open_world(&b, SL_SIM_GPU_DCGM);
	for (uint32_t i = 0; i < a.gpus.n; i++) {
		assert_int_equal(strlen(a.gpus.all[i].uuid), 40);
		assert_string_equal(a.gpus.all[i].uuid, b.gpus.all[i].uuid);
		for (uint32_t k = 0; k < i; k++)
			assert_string_not_equal(a.gpus.all[i].uuid, a.gpus.all[k].uuid);
	}
	sl_sim_gpus_fini(&b.gpus);
	/* An engine that starts alone on its port has the same GPUs. */
	sl_sim_gpus_init(&b.gpus, "node-7", 9002, 1, 2);
	assert_string_equal(a.gpus.all[2].uuid, b.gpus.all[0].uuid);
	sl_sim_gpus_fini(&a.gpus);
	sl_sim_gpus_fini(&b.gpus);
}

static void test_bad_changes_change_nothing(void **state)
{
	static const char *const bad[] = {
		"{\"xid\":79}",
		"{\"gpu\":4,\"xid\":79}",
		"{\"uuid\":\"GPU-x\",\"xid\":79}",
		"{\"gpu\":0,\"xid\":79,\"nonsense\":1}",
		"{\"gpu\":0,\"xid\":79,\"thermal\":1}",
		"{\"gpu\":0,\"xid\":79,\"slow\":0}",
		"{\"gpu\":0,\"xid\":79,\"health\":{\"watch\":\"TEA\",\"value\":20}}",
		"{\"gpu\":0,\"xid\":79,\"down\":7}",
		"{\"gpu\":0,\"down\":true,\"xid\":-1}",
		"[]",
	};
	struct world w;

	(void)state;
	open_world(&w, SL_SIM_GPU_DCGM);
	for (size_t i = 0; i < SL_COUNT(bad); i++) {
		if (!change(&w, bad[i]))
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(w.gpus.all[0].xid, 0);
		assert_false(w.gpus.down);
	}
	sl_sim_gpus_fini(&w.gpus);
}

static void test_xids_are_events(void **state)
{
	struct world w;
	struct sl_sim_gpu *gpu;

	(void)state;
	open_world(&w, SL_SIM_GPU_DCGM);
	gpu = &w.gpus.all[1];
	assert_null(change(&w, "{\"gpu\":1,\"xid\":31}"));
	assert_null(change(&w, "{\"gpu\":1,\"xid\":31}"));
	w.now_us += 200000000;
	assert_null(change(&w, "{\"gpu\":1,\"xid\":79}"));
	assert_null(change(&w, "{\"gpu\":1,\"thermal\":true}"));
	assert_int_equal(gpu->xid, 79);
	assert_int_equal(sl_sim_gpu_xid_count(gpu, 31, w.now_us), 2);
	assert_int_equal(sl_sim_gpu_xid_count(gpu, 79, w.now_us), 1);
	w.now_us += 200000000;
	assert_int_equal(sl_sim_gpu_xid_count(gpu, 31, w.now_us), 0);
	assert_int_equal(sl_sim_gpu_xid_count(gpu, 79, w.now_us), 1);
	assert_true(sl_sim_gpu_thermal_us(gpu, w.now_us) == 200000000);
	assert_null(change(&w, "{\"gpu\":1,\"thermal\":false}"));
	w.now_us += 5000000;
	assert_true(sl_sim_gpu_thermal_us(gpu, w.now_us) == 200000000);
	assert_null(change(&w, "{\"engine\":0,\"reset\":true}"));
	assert_int_equal(gpu->xid, 0);
	assert_int_equal(sl_sim_gpu_xid_count(gpu, 79, w.now_us), 0);
	sl_sim_gpus_fini(&w.gpus);
}

static void test_the_slowest_gpu_counts(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, SL_SIM_GPU_DCGM);
	assert_null(change(&w, "{\"gpu\":3,\"slow\":2.5}"));
	assert_true(sl_sim_gpus_slow(&w.gpus, 0) == 1);
	assert_true(sl_sim_gpus_slow(&w.gpus, 1) == 2.5);
	sl_sim_gpus_fini(&w.gpus);
}

#define DCGM_0                                                                                     \
	"{gpu=\"0\",UUID=\"%s\",pci_bus_id=\"00000000:07:00.0\",device=\"nvidia0\","               \
	"modelName=\"NVIDIA H100 80GB HBM3\",hostname=\"node-7\","                                 \
	"DCGM_FI_DRIVER_VERSION=\"570.124.06\""

static void test_dcgm_page(void **state)
{
	struct world w;
	char line[512];

	(void)state;
	open_world(&w, SL_SIM_GPU_DCGM);
	w.opt.gpu_pods = "prod/decode";
	assert_null(change(&w, "{\"gpu\":0,\"xid\":79}"));
	snprintf(line, sizeof(line),
	         "# HELP DCGM_FI_DEV_XID_ERRORS Value of the last XID error encountered.\n"
	         "# TYPE DCGM_FI_DEV_XID_ERRORS gauge\n"
	         "DCGM_FI_DEV_XID_ERRORS" DCGM_0
	         ",container=\"vllm\",namespace=\"prod\",pod=\"decode-0\"} 79\n",
	         w.gpus.all[0].uuid);
	assert_on_page(&w, line);
	assert_on_page(&w, ",window_size_in_ms=\"300000\",xid=\"79\"} 1\n");
	assert_on_page(&w, ",pod=\"decode-1\",health_watch=\"MEM\","
	                   "health_error_code=\"DCGM_FR_OK\"} 0\n");
	w.opt.gpu_pods = NULL;
	snprintf(line, sizeof(line), "\nDCGM_FI_DEV_POWER_USAGE" DCGM_0 "} 71.250000\n",
	         w.gpus.all[0].uuid);
	assert_on_page(&w, line);
	assert_null(change(&w, "{\"gpu\":0,\"sentinel\":true}"));
	snprintf(line, sizeof(line), "\nDCGM_FI_DEV_XID_ERRORS" DCGM_0 "} 9223372036854775794\n",
	         w.gpus.all[0].uuid);
	assert_on_page(&w, line);
	w.opt.gpu_kind = SL_SIM_GPU_DCGM_NEW;
	assert_on_page(&w, "\nDCGM_FI_DEV_XID_ERROR{");
	sl_sim_gpus_fini(&w.gpus);
}

/* Every series belongs to the family whose TYPE line came last, no family
 * comes twice, and as many GPUs are in each as are there. */
static void assert_grouped(struct world *w, int gpus)
{
	char *text = page(w), *save = NULL, family[128] = "", type[160];
	int samples = gpus;
	bool each;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t n = strcspn(line, "{");

		if (line[0] != '#') {
			assert_int_equal(n, strlen(family));
			assert_memory_equal(line, family, n);
			samples++;
			continue;
		}
		if (sscanf(line, "# TYPE %127s", family) != 1)
			continue;
		each = strncmp(family, "DCGM_EXP_", 9) != 0;
		assert_true(samples == gpus || !each);
		samples = 0;
		snprintf(type, sizeof(type), "# TYPE %s ", family);
		assert_null(strstr(save, type));
	}
	free(text);
}

static void test_all_pages_are_grouped(void **state)
{
	(void)state;
	for (int kind = SL_SIM_GPU_DCGM; kind <= SL_SIM_GPU_ASCEND; kind++) {
		struct world w;

		open_world(&w, (enum sl_sim_gpu_kind)kind);
		assert_grouped(&w, 4);
		assert_null(change(&w, "{\"gpu\":2,\"vanish\":true}"));
		assert_grouped(&w, 3);
		sl_sim_gpus_fini(&w.gpus);
	}
}

static void test_yes_or_no_pages(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, SL_SIM_GPU_AMD);
	assert_null(change(&w, "{\"gpu\":1,\"dbe\":2}"));
	assert_on_page(&w, "\ngpu_health{card_model=\"102-G30211-0C\","
	                   "gpu_compute_partition_type=\"spx\",gpu_id=\"1\",gpu_partition_id="
	                   "\"0\",hostname=\"node-7\",serial_number=\"");
	assert_on_page(&w, "\"} 0\ngpu_health{");
	w.opt.gpu_kind = SL_SIM_GPU_ASCEND;
	assert_on_page(&w, "\nnpu_chip_info_health_status{id=\"1\",model_name=\"910B3\","
	                   "pcie_bus_info=\"0000:0A:00.0\",vdie_id=\"");
	assert_on_page(&w, "\"} 0 1795225995000\n");
	assert_null(change(&w, "{\"empty\":true}"));
	char *text = page(&w);
	assert_null(strstr(text, "npu_"));
	free(text);
	sl_sim_gpus_fini(&w.gpus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uuids_are_stable),
		cmocka_unit_test(test_bad_changes_change_nothing),
		cmocka_unit_test(test_xids_are_events),
		cmocka_unit_test(test_the_slowest_gpu_counts),
		cmocka_unit_test(test_dcgm_page),
		cmocka_unit_test(test_all_pages_are_grouped),
		cmocka_unit_test(test_yes_or_no_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
