/* scan_token.c: the insides of strings, numbers and literals as automata whose
 * state is one byte, so that a token may be cut anywhere.
 *
 * Strings are passed by simd->walk wherever whole characters lie before the
 * end; the automaton takes the byte at which that stopped, and thereby finds
 * the exact place of an error and carries a character over a cut. */
#include "routing/scan_state.h"
#include "routing/simd.h"
#include "routing/simd_char.h"

enum {
	TEXT, /* between characters */
	ESCAPE,
	HEX4, /* four hex digits to come */
	HEX3,
	HEX2,
	HEX1,
	TAIL1, /* one more byte of a UTF-8 sequence */
	TAIL2,
	TAIL3,
	TAIL2_E0, /* no overlong form */
	TAIL2_ED, /* no surrogate */
	TAIL3_F0, /* no overlong form */
	TAIL3_F4, /* nothing above U+10FFFF */
};

/* Inside a sequence: the bytes that go on with it, and the state then. */
static const struct {
	uint8_t low;
	uint8_t high;
	uint8_t next;
} tails[] = {
	[TAIL1] = { 0x80, 0xbf, TEXT },     [TAIL2] = { 0x80, 0xbf, TAIL1 },
	[TAIL3] = { 0x80, 0xbf, TAIL2 },    [TAIL2_E0] = { 0xa0, 0xbf, TAIL1 },
	[TAIL2_ED] = { 0x80, 0x9f, TAIL1 }, [TAIL3_F0] = { 0x90, 0xbf, TAIL2 },
	[TAIL3_F4] = { 0x80, 0x8f, TAIL2 },
};

/* The state behind the first byte of a sequence; TEXT if it begins none. */
static uint8_t after_lead(unsigned char c)
{
	static const uint8_t special[256] = {
		[0xe0] = TAIL2_E0,
		[0xed] = TAIL2_ED,
		[0xf0] = TAIL3_F0,
		[0xf4] = TAIL3_F4,
	};

	if (special[c])
		return special[c];
	if (c >= 0xc2 && c < 0xe0)
		return TAIL1;
	if (c >= 0xe1 && c < 0xf0)
		return TAIL2;
	return c >= 0xf1 && c < 0xf4 ? TAIL3 : TEXT;
}

/* One byte that does not end the string. */
static int string_byte(struct sl_scan *scan, unsigned char c)
{
	if (scan->sub == TEXT) {
		scan->sub = c == '\\' ? (uint8_t)ESCAPE : after_lead(c);
		if (scan->sub == TEXT && c >= 0x80)
			return SL_E_BAD_UTF8;
		return c < 0x20 ? SL_E_BAD_JSON : 0;
	}
	if (scan->sub == ESCAPE) {
		scan->sub = c == 'u' ? HEX4 : TEXT;
		return simd_escape_len[c] ? 0 : SL_E_BAD_JSON;
	}
	if (scan->sub <= HEX1) {
		scan->sub = scan->sub == HEX1 ? TEXT : (uint8_t)(scan->sub + 1);
		return simd_is_hex(c) ? 0 : SL_E_BAD_JSON;
	}
	if (c < tails[scan->sub].low || c > tails[scan->sub].high)
		return SL_E_BAD_UTF8;
	scan->sub = tails[scan->sub].next;
	return 0;
}

const char *scan_string(struct sl_scan *scan, const char *p, const char *end)
{
	while (p < end) {
		int err;

		if (scan->sub == TEXT) {
			p = simd->walk(p, end);
			if (p == end || *p == '"')
				return p;
		}
		err = string_byte(scan, (unsigned char)*p);
		if (err)
			return scan_fail(scan, p, err);
		p++;
	}
	return p;
}

/* ---- numbers ---------------------------------------------------------- */

enum { START, MINUS, ZERO, WHOLE, DOT, FRACTION, EXP, EXP_SIGN, EXPONENT, NUMBER_STATES };
enum { OTHER, DIGIT0, DIGIT, POINT, LETTER_E, PLUS, DASH, CLASSES };

static const uint8_t class_of[256] = {
	['0'] = DIGIT0, ['1'] = DIGIT,    ['2'] = DIGIT,    ['3'] = DIGIT, ['4'] = DIGIT,
	['5'] = DIGIT,  ['6'] = DIGIT,    ['7'] = DIGIT,    ['8'] = DIGIT, ['9'] = DIGIT,
	['.'] = POINT,  ['e'] = LETTER_E, ['E'] = LETTER_E, ['+'] = PLUS,  ['-'] = DASH,
};

/* 0 (START): the byte does not go on with the number. */
static const uint8_t number_next[NUMBER_STATES][CLASSES] = {
	[START] = { [DASH] = MINUS, [DIGIT0] = ZERO, [DIGIT] = WHOLE },
	[MINUS] = { [DIGIT0] = ZERO, [DIGIT] = WHOLE },
	[ZERO] = { [POINT] = DOT, [LETTER_E] = EXP },
	[WHOLE] = { [DIGIT0] = WHOLE, [DIGIT] = WHOLE, [POINT] = DOT, [LETTER_E] = EXP },
	[DOT] = { [DIGIT0] = FRACTION, [DIGIT] = FRACTION },
	[FRACTION] = { [DIGIT0] = FRACTION, [DIGIT] = FRACTION, [LETTER_E] = EXP },
	[EXP] = { [DIGIT0] = EXPONENT, [DIGIT] = EXPONENT, [PLUS] = EXP_SIGN, [DASH] = EXP_SIGN },
	[EXP_SIGN] = { [DIGIT0] = EXPONENT, [DIGIT] = EXPONENT },
	[EXPONENT] = { [DIGIT0] = EXPONENT, [DIGIT] = EXPONENT },
};

static bool number_is_whole(uint8_t state)
{
	return state == ZERO || state == WHOLE || state == FRACTION || state == EXPONENT;
}

const char *scan_number(struct sl_scan *scan, const char *p, const char *end, bool *out_done)
{
	uint8_t state = scan->sub;

	for (; p < end; p++) {
		uint8_t next = number_next[state][class_of[(unsigned char)*p]];

		if (!next) {
			scan->sub = 0;
			*out_done = number_is_whole(state);
			return *out_done ? p : scan_fail(scan, p, SL_E_BAD_JSON);
		}
		state = next;
	}
	scan->sub = state;
	return p;
}

/* ---- literals --------------------------------------------------------- */

const char *scan_literal(struct sl_scan *scan, const char *p, const char *end, bool *out_done)
{
	char first = scan->body[scan->token_off];
	const char *word = first == 't' ? "true" : first == 'f' ? "false" : "null";

	for (; p < end && word[scan->sub]; p++, scan->sub++)
		if (*p != word[scan->sub])
			return scan_fail(scan, p, SL_E_BAD_JSON);
	if (!word[scan->sub]) {
		scan->sub = 0;
		*out_done = true;
	}
	return p;
}
