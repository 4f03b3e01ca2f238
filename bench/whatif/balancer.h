/* balancer.h: one gateway replica of a what-if run: it places requests and is
 * told what a gateway in its place would see, when it would see it.
 *
 * Two make one: sluice.c drives the production router; baseline.c drives one
 * of baselines/, which are for comparison. A world may hold several replicas;
 * what one does reaches the others as messages, after a delay. */
#ifndef SLUICE_WHATIF_BALANCER_H
#define SLUICE_WHATIF_BALANCER_H

#include "bench/whatif/fleet.h"
#include "bench/whatif/workload.h"

struct engine; /* engine.h; only the oracle looks into it */

struct balancer_setup {
	const struct workload *workload; /* borrowed for the balancer's life, as the others */
	const struct fleet *fleet;
	struct engine *const *engines; /* the truth: for the oracle, and KV events */
	uint64_t seed;
	uint32_t replica;      /* its number */
	uint32_t replicas;     /* how many there are */
	uint64_t staleness_us; /* of what it knows of the others; UINT64_MAX: cut off */
};

/* Where a request goes. Equal: one engine does all. */
struct balancer_choice {
	uint32_t prefill;
	uint32_t decode;
};

/* What happens to a request at its gateway, in this order; FAILED may come in
 * place of any after DISPATCHED, and then it is placed again. */
enum balancer_event {
	BALANCER_DISPATCHED,
	BALANCER_PREFILLED, /* two engines: the prefill leg has answered */
	BALANCER_FIRST_TOKEN,
	BALANCER_FINISHED,
	BALANCER_FAILED, /* `engine` broke it */
};

struct balancer_news {
	enum balancer_event event;
	uint32_t request;
	struct balancer_choice choice;
	uint32_t engine;        /* FAILED */
	uint32_t cached_tokens; /* FINISHED: of the prompt, found cached where it was prefilled */
};

struct balancer;

struct balancer_ops {
	struct balancer *(*make)(const void *kind, const struct balancer_setup *setup);
	void (*free)(struct balancer *b);
	/* False: nowhere. avoid: engines that failed this request. */
	bool (*place)(struct balancer *b, uint32_t request, const uint32_t *avoid, uint32_t n_avoid,
	              uint64_t now_us, struct balancer_choice *out_choice);
	/* Its own requests. Returns a message for the other replicas, which the
	 * caller frees with free(); NULL: it has nothing to say. */
	void *(*news)(struct balancer *b, const struct balancer_news *news, uint64_t now_us);
	/* Another replica's message. */
	void (*hear)(struct balancer *b, uint32_t from, const void *message, uint64_t now_us);
	void (*scraped)(struct balancer *b, uint32_t engine, const struct sl_load_sample *sample,
	                uint64_t now_us);
	/* The engine answers its probes from now on, or not. */
	void (*health)(struct balancer *b, uint32_t engine, bool up, uint64_t now_us);
};

/* A policy that can be asked for by name. */
struct policy {
	const char *name;
	const char *origin; /* whose it is, for the listing and the docs */
	const struct balancer_ops *ops;
	const void *kind;   /* for ops->make */
	uint64_t scrape_us; /* how often it reads engines, unless told otherwise; 0: never */
};

#define POLICY_OURS "sluice"
/* Borrowed, static; NULL if there is none of that name. */
const struct policy *policy_find(const char *name);
/* The k-th, ours first; NULL past the end. */
const struct policy *policy_at(size_t k);

#endif
