/* fleet.h: the engines of a what-if run, and what becomes of them. */
#ifndef SLUICE_WHATIF_FLEET_H
#define SLUICE_WHATIF_FLEET_H

#include "sluice/route.h"

#define FLEET_NEVER INT64_MAX

/* Engines are numbered; the numbers are those of the router's slots too. */
struct fleet_engine {
	enum sl_role role;
	const struct sl_profile *profile; /* borrowed */
	double slow;                      /* every step takes so many times longer */
	double kv_factor;                 /* KV memory, as a multiple of the profile's */
};

/* An engine that is not there from from_us to until_us of simulated time. It
 * loses its requests and its cache. From 0: it joins later. */
struct fleet_outage {
	uint32_t engine;
	int64_t from_us, until_us;
};

struct fleet {
	struct fleet_engine *engines; /* owned */
	uint32_t n;
	struct fleet_outage *outages; /* owned */
	uint32_t n_outages;
	double transfer_latency_ms;   /* of a P->D hand-off */
	double transfer_bytes_per_ms; /* of an engine's NIC */
};

void fleet_init(struct fleet *f);
void fleet_fini(struct fleet *f);
void fleet_add(struct fleet *f, struct fleet_engine engine, uint32_t count);
void fleet_outage_add(struct fleet *f, struct fleet_outage outage);
/* Tokens of KV memory of an engine. */
double fleet_kv_tokens(const struct fleet_engine *e);

#endif
