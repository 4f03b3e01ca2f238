/* store.h: all objects, and the history of their changes.
 *
 * Every change has the next resource version, in one sequence for all kinds,
 * as etcd counts. The last changes are kept: a watch goes on from any of
 * them, and a list may be read as it was at any of them. What is older is
 * compacted (by the size of the history, or when told): who asks for it gets
 * 410. */
#ifndef SLUICE_BENCH_KUBE_STORE_H
#define SLUICE_BENCH_KUBE_STORE_H

#include "bench/kube/version.h"

struct sl_kapi_event {
	uint64_t rv;
	enum sl_kapi_kind kind;
	struct sl_kapi_version *now, *before; /* refs; NULL: it is not there */
};

/* Objects of one kind, by key. */
struct sl_kapi_set {
	struct sl_kapi_version **sorted; /* owned; refs in the store, borrowed in a view */
	uint32_t n, cap;
};

struct sl_kapi_store {
	uint64_t rv;     /* of the last change */
	uint64_t oldest; /* all changes after this one are known */
	struct sl_kapi_set sets[SL_KAPI_KINDS];
	struct sl_kapi_event *ring; /* owned */
	uint32_t cap, first, n;
};

void sl_kapi_store_init(struct sl_kapi_store *store, uint32_t history, uint64_t rv);
void sl_kapi_store_fini(struct sl_kapi_store *store);

/* Borrowed until the next change, or NULL. */
struct sl_kapi_version *sl_kapi_store_find(const struct sl_kapi_store *store,
                                           enum sl_kapi_kind kind, const char *key);
/* Creates or replaces; the object is put in order and gets its version. */
struct sl_kapi_version *sl_kapi_store_put(struct sl_kapi_store *store, enum sl_kapi_kind kind,
                                          cJSON *object);
void sl_kapi_store_del(struct sl_kapi_store *store, enum sl_kapi_kind kind, const char *key);

/* The first change after this resource version, or NULL. */
const struct sl_kapi_event *sl_kapi_store_next(const struct sl_kapi_store *store, uint64_t after);
/* The objects as they were at rv; false if that is compacted. Borrowed until
 * the next change. */
SL_MUST_CHECK bool sl_kapi_store_view(const struct sl_kapi_store *store, enum sl_kapi_kind kind,
                                      uint64_t rv, struct sl_kapi_set *out_view);
void sl_kapi_set_fini(struct sl_kapi_set *set);
/* Where the first object with a greater key is. */
uint32_t sl_kapi_set_after(const struct sl_kapi_set *set, const char *key);

/* Forgets the history. */
void sl_kapi_store_compact(struct sl_kapi_store *store);

#endif
