/* text.c: the simulated model's words. See text.h for the rule. */
#include "bench/sim/text.h"

#define CONSONANTS "bcdfghjklmnpqrstvwxz"
#define VOWELS "aeiou"
#define N_CONSONANTS (sizeof(CONSONANTS) - 1)
#define N_VOWELS (sizeof(VOWELS) - 1)
#define N_PLAIN (N_CONSONANTS * N_VOWELS * N_CONSONANTS)

/* One word in sixteen is not ASCII, so that whoever cuts a stream at a byte
 * cuts characters, too. */
static const char wide_words[][SL_SIM_TOKEN_BYTES + 1] = {
	" \xe2\x82\xac", /* euro sign */
	" \xe6\xb0\xb4", /* water */
	" \xc3\xa9t",    /* e acute, t */
	" n\xc3\xa4",    /* n, a diaeresis */
	" \xc5\xb3o",    /* u ogonek, o */
	" o\xc3\xb8",    /* o, o slash */
	" \xe2\x86\x92", /* arrow */
	" \xc3\xb1u",    /* n tilde, u */
};

void sl_sim_text_init(struct sl_sim_text *t, uint64_t variant)
{
	XXH64_reset(&t->hash, variant);
}

void sl_sim_text_bytes(struct sl_sim_text *t, struct sl_span bytes)
{
	if (bytes.len)
		XXH64_update(&t->hash, bytes.ptr, bytes.len);
}

void sl_sim_text_message(struct sl_sim_text *t, struct sl_span role, struct sl_span content)
{
	sl_sim_text_bytes(t, role);
	sl_sim_text_bytes(t, SL_SPAN("\x1f"));
	sl_sim_text_bytes(t, content);
	sl_sim_text_bytes(t, SL_SPAN("\x1e"));
}

void sl_sim_text_answer(struct sl_sim_text *t)
{
	sl_sim_text_bytes(t, SL_SPAN("assistant\x1f"));
}

static void make_word(uint64_t number, char out[SL_SIM_TOKEN_BYTES])
{
	size_t n = (size_t)(number >> 4) % N_PLAIN;

	if ((number & 15) == 0) {
		memcpy(out, wide_words[n % SL_COUNT(wide_words)], SL_SIM_TOKEN_BYTES);
		return;
	}
	out[0] = ' ';
	out[1] = CONSONANTS[n % N_CONSONANTS];
	out[2] = VOWELS[n / N_CONSONANTS % N_VOWELS];
	out[3] = CONSONANTS[n / N_CONSONANTS / N_VOWELS];
}

void sl_sim_text_next(struct sl_sim_text *t, char out_token[SL_SIM_TOKEN_BYTES])
{
	make_word(XXH64_digest(&t->hash), out_token);
	XXH64_update(&t->hash, out_token, SL_SIM_TOKEN_BYTES);
}

uint32_t sl_sim_text_natural_tokens(const struct sl_sim_text *t)
{
	return 16 + (uint32_t)((XXH64_digest(&t->hash) >> 32) % 49);
}

bool sl_sim_text_verify(const struct sl_sim_text *t, const char *answer, size_t len)
{
	struct sl_sim_text copy = *t;
	char token[SL_SIM_TOKEN_BYTES];

	for (size_t at = 0; at < len; at += SL_SIM_TOKEN_BYTES) {
		size_t n = len - at < SL_SIM_TOKEN_BYTES ? len - at : SL_SIM_TOKEN_BYTES;

		sl_sim_text_next(&copy, token);
		if (memcmp(answer + at, token, n) != 0)
			return false;
	}
	return true;
}
