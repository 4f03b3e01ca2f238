/* shortlist_test.c: a shortlist against sorting everything, with many equal
 * costs, and the same candidates in another order. */
#include "routing/shortlist.h"
#include "tests/unit/routing/route_help.h"

#define MOST 200

struct offer {
	double cost_ms;
	uint32_t ep;
};

static struct sl_candidate candidate(const struct offer *o)
{
	return (struct sl_candidate){
		.placement = SL_PLACE_AGGREGATED,
		.prefill_ep = o->ep,
		.decode_ep = o->ep,
		.cost_ms = o->cost_ms,
	};
}

static const uint64_t salt = 77;

static int by_cost_then_key(const void *a, const void *b)
{
	struct sl_candidate x = candidate(a), y = candidate(b);
	uint64_t kx = shortlist_key(x.prefill_ep, x.decode_ep, salt),
	         ky = shortlist_key(y.prefill_ep, y.decode_ep, salt);

	if (x.cost_ms != y.cost_ms)
		return x.cost_ms < y.cost_ms ? -1 : 1;
	return (kx > ky) - (kx < ky);
}

static void add_all(struct shortlist *l, const struct offer *offers, uint32_t n)
{
	shortlist_reset(l);
	for (uint32_t i = 0; i < n; i++) {
		*l->spare = candidate(&offers[i]);
		shortlist_add(l, salt);
	}
}

/* The same, asked beforehand as a search does that only knows a lower bound. */
static uint32_t add_those_that_may(struct shortlist *l, const struct offer *offers, uint32_t n,
                                   double bound)
{
	uint32_t turned_away = 0;

	shortlist_reset(l);
	for (uint32_t i = 0; i < n; i++) {
		const struct offer *o = &offers[i];

		if (!shortlist_may_keep(l, o->cost_ms * bound, o->ep, o->ep, salt)) {
			turned_away++;
			continue;
		}
		*l->spare = candidate(o);
		shortlist_add(l, salt);
	}
	return turned_away;
}

static void shuffle(struct offer *offers, uint32_t n, struct sl_rng *rng)
{
	for (uint32_t i = n; i > 1; i--) {
		uint32_t k = help_below(rng, i);
		struct offer swapped = offers[k];

		offers[k] = offers[i - 1];
		offers[i - 1] = swapped;
	}
}

static void check(const struct shortlist *l, const struct offer *sorted, uint32_t n)
{
	assert_int_equal(l->n, n < SHORTLIST ? n : SHORTLIST);
	for (uint32_t i = 0; i < l->n; i++) {
		const struct sl_candidate *c = l->rank[i].c;

		assert_true(l->rank[i].cost_ms == sorted[i].cost_ms);
		assert_true(c->cost_ms == sorted[i].cost_ms);
		assert_int_equal(c->prefill_ep, sorted[i].ep);
		assert_ptr_not_equal(c, l->spare);
	}
	if (n < SHORTLIST)
		assert_true(l->enough_ms == HUGE_VAL);
	else
		assert_true(l->enough_ms >= sorted[SHORTLIST - 1].cost_ms);
}

static void keeps_what_sorting_puts_first(void **state)
{
	struct sl_rng rng = { 3 };
	struct shortlist l;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct offer offers[MOST], sorted[MOST];
		uint32_t n = help_below(&rng, round % 3 ? 12 : MOST) + 1;
		uint32_t costs = 1 + help_below(&rng, 2 * n); /* few: many are equal */

		for (uint32_t i = 0; i < n; i++)
			offers[i] = (struct offer){ help_below(&rng, costs) * 0.1, i };
		memcpy(sorted, offers, n * sizeof(*offers));
		qsort(sorted, n, sizeof(*sorted), by_cost_then_key);
		add_all(&l, offers, n);
		check(&l, sorted, n);
		shuffle(offers, n, &rng);
		add_all(&l, offers, n);
		check(&l, sorted, n);
	}
}

static void turns_away_only_what_it_would_not_keep(void **state)
{
	struct sl_rng rng = { 4 };
	struct shortlist l;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct offer offers[MOST], sorted[MOST];
		uint32_t costs = 1 + help_below(&rng, 2 * MOST), away;

		for (uint32_t i = 0; i < MOST; i++)
			offers[i] = (struct offer){ 1 + help_below(&rng, costs) * 0.1, i };
		memcpy(sorted, offers, sizeof(offers));
		qsort(sorted, MOST, sizeof(*sorted), by_cost_then_key);
		away = add_those_that_may(&l, offers, MOST, 1);
		check(&l, sorted, MOST);
		assert_true(away >= MOST / 2);
		add_those_that_may(&l, offers, MOST, 0.9);
		check(&l, sorted, MOST);
		/* A bound that is too high by its rounding still parts no equals. */
		add_those_that_may(&l, sorted, MOST, 1 + 1e-15);
		check(&l, sorted, MOST);
	}
}

static void a_reset_list_is_empty(void **state)
{
	const struct offer one = { 1, 4 };
	struct shortlist l;

	(void)state;
	add_all(&l, &one, 1);
	shortlist_reset(&l);
	assert_int_equal(l.n, 0);
	assert_true(l.enough_ms == HUGE_VAL);
	assert_ptr_equal(l.spare, l.item);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_what_sorting_puts_first),
		cmocka_unit_test(turns_away_only_what_it_would_not_keep),
		cmocka_unit_test(a_reset_list_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
