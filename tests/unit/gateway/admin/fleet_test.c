/* fleet_test.c: /fleet as JSON and the endpoints' metrics, with hostile names
 * and with figures that are not known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/admin/admin.h"

static const char *const models[] = { "tiny", "tiny \"x\"\n" };
static const char *const aliases[] = { "gpt-4" };

static const struct sl_fleet_row rows[] = {
	{
	        .endpoint = "10.0.0.1:8000",
	        .pool = "p",
	        .cluster = "local",
	        .engine = "vllm",
	        .connector = "nixl",
	        .reason = "probe ok",
	        .health_since_ms = 12345,
	        .sample_age_ms = 250,
	        .page = { .running = 3,
	                  .waiting = 1,
	                  .kv_expired = 2,
	                  .prompt_tokens = 1e9,
	                  .generation_tokens = 5,
	                  .prefix_queries = 70,
	                  .prefix_hits = -1 },
	        .view = { .spec = { .role = SL_ROLE_PREFILL },
	                  .health = SL_HEALTH_HEALTHY,
	                  .inflight = 4,
	                  .prefilling = 2,
	                  .peers_inflight = 9,
	                  .queue_ms = 12.5,
	                  .context_tokens = 4096,
	                  .kv_capacity_tokens = 2097152,
	                  .kv_usage = 0.4137,
	                  .slowness = 1.05,
	                  .gamma = 0.9,
	                  .index_entries = 100,
	                  .index_bytes = 6400,
	                  .dispatched = 12345678901,
	                  .adapters_loaded = 3,
	                  .max_adapters = 4 },
	        .models = models,
	        .n_models = 2,
	},
	{
	        .endpoint = "h\\o\"s\nt:1",
	        .pool = "d\xff",
	        .cluster = "",
	        .engine = "vllm",
	        .connector = "none",
	        .reason = "",
	        .ejected = true,
	        .returns_in_ms = 2500,
	        .ejections = 3,
	        .sample_age_ms = -1,
	        .page = { .running = 99 }, /* from no page at all */
	        .view = { .spec = { .role = SL_ROLE_DECODE },
	                  .health = SL_HEALTH_UNHEALTHY,
	                  .draining = true,
	                  .kv_usage = -1,
	                  .queue_ms = NAN,
	                  .slowness = INFINITY },
	},
};
static const struct sl_fleet_model fleet_models[] = {
	{ .name = "tiny",
	  .aliases = aliases,
	  .n_aliases = 1,
	  .clusters = { "west", "north" },
	  .n_clusters = 2,
	  .view = { .bytes_per_token = 4.25, .output_tokens = 128, .requests = 7 } },
};

static const struct sl_worker_row workers[] = {
	{ .live = 31, .connections = 40, .unspoken = 2, .given = 12345678901 },
	{ 0 },
};

static const struct sl_fleet_event events[] = {
	{ .wall_ms = 1790000000123,
	  .endpoint = "10.0.0.1:8000",
	  .from = SL_HEALTH_HEALTHY,
	  .to = SL_HEALTH_UNHEALTHY,
	  .cause = SL_REASON_FAILURE_RATE,
	  .reason = "40% of 10" },
	{ .cause = SL_REASON_NEW },
};

static cJSON *fleet(const char *version, uint32_t n_rows, uint32_t n_models)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct sl_fleet_page page = { .version = version,
		                      .rows = rows,
		                      .n_rows = n_rows,
		                      .models = fleet_models,
		                      .n_models = n_models,
		                      .workers = workers,
		                      .n_workers = 2,
		                      .events = events,
		                      .n_events = SL_COUNT(events) };
	cJSON *json;

	sl_fleet_write(out, &page);
	fclose(out);
	json = cJSON_ParseWithOpts(text, NULL, true);
	if (!json)
		fail_msg("not JSON: %s", text);
	free(text);
	return json;
}

static void test_redis(void **state)
{
	static const struct sl_fleet_redis redis = {
		"redis://r\"/0", false, "gone\n", 1500, 2, -1
	};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct sl_fleet_page page = { .version = "1", .redis = &redis };
	const cJSON *member;
	cJSON *json;

	(void)state;
	sl_fleet_write(out, &page);
	fclose(out);
	json = cJSON_ParseWithOpts(text, NULL, true);
	member = cJSON_GetObjectItem(json, "redis");
	assert_non_null(member);
	assert_string_equal(cJSON_GetObjectItem(member, "url")->valuestring, "redis://r\"/0");
	assert_string_equal(cJSON_GetObjectItem(member, "reason")->valuestring, "gone\n");
	assert_true(cJSON_IsFalse(cJSON_GetObjectItem(member, "connected")));
	assert_true(cJSON_GetObjectItem(member, "peers")->valuedouble == 2);
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(member, "heard_ms")));
	cJSON_Delete(json);
	free(text);
	json = fleet("1", 2, 1);
	assert_null(cJSON_GetObjectItem(json, "redis"));
	cJSON_Delete(json);
}

