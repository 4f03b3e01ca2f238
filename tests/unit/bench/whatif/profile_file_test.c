/* Engine profiles from files: a good one, and every way to be bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/whatif/profile_file.h"

#define LIN "lin 1:1 2:2 4:3 8:4 16:5 32:6 64:7 128:8 256:9 512:10 1024:11\n"
#define REST                                                                                       \
	"o_ms 2\nb_ms_per_token2 1.9e-6\nd0_ms 1.2\nd1_ms_per_token 1.5e-4\n"                      \
	"kv_bytes_per_token 131072\nkv_capacity_tokens 180000\nchunk_tokens 2048\nmax_seqs 256\n"

static char path[] = "/tmp/profile-XXXXXX";
static char err[256];

static int read_text(const char *text, struct sl_profile *out)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	err[0] = '\0';
	return profile_file_read(path, err, sizeof(err), out);
}

static void test_good(void **state)
{
	struct sl_profile p;

	(void)state;
	assert_int_equal(read_text("# mine\n\n  name \t my gpu  # a comment\r\n" LIN REST, &p), 0);
	assert_string_equal(p.name, "my gpu");
	assert_true(p.o_ms == 2 && p.b_ms_per_token2 == 1.9e-6 && p.d0_ms == 1.2);
	assert_true(p.d1_ms_per_token == 1.5e-4 && p.kv_bytes_per_token == 131072);
	assert_true(p.kv_capacity_tokens == 180000);
	assert_int_equal(p.chunk_tokens, 2048);
	assert_int_equal(p.max_seqs, 256);
	assert_true(p.lin_tokens[0] == 1 && p.lin_ms[0] == 1);
	assert_true(p.lin_tokens[10] == 1024 && p.lin_ms[10] == 11);
	assert_true(sl_profile_lin_ms(&p, 3) == 2.5);
	profile_file_fini(&p);
	assert_null(p.name);
}

static void test_last_line_without_an_end(void **state)
{
	struct sl_profile p;

	(void)state;
	assert_int_equal(read_text(LIN REST "name x", &p), 0);
	assert_string_equal(p.name, "x");
	profile_file_fini(&p);
}

/* The later of two lines counts; nothing leaks. */
static void test_said_twice(void **state)
{
	struct sl_profile p;

	(void)state;
	assert_int_equal(read_text("name a\nname b\no_ms 9\n" LIN REST, &p), 0);
	assert_string_equal(p.name, "b");
	assert_true(p.o_ms == 2);
	profile_file_fini(&p);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "0: the file ends without a name" },
		{ "# nothing\n", "1: the file ends without a name" },
		{ LIN REST, "9: the file ends without a name" },
		{ "name x\n" REST, "9: the file ends without 'lin'" },
		{ "name x\n" LIN, "2: the file ends without 'o_ms'" },
		{ "name x\n" LIN "o_ms 1\nmax_seqs 5\n",
		  "4: the file ends without 'b_ms_per_token2'" },
		{ "name\n", "1: a value is missing after 'name'" },
		{ "name x\no_ms # none\n", "2: a value is missing after 'o_ms'" },
		{ "nom x\n", "1: there is no key 'nom'" },
		{ "\n\no_ms abc\n", "3: is no number that makes sense: 'abc'" },
		{ "o_ms 1ms\n", "1: is no number that makes sense: '1ms'" },
		{ "o_ms -1\n", "1: is no number that makes sense: '-1'" },
		{ "o_ms 1e13\n", "1: is no number that makes sense" },
		{ "o_ms nan\n", "1: is no number that makes sense" },
		{ "max_seqs 0\n", "1: is no count from 1 to 1000000: '0'" },
		{ "chunk_tokens 1e7\n", "1: is no count from 1 to 1000000: '1e7'" },
		{ "chunk_tokens 1.5\n", "1: is no count from 1 to 1000000: '1.5'" },
		{ "lin 1:1 2:2\n", "1: lin wants 11 points TOKENS:MS, not" },
		{ "lin 1-1\n", "1: lin wants 11 points TOKENS:MS, not" },
		{ "lin 1:1 2:2 4:3 8:4 16:5 32:6 64:7 128:8 256:9 512:10 1024:11 2048:12\n",
		  "1: lin has more than 11 points:" },
		{ "lin 1:1 1:2\n", "1: the points of lin must be positive and ascend" },
		{ "lin 0:1\n", "1: the points of lin must be positive and ascend" },
		{ "lin 1:0\n", "1: the points of lin must be positive and ascend" },
		{ "name x\n" LIN REST "kv_capacity_tokens 1023\n",
		  "11: kv_capacity_tokens is below 1024" },
		{ "name x\n" LIN REST "kv_capacity_tokens 1e10\n",
		  "11: kv_capacity_tokens is above 1000000000" },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct sl_profile p = { .o_ms = 77 };
		char expected[256];

		assert_true(read_text(cases[i].text, &p) < 0);
		snprintf(expected, sizeof(expected), "%s:%s", path, cases[i].message);
		if (strncmp(err, expected, strlen(expected)) != 0)
			fail_msg("case %zu: %s", i, err);
		assert_true(p.o_ms == 77 && !p.name); /* untouched */
	}
}

static void test_long_line(void **state)
{
	struct sl_profile p;
	char text[3000];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "# ", 2);
	strcpy(text + sizeof(text) - 3, "\n\n");
	assert_true(read_text(text, &p) < 0);
	assert_non_null(strstr(err, ":1: the line is too long"));
}

static void test_no_file(void **state)
{
	struct sl_profile p;

	(void)state;
	assert_true(profile_file_read("/no/such", err, sizeof(err), &p) < 0);
	assert_string_equal(err, "/no/such: there is no such profile, and no such file");
	assert_true(profile_file_read("/tmp", err, sizeof(err), &p) < 0); /* a folder */
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),       cmocka_unit_test(test_last_line_without_an_end),
		cmocka_unit_test(test_said_twice), cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long_line),  cmocka_unit_test(test_no_file),
	};
	int fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	return cmocka_run_group_tests(tests, NULL, remove_file);
}
