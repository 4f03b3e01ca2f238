/* Who goes next among tenants that wait: shares of service in tokens, no credit
 * from idleness, classes, places in a full queue, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sluice/fair.h"

#define N 64
#define MANY 100000u

struct rig {
	struct sl_fair *f;
	struct sl_fair_claim c[N];
};

static int setup_of(void **state, uint32_t max_tenants)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->f = sl_fair_new(max_tenants);
	for (unsigned i = 0; i < N; i++)
		r->c[i] = (struct sl_fair_claim){ .owner = &r->c[i], .class = SL_FAIR_NORMAL };
	*state = r;
	return 0;
}

static int setup(void **state)
{
	return setup_of(state, 8);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	sl_fair_free(r->f);
	free(r);
	return 0;
}

static void join(struct rig *r, unsigned i, uint64_t tenant)
{
	r->c[i].tenant = tenant;
	assert_true(sl_fair_join(r->f, &r->c[i], MANY));
}

/* Serves the next one; its number, or -1. */
static int serve(struct rig *r, uint64_t tokens)
{
	struct sl_fair_claim *c = sl_fair_first(r->f);

	if (!c)
		return -1;
	sl_fair_charge(r->f, c, tokens);
	sl_fair_leave(r->f, c);
	return (int)(c - r->c);
}

static void end(struct rig *r, int i, uint64_t tokens)
{
	sl_fair_settle(r->f, &r->c[i], tokens);
}

static void test_nobody(void **state)
{
	struct rig *r = *state;

	assert_null(sl_fair_first(r->f));
	assert_null(sl_fair_displaced(r->f));
	assert_int_equal(sl_fair_waiting(r->f), 0);
	sl_fair_leave(r->f, &r->c[0]); /* it does not wait */
	sl_fair_settle(r->f, &r->c[0], 5);
	assert_int_equal(sl_fair_tenants(r->f), 0);
}

static void test_one_tenant_is_first_come_first_served(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 5; i++)
		join(r, i, 1);
	sl_fair_leave(r->f, &r->c[2]);
	assert_int_equal(sl_fair_waiting(r->f), 4);
	assert_int_equal(serve(r, 10), 0);
	assert_int_equal(serve(r, 1000), 1);
	assert_int_equal(serve(r, 1), 3);
	assert_int_equal(serve(r, 1), 4);
	assert_int_equal(serve(r, 1), -1);
}

/* The flood was first by far, and the other waits for one request of it. */
static void test_a_flood_does_not_go_first(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 40; i++)
		join(r, i, 1);
	assert_int_equal(serve(r, 100), 0);
	join(r, 50, 2);
	assert_int_equal(serve(r, 100), 50);
	assert_int_equal(serve(r, 100), 1);
	join(r, 50 + 1, 2);
	assert_int_equal(serve(r, 100), 51);
}

/* A tenant that always has requests waiting, of one size. */
struct demand {
	uint64_t tenant, tokens, real;
	unsigned backlog; /* kept waiting */
	uint64_t served;
};

/* Two tenants whose backlogs never run dry share `turns` of service. Claims of
 * the second begin at N/2. */
static void share(struct rig *r, struct demand *d, unsigned turns)
{
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < d[k].backlog; i++)
			join(r, k * N / 2 + i, d[k].tenant);
	for (unsigned i = 0; i < turns; i++) {
		struct sl_fair_claim *c = sl_fair_first(r->f);
		struct demand *x = &d[c - r->c >= N / 2];

		sl_fair_charge(r->f, c, x->tokens);
		sl_fair_leave(r->f, c);
		sl_fair_settle(r->f, c, x->real);
		x->served += x->real;
		assert_true(sl_fair_join(r->f, c, MANY));
	}
}

static void assert_equal_shares(const struct demand *d, uint64_t within)
{
	uint64_t a = d[0].served, b = d[1].served;

	assert_true((a > b ? a - b : b - a) <= within);
}

