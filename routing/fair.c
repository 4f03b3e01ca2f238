/* fair.c: virtual token counters. See sluice/fair.h.
 *
 * A flow is a tenant in one class. It is active while a claim of its waits or
 * is charged, idle otherwise, and idle ones are in a list, oldest first, from
 * which new tenants take their memory. All flows are in the table but one for
 * each class, which those share for whom nothing is left.
 *
 * floor is a class's virtual time: the highest counter at which anyone began to
 * be served.
 *
 * Charges are estimates, and a request may end long after its tenant has begun
 * to wait anew and was lifted. What a correction had changed, had the truth been
 * known when the tenant began, is all that it changes: margin is how far the
 * counter was above the one it would have been lifted to, or, below 0, how far
 * it was lifted. Charges made since then are corrected in full. */
#include "sluice/fair.h"

#include <xxhash.h>

#include "routing/alloc.h"
#include "routing/heap.h"

/* Behind whoever was never served, where counters are equal. */
#define SERVED (UINT64_C(1) << 63)

struct sl_fair_flow {
	struct heap_item turn, size;        /* in its class's heaps while it waits */
	struct sl_fair_flow *chain;         /* of its bucket */
	struct sl_fair_flow *newer, *older; /* idle */
	struct sl_fair_claim *first, *last;
	uint64_t tenant;
	uint64_t counter;
	uint64_t stamp;            /* when it was made or, with SERVED, served last */
	int64_t margin;            /* when it began to wait */
	uint32_t epoch;            /* how often it has begun */
	uint32_t waiting, charged; /* claims */
	enum sl_fair_class class;
};

struct class
{
	struct heap turns; /* lowest counter first */
	struct heap sizes; /* most waiting first */
	uint64_t floor;
	uint32_t passed; /* turns of higher classes since it had one, while it waits */
	struct sl_fair_flow shared;
};

struct sl_fair {
	struct class classes[SL_FAIR_CLASSES];
	struct sl_fair_flow *flows;    /* owned */
	struct sl_fair_flow **buckets; /* owned */
	uint32_t max_flows, n_flows, mask;
	struct sl_fair_flow *oldest, *newest; /* idle */
	struct sl_fair_claim *displaced, *last_displaced;
	uint32_t waiting;
	uint64_t stamp;
};

uint64_t sl_fair_tenant(struct sl_span name, unsigned kind, uint64_t seed)
{
	return XXH3_64bits_withSeed(name.ptr, name.len, seed + kind);
}

/* ---- life ------------------------------------------------------------ */

struct sl_fair *sl_fair_new(uint32_t max_tenants)
{
	struct sl_fair *f = alloc_zero(1, sizeof(*f));
	uint32_t n_buckets = 16;

	while (n_buckets < 2 * max_tenants)
		n_buckets *= 2;
	assert(max_tenants > 0);
	f->flows = alloc_zero(max_tenants, sizeof(*f->flows));
	f->buckets = alloc_zero(n_buckets, sizeof(struct sl_fair_flow *));
	f->max_flows = max_tenants;
	f->mask = n_buckets - 1;
	for (unsigned i = 0; i < SL_FAIR_CLASSES; i++) {
		heap_init(&f->classes[i].turns, max_tenants + 1);
		heap_init(&f->classes[i].sizes, max_tenants + 1);
		f->classes[i].shared.class = (enum sl_fair_class)i;
	}
	return f;
}

void sl_fair_free(struct sl_fair *f)
{
	for (unsigned i = 0; i < SL_FAIR_CLASSES; i++) {
		heap_fini(&f->classes[i].turns);
		heap_fini(&f->classes[i].sizes);
	}
	free(f->buckets);
	free(f->flows);
	free(f);
}

/* ---- flows ----------------------------------------------------------- */

static bool is_active(const struct sl_fair_flow *flow)
{
	return flow->waiting || flow->charged;
}

static bool is_shared(const struct sl_fair *f, const struct sl_fair_flow *flow)
{
	return flow == &f->classes[flow->class].shared;
}

/* The link that points to it, or the NULL at its chain's end. */
static struct sl_fair_flow **find(struct sl_fair *f, uint64_t tenant, enum sl_fair_class class)
{
	struct sl_fair_flow **at = &f->buckets[(tenant + class) & f->mask];

	while (*at && ((*at)->tenant != tenant || (*at)->class != class))
		at = &(*at)->chain;
	return at;
}

