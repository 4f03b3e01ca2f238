/* chain.h: the hash chain over a prompt (the prefix index in routing.md).
 *
 * The prompt is a stream of bytes that arrives as segments of the request
 * body. It is cut at absolute stream offsets, every 256 B up to 4 KiB, every
 * 1 KiB up to 32 KiB, every 4 KiB up to 1 MiB and every 16 KiB beyond, so that
 * a longer prompt meets the same boundaries. A block is
 *   local[i] = XXH3_64(bytes of the block)
 *   seq[i]   = XXH3_64(seq[i-1] || local[i]), seq[-1] = the seed
 * both little-endian. The seed may be known last, so the second line is done
 * by chain_seal. A trailing part of a block is counted but not listed. */
#ifndef SLUICE_ROUTING_CHAIN_H
#define SLUICE_ROUTING_CHAIN_H

#include "sluice/facts.h"

#define CHAIN_BLOCKS_INLINE 48
#define CHAIN_STAGE_INLINE 256

struct chain {
	uint64_t begin;  /* stream offset at which the current block begins */
	uint32_t size;   /* of the current block */
	uint32_t staged; /* bytes of it that were copied to `stage` */
	uint32_t open;   /* body offset from which the open segment is unhashed */

	struct sl_block *blocks; /* owned, or blocks_inline */
	uint32_t n_blocks;
	uint32_t cap_blocks;
	unsigned char *stage; /* owned, or stage_inline; for blocks of several segments */
	uint32_t cap_stage;
	struct sl_block blocks_inline[CHAIN_BLOCKS_INLINE];
	unsigned char stage_inline[CHAIN_STAGE_INLINE];
};

/* Length of the block that begins at this stream offset. */
uint32_t chain_block_bytes(uint64_t begin);

void chain_init(struct chain *chain);
void chain_fini(struct chain *chain);
/* Empty again. Keeps its memory up to what a 1 MiB prompt needs. */
void chain_reset(struct chain *chain);

/* A segment begins at body offset off; then, as its bytes arrive, hash what
 * is there of it up to `upto`; then end it. One segment is open at a time.
 * Whole blocks are hashed where they lie, also when they arrived in parts. */
void chain_open(struct chain *chain, uint32_t off);
void chain_extend(struct chain *chain, const char *body, uint32_t upto);
void chain_close(struct chain *chain, const char *body, uint32_t upto);
/* Bytes that do not lie in the body as they are. No segment is open. */
void chain_append(struct chain *chain, const void *bytes, size_t len);
/* A marker of eight bytes, then `fill` bytes that depend on nothing else. */
void chain_mark(struct chain *chain, uint64_t marker, size_t fill);

/* Turns local hashes into chained ones. Once, after the last byte. Returns what
 * the chain goes on with if the trailing part of a block is taken for one. */
uint64_t chain_seal(struct chain *chain, uint64_t seed);

/* Length of the stream; no segment is open. */
static inline uint64_t chain_bytes(const struct chain *chain)
{
	return chain->begin + chain->staged;
}

/* XXH3_64(a || b): the step of this chain, and of any other digest here. */
uint64_t chain_mix(uint64_t a, uint64_t b);

#endif
