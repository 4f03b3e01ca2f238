/* kube_store.c: what an API server was heard to have, and the engines of it.
 *
 * An object is kept as its engines, under NAMESPACE/NAME; its uid tells a new
 * one of the same name from the old. A list that is put between _begin and
 * _end is believed to be all: what it lacks is gone by the end, not before, so
 * that a list which breaks off takes nothing away. */
#include <stdlib.h>

#include "probes/kube_object.h"
#include "probes/kube_preset.h"

struct entry {
	char *namespace_, *name, *uid; /* owned */
	struct kube_engines engines;   /* owned */
	bool seen;                     /* since _begin */
};

struct sl_kube_store {
	const struct sl_kube_rules *rules; /* borrowed */
	struct entry **entries;            /* owned, by namespace and name */
	uint32_t n, size;
	uint32_t left_out;
	bool changed;
};

static void engines_fini(struct kube_engines *e)
{
	sl_server_set_unref(e->set);
	free(e->pair);
}

static void entry_free(struct entry *e)
{
	engines_fini(&e->engines);
	free(e->namespace_);
	free(e->name);
	free(e->uid);
	free(e);
}

struct sl_kube_store *sl_kube_store_new(const struct sl_kube_rules *rules)
{
	struct sl_kube_store *store = calloc(1, sizeof(*store));

	if (!store)
		abort();
	store->rules = rules;
	return store;
}

void sl_kube_store_free(struct sl_kube_store *store)
{
	for (uint32_t i = 0; i < store->n; i++)
		entry_free(store->entries[i]);
	free(store->entries);
	free(store);
}

/* ---- entries --------------------------------------------------------- */

static int compare(const struct entry *e, const struct kube_identity *id)
{
	int order = strcmp(e->namespace_, id->namespace_);

	return order ? order : strcmp(e->name, id->name);
}

/* Where it is, or would be. Lists come in this order: the end is looked at first. */
static uint32_t place_of(const struct sl_kube_store *store, const struct kube_identity *id)
{
	uint32_t low = 0, high = store->n;

	if (high && compare(store->entries[high - 1], id) < 0)
		return high;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare(store->entries[middle], id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct entry *entry_at(const struct sl_kube_store *store, uint32_t at,
                              const struct kube_identity *id)
{
	return at < store->n && !compare(store->entries[at], id) ? store->entries[at] : NULL;
}

static struct entry *entry_add(struct sl_kube_store *store, uint32_t at,
                               const struct kube_identity *id)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (store->n == store->size) {
		store->size = store->size ? 2 * store->size : 64;
		store->entries = realloc(store->entries, store->size * sizeof(*store->entries));
	}
	if (!e || !store->entries)
		abort();
	memmove(store->entries + at + 1, store->entries + at,
	        (store->n - at) * sizeof(*store->entries));
	store->entries[at] = e;
	store->n++;
	e->namespace_ = strdup(id->namespace_);
	e->name = strdup(id->name);
	e->uid = strdup(id->uid);
	return e;
}

static void entry_set(struct sl_kube_store *store, struct entry *e, const char *uid,
                      struct kube_engines *engines)
{
	if (!e->engines.set || strcmp(e->engines.pair, engines->pair) != 0 ||
	    !sl_server_set_equal(e->engines.set, engines->set))
		store->changed = true;
	engines_fini(&e->engines);
	e->engines = *engines;
	e->seen = true;
	if (strcmp(e->uid, uid) != 0) {
		free(e->uid);
		e->uid = strdup(uid);
	}
}

/* ---- what happens ---------------------------------------------------- */

void sl_kube_store_begin(struct sl_kube_store *store)
{
	store->left_out = 0;
	for (uint32_t i = 0; i < store->n; i++)
		store->entries[i]->seen = false;
}

void sl_kube_store_end(struct sl_kube_store *store)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < store->n; i++) {
		struct entry *e = store->entries[i];

		if (e->seen) {
			store->entries[kept++] = e;
			continue;
		}
		store->changed |= e->engines.set->n > 0;
		entry_free(e);
	}
	store->n = kept;
}

void sl_kube_store_put(struct sl_kube_store *store, const struct sl_kube_object *o)
{
	const struct kube_identity id = kube_identity_of(o);
	uint32_t at = place_of(store, &id);
	struct entry *e = entry_at(store, at, &id);
	struct kube_engines engines = { 0 };

	if (!*id.name || (!e && store->n == SL_KUBE_MAX_OBJECTS)) {
		store->left_out++;
		return;
	}
	if (store->rules->conf->watch == SL_WATCH_SLICES)
		kube_slice_engines(store->rules, o, &engines);
	else
		kube_pod_engines(store->rules, o, &engines);
	entry_set(store, e ? e : entry_add(store, at, &id), id.uid, &engines);
}

void sl_kube_store_del(struct sl_kube_store *store, const struct sl_kube_object *o)
{
	const struct kube_identity id = kube_identity_of(o);
	uint32_t at = place_of(store, &id);
	struct entry *e = entry_at(store, at, &id);

	if (!e || strcmp(e->uid, id.uid) != 0)
		return; /* its successor is there already */
	store->changed |= e->engines.set->n > 0;
	entry_free(e);
	store->n--;
	memmove(store->entries + at, store->entries + at + 1,
	        (store->n - at) * sizeof(*store->entries));
}