static void test_ten_to_one_offered_is_shared_equally(void **state)
{
	struct demand d[] = { { 1, 100, 100, 20, 0 }, { 2, 100, 100, 2, 0 } };

	share(*state, d, 1000);
	assert_equal_shares(d, 100);
	assert_int_equal(d[0].served + d[1].served, 100000);
}

static void test_long_and_short_requests_share_tokens(void **state)
{
	struct demand d[] = { { 1, 5000, 5000, 20, 0 }, { 2, 70, 70, 20, 0 } };

	share(*state, d, 10000);
	assert_equal_shares(d, 5000);
	assert_true(d[0].served > 300000);
}

/* Who is underestimated pays at the end, and who is overestimated gets it back. */
static void test_what_was_used_counts_not_what_was_expected(void **state)
{
	struct demand d[] = { { 1, 10, 1000, 4, 0 }, { 2, 4000, 500, 4, 0 } };

	share(*state, d, 1000);
	assert_equal_shares(d, 4000);
	assert_true(d[0].served > 200000);
}

static void test_idle_returns_without_credit(void **state)
{
	struct rig *r = *state;

	join(r, 50, 2);
	assert_int_equal(serve(r, 100), 50);
	end(r, 50, 100);
	for (unsigned i = 0; i < 20; i++)
		join(r, i, 1);
	for (int i = 0; i < 10; i++) { /* 10,000 tokens while the other is away */
		assert_int_equal(serve(r, 1000), i);
		end(r, i, 1000);
	}
	for (unsigned i = 50; i < 54; i++)
		join(r, i, 2);
	assert_int_equal(serve(r, 1000), 50);
	assert_int_equal(serve(r, 1000), 10);
	assert_int_equal(serve(r, 1000), 51);
	assert_int_equal(serve(r, 1000), 11);
}

/* Not even the credit of being behind a request that is not its own. */
static void test_who_begins_is_level_with_the_lowest(void **state)
{
	struct rig *r = *state;

	join(r, 0, 1);
	join(r, 1, 1);
	join(r, 2, 1);
	assert_int_equal(serve(r, 10000), 0);
	for (unsigned i = 50; i < 54; i++)
		join(r, i, 2);
	assert_int_equal(serve(r, 1000), 50);
	assert_int_equal(serve(r, 1000), 1);
	assert_int_equal(serve(r, 1000), 51);
	assert_int_equal(serve(r, 1000), 2);
}

/* Two were away: neither finds the other's absence worth anything. */
static void test_several_return_without_credit(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 20; i++)
		join(r, i, 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(serve(r, 1000), i);
	for (unsigned i = 40; i < 44; i++)
		join(r, i, 2);
	for (unsigned i = 50; i < 54; i++)
		join(r, i, 3);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(serve(r, 1000), 40 + i);
		assert_int_equal(serve(r, 1000), 50 + i);
		assert_int_equal(serve(r, 1000), 10 + i);
	}
}

/* What is given back for work from before it was away is no credit either. */
static void test_a_late_refund_is_no_credit(void **state)
{
	struct rig *r = *state;

	join(r, 50, 2);
	assert_int_equal(serve(r, 100000), 50);
	for (unsigned i = 0; i < 20; i++)
		join(r, i, 1);
	for (int i = 0; i < 15; i++) {
		assert_int_equal(serve(r, 10000), i);
		end(r, i, 10000);
	}
	for (unsigned i = 51; i < 54; i++)
		join(r, i, 2);
	end(r, 50, 1);
	assert_int_equal(serve(r, 10000), 51);
	assert_int_equal(serve(r, 10000), 15);
	assert_int_equal(serve(r, 10000), 52);
	assert_int_equal(serve(r, 10000), 16);
}

