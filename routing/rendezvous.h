/* rendezvous.h: which engine a request belongs to, by its name or its prompt
 * alone: highest random weight, under a bound on load.
 *
 * Every gateway computes the same order of engines for the same key, and an
 * engine that comes or goes moves only the keys that are its own. An engine
 * with more than 1.25 times its share of the live requests is passed over
 * (consistent hashing with bounded loads, Mirrokni et al., 2018). */
#ifndef SLUICE_ROUTING_RENDEZVOUS_H
#define SLUICE_ROUTING_RENDEZVOUS_H

#include "routing/state.h"

/* The session; or the prompt up to its first block that is not common to most
 * (common.h); or, where it has none, all of it. */
uint64_t rendezvous_key(const struct sl_router *r, const struct sl_query *q);
/* n > 0. */
uint32_t rendezvous_pick(const struct sl_router *r, const uint32_t *slots, uint32_t n,
                         uint64_t key);
/* The engines with the highest weights, whatever their load, at most
 * RENDEZVOUS_CHOICES; how many. */
#define RENDEZVOUS_CHOICES 2u
uint32_t rendezvous_choices(const struct sl_router *r, const uint32_t *slots, uint32_t n,
                            uint64_t key, uint32_t out_slots[RENDEZVOUS_CHOICES]);
/* Gateways that agree on an engine will find this prompt's cache there: it has
 * a place of its own, and none of these engines has more of it than what most
 * prompts share. */
bool rendezvous_is_cold(const struct sl_router *r, const struct sl_query *q);

#endif
