/* status_test.c: what `sluicectl status` shows, to the byte, on screens of
 * several widths, and of answers that are not what it expects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* sluicectl is a program, not a library: its parts are taken in whole. */
#include "gateway/ctl/status.c"
#include "gateway/ctl/table.c"

static const char fleet[] =
        "{\"version\":\"0.1.0\",\"endpoints\":["
        "{\"endpoint\":\"10.0.0.1:8000\",\"pool\":\"prefill\",\"cluster\":\"\",\"role\":"
        "\"prefill\","
        "\"health\":\"healthy\",\"reason\":\"probe ok\",\"since_ms\":7400000,\"draining\":false,"
        "\"inflight\":4,\"queue_ms\":12.4,\"kv_usage\":0.4137,\"slowness\":1.04,"
        "\"index_entries\":60211,\"dispatched\":182933,"
        "\"models\":[\"llama-3.1-8b\",\"sql-lora\"]},"
        "{\"endpoint\":\"decode-0.internal:8000\",\"pool\":\"decode\",\"cluster\":\"\","
        "\"role\":\"decode\",\"health\":\"unhealthy\",\"reason\":\"connection refused\","
        "\"since_ms\":12000,\"draining\":true,\"inflight\":0,\"queue_ms\":null,\"kv_usage\":null,"
        "\"slowness\":1,\"index_entries\":0,\"dispatched\":17,\"models\":[]},"
        "{\"endpoint\":\"10.0.0.3:8000\",\"pool\":\"decode\",\"role\":\"decode\","
        "\"health\":\"healthy\",\"since_ms\":300000000,\"draining\":true,\"inflight\":31,"
        "\"queue_ms\":2345,\"kv_usage\":1,\"slowness\":0.98,\"index_entries\":1,"
        "\"dispatched\":1829330,\"models\":[\"tiny\"]}],"
        "\"models\":[{\"name\":\"tiny\",\"aliases\":[\"gpt-4\",\"x\"],\"bytes_per_token\":4.12,"
        "\"output_tokens\":211.4,\"requests\":91234}]}\n";

static int show(const char *json, uint32_t width, bool colours, char *text, size_t size)
{
	const struct ctl_view view = { .width = width, .colours = colours };
	FILE *out = fmemopen(text, size, "w");
	int result;

	assert_non_null(out);
	result = ctl_status_write(out, "gw:9900", json, strlen(json), &view);
	assert_int_equal(fclose(out), 0);
	return result;
}

/* clang-format off */
static void test_no_limit(void **state)
{
	char text[4096] = "";

	(void)state;
	assert_int_equal(show(fleet, 0, false, text, sizeof(text)), 0);
	assert_string_equal(text,
"sluice 0.1.0 at gw:9900, 3 endpoints: 1 healthy, 1 draining, 1 unhealthy\n"
"\n"
"ENDPOINT                POOL     ROLE     HEALTH     SINCE  LIVE  QUEUE  KV %  INDEX  SLOW    SENT  MODELS\n"
"10.0.0.3:8000           decode   decode   draining      3d    31  2.3 s   100      1  0.98    1.8M  tiny\n"
"decode-0.internal:8000  decode   decode   unhealthy    12s     0      -     -      0  1.00      17  -\n"
"10.0.0.1:8000           prefill  prefill  healthy       2h     4  12 ms    41  60.2k  1.04  182.9k  llama-3.1-8b, sql-lora\n"
"\n"
"TROUBLE\n"
"decode-0.internal:8000 unhealthy for 12s: connection refused\n"
"\n"
"MODEL  REQUESTS  OUT TOKENS  BYTES/TOKEN  ALIASES\n"
"tiny      91.2k         211         4.12  gpt-4, x\n");
}

/* One that is ejected says when it is tried again; what happened is told newest
 * first, without what every start shows. */
