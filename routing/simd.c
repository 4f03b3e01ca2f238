/* simd.c: string skipping, 64 bytes at a time.
 *
 * A variant differs in how it marks the bytes of a block; what is done with
 * the marks is simd_skip.h. The scalar loop walks characters and is what the
 * others are held against in tests. On x86-64 SSE2 is the baseline and AVX2 is
 * chosen when the program starts; on AArch64 there is NEON.
 *
 * XXH3 comes from the library: on x86-64 with its own dispatch, where the
 * distribution ships that, for the AVX2 variant. */
#include <xxhash.h>

#include "routing/simd.h"
#include "routing/simd_char.h"
#include "sluice/scan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#if __has_include(<xxh_x86dispatch.h>)
#define XXH_DISPATCH_DISABLE_REPLACE
#include <xxh_x86dispatch.h>
#define HASH_AVX2 XXH3_64bits_dispatch
#else
#define HASH_AVX2 XXH3_64bits
#endif
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static const char *skip_scalar(const char *p, const char *end)
{
	while (p < end) {
		unsigned char c = (unsigned char)*p;
		size_t len = 1;

		if (c < 0x20 || c == '"')
			break;
		if (c == '\\' || c >= 0x80)
			len = simd_char(p, end);
		if (len == 0)
			break;
		p += len;
	}
	return p;
}

/* The escapes \/ \n \r \t by the low half of the second byte, for a shuffle by
 * which a byte of them meets itself. \" and \\ are compared for anyhow, the
 * others are rare. An unused place holds what has another low half. */
__attribute__((unused)) static const uint8_t easy_escapes[16] = {
	[0] = 1, ['r' & 15] = 'r', ['t' & 15] = 't', ['n' & 15] = 'n', ['/' & 15] = '/',
};

/* May a bulk loop begin behind this byte? */
__attribute__((unused)) static inline bool is_plain(char c)
{
	return (signed char)c >= ' ' && c != '"' && c != '\\';
}

/* Of a block with backslashes side by side: has it nothing but plain bytes and
 * easy escapes? The maps say which bytes are a backslash, which may stand only
 * behind one, if at all (`stop`), and which make an easy escape behind one.
 * *carry: the first byte is escaped; if all is easy, that of the next block.
 *
 * In a run of backslashes every second one escapes, from the first on. Adding
 * the first bit of a run to all of it clears it; doing so for the runs that
 * begin at even places tells these from the others. */
__attribute__((unused)) static bool is_easy(uint64_t backslash, uint64_t stop, uint64_t easy,
                                            uint64_t *carry)
{
	const uint64_t even = 0x5555555555555555u;
	uint64_t runs = backslash & ~*carry;
	uint64_t firsts = runs & ~(runs << 1);
	uint64_t from_even = runs & ~(runs + (firsts & even));
	uint64_t escapes = (from_even & even) | (runs & ~from_even & ~even);
	uint64_t escaped = escapes << 1 | *carry;

	if ((escaped & ~(easy | backslash)) | (stop & ~escaped))
		return false;
	*carry = escapes >> 63;
	return true;
}

/* The invariant of a bulk loop, at the top of each turn: if the byte before p
 * is a backslash, it escapes the byte at p. So what is escaped is seen by
 * looking one byte back, without anything carried from block to block, as long
 * as no backslash follows another; a block where one does goes to is_easy. */

#if defined(__x86_64__)

/* min(x, 0x1f) == x holds for control characters alone, and movemask reads
 * the top bit, which a byte >= 0x80 has already. */
