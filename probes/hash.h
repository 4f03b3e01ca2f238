/* hash.h: of texts whose hashes nobody sends to us (FNV-1a): equal keys are found by
 * it, and those who choose texts gain nothing by making them collide. */
#ifndef SLUICE_PROBES_HASH_H
#define SLUICE_PROBES_HASH_H

#include "sluice/base.h"

#define HASH_BEGIN 0xcbf29ce484222325ull

static inline uint64_t hash_bytes(uint64_t hash, struct sl_span bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		hash = (hash ^ (unsigned char)bytes.ptr[i]) * 0x100000001b3ull;
	return hash;
}

#endif
