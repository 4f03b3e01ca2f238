/* redis_test.c: what a redis URL may and may not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/config/config.h"

static struct sl_config *load(const char *url, struct sl_config_errors *errors)
{
	char text[512];
	int len = snprintf(text, sizeof(text),
	                   "listen 8080;\npool { server 10.0.0.1:8000; }\nredis %s;\n", url);

	return sl_config_parse("t.conf", text, (size_t)len, errors);
}

static void good_urls(void **state)
{
	static const struct {
		const char *url, *host;
		uint16_t port;
		uint32_t db;
	} cases[] = {
		{ "redis://10.0.0.5:6380/3", "10.0.0.5", 6380, 3 },
		{ "redis://Cache.Example", "cache.example", 6379, 0 },
		{ "redis://cache.example/", "cache.example", 6379, 0 },
		{ "redis://cache.example/15", "cache.example", 6379, 15 },
		{ "redis://[0::1]", "::1", 6379, 0 },
		{ "redis://[::1]:7000/65535", "::1", 7000, 65535 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct sl_config_errors errors;
		struct sl_config *config = load(cases[i].url, &errors);

		assert_non_null(config);
		assert_int_equal(config->n_redis, 1);
		assert_string_equal(config->redis->url.addr.host, cases[i].host);
		assert_int_equal(config->redis->url.addr.port, cases[i].port);
		assert_int_equal(config->redis->url.db, cases[i].db);
		assert_int_equal(config->redis->publish_interval_us, 5000);
		assert_int_equal(config->redis->expiry_us, 3000000);
		assert_string_equal(config->redis->prefix, "sluice");
		sl_config_errors_fini(&errors);
		sl_config_unref(config);
	}
}

static void bad_urls(void **state)
{
	static const struct {
		const char *url, *problem;
	} cases[] = {
		{ "10.0.0.5:6379", "is not a redis:// URL" },
		{ "rediss://10.0.0.5:6380", "TLS tunnel" },
		{ "redis://", "has no host" },
		{ "redis:///0", "has no host" },
		{ "redis://:6379", "has no host" },
		{ "redis://6379", "is not a host name" },
		{ "redis://*:6379", "has no host" },
		{ "redis://10.0.0.5:0", "has a port outside" },
		{ "redis://10.0.0.5:x", "has a port that is not a number" },
		{ "redis://10.0.0.5/x", "has a database" },
		{ "redis://10.0.0.5/70000", "has a database" },
		{ "redis://10.0.0.5/-1", "has a database" },
		{ "redis://10.0.0.5?db=1", "has options" },
		{ "redis://1:2:3", "IPv6 address without brackets" },
		{ "redis://[::1", "has no closing bracket" },
		{ "redis://a:secret@10.0.0.5", "user or a password" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct sl_config_errors errors;

		assert_null(load(cases[i].url, &errors));
		if (!strstr(errors.text, cases[i].problem) || !strstr(errors.text, "t.conf:3:7"))
			fail_msg("%s: %s", cases[i].url, errors.text);
		assert_null(strstr(errors.text, "secret"));
		sl_config_errors_fini(&errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_urls),
		cmocka_unit_test(bad_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
