/* page.c: how fast an engine's metrics page is read, one core.
 *
 *   micro-page PAGE [--quick]   a table of GB/s: what is read x in what pieces
 *
 * PAGE is a captured page; it is inflated to 150 kB, the size of a page of a
 * busy engine with many families, by repeating its histograms under other
 * names. It is fed in the pieces in which a socket brings it. "copy" is a memcpy
 * of the same bytes: what the kernel must do at the least. The best of several
 * rounds counts: the others measure the machine's other work. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/micro/timing.h"
#include "sluice/probe.h"

#define PAGE_BYTES 150000u
#define ROUNDS 9
#define ROUND_NS 20000000u

struct text {
	char *data; /* owned */
	size_t len;
};

static struct text read_file(const char *path)
{
	struct text t = { timing_need(malloc(1u << 20)), 0 };
	FILE *in = fopen(path, "rb");

	if (!in) {
		perror(path);
		exit(1);
	}
	t.len = fread(t.data, 1, 1u << 20, in);
	fclose(in);
	return t;
}

static bool of_histogram(struct sl_span line)
{
	return memmem(line.ptr, line.len, "_bucket{", 8) ||
	       memmem(line.ptr, line.len, "_sum{", 5) || memmem(line.ptr, line.len, "_count{", 7);
}

/* Behind the prefix of its name: "vllm:a_bucket{" becomes "vllm:r7_a_bucket{". */
static void add_renamed(struct text *t, struct sl_span line, unsigned round)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	size_t head = colon ? (size_t)(colon - line.ptr) + 1 : 0;

	memcpy(t->data + t->len, line.ptr, head);
	t->len += head;
	t->len += (size_t)sprintf(t->data + t->len, "r%u_", round);
	memcpy(t->data + t->len, line.ptr + head, line.len - head);
	t->len += line.len - head;
}

static void inflate(struct text *t)
{
	size_t len = t->len;

	t->data = timing_need(realloc(t->data, len + 2 * PAGE_BYTES));
	for (unsigned round = 0; t->len < PAGE_BYTES; round++) {
		for (size_t at = 0; at < len && t->len < PAGE_BYTES;) {
			const char *lf = memchr(t->data + at, '\n', len - at);
			size_t n = lf ? (size_t)(lf - t->data) + 1 - at : len - at;

			if (of_histogram(sl_span(t->data + at, n)))
				add_renamed(t, sl_span(t->data + at, n), round);
			at += n;
		}
	}
}

static void read_page(void *ctx, const struct text *t, size_t piece)
{
	struct sl_page_reader *r = ctx;
	struct sl_engine_page page;

	sl_page_reader_reset(r);
	for (size_t at = 0; at < t->len; at += piece)
		sl_page_reader_feed(r, t->data + at, t->len - at < piece ? t->len - at : piece);
	if (sl_page_reader_finish(r, &page) != 0 || page.running < 0) {
		fprintf(stderr, "not a page of vLLM\n");
		exit(1);
	}
}

static void copy_page(void *ctx, const struct text *t, size_t piece)
{
	for (size_t at = 0; at < t->len; at += piece)
		memcpy(ctx, t->data + at, t->len - at < piece ? t->len - at : piece);
	__asm__ volatile("" : : "r"(ctx) : "memory");
}

static double gb_per_s(void (*fn)(void *ctx, const struct text *t, size_t piece), void *ctx,
                       const struct text *t, size_t piece, bool quick)
{
	double best = 0;

	for (unsigned round = 0; round < (quick ? 1 : ROUNDS); round++) {
		uint64_t begin = timing_clock_ns(), now = begin, bytes = 0;

		while (now - begin < (quick ? ROUND_NS / 20 : ROUND_NS)) {
			fn(ctx, t, piece);
			bytes += t->len;
			now = timing_clock_ns();
		}
		if ((double)bytes / (double)(now - begin) > best)
			best = (double)bytes / (double)(now - begin);
	}
	return best;
}

int main(int argc, char **argv)
{
	static const size_t pieces[] = { 4096, 16384, 65536, SIZE_MAX / 2 };
	bool quick = argc == 3 && !strcmp(argv[2], "--quick");
	struct sl_page_reader *r;
	struct text page;
	char *room;

	if (argc < 2 || (argc == 3 && !quick) || argc > 3) {
		fprintf(stderr, "usage: micro-page PAGE [--quick]\n");
		return 2;
	}
	page = read_file(argv[1]);
	inflate(&page);
	room = timing_need(malloc(page.len));
	r = sl_page_reader_new(SL_ENGINE_VLLM);
	printf("%-8s %10s %8s %12s\n", "what", "piece", "GB/s", "us per page");
	for (size_t i = 0; i < SL_COUNT(pieces); i++) {
		size_t piece = pieces[i] < page.len ? pieces[i] : page.len;
		double read = gb_per_s(read_page, r, &page, piece, quick);
		double copy = gb_per_s(copy_page, room, &page, piece, quick);

		printf("%-8s %10zu %8.2f %12.1f\n", "read", piece, read,
		       (double)page.len / read / 1000);
		printf("%-8s %10zu %8.2f %12.1f\n", "copy", piece, copy,
		       (double)page.len / copy / 1000);
	}
	sl_page_reader_free(r);
	free(room);
	free(page.data);
	return 0;
}
