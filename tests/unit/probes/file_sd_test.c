/* file_sd_test.c: what a file_sd file says, and what is said of a bad one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sluice/config.h"

static const char *const roles[] = { "both", "prefill", "decode" };

/* "host port role engine model kv_group metrics max node gpus;" for each, '-' for none. */
static char *describe(const struct sl_server_set *set)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	for (uint32_t i = 0; i < set->n; i++) {
		const struct sl_server_conf *s = &set->servers[i];
		const struct sl_found *f = &s->found;
		const char *const texts[] = { f->engine, f->model, f->kv_group, f->node, f->gpus };

		assert_true(f->is);
		assert_string_equal(f->address, "");
		fprintf(out, "%s|%u|%s", s->addr.host, s->addr.port,
		        f->has_role ? roles[f->role] : "-");
		for (size_t k = 0; k < SL_COUNT(texts); k++)
			fprintf(out, "|%s", *texts[k] ? texts[k] : "-");
		fprintf(out, "|%u|%u;", f->metrics_port, s->max_concurrent);
	}
	fclose(out);
	return text;
}

#define BARE "|-|-|-|-|-|-|0|0;"

static const struct {
	const char *json, *servers;
} good[] = {
	{ "[]", "" },
	{ " [ ] \n", "" },
	{ "[{\"targets\":[]}]", "" },
	{ "[{\"targets\":[\"10.0.0.1:8000\"]}]", "10.0.0.1|8000" BARE },
	/* IPv6, in one spelling, as often as it likes */
	{ "[{\"targets\":[\"[::1]:8000\",\"[2001:DB8:0::1]:1\"],\"labels\":{}},"
	  "{\"targets\":[\"[0:0::1]:8000\",\"[::1]:8001\"],\"labels\":{\"role\":\"decode\"}}]",
	  "::1|8000" BARE "2001:db8::1|1" BARE "::1|8001|decode|-|-|-|-|-|0|0;" },
	/* the first of equal ones counts */
	{ "[{\"targets\":[\"a.b:1\",\"A.B:1\"],\"labels\":{\"model\":\"x\"}},"
	  "{\"targets\":[\"a.b:1\"],\"labels\":{\"model\":\"y\"}}]",
	  "a.b|1|-|-|x|-|-|-|0|0;" },
	/* every label */
	{ "[{\"targets\":[\"10.0.0.1:8000\"],\"labels\":{\"role\":\"prefill\",\"engine\":\"vllm\","
	  "\"model\":\"m/"
	  "1\",\"kv_group\":\"a\",\"metrics_port\":\"9400\",\"max_concurrent\":\"64\","
	  "\"gpus\":\"GPU-1,GPU-2\",\"node\":\"n1\",\"job\":\"llm\",\"__param_x\":\"y\"}}]",
	  "10.0.0.1|8000|prefill|vllm|m/1|a|n1|GPU-1,GPU-2|9400|64;" },
	/* the prefixed one goes before the bare one, which then is somebody else's */
	{ "[{\"targets\":[\"10.0.0.1:8000\"],\"labels\":{\"role\":\"database\","
	  "\"__meta_sluice_role\":\"both\",\"__meta_sluice_node\":\"n2\",\"node\":\"n1\"}}]",
	  "10.0.0.1|8000|both|-|-|-|n2|-|0|0;" },
	/* an empty label is none */
	{ "[{\"targets\":[\"h_1.x-y:80\"],\"labels\":{\"role\":\"\",\"metrics_port\":\"\"}}]",
	  "h_1.x-y|80" BARE },
	{ "[{\"targets\":[\"engine.local.:8000\"]}]", "engine.local.|8000" BARE },
};

#define TARGET(text) "[{\"targets\":[\"10.0.0.1:1\"]},{\"targets\":[\"10.0.0.2:1\",\"" text "\"]}]"
#define LABEL(name, value) "[{\"targets\":[\"10.0.0.1:1\"],\"labels\":{\"" name "\":" value "}}]"

