/* index.c: how long the prefix index takes, and what memory, one core.
 *
 *   micro-index [--json FILE] [--quick]
 *                         a table: insert, lookup and evict by number of
 *                         endpoints and length of the prompt
 *   micro-index --unique COUNT
 *                         inserts that many prompts of 1K tokens, no two with a
 *                         block in common, over 64 endpoints, and prints what
 *                         the index and the process occupy on the way
 *
 * Operations: `insert` of a prompt that is new but for the 8 KiB that all share;
 * `touch`, the same again; `lookup` of a prompt that one endpoint holds and all
 * hold the beginning of; `evict`, an insert into a full endpoint, which pushes
 * as many blocks out. Each endpoint holds some prompts; past FILL_BLOCKS in all
 * not every one does. */
#include "routing/index.h"
#include "bench/micro/timing.h"

#define SHARED_BYTES 8192u
#define FILL_BLOCKS 1500000u
#define PER_ENDPOINT 8u
#define SAMPLES 1000u
#define ROUNDS 3
#define BYTES_PER_TOKEN 4u
#define UNIQUE_ENDPOINTS 64u
#define UNIQUE_TOKENS 1024u

static const uint32_t fleets[] = { 16, 64, 256, 1024, 10000 };
static const uint32_t prompts_k[] = { 1, 8, 128, 1024 }; /* tokens */
#define QUICK_CASES 2u

enum operation { OP_INSERT, OP_TOUCH, OP_LOOKUP, OP_EVICT, OP_COUNT };
static const char *const operation_names[] = { "insert", "touch", "lookup", "evict" };

static const struct index_limit unlimited = { UINT64_MAX, UINT32_MAX };

struct fixture {
	struct index index;
	struct sl_block *blocks; /* owned; the prompt at hand */
	uint32_t n_blocks;
	uint32_t n_endpoints;
	uint32_t shared_blocks;
	uint64_t n_filled; /* prompts, numbered from 0 */
	uint64_t n_prompts;
};

/* ---- prompts ----------------------------------------------------------- */

static void name_blocks(struct fixture *f, uint64_t prompt)
{
	struct sl_rng own = { prompt + 2 };

	for (uint32_t i = f->shared_blocks; i < f->n_blocks; i++)
		f->blocks[i].hash = sl_rng_next(&own) + prompt;
}

static void cut_prompt(struct fixture *f, uint32_t bytes, uint32_t shared_bytes)
{
	struct sl_rng shared = { 1 };

	f->blocks = timing_need(calloc(bytes / 256 + 1, sizeof(*f->blocks)));
	for (uint32_t at = 0; at + timing_block_bytes(at) <= bytes;) {
		at += timing_block_bytes(at);
		f->blocks[f->n_blocks++] = (struct sl_block){ sl_rng_next(&shared), at };
		f->shared_blocks += at <= shared_bytes;
	}
	/* a prompt that is nothing but shared has its last block to itself */
	if (shared_bytes && f->shared_blocks == f->n_blocks)
		f->shared_blocks--;
}

static struct index_put put(struct fixture *f, uint32_t endpoint, struct index_limit limit)
{
	return index_insert(&f->index, endpoint, f->blocks, f->n_blocks, 1.0 / BYTES_PER_TOKEN,
	                    limit);
}

/* ---- a fleet ------------------------------------------------------------ */

static void fixture_open(struct fixture *f, uint32_t n_endpoints, uint32_t bytes,
                         uint32_t shared_bytes)
{
	*f = (struct fixture){ .n_endpoints = n_endpoints };
	cut_prompt(f, bytes, shared_bytes);
	index_init(&f->index, 42);
	index_reserve(&f->index, n_endpoints);
}

static void fixture_close(struct fixture *f)
{
	index_fini(&f->index);
	free(f->blocks);
}

static void fill(struct fixture *f)
{
	uint64_t n = (uint64_t)PER_ENDPOINT * f->n_endpoints;

	if (n * f->n_blocks > FILL_BLOCKS)
		n = FILL_BLOCKS / f->n_blocks;
	for (; f->n_filled < n; f->n_filled++) {
		name_blocks(f, f->n_filled);
		put(f, (uint32_t)(f->n_filled % f->n_endpoints), unlimited);
	}
	f->n_prompts = f->n_filled;
}

/* ---- one operation -------------------------------------------------------- */

static uint32_t timed(uint64_t since_ns)
{
	return (uint32_t)(timing_clock_ns() - since_ns);
}

static uint32_t time_put(struct fixture *f, uint64_t prompt, struct index_limit limit)
{
	uint32_t endpoint = (uint32_t)(prompt % f->n_endpoints);
	uint64_t start;

	name_blocks(f, prompt);
	start = timing_clock_ns();
	put(f, endpoint, limit);
	return timed(start);
}

/* What was inserted goes again, outside of the time. */
static uint32_t time_insert(struct fixture *f, uint64_t prompt)
{
	uint32_t endpoint = (uint32_t)(prompt % f->n_endpoints);
	struct index_put added;
	uint64_t start;
	uint32_t ns;

	name_blocks(f, prompt);
	start = timing_clock_ns();
	added = put(f, endpoint, unlimited);
	ns = timed(start);
	index_take_back(&f->index, endpoint, f->blocks, f->n_blocks, added);
	return ns;
}

