/* vigil.h: every change of an endpoint's health passes here: it is logged with its
 * reason, counted, and kept for /fleet. Any thread may say one; the last
 * SL_VIGIL_EVENTS are kept.
 *
 * And it looks, once a second, for engines that are slow beside their pool. */
#ifndef SLUICE_CONTROL_VIGIL_H
#define SLUICE_CONTROL_VIGIL_H

#include "gateway/control/registry.h"
#include "gateway/telemetry/metrics.h"

#define SL_VIGIL_EVENTS 64

struct sl_vigil;
struct sl_vigil *sl_vigil_new(void);
void sl_vigil_free(struct sl_vigil *v);

/* Tells what has changed since the last time; metrics: the calling thread's.
 * True if its engine is gone, so that requests which wait for it are better
 * moved: one that fails some requests may still answer those that it has. */
bool sl_vigil_tell(struct sl_vigil *v, struct sl_endpoint *ep, struct sl_metrics *metrics);
/* The last changes, newest first; borrowed strings are the vigil's until the
 * next call. Control thread only. */
uint32_t sl_vigil_events(struct sl_vigil *v, const struct sl_fleet_event **out_events);

/* on_change is called for each engine that was ejected. Control thread only. */
void sl_vigil_look(struct sl_registry *registry, uint64_t now_us,
                   void (*on_change)(void *ctx, struct sl_endpoint *ep), void *ctx);

#endif
