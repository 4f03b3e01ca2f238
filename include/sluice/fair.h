/* fair.h: whose turn it is among those who wait for an engine. Pure: no clock,
 * thread or lock; the caller holds one lock around every call.
 *
 * A request is a claim of a tenant. Each tenant has a counter of the service
 * it had, in weighted tokens (VTC, virtual token counters, OSDI '24; the order
 * is that of start-time fair queueing), and the waiting tenant with the lowest
 * one goes next; within a tenant, first come is first served. A tenant that
 * begins to wait is lifted to the lowest counter of those who wait, or, if nobody
 * does, to the highest at which anybody was served: what it did not use it does
 * not get later, and what others used while nobody waited they need not pay for.
 *
 * Priority classes are served in their order, except that a class that waits
 * gets one turn after SL_FAIR_PASSES turns of higher ones. Fairness is inside a
 * class: one tenant in two classes is two.
 *
 * Memory is flat: so many tenants are known, and the one idle for longest is
 * forgotten for a new one. Where all are active, new ones share one counter. */
#ifndef SLUICE_FAIR_H
#define SLUICE_FAIR_H

#include "sluice/base.h"

#define SL_FAIR_TENANTS 4096u
#define SL_FAIR_PASSES 7u

enum sl_fair_class { SL_FAIR_HIGH, SL_FAIR_NORMAL, SL_FAIR_LOW, SL_FAIR_CLASSES };

/* What an output token weighs; a prompt token that is not cached weighs 1. */
#define SL_FAIR_OUTPUT_WEIGHT 2u

struct sl_fair_flow;

/* Embedded in the caller's request; must not move while it waits or is charged. */
struct sl_fair_claim {
	struct sl_fair_claim *next, *prev; /* in its tenant's queue, or among the displaced */
	struct sl_fair_flow *flow;         /* NULL: neither waits nor is charged */
	void *owner;                       /* the caller's request */
	uint64_t tenant;
	uint64_t tokens; /* charged; 0: not served (yet) */
	uint32_t epoch;  /* fair.c's */
	enum sl_fair_class class;
	bool waiting, displaced;
};

/* A tenant's number for a text that names it. kind keeps texts of different
 * origin apart; seed keeps clients from choosing their number. */
uint64_t sl_fair_tenant(struct sl_span name, unsigned kind, uint64_t seed);

struct sl_fair *sl_fair_new(uint32_t max_tenants);
void sl_fair_free(struct sl_fair *f);

/* Takes a place at the end of its tenant's queue; a charge is given back. False
 * if `limit` wait already, and no tenant has so many waiting that it still has
 * no fewer than this one when it gives up its youngest. That one is displaced
 * then: it waits no more. A class displaces none above it. */
SL_MUST_CHECK bool sl_fair_join(struct sl_fair *f, struct sl_fair_claim *c, uint64_t limit);
/* Out of the queue, or of the displaced, for whatever reason. */
void sl_fair_leave(struct sl_fair *f, struct sl_fair_claim *c);
/* Whose turn it is, or NULL if nobody waits. */
struct sl_fair_claim *sl_fair_first(const struct sl_fair *f);
/* The displaced, oldest first, by their next; to be told and to leave. */
struct sl_fair_claim *sl_fair_displaced(const struct sl_fair *f);
/* Those that wait, without the displaced. */
uint32_t sl_fair_waiting(const struct sl_fair *f);

/* It is served, which is expected to take so many weighted tokens (0 is taken
 * for 1), whether it waited or not. Nothing if it is charged already. */
void sl_fair_charge(struct sl_fair *f, struct sl_fair_claim *c, uint64_t tokens);
/* Its service is over and took so many in truth. Nothing if it is not charged. */
void sl_fair_settle(struct sl_fair *f, struct sl_fair_claim *c, uint64_t tokens);

/* Tenants that are known; one in two classes is two. */
uint32_t sl_fair_tenants(const struct sl_fair *f);

#endif
