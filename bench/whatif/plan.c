/* plan.c: the search, free of the simulation. See plan.h.
 *
 * Everything that was tried is remembered. A batch is at most WIDTH tries,
 * whatever the machine is, so that the answer is the same everywhere. */
#include "bench/whatif/plan.h"

#include <assert.h>
#include <stdlib.h>

#define WIDTH 4u
#define MAX_SIZES 6u

struct search {
	const struct plan_search *asked;
	struct plan_try *tried; /* owned */
	uint32_t n, cap;
	uint32_t runs;
	double ratio; /* of prefill engines in the last best split; 0: none yet */
};

struct bracket {
	uint32_t low, high; /* both inside */
};

/* ---- tries ------------------------------------------------------------ */

static struct plan_try *find(const struct search *s, uint32_t engines, uint32_t prefill)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->tried[i].engines == engines && s->tried[i].prefill == prefill)
			return &s->tried[i];
	return NULL;
}

static void remember(struct search *s, const struct plan_try *try)
{
	struct plan_try *old = find(s, try->engines, try->prefill);

	if (old) {
		*old = *try;
		return;
	}
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->tried = reallocarray(s->tried, s->cap, sizeof(*s->tried));
		if (!s->tried)
			abort();
	}
	s->tried[s->n++] = *try;
}

/* Runs those of n <= WIDTH fleets that were not. Whole: not stopped early. */
static void ask(struct search *s, const struct plan_try *fleets, uint32_t n, bool whole)
{
	struct plan_try fresh[WIDTH];
	uint32_t n_fresh = 0;

	assert(n <= WIDTH);
	for (uint32_t i = 0; i < n; i++) {
		const struct plan_try *old = find(s, fleets[i].engines, fleets[i].prefill);

		if (!old || (whole && old->stopped))
			fresh[n_fresh++] = fleets[i];
	}
	if (n_fresh == 0)
		return;
	s->asked->run(s->asked->ctx, fresh, n_fresh, whole ? 0 : s->asked->good_share);
	s->runs += n_fresh;
	for (uint32_t i = 0; i < n_fresh; i++)
		remember(s, &fresh[i]);
}

static bool is_good(const struct search *s, const struct plan_try *try)
{
	return !try->stopped && try->slo_ok >= s->asked->good_share;
}

static bool is_better(const struct plan_try *a, const struct plan_try *b)
{
	if (a->slo_ok < b->slo_ok || a->slo_ok > b->slo_ok)
		return a->slo_ok > b->slo_ok;
	return a->ttft_p99_ms < b->ttft_p99_ms;
}

/* ---- aggregated ------------------------------------------------------- */

/* Asks for up to WIDTH sizes evenly inside a bracket. */
static uint32_t spread_over(struct bracket b, uint32_t out[WIDTH])
{
	uint32_t room = b.high - b.low + 1, n = 0;

	if (room <= WIDTH) {
		for (; n < room; n++)
			out[n] = b.low + n;
		return n;
	}
	for (; n < WIDTH; n++)
		out[n] = b.low + (uint32_t)((uint64_t)(room - 1) * (n + 1) / (WIDTH + 1));
	return n;
}

/* Which of the sizes, ascending, is the first good one; n if none. */
static uint32_t first_good(struct search *s, const uint32_t *sizes, uint32_t n)
{
	struct plan_try fleets[WIDTH] = { { 0 } };
	uint32_t i;

	for (i = 0; i < n; i++)
		fleets[i].engines = sizes[i];
	ask(s, fleets, n, false);
	for (i = 0; i < n; i++)
		if (is_good(s, find(s, sizes[i], 0)))
			break;
	return i;
}

/* Doubles until a size is good; what is left between is in *out_between. */
static uint32_t gallop(struct search *s, struct bracket *out_between)
{
	uint32_t most = s->asked->max_engines, below = 0, next = 1;

	while (below < most) {
		uint32_t sizes[WIDTH], n = 0, k;

		for (; n < WIDTH && next < most; next *= 2)
			sizes[n++] = next;
		if (n < WIDTH)
			sizes[n++] = most;
		k = first_good(s, sizes, n);
		below = k ? sizes[k - 1] : below;
		if (k < n) {
			*out_between = (struct bracket){ below + 1, sizes[k] - 1 };
			return sizes[k];
		}
	}
	return 0;
}

static uint32_t smallest_aggregated(struct search *s)
{
	struct bracket between;
	uint32_t good = gallop(s, &between);

	while (good && between.low <= between.high) {
		uint32_t sizes[WIDTH];
		uint32_t n = spread_over(between, sizes);
		uint32_t k = first_good(s, sizes, n);

		if (k < n) {
			good = sizes[k];
			between.high = sizes[k] - 1;
		}
		if (k)
			between.low = sizes[k - 1] + 1;
	}
	return good;
}

/* ---- splits ----------------------------------------------------------- */

