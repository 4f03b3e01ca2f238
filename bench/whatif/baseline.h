/* baseline.h: a routing policy of the field, to compare with.
 *
 * One file of baselines/ each, with its formula, default values and source in
 * the head. It picks one engine of a list; baseline.c does the rest: which
 * engines are candidates, the two legs of a disaggregated fleet, accounting.
 * None of this is reachable from the gateway. */
#ifndef SLUICE_WHATIF_BASELINE_H
#define SLUICE_WHATIF_BASELINE_H

#include "bench/whatif/view.h"

enum baseline_part {
	BASELINE_WHOLE,   /* prefill and decode, on one engine */
	BASELINE_PREFILL, /* one leg each */
	BASELINE_DECODE,
};

struct baseline_ask {
	struct view *view;
	uint32_t request;
	uint32_t tokens; /* of its prompt */
	enum baseline_part part;
	const uint32_t *among; /* engines to choose from, ascending */
	uint32_t n;            /* at least 1 */
	struct sl_rng *rng;
	void *own; /* the policy's own memory, own_bytes large, zero at first */
};

struct baseline {
	/* An engine of ask->among. view_match was called for the request. */
	uint32_t (*pick)(const struct baseline_ask *ask);
	/* Disaggregated fleet: whether prefill goes to another engine than
	 * `decode`, which was picked. NULL: always. */
	bool (*remote)(const struct baseline_ask *ask, uint32_t decode);
	/* After each piece of news, for policies with windows of their own; or NULL. */
	void (*news)(void *own, struct view *view, const struct balancer_news *news);
	/* Releases what `own` points to; or NULL. */
	void (*fini)(void *own);
	size_t own_bytes;
};

/* The list of all: name, variable, origin, scrape period in us. */
#define BASELINE(name, variable, origin, scrape_us) extern const struct baseline variable;
#include "bench/whatif/baselines.def"
#undef BASELINE

extern const struct balancer_ops baseline_balancer_ops;

/* Helpers that many share. The engine with the least score; ties go to the one
 * met first from a random start, so that an idle fleet is used evenly. */
typedef double (*baseline_score_fn)(const struct baseline_ask *ask, uint32_t engine);
uint32_t baseline_least(const struct baseline_ask *ask, baseline_score_fn score);
/* A number below n. */
uint32_t baseline_random(const struct baseline_ask *ask, uint32_t n);

#endif
