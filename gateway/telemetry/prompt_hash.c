/* prompt_hash.c: see prompt_hash.h. */
#include "gateway/telemetry/prompt_hash.h"

static uint64_t rotated(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static void mix(uint64_t v[4], int rounds)
{
	for (; rounds; rounds--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotated(v[1], 13) ^ v[0];
		v[3] = rotated(v[3], 16) ^ v[2];
		v[0] = rotated(v[0], 32) + v[3];
		v[2] += v[1];
		v[3] = rotated(v[3], 21) ^ v[0];
		v[1] = rotated(v[1], 17) ^ v[2];
		v[2] = rotated(v[2], 32);
	}
}

static void absorb(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	mix(v, 2);
	v[0] ^= word;
}

/* The first `len` of eight bytes, little-endian. */
static uint64_t load(const unsigned char *p, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

uint64_t prompt_key_hash(const struct prompt_key *key, const void *bytes, size_t len)
{
	uint64_t v[4] = { key->k0 ^ 0x736f6d6570736575ull, key->k1 ^ 0x646f72616e646f6dull,
		          key->k0 ^ 0x6c7967656e657261ull, key->k1 ^ 0x7465646279746573ull };
	const unsigned char *p = bytes;
	size_t rest = len % 8;

	for (; p != (const unsigned char *)bytes + (len - rest); p += 8)
		absorb(v, load(p, 8));
	absorb(v, load(p, rest) | (uint64_t)len << 56);
	v[2] ^= 0xff;
	mix(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct prompt_key prompt_key_of(struct sl_span secret)
{
	static const struct prompt_key first = { 1, 0 }, second = { 2, 0 };

	return (struct prompt_key){ prompt_key_hash(&first, secret.ptr, secret.len),
		                    prompt_key_hash(&second, secret.ptr, secret.len) };
}

static void write_hex(char *out, uint32_t x)
{
	static const char hex[] = "0123456789abcdef";

	for (unsigned i = PROMPT_HASH_DIGITS; i-- > 0; x >>= 4)
		out[i] = hex[x & 15];
}

size_t prompt_hash_write(const struct prompt_key *key, const struct sl_block *blocks, uint32_t n,
                         char *out)
{
	size_t used = 0;

	for (uint32_t i = 0; i < n && used < PROMPT_HASH_MOST * PROMPT_HASH_DIGITS; i++) {
		if (blocks[i].end_bytes % PROMPT_HASH_STEP_BYTES)
			continue;
		write_hex(out + used,
		          (uint32_t)prompt_key_hash(key, &blocks[i].hash, sizeof(blocks[i].hash)));
		used += PROMPT_HASH_DIGITS;
	}
	return used;
}