/* The best of the splits of this size that were tried; NULL: none was. */
static struct plan_try *best_tried(const struct search *s, uint32_t engines)
{
	struct plan_try *best = NULL;

	for (uint32_t i = 0; i < s->n; i++) {
		struct plan_try *t = &s->tried[i];

		if (t->engines == engines && t->prefill && (!best || is_better(t, best)))
			best = t;
	}
	return best;
}

static void ask_splits(struct search *s, uint32_t engines, struct bracket splits)
{
	struct plan_try fleets[WIDTH] = { { 0 } };
	uint32_t prefill[WIDTH];
	uint32_t n = spread_over(splits, prefill);

	for (uint32_t i = 0; i < n; i++)
		fleets[i] = (struct plan_try){ .engines = engines, .prefill = prefill[i] };
	ask(s, fleets, n, true);
}

/* The untried splits next to `best`, up to the next tried ones. */
static struct bracket around(const struct search *s, const struct plan_try *best, bool above)
{
	uint32_t p = best->prefill;
	struct bracket b = { p, p };

	if (above)
		for (b.low = p + 1;
		     b.high + 1 < best->engines && !find(s, best->engines, b.high + 1);)
			b.high++;
	else
		for (b.high = p - 1; b.low > 1 && !find(s, best->engines, b.low - 1);)
			b.low--;
	return b;
}

static const struct plan_try *best_split(struct search *s, uint32_t engines)
{
	uint32_t hint = (uint32_t)(s->ratio * engines + 0.5);
	const struct plan_try *best;

	if (s->ratio > 0) {
		uint32_t p = hint < 1 ? 1 : hint > engines - 1 ? engines - 1 : hint;

		ask_splits(s, engines,
		           (struct bracket){ p > 1 ? p - 1 : 1, p + 1 < engines ? p + 1 : p });
	} else {
		ask_splits(s, engines, (struct bracket){ 1, engines - 1 });
	}
	for (;;) {
		struct bracket below, above;

		best = best_tried(s, engines);
		below = around(s, best, false);
		above = around(s, best, true);
		if (below.low > below.high && above.low > above.high)
			break;
		if (below.low <= below.high)
			ask_splits(s, engines, below);
		else
			ask_splits(s, engines, above);
	}
	s->ratio = (double)best->prefill / engines;
	return best;
}

/* From a start, up or down by growing steps until good turns to bad or the
 * other way round, then by halves. 0: none is good. */
static uint32_t smallest_disaggregated(struct search *s, uint32_t start)
{
	uint32_t bad = 1, good = 0, size = start, step = 1;

	while (good == 0 || good - bad > 1) {
		bool is = is_good(s, best_split(s, size));

		if (is)
			good = size;
		else
			bad = size;
		if (!is && size == s->asked->max_engines)
			return 0;
		if (good && bad > 1)
			size = bad + (good - bad) / 2;
		else if (good)
			size = good > step + 2 ? good - step : 2;
		else
			size = s->asked->max_engines - bad > step ? bad + step
			                                          : s->asked->max_engines;
		step *= 2;
	}
	return good;
}

/* ---- the answer ------------------------------------------------------- */

static void add_row(struct search *s, struct plan *p, uint32_t engines, uint32_t prefill)
{
	struct plan_try fleet = { .engines = engines, .prefill = prefill };

	ask(s, &fleet, 1, true);
	p->rows[p->n_rows++] = *find(s, engines, prefill);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The answers and their neighbours; the largest fleet if there is no answer. */
static void add_rows(struct search *s, struct plan *p)
{
	uint32_t sizes[MAX_SIZES + 1], n = 0, last = 0;
	uint32_t centres[2] = { p->aggregated, p->disaggregated };

	for (int i = 0; i < 2; i++)
		for (uint32_t k = centres[i] ? centres[i] - 1 : 1; k <= centres[i] + 1; k++)
			if (centres[i] && k >= 1 && k <= s->asked->max_engines)
				sizes[n++] = k;
	if (n == 0)
		sizes[n++] = s->asked->max_engines;
	qsort(sizes, n, sizeof(*sizes), by_size);
	for (uint32_t i = 0; i < n; i++) {
		if (sizes[i] == last)
			continue;
		last = sizes[i];
		add_row(s, p, last, 0);
		if (last > 1)
			add_row(s, p, last, best_split(s, last)->prefill);
	}
}

void plan_find(const struct plan_search *search, struct plan *out_plan)
{
	struct search s = { .asked = search };
	struct plan p = { .n_rows = 0 };
	uint32_t start;

	p.aggregated = smallest_aggregated(&s);
	if (search->max_engines > 1) {
		start = p.aggregated ? p.aggregated : search->max_engines;
		p.disaggregated = smallest_disaggregated(&s, start > 1 ? start : 2);
	}
	if (p.disaggregated)
		p.prefill = best_split(&s, p.disaggregated)->prefill;
	add_rows(&s, &p);
	p.runs = s.runs;
	free(s.tried);
	*out_plan = p;
}
