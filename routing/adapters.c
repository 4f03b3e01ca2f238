/* adapters.c: see adapters.h. */
#include "routing/adapters.h"

#include "routing/alloc.h"

/* What a scrape told of others' requests is believed for so long. */
#define FOREIGN_US 2000000u
/* An engine's page may still hold what has ended so long ago, as for its load. */
#define LINGER_US 500000u

struct adapters *adapters_new(void)
{
	return alloc_zero(1, sizeof(struct adapters));
}

void adapters_free(struct adapters *a)
{
	if (!a)
		return;
	free(a->list);
	free(a);
}

static bool is_live(const struct adapter *ad, uint64_t now_us)
{
	return ad->legs || (ad->foreign_us && now_us < ad->foreign_us + FOREIGN_US);
}

static struct adapter *find(const struct adapters *a, uint32_t model)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (a->list[i].model == model)
			return &a->list[i];
	return NULL;
}

static struct adapter *get(struct adapters *a, uint32_t model)
{
	struct adapter *ad = find(a, model);

	if (ad)
		return ad;
	if (a->n == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 4;
		a->list = alloc_resize(a->list, a->cap, sizeof(*a->list));
	}
	a->list[a->n] = (struct adapter){ .model = model };
	return &a->list[a->n++];
}

uint32_t adapters_loaded(const struct adapters *a)
{
	uint32_t n = 0;

	for (uint32_t i = 0; a && i < a->n; i++)
		n += a->list[i].loaded;
	return n;
}

/* The one whose slot is given away next; NULL: all have work. */
static struct adapter *find_idle(const struct adapters *a, uint64_t now_us)
{
	struct adapter *idle = NULL;

	for (uint32_t i = 0; i < a->n; i++) {
		struct adapter *ad = &a->list[i];

		if (ad->loaded && !is_live(ad, now_us) &&
		    (!idle || ad->used_turn < idle->used_turn))
			idle = ad;
	}
	return idle;
}

/* After every change: no more are loaded than there are slots for, and what
 * is neither loaded nor live is not listed. */
static void trim(struct adapters *a, uint64_t now_us)
{
	uint32_t keep = a->slots ? a->slots : ADAPTERS_KEPT, loaded = adapters_loaded(a), n = 0;
	struct adapter *idle;

	for (; loaded > keep && (idle = find_idle(a, now_us)) != NULL; loaded--)
		idle->loaded = false;
	for (uint32_t i = 0; i < a->n; i++)
		if (a->list[i].loaded || is_live(&a->list[i], now_us))
			a->list[n++] = a->list[i];
	a->n = n;
}

void adapters_enter(struct adapters *a, uint32_t model, uint64_t now_us)
{
	struct adapter *ad = get(a, model);

	a->turn++;
	if (!is_live(ad, now_us))
		ad->live_turn = a->turn;
	ad->legs++;
	ad->loaded = true;
	ad->used_turn = a->turn;
	ad->used_us = now_us;
	trim(a, now_us);
}

void adapters_leave(struct adapters *a, uint32_t model, uint64_t now_us)
{
	struct adapter *ad = find(a, model);

	assert(ad && ad->legs);
	ad->legs--;
	ad->used_turn = ++a->turn;
	ad->used_us = now_us;
	trim(a, now_us);
}

void adapters_unload(struct adapters *a, uint32_t model)
{
	struct adapter *ad = find(a, model);

	if (ad && ad->legs < 2)
		ad->loaded = false;
}

void adapters_forget(struct adapters *a)
{
	for (uint32_t i = 0; i < a->n; i++) {
		a->list[i].loaded = false;
		a->list[i].foreign_us = 0;
	}
	trim(a, 0);
}

/* ---- scrapes ---------------------------------------------------------- */

void adapters_sample_slots(struct adapters *a, uint32_t slots)
{
	a->slots = slots;
}

void adapters_sample_add(struct adapters *a, uint32_t model, bool running, uint64_t taken_us)
{
	struct adapter *ad = get(a, model);
	bool ours = ad->legs || (ad->used_us && taken_us < ad->used_us + LINGER_US);

	a->turn++;
	if (!ours) {
		/* One that runs has a slot, whatever is known of the others. */
		if (!is_live(ad, taken_us))
			ad->live_turn = running ? 0 : a->turn;
		ad->foreign_us = taken_us;
	}
	if (running) {
		ad->loaded = true;
		ad->used_turn = a->turn;
	}
}

void adapters_sample_end(struct adapters *a, uint64_t taken_us)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (a->list[i].foreign_us != taken_us)
			a->list[i].foreign_us = 0;
	trim(a, taken_us);
}

/* ---- decisions -------------------------------------------------------- */

struct adapters_found adapters_find(const struct adapters *a, uint32_t model, uint64_t now_us)
{
	struct adapters_found found = { 0 };
	const struct adapter *ad;
	uint32_t ahead = 0, legs = 0;
	uint64_t turn = UINT64_MAX;

	if (!a)
		return found;
	ad = find(a, model);
	if (ad && is_live(ad, now_us))
		turn = ad->live_turn;
	for (uint32_t i = 0; i < a->n; i++) {
		const struct adapter *other = &a->list[i];

		if (other == ad || !is_live(other, now_us) || other->live_turn > turn)
			continue;
		ahead++;
		legs += other->legs ? other->legs : 1;
	}
	found.slots = a->slots;
	found.loaded = ad && ad->loaded;
	found.displaces = !found.loaded && a->slots && adapters_loaded(a) >= a->slots;
	if (a->slots && ahead >= a->slots) {
		found.missing = ahead - a->slots + 1;
		found.legs_each = (double)legs / ahead;
	}
	return found;
}