static void test_gpus(void **state)
{
	static const struct sl_fleet_gpu gpus[] = {
		{ "GPU-a\"b", "node-7", "http://x:9400/metrics", "failed", "XID 79", 1500, 1, 79,
		  64, (double)NAN, 0, (double)NAN },
	};
	static const struct sl_fleet_exporter exporters[] = {
		{ "http://x:9400/metrics", "dcgm", NULL, 20, 1 },
		{ "http://y:9400/metrics", NULL, "no answer in time", -1, 0 },
	};
	struct sl_fleet_row row = rows[0];
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct sl_fleet_page page = { .version = "1", .rows = &row, .n_rows = 1 };
	const cJSON *gpu, *exporter, *endpoint;
	cJSON *json;

	(void)state;
	page.gpus = (struct sl_fleet_gpus){ gpus, 1, exporters, 2 };
	row.gpus = "failed";
	row.gpu_reason = "GPU GPU-a: XID 79";
	row.n_gpus = 4;
	sl_fleet_write(out, &page);
	fclose(out);
	json = cJSON_ParseWithOpts(text, NULL, true);
	gpu = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "gpus"), 0);
	exporter = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "gpu_exporters"), 1);
	endpoint = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "endpoints"), 0);
	assert_string_equal(cJSON_GetObjectItem(gpu, "gpu")->valuestring, "GPU-a\"b");
	assert_string_equal(cJSON_GetObjectItem(gpu, "state")->valuestring, "failed");
	assert_true(cJSON_GetObjectItem(gpu, "xid")->valuedouble == 79);
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(gpu, "clock_mhz")));
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(exporter, "age_ms")));
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(exporter, "kind")));
	assert_string_equal(cJSON_GetObjectItem(exporter, "trouble")->valuestring,
	                    "no answer in time");
	assert_string_equal(cJSON_GetObjectItem(endpoint, "gpu_state")->valuestring, "failed");
	assert_true(cJSON_GetObjectItem(endpoint, "gpus")->valuedouble == 4);
	cJSON_Delete(json);
	free(text);
}

static void test_sources(void **state)
{
	static const struct sl_fleet_source sources[] = {
		{ "file:/a\"b", NULL, 250, 3 },
		{ "kubernetes:llm/x", "403 \"forbidden\"", -1, 0 },
	};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct sl_fleet_page page = { .version = "1", .sources = sources, .n_sources = 2 };
	const cJSON *list, *first, *second;
	cJSON *json;

	(void)state;
	sl_fleet_write(out, &page);
	fclose(out);
	json = cJSON_ParseWithOpts(text, NULL, true);
	list = cJSON_GetObjectItem(json, "sources");
	assert_int_equal(cJSON_GetArraySize(list), 2);
	first = cJSON_GetArrayItem(list, 0);
	second = cJSON_GetArrayItem(list, 1);
	assert_string_equal(cJSON_GetObjectItem(first, "source")->valuestring, "file:/a\"b");
	assert_true(cJSON_GetObjectItem(first, "engines")->valuedouble == 3);
	assert_true(cJSON_GetObjectItem(first, "synced_ms")->valuedouble == 250);
	assert_null(cJSON_GetObjectItem(first, "trouble"));
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(second, "synced_ms")));
	assert_string_equal(cJSON_GetObjectItem(second, "trouble")->valuestring,
	                    "403 \"forbidden\"");
	cJSON_Delete(json);
	free(text);
}

static const cJSON *at(const cJSON *json, const char *list, int i, const char *key)
{
	const cJSON *member =
	        cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(json, list), i), key);

	if (!member)
		fail_msg("no %s[%d].%s", list, i, key);
	return member;
}

static void check_text(const cJSON *json, int i, const char *key, const char *expected)
{
	const cJSON *member = at(json, "endpoints", i, key);

	if (expected)
		assert_string_equal(cJSON_GetStringValue(member), expected);
	else
		assert_true(cJSON_IsNull(member));
}

