/* Traces: what is read, and that a broken line is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/load/trace.h"

#define ROW(at, in, out, ids)                                                                      \
	"{\"timestamp\": " at ", \"input_length\": " in ", \"output_length\": " out                \
	", \"hash_ids\": [" ids "]}\n"

static int read_text(const char *text, size_t limit, char err[256], struct sl_trace *out)
{
	FILE *in = fmemopen((void *)text, strlen(text), "r");
	int code;

	assert_non_null(in);
	err[0] = '\0';
	code = sl_trace_read(in, "t", limit, err, 256, out);
	fclose(in);
	return code;
}

static void test_mooncake(void **state)
{
	struct sl_trace t;
	char err[256];

	(void)state;
	assert_int_equal(read_text(ROW("0", "513", "7", "4, 5") "\n" ROW("3000", "512", "1", "4"),
	                           0, err, &t),
	                 0);
	assert_int_equal(t.format, SL_TRACE_MOONCAKE);
	assert_int_equal(t.n_rows, 2);
	assert_int_equal(t.rows[0].n_blocks, 2);
	assert_int_equal(t.rows[0].output_tokens, 7);
	assert_int_equal(t.blocks[t.rows[0].first_block + 1], 5);
	assert_int_equal(t.rows[1].at_us, 3000000);
	assert_int_equal(t.rows[1].n_blocks, 1);
	assert_int_equal(t.blocks[t.rows[1].first_block], 4);
	sl_trace_fini(&t);
}

static void test_azure(void **state)
{
	static const char text[] = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
	                           "2023-11-16 18:15:46.6805900,374,44\r\n"
	                           "2023-11-16 18:16:50,1025,109\r\n"
	                           "2024-03-01 00:00:00.5+00:00,1,1";
	struct sl_trace t;
	char err[256];

	(void)state;
	assert_int_equal(read_text(text, 0, err, &t), 0);
	assert_int_equal(t.format, SL_TRACE_AZURE);
	assert_int_equal(t.n_rows, 3);
	assert_int_equal(t.rows[1].at_us - t.rows[0].at_us, 63319410);
	assert_int_equal(t.rows[1].input_tokens, 1025);
	assert_int_equal(t.rows[1].output_tokens, 109);
	assert_int_equal(t.rows[1].n_blocks, 3);
	assert_int_equal(t.rows[2].at_us, 1709251200500000);
	assert_int_equal(t.n_blocks, 5);
	for (size_t i = 1; i < t.n_blocks; i++)
		assert_true(t.blocks[i] != t.blocks[i - 1]);
	sl_trace_fini(&t);
}

static void test_limit_stops_reading(void **state)
{
	struct sl_trace t;
	char err[256];

	(void)state;
	assert_int_equal(read_text(ROW("0", "1", "1", "1") "garbage\n", 1, err, &t), 0);
	assert_int_equal(t.n_rows, 1);
	sl_trace_fini(&t);
}

#define AZURE "TIMESTAMP,ContextTokens,GeneratedTokens\n"

static void test_broken_lines_are_named(void **state)
{
	static const struct {
		const char *text;
		const char *err;
	} cases[] = {
		{ "", "t:1: the trace ends without a request" },
		{ "\n\n", "t:3: the trace ends without a request" },
		{ AZURE, "t:2: the trace ends without a request" },
		{ "hello\n", "t:1: neither a Mooncake trace (JSON lines) nor an Azure one "
		             "(TIMESTAMP,ContextTokens,GeneratedTokens)" },
		{ ROW("0", "1", "1", "1") "{\"timestamp\": 0", "t:2: not a JSON object" },
		{ "{\"timestamp\": 0} x\n", "t:1: not a JSON object" },
		{ "{\"timestamp\": 0}\n", "t:1: no \"input_length\"" },
		{ ROW("-1", "1", "1", "1"),
		  "t:1: \"timestamp\" must be a whole number from 0 to 9007199254741" },
		{ ROW("0", "1.5", "1", "1"),
		  "t:1: \"input_length\" must be a whole number from 1 to 4194304" },
		{ ROW("0", "0", "1", ""),
		  "t:1: \"input_length\" must be a whole number from 1 to 4194304" },
		{ ROW("0", "1", "\"7\"", "1"),
		  "t:1: \"output_length\" must be a whole number from 1 to 4194304" },
		{ ROW("0", "1e300", "1", "1"),
		  "t:1: \"input_length\" must be a whole number from 1 to 4194304" },
		{ ROW("0", "513", "1", "1"), "t:1: 1 hash_ids for 513 tokens, expected 2" },
		{ ROW("0", "1", "1", "1, 2"), "t:1: 2 hash_ids for 1 tokens, expected 1" },
		{ ROW("0", "1", "1", "-1"), "t:1: a hash id is no whole number" },
		{ ROW("0", "1", "1", "null"), "t:1: a hash id is no whole number" },
		{ "{\"timestamp\":0,\"input_length\":1,\"output_length\":1}",
		  "t:1: no \"hash_ids\" array" },
		{ AZURE "yesterday,1,2\n", "t:2: no time like 2023-11-16 18:15:46.6805900" },
		{ AZURE "2023-11-16 18:15:46,1\n",
		  "t:2: expected TIMESTAMP,ContextTokens,GeneratedTokens, tokens from 1 to "
		  "4194304" },
		{ AZURE "2023-11-16 18:15:46,1,2,3\n",
		  "t:2: expected TIMESTAMP,ContextTokens,GeneratedTokens, tokens from 1 to "
		  "4194304" },
		{ AZURE "2023-11-16 18:15:46,-1,2\n",
		  "t:2: expected TIMESTAMP,ContextTokens,GeneratedTokens, tokens from 1 to "
		  "4194304" },
		{ AZURE "2023-11-16 18:15:46,99999999999999999999,2\n",
		  "t:2: expected TIMESTAMP,ContextTokens,GeneratedTokens, tokens from 1 to "
		  "4194304" },
	};
	struct sl_trace t;
	char err[256];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		assert_true(read_text(cases[i].text, 0, err, &t) < 0);
		assert_string_equal(err, cases[i].err);
	}
}

static void test_nul_byte(void **state)
{
	static char text[] = "{\"timestamp\"\0:0}\n";
	FILE *in = fmemopen(text, sizeof(text) - 1, "r");
	struct sl_trace t;
	char err[256];

	(void)state;
	assert_true(sl_trace_read(in, "t", 0, err, sizeof(err), &t) < 0);
	assert_string_equal(err, "t:1: a NUL byte: not a trace");
	fclose(in);
}

static void test_no_such_file(void **state)
{
	struct sl_trace t;
	char err[256];

	(void)state;
	assert_int_equal(sl_trace_open("no/such.jsonl", 0, err, sizeof(err), &t), SL_E_NO_ROUTE);
	assert_string_equal(err, "cannot open the trace no/such.jsonl: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mooncake),
		cmocka_unit_test(test_azure),
		cmocka_unit_test(test_limit_stops_reading),
		cmocka_unit_test(test_broken_lines_are_named),
		cmocka_unit_test(test_nul_byte),
		cmocka_unit_test(test_no_such_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
