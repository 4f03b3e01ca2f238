/* models.c: see models.h. */
#include "routing/models.h"

#include <xxhash.h>

#include "routing/alloc.h"

#define FIRST_TABLE 64u

void models_init(struct models *ms)
{
	*ms = (struct models){ .table_size = FIRST_TABLE };
	ms->table = alloc_zero(FIRST_TABLE, sizeof(*ms->table));
}

void models_fini(struct models *ms)
{
	for (uint32_t i = 0; i < ms->count; i++) {
		free(ms->list[i].name);
		free(ms->list[i].endpoints);
		common_fini(&ms->list[i].common);
	}
	free(ms->list);
	free(ms->table);
}

void models_reserve(struct models *ms, uint32_t n_slots)
{
	uint32_t n_words = (n_slots + 63) / 64;

	if (n_words <= ms->n_words)
		return;
	for (uint32_t i = 0; i < ms->count; i++)
		ms->list[i].endpoints =
		        alloc_extend(ms->list[i].endpoints, ms->n_words, n_words, sizeof(uint64_t));
	ms->n_words = n_words;
}

/* Where the name is in the table, or the free place where it belongs. */
static uint32_t *place_of(const struct models *ms, struct sl_span name)
{
	uint32_t mask = ms->table_size - 1;
	uint32_t at = (uint32_t)XXH3_64bits(name.ptr, name.len) & mask;

	while (ms->table[at]) {
		const struct model *m = &ms->list[ms->table[at] - 1];

		if (sl_span_eq(sl_span(m->name, m->name_len), name))
			break;
		at = (at + 1) & mask;
	}
	return &ms->table[at];
}

static void grow_table(struct models *ms)
{
	free(ms->table);
	ms->table_size *= 2;
	ms->table = alloc_zero(ms->table_size, sizeof(*ms->table));
	for (uint32_t i = 0; i < ms->count; i++)
		*place_of(ms, sl_span(ms->list[i].name, ms->list[i].name_len)) = i + 1;
}

static void append(struct models *ms, struct sl_span name)
{
	struct model *m;

	if (ms->count == ms->cap) {
		ms->cap = ms->cap ? ms->cap * 2 : 8;
		ms->list = alloc_resize(ms->list, ms->cap, sizeof(*ms->list));
	}
	m = &ms->list[ms->count++];
	*m = (struct model){ .name_len = name.len };
	m->name = alloc_resize(NULL, name.len + 1, 1);
	if (name.len)
		memcpy(m->name, name.ptr, name.len);
	m->endpoints = alloc_zero(ms->n_words + 1u, sizeof(uint64_t));
	learn_model_init(&m->learned);
	ladder_init(&m->ladder);
}

uint32_t models_intern(struct models *ms, struct sl_span name)
{
	uint32_t *at = place_of(ms, name);

	if (*at)
		return *at - 1;
	if (ms->count == SL_MAX_MODELS)
		return SL_NO_MODEL;
	append(ms, name);
	*at = ms->count;
	if (ms->count * 2 > ms->table_size)
		grow_table(ms);
	return ms->count - 1;
}

uint32_t models_find(const struct models *ms, struct sl_span name)
{
	uint32_t number = *place_of(ms, name);

	return number ? number - 1 : SL_NO_MODEL;
}

bool models_list(struct models *ms, uint32_t model, uint32_t slot)
{
	uint64_t *word, bit = 1ull << (slot % 64);

	if (model >= ms->count)
		return false;
	word = &ms->list[model].endpoints[slot / 64];
	if (*word & bit)
		return false;
	*word |= bit;
	ms->list[model].n_endpoints++;
	return true;
}

bool models_unlist(struct models *ms, uint32_t model, uint32_t slot)
{
	uint64_t *word = &ms->list[model].endpoints[slot / 64], bit = 1ull << (slot % 64);

	if (!(*word & bit))
		return false;
	*word &= ~bit;
	ms->list[model].n_endpoints--;
	return true;
}