bool sl_kube_store_changed(struct sl_kube_store *store)
{
	bool changed = store->changed;

	store->changed = false;
	return changed;
}

struct sl_kube_counts sl_kube_store_counts(const struct sl_kube_store *store)
{
	struct sl_kube_counts counts = { .objects = store->n,
		                         .why = "",
		                         .left_out = store->left_out };

	for (uint32_t i = 0; i < store->n; i++) {
		const char *why = store->entries[i]->engines.why;

		if (!*why)
			continue;
		if (!counts.idle)
			counts.why = why;
		counts.idle++;
	}
	return counts;
}

/* ---- pairs ----------------------------------------------------------- */

struct pair {
	const char *name; /* borrowed from its entry */
	unsigned roles;   /* bits of sl_role */
};

struct pairs {
	struct pair *pair; /* owned, by name, each once */
	uint32_t n;
};

static int by_pair(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

static unsigned roles_in(const struct sl_server_set *set)
{
	unsigned roles = 0;

	for (uint32_t i = 0; i < set->n; i++)
		if (set->servers[i].found.has_role)
			roles |= 1u << set->servers[i].found.role;
	return roles;
}

static struct pairs pairs_of(const struct sl_kube_store *store)
{
	struct pairs pairs = { calloc(store->n + 1, sizeof(struct pair)), 0 };
	uint32_t n = 0;

	if (!pairs.pair)
		abort();
	for (uint32_t i = 0; i < store->n; i++)
		if (*store->entries[i]->engines.pair)
			pairs.pair[n++] = (struct pair){ store->entries[i]->engines.pair,
				                         roles_in(store->entries[i]->engines.set) };
	qsort(pairs.pair, n, sizeof(*pairs.pair), by_pair);
	for (uint32_t i = 0; i < n; i++) {
		if (pairs.n && !by_pair(&pairs.pair[pairs.n - 1], &pairs.pair[i]))
			pairs.pair[pairs.n - 1].roles |= pairs.pair[i].roles;
		else
			pairs.pair[pairs.n++] = pairs.pair[i];
	}
	return pairs;
}

static void hold_if_alone(const struct pairs *pairs, const char *name, struct sl_found *found)
{
	const struct pair key = { name, 0 };
	const struct pair *pair = bsearch(&key, pairs->pair, pairs->n, sizeof(key), by_pair);
	unsigned both = 1u << SL_ROLE_PREFILL | 1u << SL_ROLE_DECODE;

	if (!pair || (pair->roles & both) == both || found->hold || !found->has_role ||
	    found->role == SL_ROLE_BOTH)
		return;
	found->hold = true;
	found->why = found->role == SL_ROLE_PREFILL ? "its roleset has no decode engine"
	                                            : "its roleset has no prefill engine";
}

/* ---- all engines ----------------------------------------------------- */

struct item {
	const struct sl_server_conf *server;
	const char *pair;
};

/* By name; of two that are the same engine the first is the better. Only slices
 * have such: pods are in order, and each once. */
static int by_id(const void *a, const void *b)
{
	const struct sl_server_conf *x = ((const struct item *)a)->server;
	const struct sl_server_conf *y = ((const struct item *)b)->server;
	int order = strcmp(x->found.id, y->found.id);
	bool x6 = strchr(x->addr.host, ':'), y6 = strchr(y->addr.host, ':');

	if (order)
		return order;
	if (x6 != y6)
		return x6 - y6;
	if (x->found.hold != y->found.hold)
		return x->found.hold - y->found.hold;
	return strcmp(x->addr.host, y->addr.host);
}

static struct item *items_of(const struct sl_kube_store *store, uint32_t *out_n)
{
	struct item *items;
	uint32_t n = 0;

	for (uint32_t i = 0; i < store->n; i++)
		n += store->entries[i]->engines.set->n;
	items = calloc(n + 1, sizeof(*items));
	if (!items)
		abort();
	n = 0;
	for (uint32_t i = 0; i < store->n; i++) {
		const struct kube_engines *e = &store->entries[i]->engines;

		for (uint32_t k = 0; k < e->set->n; k++)
			items[n++] = (struct item){ &e->set->servers[k], e->pair };
	}
	if (store->rules->conf->watch == SL_WATCH_SLICES)
		qsort(items, n, sizeof(*items), by_id);
	*out_n = n;
	return items;
}

struct sl_server_set *sl_kube_store_engines(const struct sl_kube_store *store)
{
	bool whole_pairs = kube_preset_of(store->rules->conf)->whole_pairs;
	struct pairs pairs = whole_pairs ? pairs_of(store) : (struct pairs){ 0 };
	struct sl_server_set *set = sl_server_set_new();
	uint32_t n;
	struct item *items = items_of(store, &n);

	for (uint32_t i = 0; i < n; i++) {
		const struct item *item = &items[i];
		struct sl_server_conf *server;

		if (i && !strcmp(item->server->found.id, items[i - 1].server->found.id))
			continue;
		server = sl_server_set_copy(set, item->server);
		if (pairs.n && *item->pair)
			hold_if_alone(&pairs, item->pair, &server->found);
	}
	free(items);
	free(pairs.pair);
	return set;
}
