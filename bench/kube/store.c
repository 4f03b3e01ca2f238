/* store.c: see store.h. */
#include "bench/kube/store.h"

#include <assert.h>
#include <stdlib.h>

/* ---- sets ------------------------------------------------------------ */

/* The first that is not less than the key. */
static uint32_t position(const struct sl_kapi_set *set, const char *key, bool *out_there)
{
	uint32_t low = 0, high = set->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (strcmp(set->sorted[mid]->key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*out_there = low < set->n && !strcmp(set->sorted[low]->key, key);
	return low;
}

uint32_t sl_kapi_set_after(const struct sl_kapi_set *set, const char *key)
{
	bool there;
	uint32_t at = position(set, key, &there);

	return at + there;
}

static void reserve(struct sl_kapi_set *set, uint32_t n)
{
	if (n <= set->cap)
		return;
	set->cap = n > 2 * set->cap ? n : 2 * set->cap;
	set->sorted = realloc(set->sorted, set->cap * sizeof(*set->sorted));
	if (!set->sorted)
		abort();
}

/* version NULL: it is taken out. References are the caller's business. */
static void assign(struct sl_kapi_set *set, const char *key, struct sl_kapi_version *version)
{
	bool there;
	uint32_t at = position(set, key, &there);
	size_t behind = (set->n - at) * sizeof(*set->sorted);

	if (there && version) {
		set->sorted[at] = version;
	} else if (version) {
		reserve(set, set->n + 1);
		memmove(set->sorted + at + 1, set->sorted + at, behind);
		set->sorted[at] = version;
		set->n++;
	} else if (there) {
		memmove(set->sorted + at, set->sorted + at + 1, behind - sizeof(*set->sorted));
		set->n--;
	}
}

void sl_kapi_set_fini(struct sl_kapi_set *set)
{
	free(set->sorted);
	*set = (struct sl_kapi_set){ 0 };
}

/* ---- history --------------------------------------------------------- */

static struct sl_kapi_event *event_at(const struct sl_kapi_store *store, uint32_t i)
{
	return &store->ring[(store->first + i) % store->cap];
}

static void forget_first(struct sl_kapi_store *store)
{
	struct sl_kapi_event *event = event_at(store, 0);

	store->oldest = event->rv;
	sl_kapi_version_unref(event->now);
	sl_kapi_version_unref(event->before);
	store->first = (store->first + 1) % store->cap;
	store->n--;
}

/* Takes both references. */
static void remember(struct sl_kapi_store *store, enum sl_kapi_kind kind,
                     struct sl_kapi_version *now, struct sl_kapi_version *before)
{
	if (store->n == store->cap)
		forget_first(store);
	*event_at(store, store->n++) = (struct sl_kapi_event){ store->rv, kind, now, before };
}

void sl_kapi_store_compact(struct sl_kapi_store *store)
{
	while (store->n)
		forget_first(store);
	store->oldest = store->rv;
}

const struct sl_kapi_event *sl_kapi_store_next(const struct sl_kapi_store *store, uint64_t after)
{
	uint32_t low = 0, high = store->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (event_at(store, mid)->rv <= after)
			low = mid + 1;
		else
			high = mid;
	}
	return low < store->n ? event_at(store, low) : NULL;
}

bool sl_kapi_store_view(const struct sl_kapi_store *store, enum sl_kapi_kind kind, uint64_t rv,
                        struct sl_kapi_set *out_view)
{
	const struct sl_kapi_set *set = &store->sets[kind];
	struct sl_kapi_set view = { 0 };

	if (rv < store->oldest)
		return false;
	reserve(&view, set->n + 1);
	if (set->n)
		memcpy(view.sorted, set->sorted, set->n * sizeof(*set->sorted));
	view.n = set->n;
	for (uint32_t i = store->n; i-- > 0 && event_at(store, i)->rv > rv;) {
		const struct sl_kapi_event *e = event_at(store, i);

		if (e->kind == kind)
			assign(&view, (e->now ? e->now : e->before)->key, e->before);
	}
	*out_view = view;
	return true;
}

/* ---- the store ------------------------------------------------------- */

void sl_kapi_store_init(struct sl_kapi_store *store, uint32_t history, uint64_t rv)
{
	memset(store, 0, sizeof(*store));
	store->rv = store->oldest = rv;
	store->cap = history;
	store->ring = calloc(history, sizeof(*store->ring));
	if (!store->ring)
		abort();
}

void sl_kapi_store_fini(struct sl_kapi_store *store)
{
	sl_kapi_store_compact(store);
	free(store->ring);
	for (size_t k = 0; k < SL_KAPI_KINDS; k++) {
		for (uint32_t i = 0; i < store->sets[k].n; i++)
			sl_kapi_version_unref(store->sets[k].sorted[i]);
		sl_kapi_set_fini(&store->sets[k]);
	}
}

struct sl_kapi_version *sl_kapi_store_find(const struct sl_kapi_store *store,
                                           enum sl_kapi_kind kind, const char *key)
{
	bool there;
	uint32_t at = position(&store->sets[kind], key, &there);

	return there ? store->sets[kind].sorted[at] : NULL;
}

struct sl_kapi_version *sl_kapi_store_put(struct sl_kapi_store *store, enum sl_kapi_kind kind,
                                          cJSON *object)
{
	struct sl_kapi_version *now =
	        sl_kapi_version_new(object, sl_kapi_resource_at(kind), ++store->rv);
	struct sl_kapi_version *before = sl_kapi_store_find(store, kind, now->key);

	assign(&store->sets[kind], now->key, now);
	remember(store, kind, sl_kapi_version_ref(now), before);
	return now;
}

void sl_kapi_store_del(struct sl_kapi_store *store, enum sl_kapi_kind kind, const char *key)
{
	struct sl_kapi_version *before = sl_kapi_store_find(store, kind, key);

	assert(before);
	store->rv++;
	assign(&store->sets[kind], before->key, NULL);
	remember(store, kind, NULL, before);
}