static void test_ejected(void **state)
{
	static const char json[] =
"{\"version\":\"1\",\"endpoints\":[{\"endpoint\":\"e:1\",\"health\":\"unhealthy\",\"since_ms\":3000,"
"\"reason\":\"40% of 10 live requests failed\",\"returns_in_ms\":17400}],\"events\":["
"{\"time_ms\":1790000003000,\"endpoint\":\"e:1\",\"from\":\"healthy\",\"to\":\"unhealthy\","
"\"cause\":\"failure_rate\",\"reason\":\"40% of 10 live requests failed\"},"
"{\"time_ms\":1790000000000,\"endpoint\":\"e:1\",\"from\":\"unknown\",\"to\":\"healthy\","
"\"cause\":\"probe_ok\",\"reason\":\"probe ok\"}]}";
	char text[4096] = "";

	(void)state;
	assert_int_equal(show(json, 0, false, text, sizeof(text)), 0);
	assert_non_null(strstr(text,
"\n"
"TROUBLE\n"
"e:1 unhealthy for 3s: 40% of 10 live requests failed, on trial in 17s\n"
"\n"
"LATELY\n"
"14:13:23Z e:1 healthy -> unhealthy: 40% of 10 live requests failed\n"));
	assert_null(strstr(text, "probe ok"));
}

static void test_80_columns(void **state)
{
	char text[4096] = "";

	(void)state;
	assert_int_equal(show(fleet, 80, true, text, sizeof(text)), 0);
	assert_string_equal(text,
"sluice 0.1.0 at gw:9900, 3 endpoints: 1 healthy, 1 draining, 1 unhealthy\n"
"\n"
"ENDPOINT                POOL     ROLE     HEALTH     SINCE  LIVE  QUEUE  KV %\n"
"10.0.0.3:8000           decode   decode   \033[33mdraining\033[0m      3d    31  2.3 s   100\n"
"decode-0.internal:8000  decode   decode   \033[31munhealthy\033[0m    12s     0      -     -\n"
"10.0.0.1:8000           prefill  prefill  \033[32mhealthy\033[0m       2h     4  12 ms    41\n"
"\n"
"TROUBLE\n"
"\033[31mdecode-0.internal:8000 unhealthy for 12s: connection refused\033[0m\n"
"\n"
"MODEL  REQUESTS  OUT TOKENS  BYTES/TOKEN  ALIASES\n"
"tiny      91.2k         211         4.12  gpt-4, x\n");
}
/* clang-format on */

static uint32_t longest_line(const char *text)
{
	uint32_t longest = 0, n = 0;

	for (; *text; text++) {
		n = *text == '\n' ? 0 : n + 1;
		longest = n > longest ? n : longest;
	}
	return longest;
}

/* Below the first line nothing runs over, down to what must be shown. */
static void test_every_width_fits(void **state)
{
	(void)state;
	for (uint32_t width = 60; width < 200; width++) {
		char text[4096] = "";

		assert_int_equal(show(fleet, width, false, text, sizeof(text)), 0);
		assert_true(longest_line(strchr(text, '\n') + 1) <= width);
		assert_non_null(strstr(text, "HEALTH"));
		assert_non_null(strstr(text, "LIVE"));
	}
}

static void test_hostile_names(void **state)
{
	char text[4096] = "";

	(void)state;
	assert_int_equal(show("{\"endpoints\":[{\"endpoint\":\"\\u001b[31m\\n\\u009bx\\u00e9\","
	                      "\"health\":\"\\u0007\",\"reason\":\"\\u001b]0;x\"}]}",
	                      0, false, text, sizeof(text)),
	                 0);
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "\xc2\x9b"));
	assert_non_null(strstr(text, "\n?[31m???x\xc3\xa9 "));
}

static void test_older_and_stranger_answers(void **state)
{
	static const struct {
		const char *json;
		int result;
	} cases[] = {
		{ "{\"endpoints\":[]}", 0 },
		{ "{\"endpoints\":[{}],\"models\":[{}]}", 0 },
		{ "{\"endpoints\":[null,3,\"x\",[]],\"models\":[7]}", 0 },
		{ "{\"endpoints\":[{\"models\":{\"a\":1},\"since_ms\":\"x\",\"kv_usage\":1e300,"
		  "\"inflight\":-5,\"queue_ms\":1e308}],\"models\":{\"x\":1}}",
		  0 },
		{ "{\"endpoints\":{}}", -1 },
		{ "{}", -1 },
		{ "[]", -1 },
		{ "null", -1 },
		{ "<html>", -1 },
		{ "", -1 },
	};
	char text[8192];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		memset(text, 0, sizeof(text));
		if (show(cases[i].json, 80, false, text, sizeof(text)) != cases[i].result)
			fail_msg("%s", cases[i].json);
		assert_true((cases[i].result == 0) == (text[0] != '\0'));
	}
}