/* Had the truth been known when it began to wait, it had been level. */
static void test_a_refund_goes_down_to_where_it_would_have_begun(void **state)
{
	struct rig *r = *state;

	join(r, 50, 2);
	assert_int_equal(serve(r, 50000), 50);
	for (unsigned i = 0; i < 20; i++)
		join(r, i, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(serve(r, 10000), i);
	for (unsigned i = 51; i < 54; i++)
		join(r, i, 2); /* at 50,000, the other at 30,000 */
	end(r, 50, 1);
	assert_int_equal(serve(r, 10000), 51);
	assert_int_equal(serve(r, 10000), 3);
	assert_int_equal(serve(r, 10000), 52);
}

/* A debt from before that was forgiven already is not raised once more. */
static void test_a_late_debt_is_not_paid_twice(void **state)
{
	struct rig *r = *state;

	join(r, 50, 2);
	assert_int_equal(serve(r, 10), 50);
	for (unsigned i = 0; i < 20; i++)
		join(r, i, 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(serve(r, 1000), i);
	for (unsigned i = 51; i < 54; i++)
		join(r, i, 2);
	end(r, 50, 5010);
	assert_int_equal(serve(r, 1000), 51);
	assert_int_equal(serve(r, 1000), 10);
	assert_int_equal(serve(r, 1000), 52);
}

/* Nobody waited, so nobody was kept from anything. */
static void test_use_of_free_engines_is_not_held_against_it(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 20; i++) {
		r->c[i].tenant = 1;
		sl_fair_charge(r->f, &r->c[i], 1000);
	}
	for (unsigned i = 40; i < 44; i++)
		join(r, i, 2);
	for (unsigned i = 20; i < 24; i++)
		join(r, i, 1);
	assert_int_equal(serve(r, 1000), 40);
	assert_int_equal(serve(r, 1000), 20);
	assert_int_equal(serve(r, 1000), 41);
	assert_int_equal(serve(r, 1000), 21);
}

/* ---- the property ---------------------------------------------------- */

#define TENANTS 5
#define AT_ONCE 6
#define LARGEST 3000

/* Tenants that come and go, requests of any size, estimates that are wrong,
 * ends long after the beginning. */
struct world {
	struct rig *r;
	struct sl_rng rng;
	struct sl_fair_claim *running[AT_ONCE];
	uint64_t served[TENANTS];       /* in truth, as far as it has ended */
	int64_t base[TENANTS][TENANTS]; /* the difference when both had begun to wait */
	bool busy[TENANTS];
	int64_t worst;
};

static uint64_t dice(struct world *w, uint64_t n)
{
	return (sl_rng_next(&w->rng) >> 32) % n;
}

static uint64_t real_tokens(const struct sl_fair_claim *c)
{
	/* The second tenant is always overestimated by far. */
	return c->tenant == 1 ? 1 + c->tokens / 20 : c->tokens;
}

static void end_one(struct world *w, unsigned k)
{
	struct sl_fair_claim *c = w->running[k];

	if (!c)
		return;
	w->served[c->tenant] += real_tokens(c);
	sl_fair_settle(w->r->f, c, real_tokens(c));
	w->running[k] = NULL;
}

/* Each busy tenant always has some that wait. */
static void refill(struct world *w)
{
	for (unsigned i = 0; i < N; i++) {
		struct sl_fair_claim *c = &w->r->c[i];

		c->tenant = i % TENANTS;
		if (w->busy[c->tenant] && !c->waiting && !c->tokens)
			assert_true(sl_fair_join(w->r->f, c, MANY));
	}
}

static void toggle(struct world *w, unsigned tenant)
{
	w->busy[tenant] = !w->busy[tenant];
	for (unsigned i = tenant; i < N; i += TENANTS)
		sl_fair_leave(w->r->f, &w->r->c[i]);
	for (unsigned k = 0; k < TENANTS; k++) {
		w->base[tenant][k] = (int64_t)(w->served[tenant] - w->served[k]);
		w->base[k][tenant] = -w->base[tenant][k];
	}
}

static void judge(struct world *w)
{
	for (unsigned i = 0; i < TENANTS; i++)
		for (unsigned k = 0; k < TENANTS; k++) {
			int64_t lead = (int64_t)(w->served[i] - w->served[k]) - w->base[i][k];

			if (w->busy[i] && w->busy[k] && lead > w->worst)
				w->worst = lead;
		}
}

static int64_t worst_lead(struct rig *r, uint64_t seed)
{
	struct world w = { .r = r, .rng = { seed } };

	w.busy[0] = w.busy[1] = true;
	for (unsigned step = 0; step < 20000; step++) {
		unsigned k = (unsigned)dice(&w, AT_ONCE);

		if (step % 400 == 399)
			toggle(&w, 2 + (unsigned)dice(&w, TENANTS - 2));
		end_one(&w, k);
		refill(&w);
		w.running[k] = sl_fair_first(r->f);
		sl_fair_charge(r->f, w.running[k], 1 + dice(&w, LARGEST));
		sl_fair_leave(r->f, w.running[k]);
		judge(&w);
	}
	return w.worst;
}

/* Tenants that always wait are never apart by more than what can be in
 * progress, for two of them and at both ends, however long it goes on. */
static void test_backlogged_tenants_stay_level(void **state)
{
	struct rig *r = *state;

	assert_in_range(worst_lead(r, 7), 1, 2 * (AT_ONCE + 1) * LARGEST);
}

/* A retry waits again, and is charged once in all. */
static void test_joining_again_gives_the_charge_back(void **state)
{
	struct rig *r = *state;

	join(r, 0, 1);
	join(r, 1, 1);
	join(r, 2, 2);
	assert_int_equal(serve(r, 500), 0);
	join(r, 0, 1);
	assert_int_equal(serve(r, 500), 2);
	assert_int_equal(serve(r, 500), 1);
	join(r, 2, 2);
	assert_int_equal(serve(r, 500), 2);
	assert_int_equal(serve(r, 500), 0);
}

static void test_higher_classes_go_first(void **state)
{
	struct rig *r = *state;

	r->c[0].class = SL_FAIR_LOW;
	r->c[2].class = SL_FAIR_HIGH;
	join(r, 0, 1);
	join(r, 1, 1);
	join(r, 2, 2);
	assert_int_equal(serve(r, 9), 2);
	assert_int_equal(serve(r, 9), 1);
	assert_int_equal(serve(r, 9), 0);
}

static void test_lower_classes_do_not_starve(void **state)
{
	struct rig *r = *state;
	unsigned turns[3] = { 0 };

	for (unsigned i = 0; i < 30; i++) {
		r->c[i].class = (enum sl_fair_class)(i / 10);
		join(r, i, 1);
	}
	for (unsigned i = 0; i < 800; i++) {
		int k = serve(r, 10);

		turns[k / 10]++;
		join(r, (unsigned)k, 1); /* every class always has some */
	}
	assert_int_equal(turns[SL_FAIR_LOW], 100);
	assert_in_range(turns[SL_FAIR_NORMAL], 80, 100);
	assert_in_range(turns[SL_FAIR_HIGH], 600, 620);
}

/* Turns are counted from when it begins to wait. */
static void test_a_class_that_left_has_no_turn_saved(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 20; i++)
		join(r, i, 1);
	r->c[50].class = r->c[51].class = SL_FAIR_LOW;
	join(r, 50, 2);
	for (int i = 0; i < 7; i++)
		assert_int_equal(serve(r, 1), i);
	sl_fair_leave(r->f, &r->c[50]);
	join(r, 51, 2);
	assert_int_equal(serve(r, 1), 7);
}

