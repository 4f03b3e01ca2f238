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
	assert_int_equal(t.quantum_us, 3000000);
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
	assert_int_equal(t.quantum_us, 0);
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

#define BURST                                                                                      \
	"Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total "            \
	"tokens,Log Type\n"
#define BURST_OLD "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"

static void test_burstgpt(void **state)
{
	static const char text[] = BURST "5,a1,1.25,ChatGPT,472,18,490,Conversation log\n"
	                                 "45,,3,GPT-4,1087,230.0,1317,API log\r\n"
	                                 "46,a1,0.5,ChatGPT,700,0,700,Conversation log\n"
	                                 "118,a1,2,ChatGPT,1024,7,1031,Conversation log\n";
	struct sl_trace t;
	char err[256];

	(void)state;
	assert_int_equal(read_text(text, 0, err, &t), 0);
	assert_int_equal(t.format, SL_TRACE_BURSTGPT);
	assert_int_equal(t.quantum_us, 1000000);
	assert_int_equal(t.n_rows, 3);
	assert_int_equal(t.n_skipped, 1);
	assert_int_equal(t.rows[1].at_us, 45000000);
	assert_int_equal(t.rows[1].input_tokens, 1087);
	assert_int_equal(t.rows[1].output_tokens, 230);
	assert_int_equal(t.rows[1].n_blocks, 3);
	assert_true(t.rows[0].session != 0 && t.rows[0].session == t.rows[2].session);
	assert_true(t.rows[1].session == 0);
	assert_true(t.blocks[t.rows[0].first_block] != t.blocks[t.rows[1].first_block]);
	sl_trace_fini(&t);
	assert_int_equal(
	        read_text(BURST_OLD "5.5,ChatGPT,472,18,490,Conversation log\n", 0, err, &t), 0);
	assert_int_equal(t.rows[0].at_us, 5500000);
	assert_int_equal(t.quantum_us, 0);
	sl_trace_fini(&t);
}

/* ---- the gateway's access log ----------------------------------------- */

#define ENTRY(time, end, in, out, more)                                                            \
	"{\"time\":\"2026-01-02T03:04:" time                                                       \
	"Z\",\"request_id\":\"r\",\"status\":200,\"end\":\"" end "\",\"prompt_tokens\":" in        \
	",\"completion_tokens\":" out more "}\n"
#define MARKS(bytes, hex) ",\"prompt_bytes\":" bytes ",\"prompt_blocks\":\"" hex "\""

static void test_access_log(void **state)
{
	static const char text[] = ENTRY("05.250", "done", "1200", "7",
	                                 MARKS("4800", "aaaaaaaabbbbbbbb"))
	        ENTRY("04.000", "client_gone", "1200", "3",
	              MARKS("4800", "aaaaaaaabbbbbbbb")) "{\"time\":\"2026-01-02T03:04:05."
	                                                 "300Z\",\"path\":\"/v1/"
	                                                 "models\",\"end\":\"done\"}"
	                                                 "\n" ENTRY("03.000", "done", "1700", "9",
	                                                            MARKS("6800", "aaaaaaaacccccccc"
	                                                                          "0000000d"))
	                                                         ENTRY("06.000", "done", "600", "2",
	                                                               "");
	const uint64_t *b;
	struct sl_trace t;
	char err[256];

	(void)state;
	assert_int_equal(read_text(text, 0, err, &t), 0);
	assert_int_equal(t.format, SL_TRACE_ACCESS_LOG);
	assert_int_equal(t.quantum_us, 0);
	assert_int_equal(t.n_rows, 3);
	assert_int_equal(t.n_skipped, 2);
	assert_int_equal(t.n_unshared, 1);
	assert_int_equal(t.rows[0].at_us - t.rows[1].at_us, 2250000);
	assert_int_equal(t.rows[1].input_tokens, 1700);
	assert_int_equal(t.rows[1].output_tokens, 9);
	/* 4 bytes a token: a block ends at each boundary; the last is a part */
	b = t.blocks;
	assert_int_equal(t.rows[0].n_blocks, 3);
	assert_int_equal(b[0], 0xaaaaaaaa);
	assert_int_equal(b[1], 0xbbbbbbbb);
	assert_true(b[2] > UINT32_MAX);
	b = t.blocks + t.rows[1].first_block;
	assert_int_equal(b[0], 0xaaaaaaaa);
	assert_int_equal(b[1], 0xcccccccc);
	assert_int_equal(b[2], 0xd);
	assert_true(b[3] > UINT32_MAX);
	b = t.blocks + t.rows[2].first_block;
	assert_true(b[0] > UINT32_MAX && b[1] > UINT32_MAX && b[0] != b[1]);
	sl_trace_fini(&t);
}