static void idle_add(struct sl_fair *f, struct sl_fair_flow *flow)
{
	flow->newer = NULL;
	flow->older = f->newest;
	if (f->newest)
		f->newest->newer = flow;
	else
		f->oldest = flow;
	f->newest = flow;
}

static void idle_del(struct sl_fair *f, struct sl_fair_flow *flow)
{
	if (flow->newer)
		flow->newer->older = flow->older;
	else
		f->newest = flow->older;
	if (flow->older)
		flow->older->newer = flow->newer;
	else
		f->oldest = flow->newer;
}

/* An idle flow without an owner, or NULL if all are active. */
static struct sl_fair_flow *recycle(struct sl_fair *f)
{
	struct sl_fair_flow *flow = f->oldest;

	if (f->n_flows < f->max_flows) {
		flow = &f->flows[f->n_flows++];
		idle_add(f, flow);
	} else if (flow) {
		*find(f, flow->tenant, flow->class) = flow->chain;
	}
	return flow;
}

/* The claim's flow, which becomes active. */
static struct sl_fair_flow *attach(struct sl_fair *f, struct sl_fair_claim *c)
{
	struct sl_fair_flow *flow = c->flow ? c->flow : *find(f, c->tenant, c->class);

	if (!flow && (flow = recycle(f))) {
		struct sl_fair_flow **at = find(f, c->tenant, c->class);

		flow->tenant = c->tenant;
		flow->class = c->class;
		flow->counter = 0;
		flow->margin = 0;
		flow->stamp = f->stamp++;
		flow->chain = NULL;
		*at = flow;
	}
	if (!flow)
		flow = &f->classes[c->class].shared;
	if (!is_shared(f, flow) && !is_active(flow))
		idle_del(f, flow);
	return flow;
}

/* After a claim has left it. */
static void detach(struct sl_fair *f, struct sl_fair_claim *c)
{
	struct sl_fair_flow *flow = c->flow;

	if (!c->waiting && !c->tokens)
		c->flow = NULL;
	if (!is_shared(f, flow) && !is_active(flow))
		idle_add(f, flow);
}

/* Its places in the heaps of its class, after anything in them has changed. */
static void place(struct sl_fair *f, struct sl_fair_flow *flow)
{
	struct class *class = &f->classes[flow->class];

	if (!flow->waiting) {
		heap_del(&class->turns, &flow->turn);
		heap_del(&class->sizes, &flow->size);
		return;
	}
	heap_put(&class->turns, &flow->turn, flow->counter, flow->stamp);
	heap_put(&class->sizes, &flow->size, UINT32_MAX - flow->waiting, flow->stamp);
}

static struct sl_fair_flow *flow_of_turn(struct heap_item *turn)
{
	return turn ? (struct sl_fair_flow *)((char *)turn - offsetof(struct sl_fair_flow, turn))
	            : NULL;
}

static struct sl_fair_flow *largest(const struct class *class)
{
	struct heap_item *size = heap_first(&class->sizes);

	return size ? (struct sl_fair_flow *)((char *)size - offsetof(struct sl_fair_flow, size))
	            : NULL;
}

/* ---- the queue ------------------------------------------------------- */

static void append(struct sl_fair_claim **first, struct sl_fair_claim **last,
                   struct sl_fair_claim *c)
{
	c->next = NULL;
	c->prev = *last;
	if (*last)
		(*last)->next = c;
	else
		*first = c;
	*last = c;
}

static void cut(struct sl_fair_claim **first, struct sl_fair_claim **last, struct sl_fair_claim *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		*first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		*last = c->prev;
	c->next = c->prev = NULL;
}

static void stop_waiting(struct sl_fair *f, struct sl_fair_claim *c)
{
	struct sl_fair_flow *flow = c->flow;

	cut(&flow->first, &flow->last, c);
	flow->waiting--;
	f->waiting--;
	c->waiting = false;
	place(f, flow);
	if (f->classes[flow->class].turns.n == 0)
		f->classes[flow->class].passed = 0;
	detach(f, c);
}

/* Who begins to wait has no credit. */
static void begin(const struct sl_fair *f, struct sl_fair_flow *flow)
{
	const struct class *class = &f->classes[flow->class];
	const struct sl_fair_flow *lowest = flow_of_turn(heap_first(&class->turns));
	uint64_t least = lowest ? lowest->counter : class->floor;

	flow->epoch++;
	flow->margin = (int64_t)(flow->counter - least);
	if (flow->margin < 0)
		flow->counter = least;
}