/* ---- a full queue ---------------------------------------------------- */

static void test_the_largest_gives_up_its_youngest(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 4; i++)
		join(r, i, 1);
	r->c[10].tenant = 1; /* the flood itself finds no place */
	assert_false(sl_fair_join(r->f, &r->c[10], 4));
	r->c[20].tenant = 2;
	assert_true(sl_fair_join(r->f, &r->c[20], 4));
	assert_ptr_equal(sl_fair_displaced(r->f), &r->c[3]);
	assert_true(r->c[3].displaced && !r->c[3].waiting);
	r->c[21].tenant = 2; /* 3 and 1 become 2 and 2 */
	assert_true(sl_fair_join(r->f, &r->c[21], 4));
	assert_ptr_equal(sl_fair_displaced(r->f)->next, &r->c[2]);
	assert_int_equal(sl_fair_waiting(r->f), 4);
	r->c[22].tenant = 2; /* it would have more than it takes from */
	assert_false(sl_fair_join(r->f, &r->c[22], 4));
	sl_fair_leave(r->f, &r->c[3]);
	sl_fair_leave(r->f, &r->c[2]);
	assert_null(sl_fair_displaced(r->f));
	assert_int_equal(serve(r, 5), 0);
	assert_int_equal(serve(r, 5), 20);
	assert_int_equal(serve(r, 5), 1);
	assert_int_equal(serve(r, 5), 21);
	assert_int_equal(serve(r, 5), -1);
}

