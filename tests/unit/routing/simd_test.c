/* simd_test.c: every skipping loop stops exactly where it must, and all stop
 * at the same byte. Texts lie at the end of their memory, so that a loop which
 * looks beyond is caught by the sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* after the four that cmocka needs */
#include <cmocka.h>
#include <xxhash.h>

#include "routing/simd.h"
#include "sluice/scan.h"

#define LONGEST 300

/* Calls one variant on a copy that ends where its memory ends. */
static size_t stop_of(const struct simd_ops *ops, const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);
	size_t stop;

	assert_non_null(copy);
	memcpy(copy, text, len);
	stop = (size_t)(ops->walk(copy, copy + len) - copy);
	free(copy);
	return stop;
}

static void expect_stop(const char *text, size_t len, size_t want)
{
	for (size_t k = 0; simd_at(k); k++) {
		size_t stop;

		if (!simd_runs(simd_at(k)))
			continue;
		stop = stop_of(simd_at(k), text, len);
		if (stop != want)
			fail_msg("%s stops at %zu of %zu, want %zu", simd_at(k)->name, stop, len,
			         want);
	}
}

/* What may stand in a string, alone: all of it is passed, or nothing. */
#define VALID 18 /* so many rows are passed, and come first */
static const struct {
	struct sl_span text;
	bool passes;
} pieces[] = {
	{ { "\\n", 2 }, true },
	{ { "\\\"", 2 }, true },
	{ { "\\\\", 2 }, true },
	{ { "\\/", 2 }, true },
	{ { "\\b\\f\\r\\t", 8 }, true },
	{ { "\\u00e9", 6 }, true },
	{ { "\\uD83d\\uDE00", 12 }, true },
	{ { "\\ud800", 6 }, true }, /* a lone surrogate is an escape by the grammar */
	{ { "\x7f", 1 }, true },
	{ { "\xc2\x80", 2 }, true },
	{ { "\xdf\xbf", 2 }, true },
	{ { "\xe0\xa0\x80", 3 }, true },
	{ { "\xe4\xbd\xa0\xe5\xa5\xbd", 6 }, true },
	{ { "\xed\x9f\xbf", 3 }, true },
	{ { "\xee\x80\x80", 3 }, true },
	{ { "\xef\xbf\xbf", 3 }, true },
	{ { "\xf0\x90\x80\x80", 4 }, true },
	{ { "\xf4\x8f\xbf\xbf", 4 }, true },
	{ { "\"", 1 }, false },
	{ { "\n", 1 }, false },
	{ { "\0", 1 }, false },
	{ { "\x1f", 1 }, false },
	{ { "\\x", 2 }, false },
	{ { "\\u12g4", 6 }, false },
	{ { "\\u123\"", 6 }, false },
	{ { "\\\n", 2 }, false },
	{ { "\\\0", 2 }, false },
	{ { "\\\xc3", 2 }, false },
	{ { "\x80", 1 }, false },
	{ { "\xbf", 1 }, false },
	{ { "\xc0\x80", 2 }, false },
	{ { "\xc1\xbf", 2 }, false },
	{ { "\xc3(", 2 }, false },
	{ { "\xe0\x9f\xbf", 3 }, false },
	{ { "\xe4\xbd(", 3 }, false },
	{ { "\xe4(\xa0", 3 }, false },
	{ { "\xed\xa0\x80", 3 }, false },
	{ { "\xed\xbf\xbf", 3 }, false },
	{ { "\xf0\x8f\xbf\xbf", 4 }, false },
	{ { "\xf1\x80\x80(", 4 }, false },
	{ { "\xf4\x90\x80\x80", 4 }, false },
	{ { "\xf5\x80\x80\x80", 4 }, false },
	{ { "\xff", 1 }, false },
};

static void stops_are_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(pieces); i++) {
		struct sl_span piece = pieces[i].text;

		expect_stop(piece.ptr, piece.len, pieces[i].passes ? piece.len : 0);
	}
}

