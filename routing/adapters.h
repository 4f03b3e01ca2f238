/* adapters.h: the adapters (LoRA) of one engine: which of them are probably on
 * its GPU, and which have work there.
 *
 * An adapter is known by its model's number. It has work, or is *live*, while a
 * leg of a request of ours is there, or while the last scrape told of requests
 * that are not ours. It is *loaded* from its first request on, until another
 * one takes its slot: the engine gives up the one that was used longest ago
 * and has no work.
 *
 * An engine computes at most `slots` different adapters at once. Those that
 * became live first have the slots, for as long as they have work: requests of
 * a running adapter pass those of a waiting one (vLLM's scheduler).
 *
 * The list holds what is loaded or live, so it is bounded by the slots, or
 * ADAPTERS_KEPT, and by the live requests. An engine without adapters has none
 * of this. */
#ifndef SLUICE_ROUTING_ADAPTERS_H
#define SLUICE_ROUTING_ADAPTERS_H

#include "sluice/route.h"

/* Followed on one engine where it has not said how many it can hold, and at most. */
#define ADAPTERS_KEPT 256

struct adapter {
	uint32_t model;
	uint32_t legs; /* of our requests that are there */
	bool loaded;
	uint64_t live_turn;  /* the least of those that are live have the slots */
	uint64_t used_turn;  /* the least of those that are loaded goes first */
	uint64_t used_us;    /* a leg of ours began or ended; 0: never */
	uint64_t foreign_us; /* a scrape told of others' requests; 0: the last one did not */
};

struct adapters {
	struct adapter *list; /* owned */
	uint32_t n, cap;
	uint32_t slots; /* 0: not known, no limit */
	uint64_t turn;  /* of the last event */
};

/* What a further request for an adapter would find. */
struct adapters_found {
	bool loaded;
	bool displaces;   /* its load takes another one's slot */
	uint32_t slots;   /* as above */
	uint32_t missing; /* adapters in front that must end; 0: it need not wait */
	double legs_each; /* requests of an adapter in front, mean */
};

struct adapters *adapters_new(void);
void adapters_free(struct adapters *a);
/* A leg of a request for it begins or ends. */
void adapters_enter(struct adapters *a, uint32_t model, uint64_t now_us);
void adapters_leave(struct adapters *a, uint32_t model, uint64_t now_us);
/* A request for it is about to end badly. If it is the only one, nobody knows
 * whether it is loaded. */
void adapters_unload(struct adapters *a, uint32_t model);
/* The engine's memory is empty. */
void adapters_forget(struct adapters *a);
/* What a scrape said: the slots, each name (running, or waiting), the end. */
void adapters_sample_slots(struct adapters *a, uint32_t slots);
void adapters_sample_add(struct adapters *a, uint32_t model, bool running, uint64_t taken_us);
void adapters_sample_end(struct adapters *a, uint64_t taken_us);
/* a: NULL if nothing is known. */
struct adapters_found adapters_find(const struct adapters *a, uint32_t model, uint64_t now_us);
uint32_t adapters_loaded(const struct adapters *a);

#endif
