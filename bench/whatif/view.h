/* view.h: what a gateway of the field knows of its engines, for baselines.
 *
 * Deliberately generous, so that a comparison is about decisions and not about
 * plumbing: every baseline gets exact in-flight accounting of its own requests
 * (and of the other replicas', after their delay, whether or not the product
 * shares anything), and a prefix index of its own routing history, bounded by
 * each engine's real KV capacity, which is as good as exact KV events when the
 * gateway sees all traffic. What a product reads by scraping comes as scrapes. */
#ifndef SLUICE_WHATIF_VIEW_H
#define SLUICE_WHATIF_VIEW_H

#include "bench/whatif/balancer.h"
#include "routing/index.h"

struct view_engine {
	enum sl_role role;
	bool up;
	const struct sl_profile *profile;
	double kv_tokens;      /* its KV memory */
	uint32_t inflight;     /* requests with a leg there that has not ended */
	uint32_t prefilling;   /* of them, those that it prefills and that have no first token */
	uint32_t decoding;     /* of them, those that it decodes, or will */
	double pending_tokens; /* prompt tokens of `prefilling` that were not thought cached */
	double active_tokens;  /* prompt tokens of `decoding` */
	double queue_ms;       /* prefill time of `prefilling`, from the profile */
	struct sl_load_sample scraped; /* taken_us 0: never */
};

/* What a request was charged with, to be taken back. */
struct view_charge {
	struct balancer_choice choice;
	double uncached_tokens;
	double prefill_ms;
	bool prefill_open, decode_open;
};

struct view {
	const struct workload *workload; /* borrowed, as are the next two */
	const struct fleet *fleet;
	struct engine *const *engines_truth;
	struct view_engine *engines; /* owned */
	uint32_t n;
	struct view_charge *charges; /* owned; by request */
	struct index index;
	uint64_t now_us; /* of the call under way */
};

void view_init(struct view *v, const struct balancer_setup *setup);
void view_fini(struct view *v);
/* Finds each engine's match of this request's prompt; then view_hit_tokens. */
void view_match(struct view *v, uint32_t request);
/* Prompt tokens that the engine has cached, as far as history tells; at most
 * one less than the prompt. Of the request of the last view_match. */
double view_hit_tokens(const struct view *v, uint32_t request, uint32_t engine);
void view_news(struct view *v, const struct balancer_news *news);

#endif
