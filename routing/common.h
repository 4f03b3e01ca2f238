/* common.h: how far the prompts of one model are the same.
 *
 * A system prompt that most requests begin with says nothing about where a
 * request belongs. So at each of the first COMMON_BLOCKS boundaries a majority
 * vote (Boyer and Moore) is held among the requests that reach it: equal
 * hashes add a vote up to COMMON_VOTES, others take one away, and at none the
 * next hash stands. A boundary with COMMON_VOTES / 2 votes is common. Votes at
 * a share p of the traffic drift by 2p - 1 a request, so what most requests
 * share is soon common and stays so, what fewer share is not, and gateways
 * that see the same kind of traffic agree without a word; only within a few
 * percent of one half may they differ. */
#ifndef SLUICE_ROUTING_COMMON_H
#define SLUICE_ROUTING_COMMON_H

#include "sluice/facts.h"

#define COMMON_BLOCKS 64u /* up to 112 KiB */
#define COMMON_VOTES 32u

struct common {
	struct common_vote {
		uint64_t hash;
		uint32_t votes;
	} * at; /* owned, COMMON_BLOCKS; NULL before the first prompt */
};

void common_fini(struct common *c);
/* One request more. */
void common_note(struct common *c, const struct sl_facts *facts);
/* How many of this prompt's first blocks are common. */
uint32_t common_blocks(const struct common *c, const struct sl_facts *facts);

#endif
