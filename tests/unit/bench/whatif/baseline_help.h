/* baseline_help.h: a small fleet and a few prompts made by hand, and a view of
 * them in which every figure can be set. For tests only. */
#ifndef TESTS_BASELINE_HELP_H
#define TESTS_BASELINE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/whatif/baseline.h"

#define SCENE_REQUESTS 64u
#define SCENE_MAX_TOKENS 16384u
#define SCENE_BLOCK_TOKENS 64u
#define SCENE_BLOCKS (SCENE_MAX_TOKENS / SCENE_BLOCK_TOKENS)

struct scene {
	struct workload workload;
	struct workload_request requests[SCENE_REQUESTS];
	struct sl_block blocks[SCENE_REQUESTS * SCENE_BLOCKS];
	struct fleet fleet;
	struct balancer_setup setup;
};

/* A prompt of so many tokens, of which the first `shared` are the family's. */
static inline void scene_prompt(struct scene *s, uint32_t request, uint32_t tokens, uint64_t family,
                                uint32_t shared)
{
	struct workload_request *r = &s->requests[request];

	assert_true(request < SCENE_REQUESTS && tokens <= SCENE_MAX_TOKENS);
	r->input_tokens = tokens;
	r->output_tokens = 11;
	r->first_block = (size_t)request * SCENE_BLOCKS;
	r->n_blocks = tokens / SCENE_BLOCK_TOKENS;
	for (uint32_t k = 0; k < r->n_blocks; k++) {
		bool own = (k + 1) * SCENE_BLOCK_TOKENS > shared;
		uint64_t text = own ? 0x100000u + request : family;

		s->blocks[r->first_block + k] = (struct sl_block){
			.hash = (text << 20 | k) * 0x9e3779b97f4a7c15ull,
			.end_bytes = (k + 1) * SCENE_BLOCK_TOKENS * WORKLOAD_BYTES_PER_TOKEN,
		};
	}
}

/* n_prefill engines of that role, then n_decode, then n_both. */
static inline struct scene *scene_new(uint32_t n_prefill, uint32_t n_decode, uint32_t n_both)
{
	struct scene *s = calloc(1, sizeof(*s));
	const uint32_t count[] = {
		[SL_ROLE_PREFILL] = n_prefill, [SL_ROLE_DECODE] = n_decode, [SL_ROLE_BOTH] = n_both
	};
	static const enum sl_role order[] = { SL_ROLE_PREFILL, SL_ROLE_DECODE, SL_ROLE_BOTH };
	struct fleet_engine e = { .profile = sl_profile_find("llama3-8b-h100"),
		                  .slow = 1,
		                  .kv_factor = 1 };

	assert_non_null(s);
	fleet_init(&s->fleet);
	for (size_t i = 0; i < SL_COUNT(order); i++) {
		e.role = order[i];
		if (count[e.role])
			fleet_add(&s->fleet, e, count[e.role]);
	}
	s->workload = (struct workload){ .requests = s->requests,
		                         .n = SCENE_REQUESTS,
		                         .blocks = s->blocks };
	for (uint32_t i = 0; i < SCENE_REQUESTS; i++)
		scene_prompt(s, i, 6400, 0, 0);
	s->setup = (struct balancer_setup){
		.workload = &s->workload, .fleet = &s->fleet, .seed = 1, .replicas = 1
	};
	return s;
}

static inline void scene_free(struct scene *s)
{
	fleet_fini(&s->fleet);
	free(s);
}

/* The engine holds the first `tokens` of the request's prompt. */
static inline void scene_hold(struct view *v, uint32_t engine, uint32_t request, uint32_t tokens)
{
	const struct workload_request *r = &v->workload->requests[request];
	struct index_limit limit = { UINT64_MAX, UINT32_MAX };

	index_insert(&v->index, engine, v->workload->blocks + r->first_block,
	             tokens / SCENE_BLOCK_TOKENS, 1.0 / WORKLOAD_BYTES_PER_TOKEN, limit);
}

/* ---- asking one policy directly ---------------------------------------- */

struct asker {
	struct view view;
	struct sl_rng rng;
	const struct baseline *kind;
	void *own;
	uint32_t among[64];
	struct baseline_ask ask;
};

static inline void asker_init(struct asker *a, const struct scene *s, const struct baseline *kind)
{
	*a = (struct asker){ .kind = kind, .rng = { 1 } };
	view_init(&a->view, &s->setup);
	a->own = calloc(1, kind->own_bytes + 1);
	assert_non_null(a->own);
	for (uint32_t i = 0; i < a->view.n; i++)
		a->among[i] = i;
	a->ask = (struct baseline_ask){
		.view = &a->view, .among = a->among, .n = a->view.n, .rng = &a->rng, .own = a->own
	};
}

static inline void asker_fini(struct asker *a)
{
	if (a->kind->fini)
		a->kind->fini(a->own);
	free(a->own);
	view_fini(&a->view);
}

static inline uint32_t asker_pick(struct asker *a, uint32_t request, enum baseline_part part)
{
	a->ask.request = request;
	a->ask.tokens = a->view.workload->requests[request].input_tokens;
	a->ask.part = part;
	view_match(&a->view, request);
	return a->kind->pick(&a->ask);
}

static inline void asker_news(struct asker *a, enum balancer_event event, uint32_t request,
                              uint32_t prefill, uint32_t decode)
{
	struct balancer_news news = { .event = event,
		                      .request = request,
		                      .choice = { prefill, decode } };

	view_news(&a->view, &news);
	if (a->kind->news)
		a->kind->news(a->own, &a->view, &news);
}

#endif
