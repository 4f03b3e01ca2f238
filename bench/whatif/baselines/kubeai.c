/* kubeai.c: consistent hashing with bounded loads, strategy PrefixHash.
 *
 * Origin:  KubeAI, July 2025; the algorithm is of Mirrokni, Thorup and Zadimoghaddam
 *          (2016). vLLM's and SMG's prefix_hash are much the same.
 * Formula: a ring with `replication` points of each engine; from the key's
 *          place walk to the first engine with
 *          inflight + 1 <= loadFactor * (total inflight + 1) / engines,
 *          or any if nothing is in flight; if none is below, the first met.
 * Values:  replication 256, meanLoadFactor 125 %, prefixCharLength 100.
 * Source:  internal/loadbalancer/balance_chwbl.go, api/openai/v1 (Prefix),
 *          api/k8s/v1 (PrefixHash).
 * P and D: knows none; the same for each leg among its engines.
 * Simplified: the key is the first 100 characters of the first *user* message.
 *          A workload knows text by boundaries only, the first after 256
 *          bytes, and not where messages begin. So the system prompt is taken
 *          to be what more than half of all prompts begin with, and the key is
 *          the first boundary behind it; taken from the very beginning it
 *          would be the same for all, and the comparison unfair. A prompt that
 *          ends before has a key of its own. Points and keys are mixed by
 *          splitmix64's finaliser, not xxHash64. */
#include "bench/whatif/baseline.h"

#include <assert.h>

#include "routing/alloc.h"

#define REPLICATION 256u
#define LOAD_FACTOR 1.25
/* No system prompt is longer, in boundaries: 32 KiB. */
#define MAX_COMMON 44u

struct point {
	uint64_t hash;
	uint32_t engine;
};

struct ring {
	struct point *points; /* owned; sorted */
	uint8_t *wanted;      /* owned; by engine: a candidate not met on this walk */
	uint32_t n_points;
	uint32_t n_common; /* boundaries of the system prompt */
};

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static int compare_points(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->engine > y->engine) - (x->engine < y->engine);
}

/* ---- the system prompt ------------------------------------------------ */

static const struct sl_block *block_at(const struct workload *w, uint32_t request, uint32_t k)
{
	const struct workload_request *r = &w->requests[request];

	return k < r->n_blocks ? &w->blocks[r->first_block + k] : NULL;
}

/* Boyer and Moore's vote: if more than half have one hash at boundary k, this
 * is it; then count. */
static bool most_share(const struct workload *w, uint32_t k)
{
	uint32_t votes = 0, count = 0;
	uint64_t leader = 0;

	for (uint32_t i = 0; i < w->n; i++) {
		const struct sl_block *block = block_at(w, i, k);

		if (block && votes == 0)
			leader = block->hash;
		if (block && block->hash == leader)
			votes++;
		else if (votes > 0)
			votes--;
	}
	for (uint32_t i = 0; i < w->n; i++) {
		const struct sl_block *block = block_at(w, i, k);

		count += block && block->hash == leader;
	}
	return count > w->n / 2;
}

static void build(struct ring *r, const struct view *v)
{
	r->n_points = v->n * REPLICATION;
	r->points = alloc_zero(r->n_points, sizeof(*r->points));
	r->wanted = alloc_zero(v->n, sizeof(*r->wanted));
	for (uint32_t i = 0; i < r->n_points; i++)
		r->points[i] = (struct point){ mix(i), i / REPLICATION };
	qsort(r->points, r->n_points, sizeof(*r->points), compare_points);
	while (r->n_common < MAX_COMMON && most_share(v->workload, r->n_common))
		r->n_common++;
}

/* ---- the walk --------------------------------------------------------- */

static uint64_t key_of(const struct ring *r, const struct baseline_ask *ask)
{
	const struct sl_block *block = block_at(ask->view->workload, ask->request, r->n_common);

	return mix(block ? block->hash : ask->request);
}

static uint32_t first_point(const struct ring *r, uint64_t key)
{
	uint32_t low = 0, high = r->n_points;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (r->points[mid].hash < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low % r->n_points;
}

static double most_inflight(const struct baseline_ask *ask)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < ask->n; i++)
		total += ask->view->engines[ask->among[i]].inflight;
	return total ? LOAD_FACTOR * ((double)total + 1) / ask->n : 1;
}

static uint32_t walk(struct ring *r, const struct baseline_ask *ask, double most)
{
	uint32_t at = first_point(r, key_of(r, ask));
	uint32_t first = SL_NO_ENDPOINT;

	for (uint32_t n_left = ask->n; n_left > 0; at = (at + 1) % r->n_points) {
		uint32_t engine = r->points[at].engine;

		if (!r->wanted[engine])
			continue;
		r->wanted[engine] = 0;
		n_left--;
		if (first == SL_NO_ENDPOINT)
			first = engine;
		if (ask->view->engines[engine].inflight + 1.0 <= most)
			return engine;
	}
	return first;
}

static uint32_t pick(const struct baseline_ask *ask)
{
	struct ring *r = ask->own;
	uint32_t engine;

	if (!r->points)
		build(r, ask->view);
	for (uint32_t i = 0; i < ask->n; i++)
		r->wanted[ask->among[i]] = 1;
	engine = walk(r, ask, most_inflight(ask));
	memset(r->wanted, 0, ask->view->n);
	return engine;
}

static void fini(void *own)
{
	struct ring *r = own;

	free(r->points);
	free(r->wanted);
}

const struct baseline baseline_kubeai = { .pick = pick,
	                                  .fini = fini,
	                                  .own_bytes = sizeof(struct ring) };