#define MARK_SSE2(k)                                                                               \
	__m128i x##k = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * (k)));             \
	__m128i s##k = _mm_or_si128(_mm_cmpeq_epi8(x##k, quote),                                   \
	                            _mm_cmpeq_epi8(_mm_min_epu8(x##k, control), x##k));            \
	__m128i o##k = _mm_or_si128(_mm_cmpeq_epi8(x##k, backslash), x##k)
#define BITS_SSE2(v, k) ((uint64_t)(uint32_t)_mm_movemask_epi8(v) << (16 * (k)))

#define CONSTANTS_SSE2                                                                             \
	const __m128i quote = _mm_set1_epi8('"');                                                  \
	const __m128i backslash = _mm_set1_epi8('\\');                                             \
	const __m128i control = _mm_set1_epi8(0x1f)

/* Plain blocks only: without SSSE3's shuffle, escapes are not worth more. */
static inline const char *bulk_sse2(const char *p, const char *end)
{
	CONSTANTS_SSE2;

	for (; end - p >= 64; p += 64) {
		MARK_SSE2(0);
		MARK_SSE2(1);
		MARK_SSE2(2);
		MARK_SSE2(3);
		if (_mm_movemask_epi8(
		            _mm_or_si128(_mm_or_si128(_mm_or_si128(s0, s1), _mm_or_si128(s2, s3)),
		                         _mm_or_si128(_mm_or_si128(o0, o1), _mm_or_si128(o2, o3)))))
			break;
	}
	return p;
}

static inline void mark_sse2(const char *p, uint64_t *out_stop, uint64_t *out_odd)
{
	CONSTANTS_SSE2;

	MARK_SSE2(0);
	MARK_SSE2(1);
	MARK_SSE2(2);
	MARK_SSE2(3);
	*out_stop = BITS_SSE2(s0, 0) | BITS_SSE2(s1, 1) | BITS_SSE2(s2, 2) | BITS_SSE2(s3, 3);
	*out_odd = BITS_SSE2(o0, 0) | BITS_SSE2(o1, 1) | BITS_SSE2(o2, 2) | BITS_SSE2(o3, 3);
}

static inline size_t peek_sse2(const char *p)
{
	CONSTANTS_SSE2;

	MARK_SSE2(0);
	return (size_t)__builtin_ctz((unsigned)_mm_movemask_epi8(_mm_or_si128(s0, o0)) | 1u << 16);
}

#define SIMD_TARGET
#define SIMD_BULK bulk_sse2
#define SIMD_MARK mark_sse2
#define SIMD_PEEK peek_sse2
#define SIMD_PEEK_BYTES 16
#define SIMD_PASS pass_sse2
#define SIMD_LAST last_sse2
#define SIMD_LONG long_sse2
#define SIMD_SKIP skip_sse2
#include "routing/simd_skip.h"

#define TARGET_AVX2 __attribute__((target("avx2")))
#define MARK_AVX2(k)                                                                               \
	__m256i x##k = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * (k)));          \
	__m256i s##k = _mm256_or_si256(_mm256_cmpeq_epi8(x##k, quote),                             \
	                               _mm256_cmpeq_epi8(_mm256_min_epu8(x##k, control), x##k));   \
	__m256i o##k = _mm256_or_si256(_mm256_cmpeq_epi8(x##k, backslash), x##k)
#define BITS_AVX2(v, k) ((uint64_t)(uint32_t)_mm256_movemask_epi8(v) << (32 * (k)))

#define CONSTANTS_AVX2                                                                             \
	const __m256i quote = _mm256_set1_epi8('"');                                               \
	const __m256i backslash = _mm256_set1_epi8('\\');                                          \
	const __m256i control = _mm256_set1_epi8(0x1f)

/* s: may stand only behind a backslash, if at all. As a signed byte, a control
 * character and one >= 0x80 are less than a space. b: behind a backslash. */
#define EASY_AVX2(k)                                                                               \
	__m256i x##k = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * (k)));          \
	__m256i y##k = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * (k)-1));        \
	__m256i q##k = _mm256_cmpeq_epi8(x##k, quote);                                             \
	__m256i s##k = _mm256_or_si256(q##k, _mm256_cmpgt_epi8(space, x##k));                      \
	__m256i b##k = _mm256_cmpeq_epi8(y##k, backslash);                                         \
	__m256i e##k =                                                                             \
	        _mm256_or_si256(q##k, _mm256_cmpeq_epi8(_mm256_shuffle_epi8(easy, x##k), x##k));   \
	__m256i hard##k =                                                                          \
	        _mm256_or_si256(_mm256_andnot_si256(e##k, b##k), _mm256_andnot_si256(b##k, s##k))
#define BACKSLASHES_AVX2(k) BITS_AVX2(_mm256_cmpeq_epi8(x##k, backslash), k)

TARGET_AVX2 static inline const char *bulk_avx2(const char *p, const char *end)
{
	const __m256i quote = _mm256_set1_epi8('"');
	const __m256i backslash = _mm256_set1_epi8('\\');
	const __m256i space = _mm256_set1_epi8(' ');
	const __m256i easy =
	        _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)easy_escapes));

	if (end - p < 65 || !is_plain(*p))
		return p;
	for (p++; end - p >= 64; p += 64) {
		uint64_t carry;

		EASY_AVX2(0);
		EASY_AVX2(1);
		if (!_mm256_movemask_epi8(_mm256_or_si256(hard0, hard1)))
			continue;
		carry = p[-1] == '\\';
		if (!is_easy(BACKSLASHES_AVX2(0) | BACKSLASHES_AVX2(1),
		             BITS_AVX2(s0, 0) | BITS_AVX2(s1, 1),
		             BITS_AVX2(e0, 0) | BITS_AVX2(e1, 1), &carry))
			break;
		if (p[63] == '\\' && !carry)
			return p + 64;
	}
	return p - (p[-1] == '\\');
}

TARGET_AVX2 static inline void mark_avx2(const char *p, uint64_t *out_stop, uint64_t *out_odd)
{
	CONSTANTS_AVX2;

	MARK_AVX2(0);
	MARK_AVX2(1);
	*out_stop = BITS_AVX2(s0, 0) | BITS_AVX2(s1, 1);
	*out_odd = BITS_AVX2(o0, 0) | BITS_AVX2(o1, 1);
}

TARGET_AVX2 static inline size_t peek_avx2(const char *p)
{
	CONSTANTS_AVX2;

	MARK_AVX2(0);
	return (size_t)__builtin_ctzll((uint32_t)_mm256_movemask_epi8(_mm256_or_si256(s0, o0)) |
	                               1ull << 32);
}

#define SIMD_TARGET TARGET_AVX2
#define SIMD_BULK bulk_avx2
#define SIMD_MARK mark_avx2
#define SIMD_PEEK peek_avx2
#define SIMD_PEEK_BYTES 32
#define SIMD_PASS pass_avx2
#define SIMD_LAST last_avx2
#define SIMD_LONG long_avx2
#define SIMD_SKIP skip_avx2
#include "routing/simd_skip.h"

static bool runs_avx2(void)
{
	return __builtin_cpu_supports("avx2") != 0;
}

#elif defined(__aarch64__)

/* NEON has no movemask: every byte keeps one bit of its own, and three
 * pairwise additions gather 64 bytes into 64 bits. */
static inline uint64_t bits_neon(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
	static const uint8_t bit[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
	const uint8x16_t own = vld1q_u8(bit);
	uint8x16_t ab = vpaddq_u8(vandq_u8(a, own), vandq_u8(b, own));
	uint8x16_t cd = vpaddq_u8(vandq_u8(c, own), vandq_u8(d, own));
	uint8x16_t abcd = vpaddq_u8(ab, cd);

	abcd = vpaddq_u8(abcd, abcd);
	return vgetq_lane_u64(vreinterpretq_u64_u8(abcd), 0);
}

#define MARK_NEON(k)                                                                               \
	uint8x16_t x##k = vld1q_u8((const uint8_t *)p + 16 * (k));                                 \
	uint8x16_t s##k = vorrq_u8(vceqq_u8(x##k, quote), vcltq_u8(x##k, space));                  \
	uint8x16_t o##k = vorrq_u8(vceqq_u8(x##k, backslash), vcgeq_u8(x##k, high))

#define CONSTANTS_NEON                                                                             \
	const uint8x16_t quote = vdupq_n_u8('"');                                                  \
	const uint8x16_t backslash = vdupq_n_u8('\\');                                             \
	const uint8x16_t space = vdupq_n_u8(0x20);                                                 \
	const uint8x16_t high = vdupq_n_u8(0x80)

/* s: may stand only behind a backslash, if at all. b: behind a backslash. */
#define EASY_NEON(k)                                                                               \
	uint8x16_t x##k = vld1q_u8((const uint8_t *)p + 16 * (k));                                 \
	uint8x16_t y##k = vld1q_u8((const uint8_t *)p + 16 * (k)-1);                               \
	uint8x16_t q##k = vceqq_u8(x##k, quote);                                                   \
	uint8x16_t s##k = vorrq_u8(q##k, vorrq_u8(vcltq_u8(x##k, space), vcgeq_u8(x##k, high)));   \
	uint8x16_t b##k = vceqq_u8(y##k, backslash);                                               \
	uint8x16_t e##k = vorrq_u8(q##k, vceqq_u8(vqtbl1q_u8(easy, vandq_u8(x##k, low)), x##k));   \
	uint8x16_t hard##k = vbslq_u8(b##k, vmvnq_u8(e##k), s##k)
#define BACKSLASH_NEON(k) vceqq_u8(x##k, backslash)

static inline const char *bulk_neon(const char *p, const char *end)
{
	CONSTANTS_NEON;
	const uint8x16_t low = vdupq_n_u8(0x0f);
	const uint8x16_t easy = vld1q_u8(easy_escapes);

	if (end - p < 65 || !is_plain(*p))
		return p;
	for (p++; end - p >= 64; p += 64) {
		uint64_t carry;

		EASY_NEON(0);
		EASY_NEON(1);
		EASY_NEON(2);
		EASY_NEON(3);
		if (!vmaxvq_u8(vorrq_u8(vorrq_u8(hard0, hard1), vorrq_u8(hard2, hard3))))
			continue;
		carry = p[-1] == '\\';
		if (!is_easy(bits_neon(BACKSLASH_NEON(0), BACKSLASH_NEON(1), BACKSLASH_NEON(2),
		                       BACKSLASH_NEON(3)),
		             bits_neon(s0, s1, s2, s3), bits_neon(e0, e1, e2, e3), &carry))
			break;
		if (p[63] == '\\' && !carry)
			return p + 64;
	}
	return p - (p[-1] == '\\');
}

static inline void mark_neon(const char *p, uint64_t *out_stop, uint64_t *out_odd)
{
	CONSTANTS_NEON;

	MARK_NEON(0);
	MARK_NEON(1);
	MARK_NEON(2);
	MARK_NEON(3);
	*out_stop = bits_neon(s0, s1, s2, s3);
	*out_odd = bits_neon(o0, o1, o2, o3);
}

static inline size_t peek_neon(const char *p)
{
	CONSTANTS_NEON;
	const uint8x16_t none = vdupq_n_u8(0);

	MARK_NEON(0);
	return (size_t)__builtin_ctzll(bits_neon(vorrq_u8(s0, o0), none, none, none) | 1ull << 16);
}

#define SIMD_TARGET
#define SIMD_BULK bulk_neon
#define SIMD_MARK mark_neon
#define SIMD_PEEK peek_neon
#define SIMD_PEEK_BYTES 16
#define SIMD_PASS pass_neon
#define SIMD_LAST last_neon
#define SIMD_LONG long_neon
#define SIMD_SKIP skip_neon
#include "routing/simd_skip.h"

#endif

static bool runs_always(void)
{
	return true;
}

/* From the plainest to the fastest: the last one that runs is the default. */
static const struct {
	struct simd_ops ops;
	bool (*runs)(void);
} variants[] = {
	{ { "scalar", skip_scalar, XXH3_64bits }, runs_always },
#if defined(__x86_64__)
	{ { "sse2", skip_sse2, XXH3_64bits }, runs_always },
	{ { "avx2", skip_avx2, HASH_AVX2 }, runs_avx2 },
#elif defined(__aarch64__)
	{ { "neon", skip_neon, XXH3_64bits }, runs_always },
#endif
};

const struct simd_ops *simd = &variants[0].ops;

__attribute__((constructor)) static void choose_simd(void)
{
	for (size_t i = 0; i < SL_COUNT(variants); i++)
		if (variants[i].runs())
			simd = &variants[i].ops;
}

const struct simd_ops *simd_at(size_t k)
{
	return k < SL_COUNT(variants) ? &variants[k].ops : NULL;
}

bool simd_runs(const struct simd_ops *ops)
{
	for (size_t i = 0; i < SL_COUNT(variants); i++)
		if (&variants[i].ops == ops)
			return variants[i].runs();
	return false;
}

const char *sl_scan_simd_name(void)
{
	return simd->name;
}

bool sl_scan_simd_use(const char *name)
{
	for (size_t i = 0; i < SL_COUNT(variants); i++) {
		if (strcmp(variants[i].ops.name, name) != 0 || !variants[i].runs())
			continue;
		simd = &variants[i].ops;
		return true;
	}
	return false;
}
