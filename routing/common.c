/* common.c: see common.h. */
#include "routing/common.h"

#include "routing/alloc.h"

void common_fini(struct common *c)
{
	free(c->at);
}

static uint32_t voters(const struct sl_facts *facts)
{
	return facts->n_blocks < COMMON_BLOCKS ? facts->n_blocks : COMMON_BLOCKS;
}

void common_note(struct common *c, const struct sl_facts *facts)
{
	uint32_t n = voters(facts);

	if (n && !c->at)
		c->at = alloc_zero(COMMON_BLOCKS, sizeof(*c->at));
	for (uint32_t i = 0; i < n; i++) {
		struct common_vote *v = &c->at[i];

		if (v->votes == 0)
			v->hash = facts->blocks[i].hash;
		if (v->hash != facts->blocks[i].hash)
			v->votes--;
		else if (v->votes < COMMON_VOTES)
			v->votes++;
	}
}

uint32_t common_blocks(const struct common *c, const struct sl_facts *facts)
{
	uint32_t n = c->at ? voters(facts) : 0, i = 0;

	while (i < n && c->at[i].votes >= COMMON_VOTES / 2 &&
	       c->at[i].hash == facts->blocks[i].hash)
		i++;
	return i;
}
