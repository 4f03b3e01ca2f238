/* Pages of the three makers' exporters, in the forms that their documents and
 * templates give, reduced to readings. */
#include "tests/unit/probes/gpu_help.h"

static struct sl_gpu_reader *read_in_pieces(const char *text, size_t piece, struct sl_gpu_page *out)
{
	struct sl_gpu_reader *r = sl_gpu_reader_new();
	size_t len = strlen(text);

	for (size_t at = 0; at < len; at += piece)
		sl_gpu_reader_feed(r, text + at, len - at < piece ? len - at : piece);
	assert_int_equal(sl_gpu_reader_finish(r, out), 0);
	return r;
}

static double figure(const struct sl_gpu_page *p, uint32_t gpu, enum sl_gpu_figure f)
{
	assert_true(gpu < p->n_gpus);
	return p->gpus[gpu].figures[f];
}

static void dcgm_is_read(void **state)
{
	static struct page text;
	struct sl_gpu_page page;
	struct sl_gpu_reader *r;

	(void)state;
	put(&text, "# HELP DCGM_FI_DEV_XID_ERRORS Value of the last XID error encountered.\n"
	           "# TYPE DCGM_FI_DEV_XID_ERRORS gauge\n");
	put_dcgm(&text, "DCGM_FI_DEV_XID_ERRORS", 0, "79");
	put_dcgm(&text, "DCGM_FI_DEV_XID_ERRORS", 1, "0");
	put_dcgm(&text, "DCGM_FI_DEV_GPU_TEMP", 0, "64");
	put_dcgm(&text, "DCGM_FI_DEV_GPU_TEMP", 1, "61");
	put_dcgm(&text, "DCGM_FI_DEV_SM_CLOCK", 1, "1980");
	put_dcgm(&text, "DCGM_FI_DEV_ENC_UTIL", 1, "3");
	put_dcgm(&text, "DCGM_FI_DEV_ROW_REMAP_FAILURE", 1, "1");
	put(&text,
	    "DCGM_EXP_XID_ERRORS_COUNT{gpu=\"0\",UUID=\"GPU-0\",window_size_in_ms=\"300000\","
	    "xid=\"79\"} 1\n"
	    "DCGM_EXP_GPU_HEALTH_STATUS{gpu=\"1\",UUID=\"GPU-1\",health_watch=\"PCIE\","
	    "health_error_code=\"DCGM_FR_OK\"} 0\n"
	    "DCGM_EXP_GPU_HEALTH_STATUS{gpu=\"1\",UUID=\"GPU-1\",health_watch=\"MEM\","
	    "health_error_code=\"DCGM_FR_VOLATILE_DBE_DETECTED\"} 20\n"
	    "DCGM_EXP_CLOCK_EVENTS_COUNT{gpu=\"1\",UUID=\"GPU-1\","
	    "clock_event=\"hw_thermal\",window_size_in_ms=\"300000\"} 4\n"
	    "DCGM_EXP_CLOCK_EVENTS_COUNT{gpu=\"1\",UUID=\"GPU-1\","
	    "clock_event=\"sw_power_cap\",window_size_in_ms=\"300000\"} 90\n");
	for (size_t piece = 1; piece < 200; piece += 33) {
		r = read_in_pieces(text.text, piece, &page);
		assert_int_equal(page.n_gpus, 2);
		assert_int_equal(page.kind, SL_GPU_DCGM);
		assert_string_equal(page.gpus[0].key, "GPU-0");
		assert_string_equal(page.gpus[1].index, "1");
		assert_string_equal(page.gpus[1].host, "node-7");
		assert_int_equal(page.gpus[0].n_owners, 1);
		assert_string_equal(page.gpus[0].owners[0].namespace_, "prod");
		assert_string_equal(page.gpus[0].owners[0].pod, "decode-0");
		assert_true(figure(&page, 0, SL_GPU_XID) == 79);
		assert_true(figure(&page, 1, SL_GPU_XID) == 0);
		assert_true(figure(&page, 0, SL_GPU_TEMPERATURE) == 64);
		assert_true(figure(&page, 1, SL_GPU_CLOCK) == 1980);
		assert_true(figure(&page, 1, SL_GPU_REMAP_FAILED) == 1);
		assert_true(isnan(figure(&page, 0, SL_GPU_REMAP_FAILED)));
		assert_int_equal(page.gpus[0].n_xids, 1);
		assert_int_equal(page.gpus[0].xids[0].xid, 79);
		assert_true(figure(&page, 1, SL_GPU_WATCH) == 20);
		assert_string_equal(page.gpus[1].watch, "MEM");
		assert_true(figure(&page, 1, SL_GPU_CLOCK_EVENTS) == 4);
		sl_gpu_reader_free(r);
	}
}

