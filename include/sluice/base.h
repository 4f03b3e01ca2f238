/* base.h: the few words every module shares. No third-party include here. */
#ifndef SLUICE_BASE_H
#define SLUICE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SL_MUST_CHECK __attribute__((warn_unused_result))
#define SL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define SL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Bytes that belong to somebody else; who, and until when, is said where a
 * span is handed over. Never NUL-terminated by contract. */
struct sl_span {
	const char *ptr;
	size_t len;
};

#define SL_SPAN(literal) ((struct sl_span){ (literal), sizeof(literal) - 1 })

static inline struct sl_span sl_span(const char *ptr, size_t len)
{
	return (struct sl_span){ ptr, len };
}

static inline struct sl_span sl_span_str(const char *str)
{
	return (struct sl_span){ str, str ? strlen(str) : 0 };
}

static inline bool sl_span_eq(struct sl_span a, struct sl_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII case-insensitive equality, for HTTP field names and tokens. */
static inline bool sl_span_ieq(struct sl_span a, struct sl_span b)
{
	if (a.len != b.len)
		return false;
	if (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0)
		return true;
	for (size_t i = 0; i < a.len; i++) {
		unsigned char x = (unsigned char)a.ptr[i];
		unsigned char y = (unsigned char)b.ptr[i];

		if (x >= 'A' && x <= 'Z')
			x |= 0x20;
		if (y >= 'A' && y <= 'Z')
			y |= 0x20;
		if (x != y)
			return false;
	}
	return true;
}

/* A small deterministic generator (xorshift64*), so that pure code can take
 * randomness as an argument and a recorded decision replays bit for bit. */
struct sl_rng {
	uint64_t state; /* never 0 */
};

static inline uint64_t sl_rng_next(struct sl_rng *rng)
{
	uint64_t x = rng->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	rng->state = x;
	return x * 0x2545f4914f6cdd1dull;
}

#endif
