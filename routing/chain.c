/* chain.c: cuts the prompt stream into blocks and hashes each as soon as it is
 * whole, while its bytes are warm.
 *
 * Of the current block, the bytes of earlier segments are in `stage`; those
 * of the open segment are still in the body, from `open` on. So at most one
 * of these holds: nothing is staged, and a block that fits into the open
 * segment is hashed in place; or the staged bytes are completed first.
 *
 * The seed of XXH3 is never used: a seeded call builds its secret of 192
 * bytes anew each time. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>

#include "routing/chain.h"
#include "routing/simd.h"

#define CHAIN_BLOCKS_KEPT 512 /* 16 + 28 + 248 blocks are 1 MiB */
#define CHAIN_STAGE_KEPT 4096

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "replicas compare chains: on a big-endian machine, swap in chain_mix");

uint64_t chain_mix(uint64_t a, uint64_t b)
{
	uint64_t pair[2] = { a, b };

	return XXH3_64bits(pair, sizeof(pair));
}

uint32_t chain_block_bytes(uint64_t begin)
{
	if (begin < 4096)
		return 256;
	if (begin < 32768)
		return 1024;
	return begin < 1024 * 1024 ? 4096 : 16384;
}

void chain_init(struct chain *chain)
{
	chain->blocks = chain->blocks_inline;
	chain->cap_blocks = CHAIN_BLOCKS_INLINE;
	chain->stage = chain->stage_inline;
	chain->cap_stage = CHAIN_STAGE_INLINE;
	chain_reset(chain);
}

static void drop_blocks(struct chain *chain)
{
	if (chain->blocks != chain->blocks_inline)
		free(chain->blocks);
	chain->blocks = chain->blocks_inline;
	chain->cap_blocks = CHAIN_BLOCKS_INLINE;
}

static void drop_stage(struct chain *chain)
{
	if (chain->stage != chain->stage_inline)
		free(chain->stage);
	chain->stage = chain->stage_inline;
	chain->cap_stage = CHAIN_STAGE_INLINE;
}

void chain_fini(struct chain *chain)
{
	drop_blocks(chain);
	drop_stage(chain);
}

void chain_reset(struct chain *chain)
{
	chain->begin = 0;
	chain->size = chain_block_bytes(0);
	chain->staged = 0;
	chain->open = 0;
	chain->n_blocks = 0;
	if (chain->cap_blocks > CHAIN_BLOCKS_KEPT)
		drop_blocks(chain);
	if (chain->cap_stage > CHAIN_STAGE_KEPT)
		drop_stage(chain);
}

/* A list of 16 bytes per 16 KiB of body and a stage of 16 KiB are small
 * against the body, which was charged to a budget. */
static void *grow(void *inline_memory, void *memory, size_t used, size_t bytes)
{
	void *more = realloc(memory == inline_memory ? NULL : memory, bytes);

	if (!more)
		abort();
	if (memory == inline_memory)
		memcpy(more, inline_memory, used);
	return more;
}

static void grow_blocks(struct chain *chain)
{
	uint32_t cap = chain->cap_blocks * 2;

	chain->blocks =
	        grow(chain->blocks_inline, chain->blocks, chain->n_blocks * sizeof(*chain->blocks),
	             cap * sizeof(*chain->blocks));
	chain->cap_blocks = cap;
}

static void grow_stage(struct chain *chain)
{
	chain->stage = grow(chain->stage_inline, chain->stage, chain->staged, chain->size);
	chain->cap_stage = chain->size;
}

static void emit(struct chain *chain, const void *bytes)
{
	uint64_t end = chain->begin + chain->size;

	if (chain->n_blocks == chain->cap_blocks)
		grow_blocks(chain);
	/* Past 4 GiB nothing more is listed: markers can make the stream
	 * longer than a body, whose own offsets are 32 bits wide. */
	if (end <= UINT32_MAX)
		chain->blocks[chain->n_blocks++] = (struct sl_block){
			.hash = simd->hash(bytes, chain->size),
			.end_bytes = (uint32_t)end,
		};
	chain->begin = end;
	chain->size = chain_block_bytes(end);
	chain->staged = 0;
}

/* Takes up to len bytes towards the end of the current block. */
static size_t stage(struct chain *chain, const void *bytes, size_t len)
{
	size_t room = chain->size - chain->staged;
	size_t take = len < room ? len : room;

	if (chain->size > chain->cap_stage)
		grow_stage(chain);
	memcpy(chain->stage + chain->staged, bytes, take);
	chain->staged += (uint32_t)take;
	if (take == room)
		emit(chain, chain->stage);
	return take;
}

void chain_open(struct chain *chain, uint32_t off)
{
	chain->open = off;
}

void chain_extend(struct chain *chain, const char *body, uint32_t upto)
{
	uint32_t off = chain->open;

	if (chain->staged && off < upto)
		off += (uint32_t)stage(chain, body + off, upto - off);
	while (upto - off >= chain->size) {
		uint32_t size = chain->size;

		emit(chain, body + off);
		off += size;
	}
	chain->open = off;
}

void chain_close(struct chain *chain, const char *body, uint32_t upto)
{
	chain_extend(chain, body, upto);
	if (chain->open < upto)
		stage(chain, body + chain->open, upto - chain->open);
	chain->open = upto;
}

void chain_append(struct chain *chain, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	/* Mostly the eight bytes of a marker. */
	if (len < chain->size - chain->staged && chain->size <= chain->cap_stage) {
		memcpy(chain->stage + chain->staged, p, len);
		chain->staged += (uint32_t)len;
		return;
	}
	while (len > 0) {
		size_t took = stage(chain, p, len);

		p += took;
		len -= took;
	}
}

void chain_mark(struct chain *chain, uint64_t marker, size_t fill)
{
	uint64_t pattern[32];

	chain_append(chain, &marker, sizeof(marker));
	if (fill == 0)
		return;
	for (size_t i = 0; i < SL_COUNT(pattern); i++)
		pattern[i] = marker;
	for (; fill > sizeof(pattern); fill -= sizeof(pattern))
		chain_append(chain, pattern, sizeof(pattern));
	chain_append(chain, pattern, fill);
}

uint64_t chain_seal(struct chain *chain, uint64_t seed)
{
	uint64_t seq = seed;

	for (uint32_t i = 0; i < chain->n_blocks; i++) {
		seq = chain_mix(seq, chain->blocks[i].hash);
		chain->blocks[i].hash = seq;
	}
	return chain_mix(seq, simd->hash(chain->stage, chain->staged));
}