static void check_number(const cJSON *json, int i, const char *key, double expected)
{
	const cJSON *member = at(json, "endpoints", i, key);

	if (expected < 0)
		assert_true(cJSON_IsNull(member));
	else
		assert_true(cJSON_IsNumber(member) &&
		            fabs(member->valuedouble - expected) <= 1e-5 * expected);
}

static const struct {
	const char *key;
	const char *texts[2]; /* NULL: null */
} texts[] = {
	{ "endpoint", { "10.0.0.1:8000", "h\\o\"s\nt:1" } },
	{ "pool", { "p", "d\xef\xbf\xbd" } },
	{ "cluster", { "local", "" } },
	{ "role", { "prefill", "decode" } },
	{ "engine", { "vllm", "vllm" } },
	{ "connector", { "nixl", "none" } },
	{ "health", { "healthy", "unhealthy" } },
	{ "reason", { "probe ok", "" } },
};

static const struct {
	const char *key;
	double numbers[2]; /* negative: null */
} numbers[] = {
	{ "since_ms", { 12345, 0 } },      { "inflight", { 4, 0 } },
	{ "prefilling", { 2, 0 } },        { "queue_ms", { 12.5, -1 } },
	{ "context_tokens", { 4096, 0 } }, { "kv_capacity_tokens", { 2097152, 0 } },
	{ "kv_usage", { 0.4137, -1 } },    { "slowness", { 1.05, -1 } },
	{ "gamma", { 0.9, 0 } },           { "index_entries", { 100, 0 } },
	{ "index_bytes", { 6400, 0 } },    { "dispatched", { 12345678901, 0 } },
	{ "sample_age_ms", { 250, -1 } },  { "running", { 3, -1 } },
	{ "waiting", { 1, -1 } },          { "peers_inflight", { 9, 0 } },
	{ "adapters_loaded", { 3, 0 } },   { "max_adapters", { 4, -1 } },
	{ "prompt_tokens", { 1e9, -1 } },  { "generation_tokens", { 5, -1 } },
	{ "prefix_queries", { 70, -1 } },  { "prefix_hits", { -1, -1 } },
	{ "ejections", { 0, 3 } },         { "returns_in_ms", { -1, 2500 } },
};

static void test_endpoints(void **state)
{
	cJSON *json = fleet("0.1.0", 2, 1);

	(void)state;
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "version")), "0.1.0");
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "endpoints")), 2);
	for (int i = 0; i < 2; i++) {
		for (size_t k = 0; k < SL_COUNT(texts); k++)
			check_text(json, i, texts[k].key, texts[k].texts[i]);
		for (size_t k = 0; k < SL_COUNT(numbers); k++)
			check_number(json, i, numbers[k].key, numbers[k].numbers[i]);
		assert_int_equal(cJSON_IsTrue(at(json, "endpoints", i, "draining")), i == 1);
	}
	assert_int_equal(cJSON_GetArraySize(at(json, "endpoints", 1, "models")), 0);
	assert_string_equal(
	        cJSON_GetStringValue(cJSON_GetArrayItem(at(json, "endpoints", 0, "models"), 1)),
	        models[1]);
	cJSON_Delete(json);
}

static void test_events(void **state)
{
	cJSON *json = fleet("0.1.0", 0, 1);

	(void)state;
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "events")), 2);
	assert_true(at(json, "events", 0, "time_ms")->valuedouble == 1790000000123.0);
	assert_string_equal(cJSON_GetStringValue(at(json, "events", 0, "endpoint")),
	                    "10.0.0.1:8000");
	assert_string_equal(cJSON_GetStringValue(at(json, "events", 0, "from")), "healthy");
	assert_string_equal(cJSON_GetStringValue(at(json, "events", 0, "to")), "unhealthy");
	assert_string_equal(cJSON_GetStringValue(at(json, "events", 0, "cause")), "failure_rate");
	assert_string_equal(cJSON_GetStringValue(at(json, "events", 0, "reason")), "40% of 10");
	cJSON_Delete(json);
}

