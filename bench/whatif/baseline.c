/* baseline.c: a policy of the field as a balancer: candidates, the two legs of
 * a disaggregated fleet, books, messages. See baseline.h.
 *
 * Candidates are engines that are up and did not fail this request; all are up
 * until told otherwise. Nobody rejects: where a product would shed load or
 * park requests, here it places them, as everybody must serve everything.
 *
 * Every product that serves disaggregated fleets picks a decode engine, then
 * asks whether to hand off, then picks a prefill engine, each by itself; so it
 * is here. An engine that does both serves alone, and so does a decode engine
 * when no prefill engine is left. */
#include "bench/whatif/baseline.h"

#include <assert.h>

#include "routing/alloc.h"

struct balancer {
	const struct baseline *kind; /* borrowed, static */
	struct view view;
	struct sl_rng rng;
	void *own;          /* owned; the policy's memory */
	uint32_t *decoders; /* owned; candidates that can end a request, ascending */
	uint32_t *prefills; /* owned; candidates for a leg of their own, ascending */
	bool alone;         /* no other replica to tell */
};

/* splitmix64's finaliser: seeds of replicas are near each other, and the
 * generator must not start at 0. */
static uint64_t spread_seed(uint64_t seed, uint32_t replica)
{
	uint64_t x = seed + (replica + 1u) * 0x9e3779b97f4a7c15ull;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	x ^= x >> 31;
	return x ? x : 1;
}

static struct balancer *make(const void *kind, const struct balancer_setup *setup)
{
	struct balancer *b = alloc_zero(1, sizeof(*b));
	size_t n = setup->fleet->n + 1u;

	b->kind = kind;
	view_init(&b->view, setup);
	b->rng.state = spread_seed(setup->seed, setup->replica);
	b->own = alloc_zero(b->kind->own_bytes + 1, 1);
	b->decoders = alloc_zero(n, sizeof(*b->decoders));
	b->prefills = alloc_zero(n, sizeof(*b->prefills));
	b->alone = setup->replicas < 2;
	return b;
}

static void release(struct balancer *b)
{
	if (!b)
		return;
	if (b->kind->fini)
		b->kind->fini(b->own);
	view_fini(&b->view);
	free(b->own);
	free(b->decoders);
	free(b->prefills);
	free(b);
}

/* ---- placing --------------------------------------------------------- */

static bool listed(const uint32_t *list, uint32_t n, uint32_t engine)
{
	for (uint32_t i = 0; i < n; i++)
		if (list[i] == engine)
			return true;
	return false;
}

struct candidates {
	uint32_t n_decoders;
	uint32_t n_prefills;
	bool split; /* a decode-only engine is among them */
};

static struct candidates find_candidates(struct balancer *b, const uint32_t *avoid,
                                         uint32_t n_avoid)
{
	struct candidates c = { 0 };

	for (uint32_t i = 0; i < b->view.n; i++) {
		const struct view_engine *e = &b->view.engines[i];

		if (!e->up || listed(avoid, n_avoid, i))
			continue;
		if (e->role == SL_ROLE_PREFILL)
			b->prefills[c.n_prefills++] = i;
		else
			b->decoders[c.n_decoders++] = i;
		c.split |= e->role == SL_ROLE_DECODE;
	}
	return c;
}

static uint32_t pick(struct balancer *b, struct baseline_ask *ask, enum baseline_part part,
                     const uint32_t *among, uint32_t n)
{
	uint32_t engine;

	ask->part = part;
	ask->among = among;
	ask->n = n;
	engine = b->kind->pick(ask);
	assert(listed(among, n, engine));
	return engine;
}

static struct balancer_choice place_legs(struct balancer *b, struct baseline_ask *ask,
                                         struct candidates c)
{
	struct balancer_choice choice;

	choice.decode = pick(b, ask, BASELINE_DECODE, b->decoders, c.n_decoders);
	choice.prefill = choice.decode;
	if (b->view.engines[choice.decode].role == SL_ROLE_BOTH)
		return choice;
	if (!b->kind->remote || b->kind->remote(ask, choice.decode))
		choice.prefill = pick(b, ask, BASELINE_PREFILL, b->prefills, c.n_prefills);
	return choice;
}

static bool place(struct balancer *b, uint32_t request, const uint32_t *avoid, uint32_t n_avoid,
                  uint64_t now_us, struct balancer_choice *out_choice)
{
	struct candidates c = find_candidates(b, avoid, n_avoid);
	struct baseline_ask ask = { .view = &b->view,
		                    .request = request,
		                    .tokens = b->view.workload->requests[request].input_tokens,
		                    .rng = &b->rng,
		                    .own = b->own };

	if (c.n_decoders == 0)
		return false;
	b->view.now_us = now_us;
	view_match(&b->view, request);
	if (c.split && c.n_prefills > 0) {
		*out_choice = place_legs(b, &ask, c);
	} else {
		uint32_t engine = pick(b, &ask, BASELINE_WHOLE, b->decoders, c.n_decoders);

		*out_choice = (struct balancer_choice){ engine, engine };
	}
	return true;
}

/* ---- news ------------------------------------------------------------ */

static void learn(struct balancer *b, const struct balancer_news *news, uint64_t now_us)
{
	b->view.now_us = now_us;
	view_news(&b->view, news);
	if (b->kind->news)
		b->kind->news(b->own, &b->view, news);
}

/* The news themselves are the message: whoever hears of a dispatch works out
 * from its own index what of it is cached. */
static void *tell(struct balancer *b, const struct balancer_news *news, uint64_t now_us)
{
	struct balancer_news *message;

	learn(b, news, now_us);
	if (b->alone)
		return NULL;
	message = alloc_zero(1, sizeof(*message));
	*message = *news;
	return message;
}

static void hear(struct balancer *b, uint32_t from, const void *message, uint64_t now_us)
{
	(void)from;
	learn(b, message, now_us);
}

static void scraped(struct balancer *b, uint32_t engine, const struct sl_load_sample *sample,
                    uint64_t now_us)
{
	b->view.now_us = now_us;
	b->view.engines[engine].scraped = *sample;
}

/* It went with its cache, and comes back without. */
static void health(struct balancer *b, uint32_t engine, bool up, uint64_t now_us)
{
	b->view.now_us = now_us;
	b->view.engines[engine].up = up;
	index_clear(&b->view.index, engine);
}

const struct balancer_ops baseline_balancer_ops = {
	.make = make,
	.free = release,
	.place = place,
	.news = tell,
	.hear = hear,
	.scraped = scraped,
	.health = health,
};

/* ---- what many policies share ---------------------------------------- */

uint32_t baseline_random(const struct baseline_ask *ask, uint32_t n)
{
	return (uint32_t)(sl_rng_next(ask->rng) >> 32) % n;
}

uint32_t baseline_least(const struct baseline_ask *ask, baseline_score_fn score)
{
	uint32_t start = baseline_random(ask, ask->n);
	uint32_t best = ask->among[start];
	double least = score(ask, best);

	for (uint32_t i = 1; i < ask->n; i++) {
		uint32_t engine = ask->among[(start + i) % ask->n];
		double s = score(ask, engine);

		if (s < least) {
			least = s;
			best = engine;
		}
	}
	return best;
}
