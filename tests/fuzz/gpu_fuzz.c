/* gpu_fuzz.c: any bytes as exporters' pages, one after another (a NUL ends a
 * page), once whole and once in pieces; the readings agree, and a book and a
 * match take whatever they say. */
#undef NDEBUG /* assert is what this file is for */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "sluice/gpu.h"
#include "sluice/route.h"

static int read_page(struct sl_gpu_reader *r, const char *data, size_t len, size_t piece,
                     struct sl_gpu_page *out)
{
	sl_gpu_reader_reset(r);
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *copy = malloc(n); /* so that reading past a piece is seen */

		memcpy(copy, data + at, n);
		sl_gpu_reader_feed(r, copy, n);
		free(copy);
	}
	return sl_gpu_reader_finish(r, out);
}

static void hear(void *ctx, const struct sl_gpu_news *news)
{
	(void)ctx;
	assert(news->gpu->derate >= 1 && news->gpu->derate <= SL_DERATE_MAX);
}

static void match(const struct sl_gpu_book *book)
{
	struct sl_gpu_user users[] = { { .gpus = "GPU-0,1" },
		                       { .namespace_ = "prod", .pod = "decode-0" },
		                       { .host = "node-7" } };
	struct sl_gpu_user *list[] = { &users[0], &users[1], &users[2] };
	uint32_t n, out = 0;
	const struct sl_gpu *gpus = sl_gpu_book_list(book, &n);

	for (uint32_t i = 0; i < n; i++) {
		assert(gpus[i].class_ < SL_GPU_CLASS_COUNT && gpus[i].cause < SL_GPU_CAUSE_COUNT);
		assert(strlen(gpus[i].last.key) && strlen(gpus[i].reason) < SL_GPU_REASON_MAX);
	}
	sl_gpu_match(gpus, n, users, 3);
	sl_gpu_cap(list, 3, 0.3);
	for (int i = 0; i < 3; i++)
		out += users[i].state == SL_GPU_STATE_FAILED;
	assert(out <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sl_gpu_reader *whole = sl_gpu_reader_new(), *pieces = sl_gpu_reader_new();
	struct sl_gpu_book *book = sl_gpu_book_new();
	const char *at = (const char *)data + 1, *end = (const char *)data + len;
	struct sl_gpu_policy policy;
	uint64_t now_us = 1000000;

	sl_gpu_policy_default(&policy);
	for (int k = 0; len > 1 && at < end && k < 16; k++) {
		const char *stop = memchr(at, '\0', (size_t)(end - at));
		size_t n = (size_t)((stop ? stop : end) - at);
		struct sl_gpu_page a, b;
		int err = read_page(whole, at, n, n ? n : 1, &a);

		assert(read_page(pieces, at, n, data[0] % 64 + 1u, &b) == err);
		if (err == 0) {
			assert(a.n_gpus == b.n_gpus && a.kind == b.kind && a.n_gpus > 0);
			assert(!memcmp(a.gpus, b.gpus, a.n_gpus * sizeof(*a.gpus)));
			now_us += 1000000u * data[0];
			sl_gpu_book_page(book, &policy, &a, now_us, hear, NULL);
			match(book);
		}
		at += n + 1;
	}
	sl_gpu_book_free(book);
	sl_gpu_reader_free(whole);
	sl_gpu_reader_free(pieces);
	return 0;
}
