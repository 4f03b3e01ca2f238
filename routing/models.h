/* models.h: the names of models, as dense numbers, and for each of them what
 * was learned and which endpoints list it (one bit per slot). */
#ifndef SLUICE_ROUTING_MODELS_H
#define SLUICE_ROUTING_MODELS_H

#include "routing/clusters.h"
#include "routing/common.h"
#include "routing/learn.h"

struct model {
	char *name; /* owned, not terminated */
	size_t name_len;
	struct learn_model learned;
	struct common common;
	uint64_t *endpoints; /* owned; models.n_words words */
	uint32_t n_endpoints;
	bool adapter; /* LoRA */
	bool has_policy;
	enum sl_policy policy; /* where it has one of its own */
	struct ladder ladder;
};

struct models {
	struct model *list; /* owned */
	uint32_t count, cap;
	uint32_t *table; /* owned; open addressing over list, number + 1 */
	uint32_t table_size;
	uint32_t n_words; /* of each set */
};

void models_init(struct models *ms);
void models_fini(struct models *ms);
/* Room for endpoints 0 .. n_slots - 1. */
void models_reserve(struct models *ms, uint32_t n_slots);
/* The number of a name, old or new; SL_NO_MODEL if there are too many. */
uint32_t models_intern(struct models *ms, struct sl_span name);
/* Of a name that is there already, else SL_NO_MODEL. */
uint32_t models_find(const struct models *ms, struct sl_span name);
/* Both are told only of changes: true if there was one. */
bool models_list(struct models *ms, uint32_t model, uint32_t slot);
bool models_unlist(struct models *ms, uint32_t model, uint32_t slot);
static inline bool models_is_listed(const struct models *ms, uint32_t model, uint32_t slot)
{
	return ms->list[model].endpoints[slot / 64] >> slot % 64 & 1;
}

#endif
