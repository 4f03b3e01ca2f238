/* world_random.h: worlds drawn at random, with engines that die, return and
 * join, and a ledger that checks each call between a world and its gateways.
 * For tests only; one run at a time. */
#ifndef TESTS_WORLD_RANDOM_H
#define TESTS_WORLD_RANDOM_H

#include "world_help.h"

#define RANDOM_MAX_ENGINES 12u

struct random_world {
	struct workload workload;
	struct fleet fleet;
	struct world_setup setup;
};

static inline uint32_t below(struct sl_rng *rng, uint32_t n)
{
	return (uint32_t)(sl_rng_next(rng) >> 33) % n;
}

static inline void random_rows(struct sl_rng *rng, struct workload *out)
{
	uint32_t n = 40 + below(rng, 120), gap_us = 2000 + below(rng, 60000);
	struct row *rows = calloc(n, sizeof(*rows));
	int64_t at_us = 0;

	assert_non_null(rows);
	for (uint32_t i = 0; i < n; i++) {
		rows[i] = (struct row){ .at_us = at_us,
			                .input = 1 + below(rng, below(rng, 4) ? 1500 : 6000),
			                .output = 1 + below(rng, 60),
			                .family = below(rng, 5),
			                .shared = 512 + below(rng, 4000) };
		at_us += below(rng, gap_us);
	}
	rows_workload(rows, n, out);
	free(rows);
}

static inline void random_outages(struct sl_rng *rng, struct fleet *f)
{
	uint32_t n = below(rng, 8);

	for (uint32_t i = 0; i < n; i++) {
		int64_t from_us = below(rng, 4) ? below(rng, 4000000) : 0;
		int64_t until_us = from_us + below(rng, 3000000);

		fleet_outage_add(f,
		                 (struct fleet_outage){ below(rng, f->n), from_us,
		                                        below(rng, 9) ? until_us : FLEET_NEVER });
	}
}

/* Small memories, slow NICs and slow engines are among them. */
static inline void random_fleet(struct sl_rng *rng, struct fleet *f)
{
	uint32_t n_prefill = below(rng, 2) ? 1 + below(rng, 3) : 0;
	uint32_t n_decode = n_prefill ? 1 + below(rng, 4) : 0;

	round_fleet(f, n_prefill, n_decode, below(rng, 3) || !n_prefill ? 1 + below(rng, 4) : 0);
	f->transfer_bytes_per_ms = 1e5 * (1 + below(rng, 100));
	for (uint32_t i = 0; i < f->n; i++) {
		f->engines[i].slow = below(rng, 4) ? 1 : 1 + below(rng, 4);
		f->engines[i].kv_factor = 0.4 + below(rng, 3) * 0.2;
	}
	random_outages(rng, f);
}

static inline void random_world_init(struct random_world *w, uint64_t seed)
{
	struct sl_rng rng = { seed * 0x9e3779b97f4a7c15ull | 1 };

	random_rows(&rng, &w->workload);
	random_fleet(&rng, &w->fleet);
	w->setup = (struct world_setup){ .workload = &w->workload,
		                         .fleet = &w->fleet,
		                         .rate_factor = 0.5 + below(&rng, 4),
		                         .seed = seed,
		                         .replicas = below(&rng, 2) ? 1 : 1 + below(&rng, 4),
		                         .replica_delay_us = below(&rng, 3) ? below(&rng, 50000)
		                                                            : WORLD_CUT_OFF,
		                         .slo = { 500, 30 } };
}

static inline void random_world_fini(struct random_world *w)
{
	fleet_fini(&w->fleet);
	workload_fini(&w->workload);
}

/* ---- the ledger -------------------------------------------------------------- */

enum entry_state { ENTRY_OUT, ENTRY_SENT, ENTRY_PREFILLED, ENTRY_STREAMS, ENTRY_ENDED };

struct ledger_entry {
	enum entry_state state;
	struct balancer_choice choice;
	uint32_t failures;
};

static struct {
	const struct balancer_ops *inner;
	void (*books)(struct balancer *b); /* of a gateway when all has ended; or NULL */
	const struct fleet *fleet;
	struct ledger_entry *entries;
	bool up[RANDOM_MAX_ENGINES];
	uint32_t n_messages, n_heard;
	uint64_t now_us;
} ledger;

static void ledger_tick(uint64_t now_us)
{
	assert_true(now_us >= ledger.now_us);
	ledger.now_us = now_us;
}

static struct balancer *ledger_make(const void *kind, const struct balancer_setup *setup)
{
	ledger.fleet = setup->fleet;
	for (uint32_t i = 0; i < setup->fleet->n; i++)
		ledger.up[i] = true;
	return ledger.inner->make(kind, setup);
}

static void ledger_free(struct balancer *b)
{
	if (ledger.books)
		ledger.books(b);
	ledger.inner->free(b);
}

static void ledger_check_choice(const struct balancer_choice *c, const uint32_t *avoid, uint32_t n)
{
	const struct fleet *f = ledger.fleet;

	assert_true(c->prefill < f->n && c->decode < f->n);
	assert_true(ledger.up[c->prefill] && ledger.up[c->decode]);
	assert_int_not_equal(f->engines[c->decode].role, SL_ROLE_PREFILL);
	if (c->prefill != c->decode) {
		assert_int_equal(f->engines[c->prefill].role, SL_ROLE_PREFILL);
		assert_int_equal(f->engines[c->decode].role, SL_ROLE_DECODE);
	}
	for (uint32_t i = 0; i < n; i++)
		assert_true(avoid[i] != c->prefill && avoid[i] != c->decode);
}

