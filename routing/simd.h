/* simd.h: the two loops whose speed is the scanner's speed, in one variant per
 * instruction set. Every variant returns the same for the same bytes. */
#ifndef SLUICE_ROUTING_SIMD_H
#define SLUICE_ROUTING_SIMD_H

#include "sluice/base.h"

struct simd_ops {
	const char *name; /* "scalar", "sse2", "avx2", "neon" */

	/* Walks the inside of a JSON string over whole, valid characters (plain
	 * bytes, escapes, UTF-8 sequences) and returns where the first other
	 * thing begins: a quote, a control character, a malformed escape or
	 * sequence, one that `end` cuts, or `end`. Never reads at or past end. */
	const char *(*walk)(const char *p, const char *end);

	/* XXH3, 64 bits, no seed. */
	uint64_t (*hash)(const void *data, size_t len);
};

/* What this CPU does best, unless sl_scan_simd_use chose another. Never NULL
 * once main has begun. */
extern const struct simd_ops *simd;

/* The k-th variant of this architecture, or NULL past the last; whether the
 * CPU at hand can run it is simd_runs(). */
const struct simd_ops *simd_at(size_t k);
bool simd_runs(const struct simd_ops *ops);

#endif