static void test_many_troubles(void **state)
{
	char json[8192] = "{\"endpoints\":[", text[16384] = "";
	size_t n = strlen(json);

	(void)state;
	for (int i = 0; i < 15; i++)
		n += (size_t)sprintf(json + n, "%s{\"endpoint\":\"e%d\",\"health\":\"unhealthy\"}",
		                     i ? "," : "", i);
	strcpy(json + n, "]}");
	assert_int_equal(show(json, 0, false, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "\ne9 unhealthy for -\nand 5 more\n"));
	assert_null(strstr(text, "e10 unhealthy for"));
}

static void test_clusters_are_shown_if_there_are_any(void **state)
{
	char text[4096] = "";

	(void)state;
	show("{\"endpoints\":[{\"cluster\":\"eu\"},{}]}", 0, false, text, sizeof(text));
	assert_non_null(strstr(text, "CLUSTER"));
	show(fleet, 0, false, text, sizeof(text));
	assert_null(strstr(text, "CLUSTER"));
}

static void test_numbers(void **state)
{
	static const struct {
		double n;
		const char *text;
	} counts[] = {
		{ 0, "0" },
		{ 9999, "9999" },
		{ 10000, "10.0k" },
		{ 999949, "999.9k" },
		{ 999960, "1.0M" },
		{ 2.5e9, "2.5G" },
		{ 1e20, "100000000.0T" },
	};
	static const struct ctl_column column[] = { { .title = "N" } };
	char age[32];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(counts); i++) {
		struct ctl_table t;

		ctl_table_init(&t, column, 1);
		add_count(&t, counts[i].n);
		assert_string_equal(t.cells[0].text, counts[i].text);
		ctl_table_fini(&t);
	}
	write_age(age, sizeof(age), 119999);
	assert_string_equal(age, "119s");
	write_age(age, sizeof(age), 120000);
	assert_string_equal(age, "2m");
	write_age(age, sizeof(age), 172800000);
	assert_string_equal(age, "2d");
}

static void test_redis_is_shown_if_there_is_one(void **state)
{
	char text[4096] = "";

	(void)state;
	show("{\"redis\":{\"url\":\"redis://r:6379/0\",\"connected\":true,\"reason\":\"\","
	     "\"since_ms\":61000,\"peers\":2},\"endpoints\":[{\"endpoint\":\"e\","
	     "\"inflight\":1,\"peers_inflight\":42}]}",
	     0, false, text, sizeof(text));
	assert_non_null(
	        strstr(text, "\nredis redis://r:6379/0: connected for 61s, 2 other gateways\n"));
	assert_non_null(strstr(text, "PEERS"));
	assert_non_null(strstr(text, "42"));
	show("{\"redis\":{\"url\":\"redis://r:6379/0\",\"connected\":false,"
	     "\"reason\":\"Connection refused\",\"since_ms\":1000,\"peers\":0},\"endpoints\":[]}",
	     0, false, text, sizeof(text));
	assert_non_null(
	        strstr(text, "redis redis://r:6379/0: not connected for 1s: Connection refused\n"));
	show(fleet, 0, false, text, sizeof(text));
	assert_null(strstr(text, "PEERS"));
	assert_null(strstr(text, "redis"));
}

static void test_version(void **state)
{
	char version[16] = "?";

	(void)state;
	assert_int_equal(ctl_fleet_version(fleet, strlen(fleet), version, sizeof(version)), 0);
	assert_string_equal(version, "0.1.0");
	assert_int_equal(ctl_fleet_version("{}", 2, version, sizeof(version)), -1);
}

static void test_gpu_troubles(void **state)
{
	static const char json[] =
	        "{\"version\":\"1\",\"endpoints\":[{\"endpoint\":\"a:1\",\"health\":\"degraded\","
	        "\"draining\":true,\"gpu_state\":\"failed\",\"gpu_reason\":\"GPU GPU-7: XID 79\"},"
	        "{\"endpoint\":\"b:1\",\"health\":\"healthy\",\"gpu_state\":\"healthy\","
	        "\"gpu_reason\":\"\"}],\"gpu_exporters\":[{\"url\":\"http://x/\",\"trouble\":null},"
	        "{\"url\":\"http://y/\",\"trouble\":\"no answer in time\",\"age_ms\":61000},"
	        "{\"url\":\"http://z/\",\"trouble\":\"it refuses\",\"age_ms\":null}]}";
	char text[4096];

	(void)state;
	assert_int_equal(show(json, 0, false, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "GPU TROUBLE\n"
	                             "a:1 GPU GPU-7: XID 79\n"
	                             "exporter http://y/: no answer in time; last page 61s ago\n"
	                             "exporter http://z/: it refuses; no page so far\n"));
	assert_null(strstr(text, "http://x/"));
}

