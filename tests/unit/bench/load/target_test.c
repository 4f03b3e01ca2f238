/* URLs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/load/target.h"

static void test_good(void **state)
{
	static const struct {
		const char *url, *host, *name, *port, *base_path;
	} cases[] = {
		{ "http://h", "h", "h", "80", "" },
		{ "http://h:8000/", "h:8000", "h", "8000", "" },
		{ "http://127.0.0.1:1/a/b//", "127.0.0.1:1", "127.0.0.1", "1", "/a/b" },
		{ "http://[::1]:65535", "[::1]:65535", "::1", "65535", "" },
		{ "http://[fe80::1]/x", "[fe80::1]", "fe80::1", "80", "/x" },
	};
	struct sl_target t;
	char err[256];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		assert_int_equal(sl_target_parse(cases[i].url, err, sizeof(err), &t), 0);
		assert_string_equal(t.host, cases[i].host);
		assert_string_equal(t.name, cases[i].name);
		assert_string_equal(t.port, cases[i].port);
		assert_string_equal(t.base_path, cases[i].base_path);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *url, *err;
	} cases[] = {
		{ "", "bad URL '': it must begin with http://" },
		{ "h:80", "bad URL 'h:80': it must begin with http://" },
		{ "https://h", "bad URL 'https://h': TLS is not spoken here, use http://" },
		{ "http://", "bad URL 'http://': no host, or one that is too long" },
		{ "http://:80", "bad URL 'http://:80': no host, or one that is too long" },
		{ "http://h:", "bad URL 'http://h:': the port is no number" },
		{ "http://h:8x", "bad URL 'http://h:8x': the port is no number" },
		{ "http://h:0", "bad URL 'http://h:0': the port must be from 1 to 65535" },
		{ "http://h:65536", "bad URL 'http://h:65536': the port must be from 1 to 65535" },
		{ "http://[::1", "bad URL 'http://[::1': no ] behind the address" },
		{ "http://[::1]80", "bad URL 'http://[::1]80': the port is no number" },
		{ "http://h/a b", "bad URL 'http://h/a b': only http://HOST[:PORT][/BASE]" },
		{ "http://h/?q", "bad URL 'http://h/?q': only http://HOST[:PORT][/BASE]" },
		{ "http://h\r\nX:y", "bad URL 'http://h\r\nX:y': only http://HOST[:PORT][/BASE]" },
	};
	struct sl_target t;
	char err[256];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		assert_int_equal(sl_target_parse(cases[i].url, err, sizeof(err), &t),
		                 SL_E_BAD_FIELD);
		assert_string_equal(err, cases[i].err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
