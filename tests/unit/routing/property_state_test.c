/* property_state_test.c: what holds of the router's state whatever happens:
 * the ledger returns to nothing, F and gamma stay in their bounds, and what an
 * engine holds of a prompt is a beginning, within its limits. */
#include "tests/unit/routing/fleet_help.h"

#define STEPS 80

static void work_returns_to_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		static struct fleet f;

		fleet_open(&f, seed, seed % 2, NULL);
		fleet_live_on(&f, STEPS);
		for (uint32_t i = 0; i < FLEET_TICKETS; i++)
			if (f.tickets[i].live)
				fleet_end(&f, &f.tickets[i]);
		for (uint32_t i = 0; i < f.n; i++) {
			const struct ledger *l = &f.r->endpoints[f.slot[i]].ledger;

			fleet_assert(&f, l->queue_us == 0 && l->context_tokens == 0);
			fleet_assert(&f, l->seqs == 0 && l->inflight == 0 && l->prefilling == 0);
			fleet_assert(&f, !l->first && !l->last && l->first_cost_us == 0);
		}
		fleet_close(&f);
	}
}

static void what_is_learned_stays_in_its_bounds(void **state)
{
	bool slow = false, fast = false, few = false, many = false;

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		static struct fleet f;

		fleet_open(&f, seed, false, NULL);
		for (uint32_t step = 0; step < 4 * STEPS; step++) {
			struct sl_endpoint_view v;

			fleet_live_on(&f, 1);
			v = help_view(f.r, f.slot[step % f.n], f.now_us);
			fleet_assert(&f, v.slowness >= 0.5 && v.slowness <= 8);
			fleet_assert(&f, v.gamma >= 0.25 && v.gamma <= 1.25);
			slow |= v.slowness > 1.5;
			fast |= v.slowness < 0.8;
			few |= v.gamma <= 0.25;
			many |= v.gamma >= 1.25;
		}
		fleet_close(&f);
	}
	/* or nothing was learned that could have left them */
	assert_true(slow && fast && few && many);
}

/* ---- the index ------------------------------------------------------------- */

#define SLOTS 12
#define PROMPTS 20
#define PUTS 40

struct shelf {
	uint64_t seed;
	struct index ix;
	struct sl_rng rng;
	struct prompt prompts[PROMPTS];
	struct index_limit limit[SLOTS];
	struct {
		struct index_put put;
		uint32_t slot;
		const struct prompt *prompt;
	} puts[PUTS];
};

static void shelf_open(struct shelf *s, uint64_t seed)
{
	*s = (struct shelf){ .seed = seed, .rng = { seed + 5 } };
	index_init(&s->ix, seed);
	index_reserve(&s->ix, SLOTS);
	for (uint32_t i = 0; i < PROMPTS; i++)
		prompt_init(&s->prompts[i], i % 3, 256 * help_below(&s->rng, 24), i,
		            256 + help_below(&s->rng, 12000));
	for (uint32_t i = 0; i < SLOTS; i++)
		s->limit[i] = (struct index_limit){ .tokens = 200 + help_below(&s->rng, 8000),
			                            .entries = 1 + help_below(&s->rng, 60) };
}

static void shelf_close(struct shelf *s)
{
	index_fini(&s->ix);
	for (uint32_t i = 0; i < PROMPTS; i++)
		prompt_fini(&s->prompts[i]);
}

static void shelf_put(struct shelf *s, uint32_t k)
{
	uint32_t slot = help_below(&s->rng, SLOTS);
	const struct prompt *p = &s->prompts[help_below(&s->rng, PROMPTS)];

	s->puts[k].slot = slot;
	s->puts[k].prompt = p;
	s->puts[k].put =
	        index_insert(&s->ix, slot, p->blocks, p->facts.n_blocks, 0.25, s->limit[slot]);
}

static void shelf_step(struct shelf *s)
{
	uint32_t k = help_below(&s->rng, PUTS), what = help_below(&s->rng, 40);
	const struct prompt *p = s->puts[k].prompt;

	if (what == 0) {
		index_clear(&s->ix, help_below(&s->rng, SLOTS));
	} else if (what < 12 && p) {
		index_take_back(&s->ix, s->puts[k].slot, p->blocks, p->facts.n_blocks,
		                s->puts[k].put);
		s->puts[k].prompt = NULL;
	} else {
		shelf_put(s, k);
	}
}

/* A block by itself: a bit per engine that holds it. */
static uint32_t holders_of(struct shelf *s, const struct sl_block *block)
{
	uint32_t set = 0;

	index_match(&s->ix, block, 1);
	for (uint32_t i = 0; i < SLOTS; i++)
		set |= (uint32_t)(index_matched(&s->ix, i) > 0) << i;
	return set;
}

static void check_prompt(struct shelf *s, const struct prompt *p)
{
	uint32_t before = (1u << SLOTS) - 1, bytes[SLOTS] = { 0 };

	for (uint32_t k = 0; k < p->facts.n_blocks; k++) {
		uint32_t set = holders_of(s, &p->blocks[k]);

		fleet_assert(s, (set & ~before) == 0);
		for (uint32_t i = 0; i < SLOTS; i++)
			if (set >> i & 1)
				bytes[i] = p->blocks[k].end_bytes;
		before = set;
	}
	index_match(&s->ix, p->blocks, p->facts.n_blocks);
	for (uint32_t i = 0; i < SLOTS; i++)
		fleet_assert(s, index_matched(&s->ix, i) == bytes[i]);
}

static void check_limits(struct shelf *s)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		fleet_assert(s, s->ix.lru[i].n_entries <= s->limit[i].entries);
		fleet_assert(s, s->ix.lru[i].tokens <= s->limit[i].tokens);
	}
}

static void what_is_held_is_a_beginning(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		static struct shelf s;

		shelf_open(&s, seed);
		for (uint32_t step = 0; step < 100; step++) {
			shelf_step(&s);
			check_limits(&s);
			check_prompt(&s, &s.prompts[step % PROMPTS]);
		}
		for (uint32_t i = 0; i < SLOTS; i++)
			index_clear(&s.ix, i);
		fleet_assert(&s, s.ix.nodes.n_live == 0 && s.ix.entries.n_live == 0);
		fleet_assert(&s, s.ix.set_bytes == 0);
		shelf_close(&s);
	}
}

/* Every engine is full after half of the first quarter; from then on not a byte
 * is added. */
static void memory_is_flat_over_unique_prompts(void **state)
{
	const struct index_limit limit = { .tokens = UINT64_MAX, .entries = 8192 };
	uint64_t at_quarter = 0;
	struct index ix;

	(void)state;
	index_init(&ix, 1);
	index_reserve(&ix, SLOTS);
	for (uint32_t i = 0; i < 200000; i++) {
		struct prompt p;

		prompt_init(&p, 0, 0, i + 1, 1024);
		index_insert(&ix, i % SLOTS, p.blocks, p.facts.n_blocks, 0.25, limit);
		prompt_fini(&p);
		if (i == 50000)
			at_quarter = index_bytes(&ix);
	}
	assert_int_equal(ix.entries.n_live, SLOTS * limit.entries);
	assert_int_equal(index_bytes(&ix), at_quarter);
	assert_true(index_bytes(&ix) <= 64ull * ix.entries.n_live);
	index_fini(&ix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_returns_to_nothing),
		cmocka_unit_test(what_is_learned_stays_in_its_bounds),
		cmocka_unit_test(what_is_held_is_a_beginning),
		cmocka_unit_test(memory_is_flat_over_unique_prompts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