static void new_names_are_the_same(void **state)
{
	static const struct {
		const char *name;
		enum sl_gpu_figure figure;
	} names[] = {
		{ "DCGM_FI_DEV_XID_ERROR", SL_GPU_XID },
		{ "DCGM_FI_DEV_GPU_TEMP_CELSIUS", SL_GPU_TEMPERATURE },
		{ "DCGM_FI_DEV_ROW_REMAP_FAILED", SL_GPU_REMAP_FAILED },
		{ "DCGM_FI_DEV_ROW_REMAP_UNCORRECTABLE_TOTAL", SL_GPU_REMAPPED },
		{ "DCGM_FI_DEV_CLOCKS_EVENT_REASONS", SL_GPU_CLOCK_REASONS },
		{ "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", SL_GPU_CLOCK_REASONS },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(names); i++) {
		char text[200];
		struct sl_gpu_page page;
		struct sl_gpu_reader *r;

		snprintf(text, sizeof(text), "%s{gpu=\"3\",uuid=\"GPU-x\"} 7\n", names[i].name);
		r = read_in_pieces(text, 64, &page);
		assert_string_equal(page.gpus[0].key, "GPU-x");
		assert_true(figure(&page, 0, names[i].figure) == 7);
		sl_gpu_reader_free(r);
	}
}

static void sentinels_are_absent(void **state)
{
	static const char *const blanks[] = {
		"9223372036854775794",
		"9223372036854775792",
		"9.223372036854775807e+18",
		"2147483632",
		"2147483635",
		"140737488355328",
		"140737488355329",
		"NaN",
		"+Inf",
		"-1",
		"4294967295",
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(blanks); i++) {
		static struct page text;
		struct sl_gpu_page page;
		struct sl_gpu_reader *r;

		text.len = 0;
		put_dcgm(&text, "DCGM_FI_DEV_XID_ERRORS", 0, blanks[i]);
		r = read_in_pieces(text.text, 64, &page);
		assert_int_equal(page.n_gpus, 1); /* it is there all the same */
		assert_true(isnan(figure(&page, 0, SL_GPU_XID)));
		sl_gpu_reader_free(r);
	}
}

static void amd_and_ascend_are_told_apart(void **state)
{
	struct sl_gpu_page page;
	struct sl_gpu_reader *r = read_in_pieces(
	        "gpu_health{gpu_id=\"0\",serial_number=\"PCB-1\",hostname=\"amd-1\",pod=\"p\","
	        "namespace=\"n\"} 0\n"
	        "gpu_ecc_uncorrect_total{gpu_id=\"0\",serial_number=\"PCB-1\",hostname=\"amd-1\"} "
	        "2\n"
	        "gpu_junction_temperature{gpu_id=\"1\",serial_number=\"PCB-2\",hostname=\"amd-1\"} "
	        "51\n"
	        "gpu_clock{gpu_id=\"1\",serial_number=\"PCB-2\",clock_type=\"GPU_CLOCK_TYPE_"
	        "SYSTEM\","
	        "clock_index=\"0\"} 2100\n"
	        "gpu_clock{gpu_id=\"1\",serial_number=\"PCB-2\",clock_type=\"GPU_CLOCK_TYPE_DATA\","
	        "clock_index=\"8\"} 2300\n"
	        "gpu_violation_socket_thermal_residency_accumulated{serial_number=\"PCB-2\"} 5\n"
	        "gpu_violation_hbm_thermal_residency_accumulated{serial_number=\"PCB-2\"} 7\n"
	        "gpu_nodes_total{hostname=\"amd-1\"} 2\n",
	        17, &page);

	(void)state;
	assert_int_equal(page.kind, SL_GPU_AMD);
	assert_int_equal(page.n_gpus, 2);
	assert_string_equal(page.gpus[0].key, "PCB-1");
	assert_true(figure(&page, 0, SL_GPU_WELL) == 0);
	assert_true(figure(&page, 0, SL_GPU_DBE) == 2);
	assert_true(figure(&page, 1, SL_GPU_TEMPERATURE) == 51);
	assert_true(figure(&page, 1, SL_GPU_CLOCK) == 2100);
	assert_true(figure(&page, 1, SL_GPU_CLOCK_EVENTS) == 12);
	sl_gpu_reader_free(r);
	r = read_in_pieces(
	        "npu_chip_info_health_status{id=\"2\",model_name=\"910B3\","
	        "vdie_id=\"AF-1\",container_name=\"c\",namespace=\"n\",pod_name=\"q\"} 1 "
	        "1700000000000\n"
	        "npu_chip_info_link_status{id=\"2\",vdie_id=\"AF-1\"} 1 1700000000000\n",
	        500, &page);
	assert_int_equal(page.kind, SL_GPU_ASCEND);
	assert_string_equal(page.gpus[0].key, "AF-1");
	assert_string_equal(page.gpus[0].index, "2");
	assert_string_equal(page.gpus[0].owners[0].pod, "q");
	assert_true(figure(&page, 0, SL_GPU_LINK_UP) == 1);
	sl_gpu_reader_free(r);
}