static const struct {
	const char *json, *error;
} bad[] = {
	{ "", "line 1: is not valid JSON" },
	{ "[\n{\"targets\":[\"10.0.0.1:8000\"]},\n", "line 3: is not valid JSON" },
	{ "[] x", "line 1: is not valid JSON" },
	{ "{\"targets\":[]}", "is not a list of entries with targets and labels" },
	{ "null", "is not a list of entries with targets and labels" },
	{ "[7]", "entry 1: is not an object with targets and labels" },
	{ "[{\"labels\":{}}]", "entry 1: targets is not a list of strings" },
	{ "[{\"targets\":\"10.0.0.1:8000\"}]", "entry 1: targets is not a list of strings" },
	{ "[{\"targets\":[],\"label\":{}}]",
	  "entry 1: unknown field 'label'; expected targets and labels" },
	{ "[{\"targets\":[],\"labels\":[]}]", "entry 1: labels is not an object" },
	{ LABEL("metrics_port", "9400"), "entry 1: label metrics_port: is not a string" },
	{ LABEL("job", "null"), "entry 1: label job: is not a string" },
	{ LABEL("role", "\"decoder\""),
	  "entry 1, target 1: label role: 'decoder' is not both, prefill or decode" },
	{ LABEL("engine", "\"vlm\""),
	  "entry 1, target 1: label engine: 'vlm' is no engine that 'engine' knows" },
	{ LABEL("metrics_port", "\"65536\""),
	  "entry 1, target 1: label metrics_port: '65536' is not a port" },
	{ LABEL("max_concurrent", "\"-1\""),
	  "entry 1, target 1: label max_concurrent: '-1' is not a number from 1 to 1048576" },
	{ "[{\"targets\":[7]}]", "entry 1, target 1: is not a string" },
	{ TARGET("10.0.0.3"), "entry 2, target 2: '10.0.0.3' has no port" },
	{ TARGET("10.0.0.3:0"),
	  "entry 2, target 2: '10.0.0.3:0' has a port that is not from 1 to 65535" },
	{ TARGET("10.0.0.3:"),
	  "entry 2, target 2: '10.0.0.3:' has a port that is not from 1 to 65535" },
	{ TARGET(":8000"), "entry 2, target 2: ':8000' has no host" },
	{ TARGET("10.0.0:8000"),
	  "entry 2, target 2: '10.0.0:8000' has a host that is no name and no IP address" },
	{ TARGET("a..b:8000"),
	  "entry 2, target 2: 'a..b:8000' has a host that is no name and no IP address" },
	{ TARGET("a b:8000"),
	  "entry 2, target 2: 'a b:8000' has a host that is no name and no IP address" },
	{ TARGET("::1:8000"),
	  "entry 2, target 2: '::1:8000' looks like an IPv6 address without brackets" },
	{ TARGET("[::1"), "entry 2, target 2: '[::1' has no closing bracket" },
	{ TARGET("[::1]"), "entry 2, target 2: '[::1]' has no port" },
	{ TARGET("[::g]:1"), "entry 2, target 2: '[::g]:1' is not a valid IPv6 address" },
	{ TARGET("[10.0.0.1]:1"),
	  "entry 2, target 2: '[10.0.0.1]:1' is no IPv6 address in its brackets" },
	{ TARGET("http://10.0.0.1:1"),
	  "entry 2, target 2: 'http://10.0.0.1:1' is a URL, not HOST:PORT" },
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(good); i++) {
		struct sl_server_set *set = sl_server_set_new();
		char error[200] = "untouched", *text;

		if (!sl_file_sd_parse(good[i].json, set, error, sizeof(error)))
			fail_msg("%s: %s", good[i].json, error);
		assert_string_equal(error, "untouched");
		text = describe(set);
		assert_string_equal(text, good[i].servers);
		free(text);
		sl_server_set_unref(set);
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(bad); i++) {
		struct sl_server_set *set = sl_server_set_new();
		char error[200] = "";

		if (sl_file_sd_parse(bad[i].json, set, error, sizeof(error)))
			fail_msg("%s was taken", bad[i].json);
		assert_string_equal(error, bad[i].error);
		sl_server_set_unref(set);
	}
}

static void test_a_short_room_for_the_error(void **state)
{
	struct sl_server_set *set = sl_server_set_new();
	char error[12];

	(void)state;
	assert_false(sl_file_sd_parse("[7]", set, error, sizeof(error)));
	assert_string_equal(error, "entry 1: is");
	sl_server_set_unref(set);
}

/* Of 200 at 100 places the first of each stays, in order. */
static void test_unique(void **state)
{
	struct sl_server_set *set = sl_server_set_new();
	char host[32];

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		snprintf(host, sizeof(host), "10.0.0.%u", i % 100 / 2);
		sl_server_set_add(set, sl_span_str(host), (uint16_t)(1 + i % 2), SL_SPAN("x"))
		        ->max_concurrent = i;
	}
	sl_server_set_unique(set);
	assert_int_equal(set->n, 100);
	for (uint32_t i = 0; i < set->n; i++)
		assert_int_equal(set->servers[i].max_concurrent, i);
	sl_server_set_unref(set);
}

static void test_copy(void **state)
{
	struct sl_server_set *a = sl_server_set_new(), *b = sl_server_set_new();
	struct sl_server_conf *server =
	        sl_server_set_add(a, SL_SPAN("10.0.0.1"), 8000, SL_SPAN("id"));

	(void)state;
	server->max_concurrent = 7;
	server->found.role = SL_ROLE_DECODE;
	server->found.has_role = true;
	sl_server_set_text(&server->found.model, SL_SPAN("m"));
	sl_server_set_copy(b, server);
	assert_true(sl_server_set_equal(a, b));
	sl_server_set_text(&b->servers[0].found.address, SL_SPAN("10.0.0.9"));
	assert_false(sl_server_set_equal(a, b));
	sl_server_set_unref(a);
	sl_server_set_unref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_a_short_room_for_the_error),
		cmocka_unit_test(test_unique),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
