/* world_state.h: a what-if run in progress, shared by world.c, which makes time
 * pass, and trip.c, which takes each request on its way. */
#ifndef SLUICE_WHATIF_WORLD_STATE_H
#define SLUICE_WHATIF_WORLD_STATE_H

#include "bench/whatif/engine.h"
#include "bench/whatif/events.h"
#include "bench/whatif/world.h"

#define WORLD_MAX_ATTEMPTS 8u

enum world_event {
	EVENT_STEP,    /* subject: engine */
	EVENT_FETCHED, /* subject: request */
	EVENT_PLACE,   /* subject: request; again */
	EVENT_SCRAPE,
	EVENT_HEAR, /* subject: the replica that speaks; load: what it says */
	EVENT_DOWN, /* subject: engine */
	EVENT_BACK, /* it runs again */
	EVENT_SEEN, /* and is known to */
	EVENT_SLICE,
};

/* A request in progress. */
struct trip {
	struct leg first, decode; /* first: whole or prefill */
	struct balancer_choice choice;
	uint32_t replica;
	uint32_t attempt;
	uint32_t avoid[WORLD_MAX_ATTEMPTS], n_avoid;
	uint32_t *pinned; /* owned: blocks on the prefill engine, until they are fetched */
	uint32_t n_pinned;
	bool placed, ended;
	uint64_t first_us; /* 0: no token yet */
	uint32_t cached_tokens;
};

struct world {
	const struct world_setup *setup;
	const struct workload *workload;
	struct engine *engines;      /* owned */
	struct engine **engine_list; /* owned; for balancers */
	struct balancer **replicas;  /* owned */
	struct trip *trips;          /* owned; by request */
	struct events events;
	struct sl_rng rng;
	uint32_t *kicks; /* owned; engines that may begin a step */
	bool *kicked;    /* owned; by engine */
	uint32_t *away;  /* owned; by engine: outages under way */
	uint32_t n_kicks;
	uint32_t n_ended, n_told;
	uint64_t now_us, scrape_us;
	double usage_sum;
	struct tally *tally;
};

/* An event without a load. */
static inline void world_at(struct world *w, uint64_t at_us, enum world_event kind,
                            uint32_t subject, uint32_t epoch)
{
	events_add(&w->events, (struct event_item){
	                               .at_us = at_us,
	                               .kind = kind,
	                               .subject = subject,
	                               .epoch = epoch,
	                       });
}

static inline uint64_t world_arrival_us(const struct world *w, uint32_t request)
{
	return (uint64_t)((double)w->workload->requests[request].at_us / w->setup->rate_factor);
}

/* The engine may begin a step when the event under way is over. */
static inline void world_kick(struct world *w, uint32_t engine)
{
	if (w->kicked[engine])
		return;
	w->kicked[engine] = true;
	w->kicks[w->n_kicks++] = engine;
}

#endif
