/* replica.h: what this gateway tells other gateways, and hears of them.
 *
 * Control thread only. Redis is a mirror, not a dependency: nothing waits for
 * it, and without it everything goes on with what this gateway knows by
 * itself. Figures are absolute and end by themselves when a gateway falls
 * silent; prompts are hints; of an engine that another gateway found dead only
 * an own probe is believed. docs/replicas.md is for operators. */
#ifndef SLUICE_REPLICA_REPLICA_H
#define SLUICE_REPLICA_REPLICA_H

#include "gateway/exchange/fleet.h"
#include "gateway/net/loop.h"
#include "gateway/telemetry/metrics.h"

struct sl_replica;

struct sl_replica_events {
	/* Another gateway has just found it dead. */
	void (*on_ejected)(void *ctx, struct sl_endpoint *ep);
};

/* config->redis is not NULL. Begins to connect at once; never fails. */
struct sl_replica *sl_replica_new(struct sl_loop *loop, struct sl_metrics *metrics,
                                  struct sl_config *config, const struct sl_replica_events *events,
                                  void *ctx);
/* Tells the others that this gateway's work is over, if that can be said at
 * once, and forgets theirs. */
void sl_replica_free(struct sl_replica *r);
/* The engines there are now. */
void sl_replica_set_fleet(struct sl_replica *r, const struct sl_fleet *fleet);

struct sl_replica_view {
	const char *url;
	bool connected;
	const char *reason; /* why not; "" while connected */
	uint64_t since_ms;  /* of this state, ago */
	uint32_t peers;     /* other gateways that are alive */
	int64_t heard_ms;   /* since the last message of one, -1: none yet */
};
/* Borrowed strings, until the next call. */
void sl_replica_view(const struct sl_replica *r, struct sl_replica_view *out_view);

#endif