/* Each piece at every place of a plain text: a block, its border, its end. */
static void position_does_not_matter(void **state)
{
	char text[LONGEST];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(pieces); i++) {
		struct sl_span piece = pieces[i].text;

		for (size_t at = 0; at <= 140; at++) {
			memset(text, 'x', sizeof(text));
			memcpy(text + at, piece.ptr, piece.len);
			for (size_t after = 0; after < 140; after += 23) {
				size_t len = at + piece.len + after;

				expect_stop(text, len, pieces[i].passes ? len : at);
			}
		}
	}
}

/* A run of backslashes of any length, anywhere, and a quote: odd runs escape it. */
static void runs_of_backslashes_pair_up(void **state)
{
	char text[LONGEST];

	(void)state;
	for (size_t at = 0; at < 70; at++)
		for (size_t run = 0; run < 140; run++) {
			size_t quote = at + run;

			memset(text, 'n', sizeof(text));
			memset(text + at, '\\', run);
			text[quote] = '"';
			expect_stop(text, quote + 80, run % 2 ? quote + 80 : quote);
		}
}

/* A character that the end cuts is not passed, and not looked at further. */
static void cut_characters_stop(void **state)
{
	char text[LONGEST];

	(void)state;
	for (size_t i = 0; i < SL_COUNT(pieces); i++) {
		struct sl_span piece = pieces[i].text;

		if (!pieces[i].passes || piece.len > 6)
			continue;
		if (piece.len == 6 && piece.ptr[1] != 'u')
			continue;
		for (size_t at = 0; at < 140; at++)
			for (size_t cut = 1; cut < piece.len; cut++) {
				memset(text, 'x', sizeof(text));
				memcpy(text + at, piece.ptr, piece.len);
				expect_stop(text, at + cut, at);
			}
	}
}

/* Random texts, dense with what is odd, mostly valid, often ending at a quote:
 * nobody knows where they stop, but all loops must agree. */
static void variants_agree(void **state)
{
	struct sl_rng rng = { 42 };
	char text[LONGEST + 16];

	(void)state;
	for (int round = 0; round < 60000; round++) {
		unsigned dense = 1 + sl_rng_next(&rng) % 40;
		unsigned kinds = 1 + sl_rng_next(&rng) % VALID; /* from easy to all */
		size_t want = sl_rng_next(&rng) % LONGEST;
		size_t len = 0;

		while (len < want) {
			uint64_t random = sl_rng_next(&rng) >> 16;
			struct sl_span piece = pieces[(random >> 8) % kinds].text;

			if (random % 4096 < 3)
				piece = pieces[VALID + (random >> 20) % (SL_COUNT(pieces) - VALID)]
				                .text;
			else if (random % dense)
				piece = sl_span(&"abcdefgh"[(random >> 30) % 8], 1);
			memcpy(text + len, piece.ptr, piece.len);
			len += piece.len;
		}
		expect_stop(text, len, stop_of(simd_at(0), text, len));
	}
}

static void hashes_are_xxh3(void **state)
{
	unsigned char bytes[4096];
	struct sl_rng rng = { 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(sl_rng_next(&rng) >> 32);
	for (size_t k = 0; simd_at(k); k++)
		for (size_t len = 0; len <= sizeof(bytes) && simd_runs(simd_at(k));
		     len += len < 300 ? 1 : 97)
			assert_int_equal(simd_at(k)->hash(bytes, len), XXH3_64bits(bytes, len));
}

static void variants_are_chosen_by_name(void **state)
{
	const char *usual = sl_scan_simd_name();

	(void)state;
	assert_false(sl_scan_simd_use("mmx"));
	assert_string_equal(sl_scan_simd_name(), usual);
	for (size_t k = 0; simd_at(k); k++) {
		if (!simd_runs(simd_at(k)))
			continue;
		assert_true(sl_scan_simd_use(simd_at(k)->name));
		assert_ptr_equal(simd, simd_at(k));
	}
	assert_true(sl_scan_simd_use(usual));
#if defined(__x86_64__) || defined(__aarch64__)
	assert_string_not_equal(usual, "scalar");
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_are_exact),
		cmocka_unit_test(position_does_not_matter),
		cmocka_unit_test(runs_of_backslashes_pair_up),
		cmocka_unit_test(cut_characters_stop),
		cmocka_unit_test(variants_agree),
		cmocka_unit_test(hashes_are_xxh3),
		cmocka_unit_test(variants_are_chosen_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