/* Those who share a counter are one tenant here, too. */
static void test_who_shares_displaces_as_one(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 8; i++)
		join(r, i, 1 + i);
	join(r, 8, 1);
	join(r, 9, 1);
	for (unsigned i = 10; i < 13; i++)
		join(r, i, i);
	r->c[20].tenant = 20;
	assert_false(sl_fair_join(r->f, &r->c[20], 13));
}

static void test_nobody_is_displaced_for_an_equal(void **state)
{
	struct rig *r = *state;

	join(r, 0, 1);
	join(r, 1, 2);
	r->c[2].tenant = 3;
	assert_false(sl_fair_join(r->f, &r->c[2], 2));
	assert_false(sl_fair_join(r->f, &r->c[2], 0));
	assert_null(sl_fair_displaced(r->f));
	assert_null(r->c[2].flow);
}

static void test_no_class_displaces_one_above_it(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 4; i++) {
		r->c[i].class = SL_FAIR_HIGH;
		join(r, i, 1);
	}
	r->c[10].tenant = 2;
	assert_false(sl_fair_join(r->f, &r->c[10], 4));
	r->c[11].tenant = 2;
	r->c[11].class = SL_FAIR_HIGH;
	assert_true(sl_fair_join(r->f, &r->c[11], 4));
}

/* ---- bounds ---------------------------------------------------------- */

static void test_idle_tenants_are_forgotten_oldest_first(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 20; i++) {
		join(r, i, 100 + i);
		assert_int_equal(serve(r, i < 12 ? 5000 : 1000), i);
		end(r, (int)i, i < 12 ? 5000 : 1000);
		assert_true(sl_fair_tenants(r->f) <= 8);
	}
	/* The last eight still owe what they used; who is unknown goes first. */
	join(r, 0, 119);
	join(r, 1, 100);
	assert_int_equal(serve(r, 1), 1);
	assert_int_equal(serve(r, 1), 0);
}

static void test_when_all_are_active_new_ones_share(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 12; i++)
		join(r, i, 100 + i);
	assert_int_equal(sl_fair_tenants(r->f), 8);
	assert_int_equal(sl_fair_waiting(r->f), 12);
	assert_ptr_equal(r->c[8].flow, r->c[11].flow);
	for (int i = 0; i < 9; i++) /* first of all, each tenant, and one of those who share */
		assert_in_range(serve(r, 10), 0, 8);
	assert_int_equal(sl_fair_waiting(r->f), 3);
	for (int i = 0; i < 8; i++)
		end(r, i, 10);
	join(r, 20, 200); /* there is room again */
	assert_ptr_not_equal(r->c[20].flow, r->c[11].flow);
	for (int i = 0; i < 4; i++)
		assert_true(serve(r, 10) >= 0);
	assert_int_equal(serve(r, 10), -1);
}