static void test_rows_are_in_order(void **state)
{
	char text[4096] = "";
	const char *a, *b, *c;

	(void)state;
	show("{\"endpoints\":[{\"endpoint\":\"10.0.0.10:8000\",\"pool\":\"b\"},{\"endpoint\":"
	     "\"10.0.0.9:8000\",\"pool\":\"b\"},{\"endpoint\":\"10.0.0.11:8000\",\"pool\":\"a\"}]}",
	     0, false, text, sizeof(text));
	a = strstr(text, "10.0.0.11:"), b = strstr(text, "10.0.0.9:"),
	c = strstr(text, "10.0.0.10:");
	assert_true(a && a < b && b < c);
}

/* clang-format off */
static void test_sources(void **state)
{
	static const char json[] =
"{\"version\":\"1\",\"endpoints\":[],\"sources\":["
"{\"source\":\"kubernetes:llm/llama\",\"engines\":4,\"synced_ms\":61000,\"trouble\":\"the API "
"server 10.0.0.1:443 does not answer\"},"
"{\"source\":\"file:/etc/e.json\",\"engines\":12,\"synced_ms\":2000},"
"{\"source\":\"dns:new:8000\",\"engines\":0,\"synced_ms\":null}]}";
	char text[4096] = "";

	(void)state;
	assert_int_equal(show(json, 0, false, text, sizeof(text)), 0);
	assert_string_equal(text,
"sluice 1 at gw:9900, 0 endpoints\n"
"\n"
"SOURCE                ENGINES  LAST HEARD\n"
"kubernetes:llm/llama        4     61s ago\n"
"file:/etc/e.json           12      2s ago\n"
"dns:new:8000                0       never\n"
"\n"
"SOURCE TROUBLE\n"
"kubernetes:llm/llama: the API server 10.0.0.1:443 does not answer; its 4 engines stay\n");
}

/* Every host that is a name is a source: a list of hundreds helps nobody. */
static void test_many_sources(void **state)
{
	char json[8192] = "{\"endpoints\":[],\"sources\":[", text[16384] = "";
	size_t n = strlen(json);

	(void)state;
	for (int i = 0; i < 15; i++)
		n += (size_t)sprintf(json + n, "%s{\"source\":\"s%d\",\"engines\":0%s}", i ? "," : "",
		                     i, i == 14 ? ",\"trouble\":\"no such name\"" : "");
	strcpy(json + n, "]}");
	assert_int_equal(show(json, 0, false, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "\ns9            0       never\nand 5 more\n"));
	assert_null(strstr(text, "\ns10 "));
	assert_non_null(strstr(text, "\nSOURCE TROUBLE\ns14: no such name\n"));
}

/* What its source holds back gets no requests, however well it is. */
static void test_held(void **state)
{
	static const char json[] =
"{\"version\":\"1\",\"endpoints\":[{\"endpoint\":\"e:1\",\"health\":\"healthy\",\"since_ms\":3000,"
"\"draining\":true,\"held\":\"the pod is not ready\"},{\"endpoint\":\"e:2\",\"health\":\"unhealthy\","
"\"since_ms\":3000,\"reason\":\"refused\",\"held\":\"the pod is terminating\"}]}";
	char text[4096] = "";

	(void)state;
	assert_int_equal(show(json, 0, false, text, sizeof(text)), 0);
	assert_non_null(strstr(text, ", 2 endpoints: 1 held, 1 unhealthy\n"));
	assert_non_null(strstr(text, "\nTROUBLE\n"
"e:1 held: the pod is not ready\n"
"e:2 unhealthy for 3s: refused; held: the pod is terminating\n"));
}
/* clang-format on */

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_ejected),
		cmocka_unit_test(test_80_columns),
		cmocka_unit_test(test_every_width_fits),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_older_and_stranger_answers),
		cmocka_unit_test(test_many_troubles),
		cmocka_unit_test(test_clusters_are_shown_if_there_are_any),
		cmocka_unit_test(test_gpu_troubles),
		cmocka_unit_test(test_rows_are_in_order),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_many_sources),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_redis_is_shown_if_there_is_one),
		cmocka_unit_test(test_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