static void test_models(void **state)
{
	cJSON *json = fleet("0.1.0", 0, 1);

	(void)state;
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "endpoints")), 0);
	assert_string_equal(cJSON_GetStringValue(at(json, "models", 0, "name")), "tiny");
	assert_string_equal(
	        cJSON_GetStringValue(cJSON_GetArrayItem(at(json, "models", 0, "aliases"), 0)),
	        "gpt-4");
	assert_int_equal(cJSON_GetArraySize(at(json, "models", 0, "clusters")), 2);
	assert_string_equal(
	        cJSON_GetStringValue(cJSON_GetArrayItem(at(json, "models", 0, "clusters"), 1)),
	        "north");
	assert_true(at(json, "models", 0, "bytes_per_token")->valuedouble == 4.25);
	assert_true(at(json, "models", 0, "output_tokens")->valuedouble == 128);
	assert_true(at(json, "models", 0, "requests")->valuedouble == 7);
	cJSON_Delete(json);
}

static void test_workers(void **state)
{
	cJSON *json = fleet("0.1.0", 0, 0);

	(void)state;
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "workers")), 2);
	assert_true(at(json, "workers", 0, "worker")->valuedouble == 0);
	assert_true(at(json, "workers", 0, "live")->valuedouble == 31);
	assert_true(at(json, "workers", 0, "connections")->valuedouble == 40);
	assert_true(at(json, "workers", 0, "unspoken")->valuedouble == 2);
	assert_true(at(json, "workers", 1, "worker")->valuedouble == 1);
	assert_true(at(json, "workers", 1, "live")->valuedouble == 0);
	cJSON_Delete(json);
}

static void test_worker_metrics(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	sl_worker_metrics_write(out, workers, 2);
	fclose(out);
	assert_non_null(strstr(text, "# TYPE sluice_worker_requests_live gauge\n"
	                             "sluice_worker_requests_live{worker=\"0\"} 31\n"
	                             "sluice_worker_requests_live{worker=\"1\"} 0\n"));
	assert_non_null(strstr(text, "sluice_worker_handovers_total{worker=\"0\"} 12345678901\n"));
	free(text);
}

static void test_empty(void **state)
{
	cJSON *json = fleet("", 0, 0);

	(void)state;
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "models")), 0);
	cJSON_Delete(json);
}

static void write_metrics(uint32_t n_rows, char **out_text)
{
	size_t len;
	FILE *out = open_memstream(out_text, &len);

	assert_non_null(out);
	sl_fleet_metrics_write(out, rows, n_rows);
	fclose(out);
}

static void test_metrics(void **state)
{
	static const char first[] = "{pool=\"p\",endpoint=\"10.0.0.1:8000\",role=\"prefill\"} ";
	static const char second[] =
	        "{pool=\"d\xff\",endpoint=\"h\\\\o\\\"s\\nt:1\",role=\"decode\"} ";
	static const struct {
		const char *name;
		const char *values[2]; /* NULL: no line */
	} expected[] = {
		{ "sluice_endpoint_up", { "1\n", "0\n" } },
		{ "sluice_endpoint_draining", { "0\n", "1\n" } },
		{ "sluice_endpoint_inflight", { "4\n", "0\n" } },
		{ "sluice_endpoint_queue_seconds", { "0.0125\n", NULL } },
		{ "sluice_endpoint_kv_usage_ratio", { "0.4137\n", NULL } },
		{ "sluice_endpoint_dispatched_total", { "12345678901\n", "0\n" } },
		{ "sluice_endpoint_running", { "3\n", NULL } },
		{ "sluice_endpoint_kv_expired_total", { "2\n", NULL } },
		{ "sluice_endpoint_sample_age_seconds", { "0.25\n", NULL } },
	};
	char *text, line[256];

	(void)state;
	write_metrics(2, &text);
	for (size_t i = 0; i < SL_COUNT(expected); i++) {
		for (int k = 0; k < 2; k++) {
			const char *value = expected[i].values[k];

			snprintf(line, sizeof(line), "\n%s%s%s", expected[i].name,
			         k ? second : first, value ? value : "");
			if (!strstr(text, line) != !value)
				fail_msg("%s: %s", value ? "missing" : "not expected", line);
		}
		snprintf(line, sizeof(line), "# TYPE %s ", expected[i].name);
		assert_non_null(strstr(text, line));
		assert_null(strstr(strstr(text, line) + 1, line)); /* once */
	}
	free(text);
	write_metrics(0, &text);
	assert_string_equal(text, "");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpus),    cmocka_unit_test(test_sources),
		cmocka_unit_test(test_redis),   cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_events),  cmocka_unit_test(test_models),
		cmocka_unit_test(test_workers), cmocka_unit_test(test_worker_metrics),
		cmocka_unit_test(test_empty),   cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
