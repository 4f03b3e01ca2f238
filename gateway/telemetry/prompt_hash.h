/* prompt_hash.h: keyed hashes of the beginnings of prompts, for the access log.
 *
 * They tell which requests had a beginning in common, and nothing else: each
 * is 32 bits of SipHash-2-4 (Aumasson, Bernstein 2012) of a boundary of the
 * router's hash chain, and who does not have the key cannot try out a prompt.
 * Who has it can; so it is a secret. Equal keys make equal hashes, over
 * restarts and on all gateways. */
#ifndef SLUICE_TELEMETRY_PROMPT_HASH_H
#define SLUICE_TELEMETRY_PROMPT_HASH_H

#include "sluice/facts.h"

/* Boundaries are logged where they are multiples of this: 2 KiB apart up to
 * 32 KiB, 4 KiB up to 1 MiB, then 16 KiB (routing's chain). Replays know it. */
#define PROMPT_HASH_STEP_BYTES 2048u
#define PROMPT_HASH_DIGITS 8u
#define PROMPT_HASH_MOST 512u /* of one prompt */

struct prompt_key {
	uint64_t k0, k1;
};

struct prompt_key prompt_key_of(struct sl_span secret);
/* SipHash-2-4 of bytes. */
uint64_t prompt_key_hash(const struct prompt_key *key, const void *bytes, size_t len);
/* Writes eight hex digits for each logged boundary, no NUL. out holds
 * PROMPT_HASH_MOST * PROMPT_HASH_DIGITS bytes; returns those written. */
size_t prompt_hash_write(const struct prompt_key *key, const struct sl_block *blocks, uint32_t n,
                         char *out);

#endif
