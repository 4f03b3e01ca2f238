/* prompt.c: words by chance, but always the same ones. See prompt.h. */
#include "bench/load/prompt.h"

#define W(literal)                                                                                 \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

static const struct sl_span plain_words[] = {
	W("the "),      W("of "),       W("and "),      W("to "),       W("in "),
	W("is "),       W("for "),      W("that "),     W("with "),     W("as "),
	W("on "),       W("by "),       W("this "),     W("from "),     W("are "),
	W("which "),    W("when "),     W("after "),    W("before "),   W("between "),
	W("water "),    W("gate "),     W("river "),    W("level "),    W("basin "),
	W("channel "),  W("pressure "), W("stream "),   W("harbour "),  W("measure "),
	W("request "),  W("answer "),   W("engine "),   W("memory "),   W("context "),
	W("question "), W("summary "),  W("document "), W("history "),  W("example "),
	W("explain "),  W("compare "),  W("describe "), W("consider "), W("translate "),
	W("first "),    W("second "),   W("every "),    W("another "),  W("several "),
	W("small "),    W("large "),    W("early "),    W("late "),     W("open "),
	W("closed "),   W("north "),    W("south "),    W("winter "),   W("summer "),
	W("seven "),    W("twelve "),   W("hundred "),  W("thousand "),
};

static const struct sl_span odd_words[] = {
	W(".\n"),
	W("\"quoted\" "),
	W("C:\\path\\n "),
	W("\tindented "),
	W("caf\xc3\xa9 "),
	W("na\xc3\xafve "),
	W("\xe6\xb0\xb4\xe9\x97\xa8 "), /* water gate */
	W("\xe2\x82\xac 12,50 "),       /* euro */
	W("\xf0\x9f\x8c\x8a "),         /* a wave, beyond the basic plane */
	W("{\"role\":\"user\"} "),
	W("data: [DONE]\n\n"),
	W("\xe2\x80\xa8"), /* U+2028, a line end to some readers */
	W("</s> "),
};

/* splitmix64's finaliser: neighbouring ids must not give similar texts. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

struct sl_rng sl_prompt_rng(uint64_t seed, uint64_t id)
{
	uint64_t state = mix(mix(seed) ^ id);

	return (struct sl_rng){ state ? state : 1 };
}

static const struct sl_span *next_word(struct sl_rng *rng)
{
	uint64_t r = sl_rng_next(rng) >> 16;
	uint64_t which = r >> 5;

	if (r % 32 == 0)
		return &odd_words[which % SL_COUNT(odd_words)];
	return &plain_words[which % SL_COUNT(plain_words)];
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* word[0..n) is copied; what is left of a character cut by n becomes stops. */
static void put_cut_word(char *to, const struct sl_span *word, size_t n)
{
	size_t whole = n;

	while (whole && is_continuation(word->ptr[whole]))
		whole--;
	memcpy(to, word->ptr, whole);
	memset(to + whole, '.', n - whole);
}

void sl_prompt_block(uint64_t seed, uint64_t id, char *buf, size_t len)
{
	struct sl_rng rng = sl_prompt_rng(seed, id);
	size_t at = 0;

	while (at < len) {
		const struct sl_span *word = next_word(&rng);

		if (word->len > len - at) {
			put_cut_word(buf + at, word, len - at);
			return;
		}
		memcpy(buf + at, word->ptr, word->len);
		at += word->len;
	}
}