static uint64_t churn(uint64_t seed)
{
	struct sl_rng rng = { seed };
	struct rig *r;
	void *state;
	uint64_t trace = 0, waiting = 0;

	setup_of(&state, 4);
	r = state;
	for (unsigned step = 0; step < 20000; step++) {
		struct sl_fair_claim *c = &r->c[sl_rng_next(&rng) >> 32 & (N - 1)];
		uint64_t roll = sl_rng_next(&rng) >> 40;

		if (c->displaced || (c->waiting && roll % 4 == 0)) {
			sl_fair_leave(r->f, c);
		} else if (c->tokens && !c->waiting) {
			sl_fair_settle(r->f, c, roll % 3000);
		} else if (c->waiting || roll % 8 == 0) {
			int k = serve(r, roll % 1000);

			trace = trace * 31 + (uint64_t)(k + 1);
		} else {
			c->tenant = roll % 9;
			c->class = (enum sl_fair_class)(roll / 16 % SL_FAIR_CLASSES);
			trace = trace * 31 + sl_fair_join(r->f, c, 24);
		}
		waiting = 0;
		for (unsigned i = 0; i < N; i++)
			waiting += r->c[i].waiting;
		assert_int_equal(sl_fair_waiting(r->f), waiting);
		assert_true(waiting <= 24 && sl_fair_tenants(r->f) <= 4);
		assert_true(!waiting == !sl_fair_first(r->f));
	}
	teardown(&state);
	return trace;
}

/* Anything in any order; and the same again gives the same. */
static void test_churn_is_deterministic(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 6; seed++)
		assert_int_equal(churn(seed), churn(seed));
	assert_int_not_equal(churn(1), churn(2));
}

static void test_tenant_numbers(void **state)
{
	(void)state;
	assert_int_equal(sl_fair_tenant(SL_SPAN("a"), 1, 7), sl_fair_tenant(SL_SPAN("a"), 1, 7));
	assert_int_not_equal(sl_fair_tenant(SL_SPAN("a"), 1, 7),
	                     sl_fair_tenant(SL_SPAN("b"), 1, 7));
	assert_int_not_equal(sl_fair_tenant(SL_SPAN("a"), 1, 7),
	                     sl_fair_tenant(SL_SPAN("a"), 2, 7));
	assert_int_not_equal(sl_fair_tenant(SL_SPAN("a"), 1, 7),
	                     sl_fair_tenant(SL_SPAN("a"), 1, 9));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_nobody),
		CASE(test_one_tenant_is_first_come_first_served),
		CASE(test_a_flood_does_not_go_first),
		CASE(test_ten_to_one_offered_is_shared_equally),
		CASE(test_long_and_short_requests_share_tokens),
		CASE(test_what_was_used_counts_not_what_was_expected),
		CASE(test_idle_returns_without_credit),
		CASE(test_who_begins_is_level_with_the_lowest),
		CASE(test_several_return_without_credit),
		CASE(test_a_late_refund_is_no_credit),
		CASE(test_a_refund_goes_down_to_where_it_would_have_begun),
		CASE(test_a_late_debt_is_not_paid_twice),
		CASE(test_backlogged_tenants_stay_level),
		CASE(test_a_class_that_left_has_no_turn_saved),
		CASE(test_who_shares_displaces_as_one),
		CASE(test_use_of_free_engines_is_not_held_against_it),
		CASE(test_joining_again_gives_the_charge_back),
		CASE(test_higher_classes_go_first),
		CASE(test_lower_classes_do_not_starve),
		CASE(test_the_largest_gives_up_its_youngest),
		CASE(test_nobody_is_displaced_for_an_equal),
		CASE(test_no_class_displaces_one_above_it),
		CASE(test_idle_tenants_are_forgotten_oldest_first),
		CASE(test_when_all_are_active_new_ones_share),
		cmocka_unit_test(test_churn_is_deterministic),
		cmocka_unit_test(test_tenant_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
