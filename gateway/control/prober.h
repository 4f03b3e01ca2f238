/* prober.h: asks every engine how it is, on the control thread.
 *
 * Each engine is asked what it is (until that is known, or its configuration
 * says it), for its health, for its load, then, while the configuration does not
 * name its models, for its model list; over the same transport that requests
 * take. What is asked where, and what an answer means, is a dialect's
 * (sluice/dialect.h). Judging is done by probes/. */
#ifndef SLUICE_CONTROL_PROBER_H
#define SLUICE_CONTROL_PROBER_H

#include "gateway/control/registry.h"
#include "gateway/upstream/call.h"

struct sl_prober;

struct sl_prober_events {
	/* An engine's health changed; its router knows already. */
	void (*on_health)(void *ctx, struct sl_endpoint *ep);
	/* An engine serves other models than before: make a new fleet. */
	void (*on_models)(void *ctx);
};

struct sl_prober *sl_prober_new(struct sl_loop *loop, struct sl_metrics *metrics,
                                const struct sl_prober_events *events, void *ctx);
void sl_prober_free(struct sl_prober *p);
/* Starts probing an engine: at once, or if many are new within the interval. */
void sl_prober_add(struct sl_prober *p, struct sl_engine *engine);
/* Asks for its health now, whatever is being asked. */
void sl_prober_hurry(struct sl_prober *p, struct sl_engine *engine);
/* Stops; the engine may be freed after. */
void sl_prober_del(struct sl_prober *p, struct sl_engine *engine);
/* Tells the engine's router what its judge and its GPUs say now. Any thread. */
void sl_prober_apply_health(struct sl_endpoint *ep, uint64_t now_us);

#endif
