/* address_test.c: addresses in all their spellings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/config/address.h"

static void test_good(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned port;
		const char *written;
	} rows[] = {
		{ "8080", "", 8080, "*:8080" },
		{ "*:1", "", 1, "*:1" },
		{ "127.0.0.1:65535", "127.0.0.1", 65535, "127.0.0.1:65535" },
		{ "[::1]:80", "::1", 80, "[::1]:80" },
		{ "[0:0::0:1]:80", "::1", 80, "[::1]:80" },
		{ "[FE80::A]:80", "fe80::a", 80, "[fe80::a]:80" },
		{ "Engine-1.example:8000", "engine-1.example", 8000, "engine-1.example:8000" },
		{ "a_b:08", "a_b", 8, "a_b:8" },
	};
	struct conf_arena arena;

	(void)state;
	conf_arena_init(&arena);
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_addr_conf addr;
		char *written = NULL;
		size_t len;
		FILE *out = open_memstream(&written, &len);

		print_message("%s\n", rows[i].text);
		assert_null(conf_address_parse(&arena, rows[i].text, &addr));
		assert_string_equal(addr.host, rows[i].host);
		assert_int_equal(addr.port, rows[i].port);
		conf_address_write(out, &addr);
		fclose(out);
		assert_string_equal(written, rows[i].written);
		free(written);
	}
	conf_arena_fini(&arena);
}

static void test_bad(void **state)
{
	static const char *const rows[] = {
		"",           "0",         "65536",   "99999999999999999999",
		"x",          "127.0.0.1", ":80",     "host:",
		"host:x",     "host:8 0",  "::1",     "[::1]",
		"[::1",       "[::1]80",   "[x]:80",  "[]:80",
		"a b:80",     "a..b:80",   ".a:80",   "1.2.3:80",
		"http://a:1", "-1",        "[::1]:0", "1.2.3.4.5:80",
	};
	struct conf_arena arena;

	(void)state;
	conf_arena_init(&arena);
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct sl_addr_conf addr = { .port = 7 };

		print_message("%s\n", rows[i]);
		assert_non_null(conf_address_parse(&arena, rows[i], &addr));
		assert_int_equal(addr.port, 7);
	}
	conf_arena_fini(&arena);
}

static void test_over_long_host(void **state)
{
	struct conf_arena arena;
	struct sl_addr_conf addr;
	char text[400];

	(void)state;
	memset(text, 'a', sizeof(text));
	strcpy(text + 254, ":80");
	conf_arena_init(&arena);
	assert_non_null(conf_address_parse(&arena, text, &addr));
	assert_null(conf_address_parse(&arena, text + 1, &addr));
	conf_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_over_long_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