/* How many wait already where the claim would. */
static uint32_t waiting_of(struct sl_fair *f, const struct sl_fair_claim *c)
{
	const struct sl_fair_flow *flow = *find(f, c->tenant, c->class);

	if (!flow && !f->oldest && f->n_flows == f->max_flows)
		flow = &f->classes[c->class].shared;
	return flow ? flow->waiting : 0;
}

static bool displace_one(struct sl_fair *f, const struct sl_fair_claim *c)
{
	uint32_t own_waiting = waiting_of(f, c);

	for (int i = SL_FAIR_CLASSES - 1; i >= (int)c->class; i--) {
		const struct sl_fair_flow *flow = largest(&f->classes[i]);
		struct sl_fair_claim *youngest = flow ? flow->last : NULL;

		if (!flow || flow->waiting <= own_waiting + 1)
			continue;
		stop_waiting(f, youngest);
		youngest->displaced = true;
		append(&f->displaced, &f->last_displaced, youngest);
		return true;
	}
	return false;
}

bool sl_fair_join(struct sl_fair *f, struct sl_fair_claim *c, uint64_t limit)
{
	struct sl_fair_flow *flow;

	assert(!c->waiting && !c->displaced && c->class < SL_FAIR_CLASSES);
	sl_fair_settle(f, c, 0);
	if (f->waiting >= limit && (limit == 0 || !displace_one(f, c)))
		return false;
	flow = attach(f, c);
	if (!flow->waiting)
		begin(f, flow);
	append(&flow->first, &flow->last, c);
	c->flow = flow;
	c->waiting = true;
	flow->waiting++;
	f->waiting++;
	place(f, flow);
	return true;
}

void sl_fair_leave(struct sl_fair *f, struct sl_fair_claim *c)
{
	if (c->waiting)
		stop_waiting(f, c);
	else if (c->displaced)
		cut(&f->displaced, &f->last_displaced, c);
	c->displaced = false;
}

struct sl_fair_claim *sl_fair_first(const struct sl_fair *f)
{
	const struct sl_fair_flow *flow = NULL;

	for (unsigned i = 0; i < SL_FAIR_CLASSES; i++) {
		const struct class *class = &f->classes[i];
		const struct sl_fair_flow *lowest = flow_of_turn(heap_first(&class->turns));

		if (lowest && (!flow || class->passed >= SL_FAIR_PASSES))
			flow = lowest;
	}
	return flow ? flow->first : NULL;
}

struct sl_fair_claim *sl_fair_displaced(const struct sl_fair *f)
{
	return f->displaced;
}

uint32_t sl_fair_waiting(const struct sl_fair *f)
{
	return f->waiting;
}

uint32_t sl_fair_tenants(const struct sl_fair *f)
{
	return f->n_flows;
}

/* ---- service --------------------------------------------------------- */

/* Those below it that wait have been passed once more. */
static void count_turn(struct sl_fair *f, enum sl_fair_class served)
{
	f->classes[served].passed = 0;
	for (unsigned i = served + 1; i < SL_FAIR_CLASSES; i++)
		if (f->classes[i].turns.n)
			f->classes[i].passed++;
}

void sl_fair_charge(struct sl_fair *f, struct sl_fair_claim *c, uint64_t tokens)
{
	struct class *class = &f->classes[c->class];
	struct sl_fair_flow *flow;

	if (c->tokens)
		return;
	flow = attach(f, c);
	if (class->floor < flow->counter)
		class->floor = flow->counter;
	c->flow = flow;
	c->epoch = flow->epoch;
	c->tokens = tokens ? tokens : 1;
	flow->counter += c->tokens;
	flow->charged++;
	flow->stamp = SERVED | f->stamp++;
	place(f, flow);
	count_turn(f, c->class);
}

static int64_t above_zero(int64_t n)
{
	return n > 0 ? n : 0;
}

/* What is left of a correction of a charge from before the flow began to wait. */
static int64_t correct_margin(struct sl_fair_flow *flow, int64_t by)
{
	int64_t before = above_zero(flow->margin);

	flow->margin += by;
	return above_zero(flow->margin) - before;
}

void sl_fair_settle(struct sl_fair *f, struct sl_fair_claim *c, uint64_t tokens)
{
	struct sl_fair_flow *flow = c->flow;
	int64_t by = (int64_t)(tokens - c->tokens);

	if (!c->tokens)
		return;
	if (c->epoch != flow->epoch)
		by = correct_margin(flow, by);
	assert(by >= 0 || flow->counter >= (uint64_t)-by);
	flow->counter += (uint64_t)by;
	c->tokens = 0;
	flow->charged--;
	place(f, flow);
	detach(f, c);
}
