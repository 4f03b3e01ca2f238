/* simd_skip.h: the skipping loop, included once per instruction set.
 *
 * Before it: SIMD_TARGET (attributes), the names SIMD_SKIP, SIMD_LONG, SIMD_LAST
 * and SIMD_PASS, and three functions:
 *   SIMD_BULK  passes blocks of 64 bytes while they are easy, which no branch
 *              may have to guess: where it stops, a character begins
 *   SIMD_MARK  sets two 64-bit maps of the 64 bytes at p:
 *                stop  a quote or a control character
 *                odd   a backslash or a byte >= 0x80
 *   SIMD_PEEK  how many of the SIMD_PEEK_BYTES bytes at p are before the first
 *              of these
 *
 * A block may begin anywhere, so a character that crosses its end simply makes
 * the next block begin behind it: nothing is carried over. */

/* Walks the odd characters of one block. Returns how far the block was
 * passed; less than 64, or *out_halt set, means the loop ends there. */
SIMD_TARGET static inline size_t SIMD_PASS(const char *p, const char *end, uint64_t stop,
                                           uint64_t odd, bool *out_halt)
{
	while (odd) {
		size_t at = (size_t)__builtin_ctzll(odd);
		size_t len;

		if (stop & (odd ^ (odd - 1)))
			break;
		len = simd_triples(p + at, end, 64 - at);
		if (len == 0)
			len = simd_char(p + at, end);
		*out_halt = len == 0;
		if (len == 0)
			return at;
		at += len;
		if (at >= 64)
			return at;
		odd &= ~0ull << at;
		stop &= ~0ull << at;
	}
	*out_halt = stop != 0;
	return stop ? (size_t)__builtin_ctzll(stop) : 64;
}

/* The last, short block. Padded with quotes, so that the end is a stop like
 * any other. */
SIMD_TARGET __attribute__((noinline)) static const char *SIMD_LAST(const char *p, const char *end)
{
	char block[64];
	uint64_t stop = 0;
	uint64_t odd = 0;
	bool halt;

	memset(block, '"', sizeof(block));
	memcpy(block, p, (size_t)(end - p));
	SIMD_MARK(block, &stop, &odd);
	return p + SIMD_PASS(p, end, stop, odd, &halt);
}

SIMD_TARGET __attribute__((noinline)) static const char *SIMD_LONG(const char *p, const char *end)
{
	uint64_t stop = 0;
	uint64_t odd = 0;
	bool halt = false;

	while ((p = SIMD_BULK(p, end)), end - p >= 64) {
		SIMD_MARK(p, &stop, &odd);
		p += SIMD_PASS(p, end, stop, odd, &halt);
		if (halt)
			return p;
	}
	return p == end ? p : SIMD_LAST(p, end);
}

/* Keys and words are short and plain: one look at a few bytes sees their end. */
SIMD_TARGET static const char *SIMD_SKIP(const char *p, const char *end)
{
	size_t plain;

	if (end - p < SIMD_PEEK_BYTES)
		return SIMD_LONG(p, end);
	plain = SIMD_PEEK(p);
	if (plain < SIMD_PEEK_BYTES && p[plain] == '"')
		return p + plain;
	return SIMD_LONG(p + plain, end);
}
#undef SIMD_SKIP
#undef SIMD_LONG
#undef SIMD_LAST
#undef SIMD_PASS
#undef SIMD_MARK
#undef SIMD_BULK
#undef SIMD_PEEK
#undef SIMD_PEEK_BYTES
#undef SIMD_TARGET
