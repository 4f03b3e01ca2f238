/* route_help.h: prompts, fleets and arithmetic for the tests of the router.
 * A prompt is only its hash chain, cut where the scanner cuts. */
#ifndef TESTS_ROUTE_HELP_H
#define TESTS_ROUTE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sluice/route.h"

struct prompt {
	struct sl_facts facts;
	struct sl_block *blocks; /* owned */
};

static inline uint64_t help_mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ b * 0x9e3779b97f4a7c15ull) + 0x632be59bd9b4e019ull;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static inline uint32_t help_block_bytes(uint32_t at)
{
	return at < 4096 ? 256 : at < 32768 ? 1024 : at < 1048576 ? 4096 : 16384;
}

/* `bytes` long; the first shared_bytes are those of every prompt with that
 * `shared`, the rest depends on `own`, too. */
static inline void prompt_init(struct prompt *p, uint64_t shared, uint32_t shared_bytes,
                               uint64_t own, uint32_t bytes)
{
	uint64_t hash = 1;
	uint32_t n = 0;

	p->facts = (struct sl_facts){
		.stream = true, .prompts = 1, .n = 1, .max_tokens = -1, .prompt_bytes = bytes
	};
	p->blocks = malloc((bytes / 256 + 1) * sizeof(*p->blocks));
	for (uint32_t at = 0; at + help_block_bytes(at) <= bytes;) {
		at += help_block_bytes(at);
		hash = help_mix(hash, at <= shared_bytes ? shared : own);
		p->blocks[n++] = (struct sl_block){ hash, at };
	}
	p->facts.blocks = p->blocks;
	p->facts.n_blocks = n;
}

static inline void prompt_fini(struct prompt *p)
{
	free(p->blocks);
}

static inline double help_unit(struct sl_rng *rng)
{
	return (double)(sl_rng_next(rng) >> 11) / 9007199254740992.0;
}

static inline uint32_t help_below(struct sl_rng *rng, uint32_t n)
{
	return (uint32_t)(sl_rng_next(rng) % n);
}

/* ---- fleets ---------------------------------------------------------- */

static inline struct sl_router *help_router(enum sl_policy policy)
{
	struct sl_router_options opt;

	sl_router_options_default(&opt);
	opt.policy = policy;
	return sl_router_new(&opt);
}

/* One healthy endpoint that serves model "m". */
static inline uint32_t help_add_spec(struct sl_router *r, struct sl_endpoint_spec spec)
{
	uint32_t ep = sl_router_endpoint_add(r, &spec);
	uint32_t model = sl_router_model(r, SL_SPAN("m"));

	sl_router_endpoint_models(r, ep, &model, 1);
	sl_router_endpoint_health(r, ep, SL_HEALTH_HEALTHY, 0);
	return ep;
}

static inline uint32_t help_add(struct sl_router *r, enum sl_role role)
{
	return help_add_spec(r, (struct sl_endpoint_spec){ .role = role, .remote_prefill = true });
}

static inline struct sl_query help_query(struct sl_router *r, const struct prompt *p)
{
	struct sl_query q;

	sl_query_init(&q, sl_router_model(r, SL_SPAN("m")), &p->facts);
	return q;
}

static inline struct sl_endpoint_view help_view(struct sl_router *r, uint32_t ep, uint64_t now_us)
{
	struct sl_endpoint_view v;

	assert_true(sl_router_endpoint_view(r, ep, now_us, &v));
	return v;
}

/* Decides and dispatches; the decision must succeed. */
static inline struct sl_decision help_send(struct sl_router *r, const struct sl_query *q,
                                           uint64_t now_us, struct sl_rng *rng, struct sl_ticket *t)
{
	struct sl_decision d;

	assert_int_equal(sl_router_decide(r, q, now_us, rng, &d), 0);
	sl_router_dispatch(r, q, &d, now_us, t);
	return d;
}

static const struct sl_outcome help_unknown = { -1, -1, -1 };

#define assert_near(a, b, tolerance) assert_float_equal((float)(a), (float)(b), (float)(tolerance))

#endif