static void keys_and_owners_in_all_spellings(void **state)
{
	struct sl_gpu_page page;
	struct sl_gpu_reader *r = read_in_pieces(
	        "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\",Hostname=\"a\"} 1\n"
	        "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\",Hostname=\"b\",pod_name=\"p\","
	        "pod_namespace=\"n\"} 1\n"
	        "DCGM_FI_DEV_GPU_TEMP{gpu=\"1\",UUID=\"u\",pod=\"dcgm-exporter-x\","
	        "namespace=\"monitoring\",exported_pod=\"mine\",exported_namespace=\"prod\"} 1\n"
	        "DCGM_FI_DEV_GPU_TEMP{gpu=\"1\",UUID=\"u\",exported_pod=\"other\"} 5\n"
	        "DCGM_FI_DEV_GPU_TEMP 3\n",
	        1000, &page);

	(void)state;
	assert_int_equal(page.n_gpus, 3);
	assert_string_equal(page.gpus[0].key, "a/0");
	assert_string_equal(page.gpus[1].key, "b/0");
	assert_string_equal(page.gpus[1].owners[0].namespace_, "n");
	assert_int_equal(page.gpus[2].n_owners, 2);
	assert_string_equal(page.gpus[2].owners[0].pod, "mine");
	assert_string_equal(page.gpus[2].owners[0].namespace_, "prod");
	assert_string_equal(page.gpus[2].owners[1].pod, "other");
	assert_true(figure(&page, 2, SL_GPU_TEMPERATURE) == 5);
	sl_gpu_reader_free(r);
}

static void a_page_without_gpus_is_no_page(void **state)
{
	struct sl_gpu_reader *r = sl_gpu_reader_new();
	struct sl_gpu_page page;
	const char *text = "# TYPE x gauge\nprocess_start_time_seconds 17\n";

	(void)state;
	assert_int_equal(sl_gpu_reader_finish(r, &page), SL_E_BAD_HTTP);
	sl_gpu_reader_reset(r);
	sl_gpu_reader_feed(r, text, strlen(text));
	assert_int_equal(sl_gpu_reader_finish(r, &page), SL_E_BAD_HTTP);
	sl_gpu_reader_free(r);
}

static void a_page_cannot_have_more_than_so_many(void **state)
{
	struct sl_gpu_reader *r = sl_gpu_reader_new();
	struct sl_gpu_page page;

	(void)state;
	for (int i = 0; i < SL_GPU_PAGE_MAX + 50; i++) {
		char line[100];
		int n = snprintf(line, sizeof(line), "gpu_health{serial_number=\"%d\"} 1\n", i);

		sl_gpu_reader_feed(r, line, (size_t)n);
	}
	assert_int_equal(sl_gpu_reader_finish(r, &page), 0);
	assert_int_equal(page.n_gpus, SL_GPU_PAGE_MAX);
	sl_gpu_reader_reset(r);
	sl_gpu_reader_feed(r, "gpu_health{serial_number=\"z\"} 1\n", 33);
	assert_int_equal(sl_gpu_reader_finish(r, &page), 0);
	assert_int_equal(page.n_gpus, 1);
	assert_string_equal(page.gpus[0].key, "z");
	sl_gpu_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dcgm_is_read),
		cmocka_unit_test(new_names_are_the_same),
		cmocka_unit_test(sentinels_are_absent),
		cmocka_unit_test(amd_and_ascend_are_told_apart),
		cmocka_unit_test(keys_and_owners_in_all_spellings),
		cmocka_unit_test(a_page_without_gpus_is_no_page),
		cmocka_unit_test(a_page_cannot_have_more_than_so_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
