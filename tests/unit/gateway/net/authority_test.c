/* Hosts and ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/net/authority.h"

static void hosts_and_ports(void **state)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		uint16_t port;
	} rows[] = {
		{ "10.0.0.1:80", "10.0.0.1", 80 },
		{ "[::1]:9400", "::1", 9400 },
		{ "[::1]", "::1", 0 },
		{ "name.internal", "name.internal", 0 },
		{ "name:65535", "name", 65535 },
		{ "fifteen-is-all:1", "fifteen-is-all", 1 },
		{ "sixteen-is-more:1", "sixteen-is-more", 1 },
		{ "seventeen-is-more:1", NULL, 0 },
		{ "", NULL, 0 },
		{ ":80", NULL, 0 },
		{ "[]:80", NULL, 0 },
		{ "[::1", NULL, 0 },
		{ "[::1]x:80", NULL, 0 },
		{ "name:", NULL, 0 },
		{ "name:0", NULL, 0 },
		{ "name:65536", NULL, 0 },
		{ "name:000080", NULL, 0 },
		{ "name:+80", NULL, 0 },
		{ "name: 80", NULL, 0 },
		{ "name:80x", NULL, 0 },
		{ "::1", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		char host[16] = "before";
		uint16_t port = 7;
		bool ok = sl_authority_split(sl_span_str(rows[i].text), host, sizeof(host), &port);

		if (ok != (rows[i].host != NULL))
			fail_msg("%s", rows[i].text);
		assert_string_equal(host, ok ? rows[i].host : "before");
		assert_int_equal(port, ok ? rows[i].port : 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_and_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
