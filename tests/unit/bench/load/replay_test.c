/* sluice-bench replay from its command line to its files and exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/bench.h"

#include "server.h"

#define TRACE                                                                                      \
	"{\"timestamp\":0,\"input_length\":600,\"output_length\":5,\"hash_ids\":[1,2]}\n"          \
	"{\"timestamp\":3000,\"input_length\":512,\"output_length\":7,\"hash_ids\":[1]}\n"

struct files {
	char trace[32], json[32];
};

static void write_trace(struct files *f)
{
	int fd;

	strcpy(f->trace, "replay-trace-XXXXXX");
	strcpy(f->json, "replay-json-XXXXXX");
	fd = mkstemp(f->trace);
	assert_int_equal(write(fd, TRACE, sizeof(TRACE) - 1), sizeof(TRACE) - 1);
	close(fd);
	close(mkstemp(f->json));
}

static cJSON *read_json(const char *path)
{
	char text[16384];
	FILE *in = fopen(path, "r");
	size_t n = fread(text, 1, sizeof(text) - 1, in);
	cJSON *o;

	fclose(in);
	text[n] = '\0';
	o = cJSON_Parse(text);
	assert_non_null(o);
	return o;
}

static void remove_files(const struct files *f)
{
	unlink(f->trace);
	unlink(f->json);
}

static int replay(const struct files *f, int port, const char *engines)
{
	char url[64], engine_url[80];
	char *argv[] = { "replay",
		         "--trace",
		         (char *)f->trace,
		         "--url",
		         url,
		         "--json",
		         (char *)f->json,
		         "--max-concurrency",
		         "1",
		         "--rate-factor",
		         "1000",
		         "--header",
		         "X-Tenant: one",
		         (char *)engines,
		         engine_url,
		         NULL };

	snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
	snprintf(engine_url, sizeof(engine_url), "%s/metrics", url);
	return sl_bench_replay(engines ? 15 : 13, argv);
}

/* Each fetch and the resolver's try are connections of their own. */
static void test_all_the_way(void **state)
{
	static const enum step steps[] = { MODELS, METRICS, RIGHT, RIGHT, METRICS };
	struct server server;
	struct files f;
	cJSON *o;

	(void)state;
	write_trace(&f);
	server_start(&server, steps, SL_COUNT(steps));
	assert_int_equal(replay(&f, server.port, "--engines"), 0);
	server_stop(&server);
	o = read_json(f.json);
	assert_int_equal(cJSON_GetObjectItem(o, "completed")->valuedouble, 2);
	assert_int_equal(cJSON_GetObjectItem(o, "failed")->valuedouble, 0);
	assert_int_equal(cJSON_GetObjectItem(o, "mismatches")->valuedouble, 0);
	assert_true(cJSON_GetObjectItem(o, "hit_rate")->valuedouble == 0.25);
	assert_string_equal(cJSON_GetObjectItem(o, "model_id")->valuestring, "m");
	cJSON_Delete(o);
	remove_files(&f);
}

static void test_status_1_when_an_answer_is_wrong(void **state)
{
	static const enum step wrong[] = { MODELS, RIGHT, WRONG_WORD };
	static const enum step failed[] = { MODELS, BUSY, RIGHT };
	const enum step *all[] = { wrong, failed };
	struct server server;
	struct files f;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		write_trace(&f);
		server_start(&server, all[i], 3);
		assert_int_equal(replay(&f, server.port, NULL), 1);
		server_stop(&server);
		remove_files(&f);
	}
}

static void test_status_2_when_it_cannot_be_done(void **state)
{
	static const enum step no_models[] = { BUSY };
	static const enum step no_counters[] = { MODELS, MODELS };
	struct files f, none = { "no/such/trace", "" }, no_json;
	struct server server;

	(void)state;
	write_trace(&f);
	assert_int_equal(replay(&none, 1, NULL), 2);
	no_json = f;
	strcpy(no_json.json, "no/such/folder/json");
	assert_int_equal(replay(&no_json, 1, NULL), 2);
	assert_int_equal(replay(&f, 1, NULL), 2); /* nobody listens */
	server_start(&server, no_models, 1);
	assert_int_equal(replay(&f, server.port, NULL), 2);
	server_stop(&server);
	server_start(&server, no_counters, 2);
	assert_int_equal(replay(&f, server.port, "--engine-metrics"), 2);
	server_stop(&server);
	remove_files(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_the_way),
		cmocka_unit_test(test_status_1_when_an_answer_is_wrong),
		cmocka_unit_test(test_status_2_when_it_cannot_be_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