static uint32_t time_evict(struct fixture *f, uint64_t prompt)
{
	uint32_t endpoint = (uint32_t)(prompt % f->n_endpoints);
	uint32_t held = f->index.lru[endpoint].n_entries;

	if (held < f->n_blocks)
		held = f->n_blocks;
	return time_put(f, prompt, (struct index_limit){ UINT64_MAX, held });
}

static uint32_t time_lookup(struct fixture *f, uint64_t prompt)
{
	uint64_t start;

	name_blocks(f, prompt);
	start = timing_clock_ns();
	index_match(&f->index, f->blocks, f->n_blocks);
	return timed(start);
}

static uint32_t time_one(struct fixture *f, enum operation op, struct sl_rng *rng)
{
	uint64_t known = sl_rng_next(rng) % f->n_filled;

	switch (op) {
	case OP_INSERT:
		return time_insert(f, f->n_prompts++);
	case OP_TOUCH:
		return time_put(f, known, unlimited);
	case OP_LOOKUP:
		return time_lookup(f, known);
	default:
		return time_evict(f, f->n_prompts++);
	}
}

static struct timing measure(struct fixture *f, enum operation op, int rounds)
{
	static uint32_t ns[SAMPLES];
	struct sl_rng rng = { 7 };
	struct timing best = { 0 };

	for (int round = 0; round < rounds; round++) {
		for (uint32_t i = 0; i < SAMPLES; i++)
			ns[i] = time_one(f, op, &rng);
		timing_keep_better(&best, timing_sum_up(ns, SAMPLES));
	}
	return best;
}

/* ---- the table -------------------------------------------------------------- */

static void print_row(struct timing_report *report, uint32_t endpoints, uint32_t tokens_k,
                      int rounds)
{
	struct fixture f;

	fixture_open(&f, endpoints, tokens_k * 1024 * BYTES_PER_TOKEN, SHARED_BYTES);
	fill(&f);
	printf("| %6u | %5uK | %4u |", endpoints, tokens_k, f.n_blocks);
	for (int op = 0; op < OP_COUNT; op++) { /* evict last: it forgets what is known */
		struct timing t = measure(&f, (enum operation)op, rounds);

		printf(" %6.2f / %6.2f / %6.2f |", t.mean_us, t.p50_us, t.p99_us);
		fflush(stdout);
		timing_report_add(report, (struct timing_row){ operation_names[op], "index",
		                                               endpoints, tokens_k * 1024, t });
	}
	printf("\n");
	fixture_close(&f);
}

static int run_table(const char *json, bool quick)
{
	static struct timing_report report;
	size_t n_fleets = quick ? QUICK_CASES : SL_COUNT(fleets);
	size_t n_prompts = quick ? QUICK_CASES : SL_COUNT(prompts_k);

	printf("Prefix index, microseconds, mean / p50 / p99\n\n"
	       "| endpoints | tokens | blocks | insert | touch | lookup | evict |\n"
	       "|--:|--:|--:|--:|--:|--:|--:|\n");
	for (size_t i = 0; i < n_fleets; i++)
		for (size_t k = 0; k < n_prompts; k++)
			print_row(&report, fleets[i], prompts_k[k], quick ? 1 : ROUNDS);
	return json ? timing_report_write(&report, json) : 0;
}

/* ---- memory ------------------------------------------------------------------- */

static uint64_t resident_kib(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *in = fopen("/proc/self/status", "r");

	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "VmRSS: %llu", &kib) == 1)
			break;
	if (in)
		fclose(in);
	return kib;
}

static void print_memory(const struct fixture *f, uint64_t count)
{
	uint32_t entries = f->index.entries.n_live;
	uint64_t bytes = index_bytes(&f->index);

	printf("| %10llu | %9u | %11llu | %6.2f | %8llu |\n", (unsigned long long)count, entries,
	       (unsigned long long)bytes, entries ? (double)bytes / entries : 0.0,
	       (unsigned long long)resident_kib());
	fflush(stdout);
}

static int run_unique(uint64_t count)
{
	const struct index_limit limit = { .tokens = UINT64_MAX, .entries = 65536 };
	struct fixture f;

	fixture_open(&f, UNIQUE_ENDPOINTS, UNIQUE_TOKENS * BYTES_PER_TOKEN, 0);
	printf("| prompts | entries | index bytes | per entry | RSS KiB |\n"
	       "|--:|--:|--:|--:|--:|\n");
	for (uint64_t i = 1; i <= count; i++) {
		name_blocks(&f, i);
		put(&f, (uint32_t)(i % UNIQUE_ENDPOINTS), limit);
		if (i == count / 10 || i == count / 5 || i == count / 2 || i == count)
			print_memory(&f, i);
	}
	fixture_close(&f);
	return 0;
}

int main(int argc, char **argv)
{
	const char *json = NULL;
	bool quick = false;

	if (argc == 3 && !strcmp(argv[1], "--unique"))
		return run_unique(strtoull(argv[2], NULL, 10));
	if (!timing_options(argc, argv, &json, &quick)) {
		fprintf(stderr, "usage: micro-index [--json FILE] [--quick] | --unique COUNT\n");
		return 2;
	}
	return run_table(json, quick);
}
