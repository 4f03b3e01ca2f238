/* Where an engine's exporter is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/control/exporter_url.h"

static void patterns_become_addresses(void **state)
{
	static const struct {
		const char *pattern, *host, *node;
		const char *text; /* NULL: the engine lacks what is asked for */
		const char *name, *path;
	} rows[] = {
		{ "http://{host}:9400/metrics", "10.0.0.7", "", "http://10.0.0.7:9400/metrics",
		  "10.0.0.7:9400", "/metrics" },
		{ "http://{host}:5000", "10.0.0.7", NULL, "http://10.0.0.7:5000", "10.0.0.7:5000",
		  "/metrics" },
		{ "http://{host}:9400/a/b?c=d", "::1", "", "http://[::1]:9400/a/b?c=d",
		  "[::1]:9400", "/a/b?c=d" },
		{ "http://{node}:9400/metrics", "10.0.0.7", "192.168.1.9",
		  "http://192.168.1.9:9400/metrics", "192.168.1.9:9400", "/metrics" },
		{ "http://{node}:9400/metrics", "10.0.0.7", "", NULL, NULL, NULL },
		{ "http://{node}:9400/metrics", "10.0.0.7", NULL, NULL, NULL, NULL },
		{ "http://10.1.1.1:9400/of/{host}", "10.0.0.7", "",
		  "http://10.1.1.1:9400/of/10.0.0.7", "10.1.1.1:9400", "/of/10.0.0.7" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_server_conf server = { .found.node = (char *)(uintptr_t)rows[i].node };
		struct sl_sockaddr addr;
		struct sl_exporter_url url;
		struct sl_engine m = { .server = &server };

		assert_int_equal(sl_sockaddr_numeric(rows[i].host, 8000, &addr), 0);
		m.ep = sl_endpoint_new("engine", &addr, SL_UP_H1, NULL, "", 0);
		assert_true(sl_exporter_url_text(rows[i].pattern, &m, url.text) ==
		            (rows[i].text != NULL));
		if (rows[i].text) {
			assert_true(sl_exporter_url_split(&url));
			assert_string_equal(url.text, rows[i].text);
			assert_string_equal(url.name, rows[i].name);
			assert_string_equal(url.path, rows[i].path);
		}
		sl_endpoint_unref(m.ep);
	}
}

/* Kubernetes names a node by what is no address, and says its address beside it. */
static void a_node_is_asked_at_its_address(void **state)
{
	struct sl_server_conf server = {
		.found = { .node = (char *)(uintptr_t) "gpu-node-7",
		           .node_address = (char *)(uintptr_t) "192.0.2.7" },
	};
	struct sl_sockaddr addr;
	struct sl_exporter_url url;
	struct sl_engine m = { .server = &server };

	(void)state;
	assert_int_equal(sl_sockaddr_numeric("10.0.0.7", 8000, &addr), 0);
	m.ep = sl_endpoint_new("engine", &addr, SL_UP_H1, NULL, "", 0);
	assert_true(sl_exporter_url_text("http://{node}:9400/metrics", &m, url.text));
	assert_true(sl_exporter_url_split(&url));
	assert_string_equal(url.name, "192.0.2.7:9400");
	sl_endpoint_unref(m.ep);
}

/* Somebody else's words: they may be as long, and as strange, as they like. */
static void a_node_may_be_anything(void **state)
{
	struct sl_server_conf server = { .found.node = (char *)(uintptr_t) "node-7:x" };
	static char longest[2 * SL_EXPORTER_URL_MAX];
	struct sl_sockaddr addr;
	struct sl_exporter_url url;
	struct sl_engine m = { .server = &server };

	(void)state;
	assert_int_equal(sl_sockaddr_numeric("10.0.0.7", 8000, &addr), 0);
	m.ep = sl_endpoint_new("engine", &addr, SL_UP_H1, NULL, "", 0);
	assert_true(sl_exporter_url_text("http://{node}:9400/metrics", &m, url.text));
	assert_true(sl_exporter_url_split(&url)); /* as an IPv6 address, which it is not */
	assert_string_equal(url.host, "node-7:x");
	memset(longest, 'x', sizeof(longest) - 1);
	server.found.node = longest;
	assert_false(sl_exporter_url_text("http://{node}:9400/metrics", &m, url.text));
	longest[SL_EXPORTER_URL_MAX - 30] = '\0';
	assert_true(sl_exporter_url_text("http://{node}:9400/metrics", &m, url.text));
	assert_false(sl_exporter_url_split(&url));
	sl_endpoint_unref(m.ep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_become_addresses),
		cmocka_unit_test(a_node_is_asked_at_its_address),
		cmocka_unit_test(a_node_may_be_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
