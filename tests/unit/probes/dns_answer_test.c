/* dns_answer_test.c: the records that a name server's answer holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "sluice/dns.h"

#define BYTES(text)                                                                                \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
/* header: id 1, answer, recursion, no error; one question, AN answers, AR beside */
#define HEAD(an, ar) "\0\1\x81\x80\0\1\0" an "\0\0\0" ar
#define ASKED(type) "\1e\1x\0\0" type "\0\1"
#define SAME "\xc0\x0c" /* the name that was asked for */
#define RR(name, type, ttl, len) name "\0" type "\0\1\0\0\0" ttl "\0" len

static const char kinds[] = { 'A', '6', 'S', '-' };

static void collect(void *ctx, const struct sl_dns_record *r)
{
	char *text = ctx;
	size_t len = strlen(text);

	snprintf(text + len, 512 - len, "%c%s %s %u", kinds[r->type], r->additional ? "+" : "",
	         r->owner, r->ttl_s);
	len = strlen(text);
	if (r->type == SL_DNS_SRV)
		snprintf(text + len, 512 - len, " %u %u %u %s;", r->priority, r->weight, r->port,
		         r->target);
	else
		snprintf(text + len, 512 - len, " %s;", r->address);
}

static const struct {
	struct {
		const char *ptr;
		size_t len;
	} bytes;
	const char *records; /* NULL: no answer */
} cases[] = {
	{ BYTES(HEAD("\2", "\0") ASKED("\1") RR(SAME, "\1", "\x1e", "\4") "\x0a\0\0\1" RR(
	          SAME, "\1", "\x05", "\4") "\x0a\0\0\2"),
	  "A e.x 30 10.0.0.1;A e.x 5 10.0.0.2;" },
	{ BYTES(HEAD("\1", "\0") ASKED("\x1c") RR(SAME, "\x1c", "\x1e", "\x10") "\x20\1\x0d\xb8\0\0"
	                                                                        "\0\0\0\0\0\0\0\0"
	                                                                        "\0\1"),
	  "6 e.x 30 2001:db8::1;" },
	/* an alias shortens the time of what it leads to */
	{ BYTES(HEAD("\2", "\0") ASKED("\1") RR(SAME, "\5", "\3", "\5") "\1Y\1x\0" RR(
	          "\1y\1X\0", "\1", "\x1e", "\4") "\1\2\3\4"),
	  "- e.x 3 ;A y.x 30 1.2.3.4;" },
	/* SRV with its target's address beside it, and EDNS, which is not told of */
	{ BYTES(HEAD("\1", "\2") ASKED("\x21")
	                RR(SAME, "\x21", "\x1e", "\x0b") "\0\1\0\5\x1f\x40\1E\1x\0" RR(
	                        SAME, "\1", "\7", "\4") "\x0a\0\0\1\0\0\x29\4\xd0\0\0\0\0\0\0"),
	  "S e.x 30 1 5 8000 e.x;A+ e.x 7 10.0.0.1;" },
	{ BYTES(HEAD("\1", "\0") ASKED("\x21") RR(SAME, "\x21", "\x1e", "\7") "\0\0\0\0\0\0\0"),
	  "S e.x 30 0 0 0 ;" },
	{ BYTES(HEAD("\0", "\0") ASKED("\1")), "" },
	/* a time with its highest bit set is none */
	{ BYTES(HEAD("\1", "\0") ASKED("\1") SAME "\0\1\0\1\xff\0\0\1\0\4\1\2\3\4"),
	  "A e.x 0 1.2.3.4;" },
	/* another class is no address */
	{ BYTES(HEAD("\1", "\0") ASKED("\1") SAME "\0\1\0\3\0\0\0\1\0\4\1\2\3\4"), "- e.x 1 ;" },
	/* cut, looping, of the wrong length, no answer, a failure */
	{ BYTES(HEAD("\1", "\0") ASKED("\1") RR(SAME, "\1", "\x1e", "\4") "\x0a\0\0"), NULL },
	{ BYTES(HEAD("\2", "\0") ASKED("\1") RR(SAME, "\1", "\x1e", "\4") "\x0a\0\0\1"), NULL },
	{ BYTES(HEAD("\1", "\0") ASKED("\1") RR("\xc0\x15", "\1", "\x1e", "\4") "\x0a\0\0\1"),
	  NULL },
	{ BYTES(HEAD("\1", "\0") ASKED("\1") RR(SAME, "\1", "\x1e", "\3") "\x0a\0\0"), NULL },
	{ BYTES(HEAD("\1", "\0") ASKED("\x21") RR(SAME, "\x21", "\x1e", "\6") "\0\1\0\5\x1f\x40"),
	  NULL },
	{ BYTES(HEAD("\1", "\0") ASKED("\x21")
	                RR(SAME, "\x21", "\x1e", "\x0c") "\0\1\0\5\x1f\x40\1E\1x\0\0"),
	  NULL },
	{ BYTES("\0\1\1\0\0\1\0\0\0\0\0\0" ASKED("\1")), NULL },
	{ BYTES("\0\1\x81\x83\0\1\0\0\0\0\0\0" ASKED("\1")), NULL },
	{ BYTES("\0\1\x81\x80"), NULL },
	{ BYTES(""), NULL },
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		char text[512] = "";
		bool ok = sl_dns_answer_parse((const uint8_t *)cases[i].bytes.ptr,
		                              cases[i].bytes.len, collect, text);

		if (ok != (cases[i].records != NULL))
			fail_msg("case %zu: %s", i, text);
		if (ok)
			assert_string_equal(text, cases[i].records);
	}
}

/* ---- the hosts file -------------------------------------------------- */

static void add(void *ctx, const char *address)
{
	char *text = ctx;
	size_t len = strlen(text);

	snprintf(text + len, 256 - len, "%s;", address);
}

static void test_hosts(void **state)
{
	static const char file[] = "# comment\n127.0.0.1\tlocalhost  e1 # e9\n"
	                           "::1 localhost ip6-localhost\r\n"
	                           "10.0.0.300 e1\nnonsense e1\n\n10.0.0.1\n#10.0.0.2 e1\n"
	                           "  10.0.0.3 x E1\n2001:DB8:0::1 e1";
	static const struct {
		const char *name, *found;
		uint32_t n;
	} wanted[] = {
		{ "e1", "127.0.0.1;10.0.0.3;2001:db8::1;", 3 },
		{ "LOCALHOST", "127.0.0.1;::1;", 2 },
		{ "ip6-localhost", "::1;", 1 },
		{ "e9", "", 0 },
		{ "10.0.0.1", "", 0 },
		{ "e", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(wanted); i++) {
		char text[256] = "";

		assert_int_equal(sl_hosts_find(sl_span_str(file), wanted[i].name, add, text),
		                 wanted[i].n);
		assert_string_equal(text, wanted[i].found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
