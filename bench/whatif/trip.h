/* trip.h: a request's way through a what-if run: placed by its gateway, its legs
 * on engines, its hand-off, and its end; or placed again, if an engine dies.
 *
 * The gateway is told of each station, and in time the other replicas. */
#ifndef SLUICE_WHATIF_TRIP_H
#define SLUICE_WHATIF_TRIP_H

#include "bench/whatif/world_state.h"

/* It has arrived, or was to be placed again. */
void trip_place(struct world *w, struct trip *t);
/* An engine broke it: everything of it is taken back, and it is placed anew. */
void trip_fail(struct world *w, struct trip *t, uint32_t engine);
/* An engine's step is over. */
void trip_end_step(struct world *w, const struct event_item *ev);
/* Its blocks have arrived at the decode engine. */
void trip_fetched(struct world *w, const struct event_item *ev);
/* The blocks that its prefill engine keeps for it are let go of. */
void trip_drop_pins(struct world *w, struct trip *t);
/* Engines go on with what the event has left them. */
void trip_run_kicks(struct world *w);

#endif