static bool ledger_place(struct balancer *b, uint32_t request, const uint32_t *avoid,
                         uint32_t n_avoid, uint64_t now_us, struct balancer_choice *out_choice)
{
	ledger_tick(now_us);
	assert_int_equal(ledger.entries[request].state, ENTRY_OUT);
	if (!ledger.inner->place(b, request, avoid, n_avoid, now_us, out_choice))
		return false;
	ledger_check_choice(out_choice, avoid, n_avoid);
	ledger.entries[request].choice = *out_choice;
	return true;
}

static void ledger_enter(const struct balancer_news *news)
{
	static const enum entry_state after[] = {
		[BALANCER_DISPATCHED] = ENTRY_SENT,     [BALANCER_PREFILLED] = ENTRY_PREFILLED,
		[BALANCER_FIRST_TOKEN] = ENTRY_STREAMS, [BALANCER_FINISHED] = ENTRY_ENDED,
		[BALANCER_FAILED] = ENTRY_OUT,
	};
	struct ledger_entry *e = &ledger.entries[news->request];
	bool remote = news->choice.prefill != news->choice.decode;

	assert_memory_equal(&e->choice, &news->choice, sizeof(e->choice));
	switch (news->event) {
	case BALANCER_DISPATCHED:
		assert_int_equal(e->state, ENTRY_OUT);
		break;
	case BALANCER_PREFILLED:
		assert_true(remote && e->state == ENTRY_SENT);
		break;
	case BALANCER_FIRST_TOKEN:
		assert_int_equal(e->state, remote ? ENTRY_PREFILLED : ENTRY_SENT);
		break;
	case BALANCER_FINISHED:
		assert_int_equal(e->state, ENTRY_STREAMS);
		break;
	case BALANCER_FAILED:
		assert_true(e->state != ENTRY_OUT && e->state != ENTRY_ENDED);
		assert_true(news->engine == e->choice.prefill || news->engine == e->choice.decode);
		e->failures++;
		break;
	}
	e->state = after[news->event];
}

static void *ledger_news(struct balancer *b, const struct balancer_news *news, uint64_t now_us)
{
	void *message;

	ledger_tick(now_us);
	ledger_enter(news);
	message = ledger.inner->news(b, news, now_us);
	ledger.n_messages += message != NULL;
	return message;
}

static void ledger_hear(struct balancer *b, uint32_t from, const void *message, uint64_t now_us)
{
	ledger_tick(now_us);
	ledger.n_heard++;
	ledger.inner->hear(b, from, message, now_us);
}

static void ledger_scraped(struct balancer *b, uint32_t engine, const struct sl_load_sample *sample,
                           uint64_t now_us)
{
	ledger_tick(now_us);
	assert_int_equal(sample->taken_us, now_us);
	assert_true(sample->kv_usage >= 0 && sample->kv_usage <= 1);
	ledger.inner->scraped(b, engine, sample, now_us);
}

static void ledger_health(struct balancer *b, uint32_t engine, bool up, uint64_t now_us)
{
	ledger_tick(now_us);
	ledger.up[engine] = up;
	ledger.inner->health(b, engine, up, now_us);
}

static const struct balancer_ops ledger_ops = {
	.make = ledger_make,
	.free = ledger_free,
	.place = ledger_place,
	.news = ledger_news,
	.hear = ledger_hear,
	.scraped = ledger_scraped,
	.health = ledger_health,
};

/* Every request has ended, once, and as the tally says. */
static inline void ledger_check_end(const struct random_world *w, const struct tally *t)
{
	uint64_t dispatched = 0, placements = 0;
	uint32_t failures = 0;

	for (uint32_t i = 0; i < w->workload.n; i++) {
		const struct ledger_entry *e = &ledger.entries[i];

		assert_int_equal(e->state, t->requests[i].done ? ENTRY_ENDED : ENTRY_OUT);
		assert_int_equal(t->requests[i].prompt_tokens,
		                 w->workload.requests[i].input_tokens);
		assert_true(t->requests[i].ttft_ms <= t->requests[i].e2e_ms);
		failures += e->failures;
		placements += e->failures + (e->state == ENTRY_ENDED);
	}
	for (uint32_t i = 0; i < w->fleet.n; i++)
		dispatched += t->dispatched[i];
	assert_int_equal(dispatched, placements);
	assert_true(t->retries <= failures);
	assert_false(t->abandoned);
	if (w->setup.replicas == 1 || w->setup.replica_delay_us == WORLD_CUT_OFF)
		assert_int_equal(ledger.n_heard, 0);
	else
		assert_true(ledger.n_heard <= ledger.n_messages * (w->setup.replicas - 1));
}

/* One run of a random world under this policy; the digest of its decisions. */
static inline uint64_t ledger_run(uint64_t seed, const struct policy *policy,
                                  void (*books)(struct balancer *b))
{
	struct policy checked = *policy;
	struct random_world w;
	struct tally tally;
	uint64_t digest;

	random_world_init(&w, seed);
	memset(&ledger, 0, sizeof(ledger));
	ledger.inner = policy->ops;
	ledger.books = books;
	ledger.entries = calloc(w.workload.n, sizeof(*ledger.entries));
	assert_non_null(ledger.entries);
	checked.ops = &ledger_ops;
	w.setup.policy = &checked;
	world_run(&w.setup, &tally);
	ledger_check_end(&w, &tally);
	digest = tally.decisions;
	tally_fini(&tally);
	free(ledger.entries);
	random_world_fini(&w);
	return digest;
}

#endif
