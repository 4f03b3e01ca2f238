/* hash.c: how fast a prompt's hash chain is made, one core.
 *
 *   micro-hash [--json FILE] [--quick]
 *
 * Two tables of GB/s: the hash alone by size of the block, and the whole chain
 * (cut, hash, seal) over one text that arrives in frames of 16 KiB, as HTTP/2
 * brings it. The text is larger than the caches only where it says so. */
#include "bench/micro/timing.h"
#include "routing/chain.h"
#include "routing/simd.h"

#define FRAME 16384u
#define ROUNDS 5
#define SAMPLES 400u
#define QUICK_SAMPLES 20u
#define PASS_BYTES 1048576u /* of one sample, at least */
#define TEXT_BYTES 4194304u

static const uint32_t block_sizes[] = { 256, 1024, 4096, 16384 };
static const uint32_t prompts_k[] = { 1, 8, 128, 1024 }; /* tokens of four bytes */

static volatile uint64_t sink;

static void hash_blocks(const char *text, uint32_t len, uint32_t block)
{
	uint64_t sum = 0;

	for (uint32_t at = 0; at + block <= len; at += block)
		sum += simd->hash(text + at, block);
	sink = sum;
}

static void hash_chain(const char *text, uint32_t len, uint32_t unused)
{
	static struct chain chain;
	static bool ready;

	(void)unused;
	if (!ready)
		chain_init(&chain);
	ready = true;
	chain_reset(&chain);
	chain_open(&chain, 0);
	for (uint32_t at = FRAME; at < len; at += FRAME)
		chain_extend(&chain, text, at);
	chain_close(&chain, text, len);
	chain_seal(&chain, 1);
	sink = chain.n_blocks ? chain.blocks[chain.n_blocks - 1].hash : 0;
}

/* Times of one pass over `len` bytes, microseconds. */
static struct timing measure(void (*pass)(const char *, uint32_t, uint32_t), const char *text,
                             uint32_t len, uint32_t block, bool quick)
{
	static uint32_t ns[SAMPLES];
	uint32_t n = quick ? QUICK_SAMPLES : SAMPLES, repeat = 1 + PASS_BYTES / 8 / len;
	struct timing best = { 0 };

	for (int round = 0; round < (quick ? 1 : ROUNDS); round++) {
		for (uint32_t i = 0; i < n; i++) {
			uint64_t start = timing_clock_ns();

			for (uint32_t k = 0; k < repeat; k++)
				pass(text, len, block);
			ns[i] = (uint32_t)((timing_clock_ns() - start) / repeat);
		}
		timing_keep_better(&best, timing_sum_up(ns, n));
	}
	return best;
}

static double gb_per_s(uint32_t bytes, double us)
{
	return us > 0 ? bytes / us / 1000 : 0;
}

static void print_row(const char *name, uint32_t bytes, struct timing t)
{
	printf("| %-6s | %8u | %10.3f | %10.3f | %10.3f | %6.2f | %6.2f |\n", name, bytes,
	       t.mean_us, t.p50_us, t.p99_us, gb_per_s(bytes, t.p50_us), gb_per_s(bytes, t.p99_us));
	fflush(stdout);
}

static char *make_text(void)
{
	struct sl_rng rng = { 88172645463325252u };
	char *text = timing_need(malloc(TEXT_BYTES));

	for (uint32_t i = 0; i < TEXT_BYTES; i++)
		text[i] = (char)('a' + (sl_rng_next(&rng) >> 20) % 26);
	return text;
}

static void run_tables(struct timing_report *report, const char *text, bool quick)
{
	printf("| what | bytes | mean us | p50 | p99 | GB/s at p50 | at p99 |\n"
	       "|---|--:|--:|--:|--:|--:|--:|\n");
	for (size_t i = 0; i < SL_COUNT(block_sizes); i++) {
		uint32_t block = block_sizes[i], len = 65536;
		struct timing t = measure(hash_blocks, text, len, block, quick);
		double share = (double)block / len;

		t = (struct timing){ t.mean_us * share, t.p50_us * share, t.p99_us * share };
		print_row("block", block, t);
		timing_report_add(report,
		                  (struct timing_row){ "hash block", "none", 0, block / 4, t });
	}
	for (size_t i = 0; i < SL_COUNT(prompts_k); i++) {
		uint32_t len = prompts_k[i] * 4096;
		struct timing t = measure(hash_chain, text, len, 0, quick);

		print_row("chain", len, t);
		timing_report_add(report, (struct timing_row){ "hash chain", "none", 0,
		                                               prompts_k[i] * 1024, t });
	}
}

int main(int argc, char **argv)
{
	static struct timing_report report;
	const char *json = NULL;
	bool quick = false;
	char *text;

	if (!timing_options(argc, argv, &json, &quick)) {
		fprintf(stderr, "usage: micro-hash [--json FILE] [--quick]\n");
		return 2;
	}
	text = make_text();
	run_tables(&report, text, quick);
	free(text);
	return json ? timing_report_write(&report, json) : 0;
}
