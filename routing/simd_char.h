/* simd_char.h: the length of one character inside a JSON string that is not a
 * plain ASCII byte. Shared by every variant of the skipping loop. */
#ifndef SLUICE_ROUTING_SIMD_CHAR_H
#define SLUICE_ROUTING_SIMD_CHAR_H

#include "sluice/base.h"

/* How many bytes an escape has, by the byte behind the backslash. */
static const uint8_t simd_escape_len[256] = {
	['"'] = 2, ['\\'] = 2, ['/'] = 2, ['b'] = 2, ['f'] = 2,
	['n'] = 2, ['r'] = 2,  ['t'] = 2, ['u'] = 6,
};

static inline bool simd_is_hex(unsigned char c)
{
	return (unsigned)(c - '0') < 10u || (unsigned)((c | 0x20) - 'a') < 6u;
}

static inline bool simd_is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* A lone \ud800 is an escape like any other here: RFC 8259 allows it by its
 * grammar, and the engines' own parsers take it. */
static inline size_t simd_escape(const unsigned char *p, size_t avail)
{
	size_t len;

	if (avail < 2)
		return 0;
	len = simd_escape_len[p[1]];
	if (len != 6)
		return len;
	if (avail < 6)
		return 0;
	return simd_is_hex(p[2]) && simd_is_hex(p[3]) && simd_is_hex(p[4]) && simd_is_hex(p[5]) ? 6
	                                                                                        : 0;
}

/* Table 3-7 of the Unicode standard: no overlong form, no surrogate, nothing
 * above U+10FFFF. */
static inline size_t simd_utf8(const unsigned char *p, size_t avail)
{
	unsigned lead = p[0];

	if (lead >= 0xe0 && lead < 0xf0) {
		if (avail < 3 || !simd_is_tail(p[1]) || !simd_is_tail(p[2]))
			return 0;
		return (lead == 0xe0 && p[1] < 0xa0) || (lead == 0xed && p[1] >= 0xa0) ? 0 : 3;
	}
	if (lead >= 0xc2 && lead < 0xe0)
		return avail >= 2 && simd_is_tail(p[1]) ? 2 : 0;
	if (lead < 0xf0 || lead > 0xf4 || avail < 4)
		return 0;
	if (!simd_is_tail(p[1]) || !simd_is_tail(p[2]) || !simd_is_tail(p[3]))
		return 0;
	return (lead == 0xf0 && p[1] < 0x90) || (lead == 0xf4 && p[1] >= 0x90) ? 0 : 4;
}

/* How far whole sequences of three bytes, as most scripts outside Europe have,
 * follow each other from p, up to `want` bytes or a little beyond. With the
 * bytes in the order of a little-endian word: 1110xxxx 10xxxxxx 10xxxxxx, and
 * of the five upper bits of the code point neither 0 (an overlong form) nor
 * 11011 (a surrogate). */
static inline size_t simd_triples(const char *p, const char *end, size_t want)
{
	size_t n = 0;
	uint32_t word;

	while (n < want && (size_t)(end - p) >= n + sizeof(word)) {
		memcpy(&word, p + n, sizeof(word));
		if ((word & 0xc0c0f0) != 0x8080e0 || (word & 0x200f) == 0 ||
		    (word & 0x200f) == 0x200d)
			break;
		n += 3;
	}
	return n;
}

/* Bytes of the escape or UTF-8 sequence at p (backslash or >= 0x80), or 0 if
 * it is malformed or longer than what is there. */
static inline size_t simd_char(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t avail = (size_t)(end - p);

	return *u == '\\' ? simd_escape(u, avail) : simd_utf8(u, avail);
}

#endif
