/* text_test.c: the simulated model's answers are what text.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bench/sim/text.h"

static void answer(struct sl_sim_text t, char *out, size_t tokens)
{
	for (size_t i = 0; i < tokens; i++)
		sl_sim_text_next(&t, out + i * SL_SIM_TOKEN_BYTES);
}

static struct sl_sim_text prompt(const char *text, uint64_t variant)
{
	struct sl_sim_text t;

	sl_sim_text_init(&t, variant);
	sl_sim_text_bytes(&t, sl_span_str(text));
	return t;
}

/* Frozen: another implementation of the rule must find the same words. */
static void test_known_answer(void **state)
{
	char got[16 * SL_SIM_TOKEN_BYTES + 1] = "";

	(void)state;
	answer(prompt("The gateway sends", 0), got, 16);
	assert_string_equal(got, " qiv zed xoh mep tej teb xul xaj"
	                         " quk xih \xc5\xb3o \xe2\x82\xac jil jos duw koz");
}

static void test_continues_elsewhere(void **state)
{
	char all[128], rest[128], text[128];
	struct sl_sim_text t = prompt("Once upon a time", 0);

	(void)state;
	answer(t, all, 32);
	memcpy(text, "Once upon a time", 16);
	memcpy(text + 16, all, 40);
	text[56] = '\0';
	answer(prompt(text, 0), rest, 22);
	assert_memory_equal(rest, all + 40, 88);
}

static void test_every_byte_matters(void **state)
{
	char base[64], other[64], text[300];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[299] = '\0';
	answer(prompt(text, 0), base, 16);
	for (size_t i = 0; i < 299; i += 7) {
		text[i] = 'b';
		answer(prompt(text, 0), other, 16);
		assert_memory_not_equal(base, other, 64);
		text[i] = 'a';
	}
	answer(prompt(text, 1), other, 16);
	assert_memory_not_equal(base, other, 64);
}

static void test_verify(void **state)
{
	char got[64];
	struct sl_sim_text t = prompt("p", 0);

	(void)state;
	answer(t, got, 16);
	assert_true(sl_sim_text_verify(&t, got, 64));
	assert_true(sl_sim_text_verify(&t, got, 61));
	assert_true(sl_sim_text_verify(&t, got, 0));
	got[62] ^= 1;
	assert_true(sl_sim_text_verify(&t, got, 62));
	assert_false(sl_sim_text_verify(&t, got, 64));
	assert_false(sl_sim_text_verify(&t, got + 4, 32));
}

static void test_chat_is_framed(void **state)
{
	struct sl_sim_text chat, flat;
	char a[16], b[16];

	(void)state;
	sl_sim_text_init(&chat, 0);
	sl_sim_text_message(&chat, SL_SPAN("user"), SL_SPAN("hi"));
	sl_sim_text_answer(&chat);
	flat = prompt("user\x1fhi\x1e"
	              "assistant\x1f",
	              0);
	answer(chat, a, 4);
	answer(flat, b, 4);
	assert_memory_equal(a, b, 16);
}

/* Every word: a space first and nowhere else, nothing JSON escapes, whole
 * UTF-8 characters. */
static void test_words_are_plain(void **state)
{
	struct sl_sim_text t = prompt("words", 0);
	bool wide = false;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		unsigned char w[SL_SIM_TOKEN_BYTES];
		int open = 0;

		sl_sim_text_next(&t, (char *)w);
		assert_int_equal(w[0], ' ');
		for (int k = 1; k < SL_SIM_TOKEN_BYTES; k++) {
			assert_true(w[k] > ' ' && w[k] != '"' && w[k] != '\\' && w[k] != 0x7f);
			wide |= w[k] >= 0x80;
			if ((w[k] & 0xc0) == 0x80)
				assert_true(open-- > 0);
			else
				assert_int_equal(open, 0);
			if (w[k] >= 0xe0)
				open = 2;
			else if (w[k] >= 0xc0)
				open = 1;
		}
		assert_int_equal(open, 0);
	}
	assert_true(wide);
}

static void test_natural_length(void **state)
{
	uint32_t least = UINT32_MAX, most = 0;
	char text[16];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct sl_sim_text t;
		uint32_t n;

		snprintf(text, sizeof(text), "%d", i);
		t = prompt(text, 0);
		n = sl_sim_text_natural_tokens(&t);
		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	assert_int_equal(least, 16);
	assert_int_equal(most, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answer),
		cmocka_unit_test(test_continues_elsewhere),
		cmocka_unit_test(test_every_byte_matters),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_chat_is_framed),
		cmocka_unit_test(test_words_are_plain),
		cmocka_unit_test(test_natural_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