/* Requests with few bytes a token and with many are cut at the same bytes. */
static void test_access_log_shares_bytes(void **state)
{
	static const char text[] =
	        ENTRY("01", "done", "1600", "1", MARKS("6144", "00000001000000020000000a"))
	                ENTRY("02", "done", "1400", "1", MARKS("6144", "00000001000000020000000b"));
	struct sl_trace t;
	char err[256];

	(void)state;
	assert_int_equal(read_text(text, 0, err, &t), 0);
	for (int i = 0; i < 2; i++)
		assert_true(t.blocks[i] == t.blocks[t.rows[1].first_block + i]);
	assert_true(t.blocks[2] != t.blocks[t.rows[1].first_block + 2]);
	sl_trace_fini(&t);
}

/* Beyond 32 KiB boundaries are 4 KiB apart, and two blocks have one hash. */
static void test_access_log_long_prompt(void **state)
{
	char text[1024], hex[18 * 8 + 1];
	struct sl_trace t;
	char err[256];

	(void)state;
	for (int i = 0; i < 18; i++)
		snprintf(hex + i * 8, 9, "%08x", i + 1);
	snprintf(text, sizeof(text),
	         "{\"time\":\"2026-01-02T03:04:05Z\",\"end\":\"done\",\"prompt_tokens\":10240,"
	         "\"completion_tokens\":1,\"prompt_bytes\":40960,\"prompt_blocks\":\"%s\"}\n",
	         hex);
	assert_int_equal(read_text(text, 0, err, &t), 0);
	assert_int_equal(t.rows[0].n_blocks, 20);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(t.blocks[i], i + 1);
	assert_int_equal(t.blocks[17], 17);
	assert_int_equal(t.blocks[19], 18);
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
		{ "hello\n", "t:1: neither a Mooncake trace or an access log (JSON lines) nor an "
		             "Azure one (TIMESTAMP,ContextTokens,GeneratedTokens) nor a BurstGPT "
		             "one (Timestamp,...,Request tokens,Response tokens,...)" },
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
		{ BURST "5,a1,ChatGPT,1,1,2,API log\n",
		  "t:2: expected the columns of the first line" },
		{ BURST "5,a1,1,ChatGPT,1,1,2,API log,x\n",
		  "t:2: expected the columns of the first line" },
		{ BURST_OLD "-5,ChatGPT,1,1,2,API log\n", "t:2: '-5' is no time in seconds" },
		{ BURST_OLD "nan,ChatGPT,1,1,2,API log\n", "t:2: 'nan' is no time in seconds" },
		{ BURST_OLD "5,ChatGPT,1.5,1,2,API log\n",
		  "t:2: Request and Response tokens must be whole numbers up to 4194304" },
		{ BURST_OLD "5,ChatGPT,1,0,1,API log\n", "t:3: the trace ends without a request" },
		{ ENTRY("05", "done", "1", "1", "") "{\"time\":1}\n",
		  "t:2: no \"time\" like 2026-01-02T03:04:05.678Z" },
		{ ENTRY("05", "done", "1", "1", "") "{\n", "t:2: not a JSON object" },
		{ ENTRY("05", "done", "1", "1", ",\"prompt_blocks\":\"0a\""),
		  "t:1: no \"prompt_bytes\"" },
		{ ENTRY("05", "done", "1", "1", MARKS("9", "0a")),
		  "t:1: \"prompt_blocks\" is not made of groups of 8 hex digits" },
		{ ENTRY("05", "done", "1", "1", MARKS("9", "0000000G")),
		  "t:1: \"prompt_blocks\" is not made of groups of 8 hex digits" },
		{ ENTRY("05", "broken", "1", "1", ""), "t:2: the trace ends without a request" },
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
		cmocka_unit_test(test_burstgpt),
		cmocka_unit_test(test_access_log),
		cmocka_unit_test(test_access_log_shares_bytes),
		cmocka_unit_test(test_access_log_long_prompt),
		cmocka_unit_test(test_limit_stops_reading),
		cmocka_unit_test(test_broken_lines_are_named),
		cmocka_unit_test(test_nul_byte),
		cmocka_unit_test(test_no_such_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
