/* peers.h: what other gateways have in progress on one endpoint.
 *
 * Each peer tells its own work as a whole, never as changes, so that a message
 * that is lost is healed by the next one; and what is told is believed for a
 * while only, so that the work of a gateway that died ends by itself. The sum
 * is made when a message comes: a decision reads it and nothing else.
 *
 * An endpoint that no peer has ever spoken of has none of this. */
#ifndef SLUICE_ROUTING_PEERS_H
#define SLUICE_ROUTING_PEERS_H

#include "routing/peak.h"
#include "sluice/route.h"

struct peer_work {
	uint64_t peer;
	uint64_t until_us;
	struct sl_load load;
};

struct peers {
	struct sl_load sum;
	struct peak peak;       /* of sum.inflight */
	struct peer_work *list; /* owned; those with work */
	uint32_t n, cap;
	uint64_t until_us; /* the first one ends; UINT64_MAX: none */
};

struct peers *peers_new(void);
void peers_free(struct peers *p);
/* In place of what this peer had here. Beyond SL_MAX_PEERS it is ignored. */
void peers_put(struct peers *p, uint64_t peer, const struct sl_load *load, uint64_t until_us,
               uint64_t now_us);
/* Drops the work of those who have been silent for too long. */
void peers_expire(struct peers *p, uint64_t now_us);
/* The sum as it will be after peers_expire. */
struct sl_load peers_sum(const struct peers *p, uint64_t now_us);

#endif
